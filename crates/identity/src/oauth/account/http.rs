//! The wire of *My account*: plain forms, each tied to browser and session.

use axum::{body::Body, extract::State, response::Response};
use hilum_kernel::AppId;
use hilum_pages::{Frame, Leads};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    MY_ACCOUNT_APP_ID,
    page::{ApplicationsPage, Browser, EndAllPage, SessionsPage, TakeBackPage, time},
};
use crate::{
    Identity, Requested, browser_sessions,
    oauth::{
        authorize::{OwnPage, see_other, sign_in_to},
        browser::{Live, Visit},
        enrolment::Offer,
        error::OAuthError,
        failure::failed,
        form::Form,
        token::wire,
    },
    sign_in::{Origin, actor_of},
};

const PURPOSE: &str = "my account";
/// How long a person may look at a page.
const SLIP_MS: i64 = 3_600_000;
/// The pages' paths.
pub(crate) const APPLICATIONS: &str = "/portal/account/applications";
pub(crate) const SESSIONS: &str = "/portal/account/sessions";

/// What a form is good for: the session that it was drawn in, and what was offered there.
#[derive(Serialize, Deserialize)]
struct Drawn {
    session: String,
    offer: Option<Offer>,
}

/// A form that came back.
pub(super) struct OwnForm {
    pub(super) form: Form<'static>,
    pub(super) live: Live,
    pub(super) offer: Option<Offer>,
}

/// `GET /portal/account`
pub(crate) async fn index() -> Response {
    see_other(APPLICATIONS)
}

/// `GET /portal/account/applications`
pub(crate) async fn applications_get(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let live = match present(&visit).await {
        Ok(Some(live)) => live,
        Ok(None) => return sign_in_to(visit, OwnPage::Applications).await,
        Err(error) => return failed(&visit, &error),
    };
    let drawn = async {
        let applications = identity.used_applications(&live.user).await?;
        let (frame, user_name) = (frame(&visit, &live)?, live.user.user_principal_name);
        let page = ApplicationsPage { frame, user_name, applications };
        Ok(visit.show(StatusCode::OK, &page, Leads::Here))
    };
    drawn.await.unwrap_or_else(|error| failed(&visit, &error))
}

/// `POST /portal/account/applications`: take back, first asked, then done.
pub(crate) async fn applications_post(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let stepped = async {
        let OwnForm { form, live, .. } = own_form(&visit, &headers, body).await?;
        let client = client_of(&form)?;
        match form.get("step") {
            Some("ask") => {
                let used = identity.used_applications(&live.user).await?;
                let found = used.into_iter().find(|used| used.app_id == client && used.is_own());
                let Some(found) = found else { return Ok(see_other(APPLICATIONS)) };
                let (application, app_id) = (found.name, client.to_string());
                let page = TakeBackPage { frame: frame(&visit, &live)?, application, app_id };
                Ok(visit.show(StatusCode::OK, &page, Leads::Here))
            }
            Some("take-back") => {
                identity.take_back(&live.user, client, origin(&visit)).await?;
                Ok(visit.with_cookies(see_other(APPLICATIONS)))
            }
            _ => Err(OAuthError::BadParameter("step")),
        }
    };
    stepped.await.unwrap_or_else(|error| failed(&visit, &error))
}

/// `GET /portal/account/sessions`
pub(crate) async fn sessions_get(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let live = match present(&visit).await {
        Ok(Some(live)) => live,
        Ok(None) => return sign_in_to(visit, OwnPage::Sessions).await,
        Err(error) => return failed(&visit, &error),
    };
    let drawn = async {
        let mut applications = identity.used_applications(&live.user).await?;
        applications.retain(|application| application.sessions.is_some());
        let browsers = browsers(&visit, &live).await?;
        let (frame, user_name) = (frame(&visit, &live)?, live.user.user_principal_name);
        let page = SessionsPage { frame, user_name, browsers, applications };
        Ok(visit.show(StatusCode::OK, &page, Leads::Here))
    };
    drawn.await.unwrap_or_else(|error| failed(&visit, &error))
}

