//! What is checked of an authorization request, in order. Until client and redirect URI are proven, refusals are shown to
//! the person; afterwards they are sent to the client (RFC 6749 §4.1.2.1; sheet §2.1).

use hilum_kernel::{AppId, ObjectId};
use hilum_storage::db::ReadTx;
use serde::{Deserialize, Serialize};

use super::{
    parameters::Parameters,
    pkce::Challenge,
    prompt::Prompt,
    redirect_uri::{self, Platform},
    response::{ResponseMode, ResponseType, WayBack},
};
use crate::{
    Application, Identity, Tenant, User, applications,
    oauth::{
        delegation, dpop,
        error::{OAuthError, quoted},
        scopes::{Asked, Endpoint, Values},
        sql,
        tenant::TenantSegment,
        token::check_audience,
    },
    token_lifetimes,
};

/// A request as it came: what pages carry from step to step, and what is checked anew at each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::oauth) struct Asking {
    pub(in crate::oauth) kind: Kind,
    pub(in crate::oauth) endpoint: Endpoint,
    pub(in crate::oauth) segment: String,
    pub(in crate::oauth) parameters: Parameters,
    /// Whether the client sent it here itself (RFC 9126), not by the browser.
    #[serde(default)]
    pub(in crate::oauth) pushed: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::oauth) enum Kind {
    SignIn,
    /// An administrator's consent for everybody.
    AdminConsent,
}

/// A request that may be answered once the person is known.
#[derive(Debug)]
pub(in crate::oauth) struct Request {
    pub(super) kind: Kind,
    pub(super) endpoint: Endpoint,
    pub(super) application: Application,
    pub(super) principal: ObjectId,
    pub(in crate::oauth) platform: Platform,
    pub(super) redirect_uri_named: bool,
    pub(super) back: WayBack,
    pub(super) response_type: ResponseType,
    pub(super) asked: Asked,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<Challenge>,
    /// The key that the code is to be bound to (RFC 9449 §10).
    pub(super) bound_to: Option<String>,
    pub(super) prompt: Prompt,
    pub(super) client_info: bool,
}

impl Request {
    pub(super) const fn app_id(&self) -> AppId {
        self.application.app_id
    }

    /// Whether the user is the one that the client wants, if it says so (OIDC Core §3.1.2.1, §3.1.2.2).
    pub(super) fn is_about(&self, identity: &Identity, user: &User) -> bool {
        let subjects = &self.prompt.subjects;
        subjects.is_empty() || {
            let subject = identity.subject(user.id, self.app_id());
            subjects.iter().all(|wanted| *wanted == subject)
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.application.properties.display_name
    }
}

/// A refusal, and who is told.
#[derive(Debug)]
pub(in crate::oauth) enum Refusal {
    /// The person: nobody knows where the client is.
    Page(OAuthError),
    /// The client.
    Client(Box<WayBack>, OAuthError),
}

impl<E: Into<OAuthError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Page(error.into())
    }
}

