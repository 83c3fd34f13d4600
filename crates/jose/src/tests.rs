//! Vectors of the RFCs, values made by OpenSSL, and what must not pass.

use std::sync::LazyLock;

use hilum_kernel::{Secret, SeededRandom, SystemRandom, limits::JWT_BYTES_MAX};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;

/// Made by OpenSSL 3.0 from `testdata/rsa2048.pem`'s key.
const RSA2048_THUMBPRINT: &str = "A72D0B64927287119B76FDD3B34F1DEB0B83DCB5";
const RSA2048_NOT_BEFORE: i64 = 1_795_228_033;
const RSA2048_PSS_OVER_HELLO: &str = "mYrO7ctfp9E7j2W7OwCGGsqtfCqFWFvMnTE71Ls/77kwbPkxvZ3KGE8moHsvJlNpY607YFkvAXVqsTW6vZvJ7UNKVisbLXONkDbQP060Ho+3+J2M7PyuKn8YY9O6Uos4W05PwjtM4fzqi9QSY81sSc4gB3w778SRTza6sK75K1HAHfG6g/ItugiNNVkslT8PNWRU7kCchV5NgPs5s9rfRpEi26Tj3Q7GO2YuwBAh3wzAIsUKZ+cuYx7tWiozFyu21sRZ8Lomjp2/ZU8ufwMAaqy8pIPN7P3iRqnMj3YOEK+zRpfZJ6i681LUO9Piu+NYNP9QGQOrBp7KhcqmPexfRA==";
/// Made by OpenSSL 3.0 with `testdata/p384.pem`'s key over `{"alg":"ES384"}.{"a":1}`.
const ES384_TOKEN: &str = concat!(
    "eyJhbGciOiJFUzM4NCJ9.eyJhIjoxfQ.",
    "pKDX-GCgRQxlTYAJgc6lGUtypAeqKjeEUKiAc9TZl7oL7IzDxg5YclQB_ZR2Bl_QU4kIoO7MghdEUeWO-SHDlyboMb6rIJP9_z5BMNOL_45s",
    "Adj5XmiHRK4pD1OW_4jc"
);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| new_key("test"));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn new_key(name: &str) -> SigningKey {
    let validity = Validity { not_before: at(1_700_000_000), not_after: at(1_800_000_000) };
    SigningKey::generate(name, validity, &SystemRandom).unwrap()
}

fn claims(value: Value) -> Claims {
    let Value::Object(members) = value else { panic!("an object") };
    Claims::new(members)
}

/// Signs whatever header and payload text it is given.
fn token_of(header: &str, payload: &str, pad: &str) -> String {
    let signed = format!("{}{pad}.{}{pad}", base64url_encode(header), base64url_encode(payload));
    let signature = base64url_encode(KEY.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}{pad}")
}

#[test]
fn rfc_7515_a_2_and_a_3_verify() {
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rsa: Jwk = serde_json::from_value(json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    }))
    .unwrap();
    let rsa = VerifyingKey::from_jwk(&rsa).unwrap();
    let a_2 = format!(
        "eyJhbGciOiJSUzI1NiJ9.{payload}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let ec: Jwk = serde_json::from_value(json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }))
    .unwrap();
    let ec = VerifyingKey::from_jwk(&ec).unwrap();
    let a_3 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{payload}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    for (token, key, other) in [(&a_2, &rsa, &ec), (&a_3, &ec, &rsa)] {
        let token = Jwt::parse(token).unwrap();
        assert_eq!(token.verify(key).unwrap().text("iss"), Some("joe"));
        assert_eq!(token.verify(other), Err(JwsError::Signature));
    }
}

