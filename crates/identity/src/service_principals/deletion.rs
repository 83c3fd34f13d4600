//! Deleting a service principal, and bringing it back. What was granted to it does not come back, nor does it rejoin its
//! groups.

use hilum_audit::Action;
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::WriteTx;
use serde::{Deserialize, Serialize};

use super::{ServicePrincipal, ServicePrincipalDetails, by_app_id, insert, sql};
use crate::{
    Application, DeletedKind, DeletedObject, IdentityError, Stamp, applications, credentials, deleted,
    grants, groups, owners, role_assignments,
};

/// The row of a deleted service principal.
#[derive(Serialize, Deserialize)]
struct Kept {
    app_id: AppId,
    display_name: String,
    account_enabled: bool,
    app_role_assignment_required: bool,
    notes: Option<String>,
    created_at_ms: i64,
    #[serde(default)]
    details: ServicePrincipalDetails,
    #[serde(default)]
    version: i64,
}

/// Deletes the principal of an application with it, if there is one.
pub(crate) async fn delete_with_application(
    tx: &mut WriteTx,
    tenant: TenantId,
    application: &Application,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    match by_app_id(tx, tenant, application.app_id).await? {
        Some(principal) => put_away(tx, tenant, &principal, Some(application.object_id), stamp).await,
        None => Ok(()),
    }
}

/// Moves a principal to the deleted objects. Its credentials and owners stay: they are reached only through the row.
pub(super) async fn put_away(
    tx: &mut WriteTx,
    tenant: TenantId,
    principal: &ServicePrincipal,
    parent: Option<ObjectId>,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let kept = Kept {
        app_id: principal.app_id,
        display_name: principal.display_name.clone(),
        account_enabled: principal.account_enabled,
        app_role_assignment_required: principal.app_role_assignment_required,
        notes: principal.notes.clone(),
        created_at_ms: principal.created_at.as_millisecond(),
        details: principal.details.clone(),
        version: principal.version,
    };
    let object = DeletedObject {
        parent,
        ..DeletedObject::of(
            (DeletedKind::ServicePrincipal, principal.id),
            &principal.display_name,
            &kept,
            stamp,
        )?
    };
    role_assignments::delete_of_principal(tx, principal.id).await?;
    grants::delete_of_principal(tx, principal.id).await?;
    groups::forget(tx, principal.id).await?;
    deleted::put(tx, tenant, &object).await?;
    sql::delete(tx, principal.id).await?;
    stamp.record(tx, Action::ServicePrincipalChanged, principal.id, Some("deleted".to_owned())).await?;
    Ok(())
}

/// Writes the row again.
pub(crate) async fn restore(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
) -> Result<AppId, IdentityError> {
    let mut principal = view_deleted(object)?;
    let Some(application) = applications::by_app_id(tx, tenant, principal.app_id).await? else {
        return Err(IdentityError::invalid("id", "its application is deleted: restore that"));
    };
    // A principal is called what its application is called.
    principal.display_name.clone_from(&application.properties.display_name);
    insert(tx, tenant, &principal).await?;
    Ok(principal.app_id)
}

/// Removes what a principal kept while it was deleted.
pub(crate) async fn forget(tx: &mut WriteTx, id: ObjectId) -> Result<(), IdentityError> {
    credentials::delete_all(tx, id).await?;
    owners::forget_object(tx, id).await?;
    owners::forget_owner(tx, id).await?;
    Ok(())
}

/// A deleted principal as it was.
pub(crate) fn view_deleted(object: &DeletedObject) -> Result<ServicePrincipal, IdentityError> {
    let kept: Kept = object.row()?;
    Ok(ServicePrincipal {
        id: object.id,
        app_id: kept.app_id,
        display_name: kept.display_name,
        account_enabled: kept.account_enabled,
        app_role_assignment_required: kept.app_role_assignment_required,
        notes: kept.notes,
        created_at: crate::timestamp(kept.created_at_ms),
        details: kept.details,
        version: kept.version + 1,
        application: None,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}
