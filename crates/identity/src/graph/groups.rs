//! `/groups`.

use futures::FutureExt as _;
use hilum_kernel::{GroupId, ObjectId};
use serde_json::Value;

use super::{
    Access, Answer, Call, DirectoryRole, GraphError, Operation, Reach,
    access::Owned,
    applications::owner_of,
    directory_objects::{self, Asked, Walk},
    operation::row,
};
use crate::{
    BoundObjects, DirectoryObject, Group, GroupList, IdentityError, Relation,
    groups::{self, OF_GROUP},
    query::{Comparison, Expr, ListQuery, Literal},
};

/// Reading groups; owners read their own.
pub(super) const READ: Access = Access {
    application: &[
        "Group.Read.All",
        "Group.ReadWrite.All",
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    delegated: &[
        "Group.Read.All",
        "Group.ReadWrite.All",
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    roles: super::users::READ.roles,
    owned: Owned::Groups,
};
/// Changing groups; owners change their own.
const WRITE: Access = Access {
    application: &["Group.ReadWrite.All", "Directory.ReadWrite.All"],
    delegated: &["Group.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"],
    roles: &[DirectoryRole::GlobalAdministrator, DirectoryRole::UserAdministrator],
    owned: Owned::Groups,
};
const CREATE: Access = Access { owned: Owned::Never, ..WRITE };
/// Changing who is in a group.
const MEMBERS: Access = Access {
    application: &["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"],
    delegated: &[
        "GroupMember.ReadWrite.All",
        "Group.ReadWrite.All",
        "Directory.ReadWrite.All",
        "Directory.AccessAsUser.All",
    ],
    ..WRITE
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    row!(GET, "/groups", READ, "List groups.", |call| list(call).boxed()),
    row!(POST, "/groups", CREATE, "Create a security group.", |call| create(call).boxed()),
    row!(GET, "/groups/{group}", READ, "Get a group.", |call| get(call).boxed()),
    row!(PATCH, "/groups/{group}", WRITE, "Change a group, or add up to 20 members.", |call| update(call)
        .boxed()),
    row!(DELETE, "/groups/{group}", WRITE, "Delete a group, which can be restored for 30 days.", |call| {
        delete(call).boxed()
    }),
    row!(GET, "/groups/{group}/members", READ, "List the members of a group.", |call| {
        list_objects(call, GroupList::Members).boxed()
    }),
    row!(
        GET,
        "/groups/{group}/transitiveMembers",
        READ,
        "List the members of a group and of groups in it.",
        |call| { list_objects(call, GroupList::TransitiveMembers).boxed() }
    ),
    row!(GET, "/groups/{group}/owners", READ, "List the owners of a group.", |call| {
        list_objects(call, GroupList::Owners).boxed()
    }),
    row!(GET, "/groups/{group}/members/microsoft.graph.user", READ, "List the users in a group.", |call| {
        list_users(call).boxed()
    }),
    row!(POST, "/groups/{group}/members/$ref", MEMBERS, "Add a member to a group.", |call| {
        add(call, Relation::Members).boxed()
    }),
    row!(POST, "/groups/{group}/owners/$ref", WRITE, "Add an owner to a group.", |call| {
        add(call, Relation::Owners).boxed()
    }),
    row!(DELETE, "/groups/{group}/members/{member}/$ref", MEMBERS, "Take a member out of a group.", |call| {
        remove(call, Relation::Members).boxed()
    }),
    row!(DELETE, "/groups/{group}/owners/{member}/$ref", WRITE, "Remove an owner of a group.", |call| {
        remove(call, Relation::Owners).boxed()
    }),
    row!(GET, "/groups/{group}/memberOf", READ, "List the groups that a group is in.", |call| {
        member_of(call, Walk::DIRECT).boxed()
    }),
    row!(
        GET,
        "/groups/{group}/transitiveMemberOf",
        READ,
        "List the groups a group is in, over any number of groups.",
        |call| { member_of(call, Walk::TRANSITIVE).boxed() }
    ),
    row!(
        POST,
        "/groups/{group}/getMemberGroups",
        READ,
        "The IDs of the groups that a group is in.",
        |call| { memberships(call, Asked::Groups).boxed() }
    ),
    row!(
        POST,
        "/groups/{group}/getMemberObjects",
        READ,
        "The IDs of the groups and roles that a group has.",
        |call| { memberships(call, Asked::Objects).boxed() }
    ),
    row!(POST, "/groups/{group}/checkMemberGroups", READ, "Which of these groups a group is in.", |call| {
        memberships(call, Asked::TheseGroups).boxed()
    }),
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let mut query = call.list_query(&groups::COLLECTION)?;
    if let Some(owner) = owner_of(call.reach) {
        query = query.within(groups::OF_OWNER, owner);
    }
    let page = call.identity.page_groups(&query).await?;
    Ok(Answer::page("groups", page.map(|group| Value::Object(groups::shape(&group)))))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    Ok(Answer::object("groups/$entity", Value::Object(groups::shape(&find(&call).await?))))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let mut bound = BoundObjects { members: call.body.bound("members")?, owners: call.body.bound("owners")? };
    // As in Graph, who creates a group by delegation owns it.
    if let super::caller::Caller::User(user) = &call.caller
        && bound.owners.is_empty()
    {
        bound.owners.push(ObjectId::new(user.id.uuid()));
    }
    let group = call.identity.create_group(&call.actor, call.body.object()?, &bound).await?;
    Ok(Answer::created("groups/$entity", Value::Object(groups::shape(&group))))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id;
    let bound = call.body.bound("members")?;
    if !bound.is_empty() {
        call.identity.add_to_group(&call.actor, id, Relation::Members, &bound).await?;
    }
    let members = call.body.object()?;
    let group = if members.is_empty() {
        call.identity.find_group(id).await?
    } else {
        call.identity.update_group(&call.actor, id, members).await?
    };
    Ok(call.changed("groups/$entity", Value::Object(groups::shape(&group))))
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id;
    call.identity.delete_group(&call.actor, id).await?;
    Ok(Answer::no_content())
}

async fn list_objects(call: Call, which: GroupList) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let id = find(&call).await?.id;
    let query = call.list_query(&crate::directory_objects::COLLECTION)?;
    let page = call.identity.page_group(id, which, query).await?;
    directory_objects::answer(&call, page).await
}

async fn list_users(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let id = find(&call).await?.id;
    let options = &call.options;
    let asks =
        options.filter.is_some() || options.search.is_some() || options.order.is_some() || options.count;
    // Asking is reading: whoever sees no more of users than their IDs may not search them by what is hidden.
    if asks && super::users::READ.reach(&call.caller) != Ok(Reach::All) {
        return Err(GraphError::forbidden());
    }
    let query = call.list_query(&crate::users::COLLECTION)?.within(OF_GROUP, id);
    let page = call.identity.page_users(&query).await?;
    let page = page.map(|user| DirectoryObject::User(Box::new(user)));
    directory_objects::answer(&call, page).await
}

async fn add(call: Call, relation: Relation) -> Result<Answer, GraphError> {
    let id = find(&call).await?.id;
    call.identity.add_to_group(&call.actor, id, relation, &[call.body.reference()?]).await?;
    Ok(Answer::no_content())
}

async fn remove(call: Call, relation: Relation) -> Result<Answer, GraphError> {
    let (id, member) = (find(&call).await?.id, call.id::<ObjectId>("member")?);
    call.identity.remove_from_group(&call.actor, id, relation, member).await?;
    Ok(Answer::no_content())
}

async fn member_of(call: Call, walk: Walk) -> Result<Answer, GraphError> {
    let id = ObjectId::new(find(&call).await?.id.uuid());
    directory_objects::member_of(&call, id, walk).await
}

async fn memberships(call: Call, asked: Asked) -> Result<Answer, GraphError> {
    let id = ObjectId::new(find(&call).await?.id.uuid());
    directory_objects::memberships(&call, id, asked).await
}

/// `/groups/{id}`, `/groups(uniqueName='…')`; 403 for a group that the caller must own and does not.
async fn find(call: &Call) -> Result<Group, GraphError> {
    let group = match call.key("group")? {
        super::Key::Alternate { property, value } if property.eq_ignore_ascii_case("uniqueName") => {
            let filter = Some(Expr::Compare {
                path: "uniqueName".to_owned(),
                operator: Comparison::Equal,
                value: Literal::Text(value.clone()),
            });
            let query = ListQuery { filter, ..ListQuery::default() };
            let found = call.identity.page_groups(&query).await?.items.pop();
            found.ok_or_else(|| IdentityError::not_found("group", value))?
        }
        _ => call.identity.find_group(call.id::<GroupId>("group")?).await?,
    };
    if let Some(owner) = owner_of(call.reach)
        && !call.identity.owns_group(group.id, owner).await?
    {
        return Err(GraphError::forbidden());
    }
    Ok(group)
}
