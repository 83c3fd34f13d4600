//! Objects that carry the labels of a prune and that no document declares: they go, what refers to others first.

use hilum_audit::Action;
use hilum_kernel::{AppId, AppRoleId, ObjectId};
use uuid::Uuid;

use super::{
    ConfigurationError,
    document::{DeclaredKind, Problem},
    labels,
    plan::{PlannedAction, PlannedChange},
    policies, roles,
    run::Run,
};
use crate::{
    IdentityError, RoleAssignmentFilter, applications, grants, groups, role_assignments, service_principals,
    users,
};

/// Deletes what is no longer declared, in the reverse of the order in which things are made.
pub(super) async fn prune(run: &mut Run<'_>) -> Result<(), ConfigurationError> {
    let Some(selector) = run.means.declaration.prune.clone() else { return Ok(()) };
    let tenant = run.tenant();
    for kind in DeclaredKind::ALL.iter().rev() {
        for id in labels::with_labels(run.tx, tenant, (*kind, &selector), run.means.page).await? {
            if run.is_claimed(*kind, &id) {
                continue;
            }
            labels::delete(run.tx, tenant, *kind, &id).await?;
            match Box::pin(delete(run, *kind, &id)).await {
                // Gone by other means; its labels were all that was left.
                Ok(None) | Err(IdentityError::NotFound { .. }) => {}
                Ok(Some(name)) => run.changes.push(PlannedChange {
                    action: PlannedAction::Delete,
                    kind: *kind,
                    name,
                    properties: Vec::new(),
                    notes: Vec::new(),
                }),
                Err(error @ IdentityError::Invalid { .. }) => run.problem(Problem {
                    file: None,
                    place: None,
                    object: Some(format!("{kind} '{id}'")),
                    text: format!("cannot be pruned: {error}"),
                }),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Deletes an object; tells what it was called.
async fn delete(run: &mut Run<'_>, kind: DeclaredKind, id: &str) -> Result<Option<String>, IdentityError> {
    match kind {
        DeclaredKind::Application => application(run, id).await,
        DeclaredKind::ServicePrincipal => service_principal(run, id).await,
        DeclaredKind::RoleAssignment => role_assignment(run, id).await,
        DeclaredKind::AppRoleAssignment => app_role_assignment(run, id).await,
        DeclaredKind::OAuth2PermissionGrant => permission_grant(run, id).await,
        DeclaredKind::User => {
            let (tenant, stamp) = (run.tenant(), &run.means.stamp);
            Ok(Some(users::delete(run.tx, tenant, id, stamp).await?.user_principal_name))
        }
        DeclaredKind::Group => {
            let Ok(group) = id.parse() else { return Ok(None) };
            let (tenant, stamp) = (run.tenant(), &run.means.stamp);
            Ok(Some(groups::delete(run.tx, tenant, group, stamp).await?.display_name))
        }
        DeclaredKind::RoleDefinition => roles::delete(run, id).await,
        DeclaredKind::TokenLifetimePolicy => policies::delete(run, id).await,
    }
}

async fn application(run: &mut Run<'_>, id: &str) -> Result<Option<String>, IdentityError> {
    let (Ok(app_id), tenant) = (id.parse::<AppId>(), run.tenant()) else { return Ok(None) };
    let Some(found) = applications::by_app_id(run.tx, tenant, app_id).await? else { return Ok(None) };
    applications::delete(run.tx, tenant, &app_id.into(), &run.means.stamp).await?;
    Ok(Some(found.properties.display_name))
}

async fn service_principal(run: &mut Run<'_>, id: &str) -> Result<Option<String>, IdentityError> {
    let (Ok(app_id), tenant) = (id.parse::<AppId>(), run.tenant()) else { return Ok(None) };
    let Some(found) = service_principals::by_app_id(run.tx, tenant, app_id).await? else { return Ok(None) };
    service_principals::delete(run.tx, tenant, &found.id.into(), &run.means.stamp).await?;
    Ok(Some(found.display_name))
}

/// The parts of a key that was made of IDs.
fn ids(key: &str) -> Option<(ObjectId, &str, &str)> {
    let mut parts = key.splitn(3, ' ');
    Some((parts.next()?.parse().ok()?, parts.next()?, parts.next().unwrap_or_default()))
}

async fn role_assignment(run: &mut Run<'_>, key: &str) -> Result<Option<String>, IdentityError> {
    let Some((principal, role, scope)) = ids(key) else { return Ok(None) };
    let tenant = run.tenant();
    let filter = RoleAssignmentFilter {
        role: Some(role.to_owned()),
        principal: Some(crate::PrincipalRef::Object { id: principal, kind: None }),
        scope: Some(scope.to_owned()),
        ..RoleAssignmentFilter::default()
    };
    let gone = role_assignments::remove_selected(run.tx, tenant, &filter, &run.means.stamp).await?;
    Ok(gone.first().map(|gone| format!("{principal} · {} · {scope}", gone.role.name)))
}

async fn app_role_assignment(run: &mut Run<'_>, key: &str) -> Result<Option<String>, IdentityError> {
    let Some((principal, resource, role)) = ids(key) else { return Ok(None) };
    let (Ok(resource), Ok(role)) = (resource.parse::<ObjectId>(), role.parse::<Uuid>()) else {
        return Ok(None);
    };
    if !grants::delete_assignment(run.tx, principal, resource, AppRoleId::new(role)).await? {
        return Ok(None);
    }
    let detail = Some(format!("role {role} of {resource}"));
    run.means.stamp.record(run.tx, Action::ConsentRevoked, principal, detail).await?;
    Ok(Some(format!("{principal} · {resource} · {role}")))
}

async fn permission_grant(run: &mut Run<'_>, key: &str) -> Result<Option<String>, IdentityError> {
    let Some((client, resource, principal)) = ids(key) else { return Ok(None) };
    let Ok(resource) = resource.parse::<ObjectId>() else { return Ok(None) };
    let tenant = run.tenant();
    let Some(grant) = grants::find(run.tx, client, resource, principal.parse().ok()).await? else {
        return Ok(None);
    };
    grants::remove_grant(run.tx, tenant, &grant.id, &run.means.stamp).await?;
    Ok(Some(format!("{client} · {resource} · {}", grant.scope)))
}
