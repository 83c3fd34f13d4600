//! Deleting a registration, and bringing it back (sheet §5.2: 30 days; grants do not come back).

use hilum_audit::Action;
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::{Application, ApplicationProperties, locked, sql};
use crate::{
    DeletedKind, DeletedObject, IdentityError, Stamp, Target, credentials, deleted, federated_credentials,
    owners, privileges, service_principals, token_lifetimes,
};

/// The row of a deleted application.
#[derive(Serialize, Deserialize)]
struct Kept {
    app_id: AppId,
    created_at_ms: i64,
    version: i64,
    properties: ApplicationProperties,
}

/// Moves an application and its service principal to the deleted objects. Credentials, owners and reserved names stay:
/// they are reached only through the row.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    target: &Target,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let application = locked(tx, tenant, target).await?;
    if application.seeded {
        return Err(IdentityError::invalid("id", "this application belongs to the installation"));
    }
    privileges::ensure_may_control(tx, tenant, stamp, application.app_id).await?;
    privileges::ensure_not_audience(&application, stamp)?;
    let kept = Kept {
        app_id: application.app_id,
        created_at_ms: application.created_at.as_millisecond(),
        version: application.version,
        properties: application.properties.clone(),
    };
    let object = DeletedObject::of(
        (DeletedKind::Application, application.object_id),
        &application.properties.display_name,
        &kept,
        stamp,
    )?;
    service_principals::delete_with_application(tx, tenant, &application, stamp).await?;
    deleted::put(tx, tenant, &object).await?;
    sql::delete_row(tx, application.object_id).await?;
    stamp.record(tx, Action::ApplicationChanged, application.app_id, Some("deleted".to_owned())).await?;
    Ok(())
}

/// Writes the row again.
pub(crate) async fn restore(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
) -> Result<AppId, IdentityError> {
    let mut application = read(object)?;
    application.version += 1;
    sql::insert_row(tx, tenant, &application).await?;
    Ok(application.app_id)
}

/// Frees what an application kept while it was deleted.
pub(crate) async fn forget(tx: &mut WriteTx, id: ObjectId) -> Result<(), IdentityError> {
    credentials::delete_all(tx, id).await?;
    federated_credentials::forget(tx, id).await?;
    token_lifetimes::forget(tx, id).await?;
    owners::forget_object(tx, id).await?;
    sql::forget(tx, id).await?;
    Ok(())
}

/// A deleted application as it was.
pub(crate) async fn view_deleted(
    tx: &mut ReadTx,
    object: &DeletedObject,
) -> Result<Application, IdentityError> {
    let mut application = read(object)?;
    credentials::attach(tx, &mut application).await?;
    Ok(application)
}

fn read(object: &DeletedObject) -> Result<Application, IdentityError> {
    let kept: Kept = object.row()?;
    Ok(Application {
        object_id: object.id,
        app_id: kept.app_id,
        created_at: crate::timestamp(kept.created_at_ms),
        seeded: false,
        version: kept.version,
        properties: kept.properties,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}
