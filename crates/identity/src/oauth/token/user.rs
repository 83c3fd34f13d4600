//! Tokens on behalf of a user: what the grants that know one have in common.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome, record};
use hilum_kernel::{AppId, Secret, TenantId, UserId};
use hilum_storage::db::{ReadTx, WriteTx};
use serde_json::json;

use super::Caller;
use crate::{
    Application, ApplicationProperties, Identity, SignInAudience, Tenant, User,
    authentication_methods::Amr,
    oauth::{
        authorize::{self, Platform, Redeemed, Redemption},
        client_authentication::AuthenticatedClient,
        delegation::{self, ClientIds, Delegation},
        device::{self, CodeHash},
        error::OAuthError,
        scopes::{Asked, Endpoint, OidcWords},
        tenant::TenantSegment,
        tokens::{IdExtras, IdToken, Rights, UserToken, Version},
    },
    seed,
    sessions::{self, ClientKind, NewSession, RefreshToken, Rotation, SessionId, SessionLife},
    sign_in::{self, Moment, Outstanding},
    token_lifetimes::{self, Lifetimes},
    users,
};

/// A user, a client, and what is asked: everything a grant has to find out.
pub(crate) struct ForUser {
    pub(crate) client: AuthenticatedClient,
    pub(crate) user: User,
    pub(crate) asked: Asked,
    /// The words of OpenID Connect that the user authorised: a session keeps them, whatever this request says.
    pub(crate) authorised: OidcWords,
    pub(crate) authenticated_at_ms: i64,
    /// What the user proved then.
    pub(crate) amr: Amr,
    pub(crate) step: Step,
    /// Whether `client_info=1` was sent.
    pub(crate) client_info: bool,
    /// Where the answer to the authorization request was sent, if there was one.
    pub(crate) platform: Option<Platform>,
    /// When the session that goes on ends, if it does not roll on.
    pub(crate) session_ends_at_ms: Option<i64>,
    pub(crate) extras: IdExtras,
}

/// What becomes of the session, and of the grant.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A session begins, if it was asked for.
    Begin,
    /// The same, and the device flow ends.
    Redeem(CodeHash),
    /// The same, and the authorization code is used up.
    Code(Redemption),
    /// A session goes on.
    Rotate(RefreshToken),
}

/// A token for a user, decided and written down, but not signed yet.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) token: UserToken,
    pub(crate) id_token: Option<IdToken>,
    pub(super) refresh_token: Option<Secret<String>>,
    /// How long the session goes on; nothing where the policies want none.
    session_life: Option<SessionLife>,
    /// In seconds from now, where the session does not roll on (sheet §2.3).
    pub(super) refresh_token_expires_in: Option<i64>,
    pub(crate) scope: String,
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
    /// The authorization code was redeemed before.
    CodeReused,
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

