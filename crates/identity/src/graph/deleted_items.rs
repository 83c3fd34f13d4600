//! `/directory/deletedItems`.

use futures::FutureExt as _;
use hilum_kernel::ObjectId;
use http::Method;
use serde_json::Value;

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Operation, access::Owned, applications::owner_of,
};
use crate::{DeletedKind, DeletedObject, IdentityError, deleted};

/// Who may bring a kind of object back, or remove it for good.
const fn write(kind: DeletedKind) -> Access {
    match kind {
        DeletedKind::Application | DeletedKind::ServicePrincipal => Access::WRITE_APPLICATIONS,
        DeletedKind::User => Access {
            application: &["User.ReadWrite.All", "Directory.ReadWrite.All"],
            delegated: &["User.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"],
            roles: PEOPLE,
            owned: Owned::Never,
        },
        DeletedKind::Group => Access {
            application: &["Group.ReadWrite.All", "Directory.ReadWrite.All"],
            delegated: &["Group.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"],
            roles: PEOPLE,
            owned: Owned::Never,
        },
    }
}

/// Who may see a kind of deleted object.
const fn read(kind: DeletedKind) -> Access {
    match kind {
        DeletedKind::Application | DeletedKind::ServicePrincipal => Access::READ_APPLICATIONS,
        DeletedKind::User => Access {
            application: &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            delegated: &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
                "Directory.AccessAsUser.All",
            ],
            roles: READERS,
            owned: Owned::Never,
        },
        DeletedKind::Group => Access {
            application: &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            delegated: &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
                "Directory.AccessAsUser.All",
            ],
            roles: READERS,
            owned: Owned::Never,
        },
    }
}

const PEOPLE: &[DirectoryRole] = &[DirectoryRole::GlobalAdministrator, DirectoryRole::UserAdministrator];
const READERS: &[DirectoryRole] = Access::READ_APPLICATIONS.roles;

/// What all kinds need together; the kind's own is asked for when it is known.
const ANY_READ: Access = Access {
    application: &[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: READERS,
    owned: Owned::Objects,
};
const ANY_WRITE: Access = Access {
    application: &[
        "Application.ReadWrite.All",
        "User.ReadWrite.All",
        "Group.ReadWrite.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "Application.ReadWrite.All",
        "User.ReadWrite.All",
        "Group.ReadWrite.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: &[
        DirectoryRole::GlobalAdministrator,
        DirectoryRole::ApplicationAdministrator,
        DirectoryRole::CloudApplicationAdministrator,
        DirectoryRole::UserAdministrator,
    ],
    owned: Owned::Objects,
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/directory/deletedItems/microsoft.graph.application",
        summary: "List deleted applications.",
        access: read(DeletedKind::Application),
        handler: |call| list(call, DeletedKind::Application).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/directory/deletedItems/microsoft.graph.servicePrincipal",
        summary: "List deleted service principals.",
        access: read(DeletedKind::ServicePrincipal),
        handler: |call| list(call, DeletedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/directory/deletedItems/microsoft.graph.user",
        summary: "List deleted users.",
        access: read(DeletedKind::User),
        handler: |call| list(call, DeletedKind::User).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/directory/deletedItems/microsoft.graph.group",
        summary: "List deleted groups.",
        access: read(DeletedKind::Group),
        handler: |call| list(call, DeletedKind::Group).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/directory/deletedItems/{item}",
        summary: "Get a deleted object.",
        access: ANY_READ,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/directory/deletedItems/{item}",
        summary: "Remove a deleted object for good.",
        access: ANY_WRITE,
        handler: |call| remove(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/directory/deletedItems/{item}/restore",
        summary: "Bring a deleted object back, without what had been granted to it.",
        access: ANY_WRITE,
        handler: |call| restore(call).boxed(),
    },
];

async fn list(call: Call, kind: DeletedKind) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let mut query = call.list_query(&deleted::COLLECTION)?;
    if let Some(owner) = owner_of(call.reach) {
        query = query.within("SELECT object_id FROM directory_owner WHERE owner_id = ", owner);
    }
    let page = call.identity.page_deleted(kind, query).await?;
    let mut shown = Vec::with_capacity(page.items.len());
    for object in &page.items {
        shown.push(call.identity.show_deleted(object).await?);
    }
    let mut shown = shown.into_iter();
    Ok(Answer::page("directoryObjects", page.map(|_| shown.next().unwrap_or_default())))
}

/// The object, if the caller may do to its kind what it wants to.
async fn reached(call: &Call, access: fn(DeletedKind) -> Access) -> Result<DeletedObject, GraphError> {
    let id: ObjectId = call.id("item")?;
    let object = call.identity.find_deleted(id).await?;
    let reach = access(object.kind).reach(&call.caller).map_err(|_| GraphError::forbidden())?;
    match owner_of(reach) {
        Some(owner) if !call.identity.owns(owner, id).await? => Err(GraphError::forbidden()),
        _ => Ok(object),
    }
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let object = reached(&call, read).await?;
    Ok(Answer::object("directoryObjects/$entity", typed(&call, &object).await?))
}

async fn remove(call: Call) -> Result<Answer, GraphError> {
    let object = reached(&call, write).await?;
    call.identity.delete_permanently(&call.actor, object.id).await?;
    Ok(Answer::no_content())
}

async fn restore(call: Call) -> Result<Answer, GraphError> {
    let object = reached(&call, write).await?;
    let shown = typed(&call, &object).await?;
    call.identity.restore_deleted(&call.actor, object.id).await?;
    let Value::Object(mut members) = shown else { return Ok(Answer::no_content()) };
    members.insert("deletedDateTime".to_owned(), Value::Null);
    Ok(Answer::object("directoryObjects/$entity", Value::Object(members)))
}

async fn typed(call: &Call, object: &DeletedObject) -> Result<Value, IdentityError> {
    let mut shown = call.identity.show_deleted(object).await?;
    if let Value::Object(members) = &mut shown {
        let kind = format!("#microsoft.graph.{}", object.kind.as_str());
        members.insert("@odata.type".to_owned(), kind.into());
    }
    Ok(shown)
}
