//! Token introspection (RFC 7662): a service asks whether a token holds, and what it says.
//!
//! Only a client that has proven itself is told anything, and only about its own: access tokens that were made for it or
//! given to it, and its refresh tokens. Of everything else it hears what it hears of nonsense.

use axum::{
    body::Body,
    extract::{OriginalUri, Path, State},
    response::Response,
};
use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_jose::{Claims, validate_times};
use hilum_kernel::{AppId, UserId};
use hilum_web::RequestContext;
use http::HeaderMap;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{
    client_authentication::{AuthenticatedClient, Presented, Wanted},
    error::{OAuthError, quoted},
    json_body, sql,
    tenant::TenantSegment,
    token::{
        ensure_session,
        wire::{self, Received},
    },
};
use crate::{
    Identity, Tenant, User,
    sessions::{self, RefreshToken},
    users,
};

/// What is told of an access token: the members of RFC 7662 §2.2 under the same names, and what services decide by.
const TOLD: &[&str] =
    &["aud", "cnf", "exp", "iat", "idtyp", "iss", "jti", "nbf", "oid", "roles", "sub", "tid", "ver", "wids"];

pub(crate) async fn post(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    let decide = async |received: Received| Ok(json_body(&identity.introspect(&segment, &received).await?));
    wire::answer(&identity, &context, (uri, headers, body), decide).await
}

impl Identity {
    /// What the caller may know of the token, and writes down that it asked.
    async fn introspect(&self, segment: &str, received: &Received) -> Result<Value, OAuthError> {
        let found = self.try_introspect(segment, received).await;
        let (outcome, app_id, detail) = match &found {
            Ok((client, told)) => {
                let app_id = client.app_id().to_string();
                (
                    Outcome::Success,
                    Some(app_id),
                    if told.is_some() { "active" } else { "not active" }.to_owned(),
                )
            }
            // A flood of guesses must not fill the database.
            Err(OAuthError::TooManyAttempts { .. }) => return found.map(|_| Value::Null),
            Err(error) => {
                let app_id = received.form.get("client_id").map(quoted);
                (Outcome::Refused, app_id, format!("AADSTS{}", error.row().code))
            }
        };
        let actor = Actor { subject: None, app_id, display: None };
        let event = Event {
            detail: Some(detail),
            ..Event::new(Action::TokenIntrospected, outcome, actor)
                .of_request(received.caller.address, received.caller.correlation)
        };
        self.note(event).await?;
        let (_, told) = found?;
        Ok(match told {
            Some(mut told) => {
                told.insert("active".to_owned(), true.into());
                Value::Object(told)
            }
            // RFC 7662 §2.2: SHOULD NOT include any additional information, also not why.
            None => json!({ "active": false }),
        })
    }

    async fn try_introspect(
        &self,
        segment: &str,
        received: &Received,
    ) -> Result<(AuthenticatedClient, Option<Map<String, Value>>), OAuthError> {
        let Received { form, authorization, caller, .. } = received;
        let tenant = self.tenant().await?;
        TenantSegment::parse(segment, tenant)?;
        let text = form.required("token")?;
        let presented = Presented::parse(form, authorization.as_deref())?;
        if caller.origin.is_some() {
            return Err(OAuthError::CrossOrigin);
        }
        let client = self.authenticate(tenant, (&presented, Wanted::Confidential), caller.address).await?;
        // RFC 7662 §2.1: token_type_hint may be wrong, and what it could help to find is found at once.
        let told = match RefreshToken::parse(text, &self.0.session_key) {
            Some(token) => self.told_of_refresh_token(tenant, &client, token).await?,
            None => match self.own_claims(text).await? {
                Some(claims) => self.told_of_access_token(tenant, &client, &claims).await?,
                None => None,
            },
        };
        Ok((client, told))
    }

