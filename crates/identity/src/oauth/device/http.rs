//! The flow's wire: the endpoint that devices ask (RFC 8628 §3.2), and the page for people.

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
};
use hilum_jose::{base64url_encode, constant_time_eq};
use hilum_kernel::{Secret, UserId};
use hilum_web::RequestContext;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{
    INTERVAL_S, LIFE_S, Started,
    decision::{Answer, Decided, Ticket, Waiting},
    page::{CodePage, ConfirmPage, DonePage, NewPasswordPage, SignInPage},
};
use crate::{
    Identity,
    oauth::{
        consent::Shown,
        error::OAuthError,
        form::Form,
        json_body,
        pages::{self, Frame, Leads, cookie_name, is_https, refused},
        scopes::Endpoint,
        token::{Caller, wire},
    },
    sign_in::{Origin, SignInError},
};

/// How long a person may look at the last page.
const TICKET_MS: i64 = 600_000;
/// The cookie that ties the steps to one browser.
const COOKIE: &str = "hilum-device";
const COOKIE_BYTES: usize = 16;

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
    (RawQuery(query), headers): (RawQuery, HeaderMap),
    body: Body,
) -> Response {
    start(&identity, (Endpoint::V1, &tenant), &context, (query, headers, body)).await
}

pub(crate) async fn post_v2(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
    body: Body,
) -> Response {
    start(&identity, (Endpoint::V2, &tenant), &context, (query, headers, body)).await
}

async fn start(
    identity: &Identity,
    (endpoint, tenant): (Endpoint, &str),
    context: &RequestContext,
    (query, headers, body): (Option<String>, HeaderMap, Body),
) -> Response {
    let mut correlation = context.correlation;
    let result = async {
        let body = wire::read(&headers, body).await?;
        let form = Form::parse(&body)?;
        correlation = wire::correlation_of(&form, query.as_deref()).unwrap_or(correlation);
        let caller = Caller { address: context.client_address, correlation, origin: wire::origin(&headers) };
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        identity.start_device_flow((endpoint, tenant), &form, (authorization, &caller)).await
    }
    .await;
    match result {
        Ok(started) => {
            let response = described(endpoint, &identity.0.origin, &started);
            wire::finished(response, &headers, identity.0.random.uuid())
        }
        Err(error) => wire::refusal(identity, &error, correlation, &headers),
    }
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

/// A browser's visit: which browser, and what its request is called.
struct Visit<'a> {
    identity: &'a Identity,
    context: &'a RequestContext,
    /// The cookie's value.
    browser: String,
    is_new: bool,
}

/// `GET /devicelogin`: nothing is decided by opening it, however the code came along.
pub(crate) async fn page_get(
    State(identity): State<Identity>,
    context: RequestContext,
    (RawQuery(query), headers): (RawQuery, HeaderMap),
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let query = query.unwrap_or_default();
    let code = Form::parse(query.as_bytes()).ok();
    let code = code.as_ref().and_then(|form| form.get("otc").or_else(|| form.get("user_code")));
    let code = code.unwrap_or_default().chars().take(20).collect();
    visit.show(StatusCode::OK, &CodePage { frame: visit.frame(), code })
}

/// `POST /devicelogin`: one step.
pub(crate) async fn page_post(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let stepped = async {
        let body = wire::read(&headers, body).await?;
        let form = Form::parse(&body)?;
        if visit.is_new || !visit.is_own_form(&form) {
            return Ok(visit.start_anew(
                StatusCode::FORBIDDEN,
                "This form did not come from this browser's page, or the browser sends no cookies. Start again.",
            ));
        }
        visit.step(&form).await
    }
    .await;
    stepped.unwrap_or_else(|error| visit.failed(&error))
}

