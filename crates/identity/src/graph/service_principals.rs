//! `/servicePrincipals`.

use futures::FutureExt as _;
use http::Method;
use serde_json::{Map, Value};

use super::{
    Access, Answer, Call, GraphError, Operation,
    applications::{expanded, owner_of, target},
};
use crate::{IdentityError, Owners, ServicePrincipal, json, service_principals, target::Name};

const ENTITY: &str = "servicePrincipals/$entity";

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/servicePrincipals",
        summary: "List service principals.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals",
        summary: "Make the service principal of an application.",
        access: Access::CREATE_APPLICATIONS,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/servicePrincipals/{servicePrincipal}",
        summary: "Get a service principal, by ID or appId.",
        access: Access::READ_APPLICATIONS,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/servicePrincipals/{servicePrincipal}",
        summary: "Change a service principal.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/servicePrincipals/{servicePrincipal}",
        summary: "Delete a service principal and what was granted to it; it can be restored for 30 days.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| delete(call).boxed(),
    },
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&["owners"])?;
    let mut query = call.list_query(&service_principals::COLLECTION)?;
    if let Some(owner) = owner_of(call.reach) {
        query = query.within("SELECT object_id FROM directory_owner WHERE owner_id = ", owner);
    }
    let page = call.identity.page_of_service_principals(&query).await?;
    let ids: Vec<_> = page.items.iter().map(|principal| principal.id).collect();
    let mut owners = match call.options.expand("owners") {
        Some(_) => call.identity.owners_of_all(&ids).await?,
        None => std::collections::HashMap::new(),
    };
    let tenant = call.identity.tenant().await?.id;
    let shown = page.map(|principal| {
        let mut shown = shape(&call, &principal, tenant);
        if let Some(expand) = call.options.expand("owners") {
            let owners = owners.remove(&principal.id).unwrap_or_default();
            shown.insert("owners".to_owned(), expanded(&owners, expand));
        }
        Value::Object(shown)
    });
    Ok(Answer::page("servicePrincipals", shown))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&["owners"])?;
    let principal = call.identity.find_service_principal(target(&call, "servicePrincipal")?).await?;
    let tenant = call.identity.tenant().await?.id;
    let mut shown = shape(&call, &principal, tenant);
    if let Some(expand) = call.options.expand("owners") {
        let mut owners = call.identity.owners_of_all(&[principal.id]).await?;
        let owners = owners.remove(&principal.id).unwrap_or_default();
        shown.insert("owners".to_owned(), expanded(&owners, expand));
    }
    Ok(Answer::object(ENTITY, Value::Object(shown)).with_version(principal.version))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let mut members = call.body.object()?.clone();
    let wrong = |reason: &str| IdentityError::invalid("appId", reason);
    let app_id = match members.remove("appId") {
        Some(Value::String(id)) => id.parse().map_err(|_| wrong("must be a GUID"))?,
        Some(_) => return Err(wrong("must be a text").into()),
        None => return Err(wrong("must name the application").into()),
    };
    let application = crate::Target::new(Name::AppId(app_id)).owned_by(owner_of(call.reach));
    let owners = Owners { creator: owner_of(call.reach), others: call.body.bound("owners")? };
    let made = call.identity.create_service_principal_with(&call.actor, application, &members, owners).await;
    let principal = made.map_err(|error| match error {
        // Graph's answer to a body that names nothing is not that the path names nothing.
        IdentityError::NotFound { kind: "application", .. } => {
            wrong("references an application that does not exist in this tenant; only those of this tenant can be used")
        }
        other => other,
    })?;
    let tenant = call.identity.tenant().await?.id;
    Ok(Answer::created(ENTITY, json::service_principal(&principal, tenant)).with_version(principal.version))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "servicePrincipal")?.if_match(call.expected_version()?);
    let changed = call.identity.change_service_principal(&call.actor, target, call.body.object()?).await?;
    let tenant = call.identity.tenant().await?.id;
    Ok(call.changed(ENTITY, json::service_principal(&changed, tenant)).with_version(changed.version))
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "servicePrincipal")?.if_match(call.expected_version()?);
    call.identity.delete_service_principal(&call.actor, target).await?;
    Ok(Answer::no_content())
}

/// `key` of a certificate is given only where `$select` names `keyCredentials`.
fn shape(call: &Call, principal: &ServicePrincipal, tenant: hilum_kernel::TenantId) -> Map<String, Value> {
    let Value::Object(mut shown) = json::service_principal(principal, tenant) else { return Map::new() };
    if call.selects_by_name("keyCredentials") {
        let keys = principal.certificates.iter().map(json::certificate_with_key);
        shown.insert("keyCredentials".to_owned(), keys.collect());
    }
    shown
}
