//! The way of a person from the request to the answer: sign in, choose, consent. Each step finds out anew what is next, from
//! the request itself, the session, and what was done in this flow; nothing of it is stored on the server.

use axum::response::Response;
use hilum_audit::Outcome;
use hilum_kernel::Secret;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    admin_consent::{self, AdminConsented},
    checks::{Asking, Kind, Refusal, Request},
    consenting::{Consented, ForWhom},
    http::failed,
    page::{AccountPage, AdminConsentPage, ConsentPage, NewPasswordPage, SignInPage},
    response::WayBack,
};
use crate::{
    Identity,
    oauth::{
        browser::{Live, Visit},
        consent::{self, Shown},
        delegation::Delegation,
        error::{Envelope, OAuthError},
        form::Form,
        pages::{self, Frame, Leads, refused},
        scopes::Endpoint,
        token::Caller,
    },
    sign_in::{Origin, SignInError, SignedIn},
};

/// How long a person may look at a page.
const FLOW_MS: i64 = 3_600_000;
const PURPOSE: &str = "sign-in flow";

/// What a form carries: the request, whose browser it is, and what was done already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) asking: Asking,
    browser: String,
    /// The session that the page was made for, by its hash.
    session: Option<String>,
    begun_at_ms: i64,
    /// Signed in, or chose the account, after the request came.
    chosen: bool,
    consented: bool,
    /// Which page the form is on.
    page: Page,
}

/// The pages with forms. A form takes no step that its page does not offer: the step before it was not skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Page {
    SignIn,
    NewPassword,
    Account,
    /// With what it showed.
    Consent(Shown),
}

impl Page {
    fn offers(&self, step: &str) -> bool {
        match self {
            Self::SignIn => matches!(step, "sign-in" | "cancel"),
            Self::NewPassword => step == "password",
            Self::Account => step == "account",
            Self::Consent(_) => step == "consent",
        }
    }

    /// Whether it is about the person who is signed in.
    const fn is_of_session(&self) -> bool {
        matches!(self, Self::Account | Self::Consent(_))
    }
}

impl Flow {
    pub(super) fn new(asking: Asking, visit: &Visit<'_>, begun_at_ms: i64) -> Self {
        let browser = visit.browser_mark();
        Self {
            asking,
            browser,
            session: None,
            begun_at_ms,
            chosen: false,
            consented: false,
            page: Page::SignIn,
        }
    }

    pub(super) fn open(identity: &Identity, sealed: &str) -> Option<Self> {
        identity.unseal(PURPOSE, sealed)
    }

    /// Whether the page was made for this browser.
    pub(super) fn is_of(&self, visit: &Visit<'_>) -> bool {
        visit.is_of_this_browser(&self.browser)
    }

    /// Whether the page was made for the session that the browser has: somebody else may have signed in meanwhile.
    fn is_for(&self, live: Option<&Live>) -> bool {
        self.session.is_some() && self.session.as_deref() == live.map(hash_of)
    }

    pub(super) const fn is_expired(&self, now_ms: i64) -> bool {
        now_ms > self.begun_at_ms.saturating_add(FLOW_MS)
    }
}

fn hash_of(live: &Live) -> &str {
    live.session.hash.as_str()
}

/// One request of the browser, on its way.
pub(super) struct Steps<'a> {
    pub(super) visit: Visit<'a>,
    pub(super) caller: Caller,
    pub(super) live: Option<Live>,
}

