//! The metrics listener, and the gauges that somebody has to look after.

use std::{sync::Arc, time::Duration};

use axum::{Router, http::header, routing::get};
use hilum_kernel::Clock;
use hilum_storage::{db::Db, jobs};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::{assemble::House, config::Limits, server::Server};

/// Credentials end after days: once an hour is enough.
const EXPIRY_EVERY_LOOKS: u64 = 720;
/// How old a gauge may be.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Serves `/metrics` in Prometheus' text format until the house stops.
pub(crate) fn start(house: &House, listener: TcpListener, recorder: PrometheusHandle, clock: Arc<dyn Clock>) {
    let rendered = recorder.clone();
    let router = Router::new().route(
        "/metrics",
        get(move || async move {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], rendered.render())
        }),
    );
    // A scraper or two, nothing more.
    let limits = Limits { connections_max: 16, drain_seconds: 1, ..Limits::default() };
    let (server, stop) = (Server::new(router, None, limits), house.stop.clone());
    house.tasks().spawn(async move { server.run(vec![listener], stop).await });

    let (db, identity, stop) = (house.db.clone(), house.identity.clone(), house.stop.clone());
    house.tasks().spawn(async move {
        for look_number in 0_u64.. {
            look(&db, &*clock).await;
            if look_number.is_multiple_of(EXPIRY_EVERY_LOOKS)
                && let Err(error) = identity.gauge_expiring_credentials().await
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expiring credentials cannot be counted"
                );
            }
            if look_number.is_multiple_of(EXPIRY_EVERY_LOOKS)
                && let Err(error) = identity.gauge_signing_key().await
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the signing key cannot be looked at"
                );
            }
            recorder.run_upkeep();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    });
}

async fn look(db: &Db, clock: &dyn Clock) {
    let stats = db.stats();
    gauge!("hilum_db_connections").set(f64::from(stats.connections));
    gauge!("hilum_db_connections_idle").set(count(stats.idle));
    gauge!("hilum_db_writes_queued").set(count(stats.queued_writes));
    let depth = async { jobs::depth(&mut db.read().await?, clock.now()).await };
    match depth.await {
        Ok(depth) => {
            for (state, jobs) in [("due", depth.due), ("later", depth.later), ("running", depth.running)] {
                gauge!("hilum_jobs", "state" => state).set(count(usize::try_from(jobs).unwrap_or(0)));
            }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the job queue's depth cannot be read");
        }
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
