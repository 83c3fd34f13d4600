//! Redirect URIs: where answers may go. What is registered here decides who gets codes and tokens.

use std::collections::HashSet;

use url::{Host, Url};

use super::{super::properties::ApplicationProperties, shortened};
use crate::IdentityError;

/// All platforms together: 256 for organisations, 100 with personal accounts.
const URIS_MAX: usize = 256;
const URIS_PERSONAL_MAX: usize = 100;
const CHARS_MAX: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Web,
    Spa,
    PublicClient,
}

pub(super) fn check(properties: &ApplicationProperties) -> Result<(), IdentityError> {
    let personal = properties.sign_in_audience.is_personal();
    let mut seen = HashSet::new();
    for (member, platform, uris) in [
        ("web.redirectUris", Platform::Web, &properties.web.redirect_uris),
        ("spa.redirectUris", Platform::Spa, &properties.spa.redirect_uris),
        ("publicClient.redirectUris", Platform::PublicClient, &properties.public_client.redirect_uris),
    ] {
        for uri in uris {
            redirect_uri(uri, platform, personal)
                .map_err(|reason| IdentityError::invalid(member, format!("'{}' {reason}", shortened(uri))))?;
            if !seen.insert(uri) {
                return Err(IdentityError::invalid(
                    member,
                    format!(
                        "'{}' is registered more than once: a URI belongs to one platform",
                        shortened(uri)
                    ),
                ));
            }
        }
        let most = if personal { URIS_PERSONAL_MAX } else { URIS_MAX };
        if seen.len() > most {
            return Err(IdentityError::invalid(
                member,
                format!("there may be at most {most} redirect URIs, all platforms together: remove some"),
            ));
        }
    }
    Ok(())
}

pub(super) fn redirect_uri(uri: &str, platform: Platform, personal: bool) -> Result<(), &'static str> {
    if uri.chars().count() > CHARS_MAX {
        return Err("has more than 256 characters");
    }
    if uri.contains('*') {
        return Err("holds a wildcard: register each URI by itself");
    }
    if uri.chars().any(|c| "!$'(),;".contains(c) || c.is_control() || c.is_whitespace()) {
        return Err("holds characters that are not allowed: ! $ ' ( ) , ; or white space");
    }
    let url = Url::parse(uri).map_err(|_| "is not an absolute URI: begin with https://")?;
    if uri.contains('#') {
        return Err("has a fragment: leave out '#' and what follows");
    }
    if personal && url.query().is_some() {
        return Err("has a query, which is not allowed where personal accounts may sign in");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password");
    }
    match (url.scheme(), url.host()) {
        // http for loopback: RFC 8252 §7.3; [::1] is not taken by Entra.
        ("https", Some(_)) | ("http", Some(Host::Domain("localhost"))) => Ok(()),
        ("http", Some(Host::Ipv4(address))) if address.is_loopback() => Ok(()),
        ("http", _) => Err("uses http, which is allowed for localhost only: use https"),
        ("javascript" | "data" | "file" | "vbscript" | "blob" | "about" | "ftp" | "ws" | "wss", _) => {
            Err("uses a scheme that is not allowed")
        }
        // RFC 8252 §7.1: private-use schemes belong to applications on a device.
        (_, _) if platform == Platform::PublicClient => Ok(()),
        _ => Err("must start with https or http://localhost; other schemes belong to publicClient"),
    }
}
