//! An issuer within the test.

use std::sync::{Arc, LazyLock};

use hilum_access::{
    Authority, ClaimNames, InProcessKeys, ProofOptions, Rights, RightsFrom, Validator, ValidatorOptions,
};
use hilum_jose::{
    Algorithm, MasterKey, SigningHeader, SigningKey, Validity, base64url_encode, sha256, sign_jwt,
};
use hilum_kernel::{Clock, SystemRandom};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const AUDIENCE: &str = "https://archive.test/dicom";
const ISSUER: &str = "https://issuer.test/v2.0";
/// The time at which the tests begin.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const OWNER: &str = "DICOM Data Owner";
pub(crate) const READER: &str = "DICOM Data Reader";
pub(crate) const WRITER: &str = "DICOM Data Writer";

static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);
/// A client's.
static CLIENT_KEY: LazyLock<SigningKey> = LazyLock::new(new_key);

fn new_key() -> SigningKey {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let validity = Validity { not_before: at(NOW - 1000), not_after: at(NOW + 100_000_000) };
    SigningKey::generate("test", validity, &SystemRandom).unwrap()
}

/// A token of the issuer with these roles, for this service.
pub(crate) fn token(roles: &[&str]) -> String {
    token_for(AUDIENCE, roles)
}

/// A token of the issuer for any audience.
pub(crate) fn token_for(audience: &str, roles: &[&str]) -> String {
    sign_jwt(&KEY, SigningHeader::ENTRA_V2, &claims(audience, roles)).unwrap()
}

/// A token that is bound to the key that [`proof`] shows (RFC 9449 §6.1).
pub(crate) fn bound_token(roles: &[&str]) -> String {
    let mut claims = claims(AUDIENCE, roles);
    claims["cnf"] = json!({ "jkt": CLIENT_KEY.jwk(None).unwrap().thumbprint().unwrap() });
    sign_jwt(&KEY, SigningHeader::ENTRA_V2, &claims).unwrap()
}

fn claims(audience: &str, roles: &[&str]) -> Value {
    json!({
        "iss": ISSUER, "aud": audience, "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 50_000_000,
        "sub": "service", "oid": "service", "azp": "client", "idtyp": "app", "roles": roles, "ver": "2.0",
    })
}

/// A proof of the client's key for a request (RFC 9449 §4.2), with some claims changed.
pub(crate) fn proof(token: &str, method: &str, url: &str, changes: &Value) -> String {
    let jwk = CLIENT_KEY.jwk(None).unwrap();
    let header =
        json!({ "typ": "dpop+jwt", "alg": "PS256", "jwk": { "kty": "RSA", "n": jwk.n, "e": jwk.e } });
    let ath = base64url_encode(sha256(token.as_bytes()));
    let mut claims = json!({ "jti": "one", "htm": method, "htu": url, "iat": NOW, "ath": ath });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let signed = format!("{}.{}", base64url_encode(header.to_string()), base64url_encode(claims.to_string()));
    let signature = CLIENT_KEY.sign_with(Algorithm::Ps256, signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url_encode(signature))
}

/// Lets in whom the issuer names.
pub(super) fn validator(clock: Arc<dyn Clock>) -> Arc<Validator> {
    let authority = Authority {
        issuers: vec![ISSUER.to_owned()],
        audiences: vec![AUDIENCE.to_owned()],
        tenant: None,
        keys: Arc::new(InProcessKeys::new([KEY.verifying_key().unwrap()])),
        claims: ClaimNames::default(),
        rights: Arc::new(Rights::default()),
        rights_from: RightsFrom::default(),
    };
    let nonce_key = MasterKey::generate(&SystemRandom);
    let proofs = ProofOptions { nonce_key, nonce_required: false };
    Arc::new(Validator::new([authority], proofs, clock, ValidatorOptions::default()))
}
