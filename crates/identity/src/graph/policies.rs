//! `/policies`: of most kinds there are none; the lists are there, and empty, for what asks.

use futures::{FutureExt as _, future::ready};
use http::Method;

use super::{Access, Answer, Call, GraphError, Operation, access::Owned};

/// Reading policies of any kind.
pub(super) const READ: Access = Access {
    application: &[
        "Policy.Read.All",
        "Policy.ReadWrite.ApplicationConfiguration",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "Policy.Read.All",
        "Policy.ReadWrite.ApplicationConfiguration",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: Access::READ_APPLICATIONS.roles,
    owned: Owned::Never,
};

macro_rules! rows {
    ($($name:literal;)*) => {
        &[$(Operation {
            method: Method::GET,
            path: concat!("/policies/", $name),
            summary: "List policies of this kind; there are none.",
            access: READ,
            handler: |call| ready(none(&call)).boxed(),
        },)*]
    };
}

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = rows![
    "tokenIssuancePolicies";
    "claimsMappingPolicies";
    "homeRealmDiscoveryPolicies";
    "appManagementPolicies";
];

fn none(call: &Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    Ok(Answer::list("policies", Vec::new()))
}
