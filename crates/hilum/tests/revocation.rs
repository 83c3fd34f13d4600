//! What is taken away is missing from the next token; what was issued holds until it expires (docs/src/security.md).
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

use hilum_audit::Actor;
use hilum_identity::{ClientCredential, PrincipalRef, RoleAssignmentFilter, ServicePrincipalChange};
use hilum_kernel::Secret;
use hilum_testkit::{App, Authentication, ServiceClient, apps};
use jiff::SignedDuration;

const STUDIES: &str = "/dicom/v2/studies";

async fn search(app: &App, token: &str) -> u16 {
    app.get(STUDIES, Some(token)).await.status.as_u16()
}

async fn refusal(app: &App, client: &ServiceClient) -> u64 {
    let answer = app.ask_token(&client.app_id, Authentication::Secret(&client.secret)).await;
    answer.json().pointer("/error_codes/0").and_then(serde_json::Value::as_u64).unwrap_or_default()
}

async fn enable(app: &App, client: &ServiceClient, enabled: bool) {
    let change =
        ServicePrincipalChange { account_enabled: Some(enabled), ..ServicePrincipalChange::default() };
    let identity = &app.house.identity;
    identity.update_service_principal(&Actor::operator(), &client.app_id, &change).await.unwrap();
}

#[tokio::test]
async fn a_role_that_is_taken_away_lasts_as_long_as_the_token() {
    for app in apps().await {
        let client = app.service_client("archive", Some("DICOM Data Owner")).await;
        let token = app.token(&client).await;
        assert_eq!(search(&app, &token).await, 204);
        let filter = RoleAssignmentFilter {
            principal: Some(PrincipalRef::Assignee(client.app_id.clone())),
            ..RoleAssignmentFilter::default()
        };
        let identity = &app.house.identity;
        assert_eq!(identity.delete_role_assignments(&Actor::operator(), &filter).await.unwrap(), 1);
        assert_eq!(search(&app, &token).await, 204, "the token still says so");
        let next = app.token(&client).await;
        assert_eq!(search(&app, &next).await, 403, "the next one does not");
        // 90 minutes at most, and five of leeway.
        app.clock.advance(SignedDuration::from_mins(96));
        assert_eq!(search(&app, &token).await, 401);
        app.close().await;
    }
}

#[tokio::test]
async fn a_disabled_client_gets_no_new_token_and_is_refused_by_the_management_api_at_once() {
    for app in apps().await {
        let client = app.service_client("archive", Some("DICOM Data Owner")).await;
        let secret = ClientCredential::Secret(Secret::new(client.secret.clone()));
        let identity = &app.house.identity;
        let graph = "https://graph.microsoft.com/.default";
        let graph = identity.acquire_token_for_client(client.app_id.parse().unwrap(), secret, graph).await;
        let graph = graph.unwrap().token;
        let token = app.token(&client).await;
        let at_graph =
            async |app: &App| app.get("/v1.0/applications", Some(graph.expose())).await.status.as_u16();
        assert_eq!(at_graph(&app).await, 403, "known, and without a permission");
        enable(&app, &client, false).await;
        assert_eq!(refusal(&app, &client).await, 7_000_112);
        assert_eq!(search(&app, &token).await, 204, "the data service believes the token");
        assert_eq!(at_graph(&app).await, 401);
        enable(&app, &client, true).await;
        assert_eq!((refusal(&app, &client).await, at_graph(&app).await), (0, 403));
        identity.delete_service_principal(&Actor::operator(), client.app_id.as_str()).await.unwrap();
        assert_eq!((refusal(&app, &client).await, at_graph(&app).await), (700_016, 401));
        assert_eq!(search(&app, &token).await, 204);
        app.close().await;
    }
}
