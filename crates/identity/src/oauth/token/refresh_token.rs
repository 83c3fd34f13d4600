//! The refresh grant (RFC 6749 §6; sheet §2.7): a session goes on without its user.

use hilum_kernel::TenantId;
use hilum_storage::db::ReadTx;

use super::{
    Caller,
    authorization_code::{check_origin, wanted, within},
    user::{ForUser, Granted, Step, ensure_session},
};
use crate::{
    Identity, Tenant, User,
    oauth::{
        authorize::Platform,
        client_authentication::{AuthenticatedClient, Presented, Wanted},
        dpop,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint},
        tokens::IdExtras,
    },
    sessions::{self, ClientKind, RefreshToken, Session},
    token_lifetimes::{self, Lifetimes},
    users,
};

/// Uses the refresh token. The session is bound to user and client, not to a resource: another one may be asked for,
/// if the user consented to it.
pub(super) async fn decide(
    identity: &Identity,
    tenant: &Tenant,
    (endpoint, form): (Endpoint, &Form<'_>),
    presented: &Presented<'_>,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    let token = RefreshToken::parse(form.required("refresh_token")?, &identity.0.session_key);
    let session = match token {
        Some(token) => sessions::by_id(&mut identity.0.db.read().await?, tenant.id, token.session).await?,
        None => None,
    };
    let platform = session.as_ref().and_then(|session| session.platform);
    check_origin(identity, tenant, (presented, platform), caller).await?;
    // Who was let in by redirect proves itself as when it redeemed the code.
    let wanted = platform.map_or(Wanted::CredentialOrPublic, wanted);
    let client = identity.authenticate(tenant, (presented, wanted), caller.address).await?;
    let (Some(token), Some(session)) = (token, session.filter(|session| !session.revoked)) else {
        return Err(OAuthError::RefreshTokenInvalid);
    };
    let now_ms = identity.0.clock.now_ms();
    check(&session, &client)?;
    dpop::ensure_key(session.bound_to.as_deref(), caller.key.as_deref())?;
    let mut tx = identity.0.db.read().await?;
    let app_id = client.app_id();
    let lifetimes = token_lifetimes::lifetimes(&mut tx, tenant.id, app_id, app_id).await?;
    check_life(&session, &lifetimes, now_ms)?;
    let user = user_of(&mut tx, tenant.id, &session).await?;
    drop(tx);
    // RFC 6749 §6: no word that its user did not authorise; the session keeps those for the next time.
    let authorised = Asked::parse(Endpoint::V2, Some(&session.scope), None)?;
    let mut asked = within(&authorised, endpoint, form)?;
    asked.oidc.offline_access = true;
    let request = ForUser {
        client,
        user,
        asked,
        authorised: authorised.oidc,
        authenticated_at_ms: session.authenticated_at_ms,
        amr: session.amr,
        step: Step::Rotate(token),
        client_info: form.get("client_info") == Some("1"),
        platform: session.platform,
        session_ends_at_ms: session.ends_at_ms,
        extras: IdExtras { idp: session.idp.clone(), ..IdExtras::default() },
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}

/// RFC 6749 §6, §10.4: the token must have been issued to this client, which proves itself as before.
fn check(session: &Session, client: &AuthenticatedClient) -> Result<(), OAuthError> {
    if session.app_id != client.app_id() {
        return Err(OAuthError::GrantOfOtherClient);
    }
    if session.kind == ClientKind::Confidential && client.kind() == ClientKind::Public {
        return Err(OAuthError::PublicFlowsOff(client.app_id().to_string()));
    }
    Ok(())
}

/// The session must not be over: by what the policies say now, nor by what they said when its token was made.
fn check_life(session: &Session, lifetimes: &Lifetimes, now_ms: i64) -> Result<(), OAuthError> {
    let of_spa = session.platform == Some(Platform::Spa);
    if session.kind == ClientKind::Public && !of_spa && !lifetimes.public_refresh_tokens() {
        return Err(OAuthError::RefreshTokensOff);
    }
    let life = lifetimes.session(session.kind, session.amr);
    if life.ends_at_ms(session.authenticated_at_ms) <= now_ms {
        return Err(OAuthError::SignInTooOld);
    }
    let rested_out = session.rotated_at_ms().saturating_add(life.inactive_max_ms) <= now_ms;
    match session.ends_at_ms {
        Some(_) if session.expires_at_ms <= now_ms => Err(OAuthError::SpaSessionOver),
        None if session.expires_at_ms <= now_ms || rested_out => Err(OAuthError::RefreshTokenInactive),
        _ => Ok(()),
    }
}

/// The session's user, who must still be there and enabled, and whose sessions nobody has ended.
async fn user_of(tx: &mut ReadTx, tenant: TenantId, session: &Session) -> Result<User, OAuthError> {
    let user = users::lookup(tx, tenant, &session.user.to_string()).await?;
    let user = user.ok_or(OAuthError::RefreshTokenInvalid)?;
    if !user.account_enabled {
        return Err(OAuthError::UserDisabled);
    }
    ensure_session(&user, session.authenticated_at_ms)?;
    Ok(user)
}
