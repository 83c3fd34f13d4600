//! The API on the wire, and its authorization.

mod authorization;
mod batch;
mod least_privilege;
mod plans;
mod principals;
mod properties;
mod wire;

use axum::body::Body;
use http::{Method, Request, StatusCode, request::Builder};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    oauth::tests::Answer,
    testing::{Fixture, fixtures},
};

/// A way to call the API in tests.
pub(crate) struct Session<'f> {
    fixture: &'f Fixture,
    pub(crate) token: Option<String>,
}

impl Fixture {
    /// Signs any claims with the platform's own key, on top of those every token has.
    pub(crate) async fn signed(&self, claims: Value) -> String {
        let tenant = self.identity.tenant().await.unwrap();
        let now = self.identity.0.clock.now().as_second();
        let mut all = json!({
            "aud": crate::seed::GRAPH_APP_ID.to_string(), "iss": self.identity.v2_issuer(tenant),
            "iat": now - 300, "nbf": now - 300, "exp": now + 3600, "tid": tenant.id.to_string(), "ver": "2.0",
        });
        let members = all.as_object_mut().unwrap();
        members.extend(claims.as_object().unwrap().clone());
        let ring = self.identity.ring().await.unwrap();
        hilum_jose::sign_jwt(&ring.current, hilum_jose::SigningHeader::ENTRA_V2, &all).unwrap()
    }

    /// Calls as an application with these app roles of Microsoft Graph.
    pub(crate) async fn as_app(&self, client: &crate::testing::Client, roles: &[&str]) -> Session<'_> {
        let principal = client.principal.id.to_string();
        let claims = json!({
            "azp": client.id(), "oid": principal, "sub": principal, "idtyp": "app", "roles": roles,
        });
        Session { fixture: self, token: Some(self.signed(claims).await) }
    }

    /// Calls as a user through Azure CLI with these delegated permissions (`a b c`).
    pub(crate) async fn as_user(&self, user: &crate::User, scopes: &str) -> Session<'_> {
        let claims = json!({
            "azp": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "oid": user.id.to_string(), "sub": "pairwise",
            "scp": scopes, "name": user.display_name,
        });
        Session { fixture: self, token: Some(self.signed(claims).await) }
    }

    /// Calls as the first administrator with the permission that az has.
    pub(crate) async fn as_admin(&self) -> Session<'_> {
        let admin = self.identity.find_user("admin@contoso.local").await.unwrap();
        self.as_user(&admin, "Directory.AccessAsUser.All Application.ReadWrite.All").await
    }

    /// Calls as the first administrator with every delegated permission there is.
    pub(crate) async fn as_admin_with_all_scopes(&self) -> Session<'_> {
        let id = crate::seed::GRAPH_APP_ID.to_string();
        let graph = self.identity.find_application(&id).await.unwrap().properties;
        let scopes: Vec<String> =
            graph.api.oauth2_permission_scopes.into_iter().filter_map(|scope| scope.value).collect();
        let admin = self.identity.find_user("admin@contoso.local").await.unwrap();
        self.as_user(&admin, &scopes.join(" ")).await
    }

    /// Calls without a token.
    pub(crate) fn anonymous(&self) -> Session<'_> {
        Session { fixture: self, token: None }
    }
}

impl Session<'_> {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.fixture.identity.graph_router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, target: &str) -> Builder {
        let builder = Request::builder().method(method).uri(target);
        match &self.token {
            Some(token) => builder.header("authorization", format!("Bearer {token}")),
            None => builder,
        }
    }

    /// Without `/v1.0` in front of the path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let builder = self.request(method, &format!("/v1.0{path}"));
        let request = match body {
            Some(body) => {
                builder.header("content-type", "application/json").body(Body::from(body.to_string()))
            }
            None => builder.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }
}