/// Refuses a user who has shown one factor where two are needed: nobody can be asked here.
pub(crate) async fn ensure_second_factor(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: (UserId, Amr),
    applications: (&[AppId], Moment),
) -> Result<(), OAuthError> {
    match sign_in::outstanding(tx, tenant, user, applications).await? {
        Outstanding::Nothing => Ok(()),
        Outstanding::Challenge(_) => Err(OAuthError::SecondFactorRequired),
        Outstanding::Enrolment => Err(OAuthError::SecondFactorEnrolment),
    }
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
            scope: request.asked.text_with(request.authorised),
            authenticated_at_ms: request.authenticated_at_ms,
            idp: request.extras.idp.clone(),
            platform: request.platform,
            amr: request.amr,
            // RFC 9449 §5: who does not prove itself could be robbed of it.
            bound_to: caller.key.clone().filter(|_| client.kind() == ClientKind::Public),
            life: granted.session_life.unwrap_or(SessionLife { inactive_max_ms: 0, age_max_ms: None }),
        };
        // A code can come twice: what it gives now must be found again then.
        let of_code = matches!(request.step, Step::Code(_)).then_some(session.id);
        let ends_at_ms = request.session_ends_at_ms.or_else(|| session.ends_at_ms(now_ms));
        // A session that is over when it begins is none.
        let offline = request.asked.oidc.offline_access
            && granted.session_life.is_some_and(|life| now_ms < life.ends_at_ms(request.authenticated_at_ms));
        let work = Work {
            tenant: tenant.id,
            step: request.step.clone(),
            session,
            offline,
            at_ms: now_ms,
            issued: issued_event(&granted.token, caller),
            reused: reused_event(user, client, (&request.step, caller)),
        };
        match self.0.db.write(work, |tx, work| write(tx, work).boxed()).await? {
            Done::Issued(token) => {
                granted.token.session = token.map(|token| token.session).or(of_code);
                granted.refresh_token = token.map(|token| token.text(&self.0.session_key));
                granted.refresh_token_expires_in = ends_at_ms
                    .filter(|_| granted.refresh_token.is_some())
                    .map(|ends_at_ms| (ends_at_ms - now_ms).max(0) / 1000);
                metrics::counter!("hilum_tokens_issued_total").increment(1);
                Ok(granted)
            }
            Done::CodeReused => {
                tracing::warn!(app.id = %client.app_id(), "an authorization code came twice: its session has ended");
                metrics::counter!("hilum_code_reuse_total").increment(1);
                Err(OAuthError::CodeRedeemed)
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

    /// Decides what the user's tokens carry; writes nothing.
    pub(crate) async fn decide_for_user(
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
        let found = found(&mut tx, tenant.id, ids, request).await?;
        if found.is_to_be_asked() || found.is_empty {
            let name = registered.properties.display_name;
            return Err(OAuthError::ConsentRequired(client.app_id().to_string(), name));
        }
        let rights = delegation::rights(&mut tx, tenant.id, user, &found.resource).await?;
        let applications = [client.app_id(), found.resource.app_id];
        let asked_of = (user.id, request.amr);
        ensure_second_factor(&mut tx, tenant.id, asked_of, (&applications, Moment::Later)).await?;
        let [client_id, resource_id] = applications;
        let lifetimes = token_lifetimes::lifetimes(&mut tx, tenant.id, client_id, resource_id).await?;
        drop(tx);
        let keeps = client.kind() == ClientKind::Confidential
            || request.platform == Some(Platform::Spa)
            || lifetimes.public_refresh_tokens();
        let now = self.0.clock.now();
        let id_token =
            self.id_token(request, &registered.properties, client_rights, (endpoint, &lifetimes, caller));
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
            client_name: (found.resource.app_id == seed::GRAPH_APP_ID)
                .then(|| registered.properties.display_name.clone()),
            takes_challenges: caller.takes_challenges,
            sid: request.extras.sid,
            version: if found.resource.token_version == 2 { Version::V2 } else { Version::V1 },
            uti: self.random_text::<16>(),
            times: self.token_times(now, &lifetimes, client.kind()),
            authenticated_at_ms: request.authenticated_at_ms,
            session: None,
            amr: request.amr,
            idp: request.extras.idp.clone(),
            address: caller.address,
            bound_to: caller.key.clone(),
        };
        Ok(Granted {
            scope: found.echo(asked),
            token,
            id_token,
            refresh_token: None,
            session_life: keeps.then(|| lifetimes.session(client.kind(), request.amr)),
            refresh_token_expires_in: None,
            client_info,
        })
    }

    /// The ID token that goes along, where one was asked for.
    fn id_token(
        &self,
        request: &ForUser,
        registered: &ApplicationProperties,
        rights: Rights,
        (endpoint, lifetimes, caller): (Endpoint, &Lifetimes, &Caller),
    ) -> Option<IdToken> {
        if !request.asked.oidc.openid {
            return None;
        }
        let optional = delegation::optional_claims(registered, "idToken");
        let wants_sid =
            registered.web.logout_url.is_some() || optional.iter().any(|claim| claim.name == "sid");
        let sid = request.extras.sid.filter(|_| wants_sid);
        Some(IdToken {
            client: request.client.app_id(),
            user: request.user.clone(),
            oidc: request.asked.oidc,
            version: if endpoint == Endpoint::V2 { Version::V2 } else { Version::V1 },
            uti: self.random_text::<16>(),
            now_s: self.0.clock.now().as_second(),
            life_s: lifetimes.id_token_s(request.client.kind()),
            optional,
            address: caller.address,
            authenticated_at_ms: request.authenticated_at_ms,
            amr: request.amr,
            rights,
            extras: IdExtras { sid, ..request.extras.clone() },
        })
    }
}

