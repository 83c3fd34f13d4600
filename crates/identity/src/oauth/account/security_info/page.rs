//! The pages of *Security info*.

use askama::Template;
use hilum_pages::{Frame, Texts};

use super::super::page::time;
use crate::{
    AuthenticationMethod, AuthenticationMethods, MethodKind,
    authentication_methods::{METHODS_MAX, recovery},
};

/// What is registered, and what can be done with it.
#[derive(Debug, Template)]
#[template(path = "account/security_info.html")]
pub(super) struct SecurityInfoPage {
    pub(super) frame: Frame,
    pub(super) user_name: String,
    pub(super) methods: Vec<Method>,
    pub(super) codes_left: i64,
}

/// A method in words.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) id: String,
    name: String,
    kind: String,
    added: String,
    used: String,
}

impl Method {
    pub(super) fn new(texts: Texts, method: &AuthenticationMethod) -> Self {
        let kind = match method.kind {
            MethodKind::SoftwareOath => texts.text("account-security-app"),
            MethodKind::Fido2 => texts.text("account-security-passkey"),
        };
        Self {
            id: method.id.to_string(),
            name: method.display_name.clone(),
            kind: kind.to_string(),
            added: time(method.created_at.as_millisecond()),
            used: method.last_used_at.map_or_else(
                || texts.text("account-security-never").to_string(),
                |at| time(at.as_millisecond()),
            ),
        }
    }
}

impl SecurityInfoPage {
    pub(super) fn new(frame: Frame, user_name: String, known: &AuthenticationMethods) -> Self {
        let methods = known.methods.iter().map(|method| Method::new(frame.texts, method)).collect();
        Self { frame, user_name, methods, codes_left: known.recovery_codes_left }
    }

    fn has_room(&self) -> bool {
        self.methods.len() < METHODS_MAX
    }

    /// Whether it is time for new codes.
    fn are_codes_few(&self) -> bool {
        self.codes_left * 4 < i64::try_from(recovery::CODES).unwrap_or(i64::MAX)
    }
}

/// Do you want to remove it?
#[derive(Debug, Template)]
#[template(path = "account/remove_method.html")]
pub(super) struct RemovePage {
    pub(super) frame: Frame,
    pub(super) method: Method,
    /// The last one takes the recovery codes along.
    pub(super) is_last: bool,
}

impl RemovePage {
    fn name(&self) -> &str {
        &self.method.name
    }
}

/// A new password.
#[derive(Debug, Template)]
#[template(path = "account/change_password.html")]
pub(super) struct PasswordPage {
    pub(super) frame: Frame,
    pub(super) user_name: String,
}
