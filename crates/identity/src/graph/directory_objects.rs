//! `/directoryObjects`, and what users, groups and service principals have in common: what they are members of, what
//! they own, how they are shown among others.

use futures::FutureExt as _;
use hilum_kernel::{AppId, ObjectId};
use serde_json::{Value, json};

use super::{
    Access, Answer, Call, GraphError, Operation, Reach, access::Owned, directory_roles, groups,
    operation::row, users,
};
use crate::{
    DirectoryObject, IdentityError, directory_roles as roles,
    groups::{COLLECTION as GROUPS, OF_MEMBER},
    json as shapes, owners,
    query::{Expr, ListQuery, Literal, Page},
};

/// How many IDs one request may name, as in Graph.
const IDS_MAX: usize = 1000;
/// The same of `checkMemberGroups`.
const GROUPS_MAX: usize = 20;

/// Any of the rights to read one kind of object. What a caller may not read is shown by its ID and type alone.
const READ: Access = Access {
    application: &[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "User.Read.All",
        "User.ReadWrite.All",
    ],
    delegated: &[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.AccessAsUser.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "User.Read.All",
        "User.ReadWrite.All",
    ],
    roles: users::READ.roles,
    owned: Owned::Never,
};
const READ_PRINCIPALS: Access = Access { owned: Owned::Never, ..Access::READ_APPLICATIONS };

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    row!(POST, "/directoryObjects/getByIds", READ, "Get objects of any kind by their IDs.", |call| {
        get_by_ids(call).boxed()
    }),
    row!(GET, "/directoryObjects/{object}", READ, "Get an object of any kind.", |call| get(call).boxed()),
    row!(
        POST,
        "/directoryObjects/{object}/getMemberGroups",
        READ,
        "The IDs of the groups an object is in.",
        |call| { of_object(call, Asked::Groups).boxed() }
    ),
    row!(
        POST,
        "/directoryObjects/{object}/getMemberObjects",
        READ,
        "The IDs of the groups and roles an object has.",
        |call| { of_object(call, Asked::Objects).boxed() }
    ),
    row!(
        POST,
        "/directoryObjects/{object}/checkMemberGroups",
        READ,
        "Which of these groups an object is in.",
        |call| { of_object(call, Asked::TheseGroups).boxed() }
    ),
    row!(
        POST,
        "/directoryObjects/{object}/checkMemberObjects",
        READ,
        "Which of these groups and roles an object has.",
        |call| { of_object(call, Asked::TheseObjects).boxed() }
    ),
    row!(
        GET,
        "/servicePrincipals/{principal}/memberOf",
        READ_PRINCIPALS,
        "List the groups and roles of a service principal.",
        |call| { of_principal(call, Walk::DIRECT).boxed() }
    ),
    row!(
        GET,
        "/servicePrincipals/{principal}/transitiveMemberOf",
        READ_PRINCIPALS,
        "List the groups and roles of a service principal, over any number of groups.",
        |call| { of_principal(call, Walk::TRANSITIVE).boxed() }
    ),
    row!(
        GET,
        "/servicePrincipals/{principal}/ownedObjects",
        READ_PRINCIPALS,
        "List what a service principal owns.",
        |call| { owned_by_principal(call).boxed() }
    ),
    row!(
        POST,
        "/servicePrincipals/{principal}/getMemberGroups",
        READ_PRINCIPALS,
        "The IDs of the groups a service principal is in.",
        |call| { asked_of_principal(call, Asked::Groups).boxed() }
    ),
    row!(
        POST,
        "/servicePrincipals/{principal}/getMemberObjects",
        READ_PRINCIPALS,
        "The IDs of the groups and roles a service principal has.",
        |call| { asked_of_principal(call, Asked::Objects).boxed() }
    ),
    row!(
        POST,
        "/servicePrincipals/{principal}/checkMemberGroups",
        READ_PRINCIPALS,
        "Which of these groups a service principal is in.",
        |call| { asked_of_principal(call, Asked::TheseGroups).boxed() }
    ),
];

/// What of `memberOf` is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    transitive: bool,
    groups: bool,
    roles: bool,
}

impl Walk {
    pub(super) const DIRECT: Self = Self { transitive: false, groups: true, roles: true };
    pub(super) const TRANSITIVE: Self = Self { transitive: true, ..Self::DIRECT };

    pub(super) const fn only_groups(self) -> Self {
        Self { roles: false, ..self }
    }

    pub(super) const fn only_roles(self) -> Self {
        Self { groups: false, ..self }
    }
}

