//! The authorization code grant (RFC 6749 §4.1.3; sheet §2.2, §2.3, §2.8): the client that asked, proven in the way of its
//! redirect URI's platform, turns a code into tokens. Once.

use super::{
    Caller,
    user::{ForUser, Granted, Step},
};
use crate::{
    Identity, Tenant, applications,
    oauth::{
        authorize::{Code, Platform, is_spa_origin, pkce},
        client_authentication::{AuthenticatedClient, Presented, Wanted},
        dpop,
        error::OAuthError,
        form::Form,
        scopes::{Asked, Endpoint, Values},
        tokens::IdExtras,
    },
    users,
};

/// Which proof of a client a platform wants.
pub(in crate::oauth) const fn wanted(platform: Platform) -> Wanted {
    match platform {
        Platform::Web => Wanted::Confidential,
        Platform::Spa | Platform::PublicClient => Wanted::Public,
    }
}

/// Redeems the code.
pub(super) async fn decide(
    identity: &Identity,
    tenant: &Tenant,
    (endpoint, form): (Endpoint, &Form<'_>),
    presented: &Presented<'_>,
    caller: &Caller,
) -> Result<Granted, OAuthError> {
    let Some(code) = identity.open_code(form.required("code")?) else {
        let wanted = Wanted::CredentialOrPublic;
        identity.authenticate(tenant, (presented, wanted), caller.address).await?;
        return Err(OAuthError::CodeInvalid);
    };
    let grant = &code.grant;
    check_origin(identity, tenant, (presented, Some(grant.platform)), caller).await?;
    let client = identity.authenticate(tenant, (presented, wanted(grant.platform)), caller.address).await?;
    check(&code, &client, form, identity.0.clock.now_ms())?;
    dpop::ensure_key(grant.bound_to.as_deref(), caller.key.as_deref())?;
    let user = users::lookup(&mut identity.0.db.read().await?, tenant.id, &grant.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    let authorised = Asked::parse(Endpoint::V2, Some(&grant.scope), None)?;
    let request = ForUser {
        client,
        user,
        asked: within(&authorised, endpoint, form)?,
        authorised: authorised.oidc,
        authenticated_at_ms: grant.authenticated_at_ms,
        amr: grant.amr,
        step: Step::Code(code.redemption()),
        client_info: form.get("client_info") == Some("1"),
        platform: Some(grant.platform),
        session_ends_at_ms: None,
        extras: IdExtras {
            nonce: grant.nonce.clone(),
            sid: Some(grant.sid),
            idp: grant.idp.clone(),
            auth_time: grant.auth_time,
            ..IdExtras::default()
        },
    };
    identity.grant_to_user(tenant, endpoint, request, caller).await
}

/// The code's bindings, in the order of RFC 6749 §4.1.3.
fn check(code: &Code, client: &AuthenticatedClient, form: &Form<'_>, now_ms: i64) -> Result<(), OAuthError> {
    let grant = &code.grant;
    if grant.client != client.app_id() {
        return Err(OAuthError::GrantOfOtherClient);
    }
    if code.is_expired(now_ms) {
        return Err(OAuthError::CodeExpired);
    }
    match form.get("redirect_uri") {
        Some(uri) if uri == grant.redirect_uri => {}
        None if !grant.redirect_uri_named => {}
        Some(_) => return Err(OAuthError::RedirectUriDiffers),
        None => return Err(OAuthError::MissingParameter("redirect_uri")),
    }
    pkce::check(grant.challenge.as_ref(), form.get("code_verifier"))
}

/// What a token is for: what was authorised, unless the request says otherwise (RFC 6749 §6). It gets no further than
/// consent goes, and its words of OpenID Connect no further than those that were authorised.
pub(super) fn within(authorised: &Asked, endpoint: Endpoint, form: &Form<'_>) -> Result<Asked, OAuthError> {
    match (form.get("scope"), form.get("resource")) {
        (None, None) => {
            let by_resource = endpoint == Endpoint::V1 && authorised.values == Values::Default;
            Ok(Asked { by_resource, ..authorised.clone() })
        }
        // MSAL repeats its scopes; one without a resource means the one that was authorised.
        (scope, resource) => {
            let mut asked = Asked::parse(endpoint, scope, resource)?;
            asked.limit_to(authorised.oidc);
            asked.or_resource_of(authorised);
            Ok(asked)
        }
    }
}

/// Where tokens go to browsers' pages and where they do not (sheet §2.8): pages of the single-page platform alone may
/// ask across origins, and they must.
pub(super) async fn check_origin(
    identity: &Identity,
    tenant: &Tenant,
    (presented, platform): (&Presented<'_>, Option<Platform>),
    caller: &Caller,
) -> Result<(), OAuthError> {
    match (platform, &caller.origin) {
        (Some(Platform::Spa), None) => Err(OAuthError::SpaOnly),
        (Some(Platform::Spa), Some(origin)) => {
            let mut tx = identity.0.db.read().await?;
            let application = applications::by_app_id(&mut tx, tenant.id, presented.app_id).await?;
            let known = application.is_some_and(|application| is_spa_origin(&application.properties, origin));
            if known { Ok(()) } else { Err(OAuthError::SpaOnly) }
        }
        (_, Some(_)) => Err(OAuthError::CrossOrigin),
        (_, None) => Ok(()),
    }
}
