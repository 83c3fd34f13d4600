//! `…/owners` of applications and service principals.

use futures::FutureExt as _;
use hilum_kernel::{ObjectId, TenantId};
use http::Method;
use serde_json::{Value, json};

use super::{Access, Answer, Call, GraphError, Operation, applications::target};
use crate::{DirectoryObject, OwnedKind, json as shapes};

const APPLICATION: &str = "application";
const PRINCIPAL: &str = "servicePrincipal";

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/applications/{application}/owners",
        summary: "List an application's owners.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/applications/{application}/owners/$ref",
        summary: "List references to an application's owners.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list_references(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/owners/$ref",
        summary: "Add an owner to an application.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/applications/{application}/owners/{owner}/$ref",
        summary: "Remove an owner from an application.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/servicePrincipals/{servicePrincipal}/owners",
        summary: "List a service principal's owners.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/servicePrincipals/{servicePrincipal}/owners/$ref",
        summary: "List references to a service principal's owners.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list_references(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals/{servicePrincipal}/owners/$ref",
        summary: "Add an owner to a service principal.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/servicePrincipals/{servicePrincipal}/owners/{owner}/$ref",
        summary: "Remove an owner from a service principal.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove(call, OwnedKind::ServicePrincipal).boxed(),
    },
];

const fn key(kind: OwnedKind) -> &'static str {
    match kind {
        OwnedKind::Application => APPLICATION,
        OwnedKind::ServicePrincipal => PRINCIPAL,
    }
}

async fn owners(call: &Call, kind: OwnedKind) -> Result<Vec<DirectoryObject>, GraphError> {
    call.expands_only(&[])?;
    if call.options.filter.is_some() || call.options.search.is_some() || call.options.order.is_some() {
        return Err(GraphError::unsupported_query(
            "Owners are listed whole: leave out $filter, $search and $orderby.",
        ));
    }
    Ok(call.identity.list_owners(kind, target(call, key(kind))?).await?)
}

async fn list(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let owners = owners(&call, kind).await?;
    Ok(Answer::list("directoryObjects", owners.iter().map(owner_shape).collect()))
}

async fn list_references(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let origin = &call.identity.0.origin;
    let reference = |owner: &DirectoryObject| json!({"@odata.id": format!("{origin}/v1.0/directoryObjects/{}", owner.id())});
    Ok(Answer::list("Collection($ref)", owners(&call, kind).await?.iter().map(reference).collect()))
}

async fn add(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let target = target(&call, key(kind))?;
    call.identity.add_owner(&call.actor, kind, target, call.body.reference()?).await?;
    Ok(Answer::no_content())
}

async fn remove(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let target = target(&call, key(kind))?;
    let owner: ObjectId = call.id("owner")?;
    call.identity.remove_owner(&call.actor, kind, target, owner).await?;
    Ok(Answer::no_content())
}

/// An owner with its type, as lists of mixed objects show it.
pub(super) fn owner_shape(owner: &DirectoryObject) -> Value {
    let mut shown = match owner {
        DirectoryObject::User(user) => shapes::user(user),
        DirectoryObject::ServicePrincipal(principal) => {
            shapes::service_principal(principal, TenantId::new(uuid::Uuid::nil()))
        }
        // Neither can own anything.
        DirectoryObject::Group(_) | DirectoryObject::Application(_) => json!({"id": owner.id().to_string()}),
    };
    if let Value::Object(members) = &mut shown {
        members.remove("appOwnerOrganizationId");
        let kind = format!("#microsoft.graph.{}", owner.type_name());
        members.insert("@odata.type".to_owned(), kind.into());
    }
    shown
}
