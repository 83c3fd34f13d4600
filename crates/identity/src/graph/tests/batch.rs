//! `$batch` on the wire.

use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::fixtures;

#[tokio::test]
async fn each_request_of_a_batch_is_answered_by_itself_in_the_right_order() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let session = fixture.as_app(&client, &["Application.Read.All"]).await;
        let body = json!({"requests": [
            {"id": "3", "method": "GET", "url": "/applications?$top=1&$select=displayName", "dependsOn": ["1"]},
            {"id": "1", "method": "get", "url": "applications/$count"},
            {"id": "2", "method": "POST", "url": "/applications", "body": {"displayName": "x"},
             "headers": {"Content-Type": "application/json"}},
            {"id": "4", "method": "GET", "url": "/applications", "dependsOn": ["2"]},
            {"id": "5", "method": "GET", "url": "/nothing"},
            {"id": "6", "method": "GET", "url": "https://localhost:8443/v1.0/applications?$top=1"},
        ]});
        let answer = session.post("/$batch", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let responses = answer.json()["responses"].as_array().unwrap().clone();
        let of = |id: &str| responses.iter().find(|response| response["id"] == id).unwrap().clone();
        let order: Vec<&str> = responses.iter().map(|response| response["id"].as_str().unwrap()).collect();
        assert_eq!(order, ["1", "3", "2", "4", "5", "6"]);
        assert!(of("1")["body"].as_str().unwrap().parse::<u64>().unwrap() > 3);
        assert_eq!(of("1")["headers"]["Content-Type"], "text/plain");
        assert_eq!(of("3")["body"]["value"].as_array().unwrap().len(), 1);
        let next = of("3")["body"]["@odata.nextLink"].as_str().unwrap().to_owned();
        assert!(next.starts_with("https://localhost:8443/v1.0/applications?$top=1&"), "{next}");
        assert_eq!(of("2")["status"], 403);
        assert_eq!(of("2")["body"]["error"]["code"], "Authorization_RequestDenied");
        assert_eq!(of("4")["status"], 424);
        assert_eq!(of("5")["status"], 400);
        assert_eq!(of("6")["body"]["value"].as_array().unwrap().len(), 1, "a whole URL of this server");
    }
}

fn requests(count: usize) -> Value {
    let all = (0..count).map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/applications"}));
    json!({"requests": all.collect::<Vec<_>>()})
}

#[tokio::test]
async fn batches_that_are_none_are_refused_whole() {
    let fixture = fixtures().await.remove(0);
    let session = fixture.as_admin().await;
    assert_eq!(session.post("/$batch", requests(20)).await.status, StatusCode::OK);
    let one = |members: Value| {
        let mut request = json!({"id": "1", "method": "GET", "url": "/applications"});
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        json!({"requests": [request]})
    };
    for (body, words) in [
        (requests(21), "maximum value of 20"),
        (json!({}), "'requests' must be an array"),
        (json!({"requests": []}), "'requests' must be an array"),
        (json!({"requests": [1]}), "'id'"),
        (one(json!({"id": ""})), "'id'"),
        (one(json!({"method": null})), "'method'"),
        (one(json!({"url": "https://graph.microsoft.com/v1.0/me"})), "'url'"),
        (one(json!({"url": "https://localhost:8443/v1.0.example/me"})), "'url'"),
        (one(json!({"url": "https://localhost:8443/v1.0/$batch"})), "cannot hold another"),
        (one(json!({"url": "/$batch"})), "cannot hold another"),
        (one(json!({"url": "/%24batch/"})), "cannot hold another"),
        (one(json!({"url": "/$batch()"})), "cannot hold another"),
        (one(json!({"url": "/microsoft.graph.$batch?x=1"})), "cannot hold another"),
        (one(json!({"dependsOn": ["1"]})), "in a circle"),
        (one(json!({"dependsOn": ["2"]})), "not there"),
        (one(json!({"dependsOn": "1"})), "'dependsOn'"),
        (one(json!({"headers": []})), "'headers'"),
        (
            json!({"requests": [
            {"id": "1", "method": "GET", "url": "/me"}, {"id": "1", "method": "GET", "url": "/me"}]}),
            "of its own",
        ),
    ] {
        let answer = session.post("/$batch", body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{body}: {message}");
    }
}
