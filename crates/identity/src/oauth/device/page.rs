//! The pages a person sees: plain HTML, no script, readable by screen readers.

use std::sync::LazyLock;

use askama::Template;
use hilum_jose::{base64_encode, sha256};

use super::decision::Permission;

/// The only style sheet. The policy names its hash, so that nothing else can style a page.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.5rem}label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #767676;border-radius:4px}\
.code{font-family:ui-monospace,monospace;letter-spacing:.2em;text-transform:uppercase}\
button{font:inherit;margin:1.25rem .5rem 0 0;padding:.5rem 1.25rem;border-radius:4px;border:1px solid #0b5cad;background:#0b5cad;color:#fff}\
button.second{background:#fff;color:#0b5cad}\
:focus-visible{outline:3px solid #f2a900;outline-offset:2px}\
.alert{border-left:4px solid #b00020;padding:.5rem .75rem;background:#fdecef}\
.note{border-left:4px solid #f2a900;padding:.5rem .75rem;background:#fff8e1}\
dt{font-weight:600}dd{margin:0 0 .5rem}small{color:#555}";

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = base64_encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The pages' content security policy. Their forms post to this server only and lead nowhere else.
pub(super) fn policy() -> &'static str {
    &POLICY
}

/// What every page needs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) style: &'static str,
    /// Proves that a form comes from our own page.
    pub(super) csrf: String,
    /// What was wrong with the last step.
    pub(super) error: Option<String>,
    /// For the administrator, beside an error.
    pub(super) correlation: String,
}

impl Frame {
    pub(super) fn new(csrf: String, correlation: String) -> Self {
        Self { style: STYLE, csrf, error: None, correlation }
    }
}

/// Type the code.
#[derive(Debug, Template)]
#[template(path = "device/code.html")]
pub(super) struct CodePage {
    pub(super) frame: Frame,
    pub(super) code: String,
}

/// Sign in.
#[derive(Debug, Template)]
#[template(path = "device/sign_in.html")]
pub(super) struct SignInPage {
    pub(super) frame: Frame,
    pub(super) code: String,
    pub(super) application: String,
    pub(super) user_name: String,
}

/// Replace a password that somebody else gave.
#[derive(Debug, Template)]
#[template(path = "device/new_password.html")]
pub(super) struct NewPasswordPage {
    pub(super) frame: Frame,
    pub(super) code: String,
    pub(super) user_name: String,
}

/// Confirm.
#[derive(Debug, Template)]
#[template(path = "device/confirm.html")]
pub(super) struct ConfirmPage {
    pub(super) frame: Frame,
    pub(super) code: String,
    pub(super) application: String,
    pub(super) app_id: String,
    pub(super) user_name: String,
    pub(super) ticket: String,
    pub(super) source: String,
    pub(super) minutes: i64,
    pub(super) resource: String,
    pub(super) permissions: Vec<Permission>,
    pub(super) knows_name: bool,
    pub(super) stays_signed_in: bool,
    pub(super) admin_needed: bool,
}

/// The end.
#[derive(Debug, Template)]
#[template(path = "device/done.html")]
pub(super) struct DonePage {
    pub(super) frame: Frame,
    pub(super) title: String,
    pub(super) text: String,
}
