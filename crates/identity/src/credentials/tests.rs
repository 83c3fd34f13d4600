//! Credentials, on every database.

use hilum_jose::{Certificate, SigningKey, Validity};
use hilum_kernel::{CredentialId, SystemRandom};
use jiff::SignedDuration;

use crate::{
    IdentityError, Keep, NewCertificate, NewSecret,
    testing::{NOW, actor, fixtures},
};

fn certificate(days: i64) -> Certificate {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let validity = Validity {
        not_before: now - SignedDuration::from_hours(24 * 100),
        not_after: now + SignedDuration::from_hours(24 * days),
    };
    SigningKey::generate("client", validity, &SystemRandom).unwrap().certificate().clone()
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
