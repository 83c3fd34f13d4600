#![allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs)]
use std::sync::Arc;
use hilum_audit::*; use hilum_identity::*; use hilum_jose::MasterKey; use hilum_kernel::*; use tower::ServiceExt;
#[tokio::main]
async fn main() {
    let t = hilum_storage::contract::sqlite().await;
    t.db.migrate(&[hilum_audit::MIGRATIONS, hilum_identity::MIGRATIONS]).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock); let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let tasks = tokio_util::task::TaskTracker::new();
    let id = Identity::new(Parts { db: t.db.clone(), clock: clock.clone(), random: random.clone(), master_key: MasterKey::generate(&SystemRandom), audit: AuditLog::start(t.db.clone(), clock, &tasks), settings: Settings { origin: "https://localhost:8443".into() } }).unwrap();
    id.init(InitRequest { domain: "contoso.local".into(), admin_upn: None, admin_password: None }).await.unwrap();
    let a = Actor::operator();
    let m = serde_json::from_str(r#"{"displayName":"x"}"#).unwrap();
    let app = id.create_application(&a, &m).await.unwrap(); let app_id = app.app_id.to_string();
    id.create_service_principal(&a, &app_id).await.unwrap();
    let s = id.add_secret(&a, &app_id, NewSecret::default()).await.unwrap();
    id.create_role_assignment(&a, NewRoleAssignment { role: "DICOM Data Owner".into(), principal: PrincipalRef::Assignee(app_id.clone()), scope: "/".into() }).await.unwrap();
    let body = format!("grant_type=client_credentials&client_id={app_id}&client_secret={}&scope=https%3A%2F%2Fdicom.healthcareapis.azure.com%2F.default", s.value.expose());
    let router = id.router();
    for concurrency in [1, 4, 16] {
        let start = std::time::Instant::now(); let n = 4000 / concurrency;
        let all: Vec<_> = (0..concurrency).map(|_| { let (r, b) = (router.clone(), body.clone()); tokio::spawn(async move { for _ in 0..n {
            let q = http::Request::post("/contoso.local/oauth2/v2.0/token").header("content-type", "application/x-www-form-urlencoded").body(axum::body::Body::from(b.clone())).unwrap();
            let resp = r.clone().oneshot(q).await.unwrap(); assert_eq!(resp.status(), 200);
        } }) }).collect();
        for h in all { h.await.unwrap(); }
        let e = start.elapsed(); println!("concurrency {concurrency}: {:.0}/s, {:.0} us each", (n * concurrency) as f64 / e.as_secs_f64(), e.as_micros() as f64 / (n * concurrency) as f64);
    }
    let key = hilum_jose::SigningKey::generate("x", hilum_jose::Validity { not_before: jiff::Timestamp::UNIX_EPOCH, not_after: jiff::Timestamp::MAX }, &SystemRandom);
    if let Ok(key) = key { let st = std::time::Instant::now(); for _ in 0..1000 { key.sign(b"x").unwrap(); } println!("sign alone {} us", st.elapsed().as_micros() / 1000); }
}
