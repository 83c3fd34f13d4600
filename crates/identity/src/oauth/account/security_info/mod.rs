//! *Security info*: how the person signs in. Authenticator apps, passkeys, recovery codes, and the password.
//!
//! It opens only to who has just proven everything that can be proven: with the password some minutes ago, and with a second
//! factor where there is one. Who finds a browser unattended adds no key of his own.

mod http;
mod page;

#[cfg(test)]
mod tests;

use crate::{
    AuthenticationMethods,
    oauth::browser::{Live, Visit},
};

pub(crate) use http::{get, post};

/// The page's path.
pub(crate) const SECURITY_INFO: &str = "/portal/account/security-info";

/// How long ago, in seconds, the person may have signed in.
pub(crate) const PROVEN_S: i64 = 600;

/// Whether the session has shown enough to change how the person signs in.
fn is_proven(visit: &Visit<'_>, live: &Live, known: &AuthenticationMethods) -> bool {
    let age_ms = visit.identity.0.clock.now_ms().saturating_sub(live.session.proven_at_ms());
    age_ms <= PROVEN_S * 1000 && (known.methods.is_empty() || live.session.amr.is_multi_factor())
}
