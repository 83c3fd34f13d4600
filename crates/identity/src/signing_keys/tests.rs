//! The life of signing keys, on every database.

use std::sync::Arc;

use hilum_audit::AuditLog;
use hilum_jose::MasterKey;
use hilum_kernel::{Clock as _, SeededRandom};
use jiff::SignedDuration;

use crate::{
    FederatedIssuers, Identity, IdentityError, KeyState, Parts, Rotation, Settings,
    testing::{KEY_ROTATION, ORIGIN, actor, empty, fixtures, request},
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
                signing_key_rotation: None,
                proof_nonce_required: false,
            },
        })
        .unwrap();
        let checked = other.check_master_key().await;
        assert!(matches!(checked, Err(IdentityError::WrongMasterKey)), "{checked:?}");
        let started = other.init(request()).await;
        assert!(matches!(started, Err(IdentityError::WrongMasterKey)), "{started:?}");
    }
}

#[tokio::test]
async fn keys_rotate_on_schedule_once_however_many_nodes_look() {
    for fixture in fixtures().await {
        let (one, two) = (&fixture.identity, fixture.restarted());
        let kid = |state| async move {
            let keys = one.list_signing_keys().await.unwrap();
            keys.into_iter().find(|key| key.state == state).unwrap().kid
        };
        let (first, second) = (kid(KeyState::Current).await, kid(KeyState::Next).await);
        let due = one.next_key_rotation().await.unwrap().unwrap();
        assert_eq!(due, crate::timestamp(fixture.clock.now_ms()) + KEY_ROTATION);

        fixture.clock.advance(KEY_ROTATION - SignedDuration::from_secs(1));
        assert!(!one.rotate_key_when_due().await.unwrap(), "a second too early");
        fixture.clock.advance(SignedDuration::from_secs(1));
        let (here, there) = tokio::join!(one.rotate_key_when_due(), two.rotate_key_when_due());
        assert_eq!(usize::from(here.unwrap()) + usize::from(there.unwrap()), 1);
        assert_eq!(kid(KeyState::Current).await, second);
        assert_eq!(one.list_signing_keys().await.unwrap().len(), 3);
        for node in [one, &two] {
            fixture.clock.advance(SignedDuration::from_secs(31));
            assert_eq!(node.ring().await.unwrap().current.kid(), second, "the other node follows");
            assert!(node.find_key(&first).await.unwrap().is_some(), "what was signed before still holds");
        }

        // A rotation by hand begins the time anew.
        fixture.clock.advance(KEY_ROTATION - SignedDuration::from_hours(1));
        one.rotate_signing_key(&actor(), Rotation::Planned).await.unwrap();
        fixture.clock.advance(SignedDuration::from_hours(2));
        assert!(!two.rotate_key_when_due().await.unwrap());

        let trail = fixture.trail().await;
        let rotated: Vec<_> =
            trail.iter().filter(|line| line.starts_with("identity.signing-key.rotated")).collect();
        assert_eq!(rotated.len(), 2, "{rotated:?}");
        assert!(
            rotated[0].starts_with("identity.signing-key.rotated success")
                && rotated[0].ends_with("scheduled")
        );
        assert!(rotated[1].ends_with("planned"), "{rotated:?}");
    }
}

#[tokio::test]
async fn a_fresh_key_is_never_put_to_use_by_the_schedule() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        // Two nodes' clocks, a restore: the current key is old, the next one new.
        fixture.clock.advance(KEY_ROTATION - SignedDuration::from_hours(1));
        let tenant = identity.tenant().await.unwrap().id;
        let fresh = identity.new_signing_key(tenant, KeyState::Next).await.unwrap();
        let replaced = fixture.test_db.db.write((tenant, fresh), |tx, (tenant, fresh)| {
            Box::pin(async move {
                for key in super::sql::select(tx, *tenant).await? {
                    if key.state == KeyState::Next {
                        super::sql::delete(tx, &key.kid).await?;
                    }
                }
                super::store(tx, *tenant, fresh).await
            })
        });
        replaced.await.unwrap();
        fixture.clock.advance(SignedDuration::from_hours(1));
        assert!(!identity.rotate_key_when_due().await.unwrap());
        fixture.clock.advance(SignedDuration::from_hours(23));
        assert!(identity.rotate_key_when_due().await.unwrap());
    }
}

#[tokio::test]
async fn without_a_schedule_keys_stay() {
    for mut fixture in fixtures().await {
        fixture.without_key_rotation();
        fixture.clock.advance(KEY_ROTATION * 2);
        assert!(!fixture.identity.rotate_key_when_due().await.unwrap());
        assert_eq!(fixture.identity.next_key_rotation().await.unwrap(), None);
    }
}
