//! The way of a person from the request to the answer: sign in, choose, consent. Each step finds out anew what is next, from
//! the request itself, the session, and what was done in this flow; nothing of it is stored on the server.

use axum::response::Response;
use hilum_kernel::Secret;
use hilum_pages::{Frame, Leads, Policy};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    checks::{Refusal, Request},
    goal::{Goal, Target},
    page::{AccountPage, NewPasswordPage, SignInPage},
    response::{WayBack, see_other},
    second_factor::Place,
};
use crate::{
    Identity,
    oauth::{
        browser::{Live, Visit},
        consent::Shown,
        enrolment::Offer,
        error::{Envelope, OAuthError},
        failure::failed,
        form::Form,
        pages::refused,
        token::Caller,
    },
    sign_in::{Origin, Pending, SignInError, SignedIn, Ways},
};

/// How long a person may look at a page.
const FLOW_MS: i64 = 3_600_000;
const PURPOSE: &str = "sign-in flow";

/// What a form carries: what for, whose browser it is, and what was done already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) target: Target,
    browser: String,
    /// The session that the page was made for, by its hash.
    session: Option<String>,
    begun_at_ms: i64,
    /// Signed in, or chose the account, after the request came.
    pub(super) chosen: bool,
    pub(super) consented: bool,
    /// Which page the form is on.
    pub(super) page: Page,
}

/// The pages with forms. A form takes no step that its page does not offer: the step before it was not skipped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Page {
    SignIn,
    NewPassword,
    /// A second factor of somebody whose first is proven.
    Factor {
        pending: Pending,
        ways: Ways,
        place: Place,
        /// For a passkey.
        challenge: String,
    },
    /// The same, who has none yet.
    Enrol {
        offer: Offer,
        place: Place,
    },
    /// Recovery codes, shown once.
    Codes,
    Account,
    /// With what it showed.
    Consent(Shown),
}

impl Page {
    fn offers(&self, step: &str) -> bool {
        match self {
            Self::SignIn => matches!(step, "sign-in" | "elsewhere" | "cancel"),
            Self::NewPassword => step == "password",
            Self::Factor { .. } => matches!(step, "code" | "recovery" | "passkey" | "cancel"),
            Self::Enrol { .. } => matches!(step, "enrol" | "passkey" | "cancel"),
            Self::Codes => step == "continue",
            Self::Account => step == "account",
            Self::Consent(_) => step == "consent",
        }
    }

    /// Whether it is about the person who is signed in.
    const fn is_of_session(&self) -> bool {
        match self {
            Self::SignIn | Self::NewPassword => false,
            Self::Factor { place, .. } | Self::Enrol { place, .. } => matches!(place, Place::SteppingUp),
            Self::Account | Self::Consent(_) | Self::Codes => true,
        }
    }
}

