//! Policies through the management API, and what tokens and sessions make of them.

use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    DICOM_APP_ID,
    graph::tests::Session,
    oauth::token::{
        tests::form,
        user_tests::{ALL_WORDS, refresh_token},
    },
    testing::{Client, Fixture, GUID, fixtures},
};

const SCOPE: &str = "https://dicom.healthcareapis.azure.com/.default";
const ALL: &str = "/policies/tokenLifetimePolicies";

fn definition(members: &Value) -> Value {
    json!([json!({ "TokenLifetimePolicy": members }).to_string()])
}

fn policy(name: &str, members: &Value) -> Value {
    json!({"displayName": name, "definition": definition(members)})
}

fn default_policy(members: &Value) -> Value {
    let mut policy = policy("everybody", members);
    policy["isOrganizationDefault"] = true.into();
    policy
}

fn snapshot(name: &str, value: &Value) {
    insta::with_settings!({filters => vec![(GUID, "[guid]")], snapshot_path => "snapshots"}, {
        insta::assert_json_snapshot!(name, value);
    });
}

impl Fixture {
    async fn made(&self, session: &Session<'_>, body: Value) -> String {
        let made = session.post(ALL, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn assigned(&self, session: &Session<'_>, app_id: &str, policy: &str) {
        let path = format!("/applications(appId='{app_id}')/tokenLifetimePolicies/$ref");
        let reference = format!("https://graph.microsoft.com/v1.0{ALL}/{policy}");
        let answer = session.post(&path, json!({"@odata.id": reference})).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    }

    /// The answer to a service client on the v2.0 endpoint.
    async fn service_token(&self, client: &Client) -> Value {
        let id = client.id();
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &id),
            ("client_secret", client.secret()),
            ("scope", SCOPE),
        ];
        self.v2(&fields).await.json()
    }
}

