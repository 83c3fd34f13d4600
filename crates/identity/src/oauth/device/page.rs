//! The pages a person sees.

use askama::Template;

use crate::oauth::{consent::Permission, pages::Frame};

/// Type the code.
#[derive(Debug, Template)]
#[template(path = "device/code.html")]
pub(super) struct CodePage {
    pub(super) frame: Frame,
    pub(super) code: String,
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
