//! What a service may ask about tokens, and what it is told.

use hilum_kernel::Secret;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    tests::Answer,
    token::{
        on_behalf_of_tests::{Chain, token},
        tests::{form, snapshot},
    },
};
use crate::{
    ServicePrincipalChange, UserChange,
    testing::{Client, Fixture, actor, fixtures, members},
};

const INTROSPECT: &str = "/contoso.local/oauth2/v2.0/introspect";

impl Fixture {
    async fn introspect(&self, client: &Client, token: &str) -> Answer {
        let fields = [("client_id", &*client.id()), ("client_secret", client.secret()), ("token", token)];
        self.post(INTROSPECT, form(&fields)).await
    }

    async fn is_active(&self, client: &Client, token: &str) -> bool {
        let answer = self.introspect(client, token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let told = answer.json();
        if told["active"] == false {
            // RFC 7662 §2.2: and nothing else.
            assert_eq!(told, json!({ "active": false }));
        }
        told["active"] == true
    }

    async fn on_behalf_tokens(&self, chain: &Chain, assertion: &str) -> Answer {
        self.consent(&chain.middle.id(), "Dicom.Read", None).await;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("requested_token_use", "on_behalf_of"),
            ("client_id", &chain.middle.id()),
            ("client_secret", chain.middle.secret()),
            ("assertion", assertion),
            ("scope", "https://dicom.healthcareapis.azure.com/.default offline_access"),
        ];
        self.v2(&fields).await
    }
}

fn told(name: &str, answer: &Answer) {
    let mut value = answer.json();
    for member in ["sub", "exp"] {
        assert!(!value[member].is_null(), "{value}");
        value[member] = Value::from(format!("[{member}]"));
    }
    snapshot(name, &value);
}

#[tokio::test]
async fn a_service_is_told_about_its_own_tokens() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let called = fixture.for_middle(&chain, "profile").await;
        let made_for = fixture.introspect(&chain.middle, &token(&called, "access_token")).await;
        assert_eq!(made_for.header("cache-control"), "no-store, no-cache");
        told("introspected_made_for", &made_for);
        let given = fixture.on_behalf_tokens(&chain, &token(&called, "access_token")).await;
        told(
            "introspected_given_to",
            &fixture.introspect(&chain.middle, &token(&given, "access_token")).await,
        );
        told(
            "introspected_refresh",
            &fixture.introspect(&chain.middle, &token(&given, "refresh_token")).await,
        );
        let app_only = [
            ("grant_type", "client_credentials"),
            ("client_id", &chain.middle.id()),
            ("client_secret", chain.middle.secret()),
            ("scope", "https://dicom.healthcareapis.azure.com/.default"),
        ];
        let app_only = fixture.v2(&app_only).await;
        told("introspected_app", &fixture.introspect(&chain.middle, &token(&app_only, "access_token")).await);
        // Of everything else nothing is told.
        let thief = fixture.client("thief").await;
        for text in [
            token(&called, "access_token"),
            token(&given, "refresh_token"),
            token(&given, "access_token"),
            token(&app_only, "access_token"),
        ] {
            assert!(!fixture.is_active(&thief, &text).await, "{text}");
        }
        for text in [token(&called, "id_token"), "nonsense".to_owned(), "1.AAAA".to_owned()] {
            assert!(!fixture.is_active(&chain.middle, &text).await, "{text}");
        }
        let trail = fixture.final_trail().await;
        let asked = |word: &str| trail.iter().filter(|line| line.ends_with(word)).count();
        assert_eq!(asked(" active"), 4 + 7, "{trail:#?}");
        assert_eq!(asked(" not active"), 7, "{trail:#?}");
    }
}

#[tokio::test]
async fn what_has_ended_is_not_active() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let middle = &chain.middle;
        // The session was given back: its access token is told no more, too.
        let called = fixture.for_middle(&chain, "offline_access").await;
        assert!(fixture.is_active(middle, &token(&called, "access_token")).await);
        let refresh = token(&called, "refresh_token");
        let fields = [("client_id", chain.desktop.as_str()), ("token", &refresh)];
        assert_eq!(fixture.post("/contoso.local/oauth2/v2.0/revoke", form(&fields)).await.status, 200);
        assert!(!fixture.is_active(middle, &token(&called, "access_token")).await);

        // Rotation: the predecessor for its grace, then no more.
        let called = fixture.for_middle(&chain, "").await;
        let given = fixture.on_behalf_tokens(&chain, &token(&called, "access_token")).await;
        let first = token(&given, "refresh_token");
        let refreshed = fixture
            .v2(&[
                ("grant_type", "refresh_token"),
                ("client_id", &middle.id()),
                ("client_secret", middle.secret()),
                ("refresh_token", &first),
            ])
            .await;
        let second = token(&refreshed, "refresh_token");
        assert!(fixture.is_active(middle, &first).await && fixture.is_active(middle, &second).await);
        fixture.clock.advance(SignedDuration::from_secs(61));
        assert!(!fixture.is_active(middle, &first).await && fixture.is_active(middle, &second).await);
        fixture.clock.advance(SignedDuration::from_hours(90 * 24));
        assert!(!fixture.is_active(middle, &second).await);
        assert!(!fixture.is_active(middle, &token(&called, "access_token")).await, "expired");

        // The user's sessions are over, then the user is.
        let called = fixture.for_middle(&chain, "").await;
        let text = token(&called, "access_token");
        assert!(fixture.is_active(middle, &text).await);
        fixture.clock.advance(SignedDuration::from_millis(1));
        let password = Some(Secret::new("another long password 2".to_owned()));
        let change = UserChange { password, ..UserChange::default() };
        fixture.identity.update_user(&actor(), &chain.user.id.to_string(), change).await.unwrap();
        assert!(!fixture.is_active(middle, &text).await);
    }
}

