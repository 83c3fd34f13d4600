//! `/me`: the signed-in user about himself. `/users/me-token-to-replace/…` arrives here, too.

use futures::FutureExt as _;
use hilum_kernel::{Secret, UserId};
use http::Method;
use serde_json::{Value, json};

use super::{
    Access, Answer, Call, GraphError, Operation, Reach,
    access::Owned,
    directory_objects::{self, Asked, Walk},
    users,
};
use crate::{IdentityError, User};

const READ: Access = Access {
    delegated: &[
        "User.Read",
        "User.ReadWrite",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    owned: Owned::Own,
    ..Access::NONE
};
const WRITE: Access = Access {
    delegated: &[
        "User.ReadWrite",
        "User.ReadWrite.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    ..READ
};
/// As in Graph: only for clients that act with all rights of the user.
const PASSWORD: Access = Access { delegated: &["Directory.AccessAsUser.All"], ..READ };

/// What users without a role may change of themselves (Entra's list, as far as the properties exist here).
const OWN_PROPERTIES: &[&str] = &[
    "businessPhones",
    "city",
    "country",
    "faxNumber",
    "mobilePhone",
    "officeLocation",
    "postalCode",
    "preferredLanguage",
    "state",
    "streetAddress",
];

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/me",
        summary: "Get the signed-in user.",
        access: READ,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/me",
        summary: "Change contact details of the signed-in user.",
        access: WRITE,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/me/changePassword",
        summary: "Change the signed-in user's password.",
        access: PASSWORD,
        handler: |call| change_password(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/me/revokeSignInSessions",
        summary: "End all sessions of the signed-in user.",
        access: WRITE,
        handler: |call| revoke_sign_in_sessions(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/me/memberOf",
        summary: "List the groups and directory roles of the signed-in user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/me/transitiveMemberOf",
        summary: "List the groups and directory roles of the signed-in user, over any number of groups.",
        access: READ,
        handler: |call| member_of(call, Walk::TRANSITIVE).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/me/memberOf/microsoft.graph.group",
        summary: "List the groups of the signed-in user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT.only_groups()).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/me/memberOf/microsoft.graph.directoryRole",
        summary: "List the directory roles of the signed-in user.",
        access: READ,
        handler: |call| member_of(call, Walk::DIRECT.only_roles()).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/me/ownedObjects",
        summary: "List what the signed-in user owns.",
        access: READ,
        handler: |call| owned_objects(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/me/getMemberGroups",
        summary: "The IDs of the groups that the signed-in user is in, over any number of groups.",
        access: READ,
        handler: |call| memberships(call, Asked::Groups).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/me/getMemberObjects",
        summary: "The IDs of the groups and directory roles that the signed-in user is in.",
        access: READ,
        handler: |call| memberships(call, Asked::Objects).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/me/checkMemberGroups",
        summary: "Which of these groups the signed-in user is in.",
        access: READ,
        handler: |call| memberships(call, Asked::TheseGroups).boxed(),
    },
];

/// The signed-in user. The operator at the command line is nobody in the directory.
fn own(call: &Call) -> Result<Own, GraphError> {
    match call.reach {
        Reach::Own(id) => Ok(Own(id)),
        Reach::All | Reach::Owned(_) => {
            Err(GraphError::bad_request("/me request is only valid with delegated authentication flow."))
        }
    }
}

struct Own(UserId);

impl Own {
    const fn object(&self) -> hilum_kernel::ObjectId {
        hilum_kernel::ObjectId::new(self.0.uuid())
    }
}

async fn find(call: &Call) -> Result<User, GraphError> {
    Ok(call.identity.find_user(&own(call)?.0.to_string()).await?)
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let user = find(&call).await?;
    users::answer(&call, &user).await
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let members = call.body.object()?;
    if let Some(name) = members.keys().find(|name| !OWN_PROPERTIES.contains(&name.as_str())) {
        let may = OWN_PROPERTIES.join(", ");
        let message = format!("Users change of themselves only {may}; '{name}' is for administrators.");
        return Err(GraphError::forbidden_because(message));
    }
    users::change(&call, &own(&call)?.0.to_string(), members).await
}

async fn change_password(call: Call) -> Result<Answer, GraphError> {
    let id = own(&call)?.0;
    let members = call.body.object()?;
    let password = |name: &str| match members.get(name) {
        Some(Value::String(text)) => Ok(Secret::new(text.clone())),
        _ => Err(IdentityError::invalid(name, "must be a string")),
    };
    let (current, new) = (password("currentPassword")?, password("newPassword")?);
    call.identity.change_password(&call.actor, id, current, new).await?;
    Ok(Answer::no_content())
}

async fn revoke_sign_in_sessions(call: Call) -> Result<Answer, GraphError> {
    let id = own(&call)?.0.to_string();
    call.identity.revoke_sign_in_sessions(&call.actor, &id).await?;
    Ok(Answer::object("Edm.Boolean", json!({ "value": true })))
}

async fn member_of(call: Call, walk: Walk) -> Result<Answer, GraphError> {
    let id = own(&call)?.object();
    directory_objects::member_of(&call, id, walk).await
}

async fn owned_objects(call: Call) -> Result<Answer, GraphError> {
    let id = own(&call)?.object();
    directory_objects::owned_objects(&call, id).await
}

async fn memberships(call: Call, asked: Asked) -> Result<Answer, GraphError> {
    let id = own(&call)?.object();
    directory_objects::memberships(&call, id, asked).await
}
