//! Browser sessions in the database: bounds.

use futures::FutureExt as _;
use hilum_storage::db::DbError;

use super::*;
use crate::testing::{Fixture, fixtures};

fn new(n: u128) -> NewBrowserSession {
    NewBrowserSession {
        hash: SessionHash::of(&n.to_string()),
        sid: Uuid::from_u128(n),
        user: UserId::new(Uuid::from_u128(1)),
        authenticated_at_ms: 0,
        idp: None,
        proven_elsewhere_at_ms: None,
        amr: Amr::PASSWORD,
    }
}

impl Fixture {
    async fn begun(&self, sessions: Vec<NewBrowserSession>, at_ms: i64) {
        let input = (self.identity.tenant().await.unwrap().id, sessions, at_ms);
        let begun = self.identity.0.db.write(input, |tx, (tenant, sessions, at_ms)| {
            async move {
                for session in sessions {
                    begin(tx, *tenant, (session, None), *at_ms).await?;
                    at(tx, *tenant, session, *at_ms).await?;
                }
                Ok::<_, DbError>(())
            }
            .boxed()
        });
        begun.await.unwrap();
    }

    async fn count(&self, sql: hilum_storage::db::Sql) -> i64 {
        let mut tx = self.test_db.db.read().await.unwrap();
        tx.fetch_optional(sql, &[]).await.unwrap().unwrap().int(0).unwrap()
    }
}

/// Many clients hear of the session.
async fn at(
    tx: &mut WriteTx,
    tenant: TenantId,
    session: &NewBrowserSession,
    at_ms: i64,
) -> Result<(), DbError> {
    let session = by_hash(tx, tenant, &session.hash).await?.unwrap();
    for n in 0..2 {
        used(tx, &session, AppId::new(Uuid::from_u128(n)), at_ms).await?;
        used(tx, &session, AppId::new(Uuid::from_u128(n)), at_ms).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_user_has_so_many_browsers_and_what_is_over_goes() {
    const SESSIONS: hilum_storage::db::Sql = "SELECT COUNT(*) FROM browser_session";
    const CLIENTS: hilum_storage::db::Sql = "SELECT COUNT(*) FROM browser_session_client";
    for fixture in fixtures().await {
        fixture.begun((0..130).map(new).collect(), 1000).await;
        assert_eq!(fixture.count(SESSIONS).await, 100);
        assert_eq!(fixture.count(CLIENTS).await, 200, "twice each, noted once");
        for n in 0..11 {
            fixture.begun(vec![new(1000 + n)], 1000 + IDLE_MAX_MS + 1).await;
        }
        assert_eq!(fixture.count(SESSIONS).await, 11);
        assert_eq!(fixture.count(CLIENTS).await, 22);
    }
}

#[tokio::test]
async fn a_session_is_told_to_so_many_clients() {
    for fixture in fixtures().await {
        fixture.begun(vec![new(7)], 0).await;
        let input = fixture.identity.tenant().await.unwrap().id;
        let noted = fixture.identity.0.db.write(input, |tx, tenant| {
            async move {
                let session = by_hash(tx, *tenant, &new(7).hash).await?.unwrap();
                for n in 0..150 {
                    used(tx, &session, AppId::new(Uuid::from_u128(n)), 0).await?;
                }
                clients_of(tx, &session.hash).await
            }
            .boxed()
        });
        assert_eq!(noted.await.unwrap().len(), 100);
    }
}
