//! The pages a person sees.

use askama::Template;
use hilum_pages::Frame;

use crate::oauth::consent::Question;

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
    /// The device's address, where it is known.
    pub(super) source: Option<String>,
    /// How long ago the device asked.
    pub(super) ago: String,
    pub(super) question: Question,
}

/// The end.
#[derive(Debug, Template)]
#[template(path = "device/done.html")]
pub(super) struct DonePage {
    pub(super) frame: Frame,
    pub(super) title: String,
    pub(super) text: String,
}