/// The groups and directory roles of an object; roles come behind the last group.
pub(super) async fn member_of(call: &Call, id: ObjectId, walk: Walk) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let query = call.list_query(&GROUPS)?;
    let selective = query.filter.is_some() || query.search.is_some();
    let mut page =
        if walk.groups { groups_of(call, id, walk, query).await? } else { Page::whole(Vec::new()) };
    if walk.roles && !selective && page.next.is_none() {
        let tenant = call.identity.tenant().await?.id;
        let mut tx = call.identity.0.db.read().await?;
        let held = roles::of_principal(&mut tx, tenant, id).await?;
        page.items.extend(held.iter().map(|role| directory_roles::annotated(*role)));
        page.total = page.total.map(|total| total + u64::try_from(held.len()).unwrap_or(0));
    }
    Ok(Answer::page("directoryObjects", page))
}

async fn groups_of(
    call: &Call,
    id: ObjectId,
    walk: Walk,
    mut query: ListQuery,
) -> Result<Page<Value>, GraphError> {
    let query = if walk.transitive {
        let all = call.identity.groups_of(id, true).await?;
        let values = all.into_iter().map(|group| Literal::Guid(group.id.uuid())).collect();
        let within = Expr::In { path: "id".to_owned(), values };
        query.filter = Some(Expr::And(query.filter.into_iter().chain([within]).collect()));
        query
    } else {
        query.within(OF_MEMBER, id)
    };
    let page = call.identity.page_groups(&query).await?;
    Ok(page.map(|group| shape(call, &DirectoryObject::Group(Box::new(group)), "")))
}

/// What an object owns.
pub(super) async fn owned_objects(call: &Call, id: ObjectId) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let tenant = call.identity.tenant().await?;
    let mut ids: Vec<ObjectId> = {
        let mut tx = call.identity.0.db.read().await?;
        owners::owned_by(&mut tx, id).await?.into_iter().map(|owned| owned.id).collect()
    };
    let query = ListQuery { top: IDS_MAX, ..ListQuery::default() }.within(crate::groups::OF_OWNER, id);
    let groups = call.identity.page_groups(&query).await?.items;
    ids.extend(groups.into_iter().map(|group| ObjectId::new(group.id.uuid())));
    ids.truncate(IDS_MAX);
    let objects = call.identity.directory_objects(&ids).await?;
    let items = objects.iter().map(|object| shape(call, object, &tenant.domain)).collect();
    Ok(Answer::list("directoryObjects", items))
}

/// What is asked about memberships, over any number of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// `getMemberGroups`.
    Groups,
    /// `getMemberObjects`.
    Objects,
    /// `checkMemberGroups`.
    TheseGroups,
    /// `checkMemberObjects`.
    TheseObjects,
}

/// Answers `getMemberGroups` and its like.
pub(super) async fn memberships(call: &Call, id: ObjectId, asked: Asked) -> Result<Answer, GraphError> {
    let members = call.body.optional_object();
    let wanted = match asked {
        Asked::TheseGroups => Some(ids_of(&members, "groupIds", GROUPS_MAX)?),
        Asked::TheseObjects => Some(ids_of(&members, "ids", GROUPS_MAX)?),
        Asked::Groups | Asked::Objects => {
            if members.get("securityEnabledOnly").is_some_and(|value| !value.is_boolean()) {
                return Err(IdentityError::invalid("securityEnabledOnly", "must be true or false").into());
            }
            None
        }
    };
    let groups = call.identity.groups_of(id, true).await?;
    let mut all: Vec<ObjectId> = groups.into_iter().map(|group| ObjectId::new(group.id.uuid())).collect();
    if matches!(asked, Asked::Objects | Asked::TheseObjects) {
        let tenant = call.identity.tenant().await?.id;
        let mut tx = call.identity.0.db.read().await?;
        let held = roles::of_principal(&mut tx, tenant, id).await?;
        all.extend(held.into_iter().map(|role| ObjectId::new(role.id())));
    }
    if let Some(wanted) = wanted {
        all.retain(|id| wanted.contains(id));
    }
    let items = all.into_iter().map(|id| Value::String(id.to_string())).collect();
    Ok(Answer::list("Collection(Edm.String)", items))
}

fn ids_of(
    members: &serde_json::Map<String, Value>,
    name: &str,
    count_max: usize,
) -> Result<Vec<ObjectId>, GraphError> {
    let wrong =
        || IdentityError::invalid(name, format!("must be an array of at most {count_max} object IDs"));
    let ids = members.get(name).and_then(Value::as_array).filter(|ids| ids.len() <= count_max);
    let ids = ids.ok_or_else(wrong)?;
    let parsed = ids.iter().map(|id| id.as_str().and_then(|id| id.parse().ok()).ok_or_else(wrong));
    Ok(parsed.collect::<Result<_, _>>()?)
}

