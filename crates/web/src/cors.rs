//! Cross-origin requests to a service (Fetch §3.2): which pages of other origins may read its answers.
//!
//! This protects people's browsers, not the service: who may do what is decided by tokens alone.

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// What answers tell besides what every page may read.
const EXPOSED: [HeaderName; 10] = [
    header::CONTENT_LOCATION,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WARNING,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("api-supported-versions"),
    // RFC 9449 §8: or a page could not use it.
    HeaderName::from_static("dpop-nonce"),
    HeaderName::from_static("erroneous-dicom-attributes"),
    HeaderName::from_static("x-ms-request-id"),
];

/// Origins that may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed<T> {
    /// `*`.
    Any,
    /// These alone.
    These(Vec<T>),
}

/// Whose pages may call, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins as browsers spell them, `https://viewer.example.org`.
    pub origins: Allowed<HeaderValue>,
    /// Methods of requests; those of Fetch's safelist are always allowed.
    pub methods: Vec<Method>,
    /// Headers of requests.
    pub headers: Allowed<HeaderName>,
    /// How long a browser may remember the answer to its preflight request.
    pub max_age: Duration,
    /// Whether browsers may send cookies and client certificates; not together with any origin.
    pub credentials: bool,
}

impl Cors {
    /// Answers preflight requests to these routes, and tells browsers which pages may read the others' answers.
    pub fn around(&self, router: Router) -> Router {
        let layer = CorsLayer::new()
            .allow_methods(self.methods.clone())
            .expose_headers(EXPOSED)
            .max_age(self.max_age);
        let layer = match &self.headers {
            // `*` itself would not cover Authorization (Fetch §4.8).
            Allowed::Any => layer.allow_headers(AllowHeaders::mirror_request()),
            Allowed::These(names) => layer.allow_headers(names.clone()),
        };
        router.layer(match &self.origins {
            Allowed::Any => layer.allow_origin(AllowOrigin::any()),
            Allowed::These(origins) => {
                layer.allow_origin(AllowOrigin::list(origins.clone())).allow_credentials(self.credentials)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        extract::Request,
        http::{HeaderMap, StatusCode},
        routing::get,
    };
    use tower::ServiceExt as _;

    use super::*;

    const VIEWER: &str = "https://viewer.example";

    fn cors() -> Cors {
        Cors {
            origins: Allowed::These(vec![HeaderValue::from_static(VIEWER)]),
            methods: vec![Method::GET, Method::POST],
            headers: Allowed::Any,
            max_age: Duration::from_mins(10),
            credentials: false,
        }
    }

    async fn ask(cors: &Cors, method: Method, origin: &str) -> (StatusCode, HeaderMap) {
        let router = cors.around(Router::new().route("/", get(|| async { "studies" })));
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
            .body(Body::empty())
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        (answer.status(), answer.headers().clone())
    }

    #[tokio::test]
    async fn a_page_that_may_call_is_told_so() {
        let (status, headers) = ask(&cors(), Method::OPTIONS, VIEWER).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], VIEWER);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
        assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "600");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        let (_, headers) = ask(&cors(), Method::GET, VIEWER).await;
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], VIEWER);
        assert!(headers[header::VARY].to_str().unwrap().to_lowercase().contains("origin"));
        assert!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("warning"));
    }

    #[tokio::test]
    async fn pages_of_other_origins_are_told_nothing() {
        for origin in
            ["https://viewer.example.evil", "http://viewer.example", "https://viewer.example:444", "null"]
        {
            for method in [Method::OPTIONS, Method::GET] {
                let (_, headers) = ask(&cors(), method, origin).await;
                assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
            }
        }
    }

    #[tokio::test]
    async fn any_origin_comes_without_credentials() {
        let cors = Cors { origins: Allowed::Any, credentials: true, ..cors() };
        let (_, headers) = ask(&cors, Method::GET, "https://somebody.example").await;
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
