//! A person's browser at our pages: which browser it is, who is signed in there, and what a form carries to the next step.
//!
//! Two cookies, both for this host alone and out of reach of scripts: one ties forms to the browser that got them (CSRF),
//! one is the session. `SameSite=Lax`: they come along when a client sends the browser here, not when another site
//! posts, nor in its frames.

use axum::response::Response;
use futures::FutureExt as _;
use hilum_jose::{base64url_encode, constant_time_eq, sha256};
use hilum_kernel::Secret;
use hilum_web::RequestContext;
use http::{HeaderMap, HeaderValue, header};

use super::{
    error::OAuthError,
    pages::{self, Frame, cookie_name, is_https},
    token::ensure_session,
};
use crate::{
    Identity, User,
    browser_sessions::{self, BrowserSession, NewBrowserSession, SessionHash},
    sign_in::SignedIn,
    users,
};

const BROWSER_COOKIE: &str = "hilum-browser";
const BROWSER_BYTES: usize = 16;
const SESSION_COOKIE: &str = "hilum-session";

/// A browser's visit.
pub(crate) struct Visit<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) context: &'a RequestContext,
    browser: String,
    is_new: bool,
    /// The session's hash, live or not.
    sent: Option<SessionHash>,
    cookie: CookieChange,
}

/// A session that holds, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) session: BrowserSession,
    pub(crate) user: User,
}

enum CookieChange {
    Keep,
    Set(Secret<String>),
    Remove,
}

impl<'a> Visit<'a> {
    pub(crate) fn of(identity: &'a Identity, context: &'a RequestContext, headers: &HeaderMap) -> Self {
        let cookie =
            |name: &str, bytes| pages::cookie(headers, &cookie_name(&identity.0.origin, name), bytes);
        let browser = cookie(BROWSER_COOKIE, BROWSER_BYTES);
        let sent = cookie(SESSION_COOKIE, browser_sessions::TOKEN_BYTES);
        Self {
            identity,
            context,
            is_new: browser.is_none(),
            browser: browser.unwrap_or_else(|| identity.random_text::<BROWSER_BYTES>()),
            sent: sent.as_deref().map(SessionHash::of),
            cookie: CookieChange::Keep,
        }
    }

    /// What a form has to bring back from this browser. Not the cookie itself.
    pub(crate) fn browser_mark(&self) -> String {
        base64url_encode(sha256(format!("browser {}", self.browser).as_bytes()))
    }

    /// Whether a form was made for this browser.
    pub(crate) fn is_of_this_browser(&self, mark: &str) -> bool {
        !self.is_new && constant_time_eq(mark.as_bytes(), self.browser_mark().as_bytes())
    }

    pub(crate) fn frame(&self, csrf: String) -> Frame {
        Frame::new(csrf, self.context.correlation.to_string())
    }

    /// The session that the browser has, while it and its user are good.
    pub(crate) async fn live(&self) -> Result<Option<Live>, OAuthError> {
        let Some(hash) = &self.sent else { return Ok(None) };
        let tenant = self.identity.tenant().await?.id;
        let mut tx = self.identity.0.db.read().await?;
        let session = browser_sessions::by_hash(&mut tx, tenant, hash).await?;
        let now_ms = self.identity.0.clock.now_ms();
        let Some(session) = session.filter(|session| session.is_live(now_ms)) else { return Ok(None) };
        let user = users::lookup(&mut tx, tenant, &session.user.to_string()).await?;
        let user = user
            .filter(|user| user.account_enabled && ensure_session(user, session.authenticated_at_ms).is_ok());
        Ok(user.map(|user| Live { session, user }))
    }

    /// Begins a session under a new token, in place of the one before.
    pub(crate) async fn begin_session(&mut self, signed_in: &SignedIn) -> Result<Live, OAuthError> {
        let identity = self.identity;
        let token = Secret::new(identity.random_text::<{ browser_sessions::TOKEN_BYTES }>());
        let new = NewBrowserSession {
            hash: SessionHash::of(token.expose()),
            sid: identity.0.random.uuid(),
            user: signed_in.user.id,
            authenticated_at_ms: signed_in.at_ms,
        };
        let input = (identity.tenant().await?.id, new, self.sent.take(), identity.0.clock.now_ms());
        let begun = identity.0.db.write(input, |tx, (tenant, new, before, at_ms)| {
            async move {
                // A reset or a block since the password was verified wins.
                let user = users::lookup(tx, *tenant, &new.user.to_string()).await?;
                let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
                ensure_session(&user, new.authenticated_at_ms)?;
                browser_sessions::begin(tx, *tenant, (new, before.as_ref()), *at_ms).await?;
                let session = browser_sessions::by_hash(tx, *tenant, &new.hash).await?;
                Ok::<_, OAuthError>(session.map(|session| Live { session, user }))
            }
            .boxed()
        });
        let live = begun.await?.ok_or(OAuthError::FlowExpired)?;
        self.sent = Some(live.session.hash.clone());
        self.cookie = CookieChange::Set(token);
        Ok(live)
    }

    /// Ends the browser's session. The browser counts as another one from then on: a form with a password, which the way
    /// back would send again, signs nobody in any more.
    pub(crate) async fn end_session(&mut self) -> Result<(), OAuthError> {
        if let Some(hash) = self.sent.take() {
            let end = self.identity.0.db.write(hash, |tx, hash| browser_sessions::end(tx, hash).boxed());
            end.await?;
        }
        self.cookie = CookieChange::Remove;
        self.browser = self.identity.random_text::<BROWSER_BYTES>();
        self.is_new = true;
        Ok(())
    }

    /// Adds the cookies that this visit changes.
    pub(crate) fn with_cookies(&self, mut response: Response) -> Response {
        let origin = &self.identity.0.origin;
        let secure = if is_https(origin) { "; Secure" } else { "" };
        let mut set = |name: &str, value: &str, more: &str| {
            let name = cookie_name(origin, name);
            let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{more}{secure}");
            if let Ok(mut cookie) = HeaderValue::from_str(&text) {
                cookie.set_sensitive(true);
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
        };
        if self.is_new {
            set(BROWSER_COOKIE, &self.browser, "");
        }
        match &self.cookie {
            CookieChange::Keep => {}
            CookieChange::Set(token) => set(SESSION_COOKIE, token.expose(), ""),
            CookieChange::Remove => set(SESSION_COOKIE, "", "; Max-Age=0"),
        }
        response
    }
}
