//! Declared service principals: what they say about themselves, in the words and with the rules of
//! `PATCH /servicePrincipals/{id}`.

use hilum_audit::Action;
use hilum_kernel::ObjectId;
use serde_json::{Map, Value};

use super::{
    credentials::{self, Holder},
    run::{Run, Trouble},
};
use crate::{Application, IdentityError, OwnedKind, ServicePrincipal, service_principals};

/// Members that say which principal is meant, or are looked at elsewhere.
const APART: &[&str] = &["application", "appId", "owners"];

pub(super) async fn service_principal(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    let member = if document.members.contains_key("appId") { "appId" } else { "application" };
    let application = run.application(document, member, document.required(member)?).await?;
    run.claim(document, &application.app_id.to_string())?;
    let mut members = document.members.clone();
    members.retain(|name, _| !APART.contains(&name.as_str()));
    if let Some(unknown) = members.keys().find(|name| name.contains('@')) {
        return Err(document.problem(unknown, format!("{unknown} is no property")).into());
    }
    let tenant = run.tenant();
    let found = service_principals::by_app_id(run.tx, tenant, application.app_id).await?;
    let before = found.as_ref().map(properties);
    let principal = match found {
        Some(found) => change(run, found, &members).await?,
        None => make(run, at, &application, &members).await?,
    };
    run.principals.insert(at, principal.id);
    let holder = Holder {
        id: principal.id,
        app_id: application.app_id,
        kind: OwnedKind::ServicePrincipal,
        name: &application.properties.display_name,
    };
    let mut notes = Vec::new();
    if before.is_none() && !principal.account_enabled {
        notes.push("disabled: it gets no tokens".to_owned());
    }
    credentials::certificates(run, document, holder, &mut notes).await?;
    credentials::secrets(run, document, holder, &mut notes).await?;
    let after = properties(&principal);
    run.finish(document, &application.app_id.to_string(), before, after, notes).await
}

async fn make(
    run: &mut Run<'_>,
    at: usize,
    application: &Application,
    members: &Map<String, Value>,
) -> Result<ServicePrincipal, Trouble> {
    let (id, means) = (ObjectId::new(run.ids(at)?.0), run.means);
    let plain = service_principals::of(application, id, crate::timestamp(means.stamp.at_ms));
    let new = service_principals::changed(&plain, members)?;
    service_principals::insert(run.tx, means.tenant.id, &new).await?;
    let detail = Some("created".to_owned());
    means.stamp.record(run.tx, Action::ServicePrincipalChanged, new.id, detail).await?;
    Ok(new)
}

async fn change(
    run: &mut Run<'_>,
    found: ServicePrincipal,
    members: &Map<String, Value>,
) -> Result<ServicePrincipal, Trouble> {
    let changed = service_principals::changed(&found, members)?;
    if properties(&changed) == properties(&found) {
        return Ok(changed);
    }
    let (means, tenant) = (run.means, run.tenant());
    // Counts the version on; whoever changed the row since it was read has counted, too.
    service_principals::lock(run.tx, found.id).await?;
    let now = service_principals::by_id(run.tx, tenant, found.id).await?;
    if now.is_none_or(|now| now.version != found.version + 1) {
        return Err(IdentityError::Changed.into());
    }
    service_principals::save(run.tx, &changed).await?;
    let detail = Some("updated".to_owned());
    means.stamp.record(run.tx, Action::ServicePrincipalChanged, changed.id, detail).await?;
    Ok(changed)
}

fn properties(principal: &ServicePrincipal) -> Value {
    let mut document = serde_json::to_value(&principal.details).unwrap_or_default();
    if let Value::Object(members) = &mut document {
        members.insert("accountEnabled".to_owned(), principal.account_enabled.into());
        let required = principal.app_role_assignment_required;
        members.insert("appRoleAssignmentRequired".to_owned(), required.into());
        members.insert("notes".to_owned(), principal.notes.clone().into());
    }
    document
}

/// What is said about a principal in an export, beside its application.
pub(super) fn declared(principal: &ServicePrincipal) -> Map<String, Value> {
    let Value::Object(mut members) = super::applications::without_empty(properties(principal)) else {
        return Map::new();
    };
    // A disabled principal must be said; an enabled one is what is made anyway.
    if principal.account_enabled {
        members.remove("accountEnabled");
    } else {
        members.insert("accountEnabled".to_owned(), false.into());
    }
    members
}
