//! Signing out (OIDC RP-Initiated Logout §2, §3; Front-Channel Logout §2, §3; sheet §2.13): the browser's session ends, the
//! clients it was used for hear of it, and the person goes back to where the client has registered.
//!
//! Who is sent here without an ID token of the session is asked first, so that no other site signs people out.

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
};
use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_kernel::AppId;
use hilum_pages::{Frame, Leads, Policy};
use hilum_storage::db::ReadTx;
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    authorize::{location, registered, see_other, usable_client},
    browser::{Live, Visit},
    error::{OAuthError, quoted},
    failure::failed,
    form::Form,
    own_token::Hinted,
    tenant::TenantSegment,
    token::wire,
};
use crate::{Application, Identity, Tenant, browser_sessions};

const PURPOSE: &str = "sign-out";
const FLOW_MS: i64 = 3_600_000;
const STATE_BYTES_MAX: usize = 8192;
const URI_BYTES_MAX: usize = 512;
const LOCALES_BYTES_MAX: usize = 256;
const HINT_BYTES_MAX: usize = 16 * 1024;
/// Longer ones are refused before they are looked at, and not made.
const QUERY_BYTES_MAX: usize = 32 * 1024;

/// Do you want to?
#[derive(Debug, askama::Template)]
#[template(path = "logout/confirm.html")]
struct ConfirmPage<'a> {
    frame: Frame,
    user_name: &'a str,
}

/// Signed out.
#[derive(Debug, askama::Template)]
#[template(path = "logout/done.html")]
struct DonePage {
    frame: Frame,
    /// What tells the clients.
    frames: Vec<String>,
    /// Where the person goes next.
    back: Option<String>,
}

/// What the confirmation carries.
#[derive(Serialize, Deserialize)]
struct Flow {
    session: String,
    back: Option<String>,
    locales: Option<String>,
}

/// A request that was read.
#[derive(Default)]
struct Wanted {
    client: Option<AppId>,
    back: Option<String>,
    state: Option<String>,
    /// The languages that the client names.
    locales: Option<String>,
    /// The user that the client means, as its ID token says.
    hinted: Option<Hinted>,
}

/// `GET …/logout`.
pub(crate) async fn get(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    let mut visit = Visit::of(&identity, &context, &headers);
    match begin(&mut visit, &segment, &query.unwrap_or_default()).await {
        Ok(response) => response,
        Err(error) => failed(&visit, &error),
    }
}

/// `POST …/logout` of another site comes without our cookies: the browser comes again by GET.
pub(crate) async fn post(
    State(identity): State<Identity>,
    Path(segment): Path<String>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let read = async {
        TenantSegment::parse(&segment, identity.tenant().await?)?;
        wanted(&identity, &wire::form(&headers, body).await?).await?.query(&identity)
    };
    match read.await {
        Ok(query) => see_other(&format!("{}/{segment}/oauth2/v2.0/logout?{query}", identity.0.origin)),
        Err(error) => failed(&visit, &error),
    }
}

/// `POST /common/signout`: the person confirmed.
pub(crate) async fn confirmed(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut visit = Visit::of(&identity, &context, &headers);
    let done = async {
        let form = wire::form(&headers, body).await?;
        let slip = visit.opened::<Flow>(PURPOSE, form.get("flow").unwrap_or_default())?;
        visit.speak([slip.what.locales.as_deref(), None]);
        let flow = slip.within(&visit, FLOW_MS)?;
        match visit.live().await? {
            Some(live) if live.session.hash.as_str() == flow.session => {
                end(&mut visit, &live, flow.back).await
            }
            // Somebody else signed in meanwhile.
            Some(_) => Err(OAuthError::FlowForeign),
            None => Ok(finished(&visit, flow.back, Vec::new())),
        }
    };
    match done.await {
        Ok(response) => response,
        Err(error) => failed(&visit, &error),
    }
}

async fn begin(visit: &mut Visit<'_>, segment: &str, query: &str) -> Result<Response, OAuthError> {
    let identity = visit.identity;
    TenantSegment::parse(segment, identity.tenant().await?)?;
    if query.len() > QUERY_BYTES_MAX {
        return Err(OAuthError::TooLarge);
    }
    let wanted = wanted(identity, &Form::parse(query.as_bytes())?).await?;
    visit.speak([wanted.locales.as_deref(), None]);
    let Some(live) = visit.live().await? else {
        let back = identity.back(&wanted, &[]).await?;
        return Ok(finished(visit, back, Vec::new()));
    };
    let clients = browser_sessions::clients_of(&mut identity.0.db.read().await?, &live.session.hash).await?;
    let back = identity.back(&wanted, &clients).await?;
    let name = &live.user.user_principal_name;
    // A name is no proof: anybody may know it. An ID token is what only the user's own clients have.
    let meant =
        wanted.hinted.is_some_and(|hinted| hinted.subject == identity.subject(live.user.id, hinted.client));
    if meant {
        return end(visit, &live, back).await;
    }
    let session = live.session.hash.as_str().to_owned();
    let flow = Flow { session, back, locales: wanted.locales };
    let page = ConfirmPage { frame: visit.frame(visit.slip(PURPOSE, flow)?), user_name: name };
    Ok(visit.show(StatusCode::OK, &page, Leads::ToClient))
}

