//! Proofs that hold, and every way in which they do not.

use hilum_jose::{Algorithm, SigningKey, base64url_encode, sha256};
use hilum_kernel::{Clock as _, TestClock};
use http::{HeaderValue, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{nonce::STRETCH, *};
use crate::{
    Validator, ValidatorOptions,
    tests::fixtures::{self, AUDIENCE, KEY, NOW, OTHER, authority, clock},
};

const ORIGIN: &str = "https://host";
const PATH: &str = "/dicom/v2/studies";

/// The example of RFC 9449 §4.1, and what RFC 9449 §6.1 calls its key.
const EXAMPLE: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW",
    "QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19",
    ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ",
    ".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
);
const EXAMPLE_KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else {
            value[name] = change.clone();
        }
    }
    value
}

fn public(key: &SigningKey) -> Value {
    let jwk = key.jwk(None).unwrap();
    json!({ "kty": "RSA", "n": jwk.n, "e": jwk.e })
}

pub(crate) fn thumbprint(key: &SigningKey) -> String {
    key.jwk(None).unwrap().thumbprint().unwrap()
}

/// A good proof for `GET https://host/dicom/v2/studies`, with some members changed; `null` removes one.
fn proof_of(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let header = changed(json!({ "typ": "dpop+jwt", "alg": "PS256", "jwk": public(key) }), header);
    let claims =
        changed(json!({ "jti": "one", "htm": "GET", "htu": format!("{ORIGIN}{PATH}"), "iat": NOW }), claims);
    let signed = format!("{}.{}", base64url_encode(header.to_string()), base64url_encode(claims.to_string()));
    let algorithm = header["alg"].as_str().and_then(Algorithm::parse).unwrap_or(Algorithm::Rs256);
    let signature = key.sign_with(algorithm, signed.as_bytes()).unwrap_or_default();
    format!("{signed}.{}", base64url_encode(signature))
}

fn headers(proofs: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for proof in proofs {
        headers.append(PROOF_HEADER, HeaderValue::from_str(proof).unwrap());
    }
    headers
}

const GET: ProvenRequest<'static> = ProvenRequest { method: &Method::GET, origin: ORIGIN, path: PATH };

fn proofs(nonce_required: bool) -> (Arc<TestClock>, Proofs) {
    let clock = clock();
    let options = ProofOptions { nonce_required, ..fixtures::proofs() };
    (Arc::clone(&clock), Proofs::new(options, clock))
}

fn refusal(proofs_of_request: &[&str]) -> Option<ProofError> {
    proofs(false).1.key_of(&headers(proofs_of_request), GET).err()
}

#[test]
fn the_example_of_the_standard_proves_its_key() {
    let request =
        ProvenRequest { method: &Method::POST, origin: "https://server.example.com", path: "/token" };
    let made_at = Timestamp::from_second(1_562_262_616).unwrap();
    let proofs = Proofs::new(fixtures::proofs(), Arc::new(TestClock::at(made_at)));
    assert_eq!(proofs.key_of(&headers(&[EXAMPLE]), request).unwrap().as_deref(), Some(EXAMPLE_KEY));
    assert_eq!(proofs.key_of(&headers(&[EXAMPLE]), request), Err(ProofError::Replayed));
    assert_eq!(proofs.key_of(&HeaderMap::new(), request), Ok(None));
}

#[test]
fn what_a_good_proof_may_look_like() {
    for (header, claims) in [
        (json!({}), json!({})),
        (json!({ "alg": "RS256" }), json!({ "iat": 1_800_000_000.25 })),
        (json!({ "kid": "x" }), json!({ "iat": NOW - 120, "ath": "anything" })),
        (json!({}), json!({ "iat": NOW + 120, "htu": "HTTPS://HOST:443/dicom/v2/studies?limit=1#x" })),
    ] {
        assert_eq!(refusal(&[&proof_of(&KEY, &header, &claims)]), None, "{header} {claims}");
    }
}