impl Identity {
    /// All checks that need no person.
    pub(in crate::oauth) async fn check_authorization(&self, asking: &Asking) -> Result<Request, Refusal> {
        let tenant = self.tenant().await?;
        let parameters = &asking.parameters;
        let segment = TenantSegment::parse(&asking.segment, tenant)?;
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.hinted(hint).await?),
            None => None,
        };
        let mut tx = self.0.db.snapshot().await?;
        let (application, principal) = client(&mut tx, tenant, parameters).await?;
        check_audience(&application, segment)?;
        let (platform, uri) = way_back(&application, parameters)?;
        if asking.kind == Kind::AdminConsent {
            let client = (application, principal, platform);
            return admin_consent(&mut tx, tenant, asking, (client, uri)).await;
        }

        let (response_type, mode) = (response_type(parameters), response_mode(parameters));
        let back = WayBack {
            redirect_uri: uri,
            mode: *mode.as_ref().unwrap_or_else(|(mode, _)| mode),
            state: parameters.get("state").map(str::to_owned),
            issuer: self.issuer_for(tenant, segment, asking.endpoint),
            always: Vec::new(),
        };
        let checked = async {
            let response_type = response_type?;
            mode.map_err(|(_, error)| error)?;
            allowed(&application, response_type)?;
            no_request_object(parameters)?;
            // RFC 9126 §6: as the registration says.
            if application.properties.require_pushed_authorization_requests == Some(true) && !asking.pushed {
                return Err(OAuthError::PushedRequestRequired);
            }
            let asked = asked(asking.endpoint, parameters, response_type)?;
            exists(&mut tx, tenant, &asked).await?;
            let mut prompt = Prompt::parse(parameters)?;
            if let Some(hint) = hint {
                prompt = prompt.with_hint(hint, application.app_id)?;
            }
            let app_id = application.app_id;
            prompt.sign_in_age =
                token_lifetimes::lifetimes(&mut tx, tenant.id, app_id, app_id).await?.sign_in_age();
            Ok(Request {
                kind: asking.kind,
                endpoint: asking.endpoint,
                nonce: nonce(parameters, response_type)?,
                challenge: challenge(parameters, response_type, platform)?,
                bound_to: dpop::thumbprint(parameters.get("dpop_jkt"))?,
                prompt,
                client_info: parameters.get("client_info") == Some("1"),
                redirect_uri_named: parameters.get("redirect_uri").is_some(),
                back: back.clone(),
                principal,
                platform,
                response_type,
                asked,
                application,
            })
        };
        checked.await.map_err(|error| Refusal::Client(Box::new(back.clone()), error))
    }

    /// RFC 9207 §2.1: the issuer that discovery told the client.
    fn issuer_for(&self, tenant: &Tenant, segment: TenantSegment, endpoint: Endpoint) -> Option<String> {
        match (segment, endpoint) {
            (TenantSegment::Any, _) => None,
            (TenantSegment::Own, Endpoint::V1) => Some(self.v1_issuer(tenant)),
            (TenantSegment::Own, Endpoint::V2) => Some(self.v2_issuer(tenant)),
        }
    }
}

/// What an administrator is asked (sheet §2.12): what `scope` names, or else all that the registration lists.
async fn admin_consent(
    tx: &mut ReadTx,
    tenant: &Tenant,
    asking: &Asking,
    ((application, principal, platform), redirect_uri): ((Application, ObjectId, Platform), String),
) -> Result<Request, Refusal> {
    let parameters = &asking.parameters;
    let back = WayBack {
        redirect_uri,
        mode: ResponseMode::Query,
        state: parameters.get("state").map(str::to_owned),
        issuer: None,
        always: vec![("admin_consent", "True".to_owned()), ("tenant", tenant.id.to_string())],
    };
    let asked = async {
        let mut asked = Asked::parse(Endpoint::V2, parameters.get("scope").or(Some("openid")), None)?;
        if parameters.get("scope").is_none() {
            asked.words.clear();
        }
        exists(tx, tenant, &asked).await?;
        Ok(asked)
    };
    let asked = asked.await.map_err(|error| Refusal::Client(Box::new(back.clone()), error))?;
    Ok(Request {
        kind: asking.kind,
        endpoint: asking.endpoint,
        nonce: None,
        challenge: None,
        bound_to: None,
        prompt: Prompt::default(),
        client_info: false,
        redirect_uri_named: parameters.get("redirect_uri").is_some(),
        response_type: ResponseType::default(),
        application,
        principal,
        platform,
        asked,
        back,
    })
}

/// The client of a request.
async fn client(
    tx: &mut ReadTx,
    tenant: &Tenant,
    parameters: &Parameters,
) -> Result<(Application, ObjectId), OAuthError> {
    let id = parameters.required("client_id")?;
    let app_id: AppId = id.parse().map_err(|_| OAuthError::ApplicationNotFound(quoted(id)))?;
    usable_client(tx, tenant, app_id).await
}

/// A client and its principal in the tenant, while both may be used.
pub(in crate::oauth) async fn usable_client(
    tx: &mut ReadTx,
    tenant: &Tenant,
    app_id: AppId,
) -> Result<(Application, ObjectId), OAuthError> {
    let not_found = || OAuthError::ApplicationNotFound(app_id.to_string());
    let client = sql::client(tx, tenant.id, app_id).await?.ok_or_else(not_found)?;
    let (principal, enabled) = client.principal.ok_or_else(not_found)?;
    match (client.disabled, enabled) {
        (true, _) => Err(OAuthError::ApplicationDisabled(app_id.to_string())),
        (_, false) => Err(OAuthError::ServicePrincipalDisabled(app_id.to_string())),
        _ => {
            let application = applications::by_app_id(tx, tenant.id, app_id).await?.ok_or_else(not_found)?;
            Ok((application, principal))
        }
    }
}

