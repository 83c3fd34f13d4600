//! Credentials, on every database.

use hilum_jose::{Certificate, SigningHeader, SigningKey, Validity, base64_encode, sign_jwt};
use hilum_kernel::{CredentialId, SystemRandom};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::KeyCredential;
use crate::{
    ClientCredential, CredentialOwner, IdentityError, Keep, NewCertificate, NewSecret,
    testing::{Fixture, NOW, actor, fixtures},
};

/// Made with OpenSSL: a certificate signed over SHA-1, and one with RSA of 1024 bits.
const SHA1_PEM: &str = include_str!("testdata/sha1.pem");
const RSA1024_PEM: &str = include_str!("testdata/rsa1024.pem");

fn key(days: i64) -> SigningKey {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let validity = Validity {
        not_before: now - SignedDuration::from_hours(24 * 100),
        not_after: now + SignedDuration::from_hours(24 * days),
    };
    SigningKey::generate("client", validity, &SystemRandom).unwrap()
}

fn certificate(days: i64) -> Certificate {
    key(days).certificate().clone()
}

fn wire(certificate: &Certificate) -> Value {
    json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64_encode(certificate.der())})
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn has_token(fixture: &Fixture, client: &crate::testing::Client, with: ClientCredential) -> bool {
    let scope = "https://dicom.healthcareapis.azure.com/.default";
    let id = client.application.app_id;
    fixture.identity.acquire_token_for_client(id, with, scope).await.is_ok()
}

#[tokio::test]
async fn secrets_are_shown_once_and_several_hold() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let text = client.secret();
        assert_eq!(text.len(), 43);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"~._-".contains(&byte)), "{text}");
        assert_eq!(client.secret.info.hint, text[..3]);

        let new = NewSecret { display_name: Some("CI".to_owned()), ..NewSecret::default() };
        let second = identity.add_secret(&actor(), &client.id(), new).await.unwrap();
        let known = identity.find_application(&client.id()).await.unwrap().secrets;
        assert_eq!(known.len(), 2);
        assert!(known.contains(&second.info));
        assert_eq!(second.info.ends_at, "2028-01-31T12:34:56Z".parse().unwrap());

        let reset = NewSecret { keep: Keep::None, ..NewSecret::default() };
        identity.add_secret(&actor(), &client.id(), reset).await.unwrap();
        let known = identity.find_application(&client.id()).await.unwrap().secrets;
        assert_eq!(known.len(), 1);

        let key = known[0].key_id;
        identity.remove_secret(&actor(), &client.id(), key).await.unwrap();
        let again = identity.remove_secret(&actor(), &client.id(), key).await;
        assert!(matches!(again, Err(IdentityError::NotFound { .. })), "{again:?}");
    }
}

#[tokio::test]
async fn no_secret_text_is_in_the_database() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let rows = tx.fetch_all("SELECT hash, hint FROM client_secret LIMIT 10", &[]).await.unwrap();
        let hash = rows[0].blob(0).unwrap();
        assert_eq!(hash.len(), 32);
        assert_ne!(hash, hilum_jose::sha256(client.secret().as_bytes()));
        assert!(!format!("{:?}", client.secret).contains(client.secret()));
    }
}

#[tokio::test]
async fn times_of_secrets_are_bounded() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    for (starts_at, ends_at) in [
        (None, Some("2028-02-01T00:00:00Z")),
        (None, Some("2028-01-31T12:34:56.001Z")),
        (None, Some("2026-01-31T12:34:55Z")),
        (Some("2026-06-01T00:00:00Z"), Some("2026-05-01T00:00:00Z")),
    ] {
        let new = NewSecret {
            starts_at: starts_at.map(|time| time.parse().unwrap()),
            ends_at: ends_at.map(|time| time.parse().unwrap()),
            ..NewSecret::default()
        };
        let refused = fixture.identity.add_secret(&actor(), &client.id(), new).await;
        assert!(
            matches!(&refused, Err(IdentityError::Invalid { property, .. }) if property == "endDateTime"),
            "{refused:?}"
        );
    }
    let ends_at = Some("2028-01-31T12:34:56.0009Z".parse().unwrap());
    let new = NewSecret { ends_at, ..NewSecret::default() };
    fixture.identity.add_secret(&actor(), &client.id(), new).await.unwrap();
}

