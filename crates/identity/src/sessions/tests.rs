//! Rotation, grace, reuse.

use futures::FutureExt as _;
use hilum_kernel::{AppId, Random as _, SeededRandom, TenantId, UserId};
use hilum_storage::db::DbError;

use super::*;
use crate::testing::{Fixture, fixtures};

const INACTIVE_MAX_MS: i64 = 90 * 24 * 3600 * 1000;

fn key() -> MasterKey {
    MasterKey::generate(&SeededRandom::new(7))
}

fn new(random: &SeededRandom, kind: ClientKind) -> NewSession {
    NewSession {
        id: SessionId::new(random.uuid()),
        user: UserId::new(Uuid::from_u128(1)),
        app_id: AppId::new(Uuid::from_u128(2)),
        kind,
        scope: "openid".to_owned(),
        authenticated_at_ms: 0,
        platform: None,
        idp: None,
        amr: Amr::PASSWORD,
        bound_to: None,
        life: SessionLife { inactive_max_ms: INACTIVE_MAX_MS, age_max_ms: None },
    }
}

impl Fixture {
    async fn started(&self, session: NewSession, at_ms: i64) -> (TenantId, RefreshToken) {
        let tenant = self.identity.tenant().await.unwrap().id;
        let work = (tenant, session, at_ms);
        let token = self
            .identity
            .0
            .db
            .write(work, |tx, (tenant, session, at_ms)| start(tx, *tenant, session, *at_ms).boxed());
        (tenant, token.await.unwrap())
    }

    async fn used(&self, tenant: TenantId, token: RefreshToken, at_ms: i64) -> Rotation {
        self.used_under(INACTIVE_MAX_MS, tenant, token, at_ms).await
    }

    async fn used_under(
        &self,
        inactive_max_ms: i64,
        tenant: TenantId,
        token: RefreshToken,
        at_ms: i64,
    ) -> Rotation {
        let life = SessionLife { inactive_max_ms, age_max_ms: None };
        let now = NewSession { life, ..new(&SeededRandom::new(9), ClientKind::Public) };
        let work = (tenant, (token, now), at_ms);
        let done: Result<_, DbError> = self
            .identity
            .0
            .db
            .write(work, |tx, (tenant, (token, now), at_ms)| {
                rotate(tx, *tenant, (*token, now), *at_ms).boxed()
            })
            .await;
        done.unwrap()
    }
}

fn next(rotation: Rotation) -> RefreshToken {
    let Rotation::Next(token) = rotation else { panic!("{rotation:?}") };
    token
}

#[test]
fn only_we_make_tokens() {
    let token = RefreshToken { session: SessionId::new(Uuid::from_u128(5)), generation: 3 };
    let text = token.text(&key());
    assert_eq!(RefreshToken::parse(text.expose(), &key()), Some(token));
    assert_eq!(RefreshToken::parse(text.expose(), &MasterKey::generate(&SeededRandom::new(8))), None);
    let mut forged = base64url_decode(&text.expose()[2..]).unwrap();
    forged[23] += 1;
    for wrong in [
        format!("1.{}", base64url_encode(&forged)),
        text.expose()[2..].to_owned(),
        text.expose()[..40].to_owned(),
        "1.".to_owned(),
        String::new(),
    ] {
        assert_eq!(RefreshToken::parse(&wrong, &key()), None, "{wrong}");
    }
}

#[tokio::test]
async fn the_predecessor_holds_for_the_grace_and_then_ends_the_session() {
    for fixture in fixtures().await {
        let random = SeededRandom::new(1);
        for (kind, grace_ms) in [(ClientKind::Public, 30_000), (ClientKind::Confidential, 60_000)] {
            let (tenant, first) = fixture.started(new(&random, kind), 0).await;
            let second = next(fixture.used(tenant, first, 1_000).await);
            assert_ne!(first, second);
            assert_eq!(next(fixture.used(tenant, first, 1_000 + grace_ms).await), second);
            assert_eq!(fixture.used(tenant, first, 1_001 + grace_ms).await, Rotation::Reused);
            assert_eq!(fixture.used(tenant, second, 1_002 + grace_ms).await, Rotation::Over);
        }
    }
}

