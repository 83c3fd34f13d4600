//! The pages on which somebody registers a second factor: while signing in, or in *My account*.

use askama::Template;
use hilum_kernel::Secret;
use hilum_pages::Frame;
use serde::{Deserialize, Serialize};

use crate::{
    Identity, User,
    authentication_methods::{
        qr::{self, Drawing},
        totp::TotpSecret,
    },
    oauth::form::Form,
    sign_in::{Enrolment, Pending},
};

/// Asks the browser for a passkey. Where there is no script, or no passkey, a code does.
pub(super) const SCRIPT: &str = include_str!("../../assets/passkey.js");

/// What a page for registering offers; it travels with the page, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) pending: Pending,
    /// For an authenticator app.
    secret: TotpSecret,
    /// For a passkey.
    challenge: String,
}

impl Offer {
    pub(super) fn new(identity: &Identity, pending: Pending) -> Self {
        Self { pending, secret: identity.new_totp_secret(), challenge: identity.new_challenge() }
    }

    /// The same secret, which may be in the app already, with another challenge: each is answered once.
    pub(super) fn again(self, identity: &Identity) -> Self {
        Self { challenge: identity.new_challenge(), ..self }
    }

    /// What the person did with it.
    pub(super) fn taken<'a>(&'a self, form: &'a Form<'_>) -> Enrolment<'a> {
        let text = |field: &str| form.get(field).unwrap_or_default();
        match form.get("step") {
            Some("passkey") => Enrolment::Passkey { challenge: &self.challenge, answer: text("answer") },
            _ => Enrolment::Totp { secret: &self.secret, code: text("code") },
        }
    }
}

/// Where the pages stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// On the way to a client, which waits for an answer, or to a page of our own.
    SignIn { has_way_back: bool },
    /// In *My account*.
    Account,
}

impl At {
    /// Where forms go.
    const fn action(self) -> &'static str {
        match self {
            Self::SignIn { .. } => "/common/login",
            Self::Account => super::account::SECURITY_INFO,
        }
    }

    const fn has_way_back(self) -> bool {
        matches!(self, Self::SignIn { has_way_back: true })
    }
}

/// Register an authenticator app or a passkey.
#[derive(Debug, Template)]
#[template(path = "enrolment/offer.html")]
pub(super) struct OfferPage {
    frame: Frame,
    at: At,
    action: &'static str,
    user_name: String,
    drawing: Option<Drawing>,
    /// For typing.
    key: Secret<String>,
    /// For an app on the same device.
    uri: Secret<String>,
    script: &'static str,
    /// For the script: what the browser is asked, as JSON.
    options: String,
}

impl OfferPage {
    /// `passkeys`: those that the user has already, as base64url.
    pub(super) fn new(
        identity: &Identity,
        (frame, at): (Frame, At),
        (user, passkeys): (&User, &[String]),
        offer: &Offer,
    ) -> Self {
        let name = user.user_principal_name.clone();
        let issuer = identity.0.tenant.get().map_or("Hilum", |tenant| tenant.domain.as_str());
        let uri = offer.secret.uri(issuer, &name);
        Self {
            frame,
            at,
            action: at.action(),
            user_name: name,
            drawing: qr::draw(uri.expose()),
            key: grouped(&offer.secret.base32()),
            uri,
            script: SCRIPT,
            options: identity.passkey_creation(&offer.challenge, user, passkeys),
        }
    }
}

/// Recovery codes, shown once.
#[derive(Debug, Template)]
#[template(path = "enrolment/recovery_codes.html")]
pub(super) struct CodesPage<'a> {
    pub(super) frame: Frame,
    pub(super) at: At,
    pub(super) codes: &'a [Secret<String>],
}

/// In groups of four: easier to type.
fn grouped(key: &Secret<String>) -> Secret<String> {
    let symbols: Vec<char> = key.expose().chars().collect();
    let groups: Vec<String> = symbols.chunks(4).map(|group| group.iter().collect()).collect();
    Secret::new(groups.join(" "))
}
