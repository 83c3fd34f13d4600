//! What a user can prove more than a password with: authenticator apps, passkeys, recovery codes. Graph's word for it.
//!
//! Owns `authentication_method`, `recovery_code` and `spent_challenge`. Secrets are sealed under a key of their own, with the user and the
//! method's ID as associated data, so that a row is of no use to another user; recovery codes are kept as keyed hashes.
//! Who proves what when is `sign_in/second_factor`'s matter, and who has to is `conditional_access`'.

mod amr;
pub(crate) mod passkeys;
pub(crate) mod qr;
pub(crate) mod recovery;
mod sql;
pub(crate) mod totp;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{Secret, TenantId, UserId};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{Identity, IdentityError, Stamp, privileges, timestamp, users};

pub(crate) use amr::Amr;
pub(crate) use recovery::RecoveryCodes;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{
    SCHEMA, SCHEMA_CHALLENGES, advance, codes_left, delete_all, of_user, spend_challenge, spend_code,
    use_passkey,
};
use totp::TotpSecret;

/// How many methods a user may have.
pub(crate) const METHODS_MAX: usize = 20;
const NAME_CHARS_MAX: usize = 64;

/// The kinds of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// One-time passwords of an authenticator app (RFC 6238).
    SoftwareOath,
    /// A passkey (WebAuthn).
    Fido2,
}

impl MethodKind {
    /// As Graph spells it in `#microsoft.graph.{kind}AuthenticationMethod`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoftwareOath => "softwareOath",
            Self::Fido2 => "fido2",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SoftwareOath, Self::Fido2].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A registered method, as far as anybody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationMethod {
    /// Its ID.
    pub id: Uuid,
    /// Its kind.
    pub kind: MethodKind,
    /// What its owner calls it.
    pub display_name: String,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// When it last let its owner in.
    pub last_used_at: Option<Timestamp>,
}

/// What a user has registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthenticationMethods {
    /// The methods, oldest first.
    pub methods: Vec<AuthenticationMethod>,
    /// How many recovery codes are left.
    pub recovery_codes_left: i64,
}

/// A row.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: Uuid,
    pub(crate) kind: MethodKind,
    pub(crate) display_name: String,
    /// A passkey's, as base64url.
    pub(crate) credential_id: Option<String>,
    /// The sealed secret, or the public key.
    pub(crate) material: Vec<u8>,
    /// The last time step used, or the authenticator's signature counter.
    pub(crate) counter: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) used_at_ms: Option<i64>,
}

impl Registered {
    fn view(&self) -> AuthenticationMethod {
        AuthenticationMethod {
            id: self.id,
            kind: self.kind,
            display_name: self.display_name.clone(),
            created_at: timestamp(self.created_at_ms),
            last_used_at: self.used_at_ms.map(timestamp),
        }
    }
}

fn associated(user: UserId, method: Uuid) -> String {
    format!("authentication-method:{user}:{method}")
}