#[test]
fn what_proves_nothing() {
    use ProofError as E;
    let private = changed(public(&KEY), &json!({ "d": "AQAB" }));
    let small = json!({ "kty": "RSA", "n": base64url_encode([0xC1; 128]), "e": "AQAB" });
    let (one, two) =
        (proof_of(&KEY, &json!({}), &json!({})), proof_of(&KEY, &json!({}), &json!({"jti": "2"})));
    let long = proof_of(&KEY, &json!({}), &json!({ "more": "x".repeat(9000) }));
    let of = |header: Value, claims: Value| proof_of(&KEY, &header, &claims);
    let (first, signature) = one.rsplit_once('.').unwrap();
    let cases: Vec<(String, E)> = vec![
        (of(json!({ "alg": "HS256" }), json!({})), E::Algorithm),
        (of(json!({ "alg": "none" }), json!({})), E::Algorithm),
        (of(json!({ "alg": "RS512" }), json!({})), E::Algorithm),
        (of(json!({ "alg": "ES256" }), json!({})), E::Signature),
        (of(json!({ "typ": null }), json!({})), E::Malformed),
        (of(json!({ "typ": "JWT" }), json!({})), E::Malformed),
        (of(json!({ "crit": ["exp"] }), json!({})), E::Malformed),
        (of(json!({ "jwk": null }), json!({})), E::Malformed),
        (of(json!({ "jwk": "key" }), json!({})), E::Malformed),
        (of(json!({ "jwk": private }), json!({})), E::Malformed),
        (of(json!({ "jwk": { "kty": "oct", "k": "c2VjcmV0" } }), json!({})), E::Malformed),
        (of(json!({ "jwk": small }), json!({})), E::Malformed),
        (of(json!({ "jwk": public(&OTHER) }), json!({})), E::Signature),
        (of(json!({}), json!({ "jti": null })), E::Malformed),
        (of(json!({}), json!({ "jti": "" })), E::Malformed),
        (of(json!({}), json!({ "jti": "x".repeat(257) })), E::Malformed),
        (of(json!({}), json!({ "iat": null })), E::Malformed),
        (of(json!({}), json!({ "iat": "now" })), E::Malformed),
        (of(json!({}), json!({ "iat": NOW - 121 })), E::Time),
        (of(json!({}), json!({ "iat": NOW + 121 })), E::Time),
        (of(json!({}), json!({ "htm": "POST" })), E::Request),
        (of(json!({}), json!({ "htm": "get" })), E::Request),
        (of(json!({}), json!({ "htm": null })), E::Malformed),
        (of(json!({}), json!({ "htu": null })), E::Malformed),
        (of(json!({}), json!({ "htu": "https://evil/dicom/v2/studies" })), E::Request),
        (of(json!({}), json!({ "htu": "http://host/dicom/v2/studies" })), E::Request),
        (of(json!({}), json!({ "htu": "https://host:8443/dicom/v2/studies" })), E::Request),
        (of(json!({}), json!({ "htu": "https://a@host/dicom/v2/studies" })), E::Request),
        (of(json!({}), json!({ "htu": "https://host/dicom/v2/studies/" })), E::Request),
        (of(json!({}), json!({ "htu": "/dicom/v2/studies" })), E::Request),
        (format!("{first}.{}", signature.replace(['A', 'b'], "c")), E::Signature),
        ("a.b.c".to_owned(), E::Malformed),
        (String::new(), E::Malformed),
        (long, E::Malformed),
    ];
    for (proof, error) in cases {
        assert_eq!(refusal(&[&proof]), Some(error), "{proof}");
    }
    assert_eq!(refusal(&[&one, &two]), Some(E::Malformed), "two headers");
    assert_eq!(refusal(&[&format!("{one}, {two}")]), Some(E::Malformed), "two in one header");
}

#[test]
fn a_proof_is_good_once_while_its_time_lasts() {
    let (clock, proofs) = proofs(false);
    let proof = headers(&[&proof_of(&KEY, &json!({}), &json!({ "iat": NOW + 120 }))]);
    proofs.key_of(&proof, GET).unwrap();
    for seconds in [0, 1, 119, 120] {
        clock.advance(SignedDuration::from_secs(seconds));
        let again = proofs.key_of(&proof, GET).unwrap_err();
        assert_eq!(again, ProofError::Replayed, "{}", clock.now());
    }
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(proofs.key_of(&proof, GET), Err(ProofError::Time));
    // The same name of another key is another proof.
    let others = headers(&[&proof_of(&OTHER, &json!({}), &json!({ "iat": NOW + 240 }))]);
    assert!(proofs.key_of(&others, GET).is_ok());
}

#[test]
fn where_no_more_can_be_remembered_no_more_are_taken() {
    let seen = SeenProofs::with_room(2);
    let text = |jti: &str| proof_of(&KEY, &json!({}), &json!({ "jti": jti }));
    let take = |jti: &str, at_s: i64| {
        let proof = Proof::verify(&text(jti), GET).unwrap();
        seen.take(&proof, Timestamp::from_second(NOW + at_s).unwrap())
    };
    assert_eq!([take("a", 0), take("b", 1)], [Ok(()), Ok(())]);
    assert_eq!(take("c", 2), Err(ProofError::TooMany));
    assert_eq!(take("a", 3), Err(ProofError::Replayed), "nothing was forgotten for it");
    let span_s = replay::span_ms() / 1000;
    assert_eq!(take("c", span_s + 1), Ok(()));
    assert_eq!(take("b", span_s + 1), Err(ProofError::Replayed), "remembered for a whole span at least");
    assert_eq!(take("b", 3 * span_s + 2), Ok(()), "and not for ever");
}

