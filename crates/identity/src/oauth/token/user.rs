//! Tokens on behalf of a user: what the three grants that know one have in common.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome, record};
use hilum_kernel::{Secret, TenantId};
use hilum_storage::db::WriteTx;
use serde_json::json;

use super::Caller;
use crate::{
    Application, Identity, SignInAudience, Tenant, User,
    oauth::{
        client_authentication::AuthenticatedClient,
        delegation::{self, ClientIds},
        device::{self, CodeHash},
        error::OAuthError,
        scopes::{Asked, Endpoint},
        tenant::TenantSegment,
        tokens::{IdToken, UserToken, Version},
    },
    sessions::{self, NewSession, RefreshToken, Rotation, SessionId},
    users,
};

/// A user, a client, and what is asked: everything a grant has to find out.
pub(super) struct ForUser {
    pub(super) client: AuthenticatedClient,
    pub(super) user: User,
    pub(super) asked: Asked,
    pub(super) authenticated_at_ms: i64,
    pub(super) step: Step,
    /// Whether `client_info=1` was sent.
    pub(super) client_info: bool,
}

/// What becomes of the session, and of the grant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A session begins, if it was asked for.
    Begin,
    /// The same, and the device flow ends.
    Redeem(CodeHash),
    /// A session goes on.
    Rotate(RefreshToken),
}

/// A token for a user, decided and written down, but not signed yet.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(super) token: UserToken,
    pub(super) id_token: Option<IdToken>,
    pub(super) refresh_token: Option<Secret<String>>,
    pub(super) scope: String,
    pub(super) client_info: Option<String>,
}

/// What happens in the transaction.
struct Work {
    tenant: TenantId,
    step: Step,
    session: NewSession,
    /// Whether a session is wanted.
    offline: bool,
    at_ms: i64,
    issued: Event,
    reused: Event,
}

/// What the transaction did.
enum Done {
    Issued(Option<RefreshToken>),
    /// The device flow was redeemed by another request.
    Redeemed,
    Reused,
    Over,
}

/// Refuses a client of one tenant where no tenant is named (sheet §1.2).
pub(crate) fn check_audience(application: &Application, segment: TenantSegment) -> Result<(), OAuthError> {
    match (segment, application.properties.sign_in_audience) {
        (TenantSegment::Any, SignInAudience::AzureADMyOrg) => {
            Err(OAuthError::SingleTenant(application.app_id.to_string()))
        }
        _ => Ok(()),
    }
}

/// Refuses a sign-in of before a new password, or of before sessions were revoked.
pub(crate) fn ensure_session(user: &User, authenticated_at_ms: i64) -> Result<(), OAuthError> {
    if user.sessions_valid_from.as_millisecond() > authenticated_at_ms {
        return Err(OAuthError::GrantRevoked);
    }
    Ok(())
}

impl Identity {
    /// Decides what the user's tokens carry, and writes session, grant and audit event in one transaction.
    pub(super) async fn grant_to_user(
        &self,
        tenant: &Tenant,
        endpoint: Endpoint,
        request: ForUser,
        caller: &Caller,
    ) -> Result<Granted, OAuthError> {
        let mut granted = self.decide_for_user(tenant, endpoint, &request, caller).await?;
        let (client, user) = (&request.client, &request.user);
        let now_ms = self.0.clock.now_ms();
        let session = NewSession {
            id: SessionId::new(self.0.random.uuid()),
            user: user.id,
            app_id: client.app_id(),
            kind: client.kind(),
            scope: request.asked.text(),
            authenticated_at_ms: request.authenticated_at_ms,
        };
        let work = Work {
            tenant: tenant.id,
            step: request.step,
            session,
            offline: request.asked.oidc.offline_access,
            at_ms: now_ms,
            issued: issued_event(&granted.token, caller),
            reused: reused_event(user, client, caller),
        };
        match self.0.db.write(work, |tx, work| write(tx, work).boxed()).await? {
            Done::Issued(token) => {
                granted.refresh_token = token.map(|token| token.text(&self.0.session_key));
                metrics::counter!("hilum_tokens_issued_total").increment(1);
                Ok(granted)
            }
            Done::Redeemed => Err(OAuthError::DeviceCodeUnknown),
            Done::Reused => {
                tracing::warn!(app.id = %client.app_id(), "a refresh token came twice: its session has ended");
                metrics::counter!("hilum_refresh_reuse_total").increment(1);
                Err(OAuthError::RefreshTokenInvalid)
            }
            Done::Over => Err(OAuthError::RefreshTokenInvalid),
        }
    }