/// Reads the parameters. A hint that is not ours is none.
async fn wanted(identity: &Identity, form: &Form<'_>) -> Result<Wanted, OAuthError> {
    let bounded = |name: &'static str, most: usize| match form.get(name) {
        Some(value) if value.len() > most => Err(OAuthError::BadParameter(name)),
        value => Ok(value.map(str::to_owned)),
    };
    let mut wanted = Wanted {
        client: form.get("client_id").and_then(|id| id.parse().ok()),
        back: bounded("post_logout_redirect_uri", URI_BYTES_MAX)?,
        state: bounded("state", STATE_BYTES_MAX)?,
        locales: bounded("ui_locales", LOCALES_BYTES_MAX)?,
        hinted: None,
    };
    if let Some(hint) = bounded("id_token_hint", HINT_BYTES_MAX)?
        && let Some(hinted) = identity.hinted(&hint).await?
    {
        if wanted.client.is_some_and(|named| named != hinted.client) {
            return Err(OAuthError::BadParameter("client_id"));
        }
        wanted.client = Some(hinted.client);
        wanted.hinted = Some(hinted);
    }
    Ok(wanted)
}

impl Wanted {
    /// The same as a query, without the ID token.
    fn query(&self, identity: &Identity) -> Result<String, OAuthError> {
        let hint = self.hinted.as_ref().map(|hinted| identity.sealed_hint(hinted)).transpose()?;
        let fields = [
            ("client_id", self.client.map(|client| client.to_string())),
            ("post_logout_redirect_uri", self.back.clone()),
            ("state", self.state.clone()),
            ("ui_locales", self.locales.clone()),
            ("id_token_hint", hint),
        ];
        let pairs = fields.into_iter().filter_map(|(name, value)| {
            Some(format!("{name}={}", utf8_percent_encode(&value?, NON_ALPHANUMERIC)))
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        if query.len() > QUERY_BYTES_MAX { Err(OAuthError::TooLarge) } else { Ok(query) }
    }
}

impl Identity {
    /// Where the person goes: only to what the client has registered, or, where no client is named, one that the session
    /// was used for (RP-Initiated Logout §3).
    async fn back(&self, wanted: &Wanted, clients: &[AppId]) -> Result<Option<String>, OAuthError> {
        let Some(uri) = &wanted.back else { return Ok(None) };
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.read().await?;
        let named: Vec<AppId> = wanted.client.into_iter().collect();
        for client in if named.is_empty() { clients } else { &named } {
            let application = in_use(&mut tx, tenant, *client).await?;
            if application.is_some_and(|known| registered(&known.properties, uri).is_some()) {
                let sign = if uri.contains('?') { '&' } else { '?' };
                let state: Vec<_> = wanted.state.clone().map(|state| ("state", state)).into_iter().collect();
                return Ok(Some(location(uri, sign, &state)));
            }
        }
        tracing::info!(uri = quoted(uri), "nobody registered this address for the end of a session");
        Ok(None)
    }

    /// What to load so that the session's clients end theirs.
    async fn front_channels(&self, live: &Live) -> Result<Vec<String>, OAuthError> {
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.read().await?;
        let issuer = self.v2_issuer(tenant);
        let mut found = Vec::new();
        for client in browser_sessions::clients_of(&mut tx, &live.session.hash).await? {
            let application = in_use(&mut tx, tenant, client).await?;
            let url = application.and_then(|known| known.properties.web.logout_url);
            if let Some(mut url) = url.and_then(|url| url::Url::parse(&url).ok()) {
                url.query_pairs_mut()
                    .append_pair("iss", &issuer)
                    .append_pair("sid", &live.session.sid.to_string());
                found.push(url.to_string());
            }
        }
        Ok(found)
    }
}

/// The client's registration, while it may be used.
async fn in_use(tx: &mut ReadTx, tenant: &Tenant, client: AppId) -> Result<Option<Application>, OAuthError> {
    match usable_client(tx, tenant, client).await {
        Ok((application, _)) => Ok(Some(application)),
        Err(
            OAuthError::ApplicationNotFound(_)
            | OAuthError::ApplicationDisabled(_)
            | OAuthError::ServicePrincipalDisabled(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn end(visit: &mut Visit<'_>, live: &Live, back: Option<String>) -> Result<Response, OAuthError> {
    let identity = visit.identity;
    let frames = identity.front_channels(live).await?;
    visit.end_session().await?;
    let actor = Actor {
        subject: Some(live.user.id.to_string()),
        app_id: None,
        display: Some(live.user.user_principal_name.clone()),
    };
    let event = Event {
        target: Some(live.user.id.to_string()),
        ..Event::new(Action::SignedOut, Outcome::Success, actor)
            .of_request(visit.context.client_address, visit.context.correlation)
    };
    identity.note(event).await?;
    Ok(finished(visit, back, frames))
}

/// The end: back to the client at once, or, where others have to hear of it, by a page that tells them.
fn finished(visit: &Visit<'_>, back: Option<String>, frames: Vec<String>) -> Response {
    if let (Some(back), true) = (&back, frames.is_empty()) {
        return visit.with_cookies(see_other(back));
    }
    let origins: Vec<String> = frames
        .iter()
        .filter_map(|frame| url::Url::parse(frame).ok())
        .map(|url| url.origin().ascii_serialization())
        .collect();
    let page = DonePage { frame: visit.frame(String::new()), frames, back };
    visit.show(StatusCode::OK, &page, Policy::from(Leads::Here).frames(origins))
}
