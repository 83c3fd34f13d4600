//! A fresh database per test: always SQLite, and PostgreSQL where a server is named.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::db::{Db, DbConfig};

/// A database of its own for one test. The files go with it; a PostgreSQL database goes with its server.
pub struct TestDb {
    /// The handle.
    pub db: Db,
    /// How to open it again.
    pub config: DbConfig,
    /// Keeps an SQLite database's folder.
    _folder: Option<tempfile::TempDir>,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The server that `cargo xtask test` starts, named by `HILUM_TEST_POSTGRES_URL`.
#[expect(clippy::disallowed_methods, reason = "tests are configured by their runner")]
pub fn postgres_url() -> Option<String> {
    std::env::var("HILUM_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

/// A fresh SQLite database.
#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
pub async fn sqlite() -> TestDb {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = DbConfig::Sqlite { path: folder.path().join("test.db") };
    let db = Db::open(&config).await.expect("an SQLite database");
    TestDb { db, config, _folder: Some(folder) }
}

#[expect(clippy::expect_used, reason = "a test cannot go on without its database")]
async fn postgres(url: &str) -> TestDb {
    let name = format!("t{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let server =
        sqlx::PgPool::connect(url).await.expect("HILUM_TEST_POSTGRES_URL must name a running server");
    // A run that was killed leaves its databases behind, and process IDs come again.
    let leftover = format!("DROP DATABASE IF EXISTS {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(leftover)).execute(&server).await.expect("no leftover");
    let create =
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&server).await.expect("a database");
    server.close().await;
    let mut own = url::Url::parse(url).expect("a URL");
    own.set_path(&name);
    let config = DbConfig::Postgres { url: own.into() };
    let db = Db::open(&config).await.expect("a PostgreSQL database");
    TestDb { db, config, _folder: None }
}

/// One fresh database of every kind at hand.
pub async fn databases() -> Vec<TestDb> {
    let mut all = vec![sqlite().await];
    if let Some(url) = postgres_url() {
        all.push(postgres(&url).await);
    }
    all
}
