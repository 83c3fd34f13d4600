//! Routes as a whole: who may use them, and what HTTP expects of them.

use hilum_access::DataAction;
use serde_json::{Value, json};

use crate::testing::{
    Body, File, NOW, OWNER, READER, TestArchive, WRITER, bound_token, proof, token, token_for,
};

const UIDS: [(&str, &str); 6] = [
    ("{study}", "1.2"),
    ("{series}", "1.2.3"),
    ("{instance}", "1.2.3.4"),
    ("{frames}", "1"),
    ("{tag}", "PatientAge"),
    ("{id}", "00000000000000000000000000000001"),
];

/// Every route with its methods and the right each needs. A route that is not here fails the test.
const ROUTES: &[(&str, &[(&str, DataAction)])] = &[
    ("/studies", &[("GET", DataAction::Read), ("POST", DataAction::Write)]),
    ("/series", &[("GET", DataAction::Read)]),
    ("/instances", &[("GET", DataAction::Read)]),
    (
        "/studies/{study}",
        &[("GET", DataAction::Read), ("POST", DataAction::Write), ("DELETE", DataAction::Delete)],
    ),
    ("/studies/{study}/metadata", &[("GET", DataAction::Read)]),
    ("/studies/{study}/series", &[("GET", DataAction::Read)]),
    ("/studies/{study}/instances", &[("GET", DataAction::Read)]),
    ("/studies/{study}/series/{series}", &[("GET", DataAction::Read), ("DELETE", DataAction::Delete)]),
    ("/studies/{study}/series/{series}/metadata", &[("GET", DataAction::Read)]),
    ("/studies/{study}/series/{series}/instances", &[("GET", DataAction::Read)]),
    (
        "/studies/{study}/series/{series}/instances/{instance}",
        &[("GET", DataAction::Read), ("DELETE", DataAction::Delete)],
    ),
    ("/studies/{study}/series/{series}/instances/{instance}/metadata", &[("GET", DataAction::Read)]),
    ("/studies/{study}/series/{series}/instances/{instance}/frames/{frames}", &[("GET", DataAction::Read)]),
    ("/changefeed", &[("GET", DataAction::Read)]),
    ("/changefeed/latest", &[("GET", DataAction::Read)]),
    ("/extendedquerytags", &[("GET", DataAction::Read), ("POST", DataAction::Manage)]),
    (
        "/extendedquerytags/{tag}",
        &[("GET", DataAction::Read), ("PATCH", DataAction::Manage), ("DELETE", DataAction::Manage)],
    ),
    ("/extendedquerytags/{tag}/errors", &[("GET", DataAction::Read)]),
    ("/operations/{id}", &[("GET", DataAction::Read)]),
    ("/partitions", &[("GET", DataAction::Read)]),
    ("/partitions/{*rest}", &[("GET", DataAction::Read)]),
];

fn path(version: &str, route: &str) -> String {
    let route = UIDS.iter().fold(route.to_owned(), |route, (name, uid)| route.replace(name, uid));
    format!("/{version}{}", route.replace("{*rest}", "x/studies"))
}

#[test]
fn every_route_of_the_router_is_in_the_table() {
    let source = include_str!("router.rs");
    let routes: Vec<&str> =
        source.split(".route(").skip(1).filter_map(|text| text.split('"').nth(1)).collect();
    let known: Vec<&str> = ROUTES.iter().map(|(route, _)| *route).collect();
    assert_eq!(routes, known);
    for (route, methods) in ROUTES {
        let definition =
            source.split(&format!("\"{route}\",")).nth(1).unwrap().split(".route(").next().unwrap();
        for method in ["get(", "post(", "put(", "delete(", "patch("] {
            let is_known = methods.iter().any(|(name, _)| method.starts_with(&name.to_lowercase()));
            let is_routed = definition.split("Extension").next().unwrap().contains(method);
            assert!(is_known == is_routed || definition.contains("any("), "{route} {method}");
        }
    }
}

