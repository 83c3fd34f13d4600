//! The validator: a table of bad tokens, the rights of good ones, the cache.

use std::sync::Arc;

use hilum_jose::{MasterKey, SigningHeader, base64_encode, base64url_encode, sha256, sign_jwt};
use hilum_kernel::{Clock, Secret};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::fixtures::*;
use crate::{
    Actions, Authority, CallerKind, ClaimNames, DataAction, Rights, RightsFrom, TokenError, Validator,
    ValidatorOptions,
};

fn validator(authority: Authority) -> Validator {
    Validator::new([authority], proofs(), clock(), ValidatorOptions::default())
}

async fn refusal(token: &str) -> Option<TokenError> {
    validator(authority(CountedKeys::of(&KEY))).validate(token).await.err()
}

async fn rights_of(authority: Authority, changes: Value) -> (CallerKind, Actions) {
    let caller = validator(authority).validate(&token(changes)).await.unwrap();
    (caller.kind(), caller.actions())
}

#[tokio::test]
async fn a_good_token_names_its_caller() {
    let validator = validator(authority(CountedKeys::of(&KEY)));
    let caller = validator.validate(&token(json!({"name": "CT ingest"}))).await.unwrap();
    assert_eq!(caller.kind(), CallerKind::AppOnly);
    assert_eq!(caller.actions(), Actions::ALL);
    assert_eq!(caller.subject(), "service");
    assert_eq!(caller.tenant().unwrap().to_string(), TENANT);
    assert_eq!(caller.app_id(), Some("client"));
    assert_eq!(caller.object_id(), Some("service"));
    assert_eq!(caller.token_id(), Some("token-1"));
    assert_eq!(caller.display_name(), Some("CT ingest"));
    assert_eq!(caller.issuer(), ISSUER);
    assert_eq!(caller.expires_at().as_second(), NOW + 3600);
}

#[tokio::test]
async fn a_version_1_token_and_the_other_spellings_of_the_audience_are_good() {
    for changes in [
        json!({"iss": ISSUER_V1, "azp": null, "appid": "client", "ver": "1.0"}),
        json!({"aud": "75e725bf-66ce-4cea-9b9a-5c4caae57f33"}),
        json!({"aud": ["another", AUDIENCE]}),
        json!({"tid": TENANT.to_uppercase()}),
        json!({"tid": null}),
        json!({"exp": NOW - 299}),
        json!({"nbf": NOW + 300, "iat": NOW + 300}),
        json!({"exp": 1_800_003_600.5}),
    ] {
        assert_eq!(refusal(&token(changes.clone())).await, None, "{changes}");
    }
}

#[tokio::test]
async fn bad_claims_are_refused() {
    use TokenError as E;
    for (changes, error) in [
        (json!({"exp": NOW - 300}), E::Expired),
        (json!({"exp": null}), E::Times),
        (json!({"exp": "tomorrow"}), E::Times),
        (json!({"nbf": NOW + 301}), E::NotYetValid),
        (json!({"iat": NOW + 301}), E::NotYetValid),
        (json!({"aud": "https://host/fhir"}), E::Audience),
        (json!({"aud": "https://host/dicom/"}), E::Audience),
        (json!({"aud": [], "azp": AUDIENCE}), E::Audience),
        (json!({"aud": null}), E::Audience),
        (json!({"aud": {"x": AUDIENCE}}), E::Audience),
        (json!({"iss": "https://evil/v2.0"}), E::Issuer),
        (json!({"iss": format!("{ISSUER}/")}), E::Issuer),
        (json!({"iss": [ISSUER]}), E::Issuer),
        (json!({"iss": null}), E::Issuer),
        (json!({"tid": "99999999-2222-3333-4444-555555555555"}), E::Tenant),
        (json!({"tid": 7}), E::Tenant),
        (json!({"sub": null}), E::NoSubject),
        (json!({"sub": 7}), E::NoSubject),
        // ID tokens of a registration that is client and resource at once.
        (json!({"idtyp": null, "azp": null, "nonce": "n"}), E::NotAccessToken),
        (json!({"idtyp": null, "azp": null}), E::NotAccessToken),
        (json!({"idtyp": null, "nonce": "n"}), E::NotAccessToken),
        (json!({"at_hash": "h", "scp": "Dicom.ReadWrite"}), E::NotAccessToken),
        (json!({"typ": "ID"}), E::NotAccessToken),
        (json!({"typ": "Refresh"}), E::NotAccessToken),
    ] {
        assert_eq!(refusal(&token(changes.clone())).await, Some(error), "{changes}");
    }
}