#[test]
fn rfc_7638_thumbprint() {
    let jwk: Jwk = serde_json::from_value(json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    }))
    .unwrap();
    assert_eq!(jwk.thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn signs_and_verifies_with_every_rsa_algorithm_and_no_other() {
    let key = KEY.verifying_key().unwrap();
    for algorithm in Algorithm::ALL {
        let Ok(signature) = KEY.sign_with(algorithm, b"text") else {
            assert!(matches!(algorithm, Algorithm::Es256 | Algorithm::Es384));
            assert!(!key.allows(algorithm));
            continue;
        };
        for claimed in Algorithm::ALL {
            assert_eq!(
                key.verify(claimed, b"text", &signature),
                claimed == algorithm,
                "{algorithm:?} {claimed:?}"
            );
        }
        assert!(!key.verify(algorithm, b"Text", &signature));
    }
}

#[test]
fn a_token_goes_round_and_names_its_key() {
    let token = sign_jwt(&KEY, SigningHeader::ENTRA_V1, &json!({"sub": "x", "exp": 1})).unwrap();
    let token = Jwt::parse(&token).unwrap();
    assert_eq!(token.header().kid.as_deref(), Some(KEY.kid()));
    assert_eq!(token.header().x5t.as_deref(), Some(KEY.kid()));
    assert_eq!(token.header().typ.as_deref(), Some("JWT"));
    let set = JwkSet { keys: vec![KEY.jwk(Some("https://host/t/v2.0")).unwrap()] };
    let set = JwkSet::parse(&serde_json::to_vec(&set).unwrap()).unwrap();
    let keys = set.verifying_keys();
    assert_eq!(keys[0].kid(), Some(KEY.kid()));
    assert_eq!(token.verify(&keys[0]).unwrap().text("sub"), Some("x"));
    assert_eq!(token.verify(&new_key("other").verifying_key().unwrap()), Err(JwsError::Signature));
}

#[test]
fn the_published_key_has_public_members_only() {
    let jwk = serde_json::to_value(KEY.jwk(Some("https://host/t/v2.0")).unwrap()).unwrap();
    let mut names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "issuer", "kid", "kty", "n", "use", "x5c", "x5t"]);
    assert_eq!(jwk["e"], "AQAB");
}

