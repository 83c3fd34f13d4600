//! Who is there: signing in with name and password, and the forced change of a one-time password.
//!
//! Names that nobody has cost the same time and get the same answer as wrong passwords. Hashing runs on few threads with
//! a bounded queue, so that a storm of guesses delays nobody else.

mod enrolment;
mod lockout;
mod passkey;
mod second_factor;

#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_kernel::{AppId, CorrelationId, Secret, UserId};
use hilum_storage::db::DbError;
use thiserror::Error;

use crate::{
    Identity, IdentityError, User,
    authentication_methods::Amr,
    credentials::{
        HashingPool,
        passwords::{self, HashedPassword},
    },
    oauth::Throttle,
    upstream::Voucher,
    users::{self, PasswordFault},
};

pub(crate) use enrolment::Enrolment;
use lockout::CodeLockout;
pub(crate) use lockout::Lockout;
pub(crate) use second_factor::{FactorError, Moment, Outstanding, Pending, Proof, Ways, outstanding};

/// What is compared with where there is no password: Argon2id with the parameters of real ones, of no password at all.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Longer ones are wrong without a look (the same limit as for new ones, in bytes).
const PASSWORD_BYTES_MAX: usize = 1024;

/// What guards sign-ins.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    lockout: Lockout,
    /// Failures of an address over all users: one password tried on many names.
    addresses: Throttle<Option<IpAddr>>,
    pool: HashingPool,
    /// Failures of second factors, by the user's ID: who fails here knows the password.
    codes: CodeLockout,
}

/// Where a sign-in comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    pub(crate) correlation: CorrelationId,
    /// The application the user signs in to.
    pub(crate) app_id: AppId,
}

/// A user who has proven who he is.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) at_ms: i64,
    /// The provider that vouches for it, if another one does.
    pub(crate) voucher: Option<Voucher>,
    /// What the user has shown.
    pub(crate) amr: Amr,
}

