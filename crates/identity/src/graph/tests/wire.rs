//! What every answer looks like, and every way a request can be wrong.

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::json;

use crate::testing::fixtures;

const CORRELATION: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn errors_have_graphs_shape() {
    let fixture = fixtures().await.remove(0);
    let session = fixture.as_admin().await;
    let request = session
        .request(Method::GET, "/v1.0/applications/11111111-1111-4111-8111-111111111111")
        .header("client-request-id", CORRELATION);
    let answer = session.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let request_id = answer.header("x-ms-request-id").to_owned();
    assert_eq!(
        answer.json(),
        json!({"error": {
            "code": "Request_ResourceNotFound",
            "message": "Resource '11111111-1111-4111-8111-111111111111' does not exist or one of its queried \
                        reference-property objects are not present.",
            "innerError": {
                "date": "2026-01-31T12:34:56", "request-id": request_id, "client-request-id": CORRELATION
            }
        }})
    );
}

#[tokio::test]
async fn answers_carry_what_sdks_and_pages_look_at() {
    let fixture = fixtures().await.remove(0);
    let session = fixture.as_admin().await;
    for version in ["/v1.0", "/beta"] {
        let request = session
            .request(Method::GET, &format!("{version}/applications?$top=1"))
            .header("consistencylevel", "eventual")
            .header("origin", "https://page.example");
        let answer = session.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("odata-version"), "4.0");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(
            answer.header("content-type"),
            "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
        );
        let body = answer.json();
        assert_eq!(body["@odata.context"], format!("https://localhost:8443{version}/$metadata#applications"));
        let next = body["@odata.nextLink"].as_str().unwrap();
        assert!(
            next.starts_with(&format!("https://localhost:8443{version}/applications?$top=1&$skiptoken="))
        );
    }
    let request = session
        .request(Method::OPTIONS, "/v1.0/applications")
        .header("origin", "https://page.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type,sdkversion");
    let answer = session.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type,sdkversion");
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));

    let made = session.post("/applications", json!({"displayName": "x"})).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("https://localhost:8443/v1.0/applications/{id}"));
}

#[tokio::test]
async fn requests_that_are_wrong_are_told_how() {
    let fixture = fixtures().await.remove(0);
    let session = fixture.as_admin().await;
    let long = format!("/applications?$filter=displayName%20eq%20'{}'", "x".repeat(9_000));
    for (path, status, code, words) in [
        ("/applicationz", 400, "BadRequest", "segment 'applicationz'"),
        (
            "/applications/11111111-1111-4111-8111-111111111111/nothing",
            400,
            "BadRequest",
            "segment 'nothing'",
        ),
        ("/", 400, "BadRequest", "segment ''"),
        ("/applications/x%00y", 400, "BadRequest", "not well-formed"),
        ("/applications/%ff", 400, "BadRequest", "not well-formed"),
        ("/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", 400, "BadRequest", "too many segments"),
        ("/applications(uniqueName='none')", 404, "Request_ResourceNotFound", "none"),
        ("/applications?$top=0", 400, "Request_BadRequest", "between 1 and 999"),
        ("/applications?$top=1000", 400, "Request_BadRequest", "between 1 and 999"),
        ("/applications?$top=1&$top=2", 400, "BadRequest", "'$top' was specified more than once"),
        ("/applications?top=1&$top=2", 400, "BadRequest", "'$top' was specified more than once"),
        ("/applications?$skip=1", 400, "Request_BadRequest", "'$skip' is not supported"),
        ("/applications?$apply=x", 400, "BadRequest", "'$apply' is not supported"),
        ("/applications?$count=maybe", 400, "BadRequest", "$count"),
        ("/applications?$skiptoken=abc", 400, "Request_BadRequest", "$skiptoken"),
        ("/applications?$select=nonsense", 400, "BadRequest", "property named 'nonsense'"),
        ("/applications?$select=a%20b", 400, "BadRequest", "list of property names"),
        ("/applications?$expand=nonsense", 400, "BadRequest", "'nonsense' to expand"),
        ("/applications?$expand=owners($top=1)", 400, "Request_UnsupportedQuery", "only $select"),
        ("/applications?$orderby=notes", 400, "Request_UnsupportedQuery", "Sorting by property 'notes'"),
        ("/applications?$orderby=displayName%20up", 400, "BadRequest", "asc or desc"),
        ("/applications?$search=x", 400, "BadRequest", "double quotes"),
        (
            "/applications?$search=%22notes:x%22",
            400,
            "Request_UnsupportedQuery",
            "Search by property 'notes'",
        ),
        ("/applications?$filter=displayName%20eq", 400, "BadRequest", "position"),
        ("/applications?$filter=notes%20eq%20'x'", 400, "Request_UnsupportedQuery", "'notes'"),
        ("/applications?$filter=appId%20eq%20'x'", 400, "Request_BadRequest", "not a GUID"),
        ("/applications?$filter=displayName%20eq%201", 400, "Request_BadRequest", "wrong type"),
        ("/applications?$filter=length(displayName)%20eq%201", 400, "Request_UnsupportedQuery", "function"),
        (&long, 400, "BadRequest", "longer than 8 KB"),
    ] {
        let answer = session.get(path).await;
        let error = answer.json()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert_eq!((answer.status.as_u16(), &error["code"]), (status, &json!(code)), "{path}: {message}");
        assert!(message.contains(words), "{path}: {message}");
    }
    let answer = session.delete("/applications").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, POST"));
}