/// RFC 6749 §3.1.2.3, RFC 9700 §2.1: only what is registered, letter by letter.
fn way_back(application: &Application, parameters: &Parameters) -> Result<(Platform, String), OAuthError> {
    let (properties, app_id) = (&application.properties, application.app_id.to_string());
    if !redirect_uri::any(properties) {
        return Err(OAuthError::NoRedirectUri(app_id));
    }
    let Some(uri) = parameters.get("redirect_uri") else {
        let only = redirect_uri::only(properties).ok_or(OAuthError::MissingParameter("redirect_uri"))?;
        return Ok((only.0, only.1.to_owned()));
    };
    let platform = redirect_uri::registered(properties, uri);
    let platform = platform.ok_or_else(|| OAuthError::RedirectUriUnknown(quoted(uri), app_id))?;
    Ok((platform, uri.to_owned()))
}

fn response_type(parameters: &Parameters) -> Result<ResponseType, OAuthError> {
    let text = parameters.required("response_type")?;
    ResponseType::parse(text).ok_or_else(|| OAuthError::ResponseTypeUnknown(quoted(text)))
}

/// The mode; of a wrong one, too, by which way the client hears of it.
fn response_mode(parameters: &Parameters) -> Result<ResponseMode, (ResponseMode, OAuthError)> {
    let response_type = response_type(parameters).unwrap_or_default();
    let default = ResponseMode::default_of(response_type);
    ResponseMode::parse(parameters.get("response_mode"), response_type).map_err(|error| (default, error))
}

/// Tokens go to a browser only where the registration's switches say so (sheet §2.4).
fn allowed(application: &Application, response_type: ResponseType) -> Result<(), OAuthError> {
    let switches = &application.properties.web.implicit_grant_settings;
    let id = || application.app_id.to_string();
    if response_type.token && !switches.enable_access_token_issuance {
        return Err(OAuthError::TokenNotEnabled(id()));
    }
    if response_type.id_token && !switches.enable_id_token_issuance {
        return Err(OAuthError::IdTokenNotEnabled(id()));
    }
    Ok(())
}

/// OIDC Core §6: what the client meant stands in an object that nobody here reads.
fn no_request_object(parameters: &Parameters) -> Result<(), OAuthError> {
    for name in ["request", "request_uri"] {
        if parameters.get(name).is_some() {
            return Err(OAuthError::RequestObject(name));
        }
    }
    Ok(())
}

/// What is asked for. On the v1 endpoint the token request may name the resource instead.
fn asked(
    endpoint: Endpoint,
    parameters: &Parameters,
    response_type: ResponseType,
) -> Result<Asked, OAuthError> {
    let (scope, resource) = (parameters.get("scope"), parameters.get("resource"));
    let mut asked = match (endpoint, scope, resource) {
        (Endpoint::V1, None, None) => {
            Asked::parse(Endpoint::V2, Some("openid profile offline_access"), None)?
        }
        _ => Asked::parse(endpoint, scope, resource)?,
    };
    if endpoint == Endpoint::V1 {
        asked.oidc.openid = true;
    }
    // OIDC Core §3.1.2.1: without `openid` it is no request for an ID token.
    if response_type.id_token && !asked.oidc.openid {
        return Err(OAuthError::BadParameter("scope"));
    }
    Ok(asked)
}

/// The resource is there, and defines what is asked for.
async fn exists(tx: &mut ReadTx, tenant: &Tenant, asked: &Asked) -> Result<(), OAuthError> {
    let resource = delegation::resource(tx, tenant.id, &asked.resource).await?;
    if let Values::Named(values) = &asked.values {
        delegation::named(values, &resource)?;
    }
    Ok(())
}

/// OIDC Core §3.2.2.1: an ID token that passes through the browser needs a nonce.
fn nonce(parameters: &Parameters, response_type: ResponseType) -> Result<Option<String>, OAuthError> {
    match parameters.get("nonce") {
        None if response_type.id_token => Err(OAuthError::FieldMissing("nonce")),
        nonce => Ok(nonce.map(str::to_owned)),
    }
}

/// PKCE is about codes.
fn challenge(
    parameters: &Parameters,
    response_type: ResponseType,
    platform: Platform,
) -> Result<Option<Challenge>, OAuthError> {
    if !response_type.code {
        return Ok(None);
    }
    Challenge::parse(parameters.get("code_challenge"), parameters.get("code_challenge_method"), platform)
}
