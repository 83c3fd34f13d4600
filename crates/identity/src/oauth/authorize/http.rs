//! The pages' wire: the authorization endpoint, and the steps a person takes from there to the client.

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
};
use hilum_web::RequestContext;
use http::HeaderMap;

use super::{
    checks::{Asking, Kind},
    goal::{OwnPage, Target},
    parameters::Parameters,
    response::see_other,
    steps::{Flow, Steps},
    upstream::Pending,
};
use crate::{
    Identity,
    oauth::{
        browser::Visit,
        error::OAuthError,
        failure::failed,
        form::Form,
        scopes::Endpoint,
        token::{Caller, takes_challenges, wire},
    },
};

/// Longer queries are refused before they are looked at.
const QUERY_BYTES_MAX: usize = 32 * 1024;

pub(crate) async fn get_v1(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    begin(&identity, (Kind::SignIn, Endpoint::V1, tenant), &context, (query, headers)).await
}

pub(crate) async fn get_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    begin(&identity, (Kind::SignIn, Endpoint::V2, tenant), &context, (query, headers)).await
}

/// `GET …/adminconsent`.
pub(crate) async fn admin_consent_v1(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    begin(&identity, (Kind::AdminConsent, Endpoint::V1, tenant), &context, (query, headers)).await
}

/// `GET …/v2.0/adminconsent`.
pub(crate) async fn admin_consent_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    begin(&identity, (Kind::AdminConsent, Endpoint::V2, tenant), &context, (query, headers)).await
}

pub(crate) async fn post_v1(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    again(&identity, (Endpoint::V1, &tenant), &context, (headers, body)).await
}

pub(crate) async fn post_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    again(&identity, (Endpoint::V2, &tenant), &context, (headers, body)).await
}

/// `GET …/authorize` (RFC 6749 §3.1).
async fn begin(
    identity: &Identity,
    (kind, endpoint, segment): (Kind, Endpoint, String),
    context: &RequestContext,
    (query, headers): (Option<String>, HeaderMap),
) -> Response {
    let mut visit = Visit::of(identity, context, &headers);
    let query = query.unwrap_or_default();
    let read = async {
        if query.len() > QUERY_BYTES_MAX {
            return Err(OAuthError::TooLarge);
        }
        let form = Form::parse(query.as_bytes())?;
        if let Some(parameters) = identity.take_pushed((kind, endpoint), &segment, &form).await? {
            return Ok(Asking { kind, endpoint, segment, parameters, pushed: true });
        }
        let parameters = parameters(identity, &form).await?;
        Ok(Asking { kind, endpoint, segment, parameters, pushed: false })
    };
    let asking = match read.await {
        Ok(asking) => asking,
        Err(error) => return failed(&visit, &error),
    };
    visit.speak(asking.parameters.languages());
    let caller = caller(&asking.parameters, context);
    let live = visit.live().await;
    let flow = Flow::new(Target::Client(asking), &visit, identity.0.clock.now_ms());
    match live {
        Ok(live) => Steps { visit, caller, live }.open(flow).await,
        Err(error) => failed(&visit, &error),
    }
}

/// Who asks: the client may name its own request (as Entra's do).
fn caller(parameters: &Parameters, context: &RequestContext) -> Caller {
    let correlation = parameters.get("client-request-id").and_then(|id| id.parse().ok());
    Caller {
        address: context.client_address,
        correlation: correlation.unwrap_or(context.correlation),
        origin: None,
        key: None,
        takes_challenges: takes_challenges(parameters.get("claims")),
    }
}

/// The parameters, and of the hint only what counts.
pub(in crate::oauth) async fn parameters(
    identity: &Identity,
    form: &Form<'_>,
) -> Result<Parameters, OAuthError> {
    let mut parameters = Parameters::of(form)?;
    if let Some(hint) = parameters.get("id_token_hint") {
        let sealed = identity.hinted(hint).await?.map(|hinted| identity.sealed_hint(&hinted)).transpose()?;
        // One that is not ours is refused later, when the client is known.
        parameters.replace("id_token_hint", sealed.unwrap_or_else(|| "unknown".to_owned()));
    }
    Ok(parameters)
}

/// `POST …/authorize` (OIDC Core §3.1.2.1) comes from another site, so without our cookies: the browser is asked to come
/// again by GET, with them.
async fn again(
    identity: &Identity,
    (endpoint, segment): (Endpoint, &str),
    context: &RequestContext,
    (headers, body): (HeaderMap, Body),
) -> Response {
    let visit = Visit::of(identity, context, &headers);
    let read = async {
        let form = wire::form(&headers, body).await?;
        let query = parameters(identity, &form).await?.query();
        if query.len() > QUERY_BYTES_MAX { Err(OAuthError::TooLarge) } else { Ok(query) }
    };
    let path = if endpoint == Endpoint::V1 { "oauth2/authorize" } else { "oauth2/v2.0/authorize" };
    // A segment that is no tenant could lead elsewhere ("//host").
    let plain =
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    match read.await {
        Ok(query) if plain => see_other(&format!("{}/{segment}/{path}?{query}", identity.0.origin)),
        Ok(_) => failed(&visit, &OAuthError::TenantMalformed(crate::oauth::error::quoted(segment))),
        Err(error) => failed(&visit, &error),
    }
}

/// `POST /common/login`: one step of a person.
pub(crate) async fn login(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut visit = Visit::of(&identity, &context, &headers);
    let read = async {
        let form = wire::form(&headers, body).await?;
        let live = visit.live().await?;
        let flow = Flow::open(&identity, form.get("flow").unwrap_or_default());
        let flow = flow.filter(|flow| flow.is_of(&visit));
        Ok::<_, OAuthError>((form, live, flow.ok_or(OAuthError::FlowForeign)?))
    };
    let (form, live, flow) = match read.await {
        Ok(read) => read,
        Err(error) => return failed(&visit, &error),
    };
    if let Target::Client(asking) = &flow.target {
        visit.speak(asking.parameters.languages());
    }
    if flow.is_expired(identity.0.clock.now_ms()) {
        return failed(&visit, &OAuthError::FlowExpired);
    }
    let caller = caller(&flow.target.parameters(), &context);
    Steps { visit, caller, live }.step(flow, &form).await
}

/// Finds out who the person is, and goes on to the page.
pub(in crate::oauth) async fn sign_in_to(visit: Visit<'_>, page: OwnPage) -> Response {
    let live = match visit.live().await {
        Ok(live) => live,
        Err(error) => return failed(&visit, &error),
    };
    let caller = caller(&Parameters::default(), visit.context);
    let flow = Flow::new(Target::Own(page), &visit, visit.identity.0.clock.now_ms());
    Steps { visit, caller, live }.open(flow).await
}

/// `GET /common/federation/oauth2/{provider}`: a provider sends the browser back.
pub(crate) async fn federated(
    State(identity): State<Identity>,
    Path(provider): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let query = query.unwrap_or_default();
    let read = async {
        if query.len() > QUERY_BYTES_MAX {
            return Err(OAuthError::TooLarge);
        }
        let form = Form::parse(query.as_bytes())?;
        let pending = Pending::take(&visit, &provider, &form).await?;
        Ok((form, visit.live().await?, pending))
    };
    let (form, live, pending) = match read.await {
        Ok(read) => read,
        Err(error) => return failed(&visit, &error),
    };
    let caller = caller(&pending.flow.target.parameters(), &context);
    Steps { visit, caller, live }.come_back(pending, &form).await
}
