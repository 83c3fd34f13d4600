//! The on-behalf-of grant (RFC 7523 §2.1; sheet §2.10): a service that a user called calls another one, still for the user.
//!
//! The assertion is the access token that the service was called with. It must have been made for the service, and for a
//! user: neither an ID token, nor an application's own token, nor one of another issuer says that a user is calling.

use hilum_jose::{Claims, Jwt, TimeError, validate_times};
use hilum_kernel::UserId;
use jiff::SignedDuration;

use super::{
    Caller,
    user::{ForUser, Granted, Step, check_audience, ensure_session},
};
use crate::{
    Identity, Tenant, User, applications,
    oauth::{
        client_authentication::AuthenticatedClient,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint},
        sql,
        tenant::TenantSegment,
        tokens::IdExtras,
    },
    sessions::{self, SessionId},
    users,
};

/// The one use of an assertion that this grant knows.
const REQUESTED_USE: &str = "on_behalf_of";

/// Trades the user's token.
pub(super) async fn decide(
    identity: &Identity,
    tenant: (&Tenant, TenantSegment),
    (endpoint, form): (Endpoint, &Form<'_>),
    client: AuthenticatedClient,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    let (tenant, segment) = tenant;
    if form.required("requested_token_use")? != REQUESTED_USE {
        return Err(OAuthError::BadParameter("requested_token_use"));
    }
    let assertion = form.required("assertion")?;
    let asked = Asked::parse(endpoint, form.get("scope"), form.get("resource"))?;
    let app_id = client.app_id();
    let registered = applications::by_app_id(&mut identity.0.db.read().await?, tenant.id, app_id).await?;
    let registered = registered.ok_or_else(|| OAuthError::ApplicationNotFound(app_id.to_string()))?;
    check_audience(&registered, segment)?;
    let claims = identity.user_assertion(assertion).await?;
    let user = identity.asserted_user(tenant, &client, &claims).await?;
    let provenance = identity.provenance(&claims).ok_or(OAuthError::AssertionNotAccepted)?;
    ensure_session(&user, provenance.authenticated_at_ms)?;
    identity.ensure_session_lasts(tenant, provenance.session).await?;
    let request = ForUser {
        client,
        user,
        authorised: asked.oidc,
        asked,
        authenticated_at_ms: provenance.authenticated_at_ms,
        amr: provenance.amr,
        step: Step::Begin,
        client_info: form.get("client_info") == Some("1"),
        platform: None,
        session_ends_at_ms: None,
        extras: IdExtras { idp: provenance.idp, ..IdExtras::default() },
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}

impl Identity {
    /// The claims of a user's access token of ours that holds now.
    async fn user_assertion(&self, assertion: &str) -> Result<Claims, OAuthError> {
        Jwt::parse(assertion).map_err(|_| OAuthError::UserAssertionMalformed)?;
        let claims = self.own_claims(assertion).await?.ok_or(OAuthError::AssertionNotAccepted)?;
        // Our own clock dated it: there is nothing to allow for.
        match validate_times(&claims, self.0.clock.now(), SignedDuration::ZERO) {
            Ok(_) => {}
            Err(TimeError::Expired | TimeError::NotYetValid | TimeError::IssuedInFuture) => {
                return Err(OAuthError::UserAssertionTime);
            }
            Err(TimeError::NoExpiry | TimeError::Malformed(_)) => {
                return Err(OAuthError::UserAssertionMalformed);
            }
        }
        if claims.text("idtyp") == Some("app") {
            return Err(OAuthError::AppOnlyAssertion);
        }
        // An ID token tells the client who signed in, and gives it nothing.
        if claims.get("scp").is_none() {
            return Err(OAuthError::AssertionNotAccepted);
        }
        Ok(claims)
    }

    /// The user that the token is about, if it was made for the client.
    async fn asserted_user(
        &self,
        tenant: &Tenant,
        client: &AuthenticatedClient,
        claims: &Claims,
    ) -> Result<User, OAuthError> {
        let mut tx = self.0.db.snapshot().await?;
        // RFC 7523 §3: the audience is who takes the assertion, here by its ID or by one of its names.
        let [audience] = claims.audiences()[..] else { return Err(OAuthError::UserAssertionAudience) };
        let resource = sql::user_resource(&mut tx, tenant.id, audience).await?;
        if resource.is_none_or(|resource| resource.app_id != client.app_id()) {
            return Err(OAuthError::UserAssertionAudience);
        }
        let id: Option<UserId> = claims.text("oid").and_then(|id| id.parse().ok());
        let id = id.ok_or(OAuthError::AssertionNotAccepted)?;
        let user = users::lookup(&mut tx, tenant.id, &id.to_string()).await?;
        let user = user.ok_or(OAuthError::AssertionNotAccepted)?;
        if user.account_enabled { Ok(user) } else { Err(OAuthError::UserDisabled) }
    }

    /// Refuses a token whose session was ended: it may hold at services yet, but nothing new comes of it.
    pub(in crate::oauth) async fn ensure_session_lasts(
        &self,
        tenant: &Tenant,
        session: Option<SessionId>,
    ) -> Result<(), OAuthError> {
        let Some(session) = session else { return Ok(()) };
        let session = sessions::by_id(&mut self.0.db.read().await?, tenant.id, session).await?;
        match session {
            Some(session) if session.revoked => Err(OAuthError::GrantRevoked),
            // What was tidied away had ended longer ago than any access token holds.
            _ => Ok(()),
        }
    }
}
