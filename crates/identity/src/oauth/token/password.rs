//! The password grant (RFC 6749 §4.3; sheet §2.11): off, unless an administrator switched it on for the application.

use hilum_kernel::Secret;

use super::{
    Caller,
    user::{ForUser, Granted, Step, check_audience, ensure_second_factor},
};
use crate::{
    Identity, Tenant, applications,
    oauth::{
        client_authentication::AuthenticatedClient,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint},
        tenant::TenantSegment,
        tokens::IdExtras,
    },
    sign_in::{Moment, Origin},
};

/// Signs the user in with what the client was given.
pub(super) async fn decide(
    identity: &Identity,
    tenant: (&Tenant, TenantSegment),
    (endpoint, form): (Endpoint, &Form<'_>),
    client: AuthenticatedClient,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    let (tenant, segment) = tenant;
    let asked = Asked::parse(endpoint, form.get("scope"), form.get("resource"))?;
    let name = form.required("username")?;
    let password = Secret::new(form.required("password")?.to_owned());
    let app_id = client.app_id();
    let registered = applications::by_app_id(&mut identity.0.db.read().await?, tenant.id, app_id).await?;
    let registered = registered.ok_or_else(|| OAuthError::ApplicationNotFound(app_id.to_string()))?;
    check_audience(&registered, segment)?;
    // Before the password is looked at: the grant is no way to try passwords where it is off.
    if registered.properties.allow_password_grant != Some(true) {
        return Err(OAuthError::PasswordGrantOff(app_id.to_string()));
    }
    let origin = Origin { address: caller.address, correlation: caller.correlation, app_id };
    let signed_in = identity.sign_in_with_password(name, password, origin).await?;
    // Nobody is there to be asked for a second factor. Told only to who knows the password.
    let mut tx = identity.0.db.read().await?;
    let asked_of = (signed_in.user.id, signed_in.amr);
    ensure_second_factor(&mut tx, tenant.id, asked_of, (&[app_id], Moment::SignIn)).await?;
    drop(tx);
    let request = ForUser {
        client,
        user: signed_in.user,
        authorised: asked.oidc,
        asked,
        authenticated_at_ms: signed_in.at_ms,
        amr: signed_in.amr,
        step: Step::Begin,
        client_info: form.get("client_info") == Some("1"),
        platform: None,
        session_ends_at_ms: None,
        extras: IdExtras::default(),
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}
