//! The flow's wire: the endpoint that devices ask (RFC 8628 §3.2), and the page for people.

use axum::{
    body::Body,
    extract::{OriginalUri, Path, RawQuery, State},
    response::Response,
};
use hilum_pages::{Frame, Leads, Message};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    INTERVAL_S, LIFE_S, Started,
    decision::{Answer, Decided, Person, Waiting},
    page::{CodePage, ConfirmPage, DonePage},
};
use crate::{
    Identity,
    oauth::{
        authorize::{OwnPage, sign_in_to},
        browser::{Live, Visit},
        consent::Shown,
        error::OAuthError,
        failure,
        form::Form,
        json_body,
        scopes::Endpoint,
        token::wire,
    },
};

/// How long a person may look at a page; devices do not wait longer.
const SLIP_MS: i64 = 900_000;
const PURPOSE: &str = "device page";

#[derive(Serialize)]
struct StartedV2<'a> {
    user_code: &'a str,
    device_code: &'a str,
    verification_uri: &'a str,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
    message: String,
}

/// Entra's v1 endpoint writes numbers as texts.
#[derive(Serialize)]
struct StartedV1<'a> {
    user_code: &'a str,
    device_code: &'a str,
    verification_url: &'a str,
    expires_in: String,
    interval: String,
    message: String,
}

pub(crate) async fn post_v1(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    start(&identity, (Endpoint::V1, &tenant), &context, (uri, headers, body)).await
}

pub(crate) async fn post_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (OriginalUri(uri), headers): (OriginalUri, HeaderMap),
    body: Body,
) -> Response {
    start(&identity, (Endpoint::V2, &tenant), &context, (uri, headers, body)).await
}

async fn start(
    identity: &Identity,
    (endpoint, tenant): (Endpoint, &str),
    context: &RequestContext,
    call: wire::Call,
) -> Response {
    let decide = async |received: wire::Received| {
        let wire::Received { form, authorization, caller, .. } = received;
        let client = (authorization.as_deref(), &caller);
        let started = identity.start_device_flow((endpoint, tenant), &form, client).await?;
        Ok(described(endpoint, &identity.0.origin, &started))
    };
    wire::answer(identity, context, call, decide).await
}

fn described(endpoint: Endpoint, origin: &str, started: &Started) -> Response {
    let page = format!("{origin}/devicelogin");
    let user_code = started.user_code.as_str();
    let message = format!(
        "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
    );
    let device_code = started.device_code.expose();
    match endpoint {
        Endpoint::V2 => json_body(&StartedV2 {
            user_code,
            device_code,
            verification_uri: &page,
            verification_uri_complete: format!("{page}?otc={user_code}"),
            expires_in: LIFE_S,
            interval: INTERVAL_S,
            message,
        }),
        Endpoint::V1 => json_body(&StartedV1 {
            user_code,
            device_code,
            verification_url: &page,
            expires_in: LIFE_S.to_string(),
            interval: INTERVAL_S.to_string(),
            message,
        }),
    }
}

/// What a form or a link of the page is good for.
#[derive(Serialize, Deserialize)]
enum Step {
    /// Type a code.
    Code,
    /// See what the code stands for, in the session that was found.
    See { user_code: String, session: String },
    /// Say yes or no to what the page showed.
    Decide { user_code: String, session: String, shown: Shown },
}

/// `GET /devicelogin`: nothing is decided by opening it, however the code came along.
pub(crate) async fn page_get(
    State(identity): State<Identity>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let query = query.unwrap_or_default();
    let form = Form::parse(query.as_bytes()).unwrap_or_else(|_| Form::of(Vec::new()));
    if let Some(slip) = form.get("flow") {
        return match see(&visit, slip).await {
            Ok(response) => response,
            Err(error) => failed(&visit, &error),
        };
    }
    let code = form.get("otc").or_else(|| form.get("user_code")).unwrap_or_default();
    code_page(&visit, StatusCode::OK, (None, code.chars().take(20).collect()))
}

/// `POST /devicelogin`: one step.
pub(crate) async fn page_post(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let form = match wire::form(&headers, body).await {
        Ok(form) => form,
        Err(error) => return failed(&visit, &error),
    };
    match (form.get("step"), opened(&visit, form.get("flow").unwrap_or_default())) {
        (Some("code"), Some(Step::Code)) => {
            let typed = form.get("user_code").unwrap_or_default();
            match identity.waiting_device(typed, context.client_address).await {
                Ok(Waiting { user_code, .. }) => sign_in_to(visit, OwnPage::Device { user_code }).await,
                Err(error) => failed(&visit, &error),
            }
        }
        (Some("decide"), Some(Step::Decide { user_code, session, shown })) => {
            decide(visit, (user_code, &session), shown, &form).await
        }
        (Some("code" | "decide"), _) => {
            start_anew(&visit, StatusCode::FORBIDDEN, &visit.texts.text("device-code-foreign"))
        }
        _ => failed(&visit, &OAuthError::BadParameter("step")),
    }
}

/// The confirmation page's path, for the person who has just been found. It is good for this browser and session alone.
pub(crate) fn confirmation(visit: &Visit<'_>, live: &Live, user_code: &str) -> Result<String, OAuthError> {
    let session = live.session.hash.as_str().to_owned();
    let slip = visit.slip(PURPOSE, Step::See { user_code: user_code.to_owned(), session })?;
    Ok(format!("/devicelogin?flow={slip}"))
}