#[tokio::test]
async fn credentials_of_the_service_principal_are_the_clients_too() {
    let key = std::sync::Arc::new(key(100));
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let other = fixture.client("other").await;
        let owner = || CredentialOwner::ServicePrincipal(client.principal.id.into());
        let own = identity.add_secret(&actor(), owner(), NewSecret::default()).await.unwrap();
        assert_eq!(own.app_id, client.application.app_id);
        let secret = || ClientCredential::Secret(own.value.clone());
        assert!(has_token(&fixture, &client, secret()).await);
        assert!(has_token(&fixture, &client, ClientCredential::Secret(client.secret.value.clone())).await);
        assert!(!has_token(&fixture, &other, secret()).await);

        let new =
            NewCertificate { certificate: key.certificate().clone(), display_name: None, keep: Keep::Others };
        let added = identity.add_certificate(&actor(), owner(), new).await.unwrap();
        assert!(has_token(&fixture, &client, ClientCredential::Certificate(key.clone())).await);

        let shown = identity.find_service_principal(&client.id()).await.unwrap();
        assert_eq!((shown.secrets.len(), shown.certificates.len()), (1, 1));
        assert_eq!(identity.find_application(&client.id()).await.unwrap().secrets.len(), 1);
        identity.remove_secret(&actor(), owner(), own.info.key_id).await.unwrap();
        identity.remove_certificate(&actor(), owner(), added.info.key_id).await.unwrap();
        assert!(!has_token(&fixture, &client, secret()).await);
        assert!(!has_token(&fixture, &client, ClientCredential::Certificate(key.clone())).await);
    }
}

/// `az ad sp credential reset --cert` sends the whole list.
#[tokio::test]
async fn certificates_of_a_principal_are_added_and_left_out_by_a_change() {
    let (one, two) = (certificate(100), certificate(200));
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let patch = async |body: Value| {
            let target = client.id().as_str().into();
            identity.change_service_principal(&actor(), target, &object(body)).await
        };
        let changed = patch(json!({"keyCredentials": [wire(&one)], "notes": "n"})).await.unwrap();
        assert_eq!((changed.certificates.len(), changed.notes.as_deref()), (1, Some("n")));
        let kept = json!({"keyId": changed.certificates[0].key_id.to_string()});
        let changed = patch(json!({"keyCredentials": [kept, wire(&two)]})).await.unwrap();
        assert_eq!(changed.certificates.len(), 2);
        let own = identity.find_application(&client.id()).await.unwrap();
        assert!(own.certificates.is_empty(), "they are the principal's, not the application's");
        let chosen = patch(json!({"passwordCredentials": [{"secretText": "chosen"}]})).await;
        assert!(matches!(chosen, Err(IdentityError::Invalid { .. })), "{chosen:?}");
        assert!(patch(json!({"keyCredentials": []})).await.unwrap().certificates.is_empty());
    }
}

#[tokio::test]
async fn certificates_are_added_and_left_out_by_a_change() {
    let (one, two) = (certificate(100), certificate(200));
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let patch =
            async |body: Value| identity.update_application(&actor(), &client.id(), &object(body)).await;
        let mut first = wire(&one);
        first["customKeyIdentifier"] = json!("bXktaWQ=");
        first["displayName"] = json!("one");
        let changed = patch(json!({"keyCredentials": [first]})).await.unwrap();
        assert_eq!(changed.certificates.len(), 1);
        assert_eq!(changed.certificates[0].custom_key_identifier.as_deref(), Some("bXktaWQ="));
        let kept = json!({"keyId": changed.certificates[0].key_id.to_string(), "displayName": "renamed"});
        let changed = patch(json!({"keyCredentials": [kept, wire(&two)]})).await.unwrap();
        let names: Vec<_> = changed.certificates.iter().map(|info| info.display_name.as_deref()).collect();
        assert_eq!(names, [Some("CN=client"), Some("renamed")]);
        // As it was read, with its key.
        let again = patch(json!({"keyCredentials": [wire(&one), wire(&two)]})).await.unwrap();
        assert_eq!(again.certificates, changed.certificates);
        let none =
            patch(json!({"keyCredentials": [{"keyId": "00000000-0000-0000-0000-000000000001"}]})).await;
        assert!(matches!(none, Err(IdentityError::Invalid { .. })), "{none:?}");
        let gone = patch(json!({"keyCredentials": []})).await.unwrap();
        assert!(gone.certificates.is_empty());

        let secret = json!({"passwordCredentials": [{"displayName": "mine", "secretText": "chosen"}]});
        let refused = patch(secret).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let cleared = patch(json!({"passwordCredentials": []})).await.unwrap();
        assert!(cleared.secrets.is_empty());
    }
}

