//! The layers as a client sees them.

use axum::{body::to_bytes, routing::get};
use hilum_kernel::SeededRandom;
use tower::ServiceExt as _;

use super::*;

fn settings(requests_max: usize) -> LayerSettings {
    LayerSettings {
        origin: Arc::from("https://localhost:8443"),
        trust_forwarded: false,
        requests_max,
        body_idle: Duration::from_mins(1),
        random: Arc::new(SeededRandom::new(1)),
    }
}

fn router() -> Router {
    Router::new()
        .route(
            "/echo",
            get(|context: RequestContext| async move {
                format!("{} {:?}", context.correlation, context.client_address)
            }),
        )
        .route("/panic", get(|method: Method| async move { assert_ne!(method, Method::GET, "planted") }))
        .route("/own", get(|| async { [(MS_REQUEST_ID, "11111111-2222-4333-8444-555555555555")] }))
        .route("/small", get(|| async { vec![0_u8; 64 * 1024] }))
        .route("/large", get(|| async { vec![0_u8; 64 * 1024 + 1] }))
        .route(
            "/stream",
            get(|| async {
                Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("a"))]))
            }),
        )
        .route("/healthz", get(|| async { "ok" }))
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer("192.0.2.7:1234".parse().unwrap()));
    request
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}

const GUID: &str = "8E8E4742-1d95-4f68-9d56-6ee75648c72a";

#[tokio::test]
async fn the_clients_id_becomes_the_correlation_id_and_is_echoed() {
    let app = wrap(router(), settings(10));
    let response = app.clone().oneshot(request("/echo", &[("client-request-id", GUID)])).await.unwrap();
    assert_eq!(response.headers()["client-request-id"], GUID);
    assert_eq!(response.headers()["request-id"], response.headers()["x-ms-request-id"]);
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    assert!(!response.headers().contains_key("strict-transport-security"));
    assert_eq!(response.headers()["content-length"], "52", "a known length stays known");
    assert_eq!(text(response).await, format!("{} Some(192.0.2.7)", GUID.to_lowercase()));

    let response =
        app.clone().oneshot(request("/echo", &[("x-ms-correlation-request-id", GUID)])).await.unwrap();
    assert!(!response.headers().contains_key("client-request-id"));
    assert!(text(response).await.starts_with(&GUID.to_lowercase()));

    let response = app.oneshot(request("/echo", &[("client-request-id", "no guid")])).await.unwrap();
    assert!(!response.headers().contains_key("client-request-id"));
    let id = response.headers()["request-id"].to_str().unwrap().to_owned();
    assert!(text(response).await.starts_with(&id), "without the client's the request's own ID correlates");
}

#[tokio::test]
async fn a_request_id_set_by_a_handler_stays() {
    let response = wrap(router(), settings(10)).oneshot(request("/own", &[])).await.unwrap();
    assert_eq!(response.headers()["request-id"], "11111111-2222-4333-8444-555555555555");
}

#[tokio::test]
async fn a_panic_is_a_500_without_its_text() {
    let response = wrap(router(), settings(10)).oneshot(request("/panic", &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(response).await.contains("planted"));
}

#[tokio::test]
async fn beyond_the_permits_requests_are_shed_until_an_answer_is_sent() {
    let app = wrap(router(), settings(1));
    let held = app.clone().oneshot(request("/large", &[])).await.unwrap();
    let shed = app.clone().oneshot(request("/echo", &[])).await.unwrap();
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed.headers()["retry-after"], "1");
    let probe = app.clone().oneshot(request("/healthz", &[])).await.unwrap();
    assert_eq!(probe.status(), StatusCode::OK);
    drop(held);
    assert_eq!(app.oneshot(request("/echo", &[])).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn small_answers_that_nobody_reads_hold_no_permit() {
    let app = wrap(router(), settings(1));
    let status = async |path: &str| {
        let response = app.clone().oneshot(request(path, &[])).await.unwrap();
        (response.status(), response)
    };
    let unread = [status("/small").await, status("/echo").await, status("/panic").await];
    assert_eq!(unread.each_ref().map(|(status, _)| status.as_u16()), [200, 200, 500]);
    // A length that is not known beforehand may be any: the permit stays until the body is gone.
    let (_, stream) = status("/stream").await;
    assert_eq!(status("/small").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(stream).await, "a");
    assert_eq!(status("/small").await.0, StatusCode::OK);
}

#[tokio::test]
async fn hsts_speaks_for_its_own_name_only() {
    let settings = LayerSettings { origin: Arc::from("https://pacs.example.org"), ..settings(10) };
    let response = wrap(router(), settings).oneshot(request("/echo", &[])).await.unwrap();
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn forwarded_addresses_count_only_behind_a_proxy() {
    let forwarded = [("x-forwarded-for", "203.0.113.9, 198.51.100.4")];
    let direct = wrap(router(), settings(10)).oneshot(request("/echo", &forwarded)).await.unwrap();
    assert!(text(direct).await.ends_with("Some(192.0.2.7)"));
    let behind = wrap(router(), LayerSettings { trust_forwarded: true, ..settings(10) });
    let proxied = behind.oneshot(request("/echo", &forwarded)).await.unwrap();
    assert!(text(proxied).await.ends_with("Some(198.51.100.4)"));
}

#[tokio::test]
async fn a_body_that_stands_still_fails() {
    let app = wrap(
        Router::new().route(
            "/",
            axum::routing::post(|body: Body| async {
                to_bytes(body, 10).await.map(drop).is_err().to_string()
            }),
        ),
        LayerSettings { body_idle: Duration::from_millis(20), ..settings(10) },
    );
    let stalled = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let response = app.oneshot(Request::post("/").body(stalled).unwrap()).await.unwrap();
    assert_eq!(text(response).await, "true");
}

#[test]
fn hsts_is_for_names_of_the_world() {
    assert!(wants_hsts("https://pacs.example.org"));
    assert!(wants_hsts("https://pacs.example.org:8443"));
    for origin in
        ["https://localhost:8443", "https://127.0.0.1", "https://[::1]:8443", "http://pacs.example.org"]
    {
        assert!(!wants_hsts(origin), "{origin}");
    }
}