/// What was sealed for this browser, a short while ago.
fn opened(visit: &Visit<'_>, text: &str) -> Option<Step> {
    visit.opened(PURPOSE, text).and_then(|slip| slip.within(visit, SLIP_MS)).ok()
}

/// `GET /devicelogin?flow=…`
async fn see(visit: &Visit<'_>, slip: &str) -> Result<Response, OAuthError> {
    let live = match opened(visit, slip) {
        Some(Step::See { user_code, session }) => {
            visit.live_as(&session).await?.map(|live| (user_code, live))
        }
        _ => None,
    };
    let Some((user_code, live)) = live else {
        return Ok(start_anew(visit, StatusCode::FORBIDDEN, &visit.texts.text("device-code-old")));
    };
    let waiting = visit.identity.known_device(&user_code).await?;
    confirm(visit, &waiting, &live).await
}

async fn confirm(visit: &Visit<'_>, waiting: &Waiting, live: &Live) -> Result<Response, OAuthError> {
    let (user, question) = visit.identity.device_question(&waiting.flow, live.user.id).await?;
    let age_ms = visit.identity.0.clock.now_ms() - waiting.flow.created_at_ms;
    let slip = Step::Decide {
        user_code: waiting.user_code.clone(),
        session: live.session.hash.as_str().to_owned(),
        shown: question.shown.clone(),
    };
    let page = ConfirmPage {
        frame: visit.frame(visit.slip(PURPOSE, slip)?),
        code: waiting.user_code.clone(),
        application: waiting.application.properties.display_name.clone(),
        app_id: waiting.application.app_id.to_string(),
        user_name: user.user_principal_name,
        source: waiting.flow.source.clone(),
        ago: visit.texts.ago(age_ms).to_string(),
        question,
    };
    Ok(visit.show(StatusCode::OK, &page, Leads::Here))
}

async fn decide(
    visit: Visit<'_>,
    (user_code, session): (String, &str),
    shown: Shown,
    form: &Form<'_>,
) -> Response {
    let answer = match form.get("decision") {
        Some("accept") => Answer::Accept,
        Some("refuse") => Answer::Refuse,
        _ => return failed(&visit, &OAuthError::BadParameter("decision")),
    };
    let live = match visit.live_as(session).await {
        Ok(Some(live)) => live,
        // Signed out meanwhile, or somebody else is here: who is it?
        Ok(None) => return sign_in_to(visit, OwnPage::Device { user_code }).await,
        Err(error) => return failed(&visit, &error),
    };
    let decided = async {
        let waiting = visit.identity.known_device(&user_code).await?;
        let (authenticated_at_ms, amr) = (live.session.authenticated_at_ms, live.session.amr);
        let idp = live.session.idp.clone();
        let person = Person { user: live.user.id, authenticated_at_ms, amr, idp, shown };
        let origin = visit.origin(waiting.application.app_id);
        let decided = visit.identity.decide_device(&waiting, &person, answer, origin).await?;
        Ok((waiting, decided))
    };
    match decided.await {
        Ok((waiting, Decided::Changed)) => {
            confirm(&visit, &waiting, &live).await.unwrap_or_else(|error| failed(&visit, &error))
        }
        Ok((waiting, decided)) => done(&visit, &waiting, decided),
        Err(error) => failed(&visit, &error),
    }
}

fn done(visit: &Visit<'_>, waiting: &Waiting, decided: Decided) -> Response {
    let (name, texts) = (&waiting.application.properties.display_name, visit.texts);
    let (status, title, text) = match decided {
        Decided::Accepted => (
            StatusCode::OK,
            texts.text("device-done-accepted"),
            texts.text("device-done-accepted").attribute("text").with("application", name),
        ),
        Decided::Refused => (
            StatusCode::OK,
            texts.text("device-done-refused"),
            texts.text("device-done-refused").attribute("text").with("application", name),
        ),
        Decided::Changed | Decided::TooLate => (
            StatusCode::CONFLICT,
            texts.text("device-done-late"),
            texts.text("device-done-late").attribute("text"),
        ),
        Decided::AdminNeeded => (
            StatusCode::FORBIDDEN,
            texts.text("device-done-approval"),
            texts.text("device-done-approval").attribute("text").with("application", name),
        ),
    };
    let frame = visit.frame(String::new());
    let page = DonePage { frame, title: title.to_string(), text: text.to_string() };
    visit.show(status, &page, Leads::Here)
}

fn code_page(
    visit: &Visit<'_>,
    status: StatusCode,
    (error, code): (Option<&Message<'_>>, String),
) -> Response {
    match visit.slip(PURPOSE, Step::Code) {
        Ok(slip) => {
            let frame = Frame { error: error.map(ToString::to_string), ..visit.frame(slip) };
            visit.show(status, &CodePage { frame, code }, Leads::Here)
        }
        Err(error) => failed(visit, &error),
    }
}

fn start_anew(visit: &Visit<'_>, status: StatusCode, why: &Message<'_>) -> Response {
    code_page(visit, status, (Some(why), String::new()))
}

/// An end that no step of the page mends; of a wrong code, the beginning.
fn failed(visit: &Visit<'_>, error: &OAuthError) -> Response {
    if matches!(error, OAuthError::DeviceCodeUnknown) {
        return start_anew(visit, StatusCode::BAD_REQUEST, &visit.texts.text("device-code-unknown"));
    }
    failure::failed(visit, error)
}
