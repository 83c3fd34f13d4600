//! The second factor: who still has to show one, and showing it.
//!
//! Between password and second factor there is no session, only a [`Pending`] sign-in, which the page carries sealed.
//! Whether somebody has a second factor is told to nobody before the password is right. Tries are counted by user and
//! address before they are looked at; each code is good once, in one transaction with the audit event.

use std::net::IpAddr;

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome, record};
use hilum_kernel::{AppId, Secret, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::{Origin, SignedIn, actor_of};
use crate::{
    Identity, IdentityError, User,
    authentication_methods::{self as methods, Amr, MethodKind, recovery, totp},
    conditional_access,
    upstream::Voucher,
    users,
};

/// How long after the password the second factor may be shown.
const PENDING_MS: i64 = 600_000;

/// When it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At a sign-in, or where a person changes how to sign in: who has registered a second factor shows it, required or
    /// not.
    SignIn,
    /// With a session that is there already: what is required counts.
    Later,
}

/// What is still to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outstanding {
    Nothing,
    /// One of these.
    Challenge(Ways),
    /// There is none, and one is required.
    Enrolment,
}

/// What a user can show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ways {
    pub(crate) code: bool,
    /// The IDs of passkeys, as base64url.
    pub(crate) passkeys: Vec<String>,
    pub(crate) recovery: bool,
}

/// Somebody whose first factor is proven.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) user: UserId,
    /// When it was.
    pub(super) authenticated_at_ms: i64,
    /// What it was.
    pub(super) amr: Amr,
    /// Who vouched for it, if it was not Hilum itself.
    voucher: Option<Voucher>,
    /// How long the rest may take.
    until_ms: i64,
}

impl Pending {
    /// How long the rest may take.
    pub(crate) const fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// After a first factor, or with a session that has one.
    pub(crate) const fn new(user: UserId, (authenticated_at_ms, amr): (i64, Amr), now_ms: i64) -> Self {
        let until_ms = now_ms.saturating_add(PENDING_MS);
        Self { user, authenticated_at_ms, amr, voucher: None, until_ms }
    }

    /// After a sign-in that is not complete yet.
    pub(crate) fn of(signed_in: &SignedIn, now_ms: i64) -> Self {
        let proven = (signed_in.at_ms, signed_in.amr);
        Self { voucher: signed_in.voucher.clone(), ..Self::new(signed_in.user.id, proven, now_ms) }
    }

    /// With a second factor.
    pub(super) fn completed(&self, user: User, proven: Amr) -> SignedIn {
        let amr = self.amr.with(proven).with(Amr::MULTI_FACTOR);
        SignedIn { user, at_ms: self.authenticated_at_ms, amr, voucher: self.voucher.clone() }
    }
}

/// What is shown.
#[derive(Debug)]
pub(crate) enum Proof {
    /// What an authenticator app shows now.
    Code(Secret<String>),
    Recovery(Secret<String>),
    /// A passkey's answer to a challenge.
    Passkey {
        challenge: String,
        answer: String,
    },
}

