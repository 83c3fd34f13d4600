//! The life of signing keys, on every database.

use std::sync::Arc;

use hilum_audit::AuditLog;
use hilum_jose::MasterKey;
use hilum_kernel::SeededRandom;
use jiff::SignedDuration;

use crate::{
    FederatedIssuers, Identity, IdentityError, KeyState, Parts, Rotation, Settings,
    testing::{ORIGIN, actor, empty, fixtures, request},
};

#[tokio::test]
async fn a_key_is_published_before_use_and_after() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let states = |keys: &[crate::SigningKeyInfo]| keys.iter().map(|key| key.state).collect::<Vec<_>>();
        let first = identity.list_signing_keys().await.unwrap();
        assert_eq!(first.len(), 2);
        let next = first.iter().find(|key| key.state == KeyState::Next).unwrap().kid.clone();
        let current = first.iter().find(|key| key.state == KeyState::Current).unwrap().kid.clone();
        assert_eq!(identity.ring().await.unwrap().current.kid(), current);
        assert_eq!(identity.public_keys().await.unwrap().len(), 2);
        assert!(identity.find_key(&next).await.unwrap().is_some());

        let early = identity.rotate_signing_key(&actor(), Rotation::Planned).await;
        assert!(matches!(early, Err(IdentityError::KeyTooFresh)), "{early:?}");

        fixture.clock.advance(SignedDuration::from_hours(24));
        let second = identity.rotate_signing_key(&actor(), Rotation::Planned).await.unwrap();
        assert_eq!(second.len(), 3, "{:?}", states(&second));
        assert_eq!(identity.ring().await.unwrap().current.kid(), next);
        assert!(identity.find_key(&current).await.unwrap().is_some(), "the old key stays published");

        fixture.clock.advance(SignedDuration::from_mins(24 * 60 + 6));
        assert!(identity.find_key(&current).await.unwrap().is_none(), "and goes after the last token");
        identity.rotate_signing_key(&actor(), Rotation::Planned).await.unwrap();
        assert_eq!(identity.list_signing_keys().await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn an_emergency_withdraws_all_earlier_keys_at_once() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let before = identity.list_signing_keys().await.unwrap();
        let after = identity.rotate_signing_key(&actor(), Rotation::Emergency).await.unwrap();
        assert_eq!(after.len(), 2);
        for key in before {
            assert!(identity.find_key(&key.kid).await.unwrap().is_none());
        }
        let current = identity.ring().await.unwrap().current.kid().to_owned();
        assert!(after.iter().any(|key| key.kid == current && key.state == KeyState::Current));
    }
}

#[tokio::test]
async fn private_keys_are_sealed() {
    for fixture in fixtures().await {
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let row = tx.fetch_optional("SELECT sealed FROM signing_key LIMIT 1", &[]).await.unwrap().unwrap();
        // A PKCS#8 key starts with a SEQUENCE; sealed it starts with the version.
        assert_eq!(row.blob(0).unwrap()[0], 1);
    }
}

#[tokio::test]
async fn another_master_key_is_told_at_once() {
    for fixture in empty().await {
        fixture.identity.check_master_key().await.unwrap();
        fixture.identity.init(request()).await.unwrap();
        fixture.identity.check_master_key().await.unwrap();
        let other = Identity::new(Parts {
            db: fixture.test_db.db.clone(),
            clock: fixture.clock.clone(),
            random: Arc::new(SeededRandom::new(44)),
            master_key: MasterKey::generate(&SeededRandom::new(8)),
            audit: AuditLog::start(fixture.test_db.db.clone(), fixture.clock.clone(), &fixture.tasks),
            federated_issuers: FederatedIssuers::new(),
            identity_providers: Vec::new(),
            settings: Settings {
                origin: ORIGIN.into(),
                identifier_uris: crate::IdentifierUriPolicy::default(),
                data_audiences: Vec::new(),
            },
        })
        .unwrap();
        let checked = other.check_master_key().await;
        assert!(matches!(checked, Err(IdentityError::WrongMasterKey)), "{checked:?}");
        let started = other.init(request()).await;
        assert!(matches!(started, Err(IdentityError::WrongMasterKey)), "{started:?}");
    }
}