#[tokio::test]
async fn bad_certificates_are_told_apart() {
    let good = certificate(100);
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let private = key(100).to_self_signed().unwrap().private_key_pem;
    let private = private.expose().as_str();
    let pem = |text: &str| base64_encode(text.as_bytes());
    let der = |text: &str| -> String { text.lines().filter(|line| !line.starts_with("---")).collect() };
    let with = |member: &str, value: Value| {
        let mut key = wire(&good);
        key[member] = value;
        key
    };
    let cases = [
        with("key", json!(SHA1_PEM)),
        with("key", json!(pem(SHA1_PEM))),
        with("key", json!(RSA1024_PEM)),
        with("key", json!(private)),
        with("key", json!(pem(private))),
        with("key", json!(der(private))),
        with("key", json!("bm90IGEgY2VydGlmaWNhdGU=")),
        with("key", json!("?")),
        with("key", json!(base64_encode(certificate(-1).der()))),
        with("type", json!("X509CertAndPassword")),
        with("type", json!("Symmetric")),
        with("usage", json!("Sign")),
        with("endDateTime", json!("2036-01-01T00:00:00Z")),
        with("endDateTime", json!("2026-01-01T00:00:00Z")),
        with("endDateTime", json!("soon")),
        with("startDateTime", json!("2020-01-01T00:00:00Z")),
        with("displayName", json!("x".repeat(121))),
        with("colour", json!("red")),
        json!({}),
    ];
    let mut told = Vec::new();
    for case in cases {
        let body = object(json!({"keyCredentials": [case]}));
        match fixture.identity.update_application(&actor(), &client.id(), &body).await {
            Err(IdentityError::Invalid { property, reason }) => told.push(format!("{property}: {reason}")),
            other => panic!("{body:?}: {other:?}"),
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_client_renews_its_certificate_with_the_old_one() {
    let (old, new, stranger) = (key(100), certificate(200), key(100));
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let credential = || -> KeyCredential { serde_json::from_value(wire(&new)).unwrap() };
        let id = client.application.object_id.to_string();
        let proof = |key: &SigningKey, change: Value| {
            let now = 1_769_862_896;
            let mut claims = json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": id,
                "nbf": now, "exp": now + 600});
            for (name, value) in object(change) {
                claims[name] = value;
            }
            sign_jwt(key, SigningHeader::ENTRA_V1, &claims).unwrap()
        };
        let add = async |proof: String| identity.add_key(&actor(), &client.id(), credential(), &proof).await;
        // Without any certificate there is nothing to prove with.
        assert!(add(proof(&old, json!({}))).await.is_err());
        let first =
            NewCertificate { certificate: old.certificate().clone(), display_name: None, keep: Keep::Others };
        let first = identity.add_certificate(&actor(), &client.id(), first).await.unwrap();
        for bad in [
            "nonsense".to_owned(),
            proof(&stranger, json!({})),
            proof(&old, json!({"aud": "00000003-0000-0000-c000-000000000000"})),
            proof(&old, json!({"iss": client.id()})),
            proof(&old, json!({"exp": 1_769_862_896 + 601})),
            proof(&old, json!({"nbf": 1_769_862_896 - 3600, "exp": 1_769_862_896 - 3000})),
        ] {
            let refused = add(bad).await;
            assert!(
                matches!(&refused, Err(IdentityError::Invalid { property, .. }) if property == "proof"),
                "{refused:?}"
            );
        }
        add(proof(&old, json!({}))).await.unwrap();
        let key_id = first.info.key_id;
        let remove = async |proof: String| identity.remove_key(&actor(), &client.id(), key_id, &proof).await;
        assert!(remove(proof(&stranger, json!({}))).await.is_err());
        remove(proof(&old, json!({}))).await.unwrap();
        let left = identity.find_application(&client.id()).await.unwrap().certificates;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].thumbprint, new.thumbprint_hex());
    }
}

#[tokio::test]
async fn certificates_are_registered_once() {
    let valid = certificate(100);
    let expired = certificate(-1);
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let new = |certificate: &Certificate| NewCertificate {
            certificate: certificate.clone(),
            display_name: None,
            keep: Keep::Others,
        };
        let added = identity.add_certificate(&actor(), &client.id(), new(&valid)).await.unwrap();
        assert_eq!(added.info.thumbprint, valid.thumbprint_hex());
        let again = identity.add_certificate(&actor(), &client.id(), new(&valid)).await;
        assert!(matches!(again, Err(IdentityError::Conflict { .. })), "{again:?}");
        let refused = identity.add_certificate(&actor(), &client.id(), new(&expired)).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let unknown = CredentialId::new(uuid::Uuid::nil());
        assert!(identity.remove_certificate(&actor(), &client.id(), unknown).await.is_err());
        identity.remove_certificate(&actor(), &client.id(), added.info.key_id).await.unwrap();
        assert!(identity.find_application(&client.id()).await.unwrap().certificates.is_empty());
    }
}
