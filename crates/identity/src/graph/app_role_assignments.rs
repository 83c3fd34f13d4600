//! `appRoleAssignments` of users, groups and service principals, and `appRoleAssignedTo` of resources.

use futures::FutureExt as _;
use hilum_kernel::{AppRoleId, GroupId, ObjectId};
use http::Method;

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Key, Operation,
    access::Owned,
    grants::{object_id, only, text},
};
use crate::{AssignmentEnd, IdentityError, NewAppRoleAssignment, ServicePrincipal, grants, json};

const CONTEXT: &str = "appRoleAssignments/$entity";

/// Reading who has which role.
const READ: Access = Access {
    application: &[
        "AppRoleAssignment.ReadWrite.All",
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "AppRoleAssignment.ReadWrite.All",
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: Access::READ_APPLICATIONS.roles,
    owned: Owned::Never,
};
/// Giving and taking roles.
const WRITE: Access = Access {
    application: &["AppRoleAssignment.ReadWrite.All"],
    delegated: &["AppRoleAssignment.ReadWrite.All", "Directory.AccessAsUser.All"],
    roles: &[
        DirectoryRole::GlobalAdministrator,
        DirectoryRole::ApplicationAdministrator,
        DirectoryRole::CloudApplicationAdministrator,
    ],
    owned: Owned::Never,
};

macro_rules! rows {
    ($($path:literal, $of:literal, $end:ident;)*) => {
        &[$(
            Operation {
                method: Method::GET,
                path: $path,
                summary: concat!("List the application roles ", $of, "."),
                access: READ,
                handler: |call| async move { list(&call, $end(&call).await?).await }.boxed(),
            },
            Operation {
                method: Method::POST,
                path: $path,
                summary: concat!("Assign an application role: one ", $of, "."),
                access: WRITE,
                handler: |call| async move { create(&call, $end(&call).await?).await }.boxed(),
            },
            Operation {
                method: Method::GET,
                path: concat!($path, "/{assignment}"),
                summary: concat!("Get an assignment of an application role ", $of, "."),
                access: READ,
                handler: |call| async move { get(&call, $end(&call).await?).await }.boxed(),
            },
            Operation {
                method: Method::DELETE,
                path: concat!($path, "/{assignment}"),
                summary: concat!("Take an application role away: one ", $of, "."),
                access: WRITE,
                handler: |call| async move { delete(&call, $end(&call).await?).await }.boxed(),
            },
        )*]
    };
}

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = rows![
    "/servicePrincipals/{servicePrincipal}/appRoleAssignments", "of a service principal", principal;
    "/servicePrincipals/{servicePrincipal}/appRoleAssignedTo", "that a resource gives", resource;
    "/users/{user}/appRoleAssignments", "of a user", user;
    "/groups/{group}/appRoleAssignments", "of a group", group;
];

async fn principal(call: &Call) -> Result<AssignmentEnd, GraphError> {
    Ok(AssignmentEnd::Principal(service_principal(call).await?.id))
}

async fn resource(call: &Call) -> Result<AssignmentEnd, GraphError> {
    Ok(AssignmentEnd::Resource(service_principal(call).await?.id))
}

async fn user(call: &Call) -> Result<AssignmentEnd, GraphError> {
    let user = call.identity.find_user(call.key("user")?.value()).await?;
    Ok(AssignmentEnd::Principal(ObjectId::new(user.id.uuid())))
}

async fn group(call: &Call) -> Result<AssignmentEnd, GraphError> {
    let group = call.identity.find_group(call.id::<GroupId>("group")?).await?;
    Ok(AssignmentEnd::Principal(ObjectId::new(group.id.uuid())))
}

/// The service principal of the path: `/servicePrincipals/{id}`, `/servicePrincipals(appId='…')`.
pub(super) async fn service_principal(call: &Call) -> Result<ServicePrincipal, GraphError> {
    let key = call.key("servicePrincipal")?;
    let missing = || GraphError::from(IdentityError::not_found("service principal", key.value()));
    let found = call.identity.find_service_principal(key.value()).await?;
    let named = match key {
        Key::Id(id) => found.id.to_string().eq_ignore_ascii_case(id),
        Key::Alternate { property, value } => {
            property.eq_ignore_ascii_case("appId") && found.app_id.to_string().eq_ignore_ascii_case(value)
        }
    };
    named.then_some(found).ok_or_else(missing)
}

async fn list(call: &Call, end: AssignmentEnd) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let query = call.list_query(&grants::APP_ROLE_ASSIGNMENTS)?;
    let page = call.identity.page_of_app_role_assignments(end, query).await?;
    Ok(Answer::page("appRoleAssignments", page.map(|named| json::named_app_role_assignment(&named))))
}

async fn create(call: &Call, end: AssignmentEnd) -> Result<Answer, GraphError> {
    let body = call.body.object()?;
    only(body, &["principalId", "resourceId", "appRoleId", "principalType"])?;
    let app_role_id: AppRoleId = text(body, "appRoleId")?
        .parse()
        .map_err(|_| IdentityError::invalid("appRoleId", "must be a GUID"))?;
    let new = NewAppRoleAssignment {
        principal_id: object_id(body, "principalId")?,
        resource_id: object_id(body, "resourceId")?,
        app_role_id,
    };
    // The body repeats what the path says; two answers to one question would be a trap.
    let (name, same) = match end {
        AssignmentEnd::Principal(id) => ("principalId", new.principal_id == id),
        AssignmentEnd::Resource(id) => ("resourceId", new.resource_id == id),
    };
    if !same {
        return Err(IdentityError::invalid(name, "must be the object that the path names").into());
    }
    let named = call.identity.create_app_role_assignment(&call.actor, new).await?;
    Ok(Answer::created(CONTEXT, json::named_app_role_assignment(&named)))
}

async fn get(call: &Call, end: AssignmentEnd) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let named = call.identity.find_app_role_assignment(end, call.key("assignment")?.value()).await?;
    Ok(Answer::object(CONTEXT, json::named_app_role_assignment(&named)))
}

async fn delete(call: &Call, end: AssignmentEnd) -> Result<Answer, GraphError> {
    let id = call.key("assignment")?.value();
    call.identity.delete_app_role_assignment(&call.actor, end, id).await?;
    Ok(Answer::no_content())
}