#[tokio::test]
async fn bad_headers_and_signatures_are_refused() {
    use TokenError as E;
    let kid = KEY.kid();
    let good = token(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other_claims = base64url_encode(claims(json!({"sub": "admin"})).to_string());
    // The public key as HMAC secret, in the form an attacker finds it.
    let secret =
        MasterKey::from_base64(&Secret::new(base64_encode(sha256(KEY.certificate().der())))).unwrap();
    let hs256 = format!(
        "{}.{}",
        base64url_encode(json!({"alg": "HS256", "kid": kid}).to_string()),
        base64url_encode(claims(json!({})).to_string())
    );
    let hs256 = format!("{hs256}.{}", base64url_encode(secret.keyed_hash(hs256.as_bytes())));
    let mut by_another = OTHER.jwk(None).unwrap();
    by_another.kid = Some(kid.to_owned());
    for (token, error) in [
        (token_with_header(&json!({"alg": "none", "kid": kid})), E::Algorithm),
        (format!("{}.{other_claims}.", base64url_encode(r#"{"alg":"none"}"#)), E::Algorithm),
        (hs256, E::Algorithm),
        (token_with_header(&json!({"alg": "RS384", "kid": kid})), E::Signature),
        (token_with_header(&json!({"alg": "PS256", "kid": kid})), E::Signature),
        (token_with_header(&json!({"alg": "ES256", "kid": kid})), E::Signature),
        (token_with_header(&json!({"alg": "RS256", "kid": "unknown"})), E::UnknownKey),
        (token_with_header(&json!({"alg": "RS256", "x5t": OTHER.kid()})), E::UnknownKey),
        (token_with_header(&json!({"alg": "RS256", "kid": kid, "typ": "logout+jwt"})), E::NotAccessToken),
        (token_with_header(&json!({"alg": "RS256", "kid": kid, "crit": ["x"]})), E::Malformed),
        (sign_jwt(&OTHER, SigningHeader::ENTRA_V2, &claims(json!({}))).unwrap(), E::UnknownKey),
        (format!("{header}.{other_claims}.{signature}"), E::Signature),
        (format!("{signed}."), E::Signature),
        ("a".repeat(1024 * 1024), E::TooLong),
        ("not a token".to_owned(), E::Malformed),
        (String::new(), E::Malformed),
    ] {
        assert_eq!(refusal(&token).await, Some(error), "{token:.80}");
    }
    // No name at all: the keys are tried; the header's own key is never believed.
    assert_eq!(refusal(&token_with_header(&json!({"alg": "RS256", "typ": "at+jwt"}))).await, None);
    let own_key = json!({"alg": "RS256", "kid": kid, "jwk": by_another});
    assert_eq!(refusal(&token_with_header(&own_key)).await, None);
    let other_keys = validator(authority(CountedKeys::of(&OTHER)));
    let nameless = token_with_header(&json!({"alg": "RS256"}));
    assert_eq!(other_keys.validate(&nameless).await, Err(E::Signature));
}

#[tokio::test]
async fn rights_follow_design_section_4() {
    let of = |changes| rights_of(authority(CountedKeys::of(&KEY)), changes);
    let read = Actions::of(DataAction::Read);
    let user = |scp: &str, roles: Value| json!({"idtyp": null, "sub": "user", "scp": scp, "roles": roles});

    // App-only: the roles. None is no error here: the service answers 403.
    assert_eq!(of(json!({"roles": null})).await, (CallerKind::AppOnly, Actions::NONE));
    assert_eq!(of(json!({"roles": ["DICOM Data Reader"]})).await, (CallerKind::AppOnly, read));
    assert_eq!(of(json!({"roles": "DICOM Data Reader"})).await, (CallerKind::AppOnly, read));
    assert_eq!(of(json!({"roles": {"x": "DICOM Data Owner"}})).await, (CallerKind::AppOnly, Actions::NONE));
    // Delegated: scopes as far as the user's roles allow.
    let delegated = |actions| (CallerKind::Delegated, actions);
    assert_eq!(of(user("Dicom.ReadWrite", json!(["DICOM Data Reader"]))).await, delegated(read));
    assert_eq!(of(user("openid Dicom.Read", json!(["DICOM Data Owner"]))).await, delegated(read));
    assert_eq!(of(user("user_impersonation", json!(["DICOM Data Owner"]))).await, delegated(Actions::ALL));
    assert_eq!(of(user("Dicom.ReadWrite", json!([]))).await, delegated(Actions::NONE));
    assert_eq!(of(user("", json!(["DICOM Data Owner"]))).await, delegated(Actions::NONE));
    assert_eq!(of(user("Dicom.Read", json!(["DICOM Data Writer"]))).await, delegated(Actions::NONE));
}

#[tokio::test]
async fn issuers_other_than_hilum_say_it_differently() {
    let read = Actions::of(DataAction::Read);
    let mut keycloak = authority(CountedKeys::of(&KEY));
    keycloak.claims = ClaimNames { roles: vec!["realm_access.roles".to_owned()], ..ClaimNames::default() };
    keycloak.rights_from = RightsFrom::Roles;
    let mut rights = Rights::none();
    let reader = json!({"name": "pacs-reader", "dataActions": ["read"]});
    rights.define_role(&serde_json::from_value(reader).unwrap()).unwrap();
    keycloak.rights = Arc::new(rights);
    let claims = json!({
        "idtyp": null, "roles": null, "tid": null, "typ": "Bearer", "scope": "openid profile",
        "realm_access": {"roles": ["offline_access", "pacs-reader"]},
    });
    assert_eq!(rights_of(keycloak, claims).await, (CallerKind::Delegated, read));

    let mut scopes_only = authority(CountedKeys::of(&KEY));
    scopes_only.rights_from = RightsFrom::Scopes;
    let claims = json!({
        "idtyp": null, "roles": null, "azp": null, "client_id": "c", "sub": "c", "scope": ["Dicom.Read", "x"],
    });
    assert_eq!(rights_of(scopes_only, claims).await, (CallerKind::AppOnly, read));
}

#[tokio::test]
async fn a_verified_token_is_remembered_but_never_beyond_its_expiry() {
    let (keys, clock) = (CountedKeys::of(&KEY), clock());
    let options = ValidatorOptions { recheck_after: SignedDuration::from_hours(10), ..Default::default() };
    let validator =
        Validator::new([authority(keys.clone())], proofs(), clock.clone() as Arc<dyn Clock>, options);
    let token = token(json!({}));
    let first = validator.validate(&token).await.unwrap();
    let second = validator.validate(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(keys.asked(), 1);

    clock.advance(SignedDuration::from_secs(3600 + 299));
    assert!(validator.validate(&token).await.is_ok());
    assert_eq!(keys.asked(), 1);
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(validator.validate(&token).await, Err(TokenError::Expired));
    assert_eq!(validator.validate(&token).await, Err(TokenError::Expired));
}

#[tokio::test]
async fn a_withdrawn_key_loses_its_force_after_the_recheck_or_at_once() {
    let (keys, clock) = (CountedKeys::of(&KEY), clock());
    let options = ValidatorOptions::default();
    let validator =
        Validator::new([authority(keys.clone())], proofs(), clock.clone() as Arc<dyn Clock>, options);
    let token = token(json!({}));
    validator.validate(&token).await.unwrap();
    keys.keys.replace([OTHER.verifying_key().unwrap()]);
    clock.advance(SignedDuration::from_secs(29));
    assert!(validator.validate(&token).await.is_ok());
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(validator.validate(&token).await, Err(TokenError::UnknownKey));

    keys.keys.replace([KEY.verifying_key().unwrap()]);
    validator.validate(&token).await.unwrap();
    keys.keys.replace([]);
    validator.forget_all();
    assert_eq!(validator.validate(&token).await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn an_authority_accepts_only_its_own_keys_and_audiences() {
    let mut second = authority(CountedKeys::of(&OTHER));
    second.issuers = vec!["https://second".to_owned()];
    second.audiences = vec!["second".to_owned()];
    let both = [authority(CountedKeys::of(&KEY)), second];
    let validator = Validator::new(both, proofs(), clock(), ValidatorOptions::default());
    let of_second = |key, aud: &str| {
        let claims = claims(json!({"iss": "https://second", "aud": aud}));
        sign_jwt(key, SigningHeader::ENTRA_V2, &claims).unwrap()
    };
    assert!(validator.validate(&of_second(&OTHER, "second")).await.is_ok());
    assert_eq!(validator.validate(&of_second(&KEY, "second")).await, Err(TokenError::UnknownKey));
    assert_eq!(validator.validate(&of_second(&OTHER, AUDIENCE)).await, Err(TokenError::Audience));
}