#[tokio::test]
async fn every_route_asks_for_a_token_and_the_right_one() {
    let archive = TestArchive::one().await;
    let expired = {
        let other = TestArchive::one().await;
        other.advance_hours(24 * 365 * 3);
        other
    };
    let foreign = token_for("https://another.test/", &[OWNER]);
    for version in ["v1", "v2"] {
        for (route, methods) in ROUTES {
            for (method, action) in *methods {
                let path = path(version, route);
                let request =
                    || archive.request(method, &path).accept("*/*").single(File::new("1", "1", "1"));
                let answer = request().anonymous().send().await;
                assert_eq!(answer.status, 401, "{method} {path}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"archive.test\""));
                assert_eq!(answer.header("api-supported-versions"), Some("1.0, 2.0"));
                for bad in [foreign.as_str(), "nonsense", ""] {
                    let answer = request().bearer(bad).send().await;
                    assert_eq!(answer.status, 401, "{method} {path} {bad}");
                    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
                }
                let answer = expired.request(method, &path).accept("*/*").send().await;
                assert_eq!(answer.status, 401, "expired: {method} {path}");
                for (roles, actions) in [
                    (&[][..], &[][..]),
                    (&["Another Role"], &[]),
                    (&[READER], &[DataAction::Read]),
                    (&[WRITER], &[DataAction::Write]),
                ] {
                    let answer = request().bearer(&token(roles)).send().await;
                    if actions.contains(action) {
                        assert!(!matches!(answer.status, 401 | 403), "{method} {path} {roles:?}");
                    } else {
                        assert_eq!(answer.status, 403, "{method} {path} {roles:?}");
                        assert_eq!(answer.text(), "Authorization failed.");
                    }
                }
            }
        }
    }
}

/// RFC 9449 §7: on every route, whatever the method.
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_opens_nothing_without_it() {
    let archive = TestArchive::one().await;
    let token = bound_token(&[OWNER]);
    for version in ["v1", "v2"] {
        for (route, methods) in ROUTES {
            for (method, _) in *methods {
                let path = path(version, route);
                // Behind whatever proxies: the public origin counts.
                let url = format!("https://archive.test{path}");
                let of = |jti: &str, changes: Value| {
                    let mut all = json!({ "jti": format!("{jti} {method} {path}") });
                    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
                    proof(&token, method, &url, &all)
                };
                let send = async |scheme: &str, proofs: &[&str]| {
                    let request = archive.request(method, &path).anonymous().accept("*/*");
                    let request = request.header("authorization", &format!("{scheme} {token}"));
                    let request = proofs.iter().fold(request, |request, proof| request.header("dpop", proof));
                    request.single(File::new("1", "1", "1")).send().await
                };
                let good = of("good", json!({}));
                let answer = send("DPoP", &[&good]).await;
                assert!(!matches!(answer.status, 401 | 403), "{method} {path}: {}", answer.status);
                let other = if *method == "GET" { "DELETE" } else { "GET" };
                for (why, scheme, proofs) in [
                    ("no proof", "DPoP", vec![]),
                    ("as a bearer token", "Bearer", vec![of("1", json!({}))]),
                    ("a copy", "DPoP", vec![good.clone()]),
                    ("two", "DPoP", vec![of("2", json!({})), of("3", json!({}))]),
                    ("another method", "DPoP", vec![of("4", json!({ "htm": other }))]),
                    ("another place", "DPoP", vec![of("5", json!({ "htu": "https://archive.test/dicom" }))]),
                    ("another token", "DPoP", vec![of("6", json!({ "ath": "x" }))]),
                    ("old", "DPoP", vec![of("7", json!({ "iat": NOW - 121 }))]),
                ] {
                    let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
                    let answer = send(scheme, &proofs).await;
                    assert_eq!(answer.status, 401, "{method} {path}: {why}");
                    let challenge = answer.header("www-authenticate").unwrap();
                    assert!(challenge.starts_with(scheme), "{challenge}");
                    assert_eq!(answer.header("dpop-nonce").is_some(), why == "old", "{why}");
                }
            }
        }
    }
}

