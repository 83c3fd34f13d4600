//! The device code grant (RFC 8628 §3.4; sheet §2.9): a device asks whether its person has let it in.

use super::{
    Caller,
    user::{ForUser, Granted, Step},
};
use crate::{
    Identity, Tenant,
    oauth::{
        client_authentication::AuthenticatedClient,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint, Values},
        tokens::IdExtras,
    },
    users,
};

/// Redeems the device code.
pub(super) async fn decide(
    identity: &Identity,
    tenant: &Tenant,
    (endpoint, form): (Endpoint, &Form<'_>),
    client: AuthenticatedClient,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    // MSAL Python sends both; the v1 style knows `code` only.
    let code = match form.get("device_code") {
        Some(code) => code,
        None => form.get("code").ok_or(OAuthError::MissingParameter("device_code"))?,
    };
    let approved = identity.poll_device_flow(tenant, &client, code).await?;
    let user =
        users::lookup(&mut identity.0.db.read().await?, tenant.id, &approved.by.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    let mut asked = Asked::parse(Endpoint::V2, Some(&approved.scope), None)?;
    asked.by_resource = endpoint == Endpoint::V1 && asked.values == Values::Default;
    let request = ForUser {
        client,
        user,
        authorised: asked.oidc,
        asked,
        authenticated_at_ms: approved.by.at_ms,
        amr: approved.by.amr,
        step: Step::Redeem(approved.device),
        client_info: form.get("client_info") == Some("1"),
        platform: None,
        session_ends_at_ms: None,
        extras: IdExtras { idp: approved.by.idp, ..IdExtras::default() },
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}
