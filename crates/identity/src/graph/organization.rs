//! `/organization`, `/domains`, `/subscribedSkus`: the tenant itself.

use futures::FutureExt as _;
use http::Method;
use serde_json::{Value, json};

use super::{Access, Answer, Call, GraphError, Operation, access::Owned, fixed};
use crate::{Tenant, json::date_time};

/// Anybody who is signed in may know where.
const READ: Access = Access {
    application: &[
        "Organization.Read.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "User.Read.All",
        "Application.Read.All",
        "Application.ReadWrite.All",
    ],
    delegated: &[
        "User.Read",
        "Organization.Read.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: super::users::READ.roles,
    owned: Owned::AnyUser,
};

macro_rules! row {
    ($path:literal, $summary:literal, $handler:expr) => {
        Operation { method: Method::GET, path: $path, summary: $summary, access: READ, handler: $handler }
    };
}

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    row!("/organization", "List organizations: the tenant.", |call| organizations(call).boxed()),
    row!("/organization/{organization}", "Get the tenant.", |call| organization(call).boxed()),
    row!("/domains", "List the tenant's domains.", |call| domains(call).boxed()),
    row!("/domains/{domain}", "Get a domain.", |call| domain(call).boxed()),
    row!("/subscribedSkus", "List subscriptions: there are none.", |call| {
        async move { fixed::answer(&call, "subscribedSkus", Vec::new()) }.boxed()
    }),
];

fn shape(tenant: &Tenant) -> Value {
    json!({
        "assignedPlans": [],
        "businessPhones": [],
        "city": null,
        "country": null,
        "countryLetterCode": null,
        "createdDateTime": date_time(tenant.created_at),
        "deletedDateTime": null,
        "displayName": tenant.display_name,
        "id": tenant.id.to_string(),
        "onPremisesSyncEnabled": null,
        "preferredLanguage": null,
        "provisionedPlans": [],
        "technicalNotificationMails": [],
        "tenantType": "AAD",
        "verifiedDomains": [{
            "capabilities": "",
            "isDefault": true,
            "isInitial": true,
            "name": tenant.domain,
            "type": "Managed",
        }],
    })
}

fn domain_shape(tenant: &Tenant) -> Value {
    json!({
        "authenticationType": "Managed",
        "availabilityStatus": null,
        "id": tenant.domain,
        "isAdminManaged": true,
        "isDefault": true,
        "isInitial": true,
        "isRoot": true,
        "isVerified": true,
        "passwordNotificationWindowInDays": null,
        // Passwords do not expire: Graph's number for that.
        "passwordValidityPeriodInDays": i32::MAX,
        "state": null,
        "supportedServices": [],
    })
}

async fn organizations(call: Call) -> Result<Answer, GraphError> {
    let tenant = call.identity.tenant().await?;
    fixed::answer(&call, "organization", vec![shape(tenant)])
}

async fn organization(call: Call) -> Result<Answer, GraphError> {
    let tenant = call.identity.tenant().await?;
    let key = call.key("organization")?.value();
    if key.parse() != Ok(tenant.id) {
        return Err(GraphError::not_found(key));
    }
    Ok(Answer::object("organization/$entity", shape(tenant)))
}

async fn domains(call: Call) -> Result<Answer, GraphError> {
    let tenant = call.identity.tenant().await?;
    fixed::answer(&call, "domains", vec![domain_shape(tenant)])
}

async fn domain(call: Call) -> Result<Answer, GraphError> {
    let tenant = call.identity.tenant().await?;
    let key = call.key("domain")?.value();
    if !key.eq_ignore_ascii_case(&tenant.domain) {
        return Err(GraphError::not_found(key));
    }
    Ok(Answer::object("domains/$entity", domain_shape(tenant)))
}