impl Flow {
    pub(super) fn new(target: Target, visit: &Visit<'_>, begun_at_ms: i64) -> Self {
        let browser = visit.browser_mark();
        Self {
            target,
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
        match self.visit.identity.check_target(&flow.target).await {
            Ok(goal) => self.proceed(&goal, flow).await,
            Err(refusal) => self.turned_away(refusal),
        }
    }

    /// The person does something.
    pub(super) async fn step(mut self, mut flow: Flow, form: &Form<'_>) -> Response {
        // Anew: the registration may have changed since the page was made.
        let goal = match self.visit.identity.check_target(&flow.target).await {
            Ok(goal) => goal,
            Err(refusal) => return self.turned_away(refusal),
        };
        let step = form.get("step").unwrap_or_default();
        if !flow.page.offers(step) {
            return failed(&self.visit, &OAuthError::BadParameter("step"));
        }
        if flow.page.is_of_session() && !flow.is_for(self.live.as_ref()) {
            (flow.chosen, flow.consented) = (false, false);
            return self.proceed(&goal, flow).await;
        }
        match (step, &goal) {
            ("sign-in", _) => self.sign_in(&goal, flow, form).await,
            ("elsewhere", _) => self.leave(&goal, flow, form.get("provider").unwrap_or_default()).await,
            ("password", _) => self.new_password(&goal, flow, form).await,
            ("code" | "recovery" | "enrol" | "passkey", _) => self.factor(&goal, flow, form).await,
            ("continue", _) => self.proceed(&goal, flow).await,
            ("account", _) if form.get("account") == Some("this") => {
                // The session may have become too old for the request meanwhile.
                flow.chosen = self.wanted(&goal, &flow).is_some();
                self.proceed(&goal, flow).await
            }
            ("account", _) => self.sign_in_page(StatusCode::OK, &goal, &flow, (None, "")),
            ("consent", Goal::Client(request)) => self.consent((&goal, request), flow, form).await,
            ("cancel", Goal::Client(request)) => self.back_with(&request.back, &OAuthError::ConsentDeclined),
            _ => failed(&self.visit, &OAuthError::BadParameter("step")),
        }
    }

    /// The session, if it will do.
    pub(super) fn wanted(&self, goal: &Goal, flow: &Flow) -> Option<&Live> {
        self.live.as_ref().filter(|live| self.is_wanted(goal, flow, live))
    }

    /// What is next.
    pub(super) async fn proceed(&self, goal: &Goal, flow: Flow) -> Response {
        let prompt = goal.prompt();
        let Some(live) = self.wanted(goal, &flow) else {
            // OIDC Core §3.1.2.2: the person signed in, and is not the one that the client wants.
            let other =
                self.live.as_ref().is_some_and(|live| !goal.is_about(self.visit.identity, &live.user));
            if let Goal::Client(request) = goal
                && (prompt.none || (flow.chosen && other))
            {
                return self.back_with(&request.back, &OAuthError::LoginRequired);
            }
            if let Some(provider) = flow.target.provider(self.visit.identity) {
                return self.leave(goal, flow, provider).await;
            }
            let hint = prompt.login_hint.as_deref().unwrap_or_default();
            return self.sign_in_page(StatusCode::OK, goal, &flow, (None, hint));
        };
        if prompt.select_account && !flow.chosen {
            return self.account_page(goal, &flow, live);
        }
        if let Some(page) =
            self.step_up(goal.request(), &flow, (live, &goal.applications(), goal.moment())).await
        {
            return page;
        }
        match goal {
            Goal::Client(request) => self.answer(request, flow, live).await,
            Goal::Own(own) => match own.path(&self.visit, live) {
                Ok(path) => self.visit.with_cookies(see_other(&path)),
                Err(error) => failed(&self.visit, &error),
            },
        }
    }

    /// Whether the session will do (OIDC Core §3.1.2.1).
    fn is_wanted(&self, goal: &Goal, flow: &Flow, live: &Live) -> bool {
        let prompt = goal.prompt();
        if !goal.is_about(self.visit.identity, &live.user) {
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
        let session = &live.session;
        // What tokens would say of the sign-in is what refreshing goes by, too.
        let passed = prompt.sign_in_age.is_passed(session.amr, session.authenticated_at_ms, now_ms);
        !prompt.login
            && !other
            && !other_session
            && !passed
            && !prompt.is_too_old(session.proven_at_ms(), now_ms)
    }

    async fn sign_in(&mut self, goal: &Goal, flow: Flow, form: &Form<'_>) -> Response {
        let name = form.get("username").unwrap_or_default().trim();
        let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
        let identity = self.visit.identity;
        match identity.sign_in_with_password(name, password, self.origin(goal)).await {
            Ok(signed_in) => self.first_factor(goal, flow, &signed_in).await,
            Err(SignInError::MustChangePassword) => {
                self.new_password_page(StatusCode::OK, goal, &flow, (None, name))
            }
            Err(SignInError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => {
                let (status, text) = refused(self.visit.texts, &error);
                self.sign_in_page(status, goal, &flow, (Some(text), name))
            }
        }
    }

    async fn new_password(&mut self, goal: &Goal, flow: Flow, form: &Form<'_>) -> Response {
        let name = form.get("username").unwrap_or_default();
        let text = |field: &str| Secret::new(form.get(field).unwrap_or_default().to_owned());
        let passwords = (text("password"), text("new_password"));
        if form.get("new_password") != form.get("new_password_again") {
            let why = self.visit.texts.text("sign-in-refused-differ").to_string();
            return self.new_password_page(StatusCode::BAD_REQUEST, goal, &flow, (Some(why), name));
        }
        let identity = self.visit.identity;
        match identity.sign_in_with_new_password(name, passwords, self.origin(goal)).await {
            Ok(signed_in) => self.first_factor(goal, flow, &signed_in).await,
            Err(SignInError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => {
                let (status, text) = refused(self.visit.texts, &error);
                self.new_password_page(status, goal, &flow, (Some(text), name))
            }
        }
    }

    pub(super) async fn signed_in(&mut self, goal: &Goal, mut flow: Flow, signed_in: &SignedIn) -> Response {
        match self.visit.begin_session(signed_in).await {
            Ok(live) => self.live = Some(live),
            Err(error) => return failed(&self.visit, &error),
        }
        flow.chosen = true;
        flow.consented = false;
        self.proceed(goal, flow).await
    }

    pub(super) fn origin(&self, goal: &Goal) -> Origin {
        Origin { address: self.caller.address, correlation: self.caller.correlation, app_id: goal.app_id() }
    }

    // --- answers ---

    pub(super) fn turned_away(&self, refusal: Refusal) -> Response {
        match refusal {
            Refusal::Page(error) => failed(&self.visit, &error),
            Refusal::Client(back, error) => self.back_with(&back, &error),
        }
    }

    /// A person who may not: on a page, because the client cannot mend it; but `prompt=none` draws none (OIDC Core
    /// §3.1.2.6).
    pub(super) fn refused_person(&self, request: &Request, error: &OAuthError) -> Response {
        if request.prompt.none { self.back_with(&request.back, error) } else { failed(&self.visit, error) }
    }

    /// An error for the client (RFC 6749 §4.1.2.1).
    pub(super) fn back_with(&self, back: &WayBack, error: &OAuthError) -> Response {
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
        self.answered(back, envelope.fields(error))
    }

    /// An answer for the client.
    pub(super) fn answered(&self, back: &WayBack, fields: Vec<(&'static str, String)>) -> Response {
        self.visit.with_cookies(back.answer(fields, self.visit.texts))
    }

    fn frame(&self, flow: &Flow, page: Page, error: Option<String>) -> Result<Frame, OAuthError> {
        let session = self.live.as_ref().map(|live| hash_of(live).to_owned());
        let sealed = self.visit.identity.seal(PURPOSE, &Flow { session, page, ..flow.clone() })?;
        Ok(Frame { error, ..self.visit.frame(sealed) })
    }

    /// A page with a form that goes on.
    pub(super) fn page<P: askama::Template>(
        &self,
        (status, policy): (StatusCode, impl Into<Policy>),
        (flow, page, error): (&Flow, Page, Option<String>),
        drawn: impl FnOnce(Frame) -> P,
    ) -> Response {
        match self.frame(flow, page, error) {
            Ok(frame) => self.visit.show(status, &drawn(frame), policy),
            Err(error) => failed(&self.visit, &error),
        }
    }

    pub(super) fn sign_in_page(
        &self,
        status: StatusCode,
        goal: &Goal,
        flow: &Flow,
        (error, user_name): (Option<String>, &str),
    ) -> Response {
        let (application, has_way_back) = (goal.name(), matches!(goal, Goal::Client(_)));
        let providers = &self.visit.identity.0.providers;
        let providers: Vec<_> = providers.iter().map(|one| (one.id(), one.name())).collect();
        // A button may lead to a provider.
        let leads = if providers.is_empty() { goal.leads() } else { Leads::ToClient };
        self.page((status, leads), (flow, Page::SignIn, error), |frame| SignInPage {
            frame,
            application,
            user_name,
            providers,
            has_way_back,
        })
    }

    fn new_password_page(
        &self,
        status: StatusCode,
        goal: &Goal,
        flow: &Flow,
        (error, user_name): (Option<String>, &str),
    ) -> Response {
        let page = (flow, Page::NewPassword, error);
        self.page((status, goal.leads()), page, |frame| NewPasswordPage { frame, user_name })
    }

    fn account_page(&self, goal: &Goal, flow: &Flow, live: &Live) -> Response {
        let (name, user_name) = (live.user.display_name.as_str(), live.user.user_principal_name.as_str());
        let application = goal.name();
        let page = (flow, Page::Account, None);
        self.page((StatusCode::OK, goal.leads()), page, |frame| AccountPage {
            frame,
            application,
            name,
            user_name,
        })
    }
}
