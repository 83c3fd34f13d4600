//! Passkeys as second factor (WebAuthn Level 3): what the browser is asked, and what its answer uses up.
//!
//! The challenge travels with the page, sealed, and is good once: it is spent in the transaction that lets the user in.

use hilum_jose::{base64url_encode, sha256};
use hilum_kernel::UserId;
use serde_json::json;

use super::second_factor::{Claim, FactorError, Pending};
use crate::{
    Identity, IdentityError, User,
    authentication_methods::{
        self as methods, MethodKind, Registered,
        passkeys::{ALGORITHMS, Answer, CeremonyError, Place},
    },
};

/// How long a browser may take to ask its user.
const TIMEOUT_MS: u32 = 120_000;
const CHALLENGE_BYTES: usize = 32;

impl Identity {
    /// What a browser signs.
    pub(crate) fn new_challenge(&self) -> String {
        self.random_text::<CHALLENGE_BYTES>()
    }

    /// The options of `navigator.credentials.get` for one of these credentials (WebAuthn §5.5).
    pub(crate) fn passkey_request(&self, challenge: &str, credentials: &[String]) -> String {
        json!({
            "challenge": challenge,
            "rpId": self.rp_id(),
            "allowCredentials": credentials,
            "userVerification": "preferred",
            "timeout": TIMEOUT_MS,
        })
        .to_string()
    }

    /// The options of `navigator.credentials.create` (WebAuthn §5.4), on an authenticator that has none of the known ones.
    pub(crate) fn passkey_creation(&self, challenge: &str, user: &User, known: &[String]) -> String {
        json!({
            "challenge": challenge,
            "rp": { "id": self.rp_id(), "name": "Hilum" },
            "user": {
                "id": base64url_encode(user.id.uuid().as_bytes()),
                "name": user.user_principal_name,
                "displayName": user.display_name,
            },
            "algorithms": ALGORITHMS,
            "excludeCredentials": known,
            "userVerification": "preferred",
            "timeout": TIMEOUT_MS,
        })
        .to_string()
    }

    /// The IDs of the user's passkeys, as base64url.
    pub(crate) async fn passkeys_of(&self, user: UserId) -> Result<Vec<String>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let known = methods::of_user(&mut self.0.db.read().await?, tenant, user).await?;
        Ok(known.into_iter().filter_map(|method| method.credential_id).collect())
    }

    /// The row of a new passkey.
    pub(super) fn made_passkey(&self, challenge: &str, answer: &str) -> Option<Registered> {
        let made = Answer::parse(answer).and_then(|answer| answer.made(self.passkey_place(challenge)));
        let made = made.map_err(noted).ok()?;
        let now_ms = self.0.clock.now_ms();
        Some(Registered {
            id: self.0.random.uuid(),
            kind: MethodKind::Fido2,
            display_name: "Passkey".to_owned(),
            credential_id: Some(made.id),
            material: made.key,
            counter: made.counter.into(),
            created_at_ms: now_ms,
            used_at_ms: Some(now_ms),
        })
    }

    /// What an answer uses up, if it is of a passkey of the user.
    pub(super) async fn passkey_claim(
        &self,
        (user, pending): (&User, &Pending),
        (challenge, answer): (&str, &str),
    ) -> Result<Option<Claim>, FactorError> {
        let Ok(answer) = Answer::parse(answer).map_err(noted) else { return Ok(None) };
        let tenant = self.tenant().await?.id;
        let known = methods::of_user(&mut self.0.db.read().await?, tenant, user.id).await?;
        let Some(method) = known.iter().find(|method| method.credential_id.as_deref() == Some(answer.id()))
        else {
            return Ok(None);
        };
        let counter = u32::try_from(method.counter).unwrap_or(u32::MAX);
        let key = (method.material.as_slice(), counter);
        let shown = answer.shown(self.passkey_place(challenge), key, &handle(user.id));
        Ok(shown.map_err(noted).ok().map(|shown| Claim::Passkey {
            method: method.id,
            counter: shown.counter.into(),
            challenge: spent(challenge),
            until_ms: pending.until_ms(),
        }))
    }

    fn passkey_place<'a>(&'a self, challenge: &'a str) -> Place<'a> {
        Place { origin: &self.0.origin, rp_id: self.rp_id(), challenge }
    }

    /// The origin's host, without its port.
    fn rp_id(&self) -> &str {
        let host = self.0.origin.split_once("://").map_or(&*self.0.origin, |(_, host)| host);
        host.rsplit_once(':').map_or(host, |(name, _)| name)
    }
}

/// A challenge as it is remembered.
pub(super) fn spent(challenge: &str) -> String {
    base64url_encode(sha256(challenge.as_bytes()))
}

/// What the authenticator knows the user by.
const fn handle(user: UserId) -> [u8; 16] {
    user.uuid().into_bytes()
}

fn noted(error: CeremonyError) -> CeremonyError {
    tracing::info!(%error, "a passkey's answer was refused");
    error
}