/// `POST /portal/account/sessions`: end one, all others, an application's, or everything.
pub(crate) async fn sessions_post(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut visit = Visit::of(&identity, &context, &headers);
    let stepped = async {
        let OwnForm { form, live, .. } = own_form(&visit, &headers, body).await?;
        match form.get("step") {
            Some("end") => {
                let sid = form.get("sid").and_then(|sid| sid.parse::<Uuid>().ok());
                let sid = sid.ok_or(OAuthError::BadParameter("sid"))?;
                identity.end_browsers(&live, Some(sid), origin(&visit)).await?;
            }
            Some("end-others") => identity.end_browsers(&live, None, origin(&visit)).await?,
            Some("end-application") => {
                identity.end_application(&live.user, client_of(&form)?, origin(&visit)).await?;
            }
            Some("ask-all") => {
                let page = EndAllPage { frame: frame(&visit, &live)? };
                return Ok(visit.show(StatusCode::OK, &page, Leads::Here));
            }
            Some("end-all") => {
                let actor = actor_of(&live.user, origin(&visit));
                asked(&visit).revoke_sign_in_sessions(&actor, &live.user.id.to_string()).await?;
                visit.end_session().await?;
            }
            _ => return Err(OAuthError::BadParameter("step")),
        }
        Ok(visit.with_cookies(see_other(SESSIONS)))
    };
    match stepped.await {
        Ok(response) => response,
        Err(error) => failed(&visit, &error),
    }
}

/// Who is here. Looking at a page keeps the session awake.
pub(super) async fn present(visit: &Visit<'_>) -> Result<Option<Live>, OAuthError> {
    let live = visit.live().await?;
    if let Some(live) = &live {
        visit.keep_awake(&live.session).await?;
    }
    Ok(live)
}

async fn browsers(visit: &Visit<'_>, live: &Live) -> Result<Vec<Browser>, OAuthError> {
    let (identity, texts) = (visit.identity, visit.texts);
    let tenant = identity.tenant().await?.id;
    let mut tx = identity.0.db.read().await?;
    let found = browser_sessions::of_user(&mut tx, tenant, live.user.id, identity.0.clock.now_ms()).await?;
    // Those of before the last password or revocation are worth nothing.
    let valid_from_ms = live.user.sessions_valid_from.as_millisecond();
    let valid = found.into_iter().filter(|session| session.authenticated_at_ms >= valid_from_ms);
    Ok(valid
        .map(|session| Browser {
            sid: session.sid.to_string(),
            name: session.browser.unwrap_or_else(|| texts.text("account-browser-unknown").to_string()),
            address: session.address.unwrap_or_else(|| texts.text("account-address-unknown").to_string()),
            since: time(session.created_at_ms),
            used: time(session.used_at_ms),
            is_this: session.sid == live.session.sid,
        })
        .collect())
}

/// A form of ours, sent by the browser and in the session that it was made for.
pub(super) async fn own_form(
    visit: &Visit<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<OwnForm, OAuthError> {
    let form = wire::form(headers, body).await?;
    let slip = visit.opened::<Drawn>(PURPOSE, form.get("flow").unwrap_or_default())?;
    let Drawn { session, offer } = slip.within(visit, SLIP_MS)?;
    let live = visit.live_as(&session).await?.ok_or(OAuthError::FlowForeign)?;
    Ok(OwnForm { form, live, offer })
}

fn client_of(form: &Form<'_>) -> Result<AppId, OAuthError> {
    let client = form.get("application").and_then(|id| id.parse().ok());
    client.ok_or(OAuthError::BadParameter("application"))
}

pub(super) fn origin(visit: &Visit<'_>) -> Origin {
    visit.origin(MY_ACCOUNT_APP_ID)
}

/// For changes that the trail ties to this visit.
pub(super) fn asked(visit: &Visit<'_>) -> Identity {
    let (correlation, address) = (visit.context.correlation, visit.context.client_address);
    visit.identity.requested(Requested { correlation, address })
}

/// Its forms are good in the session that it is drawn in.
pub(super) fn frame(visit: &Visit<'_>, live: &Live) -> Result<Frame, OAuthError> {
    offering(visit, live, None)
}

/// The same, of a page that offers something to register.
pub(super) fn offering(visit: &Visit<'_>, live: &Live, offer: Option<Offer>) -> Result<Frame, OAuthError> {
    let session = live.session.hash.as_str().to_owned();
    Ok(visit.frame(visit.slip(PURPOSE, Drawn { session, offer })?))
}
