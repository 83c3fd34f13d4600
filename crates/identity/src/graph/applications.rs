//! `/applications`.

use futures::FutureExt as _;
use http::Method;

use super::{Access, Answer, Call, GraphError, Key, Operation, Reach};
use crate::{Application, Identity, IdentityError, applications, json};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/applications",
        summary: "List applications.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications",
        summary: "Register an application.",
        access: Access::CREATE_APPLICATIONS,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/applications/{application}",
        summary: "Get an application.",
        access: Access::READ_APPLICATIONS,
        handler: |call| get(call).boxed(),
    },
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    // Ownership comes with the owners' table.
    call.require_owner(&[])?;
    let query = call.list_query(&applications::COLLECTION)?;
    let domain = call.identity.tenant().await?.domain.clone();
    let page = call.identity.page_applications(&query).await?;
    Ok(Answer::page("applications", page.map(|application| json::application(&application, &domain))))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let application = find(&call.identity, call.key("application")?).await?;
    call.require_owner(&[])?;
    let domain = &call.identity.tenant().await?.domain;
    Ok(Answer::object("applications/$entity", json::application(&application, domain)))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    if call.reach != Reach::All {
        return Err(GraphError::forbidden());
    }
    let application = call.identity.create_application(&call.actor, call.body.object()?).await?;
    let domain = &call.identity.tenant().await?.domain;
    Ok(Answer::created("applications/$entity", json::application(&application, domain)))
}

/// `/applications/{id}`, `/applications(appId='…')`.
async fn find(identity: &Identity, key: &Key) -> Result<Application, GraphError> {
    let found = identity.find_application(key.value()).await?;
    let named = match key {
        Key::Id(id) => found.object_id.to_string().eq_ignore_ascii_case(id),
        Key::Alternate { property, value } if property.eq_ignore_ascii_case("appId") => {
            found.app_id.to_string().eq_ignore_ascii_case(value)
        }
        Key::Alternate { .. } => false,
    };
    named.then_some(found).ok_or_else(|| IdentityError::not_found("application", key.value()).into())
}