#[tokio::test]
async fn policies_are_kept_as_graph_keeps_them() {
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        assert_eq!(admin.get(ALL).await.json()["value"], json!([]));
        let made = admin
            .post(ALL, policy("Long shifts", &json!({"Version": 1, "AccessTokenLifetime": "8:00:00"})))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        snapshot("policy_made", &made.json());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let path = format!("{ALL}/{id}");
        assert_eq!(admin.get(&path).await.json(), made.json());

        let change =
            json!({"displayName": "Longer shifts", "description": "Night", "isOrganizationDefault": true});
        assert_eq!(admin.patch(&path, change).await.status, StatusCode::NO_CONTENT);
        let listed = admin.get(&format!("{ALL}?$filter=isOrganizationDefault%20eq%20true")).await.json();
        snapshot("policies_listed", &listed);
        let second = admin.post(ALL, default_policy(&json!({}))).await;
        assert_eq!(
            second.status,
            StatusCode::BAD_REQUEST,
            "one policy is the organisation's: {}",
            second.text
        );
        assert!(second.text.contains("isOrganizationDefault"), "{}", second.text);

        let application = format!("/applications/{}", client.application.object_id);
        let own = format!("{application}/tokenLifetimePolicies");
        fixture.assigned(&admin, &client.id(), &id).await;
        let assigned = admin.get(&own).await.json();
        assert_eq!(assigned["value"][0]["id"], json!(id));
        let applies = admin.get(&format!("{path}/appliesTo?$select=appId,displayName")).await.json();
        snapshot("policy_applies_to", &applies);
        let reference = |id: &str| json!({"@odata.id": format!("https://localhost:8443/v1.0{ALL}/{id}")});
        let again = admin.post(&format!("{own}/$ref"), reference(&id)).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{}", again.text);
        let other = fixture.made(&admin, policy("other", &json!({}))).await;
        let second = admin.post(&format!("{own}/$ref"), reference(&other)).await;
        assert_eq!(second.status, StatusCode::BAD_REQUEST, "one for an application: {}", second.text);
        assert!(second.text.contains("ObjectConflict"), "{}", second.text);
        let gone = "99999999-0000-4000-8000-00000000000a";
        let unknown = admin.post(&format!("{own}/$ref"), reference(gone)).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text);

        assert_eq!(admin.delete(&format!("{own}/{other}/$ref")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(admin.delete(&format!("{own}/{id}/$ref")).await.status, StatusCode::NO_CONTENT);
        assert_eq!(admin.get(&own).await.json()["value"], json!([]));
        fixture.assigned(&admin, &client.id(), &id).await;
        assert_eq!(admin.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(admin.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(admin.get(&own).await.json()["value"], json!([]), "who had it falls back");
        assert_eq!(admin.delete(&path).await.status, StatusCode::NOT_FOUND);

        let trail: Vec<String> = fixture.trail().await;
        let told: Vec<&String> =
            trail.iter().filter(|line| line.starts_with("identity.policy.changed success")).collect();
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(told[0].contains("made: {\"TokenLifetimePolicy\""), "{told:?}");
        assert!(told[1].contains("changed for the organisation"), "{told:?}");
        assert!(told[2].contains(&format!("assigned to application {}", client.id())), "{told:?}");
    }
}

#[tokio::test]
async fn what_would_not_be_done_is_refused() {
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        for (body, property) in [
            (json!({"displayName": "x"}), "definition"),
            (json!({"displayName": "x", "definition": ["{}"]}), "definition"),
            (json!({"displayName": "x", "definition": ["{}", "{}"]}), "definition"),
            (json!({"displayName": "x", "definition": "{}"}), "definition"),
            (policy("", &json!({})), "displayName"),
            (policy(&"x".repeat(257), &json!({})), "displayName"),
            (policy("x", &json!({"AccessTokenLifetime": "0:09:59"})), "AccessTokenLifetime"),
            (policy("x", &json!({"AccessTokenLifetime": "24:00:01"})), "AccessTokenLifetime"),
            (policy("x", &json!({"MaxAgeSessionSingleFactor": "1:00:00"})), "MaxAgeSessionSingleFactor"),
            (json!({"displayName": "x", "definition": definition(&json!({})), "id": "x"}), "id"),
        ] {
            let refused = admin.post(ALL, body.clone()).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}: {}", refused.text);
            assert!(refused.text.contains(property), "{body}: {}", refused.text);
        }
        let id = fixture.made(&admin, policy("x", &json!({}))).await;
        let changed = admin.patch(&format!("{ALL}/{id}"), json!({"definition": ["nothing"]})).await;
        assert_eq!(changed.status, StatusCode::BAD_REQUEST, "{}", changed.text);
        assert_eq!(admin.get(&format!("{ALL}/nothing")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn owners_do_not_decide_and_the_data_services_application_is_looked_after() {
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        let id = fixture.made(&admin, policy("x", &json!({}))).await;
        let (owner, client) = (fixture.signer("owner", false).await, fixture.client("client").await);
        let own = format!("/applications/{}/tokenLifetimePolicies", client.application.object_id);
        let reference = json!({"@odata.id": format!("https://localhost:8443/v1.0{ALL}/{id}")});
        let owners = format!("/applications/{}/owners/$ref", client.application.object_id);
        let body = json!({"@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{}", owner.id)});
        assert_eq!(admin.post(&owners, body).await.status, StatusCode::NO_CONTENT);
        let session = fixture
            .as_user(&owner, "Application.ReadWrite.All Policy.ReadWrite.ApplicationConfiguration")
            .await;
        assert_eq!(session.get(&own).await.status, StatusCode::OK, "owners see it");
        assert_eq!(
            session.post(&format!("{own}/$ref"), reference.clone()).await.status,
            StatusCode::FORBIDDEN
        );
        assert_eq!(session.post(ALL, policy("y", &json!({}))).await.status, StatusCode::FORBIDDEN);

        fixture.give(&owner, "Application Administrator").await;
        assert_eq!(
            session.post(&format!("{own}/$ref"), reference.clone()).await.status,
            StatusCode::NO_CONTENT
        );
        let dicom = format!("/applications(appId='{DICOM_APP_ID}')/tokenLifetimePolicies/$ref");
        let refused = session.post(&dicom, reference.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert_eq!(admin.post(&dicom, reference).await.status, StatusCode::NO_CONTENT);
        let remove = format!("/applications(appId='{DICOM_APP_ID}')/tokenLifetimePolicies/{id}/$ref");
        assert_eq!(session.call(Method::DELETE, &remove, None).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_next_token_lives_as_the_policies_say() {
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let plain = fixture.service_token(&client).await;
        assert!((3599..=5399).contains(&plain["expires_in"].as_i64().unwrap()), "{plain}");
        assert_eq!(plain.get("refresh_in"), None);

        let everybody =
            fixture.made(&admin, default_policy(&json!({"AccessTokenLifetime": "8:00:00"}))).await;
        let long = fixture.service_token(&client).await;
        assert_eq!(
            (&long["expires_in"], &long["ext_expires_in"], &long["refresh_in"]),
            (&json!(28_799), &json!(28_799), &json!(14_399))
        );
        let id = client.id();
        let v1 = form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &id),
            ("client_secret", client.secret()),
            ("resource", "https://dicom.healthcareapis.azure.com"),
        ]);
        let v1 = fixture.post("/contoso.local/oauth2/token", v1).await;
        assert_eq!((&v1.json()["expires_in"], &v1.json()["refresh_in"]), (&json!("28799"), &json!("14399")));
        let claims = fixture.claims(&v1).await;
        let lived = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(lived, 28_800 + 300, "what is told is what is signed");

        let short = fixture.made(&admin, policy("short", &json!({"AccessTokenLifetime": "0:30:00"}))).await;
        fixture.assigned(&admin, &client.id(), &short).await;
        assert_eq!(
            fixture.service_token(&client).await["expires_in"],
            1799,
            "the application's before the tenant's"
        );
        let other = fixture.client("other").await;
        assert_eq!(fixture.service_token(&other).await["expires_in"], 28_799);
        let shorter =
            fixture.made(&admin, policy("shorter", &json!({"AccessTokenLifetime": "0:15:00"}))).await;
        fixture.assigned(&admin, &DICOM_APP_ID.to_string(), &shorter).await;
        assert_eq!(
            fixture.service_token(&client).await["expires_in"],
            899,
            "of client and resource the shorter"
        );
        assert_eq!(fixture.service_token(&other).await["expires_in"], 899);

        let node = fixture.restarted();
        let acquired = node
            .acquire_token_for_client(
                client.application.app_id,
                crate::ClientCredential::Secret(hilum_kernel::Secret::new(client.secret().to_owned())),
                SCOPE,
            )
            .await
            .unwrap();
        let now = crate::timestamp(hilum_kernel::Clock::now_ms(&*fixture.clock));
        assert_eq!(acquired.expires_at.duration_since(now), SignedDuration::from_mins(15), "on every node");

        for id in [&short, &shorter, &everybody] {
            assert_eq!(admin.delete(&format!("{ALL}/{id}")).await.status, StatusCode::NO_CONTENT);
        }
        assert!(
            fixture.service_token(&client).await["expires_in"].as_i64().unwrap() >= 3599,
            "back to where it was"
        );
    }
}

#[tokio::test]
async fn users_sessions_go_on_as_the_policies_say() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let begun = fixture.password(&id, ALL_WORDS).await;
        assert_eq!(begun.json()["expires_in"], 3599, "public clients get the least");
        let token = refresh_token(&begun);

        // How long it may rest: 30 days where nobody says otherwise.
        fixture.clock.advance(SignedDuration::from_hours(30 * 24 - 1));
        let rested = fixture.refresh(&id, &token).await;
        let token = refresh_token(&rested);
        let admin = fixture.as_admin_with_all_scopes().await;
        let everybody =
            fixture.made(&admin, default_policy(&json!({"PublicMaxInactiveTime": "7.00:00:00"}))).await;
        let path = format!("{ALL}/{everybody}");
        fixture.clock.advance(SignedDuration::from_hours(7 * 24));
        assert_eq!(fixture.refresh(&id, &token).await.code(), 700_082, "counts for tokens of before, too");
        let change = json!({"definition": definition(&json!({"MaxInactiveTime": "8.00:00:00"}))});
        assert_eq!(
            fixture.as_admin_with_all_scopes().await.patch(&path, change).await.status,
            StatusCode::NO_CONTENT
        );
        let token = refresh_token(&fixture.refresh(&id, &token).await);

        // How old the sign-in may be.
        let admin = fixture.as_admin_with_all_scopes().await;
        let change = json!({"definition": definition(&json!({"MaxAgeSingleFactor": "1.00:00:00"}))});
        assert_eq!(admin.patch(&path, change).await.status, StatusCode::NO_CONTENT);
        let refused = fixture.refresh(&id, &token).await;
        assert_eq!((refused.code(), &refused.json()["error"]), (70_043, &json!("invalid_grant")));
        assert_eq!(refused.json().get("suberror"), None);
        let freed =
            fixture.made(&admin, policy("freed", &json!({"MaxAgeSingleFactor": "until-revoked"}))).await;
        fixture.assigned(&admin, &id, &freed).await;
        let token = refresh_token(&fixture.refresh(&id, &token).await);
        assert_eq!(admin.delete(&format!("{ALL}/{freed}")).await.status, StatusCode::NO_CONTENT);
        let fresh = refresh_token(&fixture.password(&id, ALL_WORDS).await);
        refresh_token(&fixture.refresh(&id, &fresh).await);

        // Whether there are any.
        let change = json!({"definition": definition(&json!({"PublicRefreshTokens": false}))});
        assert_eq!(admin.patch(&path, change).await.status, StatusCode::NO_CONTENT);
        let refused = fixture.refresh(&id, &token).await;
        assert_eq!((refused.code(), &refused.json()["error"]), (70_000, &json!("invalid_grant")));
        let none = fixture.password(&id, ALL_WORDS).await;
        assert_eq!((none.status, none.json().get("refresh_token")), (StatusCode::OK, None), "{}", none.text);
        assert!(none.json()["id_token"].is_string());
        assert_eq!(admin.delete(&path).await.status, StatusCode::NO_CONTENT);
        refresh_token(&fixture.refresh(&id, &token).await);
    }
}

#[tokio::test]
async fn deleted_applications_keep_their_policy_until_they_are_gone() {
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let id = fixture.made(&admin, policy("x", &json!({}))).await;
        fixture.assigned(&admin, &client.id(), &id).await;
        let object = client.application.object_id;
        let applies = format!("{ALL}/{id}/appliesTo");
        assert_eq!(admin.delete(&format!("/applications/{object}")).await.status, StatusCode::NO_CONTENT);
        assert_eq!(admin.get(&applies).await.json()["value"], json!([]));
        let restored = admin.post(&format!("/directory/deletedItems/{object}/restore"), json!({})).await;
        assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
        assert_eq!(admin.get(&applies).await.json()["value"][0]["id"], json!(object.to_string()));
        assert_eq!(admin.delete(&format!("/applications/{object}")).await.status, StatusCode::NO_CONTENT);
        let gone = admin.delete(&format!("/directory/deletedItems/{object}")).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let left = tx.fetch_all("SELECT app_id FROM token_lifetime_assignment LIMIT 9", &[]).await.unwrap();
        assert!(left.is_empty());
    }
}
