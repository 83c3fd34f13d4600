//! Tokens and client assertions, certificates, key sets: what comes from a client or a foreign authority.
//!
//! Each input is read as each of them; only one will fit.

#![no_main]

use hilum_jose::{Certificate, JwkSet, Jwt, VerifyingKey, validate_times};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        // A key set before a line end, a token after it: they meet in `verify`.
        match text.split_once('\n') {
            Some((set, token)) => {
                let keys = JwkSet::parse(set.as_bytes()).map(|set| set.verifying_keys()).unwrap_or_default();
                jwt(token, &keys);
            }
            None => jwt(text, &[]),
        }
    }
    if let Ok(set) = JwkSet::parse(input) {
        for key in set.verifying_keys() {
            assert!(!key.verify(hilum_jose::Algorithm::Rs256, input, input), "a signature out of nothing");
        }
    }
    certificate(input);
});

fn jwt(token: &str, keys: &[VerifyingKey]) {
    let Ok(jwt) = Jwt::parse(token) else { return };
    let claims = jwt.claims_unverified();
    for name in ["iss", "sub", "jti", "tid"] {
        let _ = claims.text(name);
    }
    let _ = (claims.texts("roles"), claims.audiences());
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    if let Ok(times) = validate_times(claims, now, SignedDuration::from_mins(5)) {
        assert!(times.expires_at > now - SignedDuration::from_mins(5), "an expired token passes");
    }
    for der in &jwt.header().x5c {
        let _ = Certificate::from_der(der);
    }
    for key in keys {
        if key.allows(jwt.header().algorithm) {
            let _ = jwt.verify(key);
        } else {
            assert!(jwt.verify(key).is_err(), "an algorithm that the key is not for");
        }
    }
}

fn certificate(file: &[u8]) {
    let Ok(certificate) = Certificate::from_pem_or_der(file) else { return };
    let _ =
        (certificate.subject(), certificate.thumbprint_hex(), VerifyingKey::from_certificate(&certificate));
    let again = Certificate::from_pem_or_der(certificate.pem().as_bytes()).expect("the PEM is malformed");
    assert_eq!(again.x5t_s256(), certificate.x5t_s256(), "the PEM is another certificate");
}
