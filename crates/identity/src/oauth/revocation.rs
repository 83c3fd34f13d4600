//! Token revocation (RFC 7009): a client gives a refresh token back, and the session that it belongs to ends.
//!
//! Access tokens are signed and looked up nowhere: they hold until they expire. One that is given back ends the session
//! that it was issued with (RFC 7009 §2.1), of which nothing new comes any more (`own_token::Provenance`); of one that
//! has none the endpoint says that it cannot.

use axum::{
    body::Body,
    extract::{OriginalUri, Path, State},
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome, record};
use hilum_jose::Claims;
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};

use super::{
    client_authentication::{Presented, Wanted},
    error::{OAuthError, quoted},
    tenant::TenantSegment,
    token::{
        Caller, wanted,
        wire::{self, Received},
    },
};
use crate::{
    Identity, Tenant,
    sessions::{self, ClientKind, RefreshToken, Session, SessionId},
};

pub(crate) async fn post(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    let decide = async |received: Received| {
        identity.revoke_token(&segment, &received).await?;
        Ok(StatusCode::OK.into_response())
    };
    wire::answer(&identity, &context, (uri, headers, body), decide).await
}

impl Identity {
    /// Ends the session of a refresh token, if it is the client's. One that nobody knows is no error (RFC 7009 §2.2).
    async fn revoke_token(&self, segment: &str, received: &Received) -> Result<(), OAuthError> {
        let outcome = self.try_revoke(segment, received).await;
        match outcome {
            // A flood of guesses must not fill the database.
            Ok(()) | Err(OAuthError::TooManyAttempts { .. }) => outcome,
            Err(error) => {
                let event = Event {
                    detail: Some(format!("AADSTS{}", error.row().code)),
                    ..event(Outcome::Refused, received.form.get("client_id").map(quoted), &received.caller)
                };
                self.note(event).await?;
                Err(error)
            }
        }
    }

    async fn try_revoke(&self, segment: &str, received: &Received) -> Result<(), OAuthError> {
        let Received { form, authorization, caller, .. } = received;
        let tenant = self.tenant().await?;
        TenantSegment::parse(segment, tenant)?;
        // RFC 7009 §2.1: token_type_hint may be wrong, and what it could help to find is found at once.
        let text = form.required("token")?;
        let presented = Presented::parse(form, authorization.as_deref())?;
        let claims = self.own_claims(text).await?;
        let session = match &claims {
            Some(claims) => self.session_behind(tenant, claims).await?,
            None => self.session_of(tenant, text).await?,
        };
        let wanted = match &session {
            Some(session) => session.platform.map_or(Wanted::CredentialOrPublic, wanted),
            // There is nothing to protect: who has no credential to show need not have one.
            None if presented.has_credential() => Wanted::CredentialOrPublic,
            None => Wanted::Public,
        };
        let client = self.authenticate(tenant, (&presented, wanted), caller.address).await?;
        let Some(session) = session else {
            return if claims.is_some() { Err(OAuthError::TokenNotRevocable) } else { Ok(()) };
        };
        if session.app_id != client.app_id() {
            return Err(OAuthError::GrantOfOtherClient);
        }
        if session.kind == ClientKind::Confidential && client.kind() == ClientKind::Public {
            return Err(OAuthError::PublicFlowsOff(client.app_id().to_string()));
        }
        let kind = if claims.is_some() { "an access token" } else { "a refresh token" };
        let event = Event {
            target: Some(session.user.to_string()),
            detail: Some(format!("the client gave {kind} back")),
            ..event(Outcome::Success, Some(client.app_id().to_string()), caller)
        };
        let work = (session.id, event, self.0.clock.now_ms());
        let ended = self.0.db.write(work, |tx, (id, event, at_ms): &(SessionId, Event, i64)| {
            async move {
                if sessions::revoke(tx, *id, *at_ms).await? {
                    record(tx, *at_ms, event).await?;
                }
                Ok::<_, OAuthError>(())
            }
            .boxed()
        });
        ended.await
    }

    /// The session that a user's access token was issued with.
    async fn session_behind(&self, tenant: &Tenant, claims: &Claims) -> Result<Option<Session>, OAuthError> {
        let Some(id) = self.provenance(claims).and_then(|found| found.session) else { return Ok(None) };
        Ok(sessions::by_id(&mut self.0.db.read().await?, tenant.id, id).await?)
    }

    /// The session of a refresh token of ours.
    async fn session_of(&self, tenant: &Tenant, text: &str) -> Result<Option<Session>, OAuthError> {
        let Some(token) = RefreshToken::parse(text, &self.0.session_key) else { return Ok(None) };
        Ok(sessions::by_id(&mut self.0.db.read().await?, tenant.id, token.session).await?)
    }
}

fn event(outcome: Outcome, app_id: Option<String>, caller: &Caller) -> Event {
    Event {
        ..Event::new(Action::SessionRevoked, outcome, Actor { subject: None, app_id, display: None })
            .of_request(caller.address, caller.correlation)
    }
}
