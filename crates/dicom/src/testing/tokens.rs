//! An issuer within the test.

use std::sync::{Arc, LazyLock};

use hilum_access::{Authority, ClaimNames, InProcessKeys, Rights, RightsFrom, Validator, ValidatorOptions};
use hilum_jose::{SigningHeader, SigningKey, Validity, sign_jwt};
use hilum_kernel::{Clock, SystemRandom};
use jiff::Timestamp;
use serde_json::json;

pub(crate) const AUDIENCE: &str = "https://archive.test/dicom";
const ISSUER: &str = "https://issuer.test/v2.0";
/// The time at which the tests begin.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const OWNER: &str = "DICOM Data Owner";
pub(crate) const READER: &str = "DICOM Data Reader";
pub(crate) const WRITER: &str = "DICOM Data Writer";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let validity = Validity { not_before: at(NOW - 1000), not_after: at(NOW + 100_000_000) };
    SigningKey::generate("test", validity, &SystemRandom).unwrap()
});

/// A token of the issuer with these roles, for this service.
pub(crate) fn token(roles: &[&str]) -> String {
    token_for(AUDIENCE, roles)
}

/// A token of the issuer for any audience.
pub(crate) fn token_for(audience: &str, roles: &[&str]) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": audience, "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 50_000_000,
        "sub": "service", "oid": "service", "azp": "client", "idtyp": "app", "roles": roles, "ver": "2.0",
    });
    sign_jwt(&KEY, SigningHeader::ENTRA_V2, &claims).unwrap()
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
    Arc::new(Validator::new([authority], clock, ValidatorOptions::default()))
}