    async fn decide_for_user(
        &self,
        tenant: &Tenant,
        endpoint: Endpoint,
        request: &ForUser,
        caller: &Caller,
    ) -> Result<Granted, OAuthError> {
        let (client, user, asked) = (&request.client, &request.user, &request.asked);
        let mut tx = self.0.db.snapshot().await?;
        let registered = delegation::resource(&mut tx, tenant.id, &client.app_id().to_string()).await?;
        // Also refuses users who are not assigned to the client.
        let client_rights = delegation::rights(&mut tx, tenant.id, user, &registered).await?;
        let ids = ClientIds { app_id: client.app_id(), principal: client.principal() };
        let found = delegation::find(&mut tx, tenant.id, ids, user, asked).await?;
        if !found.missing.is_empty() || found.is_empty {
            let name = registered.properties.display_name;
            return Err(OAuthError::ConsentRequired(client.app_id().to_string(), name));
        }
        let rights = delegation::rights(&mut tx, tenant.id, user, &found.resource).await?;
        drop(tx);
        let now = self.0.clock.now();
        let version = |two| if two { Version::V2 } else { Version::V1 };
        let id_token = asked.oidc.openid.then(|| IdToken {
            client: client.app_id(),
            user: user.clone(),
            oidc: asked.oidc,
            version: version(endpoint == Endpoint::V2),
            uti: self.random_text::<16>(),
            now_s: now.as_second(),
            optional: delegation::optional_claims(&registered.properties, "idToken"),
            authenticated_at_ms: request.authenticated_at_ms,
            rights: client_rights,
        });
        let client_info = request.client_info.then(|| {
            let info = json!({ "uid": user.id.to_string(), "utid": tenant.id.to_string() });
            hilum_jose::base64url_encode(info.to_string())
        });
        let token = UserToken {
            client: client.clone(),
            user: user.clone(),
            resource: found.resource.app_id,
            audience: found.resource.name.clone(),
            scopes: found.scp(asked),
            rights,
            oidc: asked.oidc,
            optional: delegation::optional_claims(&found.resource.properties, "accessToken"),
            version: version(found.resource.token_version == 2),
            uti: self.random_text::<16>(),
            times: self.token_times(now),
            authenticated_at_ms: request.authenticated_at_ms,
            address: caller.address,
        };
        Ok(Granted { scope: found.echo(asked), token, id_token, refresh_token: None, client_info })
    }
}

async fn write(tx: &mut WriteTx, work: &Work) -> Result<Done, OAuthError> {
    // The user may have changed since the sign-in, and since the request was decided.
    let user = users::lookup(tx, work.tenant, &work.session.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    ensure_session(&user, work.session.authenticated_at_ms)?;
    if let Step::Redeem(flow) = work.step
        && !device::redeem(tx, flow).await?
    {
        return Ok(Done::Redeemed);
    }
    let token = match work.step {
        Step::Rotate(token) => match sessions::rotate(tx, work.tenant, token, work.at_ms).await? {
            Rotation::Next(token) => Some(token),
            Rotation::Over => return Ok(Done::Over),
            Rotation::Reused => {
                record(tx, work.at_ms, &work.reused).await?;
                return Ok(Done::Reused);
            }
        },
        Step::Begin | Step::Redeem(_) if work.offline => {
            Some(sessions::start(tx, work.tenant, &work.session, work.at_ms).await?)
        }
        Step::Begin | Step::Redeem(_) => None,
    };
    record(tx, work.at_ms, &work.issued).await?;
    Ok(Done::Issued(token))
}

fn actor(user: &User, client: &AuthenticatedClient) -> Actor {
    Actor {
        subject: Some(user.id.to_string()),
        app_id: Some(client.app_id().to_string()),
        display: Some(user.user_principal_name.clone()),
    }
}

fn issued_event(token: &UserToken, caller: &Caller) -> Event {
    let detail = format!("uti {} aud {} scp {}", token.uti, token.audience, token.scopes.join(" "));
    Event {
        target: Some(token.resource.to_string()),
        detail: Some(detail),
        source: caller.address.map(|address| address.to_string()),
        correlation: Some(caller.correlation),
        ..Event::new(Action::TokenIssued, Outcome::Success, actor(&token.user, &token.client))
    }
}

fn reused_event(user: &User, client: &AuthenticatedClient, caller: &Caller) -> Event {
    Event {
        target: Some(user.id.to_string()),
        detail: Some("a refresh token came twice".to_owned()),
        source: caller.address.map(|address| address.to_string()),
        correlation: Some(caller.correlation),
        ..Event::new(Action::SessionRevoked, Outcome::Success, actor(user, client))
    }
}
