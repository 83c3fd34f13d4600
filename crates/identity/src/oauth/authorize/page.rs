//! The pages of signing in by redirect.

use askama::Template;
use hilum_pages::Frame;

use super::admin_consent::OnResource;
use crate::{oauth::consent::Question, sign_in::Ways};

/// Name and password.
#[derive(Debug, Template)]
#[template(path = "authorize/sign_in.html")]
pub(super) struct SignInPage<'a> {
    pub(super) frame: Frame,
    pub(super) application: &'a str,
    pub(super) user_name: &'a str,
    /// IDs and names of the providers that one may sign in through instead.
    pub(super) providers: Vec<(&'a str, &'a str)>,
    /// Whether a client waits for an answer, be it that the person does not want to.
    pub(super) has_way_back: bool,
}

/// Replace a password that somebody else gave.
#[derive(Debug, Template)]
#[template(path = "authorize/new_password.html")]
pub(super) struct NewPasswordPage<'a> {
    pub(super) frame: Frame,
    pub(super) user_name: &'a str,
}

/// A second factor of somebody whose first is proven.
#[derive(Debug, Template)]
#[template(path = "authorize/second_factor.html")]
pub(super) struct FactorPage {
    pub(super) frame: Frame,
    pub(super) ways: Ways,
    pub(super) script: &'static str,
    /// For the script: what the browser is asked, as JSON.
    pub(super) options: String,
    pub(super) has_way_back: bool,
}

/// Go on as who is signed in, or as somebody else.
#[derive(Debug, Template)]
#[template(path = "authorize/account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) frame: Frame,
    pub(super) application: &'a str,
    pub(super) name: &'a str,
    pub(super) user_name: &'a str,
}

/// Who asks for what on whose behalf.
#[derive(Debug, Template)]
#[template(path = "authorize/consent.html")]
pub(super) struct ConsentPage<'a> {
    pub(super) frame: Frame,
    pub(super) application: &'a str,
    pub(super) app_id: String,
    /// Where the answer goes.
    pub(super) leads_to: &'a str,
    pub(super) user_name: &'a str,
    pub(super) question: Question,
    /// Whether the person may consent for everybody.
    pub(super) for_everybody: bool,
    pub(super) privacy_url: Option<String>,
    pub(super) terms_url: Option<String>,
}

/// What an administrator grants for everybody.
#[derive(Debug, Template)]
#[template(path = "authorize/admin_consent.html")]
pub(super) struct AdminConsentPage<'a> {
    pub(super) frame: Frame,
    pub(super) application: &'a str,
    pub(super) app_id: String,
    pub(super) leads_to: &'a str,
    pub(super) user_name: &'a str,
    pub(super) resources: Vec<OnResource>,
}

/// Sends the answer on by POST (OAuth 2.0 Form Post Response Mode §2).
#[derive(Debug, Template)]
#[template(path = "authorize/form_post.html")]
pub(super) struct FormPostPage<'a> {
    pub(super) frame: Frame,
    pub(super) script: &'static str,
    pub(super) action: &'a str,
    pub(super) fields: &'a [(&'static str, String)],
}
