//! The on-behalf-of grant on the wire: a viewer's service that asks the archive for its user.

use hilum_kernel::ObjectId;
use jiff::SignedDuration;
use serde_json::json;

use super::tests::form;
use crate::{
    NewPermissionGrant, User, UserChange,
    oauth::tests::Answer,
    sign_in::tests::PASSWORD,
    testing::{Client, Fixture, actor, fixtures, members},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DICOM: &str = "https://dicom.healthcareapis.azure.com";
const READ: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read openid profile offline_access";
const OWN: &str = "/contoso.local/oauth2/v2.0/token";

/// A desktop that calls a service that calls the archive.
pub(crate) struct Chain {
    pub(crate) user: User,
    pub(crate) desktop: String,
    /// The service in the middle, which has an API of its own.
    pub(crate) middle: Client,
    name: String,
}

impl Fixture {
    pub(crate) async fn chain(&self, version: u8) -> Chain {
        let user = self.signer("ada", false).await;
        self.give(&user, "DICOM Data Reader").await;
        let middle = self.client("middle").await;
        let name = format!("api://{}", middle.id());
        let api = format!(
            r#"{{"identifierUris":["{name}"],"api":{{"requestedAccessTokenVersion":{version},"oauth2PermissionScopes":[
                {{"id":"11111111-2222-3333-4444-555555555555","value":"View","type":"User","isEnabled":true,
                  "adminConsentDisplayName":"View","adminConsentDescription":"View."}}]}}}}"#
        );
        self.identity.update_application(&actor(), &middle.id(), &members(&api)).await.unwrap();
        let desktop = self.desktop("").await.app_id.to_string();
        let new = NewPermissionGrant {
            client: desktop.clone(),
            resource: middle.id(),
            scopes: vec!["View".to_owned()],
            principal: None,
        };
        self.identity.grant_permissions(&actor(), new).await.unwrap();
        Chain { user, desktop, middle, name }
    }

    /// What the desktop is given for the service.
    pub(crate) async fn for_middle(&self, chain: &Chain, more: &str) -> Answer {
        let scope = format!("{}/View openid {more}", chain.name);
        let fields = [
            ("grant_type", "password"),
            ("client_id", &chain.desktop),
            ("username", &chain.user.user_principal_name),
            ("password", PASSWORD),
            ("scope", &scope),
        ];
        self.v2(&fields).await
    }

    async fn on_behalf(&self, chain: &Chain, assertion: &str, changes: &[(&str, &str)]) -> Answer {
        self.post(OWN, on_behalf(chain, assertion, changes)).await
    }
}

fn on_behalf(chain: &Chain, assertion: &str, changes: &[(&str, &str)]) -> String {
    let id = chain.middle.id();
    let mut fields = vec![
        ("grant_type", GRANT),
        ("client_id", &id),
        ("client_secret", chain.middle.secret()),
        ("assertion", assertion),
        ("requested_token_use", "on_behalf_of"),
        ("scope", READ),
    ];
    for change in changes {
        fields.retain(|(name, _)| *name != change.0);
        fields.push(*change);
    }
    form(&fields)
}

pub(crate) fn token(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[tokio::test]
async fn a_service_acts_for_the_user_who_called_it() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        fixture.consent(&chain.middle.id(), "Dicom.Read", None).await;
        let called = fixture.for_middle(&chain, "").await;
        let assertion = token(&called, "access_token");
        let answer = fixture.on_behalf(&chain, &assertion, &[]).await;
        let claims = fixture.claims(&answer).await;
        assert_eq!(claims["oid"], chain.user.id.to_string());
        assert_eq!((&claims["aud"], &claims["appid"]), (&json!(DICOM), &json!(chain.middle.id())));
        assert_eq!((&claims["appidacr"], &claims["scp"]), (&json!("1"), &json!("Dicom.Read")));
        assert_eq!(claims["roles"], json!(["DICOM Data Reader"]), "the user's roles, not the service's");
        assert!(claims.get("idtyp").is_none());
        assert_eq!(answer.json()["scope"], READ);
        let id_claims = fixture.id_claims(&answer).await;
        assert_eq!(id_claims["aud"], chain.middle.id());
        // A session of the service's own.
        let refresh = token(&answer, "refresh_token");
        let secret = chain.middle.secret();
        let again = [
            ("grant_type", "refresh_token"),
            ("client_id", &chain.middle.id()),
            ("client_secret", secret),
            ("refresh_token", &refresh),
        ];
        let refreshed = fixture.claims(&fixture.v2(&again).await).await;
        assert_eq!(refreshed["oid"], claims["oid"]);
        let no_offline =
            fixture.on_behalf(&chain, &assertion, &[("scope", &format!("{DICOM}/.default"))]).await;
        assert!(no_offline.json().get("refresh_token").is_none());
        assert_eq!(fixture.claims(&no_offline).await["scp"], "Dicom.Read");
        // The v1 endpoint asks by resource.
        let body = on_behalf(&chain, &assertion, &[("scope", ""), ("resource", DICOM)]);
        let v1 = fixture.post("/contoso.local/oauth2/token", body).await;
        assert_eq!(fixture.claims(&v1).await["aud"], DICOM);
        assert!(v1.json()["expires_in"].is_string());
        let trail = fixture.final_trail().await;
        assert!(trail.iter().any(|line| line.contains("identity.token.issued success") && line.contains("scp Dicom.Read")));
    }
}

