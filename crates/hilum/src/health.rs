//! Probes: `/healthz` says that the process lives, `/readyz` that it can work, `/health/check` tells what is wrong
//! in the shape of Microsoft's DICOM server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use hilum_storage::{blobs::Blobs, db::Db};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Probes come from outside without a token: what they ask for is looked up at most once in this time.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// How long a part may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What the probes look at.
#[derive(Clone)]
pub(crate) struct Health(Arc<Inner>);

struct Inner {
    db: Db,
    blobs: Blobs,
    stop: CancellationToken,
    last: Mutex<Option<(Instant, Report)>>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    overall_status: &'static str,
    details: Vec<Detail>,
}

#[derive(Clone, Serialize)]
struct Detail {
    name: &'static str,
    status: &'static str,
    description: &'static str,
}

impl Health {
    pub(crate) fn new(db: Db, blobs: Blobs, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner { db, blobs, stop, last: Mutex::new(None) }))
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/health/check", get(check))
            .with_state(self)
    }

    async fn report(&self) -> Report {
        let mut last = self.0.last.lock().await;
        if let Some((at, report)) = last.as_ref()
            && at.elapsed() < FRESH_FOR
        {
            return report.clone();
        }
        let report = self.look().await;
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn look(&self) -> Report {
        let (db, blobs) = tokio::join!(
            tokio::time::timeout(PROBE_TIMEOUT, self.0.db.ping()),
            tokio::time::timeout(PROBE_TIMEOUT, self.0.blobs.ping()),
        );
        let details = vec![
            detail(
                "database",
                matches!(db, Ok(Ok(()))),
                "The database answers.",
                "The database does not answer.",
            ),
            detail(
                "blobs",
                matches!(blobs, Ok(Ok(()))),
                "The file store answers.",
                "The file store does not answer.",
            ),
        ];
        let healthy = details.iter().all(|detail| detail.status == "Healthy");
        Report { overall_status: if healthy { "Healthy" } else { "Unhealthy" }, details }
    }
}

fn detail(name: &'static str, healthy: bool, good: &'static str, bad: &'static str) -> Detail {
    let (status, description) = if healthy { ("Healthy", good) } else { ("Unhealthy", bad) };
    Detail { name, status, description }
}

async fn check(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report().await;
    let status =
        if report.overall_status == "Healthy" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    if health.0.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match health.report().await.overall_status {
        "Healthy" => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}
