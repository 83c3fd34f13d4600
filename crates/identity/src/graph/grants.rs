//! `/oauth2PermissionGrants`: delegated permissions that were granted (sheet §5.2, §5.3).

use futures::FutureExt as _;
use hilum_kernel::ObjectId;
use http::Method;
use serde_json::{Map, Value};

use super::{Access, Answer, Call, DirectoryRole, GraphError, Operation, access::Owned};
use crate::{ConsentKind, IdentityError, PermissionGrant, PermissionGrantRequest, grants, json};

const CONTEXT: &str = "oauth2PermissionGrants/$entity";

/// Reading what was granted.
pub(super) const READ: Access = Access {
    application: &[
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Application.Read.All",
        "Application.ReadWrite.All",
    ],
    delegated: &[
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
        "Application.Read.All",
        "Application.ReadWrite.All",
    ],
    roles: Access::READ_APPLICATIONS.roles,
    owned: Owned::Never,
};
/// Granting and taking back.
const WRITE: Access = Access {
    application: &["DelegatedPermissionGrant.ReadWrite.All"],
    delegated: &["DelegatedPermissionGrant.ReadWrite.All", "Directory.AccessAsUser.All"],
    roles: &[
        DirectoryRole::GlobalAdministrator,
        DirectoryRole::ApplicationAdministrator,
        DirectoryRole::CloudApplicationAdministrator,
    ],
    owned: Owned::Never,
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/oauth2PermissionGrants",
        summary: "List the delegated permissions that were granted.",
        access: READ,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/oauth2PermissionGrants",
        summary: "Grant delegated permissions to a client, for all users or one.",
        access: WRITE,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/oauth2PermissionGrants/{grant}",
        summary: "Get a grant of delegated permissions.",
        access: READ,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/oauth2PermissionGrants/{grant}",
        summary: "Change the scopes of a grant; without any left it is removed.",
        access: WRITE,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/oauth2PermissionGrants/{grant}",
        summary: "Take delegated permissions back.",
        access: WRITE,
        handler: |call| delete(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/oauth2PermissionGrants",
        summary: "List the delegated permissions that were granted for a user.",
        access: READ,
        handler: |call| of_user(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/servicePrincipals/{servicePrincipal}/oauth2PermissionGrants",
        summary: "List the delegated permissions that were granted to a service principal.",
        access: READ,
        handler: |call| of_client(call).boxed(),
    },
];

const OF_USER: &str = "SELECT id FROM permission_grant WHERE principal_id = ";
const OF_CLIENT: &str = "SELECT id FROM permission_grant WHERE client_id = ";

async fn list(call: Call) -> Result<Answer, GraphError> {
    page(&call, None).await
}

async fn of_user(call: Call) -> Result<Answer, GraphError> {
    let user = call.identity.find_user(call.key("user")?.value()).await?;
    page(&call, Some((OF_USER, ObjectId::new(user.id.uuid())))).await
}

async fn of_client(call: Call) -> Result<Answer, GraphError> {
    let client = super::app_role_assignments::service_principal(&call).await?;
    page(&call, Some((OF_CLIENT, client.id))).await
}

async fn page(call: &Call, within: Option<(&'static str, ObjectId)>) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let mut query = call.list_query(&grants::PERMISSION_GRANTS)?;
    if let Some((select, id)) = within {
        query = query.within(select, id);
    }
    let page = call.identity.page_of_permission_grants(&query).await?;
    Ok(Answer::page("oauth2PermissionGrants", page.map(|grant| json::permission_grant(&grant))))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let body = call.body.object()?;
    // Graph once asked for times and ignores them since.
    let known = ["clientId", "consentType", "principalId", "resourceId", "scope", "startTime", "expiryTime"];
    only(body, &known)?;
    let consent = text(body, "consentType")?;
    let consent = ConsentKind::parse(consent)
        .ok_or_else(|| IdentityError::invalid("consentType", "must be AllPrincipals or Principal"))?;
    let scope = text(body, "scope")?.to_owned();
    if scope.trim().is_empty() {
        return Err(IdentityError::invalid("scope", "must name at least one scope").into());
    }
    let new = PermissionGrantRequest {
        client_id: object_id(body, "clientId")?,
        consent,
        principal_id: match body.get("principalId") {
            None | Some(Value::Null) => None,
            Some(_) => Some(object_id(body, "principalId")?),
        },
        resource_id: object_id(body, "resourceId")?,
        scope,
    };
    let grant = call.identity.create_permission_grant(&call.actor, new).await?;
    Ok(Answer::created(CONTEXT, json::permission_grant(&grant)))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let grant = call.identity.find_permission_grant(call.key("grant")?.value()).await?;
    Ok(Answer::object(CONTEXT, json::permission_grant(&grant)))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let body = call.body.object()?;
    if let Some(name) = ["id", "clientId", "consentType", "principalId", "resourceId"]
        .iter()
        .find(|name| body.contains_key(**name))
    {
        return Err(IdentityError::invalid(*name, "is read-only: make another grant").into());
    }
    only(body, &["scope"])?;
    let id = call.key("grant")?.value();
    let scope = text(body, "scope")?;
    let grant: Option<PermissionGrant> =
        call.identity.update_permission_grant(&call.actor, id, scope).await?;
    Ok(match grant {
        Some(grant) => call.changed(CONTEXT, json::permission_grant(&grant)),
        None => Answer::no_content(),
    })
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    call.identity.delete_grant(&call.actor, call.key("grant")?.value()).await?;
    Ok(Answer::no_content())
}

/// Refuses members that the object does not have.
pub(super) fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), GraphError> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(IdentityError::invalid(unknown, "is no property that can be set here").into()),
        None => Ok(()),
    }
}

/// A text that must be there.
pub(super) fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<&'b str, GraphError> {
    let found = body.get(name).and_then(Value::as_str);
    found.ok_or_else(|| IdentityError::invalid(name, "must be given, as a text").into())
}

/// An object ID that must be there.
pub(super) fn object_id(body: &Map<String, Value>, name: &str) -> Result<ObjectId, GraphError> {
    text(body, name)?.parse().map_err(|_| IdentityError::invalid(name, "must be a GUID").into())
}
