//! Declared assignments and grants: they are there or not; only a grant's scopes can change.

use std::sync::Arc;

use hilum_audit::Action;
use hilum_kernel::{AppRoleId, ObjectId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    document::Document,
    run::{Run, Trouble},
};
use crate::{
    AppRoleAssignment, PermissionKind, RoleAssignment, grants, role_assignments, service_principals,
};

/// A role of a service or of the directory: `{principal, role, scope}`.
pub(super) async fn role(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(&["principal", "role", "scope"])?;
    let name = document.required("role")?;
    let tenant = run.tenant();
    let role = role_assignments::find_definition(run.tx, tenant, name)
        .await?
        .ok_or_else(|| document.problem("role", format!("there is no role '{name}'")))?;
    let principal = run.principal(document, "principal", document.required("principal")?).await?;
    let scope = document.optional("scope")?.unwrap_or("/").to_owned();
    let key = format!("{} {} {scope}", principal.id, role.id);
    run.claim(document, &key)?;
    let assignment = RoleAssignment {
        id: run.ids(at)?.0,
        role: Arc::new(role),
        principal_id: principal.id,
        principal_kind: principal.kind,
        scope,
        created_at: crate::timestamp(run.means.stamp.at_ms),
        principal_name: String::new(),
    };
    let grant_id = run.random_text();
    let made = role_assignments::declare(run.tx, tenant, &assignment, &grant_id, &run.means.stamp).await?;
    run.finish(document, &key, (!made).then_some(Value::Null), Value::Null, Vec::new()).await
}

/// A role of an application: `{principal, resource, appRole}`.
pub(super) async fn app_role(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(&["principal", "resource", "appRole"])?;
    let principal = run.principal(document, "principal", document.required("principal")?).await?;
    let (resource, app_id) = resource(run, document).await?;
    let role = match document.optional("appRole")? {
        // Access without a role of its own.
        None => Uuid::nil(),
        Some(name) => run.permission_id((document, "appRole"), app_id, PermissionKind::Role, name).await?,
    };
    let key = format!("{} {resource} {role}", principal.id);
    run.claim(document, &key)?;
    let assignment = AppRoleAssignment {
        id: run.random_text(),
        app_role_id: AppRoleId::new(role),
        principal_id: principal.id,
        principal_kind: principal.kind,
        resource_id: resource,
        created_at: crate::timestamp(run.means.stamp.at_ms),
    };
    let tenant = run.tenant();
    let made = grants::insert_assignment(run.tx, tenant, &assignment).await?;
    if made {
        let detail = Some(format!("role {role} of {resource}"));
        run.means.stamp.record(run.tx, Action::ConsentGranted, principal.id, detail).await?;
    }
    run.finish(document, &key, (!made).then_some(Value::Null), Value::Null, Vec::new()).await
}

/// Delegated permissions: `{client, resource, scope, principal}`; without principal for every user.
pub(super) async fn permission_grant(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(&["client", "resource", "scope", "principal", "consentType"])?;
    let client = run.application(document, "client", document.required("client")?).await?;
    let tenant = run.tenant();
    let client = service_principals::by_app_id(run.tx, tenant, client.app_id)
        .await?
        .ok_or_else(|| document.problem("client", "the client has no service principal: declare one"))?;
    let (resource, _) = resource(run, document).await?;
    let principal = match document.optional("principal")? {
        Some(name) => Some(run.principal(document, "principal", name).await?.id),
        None => None,
    };
    match (document.optional("consentType")?, principal) {
        (None | Some("AllPrincipals"), None) | (None | Some("Principal"), Some(_)) => {}
        _ => {
            let text = "consentType is AllPrincipals without principal, Principal with one";
            return Err(document.problem("consentType", text).into());
        }
    }
    let scopes: Vec<String> = document.required("scope")?.split_whitespace().map(str::to_owned).collect();
    let key = format!("{} {resource} {}", client.id, principal.map_or_else(String::new, |id| id.to_string()));
    run.claim(document, &key)?;
    let before = grants::find(run.tx, client.id, resource, principal).await?;
    let before = before.map(|grant| json!({"scope": grant.scope}));
    let after = json!({"scope": scopes.join(" ")});
    if before.as_ref() != Some(&after) {
        let id = run.random_text();
        let stamp = &run.means.stamp;
        grants::declare_grant(run.tx, tenant, (client.id, resource, principal), &scopes, (&id, stamp))
            .await?;
    }
    run.finish(document, &key, before, after, Vec::new()).await
}

/// The resource's service principal, and its application.
async fn resource(
    run: &mut Run<'_>,
    document: &Document,
) -> Result<(ObjectId, hilum_kernel::AppId), Trouble> {
    let application = run.application(document, "resource", document.required("resource")?).await?;
    let tenant = run.tenant();
    let Some(principal) = service_principals::by_app_id(run.tx, tenant, application.app_id).await? else {
        let text = "the resource has no service principal: declare one";
        return Err(document.problem("resource", text).into());
    };
    Ok((principal.id, application.app_id))
}
