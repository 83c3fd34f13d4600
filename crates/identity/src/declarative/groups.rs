//! Declared groups. A list of members or owners is the whole list: who is not in it is taken out.

use std::collections::BTreeMap;

use hilum_kernel::{GroupId, ObjectId};
use serde_json::{Map, Value, json};

use super::{
    document::Document,
    plan::PropertyChange,
    run::{Run, Trouble},
};
use crate::{
    Group, IdentityError, PrincipalKind, Relation,
    groups::{self, Edge},
    service_principals, users,
};

/// As many members as a group can have.
const EDGES_MAX: usize = 100_000;
const NICKNAME_CHARS_MAX: usize = 64;

/// Finds the group or makes it, without members.
pub(super) async fn group(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    let mut members = document.members.clone();
    for apart in ["id", "members", "owners"] {
        members.remove(apart);
    }
    let means = run.means;
    let tenant = means.tenant.id;
    let Some(found) = find(run, document).await? else {
        complete(document, &mut members)?;
        let mut made = means.identity.new_group(&members, crate::timestamp(means.stamp.at_ms))?;
        made.id = declared_id(document)?.unwrap_or(made.id);
        let key = made.id.to_string();
        run.claim(document, &key)?;
        let nothing = groups::BoundObjects::default();
        groups::create(run.tx, tenant, &made, &nothing, &means.stamp).await?;
        run.groups.insert(at, made.id);
        return run.finish(document, &key, None, properties(&made), Vec::new()).await;
    };
    let (id, key) = (found.id, found.id.to_string());
    run.claim(document, &key)?;
    let before = properties(&found);
    let after = properties(&found.changed(&members)?);
    if before != after {
        groups::update(run.tx, tenant, id, &members, &means.stamp).await?;
    }
    run.groups.insert(at, id);
    run.finish(document, &key, Some(before), after, Vec::new()).await
}

async fn find(run: &mut Run<'_>, document: &Document) -> Result<Option<Group>, Trouble> {
    let tenant = run.tenant();
    if let Some(id) = declared_id(document)? {
        return Ok(groups::by_id(run.tx, tenant, id).await?);
    }
    if let Some(name) = document.optional("uniqueName")? {
        return Ok(groups::by_unique_name(run.tx, tenant, name).await?);
    }
    let name = document.required("displayName")?;
    let mut found = groups::by_name(run.tx, tenant, name).await?;
    if found.len() > 1 {
        let text = format!("several groups are named '{name}': say which by id or uniqueName");
        return Err(document.problem("displayName", text).into());
    }
    Ok(found.pop())
}

/// Tells groups of one name apart.
fn declared_id(document: &Document) -> Result<Option<GroupId>, Trouble> {
    let Some(text) = document.optional("id")? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| document.problem("id", "id must be a GUID").into())
}

/// What Graph wants said and what is always the same here.
fn complete(document: &Document, members: &mut Map<String, Value>) -> Result<(), Trouble> {
    let name = document.required("displayName")?;
    let letters = name.chars().filter(char::is_ascii_alphanumeric).take(NICKNAME_CHARS_MAX);
    let nickname: String = letters.collect();
    let nickname = if nickname.is_empty() { "group".to_owned() } else { nickname };
    for (member, value) in [
        ("mailNickname", Value::from(nickname)),
        ("mailEnabled", false.into()),
        ("securityEnabled", true.into()),
    ] {
        members.entry(member).or_insert(value);
    }
    Ok(())
}

fn properties(group: &Group) -> Value {
    json!({
        "description": group.description,
        "displayName": group.display_name,
        "isAssignableToRole": group.assignable_to_role,
        "mailNickname": group.mail_nickname,
        "uniqueName": group.unique_name,
        "visibility": group.visibility,
    })
}

/// What an export says of a group, beside its members.
pub(super) fn declared(group: &Group) -> Map<String, Value> {
    match super::applications::without_empty(properties(group)) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Makes members and owners what the document says, once everybody is there.
pub(super) async fn relations(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    let Some(id) = run.groups.get(&at).copied() else { return Ok(()) };
    for relation in [Relation::Owners, Relation::Members] {
        if let Some(names) = document.texts(relation.as_str())? {
            relate(run, document, (id, relation), &names).await?;
        }
    }
    Ok(())
}

async fn relate(
    run: &mut Run<'_>,
    document: &Document,
    (id, relation): (GroupId, Relation),
    names: &[String],
) -> Result<(), Trouble> {
    let (means, path) = (run.means, relation.as_str());
    let tenant = means.tenant.id;
    let mut wanted = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let at = format!("{path}[{at}]");
        let principal = run.principal(document, &at, name).await?;
        wanted.insert(principal.id, principal.kind);
    }
    let present: BTreeMap<ObjectId, PrincipalKind> = groups::edges(run.tx, id, relation, None, EDGES_MAX)
        .await?
        .into_iter()
        .map(|Edge { id, kind }| (id, kind))
        .collect();
    if wanted.keys().eq(present.keys()) {
        return Ok(());
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (object, kind) in &present {
        before.push(name_of(run, *object, *kind).await?);
    }
    for (object, kind) in &wanted {
        after.push(name_of(run, *object, *kind).await?);
    }
    let group = groups::locked(run.tx, tenant, id).await?;
    let new: Vec<ObjectId> = wanted.keys().filter(|id| !present.contains_key(*id)).copied().collect();
    groups::add(run.tx, tenant, &group, relation, &new, &means.stamp).await?;
    for gone in present.keys().filter(|id| !wanted.contains_key(*id)) {
        groups::remove(run.tx, tenant, &group, relation, *gone, &means.stamp).await?;
    }
    let property = |mut names: Vec<String>| {
        names.sort();
        if names.is_empty() { Value::Null } else { names.into() }
    };
    let change = PropertyChange { path: path.to_owned(), before: property(before), after: property(after) };
    run.amend(document, change);
    Ok(())
}

/// What an object is called in a plan.
pub(super) async fn name_of(
    run: &mut Run<'_>,
    id: ObjectId,
    kind: PrincipalKind,
) -> Result<String, IdentityError> {
    let tenant = run.tenant();
    let name = match kind {
        PrincipalKind::User => {
            users::lookup(run.tx, tenant, &id.to_string()).await?.map(|user| user.user_principal_name)
        }
        PrincipalKind::Group => {
            let found = groups::by_id(run.tx, tenant, GroupId::new(id.uuid())).await?;
            found.map(|group| group.display_name)
        }
        PrincipalKind::ServicePrincipal => {
            service_principals::by_id(run.tx, tenant, id).await?.map(|principal| principal.display_name)
        }
    };
    Ok(name.unwrap_or_else(|| id.to_string()))
}