async fn get_by_ids(call: Call) -> Result<Answer, GraphError> {
    let members = call.body.object()?;
    let ids = ids_of(members, "ids", IDS_MAX)?;
    let types: Option<Vec<&str>> = match members.get("types") {
        None | Some(Value::Null) => None,
        Some(Value::Array(types)) => Some(types.iter().filter_map(Value::as_str).collect()),
        Some(_) => return Err(IdentityError::invalid("types", "must be an array of names of types").into()),
    };
    let wanted = |object: &DirectoryObject| {
        let is = |name: &&str| {
            name.eq_ignore_ascii_case("directoryObject") || name.eq_ignore_ascii_case(object.type_name())
        };
        types.as_ref().is_none_or(|types| types.is_empty() || types.iter().any(is))
    };
    let mut objects = call.identity.directory_objects(&ids).await?;
    objects.retain(wanted);
    answer(&call, Page::whole(objects)).await
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let id = call.id::<ObjectId>("object")?;
    let object = call.identity.directory_objects(&[id]).await?.pop();
    let object = object.ok_or_else(|| GraphError::not_found(&id.to_string()))?;
    let domain = &call.identity.tenant().await?.domain;
    Ok(Answer::object("directoryObjects/$entity", shape(&call, &object, domain)))
}

/// A page of objects of any kind.
pub(super) async fn answer(call: &Call, page: Page<DirectoryObject>) -> Result<Answer, GraphError> {
    let domain = &call.identity.tenant().await?.domain;
    Ok(Answer::page("directoryObjects", page.map(|object| shape(call, &object, domain))))
}

/// An object among others, with its type; without its properties where the caller may not read its kind.
fn shape(call: &Call, object: &DirectoryObject, domain: &str) -> Value {
    let may = |access: &Access| matches!(access.reach(&call.caller), Ok(Reach::All));
    let named =
        |kind: &str, id: String| json!({ "@odata.type": format!("#microsoft.graph.{kind}"), "id": id });
    let readable = match object {
        DirectoryObject::User(_) => may(&users::READ),
        // Who reads the list of groups that somebody is in reads the groups; so it is with /me.
        DirectoryObject::Group(_) => may(&groups::READ) || call.reach != Reach::All,
        DirectoryObject::ServicePrincipal(_) | DirectoryObject::Application(_) => {
            may(&Access::READ_APPLICATIONS) || call.reach != Reach::All
        }
    };
    let mut shown = named(object.type_name(), object.id().to_string());
    let (Value::Object(members), true) = (&mut shown, readable) else { return shown };
    let all = match object {
        DirectoryObject::User(user) => {
            let mut all = crate::users::whole_shape(user, domain);
            if call.options.select.is_empty() {
                all.retain(|name, _| crate::users::DEFAULT_SELECT.contains(&name.as_str()));
            }
            Value::Object(all)
        }
        DirectoryObject::Group(group) => Value::Object(crate::groups::shape(group)),
        DirectoryObject::ServicePrincipal(principal) => shapes::service_principal(
            principal,
            call.identity.0.tenant.get().map_or_else(no_tenant, |tenant| tenant.id),
        ),
        DirectoryObject::Application(application) => shapes::application(application, domain),
    };
    if let Value::Object(all) = all {
        members.extend(all.into_iter().filter(|(name, _)| name != "objectId"));
    }
    shown
}

const fn no_tenant() -> hilum_kernel::TenantId {
    hilum_kernel::TenantId::new(uuid::Uuid::nil())
}

async fn of_object(call: Call, asked: Asked) -> Result<Answer, GraphError> {
    let id = call.id::<ObjectId>("object")?;
    if call.identity.directory_objects(&[id]).await?.is_empty() {
        return Err(GraphError::not_found(&id.to_string()));
    }
    memberships(&call, id, asked).await
}

async fn of_principal(call: Call, walk: Walk) -> Result<Answer, GraphError> {
    let id = principal(&call).await?;
    member_of(&call, id, walk).await
}

async fn asked_of_principal(call: Call, asked: Asked) -> Result<Answer, GraphError> {
    let id = principal(&call).await?;
    memberships(&call, id, asked).await
}

async fn owned_by_principal(call: Call) -> Result<Answer, GraphError> {
    let id = principal(&call).await?;
    owned_objects(&call, id).await
}

/// `/servicePrincipals/{id}`, `/servicePrincipals(appId='…')`.
async fn principal(call: &Call) -> Result<ObjectId, GraphError> {
    let key = call.key("principal")?;
    let found = call.identity.find_service_principal(key.value()).await?;
    let named = match key {
        super::Key::Id(id) => id.parse() == Ok(found.id),
        super::Key::Alternate { property, value } => {
            property.eq_ignore_ascii_case("appId") && value.parse::<AppId>() == Ok(found.app_id)
        }
    };
    named.then_some(found.id).ok_or_else(|| GraphError::not_found(key.value()))
}