    async fn told_of_refresh_token(
        &self,
        tenant: &Tenant,
        client: &AuthenticatedClient,
        token: RefreshToken,
    ) -> Result<Option<Map<String, Value>>, OAuthError> {
        let now_ms = self.0.clock.now_ms();
        let session = sessions::by_id(&mut self.0.db.read().await?, tenant.id, token.session).await?;
        let session =
            session.filter(|session| session.app_id == client.app_id() && session.takes(token, now_ms));
        let Some(session) = session else { return Ok(None) };
        let Some(user) = self.living_user(tenant, session.user, session.authenticated_at_ms).await? else {
            return Ok(None);
        };
        let told = json!({
            "client_id": session.app_id,
            "scope": session.scope,
            "username": user.user_principal_name,
            "sub": self.subject(user.id, client.app_id()),
            "oid": user.id,
            "tid": tenant.id,
            "iss": self.v2_issuer(tenant),
            "iat": session.rotated_at_ms() / 1000,
            "exp": session.expires_at_ms / 1000,
        });
        let mut told = told.as_object().cloned().unwrap_or_default();
        if let Some(jkt) = session.bound_to {
            told.insert("cnf".to_owned(), json!({ "jkt": jkt }));
        }
        Ok(Some(told))
    }

    async fn told_of_access_token(
        &self,
        tenant: &Tenant,
        client: &AuthenticatedClient,
        claims: &Claims,
    ) -> Result<Option<Map<String, Value>>, OAuthError> {
        // Our own clock dated it: there is nothing to allow for.
        if validate_times(claims, self.0.clock.now(), SignedDuration::ZERO).is_err() {
            return Ok(None);
        }
        let id = |claim| claims.text(claim).and_then(|id| id.parse::<AppId>().ok());
        // An ID token names no client but its audience.
        let Some(given_to) = id("azp").or_else(|| id("appid")) else { return Ok(None) };
        if given_to != client.app_id() && !self.is_audience(tenant, client, claims).await? {
            return Ok(None);
        }
        let username = if claims.text("idtyp") == Some("app") {
            if !self.is_living_client(tenant, given_to).await? {
                return Ok(None);
            }
            None
        } else {
            let Some(user) = self.user_of_token(tenant, claims).await? else { return Ok(None) };
            Some(user.user_principal_name)
        };
        let mut told: Map<String, Value> = TOLD
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), claims.members().get(*name)?.clone())))
            .collect();
        let bound = claims.get("cnf").is_some();
        for (name, value) in [
            ("client_id", Some(given_to.to_string())),
            ("scope", claims.text("scp").map(str::to_owned)),
            ("username", username),
            ("token_type", Some(if bound { "DPoP" } else { "Bearer" }.to_owned())),
        ] {
            if let Some(value) = value {
                told.insert(name.to_owned(), value.into());
            }
        }
        Ok(Some(told))
    }

    /// Whether the token was made for the client, by its ID or one of its names.
    async fn is_audience(
        &self,
        tenant: &Tenant,
        client: &AuthenticatedClient,
        claims: &Claims,
    ) -> Result<bool, OAuthError> {
        let [audience] = claims.audiences()[..] else { return Ok(false) };
        let resource = sql::user_resource(&mut self.0.db.read().await?, tenant.id, audience).await?;
        Ok(resource.is_some_and(|resource| resource.app_id == client.app_id()))
    }

    /// Whether the application may have tokens yet.
    async fn is_living_client(&self, tenant: &Tenant, app_id: AppId) -> Result<bool, OAuthError> {
        let client = sql::client(&mut self.0.db.read().await?, tenant.id, app_id).await?;
        let enabled =
            |client: sql::Client| !client.disabled && client.principal.is_some_and(|(_, enabled)| enabled);
        Ok(client.is_some_and(enabled))
    }

    /// The user of an access token, if the user and the session are as when it was issued.
    async fn user_of_token(&self, tenant: &Tenant, claims: &Claims) -> Result<Option<User>, OAuthError> {
        let id: Option<UserId> = claims.text("oid").and_then(|id| id.parse().ok());
        let (Some(id), Some(provenance)) = (id, self.provenance(claims)) else { return Ok(None) };
        match self.ensure_session_lasts(tenant, provenance.session).await {
            Ok(()) => self.living_user(tenant, id, provenance.authenticated_at_ms).await,
            Err(OAuthError::GrantRevoked) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The user, if enabled and with sessions from so long ago.
    async fn living_user(
        &self,
        tenant: &Tenant,
        id: UserId,
        authenticated_at_ms: i64,
    ) -> Result<Option<User>, OAuthError> {
        let user = users::lookup(&mut self.0.db.read().await?, tenant.id, &id.to_string()).await?;
        Ok(user.filter(|user| user.account_enabled && ensure_session(user, authenticated_at_ms).is_ok()))
    }
}
