//! The pages of *My account*.

use askama::Template;
use hilum_pages::{Frame, moment};

use super::{Granted, GrantedBy, Used};
use crate::timestamp;

/// *My applications*.
#[derive(Debug, Template)]
#[template(path = "account/applications.html")]
pub(super) struct ApplicationsPage {
    pub(super) frame: Frame,
    pub(super) user_name: String,
    pub(super) applications: Vec<Used>,
}

/// Do you want to take it back?
#[derive(Debug, Template)]
#[template(path = "account/take_back.html")]
pub(super) struct TakeBackPage {
    pub(super) frame: Frame,
    pub(super) application: String,
    pub(super) app_id: String,
}

/// Browsers and sessions.
#[derive(Debug, Template)]
#[template(path = "account/sessions.html")]
pub(super) struct SessionsPage {
    pub(super) frame: Frame,
    pub(super) user_name: String,
    pub(super) browsers: Vec<Browser>,
    pub(super) applications: Vec<Used>,
}

/// A browser that the person is signed in with.
#[derive(Debug)]
pub(super) struct Browser {
    pub(super) sid: String,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) since: String,
    pub(super) used: String,
    /// The one that shows the page.
    pub(super) is_this: bool,
}

/// Do you want to end everything?
#[derive(Debug, Template)]
#[template(path = "account/end_all.html")]
pub(super) struct EndAllPage {
    pub(super) frame: Frame,
}

/// Since when an application keeps access, and when it last used it.
#[derive(Debug)]
pub(super) struct Kept {
    since: String,
    used: String,
}

/// A time for people.
pub(super) fn time(at_ms: i64) -> String {
    moment(timestamp(at_ms))
}

impl Used {
    fn kept(&self) -> Option<Kept> {
        let sessions = self.sessions.as_ref()?;
        Some(Kept { since: time(sessions.since_ms), used: time(sessions.used_at_ms) })
    }
}

impl Granted {
    fn is_administrators(&self) -> bool {
        self.by == GrantedBy::Administrator
    }

    /// When the person granted it, if that is known.
    fn at(&self) -> Option<String> {
        match self.by {
            GrantedBy::Oneself { at_ms } => at_ms.map(time),
            GrantedBy::Administrator => None,
        }
    }
}
