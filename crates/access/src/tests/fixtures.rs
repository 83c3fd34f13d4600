//! Keys, tokens and authorities for the tests.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use futures::future::BoxFuture;
use hilum_jose::{MasterKey, SigningHeader, SigningKey, Validity, VerifyingKey, base64url_encode, sign_jwt};
use hilum_kernel::{SystemRandom, TestClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Authority, ClaimNames, InProcessKeys, KeyHint, KeySource, KeysUnavailable, ProofOptions, Rights,
    RightsFrom,
};

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const ISSUER: &str = "https://host/11111111-2222-3333-4444-555555555555/v2.0";
pub(crate) const ISSUER_V1: &str = "https://host/11111111-2222-3333-4444-555555555555/";
pub(crate) const AUDIENCE: &str = "https://host/dicom";
/// The time at which the tests begin.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);
pub(crate) static OTHER: LazyLock<SigningKey> = LazyLock::new(new_key);

fn new_key() -> SigningKey {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let validity = Validity { not_before: at(NOW - 1000), not_after: at(NOW + 1_000_000) };
    SigningKey::generate("test", validity, &SystemRandom).unwrap()
}

pub(crate) fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(Timestamp::from_second(NOW).unwrap()))
}

/// Nonces are known, but not demanded.
pub(crate) fn proofs() -> ProofOptions {
    ProofOptions { nonce_key: MasterKey::generate(&SystemRandom), nonce_required: false }
}

/// An in-process source that counts how often it is asked.
#[derive(Default)]
pub(crate) struct CountedKeys {
    pub(crate) keys: InProcessKeys,
    pub(crate) asked: AtomicUsize,
}

impl CountedKeys {
    pub(crate) fn of(key: &SigningKey) -> Arc<Self> {
        let keys = InProcessKeys::new([key.verifying_key().unwrap()]);
        Arc::new(Self { keys, asked: AtomicUsize::new(0) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl KeySource for CountedKeys {
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.keys.find(hint)
    }
}

pub(crate) fn authority(keys: Arc<dyn KeySource>) -> Authority {
    Authority {
        issuers: vec![ISSUER.to_owned(), ISSUER_V1.to_owned()],
        audiences: vec!["75e725bf-66ce-4cea-9b9a-5c4caae57f33".to_owned(), AUDIENCE.to_owned()],
        tenant: Some(TENANT.to_owned()),
        keys,
        claims: ClaimNames::default(),
        rights: Arc::new(Rights::default()),
        rights_from: RightsFrom::default(),
    }
}

/// A good app-only token's claims, changed by `changes`: `null` removes a claim.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3600,
        "sub": "service", "oid": "service", "tid": TENANT, "azp": "client", "idtyp": "app",
        "roles": ["DICOM Data Owner"], "uti": "token-1", "ver": "2.0",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub(crate) fn token(changes: Value) -> String {
    sign_jwt(&KEY, SigningHeader::ENTRA_V2, &claims(changes)).unwrap()
}

/// A token with any header, signed by `KEY` with RS256 whatever the header says.
pub(crate) fn token_with_header(header: &Value) -> String {
    let signed = format!(
        "{}.{}",
        base64url_encode(header.to_string()),
        base64url_encode(claims(json!({})).to_string())
    );
    format!("{signed}.{}", base64url_encode(KEY.sign(signed.as_bytes()).unwrap()))
}