impl Visit<'_> {
    fn of<'a>(identity: &'a Identity, context: &'a RequestContext, headers: &HeaderMap) -> Visit<'a> {
        let name = cookie_name(&identity.0.origin, COOKIE);
        let sent = pages::cookie(headers, &name, COOKIE_BYTES);
        let is_new = sent.is_none();
        let browser = sent.unwrap_or_else(|| identity.random_text::<COOKIE_BYTES>());
        Visit { identity, context, browser, is_new }
    }

    fn frame(&self) -> Frame {
        Frame::new(self.proof("csrf", ""), self.context.correlation.to_string())
    }

    fn frame_with(&self, error: impl Into<String>) -> Frame {
        Frame { error: Some(error.into()), ..self.frame() }
    }

    /// What only we can make, for this browser only.
    fn proof(&self, purpose: &str, about: &str) -> String {
        let text = format!("page {purpose} {} {about}", self.browser);
        base64url_encode(self.identity.0.page_key.keyed_hash(text.as_bytes()))
    }

    fn is_own_form(&self, form: &Form<'_>) -> bool {
        let sent = form.get("csrf").unwrap_or_default();
        constant_time_eq(sent.as_bytes(), self.proof("csrf", "").as_bytes())
    }

    async fn step(&self, form: &Form<'_>) -> Result<Response, OAuthError> {
        let typed = form.get("user_code").unwrap_or_default();
        let waiting = match self.identity.waiting_device(typed, self.context.client_address).await {
            Err(OAuthError::DeviceCodeUnknown) => {
                return Ok(self.start_anew(
                    StatusCode::BAD_REQUEST,
                    "There is no such code, or it has expired. Check it, or start again on your device.",
                ));
            }
            other => other?,
        };
        match form.get("step") {
            Some("code") => Ok(self.sign_in_page(StatusCode::OK, &waiting, self.frame(), "")),
            Some("sign-in") => self.sign_in(&waiting, form).await,
            Some("password") => self.new_password(&waiting, form).await,
            Some("decide") => self.decide(&waiting, form).await,
            _ => Err(OAuthError::BadParameter("step")),
        }
    }

    fn origin(&self, waiting: &Waiting) -> Origin {
        Origin {
            address: self.context.client_address,
            correlation: self.context.correlation,
            app_id: waiting.application.app_id,
        }
    }

    async fn sign_in(&self, waiting: &Waiting, form: &Form<'_>) -> Result<Response, OAuthError> {
        let name = form.get("username").unwrap_or_default().trim();
        let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
        match self.identity.sign_in_with_password(name, password, self.origin(waiting)).await {
            Ok(signed_in) => self.confirm(waiting, (signed_in.user.id, signed_in.at_ms)).await,
            Err(SignInError::MustChangePassword) => {
                Ok(self.new_password_page(StatusCode::OK, waiting, self.frame(), name))
            }
            Err(SignInError::Unavailable(source)) => Err(source.into()),
            Err(error) => {
                let (status, text) = refused(&error);
                Ok(self.sign_in_page(status, waiting, self.frame_with(text), name))
            }
        }
    }

    async fn new_password(&self, waiting: &Waiting, form: &Form<'_>) -> Result<Response, OAuthError> {
        let name = form.get("username").unwrap_or_default();
        let text = |field: &str| Secret::new(form.get(field).unwrap_or_default().to_owned());
        let (old, new) = (text("password"), text("new_password"));
        if form.get("new_password") != form.get("new_password_again") {
            let frame = self.frame_with("The two new passwords differ.");
            return Ok(self.new_password_page(StatusCode::BAD_REQUEST, waiting, frame, name));
        }
        match self.identity.sign_in_with_new_password(name, (old, new), self.origin(waiting)).await {
            Ok(signed_in) => self.confirm(waiting, (signed_in.user.id, signed_in.at_ms)).await,
            Err(SignInError::Unavailable(source)) => Err(source.into()),
            Err(error) => {
                let (status, text) = refused(&error);
                Ok(self.new_password_page(status, waiting, self.frame_with(text), name))
            }
        }
    }

    async fn confirm(
        &self,
        waiting: &Waiting,
        (user, authenticated_at_ms): (UserId, i64),
    ) -> Result<Response, OAuthError> {
        let (user, question) = self.identity.device_question(&waiting.flow, user).await?;
        let ticket = Ticket { user: user.id, authenticated_at_ms, shown: question.shown };
        let age_ms = self.identity.0.clock.now_ms() - waiting.flow.created_at_ms;
        let page = ConfirmPage {
            frame: self.frame(),
            code: waiting.user_code.clone(),
            application: waiting.application.properties.display_name.clone(),
            app_id: waiting.application.app_id.to_string(),
            user_name: user.user_principal_name.clone(),
            ticket: self.ticket(waiting, &ticket),
            source: waiting.flow.source.clone().unwrap_or_else(|| "an unknown address".to_owned()),
            minutes: age_ms / 60_000,
            resource: question.resource,
            permissions: question.permissions,
            knows_name: question.knows_name,
            stays_signed_in: question.stays_signed_in,
            admin_needed: question.admin_needed,
        };
        Ok(self.show(StatusCode::OK, &page))
    }

    async fn decide(&self, waiting: &Waiting, form: &Form<'_>) -> Result<Response, OAuthError> {
        let answer = match form.get("decision") {
            Some("accept") => Answer::Accept,
            Some("refuse") => Answer::Refuse,
            _ => return Err(OAuthError::BadParameter("decision")),
        };
        let Some(ticket) = self.ticket_holder(waiting, form.get("ticket").unwrap_or_default()) else {
            let text = "The sign-in on this page has expired. Sign in again.";
            return Ok(self.sign_in_page(StatusCode::FORBIDDEN, waiting, self.frame_with(text), ""));
        };
        let decided = self.identity.decide_device(waiting, &ticket, answer, self.origin(waiting)).await?;
        let name = &waiting.application.properties.display_name;
        let (status, title, text) = match decided {
            Decided::Accepted => (
                StatusCode::OK,
                "You are signed in",
                format!("{name} has what it needs on your device. You may close this window."),
            ),
            Decided::Refused => (
                StatusCode::OK,
                "Refused",
                format!(
                    "{name} was not let in. You may close this window. Did you not start this yourself? Tell your administrator."
                ),
            ),
            Decided::Changed => {
                return self.confirm(waiting, (ticket.user, ticket.authenticated_at_ms)).await;
            }
            Decided::TooLate => (
                StatusCode::CONFLICT,
                "Too late",
                "The code has expired, or was used already. Start again on your device.".to_owned(),
            ),
            Decided::AdminNeeded => (
                StatusCode::FORBIDDEN,
                "Approval needed",
                format!("An administrator has to grant {name} these permissions first."),
            ),
        };
        Ok(self.show(status, &DonePage { frame: self.frame(), title: title.to_owned(), text }))
    }

    /// Says who signed in, when, for which flow, in which browser, and what was shown: the last step needs no password
    /// again, and grants nothing else.
    fn ticket(&self, waiting: &Waiting, ticket: &Ticket) -> String {
        let Ticket { user, authenticated_at_ms, shown } = ticket;
        format!("{user}.{authenticated_at_ms}.{}.{}", shown.as_str(), self.ticket_proof(waiting, ticket))
    }

    fn ticket_proof(&self, waiting: &Waiting, ticket: &Ticket) -> String {
        let Ticket { user, authenticated_at_ms, shown } = ticket;
        let code = waiting.hash.bound();
        self.proof("ticket", &format!("{code} {user} {authenticated_at_ms} {}", shown.as_str()))
    }

    fn ticket_holder(&self, waiting: &Waiting, text: &str) -> Option<Ticket> {
        let mut parts = text.splitn(4, '.');
        let ticket = Ticket {
            user: parts.next()?.parse().ok()?,
            authenticated_at_ms: parts.next()?.parse().ok()?,
            shown: Shown::parse(parts.next()?),
        };
        let proof = self.ticket_proof(waiting, &ticket);
        let good = constant_time_eq(parts.next()?.as_bytes(), proof.as_bytes());
        let ends_at_ms = ticket.authenticated_at_ms.saturating_add(TICKET_MS);
        (good && self.identity.0.clock.now_ms() <= ends_at_ms).then_some(ticket)
    }

    fn sign_in_page(&self, status: StatusCode, waiting: &Waiting, frame: Frame, name: &str) -> Response {
        let page = SignInPage {
            frame,
            code: waiting.user_code.clone(),
            application: waiting.application.properties.display_name.clone(),
            user_name: name.to_owned(),
        };
        self.show(status, &page)
    }

    fn new_password_page(&self, status: StatusCode, waiting: &Waiting, frame: Frame, name: &str) -> Response {
        let page = NewPasswordPage { frame, code: waiting.user_code.clone(), user_name: name.to_owned() };
        self.show(status, &page)
    }

    fn start_anew(&self, status: StatusCode, why: &str) -> Response {
        self.show(status, &CodePage { frame: self.frame_with(why), code: String::new() })
    }

    /// An end that no step of the page mends.
    fn failed(&self, error: &OAuthError) -> Response {
        let row = error.row();
        if let OAuthError::Unavailable(source) | OAuthError::Internal(source) = error {
            let correlation = self.context.correlation;
            tracing::error!(%correlation, error = source as &dyn std::error::Error, "sign-in page failed");
        }
        let page = DonePage {
            frame: self.frame_with(error.text()),
            title: "This did not work".to_owned(),
            text: "Start again on your device. If it happens again, give the correlation ID to your administrator."
                .to_owned(),
        };
        let mut response = self.show(row.status, &page);
        if let Some(seconds) = error.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn show(&self, status: StatusCode, page: &impl Template) -> Response {
        let mut response = pages::show(status, page, Leads::Here);
        if self.is_new
            && let Ok(cookie) = HeaderValue::from_str(&self.cookie())
        {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }

    fn cookie(&self) -> String {
        let name = cookie_name(&self.identity.0.origin, COOKIE);
        let secure = if is_https(&self.identity.0.origin) { "; Secure" } else { "" };
        format!("{name}={}; Path=/; HttpOnly; SameSite=Strict{secure}", self.browser)
    }
}
