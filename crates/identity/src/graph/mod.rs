//! The Graph-compatible API (`/v1.0`, `/beta`): registrations, users, groups, roles and grants, as Microsoft Graph offers
//! them (sheet §5.3, §5.5, §3.3).
//!
//! One table of operations drives everything: routing, authorization, `$batch`, the OpenAPI document, and the
//! authorization matrix that a test keeps. Each noun has a file with its rows ([`Operation`]) and handlers; they call the
//! directory's operations and hold no rules. Only `http.rs` knows HTTP; [`Graph::operate`] calls the same table for the
//! command line and the portal.
//!
//! The API is a resource server of its own platform: `token.rs` says whose tokens it takes, and why it needs
//! `hilum-access` for that.

#![expect(dead_code, reason = "offers what the nouns' operations take up one by one")]

pub(crate) mod access;
mod answer;
mod app_role_assignments;
mod applications;
mod arm;
mod batch;
mod body;
mod call;
pub(crate) mod caller;
mod credentials;
mod deleted_items;
mod directory_objects;
mod directory_roles;
mod dispatch;
mod error;
mod federated_credentials;
mod fixed;
mod grants;
mod groups;
mod http;
mod me;
mod odata;
mod openapi;
mod operation;
mod organization;
mod owners;
mod path;
mod policies;
mod service_principals;
mod throttle;
mod token;
mod token_lifetime_policies;
mod users;

#[cfg(test)]
mod applications_tests;
#[cfg(test)]
mod people_tests;
#[cfg(test)]
pub(crate) mod tests;

use ::http::{Method, StatusCode};
use serde_json::Value;

use crate::{Identity, IdentityError};

pub(crate) use crate::directory_roles::DirectoryRole;

pub(crate) use access::{Access, Reach};
pub(crate) use answer::Answer;
pub(crate) use call::Call;
pub(crate) use error::GraphError;
pub(crate) use odata::parse_filter;
pub use openapi::openapi;
pub(crate) use operation::Operation;
pub(crate) use path::Key;
pub(crate) use throttle::Throttle;

/// Everything the API does: one line for each noun.
const GRAPH: &[&[Operation]] = &[
    batch::OPERATIONS,
    applications::OPERATIONS,
    users::OPERATIONS,
    me::OPERATIONS,
    groups::OPERATIONS,
    directory_objects::OPERATIONS,
    directory_roles::OPERATIONS,
    organization::OPERATIONS,
    grants::OPERATIONS,
    app_role_assignments::OPERATIONS,
    policies::OPERATIONS,
    token_lifetime_policies::OPERATIONS,
    service_principals::OPERATIONS,
    credentials::OPERATIONS,
    owners::OPERATIONS,
    federated_credentials::OPERATIONS,
    deleted_items::OPERATIONS,
];

/// Azure Resource Manager's operations on roles (`/subscriptions/…`, `/providers/…`), which `az role` calls.
const ARM: &[&[Operation]] = &[arm::OPERATIONS];

#[cfg(test)]
pub(crate) const STATEMENTS: &[&[hilum_storage::db::Sql]] = &[caller::STATEMENTS];

/// Which interface is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Microsoft Graph.
    Graph,
    /// Azure Resource Manager.
    Arm,
}

impl Surface {
    fn operations(self) -> impl Iterator<Item = &'static Operation> {
        match self {
            Self::Graph => GRAPH,
            Self::Arm => ARM,
        }
        .iter()
        .copied()
        .flatten()
    }
}

/// The API for callers in this process: the command line, the portal. They act as the operator.
pub struct Graph(Identity);

impl Identity {
    /// The Graph-compatible API on the wire: `/v1.0/…` and `/beta/…`.
    pub fn graph_router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// The same API without wire and token.
    pub fn graph(&self) -> Graph {
        Graph(self.clone())
    }
}

impl Graph {
    /// Calls an operation: `GET /applications?$top=5`, with or without `/v1.0` before it. The answer is what the wire
    /// would give; errors have Graph's shape, too.
    pub async fn operate(&self, method: Method, target: &str, body: Option<Value>) -> (StatusCode, Value) {
        dispatch::operate(&self.0, method, target, body).await
    }
}

/// Checks the text of a `$filter`.
///
/// # Errors
/// [`IdentityError::UnsupportedQuery`] or [`IdentityError::Invalid`] with what is wrong with it.
pub fn check_filter(text: &str) -> Result<(), IdentityError> {
    parse_filter(text).map(drop).map_err(|error| IdentityError::invalid("$filter", error.message))
}
