//! Deleting a group, and bringing it back: with members and owners, without what was granted.

use hilum_audit::Action;
use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::WriteTx;
use serde::{Deserialize, Serialize};

use super::{Group, forget, locked, park, sql, unpark};
use crate::{
    DeletedKind, DeletedObject, IdentityError, Stamp, deleted, directory_roles, grants, privileges,
    role_assignments,
};

/// The row of a deleted group.
#[derive(Serialize, Deserialize)]
struct Kept {
    mail_nickname: String,
    description: Option<String>,
    created_at_ms: i64,
    visibility: Option<String>,
    assignable_to_role: bool,
    unique_name: Option<String>,
}

/// Moves a group to the deleted objects. Its members are put aside, so that nobody has anything by it meanwhile.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: GroupId,
    stamp: &Stamp,
) -> Result<Group, IdentityError> {
    let group = locked(tx, tenant, id).await?;
    super::ensure_may_manage(tx, tenant, &group, stamp).await?;
    let kept = Kept {
        mail_nickname: group.mail_nickname.clone(),
        description: group.description.clone(),
        created_at_ms: group.created_at.as_millisecond(),
        visibility: group.visibility.clone(),
        assignable_to_role: group.assignable_to_role,
        unique_name: group.unique_name.clone(),
    };
    let object =
        DeletedObject::of((DeletedKind::Group, ObjectId::new(id.uuid())), &group.display_name, &kept, stamp)?;
    sql::delete(tx, id).await?;
    if group.assignable_to_role {
        directory_roles::ensure_an_administrator(tx, tenant).await?;
    }
    role_assignments::delete_of_principal(tx, object.id).await?;
    grants::delete_of_principal(tx, object.id).await?;
    park(tx, object.id).await?;
    deleted::put(tx, tenant, &object).await?;
    stamp.record(tx, Action::GroupChanged, id, Some("deleted".to_owned())).await?;
    Ok(group)
}

/// Writes the row again.
pub(crate) async fn restore(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let group = view_deleted(object)?;
    sql::insert(tx, tenant, &group).await?;
    unpark(tx, object.id).await?;
    // As for any change of it: who brings such a group back gives its members what it will have.
    super::ensure_may_manage(tx, tenant, &group, stamp).await?;
    privileges::ensure_may_add_member(tx, tenant, stamp, object.id).await
}

/// Removes what a group kept while deleted.
pub(crate) async fn forget_deleted(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    super::ensure_may_manage(tx, tenant, &view_deleted(object)?, stamp).await?;
    Ok(forget(tx, object.id).await?)
}

/// A deleted group as before.
pub(crate) fn view_deleted(object: &DeletedObject) -> Result<Group, IdentityError> {
    let kept: Kept = object.row()?;
    Ok(Group {
        id: GroupId::new(object.id.uuid()),
        display_name: object.display_name.clone(),
        mail_nickname: kept.mail_nickname,
        description: kept.description,
        created_at: crate::timestamp(kept.created_at_ms),
        visibility: kept.visibility,
        assignable_to_role: kept.assignable_to_role,
        unique_name: kept.unique_name,
    })
}