/// Sessions that rest for less time than their access tokens hold: that one was ended is not forgotten before its tokens are over.
#[tokio::test]
async fn an_end_is_remembered_for_as_long_as_tokens_hold() {
    for fixture in fixtures().await {
        let members = json!({
            "PublicAccessTokenLifetime": "23:00:00",
            "PublicMaxInactiveTime": "00:10:00",
        });
        let policy = json!({
            "displayName": "long tokens, short sessions",
            "definition": [json!({ "TokenLifetimePolicy": members }).to_string()],
            "isOrganizationDefault": true,
        });
        let admin = fixture.as_admin_with_all_scopes().await;
        assert_eq!(admin.post("/policies/tokenLifetimePolicies", policy).await.status, 201);
        let chain = fixture.chain(2).await;
        let called = fixture.for_middle(&chain, "offline_access").await;
        let (text, refresh) = (token(&called, "access_token"), token(&called, "refresh_token"));
        let fields = [("client_id", chain.desktop.as_str()), ("token", &refresh)];
        assert_eq!(fixture.post("/contoso.local/oauth2/v2.0/revoke", form(&fields)).await.status, 200);
        for hours in [1, 20] {
            fixture.clock.advance(SignedDuration::from_hours(hours));
            // What begins clears away what is over.
            let another = fixture.for_middle(&chain, "offline_access").await;
            assert!(fixture.is_active(&chain.middle, &token(&another, "access_token")).await);
            assert!(!fixture.is_active(&chain.middle, &text).await, "after {hours} hours more");
        }
    }
}

#[tokio::test]
async fn an_application_that_is_switched_off_has_no_tokens() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let other = fixture.client("caller").await;
        let (id, secret) = (other.id(), other.secret().to_owned());
        let scope = format!("{}/.default", chain.middle.id());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", &secret),
            ("scope", &scope),
        ];
        let text = token(&fixture.v2(&fields).await, "access_token");
        assert!(fixture.is_active(&chain.middle, &text).await);
        let off =
            ServicePrincipalChange { account_enabled: Some(false), ..ServicePrincipalChange::default() };
        fixture.identity.update_service_principal(&actor(), &id, &off).await.unwrap();
        assert!(!fixture.is_active(&chain.middle, &text).await);
    }
}

#[tokio::test]
async fn who_may_not_ask() {
    for fixture in fixtures().await {
        let chain = fixture.chain(2).await;
        let text = token(&fixture.for_middle(&chain, "").await, "access_token");
        let on = members(r#"{"isFallbackPublicClient":true}"#);
        fixture.identity.update_application(&actor(), &chain.middle.id(), &on).await.unwrap();
        let (id, secret) = (chain.middle.id(), chain.middle.secret());
        for (fields, code) in [
            (vec![("token", text.as_str())], 900_144),
            (vec![("token", &text), ("client_id", &chain.desktop)], 7_000_218),
            (vec![("token", &text), ("client_id", &id)], 7_000_218),
            (vec![("token", &text), ("client_id", &id), ("client_secret", "wrong")], 7_000_215),
            (vec![("client_id", &id), ("client_secret", secret)], 900_144),
        ] {
            let refused = fixture.post(INTROSPECT, form(&fields)).await;
            assert_eq!(refused.code(), code, "{}", refused.text);
        }
        let good = form(&[("token", &text), ("client_id", &id), ("client_secret", secret)]);
        let page = fixture.post_with(INTROSPECT, good.clone(), &[("origin", "https://app.example")]).await;
        assert_eq!(page.code(), 9_002_326);
        let bearer = [("authorization", &*format!("Bearer {text}"))];
        let by_token = fixture.post_with(INTROSPECT, form(&[("token", &text)]), &bearer).await;
        assert_eq!(by_token.code(), 900_144);
        let elsewhere = fixture.post("/fabrikam.example/oauth2/v2.0/introspect", good).await;
        assert_eq!(elsewhere.code(), 90_002);
        let trail = fixture.final_trail().await;
        let refused = |line: &&String| line.starts_with("identity.token.introspected refused");
        assert_eq!(trail.iter().filter(refused).count(), 8, "{trail:#?}");
    }
}

#[tokio::test]
async fn the_metadata_of_rfc_8414_is_the_discovery_document() {
    let fixture = fixtures().await.remove(0);
    let tid = fixture.tid().await;
    for (known, version) in [("/v2.0", "/v2.0"), ("", "")] {
        let document = fixture.get(&format!("/{tid}{known}/.well-known/openid-configuration")).await.json();
        for path in [
            format!("/.well-known/oauth-authorization-server/{tid}{version}"),
            format!("/{tid}{version}/.well-known/oauth-authorization-server"),
        ] {
            let answer = fixture.get(&path).await;
            assert_eq!((answer.status.as_u16(), &answer.json()), (200, &document), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), "*");
        }
    }
    let other = fixture.get("/.well-known/oauth-authorization-server/fabrikam.example/v2.0").await;
    assert_eq!(other.code(), 90_002);
}
