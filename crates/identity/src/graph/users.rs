//! `/users`.

use futures::FutureExt as _;
use hilum_kernel::{ObjectId, UserId};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Operation,
    access::Owned,
    directory_objects::{self, Asked, Walk},
};
use crate::{
    User,
    upstream::{FederatedIdentity, Links},
    users,
};

/// Reading users. A directory for health data is not open to everybody in it: unlike in Entra, a user needs a role.
pub(super) const READ: Access = Access {
    application: &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
    delegated: &[
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: &[
        DirectoryRole::GlobalAdministrator,
        DirectoryRole::GlobalReader,
        DirectoryRole::UserAdministrator,
        DirectoryRole::ApplicationAdministrator,
        DirectoryRole::CloudApplicationAdministrator,
        DirectoryRole::DirectoryReaders,
    ],
    owned: Owned::Never,
};

/// Changing users.
pub(super) const WRITE: Access = Access {
    application: &["User.ReadWrite.All", "Directory.ReadWrite.All"],
    delegated: &["User.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"],
    roles: &[DirectoryRole::GlobalAdministrator, DirectoryRole::UserAdministrator],
    owned: Owned::Never,
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/users",
        summary: "List users.",
        access: READ,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/users",
        summary: "Create a user.",
        access: WRITE,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}",
        summary: "Get a user, by ID or user principal name.",
        access: READ,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/users/{user}",
        summary: "Change a user.",
        access: WRITE,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/users/{user}",
        summary: "Delete a user, who can be restored for 30 days.",
        access: WRITE,
        handler: |call| delete(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/users/{user}/revokeSignInSessions",
        summary: "End all sessions of a user.",
        access: WRITE,
        handler: |call| revoke_sign_in_sessions(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/memberOf",
        summary: "List the groups and directory roles of a user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/transitiveMemberOf",
        summary: "List the groups and directory roles of a user, over any number of groups.",
        access: READ,
        handler: |call| member_of(call, Walk::TRANSITIVE).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/memberOf/microsoft.graph.group",
        summary: "List the groups of a user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT.only_groups()).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/memberOf/microsoft.graph.directoryRole",
        summary: "List the directory roles of a user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT.only_roles()).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/transitiveMemberOf/microsoft.graph.group",
        summary: "List the groups of a user, over any number of groups.",
        access: READ,
        handler: |call| member_of(call, Walk::TRANSITIVE.only_groups()).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/users/{user}/ownedObjects",
        summary: "List what a user owns.",
        access: READ,
        handler: |call| owned_objects(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/users/{user}/getMemberGroups",
        summary: "The IDs of the groups that a user is in, over any number of groups.",
        access: READ,
        handler: |call| memberships(call, Asked::Groups).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/users/{user}/getMemberObjects",
        summary: "The IDs of the groups and directory roles that a user is in.",
        access: READ,
        handler: |call| memberships(call, Asked::Objects).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/users/{user}/checkMemberGroups",
        summary: "Which of these groups a user is in.",
        access: READ,
        handler: |call| memberships(call, Asked::TheseGroups).boxed(),
    },
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let query = call.list_query(&users::COLLECTION)?;
    let domain = call.identity.tenant().await?.domain.clone();
    let page = call.identity.page_users(&query).await?;
    let ids: Vec<UserId> = page.items.iter().map(|user| user.id).collect();
    let links = links(&call, &ids).await?;
    Ok(Answer::page("users", page.map(|user| shown(&call, &user, (&domain, &links)))))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let user = find(&call).await?;
    answer(&call, &user).await
}

/// A user as the call selects it.
pub(super) async fn answer(call: &Call, user: &User) -> Result<Answer, GraphError> {
    let domain = &call.identity.tenant().await?.domain;
    let links = links(call, &[user.id]).await?;
    Ok(Answer::object("users/$entity", shown(call, user, (domain, &links))))
}

/// The identities elsewhere of these users, where they are asked for.
async fn links(call: &Call, users: &[UserId]) -> Result<Links, GraphError> {
    let wanted = call.selects_by_name("identities") || call.selects_by_name("*");
    Ok(if wanted { call.identity.identities_of(users).await? } else { Links::new() })
}

/// Graph shows few properties unless they are selected.
fn shown(call: &Call, user: &User, (domain, links): (&str, &Links)) -> Value {
    let mut all = users::whole_shape(user, domain);
    if let (Some(Value::Array(identities)), Some(links)) = (all.get_mut("identities"), links.get(&user.id)) {
        identities.extend(links.iter().map(FederatedIdentity::json));
    }
    if call.options.select.is_empty() {
        all.retain(|name, _| users::DEFAULT_SELECT.contains(&name.as_str()));
    }
    Value::Object(all)
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let user = call.identity.create_user_of(&call.actor, call.body.object()?).await?;
    let domain = &call.identity.tenant().await?.domain;
    Ok(Answer::created("users/$entity", shown(&call, &user, (domain, &Links::new()))))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id.to_string();
    change(&call, &id, call.body.object()?).await
}

/// Changes a user with these members.
pub(super) async fn change(
    call: &Call,
    id: &str,
    members: &Map<String, Value>,
) -> Result<Answer, GraphError> {
    let user = call.identity.change_user_of(&call.actor, id, members).await?;
    let domain = &call.identity.tenant().await?.domain;
    let links = links(call, &[user.id]).await?;
    Ok(call.changed("users/$entity", shown(call, &user, (domain, &links))))
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id.to_string();
    call.identity.delete_user(&call.actor, &id).await?;
    Ok(Answer::no_content())
}

async fn revoke_sign_in_sessions(call: Call) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id.to_string();
    call.identity.revoke_sign_in_sessions(&call.actor, &id).await?;
    Ok(Answer::object("Edm.Boolean", json!({ "value": true })))
}

async fn member_of(call: Call, walk: Walk) -> Result<Answer, GraphError> {
    let id = object_id(&find(&call).await?);
    directory_objects::member_of(&call, id, walk).await
}

async fn owned_objects(call: Call) -> Result<Answer, GraphError> {
    let id = object_id(&find(&call).await?);
    directory_objects::owned_objects(&call, id).await
}

async fn memberships(call: Call, asked: Asked) -> Result<Answer, GraphError> {
    let id = object_id(&find(&call).await?);
    directory_objects::memberships(&call, id, asked).await
}

/// `/users/{id}`, `/users/{user principal name}`, `/users('…')`.
async fn find(call: &Call) -> Result<User, GraphError> {
    Ok(call.identity.find_user(call.key("user")?.value()).await?)
}

fn object_id(user: &User) -> ObjectId {
    ObjectId::new(user.id.uuid())
}
