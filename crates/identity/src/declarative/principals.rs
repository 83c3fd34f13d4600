//! Declared service principals.

use hilum_audit::Action;
use hilum_kernel::ObjectId;
use serde_json::{Map, Value, json};

use super::{
    document::Document,
    run::{Run, Trouble},
};
use crate::{ServicePrincipal, service_principals};

const MEMBERS: &[&str] = &["application", "appId", "accountEnabled", "appRoleAssignmentRequired", "notes"];

pub(super) async fn service_principal(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(MEMBERS)?;
    let member = if document.members.contains_key("appId") { "appId" } else { "application" };
    let application = run.application(document, member, document.required(member)?).await?;
    run.claim(document, &application.app_id.to_string())?;
    let tenant = run.tenant();
    let found = service_principals::by_app_id(run.tx, tenant, application.app_id).await?;
    let before = found.as_ref().map(properties);
    let mut principal = if let Some(found) = found {
        found
    } else {
        let id = ObjectId::new(run.ids(at)?.0);
        let new = service_principals::of(&application, id, crate::timestamp(run.means.stamp.at_ms));
        service_principals::insert(run.tx, tenant, &new).await?;
        let detail = Some("created".to_owned());
        run.means.stamp.record(run.tx, Action::ServicePrincipalChanged, new.id, detail).await?;
        new
    };
    lay_over(document, &mut principal)?;
    let after = properties(&principal);
    let present = before.clone().unwrap_or_else(|| json!({"accountEnabled": true}));
    if !super::plan::differences(&present, &after).is_empty() {
        service_principals::save(run.tx, &principal).await?;
        let detail = Some("updated".to_owned());
        run.means.stamp.record(run.tx, Action::ServicePrincipalChanged, principal.id, detail).await?;
    }
    run.finish(document, &application.app_id.to_string(), before, after, Vec::new()).await
}

fn lay_over(document: &Document, principal: &mut ServicePrincipal) -> Result<(), Trouble> {
    let truth = |member: &str, default: bool, old: bool| match document.members.get(member) {
        None => Ok(old),
        Some(Value::Null) => Ok(default),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(_) => Err(document.problem(member, format!("{member} must be true or false"))),
    };
    principal.account_enabled = truth("accountEnabled", true, principal.account_enabled)?;
    principal.app_role_assignment_required =
        truth("appRoleAssignmentRequired", false, principal.app_role_assignment_required)?;
    if document.members.contains_key("notes") {
        principal.notes = document.optional("notes")?.map(str::to_owned);
    }
    Ok(())
}

fn properties(principal: &ServicePrincipal) -> Value {
    json!({
        "accountEnabled": principal.account_enabled,
        "appRoleAssignmentRequired": principal.app_role_assignment_required,
        "notes": principal.notes,
    })
}

/// What is said about a principal in an export, beside its application.
pub(super) fn declared(principal: &ServicePrincipal) -> Map<String, Value> {
    let mut members = Map::new();
    let Value::Object(own) = properties(principal) else { return members };
    // A disabled principal must be said; an enabled one is what is made anyway.
    members.extend(own.into_iter().filter(|(name, value)| match name.as_str() {
        "accountEnabled" => *value == Value::Bool(false),
        _ => !super::plan::is_empty(value),
    }));
    members
}