#[tokio::test]
async fn applications_are_listed_page_by_page_by_name_and_by_uri() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let session = fixture.as_app(&client, &["Application.ReadWrite.All"]).await;
        for name in ["page Alpha", "Page beta", "page Gamma"] {
            let made = session.post("/applications", json!({"displayName": name, "@odata.type": "x"})).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        }
        let list =
            "/applications?$filter=startsWith(displayName,'PAGE%20')&$top=2&$count=true&$select=displayName";
        let first = session.get(list).await;
        assert_eq!(first.status, StatusCode::OK, "{}", first.text);
        let first = first.json();
        assert_eq!(first["value"], json!([{"displayName": "page Alpha"}, {"displayName": "Page beta"}]));
        assert_eq!(first["@odata.count"], 3);
        let next = first["@odata.nextLink"].as_str().unwrap();
        let target = next.strip_prefix("https://localhost:8443/v1.0").unwrap();
        let second = session.get(target).await.json();
        assert_eq!(second["value"], json!([{"displayName": "page Gamma"}]));
        assert_eq!(second.get("@odata.nextLink"), None);

        let found = session.get("/applications?$filter=startswith(displayName,'PAGE%20GAM')").await.json();
        assert_eq!(found["value"].as_array().unwrap().len(), 1);
        let id = found["value"][0]["id"].as_str().unwrap();
        let by_key = session.get(&format!("/applications/{id}")).await.json();
        assert_eq!(by_key["displayName"], "page Gamma");
        let app_id = by_key["appId"].as_str().unwrap();
        for path in
            [format!("/applications(appId='{app_id}')"), format!("/Applications(appId=%27{app_id}%27)")]
        {
            assert_eq!(session.get(&path).await.json()["displayName"], "page Gamma");
        }
        let uri = "/applications?$filter=identifierUris/any(x:x%20eq%20'https://localhost:8443/DICOM')";
        let found = session.get(uri).await.json();
        assert_eq!(found["value"][0]["displayName"], "Azure API for DICOM", "{found}");
        let count = "/applications/$count?$filter=startswith(displayName,'page')";
        assert_eq!(session.get(count).await.text, "3");
        for (path, code) in [
            ("/applications?$filter=nonsense eq 'x'".replace(' ', "%20"), "Request_UnsupportedQuery"),
            (format!("/applications/{}", fixture.tid().await), "Request_ResourceNotFound"),
            ("/nothing".to_owned(), "BadRequest"),
        ] {
            assert_eq!(session.get(&path).await.json()["error"]["code"], code, "{path}");
        }
    }
}

#[tokio::test]
async fn who_has_no_token_or_no_right_is_told() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let refused = fixture.anonymous().get("/applications").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.json()["error"]["code"], "InvalidAuthenticationToken");
        assert!(refused.header("www-authenticate").starts_with("Bearer realm="), "{refused:?}");
        let refused = fixture.as_app(&client, &["User.Read.All"]).await.get("/applications").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.json()["error"]["code"], "Authorization_RequestDenied");
        assert_eq!(fixture.as_admin().await.get("/applications").await.status, StatusCode::OK);
        let wrong = fixture.as_app(&client, &["Application.Read.All"]).await;
        fixture.identity.delete_service_principal(&crate::testing::actor(), &client.id()).await.unwrap();
        assert_eq!(wrong.get("/applications").await.status, StatusCode::UNAUTHORIZED);
        // A disabled user is refused at once, whatever the token says.
        let ada = fixture.signer("ada", false).await;
        let session = fixture.as_user(&ada, "User.Read").await;
        assert_eq!(session.get("/me").await.status, StatusCode::OK);
        for (enabled, status) in [(false, StatusCode::UNAUTHORIZED), (true, StatusCode::OK)] {
            let change = crate::UserChange { account_enabled: Some(enabled), ..crate::UserChange::default() };
            let id = ada.id.to_string();
            fixture.identity.update_user(&crate::testing::actor(), &id, change).await.unwrap();
            assert_eq!(session.get("/me").await.status, status);
        }
    }
}
