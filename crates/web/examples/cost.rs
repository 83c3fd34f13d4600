//! What the layers cost per request: `cargo run --release -p hilum-web --example cost`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, routing::get};
use hilum_kernel::SystemRandom;
use hilum_web::layers::{LayerSettings, wrap};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const REQUESTS: u32 = 200_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bare = || Router::new().route("/dicom/v2/studies/{study}", get(|| async { "ok" }));
    let settings = LayerSettings {
        origin: Arc::from("https://localhost:8443"),
        trust_forwarded: false,
        requests_max: 100,
        body_idle: Duration::from_mins(1),
        random: Arc::new(SystemRandom),
    };
    let without = measure(bare()).await;
    let with = measure(wrap(bare(), settings)).await;
    println!("bare {without:.2} µs, with layers {with:.2} µs, layers {:.2} µs per request", with - without);
    println!("(without a subscriber and a metrics recorder)");
}

async fn measure(router: Router) -> f64 {
    let started = Instant::now();
    for _ in 0..REQUESTS {
        let request = Request::get("/dicom/v2/studies/1.2.3").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
}