#[test]
fn a_nonce_stands_for_the_time() {
    let (clock, proofs) = proofs(false);
    let nonce = proofs.nonce().to_str().unwrap().to_owned();
    let with = |jti: &str, nonce: &str, iat: i64| {
        headers(&[&proof_of(&KEY, &json!({}), &json!({ "jti": jti, "nonce": nonce, "iat": iat }))])
    };
    assert!(proofs.key_of(&with("1", &nonce, NOW - 100_000), GET).is_ok(), "a clock that is far off");
    clock.advance(STRETCH);
    assert_ne!(proofs.nonce(), nonce.as_str());
    assert!(proofs.key_of(&with("2", &nonce, NOW), GET).is_ok(), "given out just before");
    clock.advance(STRETCH);
    let now = clock.now().as_second();
    let forged = base64url_encode([(now / STRETCH.as_secs()).to_be_bytes().as_slice(), &[0; 16]].concat());
    let foreign = Proofs::new(fixtures::proofs(), clock).nonce().to_str().unwrap().to_owned();
    for (jti, wrong) in [("3", nonce.as_str()), ("4", &forged), ("5", &foreign), ("6", ""), ("7", "x")] {
        assert_eq!(proofs.key_of(&with(jti, wrong, now), GET), Err(ProofError::Nonce), "{wrong}");
    }
    // Nobody is given one who was not asked for it.
    assert_eq!(proofs.next_nonce(&headers(&["x"])), None);
}

#[test]
fn a_nonce_may_be_demanded() {
    let (_, proofs) = proofs(true);
    let without = headers(&[&proof_of(&KEY, &json!({}), &json!({}))]);
    assert_eq!(proofs.key_of(&without, GET), Err(ProofError::Nonce));
    let nonce = proofs.next_nonce(&without).unwrap();
    let with = proof_of(&KEY, &json!({}), &json!({ "nonce": nonce.to_str().unwrap() }));
    assert!(proofs.key_of(&headers(&[&with]), GET).is_ok());
    assert_eq!(proofs.next_nonce(&HeaderMap::new()), None, "nothing for who sends no proofs");
}

/// A request with a token under a scheme, and a proof that goes with it, changed.
fn presenting(scheme: &str, token: &str, (key, changes): (&SigningKey, &Value)) -> HeaderMap {
    let ath = base64url_encode(sha256(token.as_bytes()));
    let claims = changed(json!({ "ath": ath }), changes);
    let mut headers = headers(&[&proof_of(key, &json!({}), &claims)]);
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("{scheme} {token}")).unwrap());
    headers
}

#[tokio::test]
async fn a_bound_token_needs_its_key() {
    let keys = fixtures::CountedKeys::of(&KEY);
    let options = ValidatorOptions::default();
    let validator = Validator::new([authority(keys)], fixtures::proofs(), clock(), options);
    let free = fixtures::token(json!({}));
    let bound = fixtures::token(json!({ "cnf": { "jkt": thumbprint(&OTHER) } }));
    let otherwise = fixtures::token(json!({ "cnf": { "x5t#S256": "abc" } }));
    let try_one = async |headers: &HeaderMap| validator.authenticate(headers, GET).await.map(drop);
    let ok = json!({});

    let good = presenting("DPoP", &bound, (&OTHER, &ok));
    assert_eq!(try_one(&good).await, Ok(()));
    assert_eq!(try_one(&good).await, Err(ProofError::Replayed.into()), "also when the token is remembered");
    let caller =
        validator.authenticate(&presenting("DPoP", &bound, (&OTHER, &json!({"jti": "x"}))), GET).await;
    assert_eq!(caller.unwrap().bound_to(), Some(thumbprint(&OTHER).as_str()));

    for (headers, expected) in [
        (presenting("Bearer", &bound, (&OTHER, &ok)), TokenError::Bound),
        (presenting("Bearer", &otherwise, (&OTHER, &ok)), TokenError::Bound),
        (presenting("DPoP", &free, (&OTHER, &ok)), TokenError::NotBound),
        (presenting("DPoP", &bound, (&KEY, &ok)), ProofError::Key.into()),
        (presenting("DPoP", &otherwise, (&KEY, &ok)), ProofError::Key.into()),
        (presenting("DPoP", &bound, (&OTHER, &json!({ "ath": null }))), ProofError::Token.into()),
        (
            presenting(
                "DPoP",
                &bound,
                (&OTHER, &json!({ "ath": base64url_encode(sha256(free.as_bytes())) })),
            ),
            ProofError::Token.into(),
        ),
        (presenting("DPoP", &bound, (&OTHER, &json!({ "htm": "DELETE" }))), ProofError::Request.into()),
        (presenting("DPoP", &bound, (&OTHER, &json!({ "htu": AUDIENCE }))), ProofError::Request.into()),
    ] {
        assert_eq!(try_one(&headers).await, Err(expected));
    }
    let mut without = presenting("DPoP", &bound, (&OTHER, &ok));
    without.remove(PROOF_HEADER);
    assert_eq!(try_one(&without).await, Err(ProofError::Missing.into()));
    assert_eq!(
        try_one(&presenting("Bearer", &free, (&OTHER, &ok))).await,
        Ok(()),
        "a proof nobody asked for"
    );
}
