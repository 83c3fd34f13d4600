//! Declared data roles of one's own.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::run::{Run, Trouble};
use crate::{
    NewRoleDefinition, RoleDefinition, RoleOrigin,
    role_assignments::{self, find_definition, put_definition},
};

const MEMBERS: &[&str] =
    &["id", "roleName", "description", "dataActions", "notDataActions", "assignableScopes"];

pub(super) async fn definition(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(MEMBERS)?;
    let (means, tenant) = (run.means, run.tenant());
    let name = document.required("roleName")?;
    let declared_id = match document.optional("id")? {
        Some(text) => Some(text.parse::<Uuid>().map_err(|_| document.problem("id", "id must be a GUID"))?),
        None => None,
    };
    let key = declared_id.map_or_else(|| name.to_owned(), |id| id.to_string());
    let found = find_definition(run.tx, tenant, &key).await?;
    if found.as_ref().is_some_and(|found| found.origin != RoleOrigin::Custom) {
        let text = "this role is built in or belongs to the configuration, and is not changed here";
        return Err(document.problem("roleName", text).into());
    }
    let id = found.as_ref().map(|found| found.id).or(declared_id).unwrap_or(run.ids(at)?.0);
    run.claim(document, &id.to_string())?;
    let old = |of: fn(&RoleDefinition) -> &Vec<String>| found.as_ref().map(of).cloned().unwrap_or_default();
    let description = match document.members.get("description") {
        Some(_) => document.optional("description")?.unwrap_or_default().to_owned(),
        None => found.as_ref().map(|found| found.description.clone()).unwrap_or_default(),
    };
    let new = NewRoleDefinition {
        name: name.to_owned(),
        description,
        data_actions: document.texts("dataActions")?.unwrap_or_else(|| old(|role| &role.data_actions)),
        not_data_actions: document
            .texts("notDataActions")?
            .unwrap_or_else(|| old(|role| &role.not_data_actions)),
        assignable_scopes: document
            .texts("assignableScopes")?
            .unwrap_or_else(|| old(|role| &role.assignable_scopes)),
    };
    let before = found.as_ref().map(properties);
    let wanted = json!({
        "assignableScopes": if new.assignable_scopes.is_empty() { vec!["/".to_owned()] } else { new.assignable_scopes.clone() },
        "dataActions": new.data_actions,
        "description": new.description,
        "notDataActions": new.not_data_actions,
        "roleName": new.name,
    });
    if before.as_ref() != Some(&wanted) {
        put_definition(run.tx, tenant, id, &new, &means.stamp).await?;
    }
    run.finish(document, &id.to_string(), before, wanted, Vec::new()).await
}

fn properties(role: &RoleDefinition) -> Value {
    json!({
        "assignableScopes": role.assignable_scopes,
        "dataActions": role.data_actions,
        "description": role.description,
        "notDataActions": role.not_data_actions,
        "roleName": role.name,
    })
}

/// What an export says of a role; its ID is the one in tokens' assignments and stays.
pub(super) fn declared(role: &RoleDefinition) -> Map<String, Value> {
    let mut members = match super::applications::without_empty(properties(role)) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("id".to_owned(), role.id.to_string().into());
    members
}

/// Deletes a role that nobody has; tells what it was called.
pub(super) async fn delete(run: &mut Run<'_>, id: &str) -> Result<Option<String>, crate::IdentityError> {
    let (tenant, stamp) = (run.tenant(), &run.means.stamp);
    match find_definition(run.tx, tenant, id).await? {
        Some(_) => Ok(Some(role_assignments::delete_definition(run.tx, tenant, id, stamp).await?.name)),
        None => Ok(None),
    }
}
