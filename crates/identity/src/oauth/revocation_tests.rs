//! Giving refresh tokens back, and who may.

use serde_json::json;

use super::{
    tests::Answer,
    token::{
        on_behalf_of_tests::token,
        tests::{encoded, form},
    },
};
use crate::{
    sign_in::tests::PASSWORD,
    testing::{Fixture, actor, fixtures, members},
};

const REVOKE: &str = "/contoso.local/oauth2/v2.0/revoke";
const ALONE: &str = "https://dicom.healthcareapis.azure.com/.default";
const READ: &str = "https://dicom.healthcareapis.azure.com/Dicom.Read openid offline_access";

impl Fixture {
    /// A user's tokens for a client that may use passwords.
    pub(crate) async fn tokens_of(&self, user: &str, client: &[(&str, &str)]) -> Answer {
        let mut fields =
            vec![("grant_type", "password"), ("username", user), ("password", PASSWORD), ("scope", READ)];
        fields.extend_from_slice(client);
        self.v2(&fields).await
    }

    async fn revoke(&self, fields: &[(&str, &str)]) -> Answer {
        self.post(REVOKE, form(fields)).await
    }
}

#[tokio::test]
async fn a_client_gives_its_session_back() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let first =
            token(&fixture.tokens_of("ada@contoso.local", &[("client_id", &id)]).await, "refresh_token");
        let second = token(&fixture.refresh(&id, &first).await, "refresh_token");
        // An older token is of the same family; a wrong hint does no harm.
        let fields = [("client_id", id.as_str()), ("token", &first), ("token_type_hint", "access_token")];
        let answer = fixture.post_with(REVOKE, form(&fields), &[("origin", "https://app.example")]).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
        assert_eq!(answer.header("cache-control"), "no-store, no-cache");
        assert_eq!(fixture.refresh(&id, &second).await.code(), 70_000);
        // Again, and what was never a token: RFC 7009 §2.2.
        for text in [first.as_str(), "nonsense", "1.AAAA"] {
            assert_eq!(fixture.revoke(&[("client_id", &id), ("token", text)]).await.status, 200, "{text}");
        }
        let trail = fixture.final_trail().await;
        let ended: Vec<_> =
            trail.iter().filter(|line| line.starts_with("identity.session.revoked")).collect();
        assert_eq!(ended.len(), 1, "{ended:#?}");
        assert!(ended[0].contains("success") && ended[0].ends_with("the client gave a refresh token back"));
    }
}

#[tokio::test]
async fn an_access_token_given_back_ends_its_session() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let tokens = fixture.tokens_of("ada@contoso.local", &[("client_id", &id)]).await;
        let other = fixture.tokens_of("ada@contoso.local", &[("client_id", &id)]).await;
        // As oidc-client-ts does when somebody signs out: the access token first, and the refresh token after it.
        for kind in ["access_token", "refresh_token"] {
            let given = token(&tokens, kind);
            let fields = [("client_id", id.as_str()), ("token", &given), ("token_type_hint", kind)];
            assert_eq!(fixture.revoke(&fields).await.status, 200, "{kind}");
        }
        assert_eq!(fixture.refresh(&id, &token(&tokens, "refresh_token")).await.code(), 70_000);
        assert_eq!(fixture.refresh(&id, &token(&other, "refresh_token")).await.status, 200, "that alone");
        let trail = fixture.final_trail().await;
        let ended: Vec<_> =
            trail.iter().filter(|line| line.starts_with("identity.session.revoked")).collect();
        assert_eq!(ended.len(), 1, "{ended:#?}");
        assert!(ended[0].ends_with("the client gave an access token back"));
    }
}

#[tokio::test]
async fn nobody_gives_back_what_is_anothers() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let id = fixture.desktop("").await.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let web = fixture.client("web").await;
        let on = members(r#"{"allowPasswordGrant":true,"isFallbackPublicClient":true}"#);
        fixture.identity.update_application(&actor(), &web.id(), &on).await.unwrap();
        fixture.consent(&web.id(), "Dicom.Read", None).await;
        let (web_id, secret) = (web.id(), web.secret().to_owned());
        let of_web = [("client_id", web_id.as_str()), ("client_secret", secret.as_str())];
        let desktops = fixture.tokens_of("ada@contoso.local", &[("client_id", &id)]).await;
        let webs = fixture.tokens_of("ada@contoso.local", &of_web).await;
        let (desktops_token, webs_token) = (token(&desktops, "refresh_token"), token(&webs, "refresh_token"));
        for (fields, code, error) in [
            (vec![("token", desktops_token.as_str()), of_web[0], of_web[1]], 700_005, "invalid_grant"),
            (vec![("token", &webs_token), ("client_id", &id)], 700_005, "invalid_grant"),
            // Who proved itself once must do so again, though it might be public, too.
            (vec![("token", &webs_token), of_web[0]], 7_000_218, "invalid_client"),
            (
                vec![("token", &webs_token), of_web[0], ("client_secret", "wrong")],
                7_000_215,
                "invalid_client",
            ),
            (vec![("token", "nonsense"), of_web[0], ("client_secret", "wrong")], 7_000_215, "invalid_client"),
            (vec![("token", &webs_token)], 900_144, "invalid_request"),
            (vec![("client_id", &id)], 900_144, "invalid_request"),
            (
                vec![("token", "x"), ("client_id", "11111111-1111-1111-1111-111111111111")],
                700_016,
                "unauthorized_client",
            ),
        ] {
            let refused = fixture.revoke(&fields).await;
            assert_eq!((refused.code(), &refused.json()["error"]), (code, &json!(error)), "{}", refused.text);
        }
        // Another's access token, one without its client's secret, and what no session was begun with.
        let (of_desktop, of_webs) = (token(&desktops, "access_token"), token(&webs, "access_token"));
        let alone = [("grant_type", "client_credentials"), of_web[0], of_web[1], ("scope", ALONE)];
        let app_only = token(&fixture.v2(&alone).await, "access_token");
        let id_token = token(&webs, "id_token");
        for (fields, code, error) in [
            (vec![("token", of_desktop.as_str()), of_web[0], of_web[1]], 700_005, "invalid_grant"),
            (vec![("token", &of_webs), of_web[0]], 7_000_218, "invalid_client"),
            (vec![("token", &app_only), of_web[0], of_web[1]], 90_100, "unsupported_token_type"),
            (vec![("token", &id_token), of_web[0], of_web[1]], 90_100, "unsupported_token_type"),
        ] {
            let refused = fixture.revoke(&fields).await;
            assert_eq!((refused.code(), &refused.json()["error"]), (code, &json!(error)), "{}", refused.text);
        }
        let get = fixture.get(&format!("{REVOKE}?token={}&client_id={id}", encoded(&desktops_token))).await;
        assert_eq!(get.code(), 900_561);
        assert_eq!(fixture.post("/fabrikam.example/oauth2/v2.0/revoke", String::new()).await.code(), 90_002);
        // Nothing has ended.
        assert_eq!(fixture.refresh(&id, &desktops_token).await.status, 200);
        let again = [("grant_type", "refresh_token"), ("refresh_token", &webs_token), of_web[0], of_web[1]];
        assert_eq!(fixture.v2(&again).await.status, 200);
        let trail = fixture.final_trail().await;
        assert!(trail.iter().any(|line| line.starts_with("identity.session.revoked refused")), "{trail:#?}");
    }
}