#[test]
fn an_assertion_whose_segments_are_all_padded_verifies_over_the_text_as_received() {
    for pad in ["", "=", "=="] {
        let token = token_of(r#"{"alg":"RS256"}"#, r#"{"exp":1790000000.25}"#, pad);
        let parsed = Jwt::parse(&token).unwrap();
        parsed.verify(&KEY.verifying_key().unwrap()).unwrap();
    }
    // Dropping the padding that was signed breaks the signature.
    let token = token_of(r#"{"alg":"RS256"}"#, "{}", "==").replace('=', "");
    assert_eq!(Jwt::parse(&token).unwrap().verify(&KEY.verifying_key().unwrap()), Err(JwsError::Signature));
}

#[test]
fn tokens_that_are_refused_before_any_key_is_asked() {
    let hs256 = token_of(r#"{"alg":"HS256","typ":"JWT"}"#, "{}", "");
    let cases = [
        (token_of(r#"{"alg":"none"}"#, "{}", ""), JwsError::Algorithm),
        (token_of(r#"{"alg":"None"}"#, "{}", ""), JwsError::Algorithm),
        (format!("{}.e30.", base64url_encode(r#"{"alg":"none"}"#)), JwsError::Algorithm),
        (hs256, JwsError::Algorithm),
        (token_of(r#"{"alg":"rs256"}"#, "{}", ""), JwsError::Algorithm),
        (token_of(r#"{"typ":"JWT"}"#, "{}", ""), JwsError::Algorithm),
        (token_of(r#"{"alg":["RS256"]}"#, "{}", ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, "{}", ""), JwsError::Critical),
        (token_of(r#"{"alg":"RS256","alg":"RS256"}"#, "{}", ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, r#"{"aud":"a","aud":"b"}"#, ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, "[]", ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, "{} {}", ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256","kid":7}"#, "{}", ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, &"[".repeat(5000), ""), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, "{}", "==="), JwsError::Malformed),
        (token_of(r#"{"alg":"RS256"}"#, "{}", "").replace('.', ".."), JwsError::Malformed),
        ("a".repeat(JWT_BYTES_MAX + 1), JwsError::TooLong),
        ("a".repeat(1024 * 1024), JwsError::TooLong),
        ("a.b.c.d.e".to_owned(), JwsError::Malformed),
        ("..".to_owned(), JwsError::Malformed),
        (String::new(), JwsError::Malformed),
        ("ä.ö.ü".to_owned(), JwsError::Malformed),
    ];
    for (token, error) in cases {
        assert_eq!(Jwt::parse(&token).err(), Some(error), "{token:.60}");
    }
}

#[test]
fn hs256_over_the_public_key_finds_no_verifier() {
    // The classic confusion: the public key's text as HMAC secret. There is no algorithm to ask for it with.
    assert_eq!(Algorithm::parse("HS256"), None);
    let header = base64url_encode(r#"{"alg":"HS256"}"#);
    let secret =
        MasterKey::from_base64(&Secret::new(base64_encode(sha256(KEY.certificate().der())))).unwrap();
    let mac = secret.keyed_hash(format!("{header}.e30").as_bytes());
    let token = format!("{header}.e30.{}", base64url_encode(mac));
    assert_eq!(Jwt::parse(&token).err(), Some(JwsError::Algorithm));
}

#[test]
fn a_header_keeps_thumbprints_unpadded_and_certificates_without_line_breaks() {
    let der = KEY.certificate().der();
    let mut x5c = base64_encode(der);
    x5c.insert(64, '\n');
    let header =
        json!({"alg": "RS256", "x5t": format!("{}=", KEY.kid()), "x5c": [x5c], "jku": "https://evil"});
    let token = token_of(&header.to_string(), "{}", "");
    let token = Jwt::parse(&token).unwrap();
    assert_eq!(token.header().x5t.as_deref(), Some(KEY.kid()));
    assert_eq!(token.header().x5c, [der]);
}

#[test]
fn key_sets_are_bounded_and_skip_what_they_do_not_know() {
    let good = serde_json::to_value(KEY.jwk(None).unwrap()).unwrap();
    let mut small = good.clone();
    small["n"] = base64url_encode([0xFF; 128]).into();
    let mut encryption = good.clone();
    encryption["use"] = "enc".into();
    let mut confused = good.clone();
    confused["alg"] = "ES256".into();
    let mut symmetric = good.clone();
    symmetric["alg"] = "HS256".into();
    let set = json!({"keys": [
        {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "OKP"}, {"kid": "no kind"}, 7, small, encryption, confused,
        symmetric, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": base64url_encode([1; 32]), "y": base64url_encode([1; 32])}, good,
    ]});
    let set = JwkSet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.verifying_keys().len(), 1);

    let many = json!({"keys": vec![json!({"kty": "oct"}); 101]}).to_string();
    assert_eq!(JwkSet::parse(many.as_bytes()), Err(JwkError::TooMany));
    assert_eq!(JwkSet::parse(&vec![b' '; 256 * 1024 + 1]), Err(JwkError::TooLarge));
    assert_eq!(JwkSet::parse(b"{}"), Err(JwkError::Malformed));
}

#[test]
fn rsa_keys_with_senseless_members_are_refused() {
    let jwk = |n: &[u8], e: &[u8]| Jwk {
        kty: "RSA".to_owned(),
        n: Some(base64url_encode(n)),
        e: Some(base64url_encode(e)),
        ..Jwk::default()
    };
    let refused = |n: &[u8], e: &[u8]| VerifyingKey::from_jwk(&jwk(n, e)).err();
    assert_eq!(refused(&[0xFF; 256], &[1, 0, 1]), None);
    assert_eq!(refused(&[0xFF; 255], &[1, 0, 1]), Some(KeyError::TooSmall));
    assert_eq!(refused(&[], &[1, 0, 1]), Some(KeyError::TooSmall));
    assert_eq!(refused(&[0xFF; 1025], &[1, 0, 1]), Some(KeyError::Malformed));
    assert_eq!(refused(&[0xFE; 256], &[1, 0, 1]), Some(KeyError::Malformed));
    for exponent in [&[][..], &[1], &[0, 1], &[2], &[1, 0, 0, 0, 1]] {
        assert_eq!(refused(&[0xFF; 256], exponent), Some(KeyError::Malformed), "{exponent:?}");
    }
}

#[test]
fn certificates_that_openssl_made() {
    let rsa = Certificate::from_pem_or_der(include_bytes!("../testdata/rsa2048.pem")).unwrap();
    assert_eq!(rsa.thumbprint_hex(), RSA2048_THUMBPRINT);
    assert_eq!(rsa.subject(), "O=Example, CN=client");
    assert_eq!(rsa.validity().not_before, at(RSA2048_NOT_BEFORE));
    assert_eq!(Certificate::from_pem_or_der(rsa.der()).unwrap().x5t_s256(), rsa.x5t_s256());
    assert_eq!(rsa.pem().as_bytes(), include_bytes!("../testdata/rsa2048.pem"));
    let key = VerifyingKey::from_certificate(&rsa).unwrap();
    assert!(key.verify(Algorithm::Ps256, b"hello", &base64_decode(RSA2048_PSS_OVER_HELLO).unwrap()));

    let p384 = Certificate::from_pem_or_der(include_bytes!("../testdata/p384.pem")).unwrap();
    let key = VerifyingKey::from_certificate(&p384).unwrap();
    assert_eq!(Jwt::parse(ES384_TOKEN).unwrap().verify(&key).unwrap().get("a"), Some(&json!(1)));
    assert!(!key.allows(Algorithm::Es256) && !key.allows(Algorithm::Rs256));

    let refused = |file: &[u8]| Certificate::from_pem_or_der(file).err();
    assert_eq!(refused(include_bytes!("../testdata/rsa1024.pem")), Some(CertificateError::WeakKey));
    assert_eq!(refused(include_bytes!("../testdata/p521.pem")), Some(CertificateError::UnsupportedKey));
    assert_eq!(refused(b"-----BEGIN CERTIFICATE-----\nAAAA"), Some(CertificateError::Malformed));
    assert_eq!(refused(b""), Some(CertificateError::Malformed));
    assert_eq!(refused(&[rsa.der(), b"\0"].concat()), Some(CertificateError::Malformed));
    assert_eq!(refused(&vec![b'x'; 64 * 1024 + 1]), Some(CertificateError::TooLarge));
}

#[test]
fn a_private_key_in_an_uploaded_file_is_named_as_such() {
    let files = KEY.to_self_signed().unwrap();
    let both = files.combined_pem();
    assert_eq!(
        Certificate::from_pem_or_der(both.expose().as_bytes()).err(),
        Some(CertificateError::PrivateKey)
    );
    let encrypted = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n{}",
        files.certificate.pem()
    );
    assert_eq!(Certificate::from_pem_or_der(encrypted.as_bytes()).err(), Some(CertificateError::PrivateKey));
    assert!(Certificate::from_pem_or_der(files.certificate.pem().as_bytes()).is_ok());
}

#[test]
fn a_client_reads_its_own_file_back() {
    let files = KEY.to_self_signed().unwrap();
    assert_eq!(SigningKey::from_pem(&files.combined_pem()).unwrap().kid(), KEY.kid());
    // PKCS#1 is what PKCS#8 wraps: for a 2048-bit key, 26 bytes of wrapping.
    let pkcs8 = KEY.pkcs8().unwrap();
    let pkcs1 = Secret::new(pkcs8.expose()[26..].to_vec());
    let pkcs1 = certificate::pem_of_secret("RSA PRIVATE KEY", &pkcs1);
    let pem = Secret::new(format!("{}{}", files.certificate.pem(), pkcs1.expose()));
    assert_eq!(SigningKey::from_pem(&pem).unwrap().kid(), KEY.kid());
    let without_key = Secret::new(files.certificate.pem());
    assert_eq!(SigningKey::from_pem(&without_key).err(), Some(KeyError::Malformed));
}

#[test]
fn a_stored_key_comes_back_only_with_its_own_certificate() {
    let stored = KEY.pkcs8().unwrap();
    let again = SigningKey::from_pkcs8(&stored, KEY.certificate().der()).unwrap();
    assert_eq!(again.kid(), KEY.kid());
    assert_eq!(again.sign(b"x").unwrap(), KEY.sign(b"x").unwrap());
    let other = new_key("other");
    assert_eq!(SigningKey::from_pkcs8(&stored, other.certificate().der()).err(), Some(KeyError::Mismatch));
    assert_eq!(
        SigningKey::from_pkcs8(&Secret::new(vec![1, 2]), KEY.certificate().der()).err(),
        Some(KeyError::Malformed)
    );
    assert_eq!(KEY.certificate().validity().not_after, at(1_800_000_000));
    assert_eq!(KEY.certificate().subject(), "CN=test");
}

#[test]
fn times_have_leeway_on_both_sides_and_may_be_floats() {
    let now = at(1_000_000);
    let leeway = SignedDuration::from_mins(5);
    let check = |value: Value| validate_times(&claims(value), now, leeway).map(|times| times.expires_at);
    assert_eq!(check(json!({"exp": 1_000_001})), Ok(at(1_000_001)));
    assert_eq!(check(json!({"exp": 999_701})), Ok(at(999_701)));
    assert_eq!(check(json!({"exp": 999_700})), Err(TimeError::Expired));
    assert_eq!(check(json!({"exp": 999_699.9})), Err(TimeError::Expired));
    assert!(check(json!({"exp": 1_000_000.75, "iat": 999_999.5})).is_ok());
    assert_eq!(check(json!({})), Err(TimeError::NoExpiry));
    assert!(check(json!({"exp": 2_000_000, "nbf": 1_000_300})).is_ok());
    assert_eq!(check(json!({"exp": 2_000_000, "nbf": 1_000_301})), Err(TimeError::NotYetValid));
    assert_eq!(check(json!({"exp": 2_000_000, "iat": 1_000_301})), Err(TimeError::IssuedInFuture));
    for senseless in
        [json!("2000000"), json!(null), json!(1e300), json!(-1e300), json!(i64::MAX), json!(u64::MAX)]
    {
        assert_eq!(check(json!({"exp": senseless})), Err(TimeError::Malformed("exp")));
    }
}

#[test]
fn claims_are_read_as_text_list_or_path() {
    let claims = claims(json!({
        "aud": ["a", 7, "b"], "scp": "x y", "realm_access": {"roles": ["r"]}, "https://a.b/roles": "flat",
    }));
    assert_eq!(claims.audiences(), ["a", "b"]);
    assert_eq!(claims.texts("scp"), ["x y"]);
    assert_eq!(claims.texts("realm_access.roles"), ["r"]);
    assert_eq!(claims.texts("https://a.b/roles"), ["flat"]);
    assert_eq!(claims.texts("realm_access.none"), Vec::<&str>::new());
    assert_eq!(claims.text("aud"), None);
}

#[test]
fn the_master_key_gives_what_python_computes() {
    // Made with Python's hmac and cryptography: key 00..1f, HKDF-SHA256 without salt.
    let text = Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".to_owned());
    let master = MasterKey::from_base64(&text).unwrap();
    let derived = master.derive("label").unwrap();
    assert_eq!(
        hex_upper(&base64_decode(derived.to_base64().expose()).unwrap()).to_lowercase(),
        "479dd84d163df1782566e1803faf199e24d3af4dcc119c299dc0190b1c46198f"
    );
    assert_eq!(
        hex_upper(&derived.keyed_hash(b"data")).to_lowercase(),
        "666c4035fdf5519f2a45714b8270f3305497d3d98ca078d61acd9408ac49a359"
    );
    let sealed = [
        &[
            1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xB6, 0xDF, 0x68, 0xFE, 0x55, 0x3D, 0x00, 0x9C, 0x22,
            0x8C,
        ][..],
        &[0x2B, 0xE1, 0x9E, 0x4C, 0xF4, 0x36, 0xE7, 0x6F, 0xFE, 0xB2, 0x31, 0x74, 0x49, 0x18, 0xF5, 0xA3],
    ]
    .concat();
    assert_eq!(master.open(&sealed, "what:1").unwrap().expose(), b"top secret");
}

#[test]
fn a_sealed_secret_opens_only_unchanged_in_its_place_and_under_its_key() {
    let random = SeededRandom::new(1);
    let master = MasterKey::generate(&random);
    let secret = Secret::new(b"private".to_vec());
    let sealed = master.seal(&secret, "signing-key:1", &random).unwrap();
    assert_eq!(master.open(&sealed, "signing-key:1").unwrap().expose(), secret.expose());
    assert_ne!(sealed, master.seal(&secret, "signing-key:1", &random).unwrap());
    let refused = |key: &MasterKey, sealed: &[u8], of: &str| key.open(sealed, of).err();
    assert_eq!(refused(&master, &sealed, "signing-key:2"), Some(SealError::Open));
    assert_eq!(refused(&MasterKey::generate(&random), &sealed, "signing-key:1"), Some(SealError::Open));
    for place in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[place] ^= 1;
        let error = if place == 0 { SealError::Format } else { SealError::Open };
        assert_eq!(refused(&master, &damaged, "signing-key:1"), Some(error));
        assert!(master.open(&sealed[..place], "signing-key:1").is_err());
    }
    let short = MasterKey::from_base64(&Secret::new("AAAA".to_owned()));
    assert_eq!(short.err(), Some(SealError::MasterKey));
}

#[test]
fn nothing_prints_a_secret() {
    let files = KEY.to_self_signed().unwrap();
    let printed = format!("{:?} {:?} {:?}", *KEY, files, MasterKey::generate(&SystemRandom));
    assert!(!printed.contains("PRIVATE") && printed.contains("[secret]"), "{printed}");
    assert_eq!(format!("{:?}", claims(json!({"upn": "someone@example.org"}))), r#"{"upn"}"#);
}

#[test]
fn a_key_signs_on_many_threads() {
    let key = KEY.verifying_key().unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let key = &key;
            scope.spawn(move || {
                for _ in 0..20 {
                    let signature = KEY.sign(name.as_bytes()).unwrap();
                    assert!(key.verify(Algorithm::Rs256, name.as_bytes(), &signature));
                }
            });
        }
    });
}
