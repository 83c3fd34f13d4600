//! Registering what somebody proves more than a password with: the first method by who has proven one factor, each further
//! one by who has proven two.
//!
//! The secret or the challenge travels with the page, sealed; nothing is stored before it was shown to work. A user's
//! first method brings recovery codes along.

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome, record};
use hilum_kernel::{Secret, TenantId};
use hilum_storage::db::WriteTx;

use super::{
    Origin, SignedIn, actor_of, passkey,
    second_factor::{FactorError, Pending, is_good},
};
use crate::{
    Identity, IdentityError,
    authentication_methods::{self as methods, Amr, Registered, totp, totp::TotpSecret},
    users,
};

/// What is registered.
#[derive(Debug)]
pub(crate) enum Enrolment<'a> {
    /// An authenticator app with this secret, by its first code.
    Totp { secret: &'a TotpSecret, code: &'a str },
    /// A passkey, by its answer to a challenge.
    Passkey { challenge: &'a str, answer: &'a str },
}

/// Signed in, with a method that is new.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) signed_in: SignedIn,
    /// Recovery codes to be shown once, if the method is the user's first.
    pub(crate) codes: Vec<Secret<String>>,
}

/// A method, with what comes along.
struct New {
    method: Registered,
    /// Of recovery codes, if it is the first.
    hashes: Vec<String>,
    /// The challenge that it answers, and until when that must be remembered.
    challenge: Option<(String, i64)>,
    event: Event,
    at_ms: i64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    First,
    Further,
    /// The user was changed, or has to show more first, or the answer was given before.
    Over,
}

impl Identity {
    /// A secret for an authenticator app that is being registered; nothing of it is stored yet.
    pub(crate) fn new_totp_secret(&self) -> TotpSecret {
        TotpSecret::generate(self.0.random.as_ref())
    }

    /// Registers a method, which counts as shown. Who has one already must have shown it: the password alone adds nothing.
    pub(crate) async fn enrol(
        &self,
        pending: &Pending,
        enrolment: Enrolment<'_>,
        origin: Origin,
    ) -> Result<Enrolled, FactorError> {
        let user = self.pending_user(pending).await?;
        self.count_try(user.id, origin.address)?;
        let (method, proven, challenge) = match enrolment {
            Enrolment::Totp { secret, code } => {
                let step = totp::typed(code).and_then(|code| secret.step_of(&code, self.0.clock.now_ms()));
                let Some(step) = step else { return self.wrong(&user, origin).await };
                (self.sealed_totp(user.id, secret, ("Authenticator app", step))?, Amr::OTP, None)
            }
            Enrolment::Passkey { challenge, answer } => {
                let Some(made) = self.made_passkey(challenge, answer) else {
                    return self.wrong(&user, origin).await;
                };
                (made, Amr::PASSKEY, Some((passkey::spent(challenge), pending.until_ms())))
            }
        };
        let codes = self.new_recovery_codes(user.id);
        let event = Event {
            target: Some(user.id.to_string()),
            detail: Some(format!("registered {} {}", method.kind.as_str(), method.id)),
            ..Event::new(Action::AuthenticationMethodChanged, Outcome::Success, actor_of(&user, origin))
                .of_request(origin.address, origin.correlation)
        };
        let new = New { method, hashes: codes.hashes, challenge, event, at_ms: self.0.clock.now_ms() };
        let input = (self.tenant().await?.id, pending.clone(), new);
        let registered: Result<Registration, IdentityError> = self
            .0
            .db
            .write(input, |tx, (tenant, pending, new)| register(tx, *tenant, pending, new).boxed())
            .await;
        let codes = match registered? {
            Registration::First => codes.shown,
            Registration::Further => Vec::new(),
            Registration::Over => return Err(FactorError::Over),
        };
        self.right_code(user.id, origin.address);
        Ok(Enrolled { signed_in: pending.completed(user, proven), codes })
    }
}

async fn register(
    tx: &mut WriteTx,
    tenant: TenantId,
    pending: &Pending,
    new: &New,
) -> Result<Registration, IdentityError> {
    let user = users::locked(tx, tenant, &pending.user.to_string()).await?;
    let known = methods::of_user(tx, tenant, user.id).await?;
    let is_first = known.is_empty();
    let credential = new.method.credential_id.as_ref();
    let is_there =
        credential.is_some() && known.iter().any(|known| known.credential_id.as_ref() == credential);
    if !is_good(&user, pending.authenticated_at_ms)
        || is_there
        || !(is_first || pending.amr.is_multi_factor())
    {
        return Ok(Registration::Over);
    }
    if let Some((challenge, until_ms)) = &new.challenge
        && !methods::spend_challenge(tx, (challenge, *until_ms), new.at_ms).await?
    {
        return Ok(Registration::Over);
    }
    methods::register(tx, (tenant, user.id), (&known, &new.method)).await?;
    if is_first {
        methods::replace_codes(tx, user.id, &new.hashes).await?;
    }
    record(tx, new.at_ms, &new.event).await?;
    Ok(if is_first { Registration::First } else { Registration::Further })
}