impl Steps<'_> {
    /// The request comes.
    pub(super) async fn open(self, flow: Flow) -> Response {
        match self.visit.identity.check_authorization(&flow.asking).await {
            Ok(request) => self.proceed(&request, flow).await,
            Err(refusal) => self.turned_away(refusal),
        }
    }

    /// The person does something.
    pub(super) async fn step(mut self, mut flow: Flow, form: &Form<'_>) -> Response {
        // Anew: the registration may have changed since the page was made.
        let request = match self.visit.identity.check_authorization(&flow.asking).await {
            Ok(request) => request,
            Err(refusal) => return self.turned_away(refusal),
        };
        let step = form.get("step").unwrap_or_default();
        if !flow.page.offers(step) {
            return failed(&self.visit, &OAuthError::BadParameter("step"));
        }
        if flow.page.is_of_session() && !flow.is_for(self.live.as_ref()) {
            (flow.chosen, flow.consented) = (false, false);
            return self.proceed(&request, flow).await;
        }
        match step {
            "sign-in" => self.sign_in(&request, flow, form).await,
            "password" => self.new_password(&request, flow, form).await,
            "account" if form.get("account") == Some("this") => {
                // The session may have become too old for the request meanwhile.
                flow.chosen = self.wanted(&request, &flow).is_some();
                self.proceed(&request, flow).await
            }
            "account" => self.sign_in_page(StatusCode::OK, &request, &flow, (None, "")),
            "consent" => self.consent(&request, flow, form).await,
            "cancel" => self.back_with(&request.back, &OAuthError::ConsentDeclined),
            _ => failed(&self.visit, &OAuthError::BadParameter("step")),
        }
    }

    /// The session, if it will do.
    fn wanted(&self, request: &Request, flow: &Flow) -> Option<&Live> {
        self.live.as_ref().filter(|live| self.is_wanted(request, flow, live))
    }

    /// What is next.
    async fn proceed(&self, request: &Request, flow: Flow) -> Response {
        let prompt = &request.prompt;
        let Some(live) = self.wanted(request, &flow) else {
            // OIDC Core §3.1.2.2: the person signed in, and is not the one that the client wants.
            let other =
                self.live.as_ref().is_some_and(|live| !request.is_about(self.visit.identity, &live.user));
            if prompt.none || (flow.chosen && other) {
                return self.back_with(&request.back, &OAuthError::LoginRequired);
            }
            let hint = prompt.login_hint.as_deref().unwrap_or_default();
            return self.sign_in_page(StatusCode::OK, request, &flow, (None, hint));
        };
        if prompt.select_account && !flow.chosen {
            return self.account_page(request, &flow, live);
        }
        if request.kind == Kind::AdminConsent {
            return self.admin_consent_page(request, &flow, live).await;
        }
        let identity = self.visit.identity;
        let found = match Box::pin(identity.standing(request, &live.user)).await {
            Ok(found) => found,
            Err(error) => return self.refused_person(request, &error),
        };
        if !found.missing.is_empty() && prompt.none {
            let (id, name) = (request.app_id().to_string(), request.name().to_owned());
            return self.back_with(&request.back, &OAuthError::ConsentRequired(id, name));
        }
        if !found.missing.is_empty() || (prompt.consent && !flow.consented) {
            return self.consent_page(request, &flow, (live, &found)).await;
        }
        match Box::pin(identity.answer_authorization(request, live, &self.caller)).await {
            Ok(fields) => self.visit.with_cookies(request.back.answer(fields)),
            Err(error) => self.refused_person(request, &error),
        }
    }

    /// Whether the session will do (OIDC Core §3.1.2.1).
    fn is_wanted(&self, request: &Request, flow: &Flow, live: &Live) -> bool {
        let prompt = &request.prompt;
        if !request.is_about(self.visit.identity, &live.user) {
            return false;
        }
        if flow.chosen {
            return true;
        }
        let now_ms = self.visit.identity.0.clock.now_ms();
        let name = &live.user.user_principal_name;
        // An opaque hint is no name.
        let other = prompt
            .login_hint
            .as_deref()
            .is_some_and(|hint| hint.contains('@') && !hint.eq_ignore_ascii_case(name));
        let other_session = prompt.sid.as_ref().is_some_and(|sid| *sid != live.session.sid.to_string());
        !prompt.login
            && !other
            && !other_session
            && !prompt.is_too_old(live.session.authenticated_at_ms, now_ms)
    }

    async fn sign_in(&mut self, request: &Request, flow: Flow, form: &Form<'_>) -> Response {
        let name = form.get("username").unwrap_or_default().trim();
        let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
        let identity = self.visit.identity;
        match identity.sign_in_with_password(name, password, self.origin(request)).await {
            Ok(signed_in) => self.signed_in(request, flow, &signed_in).await,
            Err(SignInError::MustChangePassword) => {
                self.new_password_page(StatusCode::OK, &flow, (None, name))
            }
            Err(SignInError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => {
                let (status, text) = refused(&error);
                self.sign_in_page(status, request, &flow, (Some(text), name))
            }
        }
    }

    async fn new_password(&mut self, request: &Request, flow: Flow, form: &Form<'_>) -> Response {
        let name = form.get("username").unwrap_or_default();
        let text = |field: &str| Secret::new(form.get(field).unwrap_or_default().to_owned());
        let passwords = (text("password"), text("new_password"));
        if form.get("new_password") != form.get("new_password_again") {
            let why = "The two new passwords differ.".to_owned();
            return self.new_password_page(StatusCode::BAD_REQUEST, &flow, (Some(why), name));
        }
        let identity = self.visit.identity;
        match identity.sign_in_with_new_password(name, passwords, self.origin(request)).await {
            Ok(signed_in) => self.signed_in(request, flow, &signed_in).await,
            Err(SignInError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => {
                let (status, text) = refused(&error);
                self.new_password_page(status, &flow, (Some(text), name))
            }
        }
    }

    async fn signed_in(&mut self, request: &Request, mut flow: Flow, signed_in: &SignedIn) -> Response {
        match self.visit.begin_session(signed_in).await {
            Ok(live) => self.live = Some(live),
            Err(error) => return failed(&self.visit, &error),
        }
        flow.chosen = true;
        flow.consented = false;
        self.proceed(request, flow).await
    }

    async fn consent(&self, request: &Request, mut flow: Flow, form: &Form<'_>) -> Response {
        let Some(live) = &self.live else { return failed(&self.visit, &OAuthError::FlowExpired) };
        match form.get("decision") {
            Some("accept") => {}
            Some("refuse") => {
                let identity = self.visit.identity;
                let noted = identity.note_answer(request, &live.user, &self.caller, Outcome::Refused).await;
                return match noted {
                    Ok(()) => self.back_with(&request.back, &OAuthError::ConsentDeclined),
                    Err(error) => failed(&self.visit, &error),
                };
            }
            _ => return failed(&self.visit, &OAuthError::BadParameter("decision")),
        }
        // What nobody is asked any more grants nothing: `max_age` may have passed.
        let (Page::Consent(shown), Some(live)) = (&flow.page, self.wanted(request, &flow)) else {
            return self.proceed(request, flow).await;
        };
        if request.kind == Kind::AdminConsent {
            return self.admin_consent(request, &flow, (live, shown)).await;
        }
        let for_whom = if form.get("everybody") == Some("1") { ForWhom::Everybody } else { ForWhom::Oneself };
        match self.visit.identity.consent_to(request, live, (for_whom, shown), &self.caller).await {
            Ok(Consented::Yes) => {
                flow.consented = true;
                self.proceed(request, flow).await
            }
            Ok(Consented::Changed) => self.proceed(request, flow).await,
            Ok(Consented::AdminNeeded) => failed(&self.visit, &OAuthError::AdminConsentRequired),
            Err(error) => self.refused_person(request, &error),
        }
    }

    /// Sheet §2.12: the answer of the admin consent endpoints.
    async fn admin_consent(
        &self,
        request: &Request,
        flow: &Flow,
        (live, shown): (&Live, &Shown),
    ) -> Response {
        match Box::pin(self.visit.identity.grant_for_all(request, live, shown, &self.caller)).await {
            Ok(AdminConsented::Changed) => self.admin_consent_page(request, flow, live).await,
            Ok(AdminConsented::Yes(scope)) => {
                let scope = (request.endpoint == Endpoint::V2).then_some(("scope", scope));
                self.visit.with_cookies(request.back.answer(scope.into_iter().collect()))
            }
            Err(error) => failed(&self.visit, &error),
        }
    }

    fn origin(&self, request: &Request) -> Origin {
        Origin {
            address: self.caller.address,
            correlation: self.caller.correlation,
            app_id: request.app_id(),
        }
    }

    // --- answers ---

    fn turned_away(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Page(error) => failed(&self.visit, &error),
            Refusal::Client(back, error) => self.back_with(&back, &error),
        }
    }

    /// A person who may not: on a page, because the client cannot mend it; but `prompt=none` draws none (OIDC Core
    /// §3.1.2.6).
    fn refused_person(&self, request: &Request, error: &OAuthError) -> Response {
        if request.prompt.none { self.back_with(&request.back, error) } else { failed(&self.visit, error) }
    }

    /// An error for the client (RFC 6749 §4.1.2.1).
    fn back_with(&self, back: &WayBack, error: &OAuthError) -> Response {
        let identity = self.visit.identity;
        if let OAuthError::Unavailable(source) | OAuthError::Internal(source) = error {
            let correlation = self.caller.correlation;
            tracing::error!(%correlation, error = source as &dyn std::error::Error, "sign-in failed");
        }
        let envelope = Envelope {
            origin: &identity.0.origin,
            correlation: self.caller.correlation,
            trace: identity.0.random.uuid(),
            now: identity.0.clock.now(),
        };
        self.visit.with_cookies(back.answer(envelope.fields(error)))
    }

    fn frame(&self, flow: &Flow, page: Page, error: Option<String>) -> Result<Frame, OAuthError> {
        let session = self.live.as_ref().map(|live| hash_of(live).to_owned());
        let sealed = self.visit.identity.seal(PURPOSE, &Flow { session, page, ..flow.clone() })?;
        Ok(Frame { error, ..self.visit.frame(sealed) })
    }

    /// A page with a form that goes on.
    fn page<P: askama::Template>(
        &self,
        status: StatusCode,
        (flow, page, error): (&Flow, Page, Option<String>),
        drawn: impl FnOnce(Frame) -> P,
    ) -> Response {
        match self.frame(flow, page, error) {
            Ok(frame) => self.visit.with_cookies(pages::show(status, &drawn(frame), Leads::ToClient)),
            Err(error) => failed(&self.visit, &error),
        }
    }

    fn sign_in_page(
        &self,
        status: StatusCode,
        request: &Request,
        flow: &Flow,
        (error, user_name): (Option<String>, &str),
    ) -> Response {
        let application = request.name();
        self.page(status, (flow, Page::SignIn, error), |frame| SignInPage { frame, application, user_name })
    }

    fn new_password_page(
        &self,
        status: StatusCode,
        flow: &Flow,
        (error, user_name): (Option<String>, &str),
    ) -> Response {
        self.page(status, (flow, Page::NewPassword, error), |frame| NewPasswordPage { frame, user_name })
    }

    fn account_page(&self, request: &Request, flow: &Flow, live: &Live) -> Response {
        let (name, user_name) = (live.user.display_name.as_str(), live.user.user_principal_name.as_str());
        let application = request.name();
        let page = (flow, Page::Account, None);
        self.page(StatusCode::OK, page, |frame| AccountPage { frame, application, name, user_name })
    }

    async fn admin_consent_page(&self, request: &Request, flow: &Flow, live: &Live) -> Response {
        match self.visit.identity.admin_question(request, live).await {
            Ok(resources) => {
                let page = (flow, Page::Consent(admin_consent::shown(&resources)), None);
                self.page(StatusCode::OK, page, |frame| AdminConsentPage {
                    frame,
                    application: request.name(),
                    app_id: request.app_id().to_string(),
                    leads_to: &request.back.redirect_uri,
                    user_name: &live.user.user_principal_name,
                    resources,
                })
            }
            Err(error) => failed(&self.visit, &error),
        }
    }

    async fn consent_page(
        &self,
        request: &Request,
        flow: &Flow,
        (live, found): (&Live, &Delegation),
    ) -> Response {
        let identity = self.visit.identity;
        let asked = async {
            let tenant = identity.tenant().await?;
            let mut tx = identity.0.db.read().await?;
            let oidc = request.asked.oidc;
            let question = consent::question(&mut tx, tenant, &live.user, (found, oidc)).await?;
            let all = !found.wanted.is_empty()
                && consent::may_grant_for_all(&mut tx, tenant, &live.user, found).await?;
            Ok::<_, OAuthError>((question, all))
        };
        let (question, for_everybody) = match asked.await {
            Ok(asked) => asked,
            Err(error) => return failed(&self.visit, &error),
        };
        let links = &request.application.properties.info;
        let https = |link: &'_ Option<String>| link.clone().filter(|link| link.starts_with("https://"));
        let page = (flow, Page::Consent(question.shown.clone()), None);
        self.page(StatusCode::OK, page, |frame| ConsentPage {
            frame,
            application: request.name(),
            app_id: request.app_id().to_string(),
            leads_to: &request.back.redirect_uri,
            user_name: &live.user.user_principal_name,
            question,
            for_everybody,
            privacy_url: https(&links.privacy_statement_url),
            terms_url: https(&links.terms_of_service_url),
        })
    }
}
