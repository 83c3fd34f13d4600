//! Clients as the articles make them.

use axum::{body::Body, http::Request};
use hilum_audit::Actor;
use hilum_identity::{Keep, NewRoleAssignment, NewSecret, PrincipalRef};
use serde_json::Map;

use crate::{Answer, App};

/// A registered service client.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    /// Its appId.
    pub app_id: String,
    /// Its secret.
    pub secret: String,
}

/// How a client proves itself.
#[derive(Debug, Clone, Copy)]
pub enum Authentication<'a> {
    /// With this secret in the form.
    Secret(&'a str),
    /// Not at all.
    None,
}

impl App {
    /// Registers a service client with a secret and, if named, a role.
    pub async fn service_client(&self, name: &str, role: Option<&str>) -> ServiceClient {
        let (identity, actor) = (&self.house.identity, Actor::operator());
        let members = Map::from_iter([("displayName".to_owned(), name.into())]);
        let application = identity.create_application(&actor, &members).await.expect("an application");
        let app_id = application.app_id.to_string();
        let principal = identity.create_service_principal(&actor, &app_id).await.expect("a principal");
        if let Some(role) = role {
            let principal = PrincipalRef::Object { id: principal.id, kind: None };
            let new = NewRoleAssignment { role: role.to_owned(), principal, scope: "/".to_owned() };
            identity.create_role_assignment(&actor, new).await.expect("a role assignment");
        }
        let new = NewSecret { display_name: None, starts_at: None, ends_at: None, keep: Keep::Others };
        let added = identity.add_secret(&actor, &app_id, new).await.expect("a secret");
        ServiceClient { app_id, secret: added.value.expose().clone() }
    }

    /// Asks the token endpoint for a token of the DICOM service.
    pub async fn ask_token(&self, app_id: &str, authentication: Authentication<'_>) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", app_id)
            .append_pair("scope", "https://dicom.healthcareapis.azure.com/.default");
        if let Authentication::Secret(secret) = authentication {
            form.append_pair("client_secret", secret);
        }
        let request = Request::post(format!("/{}/oauth2/v2.0/token", self.house.tenant_id))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .expect("a request");
        self.send(request).await
    }

    /// A token of the DICOM service for this client.
    pub async fn token(&self, client: &ServiceClient) -> String {
        let answer = self.ask_token(&client.app_id, Authentication::Secret(&client.secret)).await;
        let json = answer.json();
        let token = json.get("access_token").and_then(serde_json::Value::as_str);
        token.unwrap_or_else(|| panic!("no token: {json}")).to_owned()
    }
}
