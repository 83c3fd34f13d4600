//! The refresh grant (RFC 6749 §6; sheet §2.7): a session goes on without its user.

use hilum_kernel::TenantId;
use hilum_storage::db::ReadTx;

use super::{
    Caller,
    user::{ForUser, Granted, Step, ensure_session},
};
use crate::{
    Identity, Tenant, User,
    oauth::{
        client_authentication::AuthenticatedClient,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint, Values},
    },
    sessions::{self, ClientKind, RefreshToken, Session},
    users,
};

/// Uses the refresh token. The session is bound to user and client, not to a resource: another one may be asked for,
/// if the user consented to it.
pub(super) async fn decide(
    identity: &Identity,
    tenant: &Tenant,
    (endpoint, form): (Endpoint, &Form<'_>),
    client: AuthenticatedClient,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    let token = RefreshToken::parse(form.required("refresh_token")?, &identity.0.session_key)
        .ok_or(OAuthError::RefreshTokenInvalid)?;
    let mut tx = identity.0.db.read().await?;
    let session = sessions::by_id(&mut tx, tenant.id, token.session).await?;
    let session = session.filter(|session| !session.revoked).ok_or(OAuthError::RefreshTokenInvalid)?;
    check(&session, &client, identity.0.clock.now_ms())?;
    let user = user_of(&mut tx, tenant.id, &session).await?;
    drop(tx);
    let mut asked = match (form.get("scope"), form.get("resource")) {
        (None, None) => {
            let mut asked = Asked::parse(Endpoint::V2, Some(&session.scope), None)?;
            asked.by_resource = endpoint == Endpoint::V1 && asked.values == Values::Default;
            asked
        }
        (scope, resource) => Asked::parse(endpoint, scope, resource)?,
    };
    asked.oidc.offline_access = true;
    let request = ForUser {
        client,
        user,
        asked,
        authenticated_at_ms: session.authenticated_at_ms,
        step: Step::Rotate(token),
        client_info: form.get("client_info") == Some("1"),
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}

/// RFC 6749 §6, §10.4: the token must have been issued to this client, which proves itself as before.
fn check(session: &Session, client: &AuthenticatedClient, now_ms: i64) -> Result<(), OAuthError> {
    if session.app_id != client.app_id() {
        return Err(OAuthError::GrantOfOtherClient);
    }
    if session.kind == ClientKind::Confidential && client.kind() == ClientKind::Public {
        return Err(OAuthError::PublicFlowsOff(client.app_id().to_string()));
    }
    if session.expires_at_ms <= now_ms {
        return Err(OAuthError::RefreshTokenInactive);
    }
    Ok(())
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
