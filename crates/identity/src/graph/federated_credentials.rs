//! `/applications/{id}/federatedIdentityCredentials`.

use futures::FutureExt as _;
use http::Method;
use serde_json::{Value, json};

use super::{Access, Answer, Call, GraphError, Operation, applications::target};
use crate::{FederatedCredential, Upserted, federated_credentials::COLLECTION};

const ENTITY: &str = "applications('…')/federatedIdentityCredentials/$entity";

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/applications/{application}/federatedIdentityCredentials",
        summary: "List an application's federated identity credentials.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/federatedIdentityCredentials",
        summary: "Add a federated identity credential to an application.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/applications/{application}/federatedIdentityCredentials/{credential}",
        summary: "Get a federated identity credential by its ID or name.",
        access: Access::READ_APPLICATIONS,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/applications/{application}/federatedIdentityCredentials/{credential}",
        summary: "Change a federated identity credential; with Prefer: create-if-missing and its name, add it where it is missing.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/applications/{application}/federatedIdentityCredentials/{credential}",
        summary: "Remove a federated identity credential from an application.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove(call).boxed(),
    },
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let query = call.list_query(&COLLECTION)?;
    let page = call.identity.page_federated_credentials(target(&call, "application")?, query).await?;
    let context = "applications('…')/federatedIdentityCredentials";
    Ok(Answer::page(context, page.map(|credential| shape(&credential))))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?;
    let made = call.identity.add_federated_credential(&call.actor, target, call.body.object()?).await?;
    Ok(Answer::created(ENTITY, shape(&made)))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let target = target(&call, "application")?;
    let found = call.identity.find_federated_credential(target, call.key("credential")?.value()).await?;
    Ok(Answer::object(ENTITY, shape(&found)))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?;
    let (name, members) = (call.key("credential")?.value(), call.body.object()?);
    if call.create_if_missing {
        let (made, how) =
            call.identity.upsert_federated_credential(&call.actor, target, name, members).await?;
        return Ok(match how {
            Upserted::Created => Answer::created(ENTITY, shape(&made)),
            Upserted::Updated => call.changed(ENTITY, shape(&made)),
        });
    }
    let changed = call.identity.update_federated_credential(&call.actor, target, name, members).await?;
    Ok(call.changed(ENTITY, shape(&changed)))
}

async fn remove(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?;
    let name = call.key("credential")?.value();
    call.identity.remove_federated_credential(&call.actor, target, name).await?;
    Ok(Answer::no_content())
}

fn shape(credential: &FederatedCredential) -> Value {
    let properties = &credential.properties;
    json!({
        "id": credential.id.to_string(),
        "name": properties.name,
        "issuer": properties.issuer,
        "subject": properties.subject,
        "audiences": properties.audiences,
        "description": properties.description,
    })
}