#[tokio::test]
async fn refusals_are_audited_but_not_requests_without_a_token() {
    let archive = TestArchive::one().await;
    archive.get("/v2/studies/1.2").anonymous().send().await;
    archive.get("/v2/studies/1.2").bearer("nonsense").send().await;
    archive.get("/v2/studies/1.2").bearer(&token(&[])).send().await;
    let rows = loop {
        let rows = archive.rows("SELECT action, outcome, detail FROM audit_event ORDER BY id").await;
        if rows.len() == 2 {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    for row in &rows {
        assert_eq!(
            (row.text(0).unwrap(), row.text(1).unwrap()),
            ("access.refused".to_owned(), "refused".to_owned())
        );
    }
    assert_eq!(rows[0].text(2).unwrap(), "the token is malformed");
}

#[tokio::test]
async fn paths_that_are_none() {
    let archive = TestArchive::one().await;
    for path in
        ["/", "/studies", "/v3/studies", "/v1.0/studies", "/v2", "/v2/", "/v2/nothing", "/v2/studies/1.2/x"]
    {
        let answer = archive.get(path).accept("*/*").send().await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("api-supported-versions"), Some("1.0, 2.0"), "{path}");
    }
    for path in ["/v2/partitions", "/v1/partitions/x/studies", "/v2/partitions/x/studies/1.2"] {
        let answer = archive.get(path).send().await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "Data partitions feature is disabled."),
            "{path}"
        );
    }
}

#[tokio::test]
async fn uids_in_paths_are_checked() {
    let archive = TestArchive::one().await;
    archive.store(&[File::new("1.2", "1.2.3", "1.2.3.4")]).await;
    let long = "1".repeat(65);
    for uid in [
        long.as_str(),
        "",
        "1.2a",
        "abc",
        "%20",
        ".",
        "1.",
        "1.2%00",
        "1%2F2",
        "%ff",
        "1.2.3%0A",
        "-1",
        "1,2",
    ] {
        for route in [
            "/studies/{}",
            "/studies/{}/metadata",
            "/studies/1.2/series/{}",
            "/studies/1.2/series/{}/metadata",
            "/studies/1.2/series/1.2.3/instances/{}",
            "/studies/1.2/series/1.2.3/instances/{}/frames/1",
            "/studies/{}/series",
            "/studies/{}/instances",
            "/studies/1.2/series/{}/instances",
        ] {
            let path = format!("/v2{}", route.replace("{}", uid));
            if path.ends_with('/') {
                continue;
            }
            let answer = archive.get(&path).accept("*/*").send().await;
            assert_eq!(answer.status, 400, "{path}");
            assert!(!answer.text().is_empty());
        }
        if uid.is_empty() {
            continue;
        }
        let answer = archive.post(&format!("/v2/studies/{uid}")).multipart(&Body::default()).send().await;
        assert_eq!(answer.status, 400, "{uid}");
    }
    let padded = "/v2/studies/1.2%20/series/1.2.3%20%20/instances/1.2.3.4%20";
    assert_eq!(archive.get(padded).accept("application/dicom").send().await.status, 200);
    // Leading zeros are not refused.
    assert_eq!(archive.get("/v2/studies/1.02").accept("*/*").send().await.status, 404);
}

#[tokio::test]
async fn other_methods_and_odd_queries() {
    let archive = TestArchive::one().await;
    archive.store(&[File::new("1.2", "1.2.3", "1.2.3.4")]).await;
    let instance = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4";
    for (route, methods) in ROUTES {
        for method in ["PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE"] {
            let is_known =
                methods.iter().any(|(name, _)| *name == method) || route.starts_with("/partitions");
            if !is_known {
                let answer = archive.request(method, &path("v2", route)).send().await;
                assert_eq!(answer.status, 405, "{method} {route}");
                assert!(answer.header("allow").is_some());
            }
        }
    }
    let head = archive.request("HEAD", instance).accept("application/dicom").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.header("content-type").is_some());
    assert_eq!(archive.request("HEAD", instance).anonymous().send().await.status, 401);
    for query in ["a=<script>", "a=%3Cb", "%3c", "<"] {
        let path = format!("/v2/studies?{query}");
        if path.parse::<axum::http::Uri>().is_err() {
            continue;
        }
        let answer = archive.get(&path).accept("*/*").send().await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (400, "The query string included invalid characters.")
        );
    }
    // Unknown parameters of a retrieval do no harm, however many.
    let many = format!("{instance}?{}", "a=b&".repeat(1000));
    assert_eq!(archive.get(&many).accept("application/dicom").send().await.status, 200);
}