#[tokio::test]
async fn a_grandmother_is_a_copy_even_within_the_grace() {
    for fixture in fixtures().await {
        let (tenant, first) = fixture.started(new(&SeededRandom::new(1), ClientKind::Public), 0).await;
        let second = next(fixture.used(tenant, first, 1).await);
        next(fixture.used(tenant, second, 2).await);
        assert_eq!(fixture.used(tenant, first, 3).await, Rotation::Reused);
    }
}

#[tokio::test]
async fn a_token_of_the_future_is_not_taken_for_theft() {
    for fixture in fixtures().await {
        let (tenant, first) = fixture.started(new(&SeededRandom::new(1), ClientKind::Public), 0).await;
        let ahead = RefreshToken { generation: 5, ..first };
        assert_eq!(fixture.used(tenant, ahead, 1).await, Rotation::Over);
        next(fixture.used(tenant, first, 2).await);
    }
}

#[tokio::test]
async fn sessions_of_one_user_and_client_are_limited_and_expired_ones_go() {
    for fixture in fixtures().await {
        let random = SeededRandom::new(1);
        let (tenant, oldest) = fixture.started(new(&random, ClientKind::Public), 0).await;
        for n in 1..=100 {
            fixture.started(new(&random, ClientKind::Public), n).await;
        }
        assert_eq!(fixture.used(tenant, oldest, 200).await, Rotation::Over, "the 101st drove it out");
        // Until no access token of theirs holds any more, they are remembered.
        let gone_ms = INACTIVE_MAX_MS + ENDED_MEMORY_MS + 1_000;
        let (_, late) = fixture.started(new(&random, ClientKind::Public), gone_ms).await;
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let left = tx.fetch_all("SELECT id FROM refresh_session LIMIT 1000", &[]).await.unwrap().len();
        assert_eq!(left, 100 - 10 + 1, "a few expired ones go with each new one");
        assert!(by_id(&mut tx, tenant, late.session).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_session_lives_as_the_policies_say_when_it_is_used() {
    for fixture in fixtures().await {
        let random = SeededRandom::new(1);
        let plain = new(&random, ClientKind::Public);
        let (tenant, first) = fixture.started(plain.clone(), 0).await;
        let ends = async |token: RefreshToken| {
            let mut tx = fixture.test_db.db.read().await.unwrap();
            let session = by_id(&mut tx, tenant, token.session).await.unwrap().unwrap();
            (session.expires_at_ms, session.ends_at_ms)
        };
        assert_eq!(ends(first).await, (INACTIVE_MAX_MS, None));
        next(fixture.used_under(5_000, tenant, first, 1_000).await);
        assert_eq!(ends(first).await, (6_000, None), "a shorter rest counts from the next use");

        let aged = SessionLife { inactive_max_ms: INACTIVE_MAX_MS, age_max_ms: Some(50_000) };
        let (_, old) = fixture
            .started(NewSession { id: SessionId::new(random.uuid()), life: aged, ..plain.clone() }, 20_000)
            .await;
        assert_eq!(ends(old).await, (50_000, None), "from the sign-in on, not from the first token");
        let spa = NewSession { platform: Some(Platform::Spa), id: SessionId::new(random.uuid()), ..plain };
        let (_, page) = fixture.started(spa.clone(), 20_000).await;
        assert_eq!(ends(page).await, (86_420_000, Some(86_420_000)));
        let (_, page) = fixture
            .started(NewSession { life: aged, id: SessionId::new(random.uuid()), ..spa }, 20_000)
            .await;
        assert_eq!(ends(page).await, (50_000, Some(50_000)), "a policy shortens a single page's day");
    }
}
