//! A resource application of one's own as the DICOM service's audience, as the open-source server's guides set it up; and
//! roles of one's own, by configuration and by the API.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

use axum::{body::Body, http::Request};
use hilum::config::{Config, RoleDefinitionSettings};
use hilum_audit::Actor;
use hilum_identity::{
    ClientCredential, Holder, IdentityError, NewAppRoleAssignment, NewRoleAssignment, NewRoleDefinition,
    PrincipalRef,
};
use hilum_kernel::Secret;
use hilum_storage::contract::databases;
use hilum_testkit::{App, ServiceClient};
use serde_json::{Map, Value};

const AUDIENCE: &str = "https://imaging.hilum.local";
const READER: &str = "00000000-0000-0000-0000-0000000000a1";

fn config() -> Config {
    let role = |name: &str, action: &str| RoleDefinitionSettings {
        name: name.to_owned(),
        data_actions: vec![action.to_owned()],
        not_data_actions: Vec::new(),
    };
    let mut config = Config::default();
    config.dicom.audiences = vec![AUDIENCE.to_owned()];
    config.dicom.role_definitions = vec![role("globalReader", "read"), role("globalAdmin", "*")];
    config
}

fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

async fn token_for(app: &App, client: &ServiceClient, resource: &str) -> String {
    let secret = ClientCredential::Secret(Secret::new(client.secret.clone()));
    let id = client.app_id.parse().unwrap();
    let token = app.house.identity.acquire_token_for_client(id, secret, resource).await.unwrap();
    token.token.expose().clone()
}

/// The statuses of a search and of a store that has nothing to store: 403 where the right is missing.
async fn may(app: &App, token: &str) -> (u16, u16) {
    let store = Request::post("/dicom/v2/studies")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/dicom")
        .header("accept", "application/dicom+json")
        .body(Body::from("no DICOM"))
        .unwrap();
    let search = app.get("/dicom/v2/studies", Some(token)).await.status.as_u16();
    (search, app.send(store).await.status.as_u16())
}

#[tokio::test]
async fn the_guides_resource_application_guards_the_service() {
    for database in databases().await {
        let app = App::on(database, config()).await;
        let (identity, actor) = (&app.house.identity, Actor::operator());
        let text = format!(
            r#"{{"displayName":"Imaging","identifierUris":["{AUDIENCE}"],"appRoles":[
                {{"id":"{READER}","value":"globalReader","displayName":"Readers","description":"Read.",
                    "allowedMemberTypes":["User","Application"],"isEnabled":true}}],
                "api":{{"requestedAccessTokenVersion":2,"oauth2PermissionScopes":[
                {{"id":"00000000-0000-0000-0000-0000000000a2","value":"user_impersonation","type":"User",
                    "isEnabled":true,"adminConsentDisplayName":"Use it","adminConsentDescription":"Use it."}}]}}}}"#
        );
        let resource = identity.create_application(&actor, &members(&text)).await.unwrap();
        let resource_id = resource.app_id.to_string();
        let resource = identity.create_service_principal(&actor, resource_id.as_str()).await.unwrap();
        let reader = app.service_client("reader", None).await;
        let nobody = app.service_client("nobody", None).await;
        let principal = identity.find_service_principal(reader.app_id.as_str()).await.unwrap();
        let new = NewAppRoleAssignment {
            principal_id: principal.id,
            resource_id: resource.id,
            app_role_id: READER.parse().unwrap(),
        };
        identity.create_app_role_assignment(&actor, new).await.unwrap();

        // A version 2 token names the resource by its appId, which was not configured: only the URI was.
        let token = token_for(&app, &reader, AUDIENCE).await;
        assert_eq!(may(&app, &token).await.0, 401);
        let change = members(r#"{"api":{"requestedAccessTokenVersion":1}}"#);
        identity.update_application(&actor, resource_id.as_str(), &change).await.unwrap();
        let token = token_for(&app, &reader, AUDIENCE).await;
        let (search, store) = may(&app, &token).await;
        assert!(search == 200 || search == 204, "{search}");
        assert_eq!(store, 403);
        let token = token_for(&app, &nobody, AUDIENCE).await;
        assert_eq!(may(&app, &token).await, (403, 403));
        // What the configuration names as audience is guarded.
        let kept = identity.delete_application(&actor, resource_id.as_str()).await.unwrap_err();
        assert!(kept.to_string().contains("take it out of the configuration first"), "{kept}");
        let client = identity.find_service_principal(nobody.app_id.as_str()).await.unwrap();
        let changed = identity
            .acting(Holder::Application(client.id))
            .update_application(&actor, resource_id.as_str(), &members(&text))
            .await;
        assert!(matches!(changed, Err(IdentityError::Denied(_))), "{changed:?}");
        app.close().await;
    }
}

#[tokio::test]
async fn roles_of_the_configuration_and_of_the_api_are_honoured() {
    for database in databases().await {
        let app = App::on(database, config()).await;
        let (identity, actor) = (&app.house.identity, Actor::operator());
        let new = NewRoleDefinition {
            name: "Night shift".to_owned(),
            data_actions: vec!["read".to_owned(), "write".to_owned()],
            not_data_actions: vec!["write".to_owned()],
            ..NewRoleDefinition::default()
        };
        let id = "00000000-0000-0000-0000-0000000000b1".parse().unwrap();
        identity.put_role_definition(&actor, id, new.clone()).await.unwrap();
        for (name, may_store) in [("globalReader", false), ("globalAdmin", true), ("Night shift", false)] {
            let client = app.service_client(name, Some(name)).await;
            let token = token_for(&app, &client, "https://dicom.healthcareapis.azure.com").await;
            let (search, store) = may(&app, &token).await;
            assert!(search == 200 || search == 204, "{name}: {search}");
            assert_eq!(store != 403, may_store, "{name}: {store}");
        }
        // A change of the role works for the next token; nothing has to start anew.
        let writer = NewRoleDefinition { not_data_actions: Vec::new(), ..new };
        identity.put_role_definition(&actor, id, writer).await.unwrap();
        let client = app.service_client("later", None).await;
        let assignment = NewRoleAssignment {
            role: "Night shift".to_owned(),
            principal: PrincipalRef::Assignee(client.app_id.clone()),
            scope: "/".to_owned(),
        };
        identity.create_role_assignment(&actor, assignment).await.unwrap();
        let token = token_for(&app, &client, "https://dicom.healthcareapis.azure.com").await;
        assert_ne!(may(&app, &token).await.1, 403);
        app.close().await;
    }
}
