//! The main job: register, get a token, store, search, retrieve; in-process on both databases, and with the binary.

use axum::{body::Body, http::Request};
use hilum_testkit::{Authentication, Binary, apps};
use jiff::SignedDuration;
use serde_json::Value;

fn binary() -> Binary {
    Binary::at(env!("CARGO_BIN_EXE_hilum"))
}

#[tokio::test]
async fn rights_follow_the_role() {
    for app in apps().await {
        let owner = app.service_client("owner", Some("DICOM Data Owner")).await;
        let reader = app.service_client("reader", Some("DICOM Data Reader")).await;
        let nobody = app.service_client("nobody", None).await;

        let anonymous = app.get("/dicom/v2/studies", None).await;
        assert_eq!(anonymous.status, 401);
        let challenge = anonymous.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");

        let (owner, reader) = (app.token(&owner).await, app.token(&reader).await);
        let found = app.get("/dicom/v2/studies", Some(&reader)).await;
        assert!(found.status.is_success(), "{} {:?} {}", found.status, found.headers, found.text());
        let store = |token: &str| {
            Request::post("/dicom/v2/studies")
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/dicom")
                .header("accept", "application/dicom+json")
                .body(Body::from("no DICOM"))
                .unwrap()
        };
        assert_eq!(app.send(store(&reader)).await.status, 403);
        assert_eq!(app.send(store(&owner)).await.status.as_u16() / 100, 4);

        let nobody = app.ask_token(&nobody.app_id, Authentication::Secret(&nobody.secret)).await;
        if nobody.status.is_success() {
            let token = nobody.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(app.get("/dicom/v2/studies", Some(&token)).await.status, 403);
        }
        app.clock.advance(SignedDuration::from_hours(3));
        assert_eq!(app.get("/dicom/v2/studies", Some(&reader)).await.status, 401, "the token has expired");
        app.close().await;
    }
}

#[tokio::test]
async fn the_surface_that_needs_no_token() {
    for app in apps().await {
        let tenant = app.house.tenant_id;
        let discovery = app.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration"), None).await;
        assert_eq!(discovery.json()["issuer"], format!("https://localhost:8443/{tenant}/v2.0"));
        assert_eq!(app.get("/healthz", None).await.text(), "ok\n");
        assert_eq!(app.get("/readyz", None).await.text(), "ready\n");
        let health = app.get("/health/check", None).await.json();
        assert_eq!(health["overallStatus"], "Healthy");
        assert_eq!(
            app.get("/openapi/dicom.json", None).await.json()["openapi"].as_str().unwrap()[..2],
            *"3."
        );
        assert!(app.get("/openapi/dicom", None).await.text().contains("/studies"));
        assert_eq!(app.get("/", None).await.headers["location"], "/portal");
        assert!(app.get("/portal", None).await.text().contains("The server is running"));
        assert_eq!(app.get("/nowhere/at/all/really", None).await.status, 404);
        let wrong = app.ask_token("00000000-0000-4000-8000-000000000000", Authentication::None).await;
        assert!(
            wrong.json()["error_description"].as_str().unwrap().starts_with("AADSTS700016"),
            "{}",
            wrong.text()
        );
        app.close().await;
    }
}

#[test]
fn the_demo_goes_all_the_way() {
    let output = binary().run(&["demo", "--exit"]);
    assert_eq!(output.code, 0, "{}{}", output.out, output.err);
    assert!(output.out.contains("60 instances, 31 MB, all the same"), "{}", output.out);
}

#[test]
fn a_server_starts_serves_and_ends_cleanly() {
    let hilum = binary();
    let server = hilum.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let id = hilum.ok(&["app", "create", "--display-name", "ingest", "--query", "appId", "-o", "tsv"]);
    hilum.ok(&["sp", "create", "--id", &id]);
    hilum.ok(&["role", "assignment", "create", "--assignee", &id, "--role", "DICOM Data Writer"]);
    let secret = hilum.ok(&["app", "credential", "reset", "--id", &id, "--query", "password", "-o", "tsv"]);
    let token = hilum.ok(&["account", "get-access-token", "-u", &id, "-p", &secret]);
    let token: Value = serde_json::from_str(&token).unwrap();
    assert_eq!(token["tokenType"], "Bearer");

    let made = hilum.ok(&["app", "credential", "reset", "--id", &id, "--create-cert", "--append"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let file = made["fileWithCertAndPrivateKey"].as_str().unwrap();
    hilum.ok(&["account", "get-access-token", "-u", &id, "--certificate", file]);

    let refused = hilum.run(&["account", "get-access-token", "-u", &id, "-p", "wrong"]);
    assert_eq!((refused.code, refused.err.contains("AADSTS7000215")), (1, true), "{}", refused.err);
    let report: Value = serde_json::from_str(&hilum.ok(&["doctor"])).unwrap();
    let server_check =
        report.as_array().unwrap().iter().find(|finding| finding["check"] == "server").unwrap();
    assert_eq!(server_check["status"], "ok");

    let (url, metrics) = (server.announced().url.clone(), server.announced().metrics_url.clone().unwrap());
    assert!(
        url.starts_with("https://localhost:") && metrics.starts_with("http://127.0.0.1:"),
        "{url} {metrics}"
    );
    let (code, log) = server.terminate();
    assert_eq!(code, 0, "{log}");
    assert!(!hilum.data().join("run/server.json").exists());
    assert!(log.contains("One-time password"), "{log}");
}
