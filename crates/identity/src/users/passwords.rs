//! Setting passwords: `passwordProfile`, `changePassword`, and the end of all sessions.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{Secret, TenantId, UserId};
use hilum_storage::db::WriteTx;
use serde_json::{Map, Value};

use super::{NewPassword, PasswordFault, PreparedChange, User, locked, required, rules, sql};
use crate::{
    Identity, IdentityError, Stamp,
    credentials::passwords::{self as hashes, HashedPassword},
    privileges, upstream,
};

/// What `passwordProfile` said.
#[derive(Debug, Clone, Default)]
pub(crate) struct PasswordProfile {
    password: Option<Secret<String>>,
    must_change: Option<bool>,
}

impl PasswordProfile {
    /// A password for a new user. As in Graph, it must be changed at the first sign-in unless the profile says no.
    pub(crate) fn complete(self) -> Option<NewPassword> {
        let must_change = self.must_change.unwrap_or(true);
        self.password.map(|password| NewPassword { password, must_change })
    }
}

impl From<Option<NewPassword>> for PasswordProfile {
    fn from(new: Option<NewPassword>) -> Self {
        match new {
            Some(new) => Self { password: Some(new.password), must_change: Some(new.must_change) },
            None => Self::default(),
        }
    }
}

/// Takes `passwordProfile` out of a body.
pub(crate) fn take_profile(
    members: &Map<String, Value>,
) -> Result<(Map<String, Value>, PasswordProfile), IdentityError> {
    let mut members = members.clone();
    let profile = match members.remove("passwordProfile") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(profile)) => profile,
        Some(_) => return Err(IdentityError::invalid("passwordProfile", "must be an object")),
    };
    let mut read = PasswordProfile::default();
    for (name, value) in profile.into_iter().filter(|(name, _)| !name.contains('@')) {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("password", Value::String(text)) => read.password = Some(Secret::new(text)),
            ("forceChangePasswordNextSignIn", Value::Bool(must)) => read.must_change = Some(must),
            // There is no second factor yet: the stricter reading is a change of password.
            ("forceChangePasswordNextSignInWithMfa", Value::Bool(must)) => {
                read.must_change = Some(must || read.must_change.unwrap_or(false));
            }
            (known, _)
                if ["password", "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"]
                    .contains(&known) =>
            {
                return Err(IdentityError::invalid(format!("passwordProfile.{known}"), "has the wrong type"));
            }
            (unknown, _) => {
                let property = format!("passwordProfile.{unknown}");
                return Err(IdentityError::invalid(property, "passwordProfile has no such property"));
            }
        }
    }
    Ok((members, read))
}

/// Whether this password may be this user's.
pub(crate) fn check(password: &Secret<String>, user: &User) -> Result<(), PasswordFault> {
    let local = user.user_principal_name.split('@').next().unwrap_or_default();
    let names = [
        local,
        user.display_name.as_str(),
        user.given_name.as_deref().unwrap_or_default(),
        user.surname.as_deref().unwrap_or_default(),
    ];
    rules::check_password(password, &names)
}

/// Notes a sign-in with the password that was verified. False when that one is not the user's any more: a reset in
/// between wins. One that comes later finds the sign-in noted, and ends what begins with it, wherever that is kept.
pub(crate) async fn confirm_sign_in(
    tx: &mut WriteTx,
    tenant: TenantId,
    (id, verified): (UserId, &str),
    at_ms: i64,
) -> Result<bool, IdentityError> {
    let user = match locked(tx, tenant, &id.to_string()).await {
        Err(IdentityError::NotFound { .. }) => return Ok(false),
        user => user?,
    };
    if hashes::stored(tx, user.id).await?.is_none_or(|(stored, _)| stored != verified) {
        return Ok(false);
    }
    sql::signed_in(tx, user.id, at_ms).await?;
    Ok(true)
}