/// Why a second factor is refused.
#[derive(Debug, Error)]
pub(crate) enum FactorError {
    /// Wrong, used before, or not the user's.
    #[error("the code is wrong")]
    Wrong,
    #[error("too many wrong codes")]
    Locked { retry_after_s: u64 },
    /// The sign-in took too long, or the user was changed meanwhile: it begins anew.
    #[error("the sign-in has to begin anew")]
    Over,
    #[error("the second factor could not be checked")]
    Unavailable(#[source] IdentityError),
}

impl From<IdentityError> for FactorError {
    fn from(error: IdentityError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<DbError> for FactorError {
    fn from(error: DbError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What a user who has proven so much still has to show for these applications.
pub(crate) async fn outstanding(
    tx: &mut ReadTx,
    tenant: TenantId,
    (user, amr): (UserId, Amr),
    (applications, moment): (&[AppId], Moment),
) -> Result<Outstanding, DbError> {
    if amr.is_multi_factor() {
        return Ok(Outstanding::Nothing);
    }
    let required = conditional_access::requires_second_factor(tx, tenant, user, applications).await?;
    if !required && moment == Moment::Later {
        return Ok(Outstanding::Nothing);
    }
    let known = methods::of_user(tx, tenant, user).await?;
    if known.is_empty() {
        return Ok(if required { Outstanding::Enrolment } else { Outstanding::Nothing });
    }
    let recovery = methods::codes_left(tx, user).await? > 0;
    let code = known.iter().any(|method| method.kind == MethodKind::SoftwareOath);
    let passkeys = known.into_iter().filter_map(|method| method.credential_id).collect();
    Ok(Outstanding::Challenge(Ways { code, passkeys, recovery }))
}

/// Which row a proof uses up.
#[derive(Debug, Clone)]
pub(super) enum Claim {
    Step(Uuid, i64),
    Recovery(String),
    Passkey { method: Uuid, counter: i64, challenge: String, until_ms: i64 },
}

impl Identity {
    /// What a user who has proven so much still has to show for these applications.
    pub(crate) async fn outstanding(
        &self,
        user: (UserId, Amr),
        asked: (&[AppId], Moment),
    ) -> Result<Outstanding, IdentityError> {
        let tenant = self.tenant().await?.id;
        Ok(outstanding(&mut self.0.db.snapshot().await?, tenant, user, asked).await?)
    }

    /// Completes a sign-in.
    pub(crate) async fn show_second_factor(
        &self,
        pending: &Pending,
        proof: Proof,
        origin: Origin,
    ) -> Result<SignedIn, FactorError> {
        let user = self.pending_user(pending).await?;
        self.count_try(user.id, origin.address)?;
        let Some(claim) = self.claim((&user, pending), &proof).await? else {
            return self.wrong(&user, origin).await;
        };
        let at_ms = self.0.clock.now_ms();
        let event = factor_event(&user, origin, (Outcome::Success, claim.name()));
        let proven = claim.amr();
        let input = (user.id, claim, event, at_ms);
        let shown: Result<bool, DbError> = self
            .0
            .db
            .write(input, |tx, (user, claim, event, at_ms)| {
                async move {
                    let good = match claim {
                        Claim::Step(method, step) => methods::advance(tx, *method, (*step, *at_ms)).await?,
                        Claim::Recovery(hash) => methods::spend_code(tx, *user, hash).await?,
                        Claim::Passkey { method, counter, challenge, until_ms } => {
                            methods::spend_challenge(tx, (challenge, *until_ms), *at_ms).await?
                                && methods::use_passkey(tx, *method, (*counter, *at_ms)).await?
                        }
                    };
                    if good {
                        record(tx, *at_ms, event).await?;
                    }
                    Ok(good)
                }
                .boxed()
            })
            .await;
        // RFC 6238 §5.2: a second attempt with the same code is refused.
        if !shown? {
            return self.wrong(&user, origin).await;
        }
        self.right_code(user.id, origin.address);
        Ok(pending.completed(user, proven))
    }

    /// The user, if what was proven still counts.
    pub(crate) async fn pending_user(&self, pending: &Pending) -> Result<User, FactorError> {
        if self.0.clock.now_ms() > pending.until_ms {
            return Err(FactorError::Over);
        }
        let tenant = self.tenant().await?.id;
        let user = users::lookup(&mut self.0.db.read().await?, tenant, &pending.user.to_string()).await?;
        user.filter(|user| is_good(user, pending.authenticated_at_ms)).ok_or(FactorError::Over)
    }

    pub(super) fn count_try(&self, user: UserId, address: Option<IpAddr>) -> Result<(), FactorError> {
        let now_ms = self.0.clock.now_ms();
        let counted = self.0.sign_in.codes.try_once(&user.to_string(), address, now_ms);
        counted.map_err(|retry_after_s| FactorError::Locked { retry_after_s })
    }

    pub(super) fn right_code(&self, user: UserId, address: Option<IpAddr>) {
        self.0.sign_in.codes.succeeded(&user.to_string(), address, self.0.clock.now_ms());
    }

    /// What the proof uses up, if it fits; it may have been used up before.
    async fn claim(
        &self,
        (user, pending): (&User, &Pending),
        proof: &Proof,
    ) -> Result<Option<Claim>, FactorError> {
        match proof {
            Proof::Code(code) => {
                let Some(code) = totp::typed(code.expose()) else { return Ok(None) };
                let tenant = self.tenant().await?.id;
                let known = methods::of_user(&mut self.0.db.read().await?, tenant, user.id).await?;
                for method in known.iter().filter(|method| method.kind == MethodKind::SoftwareOath) {
                    let secret = self.open_totp(user.id, method)?;
                    if let Some(step) = secret.step_of(&code, self.0.clock.now_ms()) {
                        return Ok(Some(Claim::Step(method.id, step)));
                    }
                }
                Ok(None)
            }
            Proof::Recovery(code) => {
                let code = recovery::typed(code.expose());
                Ok(code.map(|code| Claim::Recovery(self.recovery_hash(user.id, &code))))
            }
            Proof::Passkey { challenge, answer } => {
                self.passkey_claim((user, pending), (challenge, answer)).await
            }
        }
    }

    /// Notes a wrong second factor.
    pub(super) async fn wrong<T>(&self, user: &User, origin: Origin) -> Result<T, FactorError> {
        // Entra's number of a strong authentication that failed.
        let event = factor_event(user, origin, (Outcome::Refused, "AADSTS500121"));
        metrics::counter!("hilum_second_factors_refused_total").increment(1);
        self.note(event).await?;
        Err(FactorError::Wrong)
    }
}

impl Claim {
    const fn name(&self) -> &'static str {
        match self {
            Self::Step(..) => MethodKind::SoftwareOath.as_str(),
            Self::Recovery(_) => "recovery code",
            Self::Passkey { .. } => MethodKind::Fido2.as_str(),
        }
    }

    const fn amr(&self) -> Amr {
        match self {
            Self::Step(..) | Self::Recovery(_) => Amr::OTP,
            Self::Passkey { .. } => Amr::PASSKEY,
        }
    }
}

/// Whether a sign-in of then still counts.
pub(super) fn is_good(user: &User, authenticated_at_ms: i64) -> bool {
    user.account_enabled && user.sessions_valid_from.as_millisecond() <= authenticated_at_ms
}

fn factor_event(user: &User, origin: Origin, (outcome, detail): (Outcome, &str)) -> Event {
    Event {
        target: Some(user.id.to_string()),
        detail: Some(detail.to_owned()),
        ..Event::new(Action::SecondFactor, outcome, actor_of(user, origin))
            .of_request(origin.address, origin.correlation)
    }
}
