//! Deleting a user, and bringing the user back: with password and memberships, without what was granted. While a user is
//! deleted the name is free for others, as in Entra.

use hilum_audit::Action;
use hilum_kernel::{ObjectId, TenantId, UserId};
use hilum_storage::db::WriteTx;
use serde::{Deserialize, Serialize};

use super::{User, UserDetails, insert, keep_an_administrator, locked, sql};
use crate::{
    DeletedKind, DeletedObject, IdentityError, Stamp, authentication_methods, credentials::passwords,
    deleted, grants, groups, owners, privileges, role_assignments, upstream,
};

/// The row of a deleted user.
#[derive(Serialize, Deserialize)]
struct Kept {
    user_principal_name: String,
    mail_nickname: String,
    given_name: Option<String>,
    surname: Option<String>,
    mail: Option<String>,
    account_enabled: bool,
    created_at_ms: i64,
    sessions_valid_from_ms: i64,
    details: UserDetails,
}

/// Moves a user to the deleted objects. The password stays: it is reached only through the row.
pub(crate) async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: &str,
    stamp: &Stamp,
) -> Result<User, IdentityError> {
    let user = locked(tx, tenant, id).await?;
    privileges::ensure_may_manage_user(tx, tenant, stamp, user.id).await?;
    let kept = Kept {
        user_principal_name: user.user_principal_name.clone(),
        mail_nickname: user.mail_nickname.clone(),
        given_name: user.given_name.clone(),
        surname: user.surname.clone(),
        mail: user.mail.clone(),
        account_enabled: user.account_enabled,
        created_at_ms: user.created_at.as_millisecond(),
        sessions_valid_from_ms: user.sessions_valid_from.as_millisecond(),
        details: user.details.clone(),
    };
    let object = DeletedObject::of(
        (DeletedKind::User, ObjectId::new(user.id.uuid())),
        &user.display_name,
        &kept,
        stamp,
    )?;
    sql::delete(tx, user.id).await?;
    keep_an_administrator(tx, tenant, user.id).await?;
    role_assignments::delete_of_principal(tx, object.id).await?;
    grants::delete_of_principal(tx, object.id).await?;
    groups::park(tx, object.id).await?;
    deleted::put(tx, tenant, &object).await?;
    stamp.record(tx, Action::UserChanged, user.id, Some("deleted".to_owned())).await?;
    Ok(user)
}

/// Writes the row again; sessions of before stay ended.
pub(crate) async fn restore(
    tx: &mut WriteTx,
    tenant: TenantId,
    object: &DeletedObject,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let mut user = view_deleted(object)?;
    user.sessions_valid_from = crate::timestamp(stamp.at_ms);
    insert(tx, tenant, &user).await?;
    groups::unpark(tx, object.id).await?;
    privileges::ensure_may_manage_user(tx, tenant, stamp, user.id).await
}

/// Removes what a user kept while deleted.
pub(crate) async fn forget(tx: &mut WriteTx, id: ObjectId) -> Result<(), IdentityError> {
    groups::forget(tx, id).await?;
    owners::forget_owner(tx, id).await?;
    passwords::delete(tx, UserId::new(id.uuid())).await?;
    upstream::forget(tx, UserId::new(id.uuid())).await?;
    authentication_methods::delete_all(tx, UserId::new(id.uuid())).await?;
    Ok(())
}

/// A deleted user as before.
pub(crate) fn view_deleted(object: &DeletedObject) -> Result<User, IdentityError> {
    let kept: Kept = object.row()?;
    Ok(User {
        id: UserId::new(object.id.uuid()),
        user_principal_name: kept.user_principal_name,
        display_name: object.display_name.clone(),
        mail_nickname: kept.mail_nickname,
        given_name: kept.given_name,
        surname: kept.surname,
        mail: kept.mail,
        account_enabled: kept.account_enabled,
        created_at: crate::timestamp(kept.created_at_ms),
        details: kept.details,
        sessions_valid_from: crate::timestamp(kept.sessions_valid_from_ms),
    })
}