#[tokio::test]
async fn version_1_tokens_name_the_service_by_its_uri() {
    for fixture in fixtures().await {
        let chain = fixture.chain(1).await;
        fixture.consent(&chain.middle.id(), "Dicom.Read", Some(&chain.user)).await;
        let called = fixture.for_middle(&chain, "").await;
        assert_eq!(fixture.claims(&called).await["aud"], chain.name);
        let assertion = token(&called, "access_token");
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.status, 200);
        // The name is another application's now: its tokens are, too.
        let taken = r#"{"identifierUris":[]}"#;
        fixture.identity.update_application(&actor(), &chain.middle.id(), &members(taken)).await.unwrap();
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 500_131);
    }
}

#[tokio::test]
async fn consent_is_the_services_own() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let assertion = token(&fixture.for_middle(&chain, "").await, "access_token");
        // What the desktop may do is nothing the service may do.
        fixture.consent(&chain.desktop, "Dicom.Read", None).await;
        for scope in [READ, "https://dicom.healthcareapis.azure.com/.default"] {
            let refused = fixture.on_behalf(&chain, &assertion, &[("scope", scope)]).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (400, 65_001), "{}", refused.text);
            assert_eq!(refused.json()["error"], "invalid_grant");
            assert_eq!(refused.json()["suberror"], "consent_required");
        }
        // A resource that trusts the service asks nobody.
        let id = chain.middle.id();
        let other = format!(
            r#"{{"displayName":"reports","identifierUris":["api://reports"],"api":{{"oauth2PermissionScopes":[
                {{"id":"21111111-2222-3333-4444-555555555555","value":"Use","type":"User","isEnabled":true,
                  "adminConsentDisplayName":"Use","adminConsentDescription":"Use it."}}],
                "preAuthorizedApplications":[{{"appId":"{id}",
                  "delegatedPermissionIds":["21111111-2222-3333-4444-555555555555"]}}]}}}}"#
        );
        let other = other.replace("api://reports", &format!("api://{}/reports", fixture.tid().await));
        let other = fixture.identity.create_application(&actor(), &members(&other)).await.unwrap();
        fixture.identity.create_service_principal(&actor(), &other.app_id.to_string()).await.unwrap();
        let answer =
            fixture.on_behalf(&chain, &assertion, &[("scope", &format!("{}/Use", other.app_id))]).await;
        assert_eq!(fixture.claims(&answer).await["scp"], "Use");
    }
}

#[tokio::test]
async fn only_a_living_access_token_of_a_user_made_for_the_service_is_taken() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let id = chain.middle.id();
        fixture.consent(&id, "Dicom.Read", None).await;
        fixture.consent(&chain.desktop, "Dicom.Read", None).await;
        let called = fixture.for_middle(&chain, "").await;
        let assertion = token(&called, "access_token");

        let id_token = token(&called, "id_token");
        let own_id_token = token(&fixture.on_behalf(&chain, &assertion, &[]).await, "id_token");
        let for_archive = fixture
            .v2(&[
                ("grant_type", "password"),
                ("client_id", &chain.desktop),
                ("username", &chain.user.user_principal_name),
                ("password", PASSWORD),
                ("scope", READ),
            ])
            .await;
        let app_only = fixture
            .v2(&[
                ("grant_type", "client_credentials"),
                ("client_id", &id),
                ("client_secret", chain.middle.secret()),
                ("scope", &format!("{id}/.default")),
            ])
            .await;
        let (head, signature) = assertion.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{head}.{other}{}", &signature[1..]);
        let unsigned = format!(
            "{}.{}.",
            hilum_jose::base64url_encode(r#"{"alg":"none","typ":"JWT"}"#),
            head.split_once('.').unwrap().1
        );
        for (text, code, error) in [
            ("not.a.token", 50_027, "invalid_request"),
            ("", 900_144, "invalid_request"),
            (&unsigned, 50_027, "invalid_request"),
            (&forged, 50_013, "invalid_grant"),
            (&id_token, 50_013, "invalid_grant"),
            (&own_id_token, 50_013, "invalid_grant"),
            (&token(&for_archive, "refresh_token"), 50_027, "invalid_request"),
            (&token(&for_archive, "access_token"), 500_131, "invalid_grant"),
            (&token(&app_only, "access_token"), 7_000_114, "unauthorized_client"),
            (&"x".repeat(60_000), 50_027, "invalid_request"),
        ] {
            let refused = fixture.on_behalf(&chain, text, &[]).await;
            assert_eq!((refused.code(), &refused.json()["error"]), (code, &json!(error)), "{}", refused.text);
        }
    }
}

