//! A person's browser at our pages: which browser it is, who is signed in there, and what a form carries to the next step.
//!
//! Two cookies, both for this host alone and out of reach of scripts: one ties forms to the browser that got them (CSRF),
//! one is the session. `SameSite=Lax`: they come along when a client sends the browser here, not when another site
//! posts, nor in its frames.

use axum::response::Response;
use futures::FutureExt as _;
use hilum_jose::{base64url_encode, constant_time_eq, sha256};
use hilum_kernel::{AppId, Secret};
use hilum_pages::{
    Frame, Policy, Texts,
    cookies::{self, SameSite},
    show,
};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode, header};

use super::{error::OAuthError, token::ensure_session};
use crate::{
    Identity, User,
    authentication_methods::Amr,
    browser_sessions::{self, BrowserSession, NewBrowserSession, SessionHash},
    sign_in::{Origin, SignedIn},
    users,
};

const BROWSER_COOKIE: &str = "hilum-browser";
const BROWSER_BYTES: usize = 16;
const SESSION_COOKIE: &str = "hilum-session";

/// A browser's visit.
pub(crate) struct Visit<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) context: &'a RequestContext,
    /// The language of what is shown.
    pub(crate) texts: Texts,
    browser: String,
    is_new: bool,
    /// The session's hash, live or not.
    sent: Option<SessionHash>,
    /// What the browser is called, in a few known words.
    name: Option<String>,
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
        let cookie = |name: &str, bytes| cookies::sent(headers, &identity.0.origin, name, bytes);
        let browser = cookie(BROWSER_COOKIE, BROWSER_BYTES);
        let sent = cookie(SESSION_COOKIE, browser_sessions::TOKEN_BYTES);
        Self {
            identity,
            context,
            texts: Texts::accepted(headers),
            is_new: browser.is_none(),
            browser: browser.unwrap_or_else(|| identity.random_text::<BROWSER_BYTES>()),
            name: browser_name(headers),
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

    /// Goes on in the language that the client names, if it is one of ours: `ui_locales`, or else Entra's `mkt`.
    pub(crate) fn speak(&mut self, named: [Option<&str>; 2]) {
        if let Some(texts) = named.into_iter().flatten().find_map(Texts::named) {
            self.texts = texts;
        }
    }

    pub(crate) fn frame(&self, csrf: String) -> Frame {
        Frame::new(self.texts, csrf, self.context.correlation.to_string())
    }

    /// Where it comes from, for the trail.
    pub(crate) const fn origin(&self, app_id: AppId) -> Origin {
        Origin { address: self.context.client_address, correlation: self.context.correlation, app_id }
    }

    /// A page as the answer to this visit.
    pub(crate) fn show(
        &self,
        status: StatusCode,
        page: &impl askama::Template,
        policy: impl Into<Policy>,
    ) -> Response {
        self.with_cookies(show(self.texts, status, page, policy))
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
            idp: signed_in.voucher.as_ref().map(|voucher| voucher.issuer.clone()),
            proven_elsewhere_at_ms: signed_in.voucher.as_ref().and_then(|voucher| voucher.proven_at_ms),
            amr: signed_in.amr,
        };
        let address = self.context.client_address.map(|address| address.to_string());
        let seen_by = (address, self.name.clone());
        let input = (identity.tenant().await?.id, new, self.sent.take(), seen_by, identity.0.clock.now_ms());
        let begun = identity.0.db.write(input, |tx, (tenant, new, before, seen_by, at_ms)| {
            async move {
                // A reset or a block since the password was verified wins.
                let user = users::lookup(tx, *tenant, &new.user.to_string()).await?;
                let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
                ensure_session(&user, new.authenticated_at_ms)?;
                browser_sessions::begin(tx, *tenant, (new, before.as_ref()), *at_ms).await?;
                browser_sessions::note_browser(tx, &new.hash, seen_by.clone()).await?;
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

    /// Puts the session under a new token, proven further: its clients know it by the same name.
    pub(crate) async fn strengthen_session(&mut self, live: &Live, amr: Amr) -> Result<Live, OAuthError> {
        let identity = self.identity;
        let token = Secret::new(identity.random_text::<{ browser_sessions::TOKEN_BYTES }>());
        let hashes = (live.session.hash.clone(), SessionHash::of(token.expose()));
        let input = (identity.tenant().await?.id, live.session.user, hashes, amr);
        let strengthened = identity.0.db.write(input, |tx, (tenant, user, (old, new), amr)| {
            async move {
                let user = users::lookup(tx, *tenant, &user.to_string()).await?;
                let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
                if !browser_sessions::strengthen(tx, (old, new), *amr).await? {
                    return Ok(None);
                }
                let session = browser_sessions::by_hash(tx, *tenant, new).await?;
                if let Some(session) = &session {
                    ensure_session(&user, session.authenticated_at_ms)?;
                }
                Ok::<_, OAuthError>(session.map(|session| Live { session, user }))
            }
            .boxed()
        });
        let live = strengthened.await?.ok_or(OAuthError::FlowExpired)?;
        self.sent = Some(live.session.hash.clone());
        self.cookie = CookieChange::Set(token);
        Ok(live)
    }

    /// Notes that the session is used.
    pub(crate) async fn keep_awake(&self, session: &BrowserSession) -> Result<(), OAuthError> {
        let now_ms = self.identity.0.clock.now_ms();
        if session.is_to_be_touched(now_ms) {
            let input = (session.clone(), now_ms);
            let noted =
                self.identity.0.db.write(input, |tx, (session, now_ms)| {
                    browser_sessions::awake(tx, session, *now_ms).boxed()
                });
            noted.await?;
        }
        Ok(())
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
        let (origin, headers) = (&self.identity.0.origin, response.headers_mut());
        if self.is_new {
            cookies::set(headers, origin, (BROWSER_COOKIE, &self.browser), SameSite::Lax);
        }
        match &self.cookie {
            CookieChange::Keep => {}
            CookieChange::Set(token) => {
                cookies::set(headers, origin, (SESSION_COOKIE, token.expose()), SameSite::Lax);
            }
            CookieChange::Remove => cookies::remove(headers, origin, SESSION_COOKIE, SameSite::Lax),
        }
        response
    }
}

/// What people call their browser, read off `User-Agent` (RFC 9110 §10.1.5): known words only, nothing of what was sent.
fn browser_name(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let known = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
    };
    // In this order: browsers name those they descend from, too.
    let family = known(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ])?;
    let system = known(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    Some(system.map_or_else(|| family.to_owned(), |system| format!("{family} on {system}")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn browsers_have_the_names_that_people_know() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Some("Firefox on Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            ("curl/8.5.0", None),
            ("<script>", None),
        ] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]);
            assert_eq!(browser_name(&headers).as_deref(), name, "{agent}");
        }
    }
}
