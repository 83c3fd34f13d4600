//! The house in-process: requests go through the router with all its layers, no socket involved.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use hilum::{
    assemble::{Ground, House},
    config::{Config, Environment, MaskedUrl},
    data_dir::DataDir,
};
use hilum_kernel::{SeededRandom, TestClock};
use hilum_storage::{
    contract::{TestDb, databases},
    db::DbConfig,
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The most that a test reads of an answer.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A house of its own for one test.
pub struct App {
    /// The parts, for what has no URL.
    pub house: House,
    /// The time, which only the test moves.
    pub clock: Arc<TestClock>,
    router: Router,
    _database: TestDb,
    _folder: TempDir,
}

/// A finished answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// One house per kind of database at hand: always SQLite, PostgreSQL where `HILUM_TEST_POSTGRES_URL` names a server.
pub async fn apps() -> Vec<App> {
    let mut all = Vec::new();
    for database in databases().await {
        all.push(App::on(database, Config::default()).await);
    }
    all
}

/// A house under another public origin, on SQLite.
pub async fn app_at(origin: &str) -> App {
    App::at(origin, databases().await.swap_remove(0), Config::default()).await
}

impl App {
    /// A house on this database, initialised; the time is noon of 31 January 2026.
    pub async fn on(database: TestDb, config: Config) -> Self {
        Self::at("https://localhost:8443", database, config).await
    }

    async fn at(origin: &str, database: TestDb, mut config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        config.database.url = Some(MaskedUrl::new(match &database.config {
            DbConfig::Sqlite { path } => format!("sqlite:{}", path.display()),
            DbConfig::Postgres { url } => url.clone(),
        }));
        let noon = "2026-01-31T12:00:00Z".parse().expect("a time");
        let clock = Arc::new(TestClock::at(noon));
        let ground = Ground {
            data: DataDir::new(folder.path().join("data")),
            config,
            environment: Environment::default(),
            clock: Arc::<TestClock>::clone(&clock),
            random: Arc::new(SeededRandom::new(1)),
        };
        let house = House::build(ground, origin.to_owned()).await.expect("a house");
        let router = house.router();
        Self { house, clock, router, _database: database, _folder: folder }
    }

    /// Sends a request through all layers.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.expect("a whole body").to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// `GET`, with a bearer token if there is one.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::get(path).header("accept", "*/*");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Stops background work and closes the database.
    pub async fn close(self) {
        let Self { house, router, _database, _folder, .. } = self;
        // The router's handles keep the audit trail open.
        drop(router);
        house.close().await;
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