impl Identity {
    /// What a user has registered.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn list_authentication_methods(
        &self,
        user: &str,
    ) -> Result<AuthenticationMethods, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let user = users::required(&mut tx, tenant, user).await?;
        let methods = of_user(&mut tx, tenant, user.id).await?;
        let recovery_codes_left = codes_left(&mut tx, user.id).await?;
        Ok(AuthenticationMethods {
            methods: methods.iter().map(Registered::view).collect(),
            recovery_codes_left,
        })
    }

    /// Removes one method of a user: a lost phone, a lost key. Recovery codes go with the last one.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Forbidden`].
    pub async fn delete_authentication_method(
        &self,
        actor: &Actor,
        user: &str,
        method: Uuid,
    ) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, user.to_owned(), method, self.stamp(actor));
        let deleted = self.0.db.write(input, |tx, (tenant, user, method, stamp)| {
            delete(tx, *tenant, (user, *method), stamp).boxed()
        });
        deleted.await
    }

    /// Removes everything that a user has registered and ends the user's sessions. Where a second factor is required the
    /// user registers anew at the next sign-in.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Forbidden`].
    pub async fn reset_authentication_methods(&self, actor: &Actor, user: &str) -> Result<(), IdentityError> {
        let input = (self.tenant().await?.id, user.to_owned(), self.stamp(actor));
        let reset = self.0.db.write(input, |tx, (tenant, user, stamp)| {
            async move {
                let user = users::locked(tx, *tenant, user).await?;
                privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                delete_all(tx, user.id).await?;
                users::end_sessions(tx, user.id, stamp.at_ms).await?;
                let detail = Some("all removed".to_owned());
                stamp.record(tx, Action::AuthenticationMethodChanged, user.id, detail).await?;
                Ok::<_, IdentityError>(())
            }
            .boxed()
        });
        reset.await
    }

    /// Calls a method something else.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a name that is empty, too long or not in plain characters;
    /// [`IdentityError::NotFound`], [`IdentityError::Forbidden`].
    pub async fn rename_authentication_method(
        &self,
        actor: &Actor,
        user: &str,
        (method, name): (Uuid, &str),
    ) -> Result<(), IdentityError> {
        let name = name.trim().to_owned();
        let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
        if !is_plain || name.chars().count() > NAME_CHARS_MAX {
            let reason = format!("must have 1 to {NAME_CHARS_MAX} plain characters");
            return Err(IdentityError::invalid("displayName", reason));
        }
        let input = (self.tenant().await?.id, user.to_owned(), (method, name), self.stamp(actor));
        let renamed = self.0.db.write(input, |tx, (tenant, user, (method, name), stamp)| {
            async move {
                let user = users::locked(tx, *tenant, user).await?;
                privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                if !sql::rename(tx, (*method, user.id), name).await? {
                    return Err(IdentityError::not_found("authentication method", method.to_string()));
                }
                let detail = Some(format!("renamed {method}"));
                stamp.record(tx, Action::AuthenticationMethodChanged, user.id, detail).await?;
                Ok(())
            }
            .boxed()
        });
        renamed.await
    }

    /// Puts new recovery codes in place of those before, to be shown once; none for who has no method that they stand in
    /// for.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], [`IdentityError::Forbidden`].
    pub async fn renew_recovery_codes(
        &self,
        actor: &Actor,
        user: UserId,
    ) -> Result<Vec<Secret<String>>, IdentityError> {
        let codes = self.new_recovery_codes(user);
        let input = (self.tenant().await?.id, user, codes.hashes, self.stamp(actor));
        let renewed: Result<bool, IdentityError> = self
            .0
            .db
            .write(input, |tx, (tenant, user, hashes, stamp)| {
                async move {
                    let user = users::locked(tx, *tenant, &user.to_string()).await?;
                    privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                    if of_user(tx, *tenant, user.id).await?.is_empty() {
                        return Ok(false);
                    }
                    replace_codes(tx, user.id, hashes).await?;
                    let detail = Some("new recovery codes".to_owned());
                    stamp.record(tx, Action::AuthenticationMethodChanged, user.id, detail).await?;
                    Ok(true)
                }
                .boxed()
            })
            .await;
        Ok(if renewed? { codes.shown } else { Vec::new() })
    }

    /// The row of a new authenticator app, whose first code was of this time step.
    pub(crate) fn sealed_totp(
        &self,
        user: UserId,
        secret: &TotpSecret,
        (display_name, step): (&str, i64),
    ) -> Result<Registered, IdentityError> {
        let id = self.0.random.uuid();
        let material =
            self.0.method_key.seal(secret.bytes(), &associated(user, id), self.0.random.as_ref())?;
        let now_ms = self.0.clock.now_ms();
        Ok(Registered {
            id,
            kind: MethodKind::SoftwareOath,
            display_name: display_name.to_owned(),
            credential_id: None,
            material,
            counter: step,
            created_at_ms: now_ms,
            used_at_ms: Some(now_ms),
        })
    }

    /// The secret of an authenticator app.
    pub(crate) fn open_totp(&self, user: UserId, method: &Registered) -> Result<TotpSecret, IdentityError> {
        let bytes: Secret<Vec<u8>> =
            self.0.method_key.open(&method.material, &associated(user, method.id))?;
        TotpSecret::of(bytes).ok_or(IdentityError::WrongMasterKey)
    }

    /// A new set of recovery codes; nothing is stored yet.
    pub(crate) fn new_recovery_codes(&self, user: UserId) -> RecoveryCodes {
        recovery::generate(self.0.random.as_ref(), &self.0.method_key, user)
    }

    pub(crate) fn recovery_hash(&self, user: UserId, code: &str) -> String {
        recovery::hash(&self.0.method_key, user, code)
    }
}

async fn delete(
    tx: &mut WriteTx,
    tenant: TenantId,
    (user, method): (&str, Uuid),
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let user = users::locked(tx, tenant, user).await?;
    privileges::ensure_may_manage_user(tx, tenant, stamp, user.id).await?;
    let known = of_user(tx, tenant, user.id).await?;
    let Some(found) = known.iter().find(|known| known.id == method) else {
        return Err(IdentityError::not_found("authentication method", method.to_string()));
    };
    sql::delete(tx, method, user.id).await?;
    if known.len() == 1 {
        // Codes alone are no way to sign in with two factors.
        delete_all(tx, user.id).await?;
    }
    let detail = Some(format!("removed {} {method}", found.kind.as_str()));
    stamp.record(tx, Action::AuthenticationMethodChanged, user.id, detail).await?;
    Ok(())
}

/// Registers a method in the caller's transaction, which has locked the user.
pub(crate) async fn register(
    tx: &mut WriteTx,
    (tenant, user): (TenantId, UserId),
    (known, new): (&[Registered], &Registered),
) -> Result<(), IdentityError> {
    if known.len() >= METHODS_MAX {
        let reason = format!("a user may have {METHODS_MAX} authentication methods");
        return Err(IdentityError::SizeExceeded(reason));
    }
    Ok(sql::insert(tx, (tenant, user), new).await?)
}

/// Puts a set of recovery codes in place of the one before.
pub(crate) async fn replace_codes(
    tx: &mut WriteTx,
    user: UserId,
    hashes: &[String],
) -> Result<(), IdentityError> {
    Ok(sql::replace_codes(tx, user, hashes).await?)
}