/// Notes a sign-in that another provider vouches for, under the same lock: what ends sessions afterwards ends that one, too.
pub(crate) async fn signed_in_elsewhere(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: UserId,
    at_ms: i64,
) -> Result<User, IdentityError> {
    let user = locked(tx, tenant, &id.to_string()).await?;
    sql::signed_in(tx, user.id, at_ms.max(user.sessions_valid_from.as_millisecond())).await?;
    Ok(user)
}

/// Stores a password that its user chose, in place of the one that was verified. Ends all sessions, and tells since when
/// new ones hold. Nothing when that password is not the user's any more: a reset in between wins.
pub(crate) async fn replace_own(
    tx: &mut WriteTx,
    tenant: TenantId,
    id: &str,
    (verified, hashed): (&str, &HashedPassword),
    stamp: &Stamp,
) -> Result<Option<i64>, IdentityError> {
    let user = locked(tx, tenant, id).await?;
    if hashes::stored(tx, user.id).await?.is_none_or(|(stored, _)| stored != verified) {
        return Ok(None);
    }
    hashes::store(tx, user.id, hashed, stamp.at_ms).await?;
    let ended_ms = sql::end_sessions(tx, user.id, stamp.at_ms).await?;
    stamp.record(tx, Action::UserChanged, user.id, Some("password changed".to_owned())).await?;
    Ok(Some(ended_ms))
}

impl Identity {
    /// Does what costs time before the transaction: a new password is checked against the user's names as they are
    /// now, and hashed.
    pub(crate) async fn prepare_change(
        &self,
        id: &str,
        members: Map<String, Value>,
        profile: PasswordProfile,
    ) -> Result<PreparedChange, IdentityError> {
        let PasswordProfile { password, must_change } = profile;
        let mut members = members;
        let identities = members.remove("identities").as_ref().map(upstream::parse_identities).transpose()?;
        let Some(password) = password else {
            return Ok(PreparedChange {
                id: id.to_owned(),
                members,
                password: None,
                identities,
                must_change,
            });
        };
        check(&password, &self.find_user(id).await?)?;
        // As in Graph, a password that somebody else sets must be changed unless the profile says no.
        let hashed = self.hash_password(password, must_change.unwrap_or(true)).await?;
        Ok(PreparedChange {
            id: id.to_owned(),
            members,
            password: Some(hashed),
            identities,
            must_change: None,
        })
    }

    /// Changes a user's own password, who proves to know the present one. Ends all sessions.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a wrong present password or a new one that the rules refuse.
    pub async fn change_password(
        &self,
        actor: &Actor,
        id: UserId,
        current: Secret<String>,
        new: Secret<String>,
    ) -> Result<(), IdentityError> {
        let name = id.to_string();
        let user = self.find_user(&name).await?;
        check(&new, &user)?;
        if new.expose() == current.expose() {
            return Err(IdentityError::invalid("newPassword", "must differ from the present password"));
        }
        let wrong = || IdentityError::invalid("currentPassword", "the specified password does not match");
        let verified = self.present_password(&user, current).await?.ok_or_else(wrong)?;
        let hashed = self.hash_password(new, false).await?;
        let input = (self.tenant().await?.id, name, (verified, hashed), self.stamp(actor));
        let replaced = self.0.db.write(input, |tx, (tenant, id, (verified, hashed), stamp)| {
            replace_own(tx, *tenant, id, (verified, hashed), stamp).boxed()
        });
        replaced.await?.map(drop).ok_or_else(wrong)
    }

    /// Ends all sessions of a user: refresh tokens of before are worth nothing (`revokeSignInSessions`).
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn revoke_sign_in_sessions(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, id.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, stamp)| {
                async move {
                    let user = required(tx, *tenant, id).await?;
                    privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                    sql::end_sessions(tx, user.id, stamp.at_ms).await?;
                    let detail = Some("sessions revoked".to_owned());
                    stamp.record(tx, Action::UserChanged, user.id, detail).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }
}