#[tokio::test]
async fn bodies_have_limits() {
    let fixture = fixtures().await.remove(0);
    let session = fixture.as_admin().await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let deeper = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let wide = json!({"displayName": "x", "tags": vec!["t"; 1_001]}).to_string();
    let large = format!("{{\"displayName\":\"{}\"}}", "x".repeat(1024 * 1024));
    let json = "application/json";
    for (body, kind, status, code) in [
        ("", json, 400, "BadRequest"),
        ("{", json, 400, "BadRequest"),
        ("[]", json, 400, "BadRequest"),
        ("{\"displayName\":\"a\\u0000b\"}", json, 400, "BadRequest"),
        ("{}", "text/plain", 400, "BadRequest"),
        (&deep, json, 400, "BadRequest"),
        (&deeper, json, 400, "BadRequest"),
        (&wide, json, 400, "Directory_ResourceSizeExceeded"),
        (&large, json, 413, "RequestEntityTooLarge"),
    ] {
        let request = session.request(Method::POST, "/v1.0/applications").header("content-type", kind);
        let answer = session.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!(answer.status.as_u16(), status, "{start}: {}", answer.text);
        assert_eq!(answer.json()["error"]["code"], code, "{start}: {}", answer.text);
    }
}

#[tokio::test]
async fn local_callers_get_the_same_answers_without_a_token() {
    for fixture in fixtures().await {
        let graph = fixture.identity.graph();
        let (status, made) =
            graph.operate(Method::POST, "/applications", Some(json!({"displayName": "local"}))).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let list = "/v1.0/applications?$filter=displayName eq 'Local'&$select=displayName";
        let (status, list) = graph.operate(Method::GET, list, None).await;
        assert_eq!((status, &list["value"]), (StatusCode::OK, &json!([{"displayName": "local"}])));
        let (status, error) = graph.operate(Method::GET, "/nothing", None).await;
        assert_eq!((status, &error["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("BadRequest")));
        let trail = fixture.trail().await;
        assert!(
            trail.iter().any(|line| line.starts_with("identity.application.changed success")),
            "{trail:?}"
        );
    }
}

#[tokio::test]
async fn a_caller_in_a_loop_has_to_wait() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("client").await;
    let session = fixture.as_app(&client, &["Application.Read.All"]).await;
    let now_ms = fixture.identity.0.clock.now_ms();
    while fixture.identity.0.graph_throttle.take(client.principal.id, now_ms).is_none() {}
    let answer = session.get("/applications?$top=1").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.json()["error"]["code"], "TooManyRequests");
}

#[tokio::test]
async fn a_change_is_in_the_trail_under_the_requests_id() {
    const ID: &str = "5c2bd1b5-5a6f-4c5a-8b8b-0d6d1b6d7a11";
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let context = hilum_web::RequestContext {
            correlation: ID.parse().unwrap(),
            client_address: Some("192.0.2.7".parse().unwrap()),
            ..hilum_web::RequestContext::default()
        };
        let batch = json!({"requests": [{"id": "1", "method": "POST", "url": "/applications",
            "headers": {"Content-Type": "application/json"}, "body": {"displayName": "of a batch"}}]});
        for (path, body) in [("/applications", json!({"displayName": "noted"})), ("/$batch", batch)] {
            let request = session
                .request(Method::POST, &format!("/v1.0{path}"))
                .header("content-type", "application/json")
                .extension(context.clone())
                .body(Body::from(body.to_string()))
                .unwrap();
            let made = session.send(request).await;
            assert!(made.status.is_success(), "{}", made.text);
            // The client named no ID: the answer's is the trail's.
            assert_eq!(made.header("x-ms-request-id"), ID);
        }
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let sql = "SELECT source, detail FROM audit_event WHERE correlation = $1 ORDER BY id";
        let rows = tx.fetch_all(sql, &[ID.into()]).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap())).collect();
        let noted = ("192.0.2.7".to_owned(), "created".to_owned());
        assert_eq!(rows, [noted.clone(), noted]);
    }
}

#[tokio::test]
async fn what_is_not_offered_is_said_so() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let session = fixture.as_admin_with_all_scopes().await;
        for path in
            ["/applications/delta", "/applications/delta()", "/users/delta", "/groups/microsoft.graph.delta"]
        {
            let refused = session.get(path).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.text);
            assert!(refused.text.contains("Resource not found for the segment"), "{path}: {}", refused.text);
        }
        let logo = format!("/v1.0/applications/{}/logo", client.application.object_id);
        for (method, kind) in [("PUT", "image/png"), ("GET", "image/png"), ("DELETE", "application/json")] {
            let body = if method == "PUT" { "no picture" } else { "" };
            let request = session.request(method.parse().unwrap(), &logo).header("content-type", kind);
            let refused = session.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{method}: {}", refused.text);
            assert!(refused.text.contains("segment 'logo'"), "{method}: {}", refused.text);
        }
        // Where there is a place, its kind of body is what is wrong.
        let request = session.request(Method::POST, "/v1.0/applications").header("content-type", "image/png");
        let refused = session.send(request.body(Body::from("x")).unwrap()).await;
        assert!(refused.text.contains("application/json"), "{}", refused.text);
        let shown = session.get(&format!("/applications/{}", client.application.object_id)).await.json();
        assert_eq!(shown["info"]["logoUrl"], serde_json::Value::Null);
    }
}