/// Why a sign-in is refused.
#[derive(Debug, Error)]
pub(crate) enum SignInError {
    /// No such user, no password, or a wrong one: one answer.
    #[error("the name or the password is wrong")]
    WrongCredentials,
    #[error("the account is locked")]
    Locked { retry_after_s: u64 },
    /// Too many failures from this address.
    #[error("too many failed attempts")]
    TooManyAttempts { retry_after_s: u64 },
    /// The password is right, and was given by somebody else.
    #[error("the password must be changed")]
    MustChangePassword,
    #[error("the account is disabled")]
    Disabled,
    /// A new password that breaks the rules.
    #[error("the new password {0}")]
    NewPassword(PasswordFault),
    #[error("the sign-in could not be checked")]
    Unavailable(#[source] IdentityError),
}

impl SignInError {
    /// Entra's number, for the trail.
    const fn code(&self) -> u32 {
        match self {
            Self::WrongCredentials => 50_126,
            Self::Locked { .. } => 50_053,
            Self::TooManyAttempts { .. } => 90_055,
            Self::MustChangePassword => 50_055,
            Self::Disabled => 50_057,
            Self::NewPassword(_) => 50_056,
            Self::Unavailable(_) => 50_000,
        }
    }
}

impl From<IdentityError> for SignInError {
    fn from(error: IdentityError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<DbError> for SignInError {
    fn from(error: DbError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// A refusal, and whom it was about.
type Refusal = (Option<UserId>, SignInError);

/// A user whose password is right.
struct Checked {
    user: User,
    must_change: bool,
    /// What the password was compared with.
    hash: String,
    /// Before the hash was read: a reset after it ends what begins here.
    at_ms: i64,
}

impl Identity {
    /// Signs a user in with a password.
    pub(crate) async fn sign_in_with_password(
        &self,
        name: &str,
        password: Secret<String>,
        origin: Origin,
    ) -> Result<SignedIn, SignInError> {
        let checked = match self.check_credentials(name, password, origin).await {
            // Told only to who knows the password.
            Ok(Checked { user, .. }) if !user.account_enabled => Err((Some(user.id), SignInError::Disabled)),
            Ok(Checked { user, must_change: true, .. }) => {
                Err((Some(user.id), SignInError::MustChangePassword))
            }
            Ok(checked) => self.confirmed(checked).await,
            Err(refusal) => Err(refusal),
        };
        self.noted(checked, origin).await
    }

    /// Signs a user in with a password that is changed in the same breath.
    pub(crate) async fn sign_in_with_new_password(
        &self,
        name: &str,
        (old, new): (Secret<String>, Secret<String>),
        origin: Origin,
    ) -> Result<SignedIn, SignInError> {
        if *old.expose() == *new.expose() {
            return Err(SignInError::NewPassword(PasswordFault::Same));
        }
        let (user, verified) = match self.check_credentials(name, old, origin).await {
            Ok(Checked { user, .. }) if !user.account_enabled => {
                return self.noted(Err((Some(user.id), SignInError::Disabled)), origin).await;
            }
            Ok(Checked { user, hash, .. }) => (user, hash),
            Err(refusal) => return self.noted(Err(refusal), origin).await,
        };
        users::check_password_rules(&new, &user).map_err(SignInError::NewPassword)?;
        let hashed = self.hash_password(new, false).await?;
        let stamp = self.stamp(&actor_of(&user, origin));
        let input = (self.tenant().await?.id, user.id, (verified, hashed), stamp);
        let replaced = self.0.db.write(input, |tx, (tenant, id, (verified, hashed), stamp)| {
            async move {
                let (user, verified) = (id.to_string(), verified.as_str());
                let replaced =
                    users::replace_own_password(tx, *tenant, &user, (verified, hashed), stamp).await?;
                if let Some(at_ms) = replaced {
                    // The new password's first sign-in.
                    users::confirm_sign_in(tx, *tenant, (*id, &hashed.hash), at_ms).await?;
                }
                Ok::<_, IdentityError>(replaced)
            }
            .boxed()
        });
        let outcome = match replaced.await? {
            Some(at_ms) => Ok(SignedIn { user, at_ms, amr: Amr::PASSWORD, voucher: None }),
            None => Err((Some(user.id), SignInError::WrongCredentials)),
        };
        self.noted(outcome, origin).await
    }

    /// Notes the sign-in beside the password it was made with, in one transaction: of a reset at the same time one comes
    /// first, and then either the password is wrong or the reset ends the sign-in.
    async fn confirmed(&self, checked: Checked) -> Result<SignedIn, Refusal> {
        let Checked { user, hash, at_ms, .. } = checked;
        let failed = |error: SignInError| (Some(user.id), error);
        let tenant = self.tenant().await.map_err(|error| failed(error.into()))?.id;
        let input = (tenant, user.id, hash, at_ms);
        let confirmed: Result<bool, IdentityError> = self
            .0
            .db
            .write(input, |tx, (tenant, id, hash, at_ms)| {
                users::confirm_sign_in(tx, *tenant, (*id, hash), *at_ms).boxed()
            })
            .await;
        match confirmed {
            Ok(true) => Ok(SignedIn { user, at_ms, amr: Amr::PASSWORD, voucher: None }),
            Ok(false) => Err(failed(SignInError::WrongCredentials)),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The user behind name and password.
    async fn check_credentials(
        &self,
        name: &str,
        password: Secret<String>,
        origin: Origin,
    ) -> Result<Checked, Refusal> {
        let guard = &self.0.sign_in;
        let (address, now_ms) = (origin.address, self.0.clock.now_ms());
        // Many may share an address: who guesses there keeps those out who are new to it, not those who belong there, and
        // whom their own lock guards.
        if !guard.lockout.is_familiar(name, address, now_ms)
            && let Some(retry_after_s) = guard.addresses.wait_s(&address, now_ms)
        {
            return Err((None, SignInError::TooManyAttempts { retry_after_s }));
        }
        let locked = || match guard.lockout.wait_s(name, address, now_ms) {
            Some(retry_after_s) => Err((None, SignInError::Locked { retry_after_s })),
            None => Ok(()),
        };
        locked()?;
        let found = self.user_with_password(name).await.map_err(|error| (None, error.into()))?;
        let hash = found.as_ref().map_or_else(|| NO_PASSWORD.to_owned(), |(_, hash, _)| hash.clone());
        let turn = guard.pool.turn().await.map_err(|error| (None, error.into()))?;
        // Again after waiting: a hundred guesses at once are a hundred guesses.
        locked()?;
        let fits = password.expose().len() <= PASSWORD_BYTES_MAX;
        let password = if fits { password } else { Secret::new(String::new()) };
        let good =
            passwords::verify(password, hash.clone(), &turn).await.map_err(|error| (None, error.into()))?
                && fits;
        let outcome = match found {
            Some((user, _, must_change)) if good => {
                guard.lockout.succeeded(name, address, now_ms);
                // Another node's clock may be ahead: what it ended is before this.
                let at_ms = now_ms.max(user.sessions_valid_from.as_millisecond());
                Ok(Checked { user, must_change, hash, at_ms })
            }
            found => {
                guard.lockout.failed(name, address, now_ms);
                guard.addresses.failed(address, now_ms);
                Err((found.map(|(user, ..)| user.id), SignInError::WrongCredentials))
            }
        };
        // Who comes next sees what was counted.
        drop(turn);
        outcome
    }

    /// Hashes a new password when it is its turn.
    pub(crate) async fn hash_password(
        &self,
        password: Secret<String>,
        must_change: bool,
    ) -> Result<HashedPassword, IdentityError> {
        let turn = self.0.sign_in.pool.turn().await?;
        passwords::hash(password, must_change, (&turn, &*self.0.random)).await
    }

    /// Compares a password with a hash when it is its turn.
    pub(crate) async fn verify_password(
        &self,
        password: Secret<String>,
        hash: String,
    ) -> Result<bool, IdentityError> {
        let turn = self.0.sign_in.pool.turn().await?;
        passwords::verify(password, hash, &turn).await
    }

    /// The stored hash, if this is the user's present password. Who holds the user's token may not guess it without
    /// end either.
    pub(crate) async fn present_password(
        &self,
        user: &User,
        password: Secret<String>,
    ) -> Result<Option<String>, IdentityError> {
        let (guard, name) = (&self.0.sign_in, user.user_principal_name.as_str());
        let now_ms = self.0.clock.now_ms();
        let locked = || match guard.lockout.wait_s(name, None, now_ms) {
            Some(seconds) => {
                let reason = format!("was wrong too often; try again in {seconds} seconds");
                Err(IdentityError::invalid("currentPassword", reason))
            }
            None => Ok(()),
        };
        locked()?;
        let stored = {
            let mut tx = self.0.db.read().await?;
            passwords::stored(&mut tx, user.id).await?
        };
        // The turn lasts until a failure is counted, as with sign-ins: a hundred guesses at once are a hundred.
        let turn = guard.pool.turn().await?;
        locked()?;
        if let Some((hash, _)) = stored
            && passwords::verify(password, hash.clone(), &turn).await?
        {
            return Ok(Some(hash));
        }
        guard.lockout.failed(name, None, now_ms);
        Ok(None)
    }

    async fn user_with_password(&self, name: &str) -> Result<Option<(User, String, bool)>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.read().await?;
        // A GUID is an object ID for administrators, but nobody's name.
        let Some(user) = users::lookup(&mut tx, tenant, name).await?.filter(|_| name.contains('@')) else {
            return Ok(None);
        };
        let stored = passwords::stored(&mut tx, user.id).await?;
        Ok(stored.map(|(hash, must_change)| (user, hash, must_change)))
    }

    /// Writes a sign-in's end into the audit trail.
    async fn noted(
        &self,
        outcome: Result<SignedIn, Refusal>,
        origin: Origin,
    ) -> Result<SignedIn, SignInError> {
        let code = outcome.as_ref().err().map(|(_, error)| error.code());
        metrics::counter!("hilum_sign_ins_total", "code" => code.unwrap_or(0).to_string()).increment(1);
        if let Err((_, SignInError::Locked { .. } | SignInError::TooManyAttempts { .. })) = outcome {
            // A flood of guesses must not fill the database.
            return outcome.map_err(|(_, error)| error);
        }
        let (actor, target) = match &outcome {
            Ok(signed_in) => (actor_of(&signed_in.user, origin), Some(signed_in.user.id)),
            // The name that was typed stays out of the trail: people type passwords there.
            Err((user, _)) => (Actor { app_id: Some(origin.app_id.to_string()), ..Actor::default() }, *user),
        };
        let done = if code.is_none() { Outcome::Success } else { Outcome::Refused };
        let event = Event {
            target: target.map(|user| user.to_string()),
            detail: code.map(|code| format!("AADSTS{code}")),
            ..Event::new(Action::SignedIn, done, actor).of_request(origin.address, origin.correlation)
        };
        self.note(event).await?;
        outcome.map_err(|(_, error)| error)
    }
}

/// The user, acting through the application.
pub(crate) fn actor_of(user: &User, origin: Origin) -> Actor {
    Actor {
        subject: Some(user.id.to_string()),
        app_id: Some(origin.app_id.to_string()),
        display: Some(user.user_principal_name.clone()),
    }
}