#[tokio::test]
async fn the_request_is_the_services_own() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        fixture.consent(&chain.middle.id(), "Dicom.Read", None).await;
        let assertion = token(&fixture.for_middle(&chain, "").await, "access_token");
        for (changes, code) in [
            (&[("requested_token_use", "")][..], 900_144),
            (&[("requested_token_use", "exchange")], 90_100),
            (&[("client_secret", "")], 7_000_218),
            (&[("client_secret", "wrong")], 7_000_215),
            (&[("client_id", chain.desktop.as_str()), ("client_secret", "")], 7_000_218),
            (&[("scope", "https://unknown/Read")], 500_011),
            (&[("scope", "")], 900_144),
        ] {
            let refused = fixture.on_behalf(&chain, &assertion, changes).await;
            assert_eq!(refused.code(), code, "{changes:?} {}", refused.text);
        }
        let page = fixture
            .post_with(OWN, on_behalf(&chain, &assertion, &[]), &[("origin", "https://app.example")])
            .await;
        assert_eq!(page.code(), 9_002_326);
        let common = fixture.post("/common/oauth2/v2.0/token", on_behalf(&chain, &assertion, &[])).await;
        assert_eq!(common.code(), 50_194);
        // Another service got hold of it.
        let thief = Chain { middle: fixture.client("thief").await, ..chain };
        assert_eq!(fixture.on_behalf(&thief, &assertion, &[]).await.code(), 500_131);
        let chain = Chain { middle: fixture.client("x").await, ..thief };
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 500_131);
        let trail = fixture.final_trail().await;
        assert!(
            trail.iter().any(|line| line.contains("identity.token.refused") && line.contains("AADSTS500131"))
        );
    }
}

#[tokio::test]
async fn nothing_new_comes_of_a_token_whose_time_user_or_session_is_over() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        fixture.consent(&chain.middle.id(), "Dicom.Read", None).await;
        // Its session is robbed, and ends.
        let called = fixture.for_middle(&chain, "offline_access").await;
        let (assertion, first) = (token(&called, "access_token"), token(&called, "refresh_token"));
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.status, 200);
        fixture.refresh(&chain.desktop, &first).await;
        fixture.clock.advance(SignedDuration::from_secs(31));
        assert_eq!(fixture.refresh(&chain.desktop, &first).await.code(), 70_000);
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 50_173);

        let fresh = fixture.for_middle(&chain, "").await;
        let assertion = token(&fresh, "access_token");
        let life = fresh.json()["expires_in"].as_i64().unwrap();
        let given = fixture.on_behalf(&chain, &assertion, &[]).await;
        fixture.clock.advance(SignedDuration::from_secs(life + 1));
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 500_133);

        let assertion = token(&fixture.for_middle(&chain, "").await, "access_token");
        fixture.clock.advance(SignedDuration::from_millis(1));
        let id = ObjectId::new(chain.user.id.uuid()).to_string();
        let new = UserChange {
            password: Some(hilum_kernel::Secret::new("another long password 2".to_owned())),
            ..UserChange::default()
        };
        fixture.identity.update_user(&actor(), &id, new).await.unwrap();
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 50_173);
        // What the service got before has ended with it.
        let refresh = token(&given, "refresh_token");
        let again = [
            ("grant_type", "refresh_token"),
            ("client_id", &chain.middle.id()),
            ("client_secret", chain.middle.secret()),
            ("refresh_token", &refresh),
        ];
        assert_eq!(fixture.v2(&again).await.code(), 50_173);
        let off = UserChange { account_enabled: Some(false), ..UserChange::default() };
        fixture.identity.update_user(&actor(), &id, off).await.unwrap();
        assert_eq!(fixture.on_behalf(&chain, &assertion, &[]).await.code(), 50_057);
    }
}