/// What the client may do for the user. What was said yes to on a page may have been taken back since; who gave the client
/// name and password needed no question, and a session ends with its consent.
async fn found(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: ClientIds,
    request: &ForUser,
) -> Result<Delegation, OAuthError> {
    let (user, asked) = (&request.user, &request.asked);
    match &request.step {
        Step::Code(_) | Step::Redeem(_) => delegation::find_to_ask(tx, tenant, client, user, asked).await,
        Step::Begin | Step::Rotate(_) => delegation::find(tx, tenant, client, user, asked).await,
    }
}

async fn write(tx: &mut WriteTx, work: &Work) -> Result<Done, OAuthError> {
    // The user may have changed since the sign-in, and since the request was decided.
    let user = users::lookup(tx, work.tenant, &work.session.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    ensure_session(&user, work.session.authenticated_at_ms)?;
    match &work.step {
        Step::Redeem(flow) if !device::redeem(tx, *flow).await? => return Ok(Done::Redeemed),
        Step::Code(code) => {
            if let Redeemed::Before(session) =
                authorize::redeem(tx, code, work.session.id, work.at_ms).await?
            {
                if let Some(id) = session {
                    sessions::end(tx, work.tenant, &NewSession { id, ..work.session.clone() }, work.at_ms)
                        .await?;
                }
                record(tx, work.at_ms, &work.reused).await?;
                return Ok(Done::CodeReused);
            }
        }
        Step::Begin | Step::Redeem(_) | Step::Rotate(_) => {}
    }
    let token = match &work.step {
        Step::Rotate(token) => {
            match sessions::rotate(tx, work.tenant, (*token, &work.session), work.at_ms).await? {
                Rotation::Next(token) => Some(token),
                Rotation::Over => return Ok(Done::Over),
                Rotation::Reused => {
                    record(tx, work.at_ms, &work.reused).await?;
                    return Ok(Done::Reused);
                }
            }
        }
        Step::Begin | Step::Redeem(_) | Step::Code(_) if work.offline => {
            Some(sessions::start(tx, work.tenant, &work.session, work.at_ms).await?)
        }
        Step::Begin | Step::Redeem(_) | Step::Code(_) => None,
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

pub(crate) fn issued_event(token: &UserToken, caller: &Caller) -> Event {
    let detail = format!("uti {} aud {} scp {}", token.uti, token.audience, token.scopes.join(" "));
    Event {
        target: Some(token.resource.to_string()),
        detail: Some(detail),
        ..Event::new(Action::TokenIssued, Outcome::Success, actor(&token.user, &token.client))
            .of_request(caller.address, caller.correlation)
    }
}

fn reused_event(user: &User, client: &AuthenticatedClient, (step, caller): (&Step, &Caller)) -> Event {
    let what = if matches!(step, Step::Code(_)) { "an authorization code" } else { "a refresh token" };
    Event {
        target: Some(user.id.to_string()),
        detail: Some(format!("{what} came twice")),
        ..Event::new(Action::SessionRevoked, Outcome::Success, actor(user, client))
            .of_request(caller.address, caller.correlation)
    }
}
