//! Where answers may go (RFC 6749 §3.1.2, RFC 9700 §2.1; sheet §5.4): a registered redirect URI, compared as text.
//!
//! Only the port of a loopback address is free (RFC 8252 §7.3), because applications on a desktop take the one they get.

use serde::{Deserialize, Serialize};

use crate::ApplicationProperties;

/// Loopback hosts, as they are written in a URI. `[::1]` cannot be registered today.
const LOOPBACK: [&str; 3] = ["http://localhost", "http://127.0.0.1", "http://[::1]"];

/// On which platform of the registration a redirect URI stands: it decides how a code is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Platform {
    /// The client proves itself.
    #[serde(rename = "w")]
    Web,
    /// A page in a browser: no secret, PKCE, cross-origin requests only.
    #[serde(rename = "s")]
    Spa,
    /// An application on a device: no secret, PKCE.
    #[serde(rename = "p")]
    PublicClient,
}

impl Platform {
    /// The word in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Spa => "spa",
            Self::PublicClient => "public",
        }
    }

    /// Reads the word in the database.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Web, Self::Spa, Self::PublicClient].into_iter().find(|platform| platform.as_str() == word)
    }
}

/// The platform on which this URI is registered, if it is.
pub(crate) fn registered(properties: &ApplicationProperties, asked: &str) -> Option<Platform> {
    let lists = lists(properties);
    let find = |same: fn(&str, &str) -> bool| {
        lists.iter().find(|(_, uris)| uris.iter().any(|uri| same(uri, asked))).map(|(platform, _)| *platform)
    };
    // What is registered letter by letter goes before what only differs in its port.
    find(|uri, asked| uri == asked).or_else(|| find(same_loopback))
}

/// The only redirect URI there is, for requests that name none.
pub(super) fn only(properties: &ApplicationProperties) -> Option<(Platform, &str)> {
    let mut all = lists(properties)
        .into_iter()
        .flat_map(|(platform, uris)| uris.iter().map(move |uri| (platform, uri.as_str())));
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Whether any is registered at all.
pub(super) fn any(properties: &ApplicationProperties) -> bool {
    lists(properties).iter().any(|(_, uris)| !uris.is_empty())
}

/// Whether a page of this origin belongs to the registration's single-page platform.
pub(crate) fn is_spa_origin(properties: &ApplicationProperties, origin: &str) -> bool {
    properties.spa.redirect_uris.iter().any(|uri| match (loopback(uri), loopback(origin)) {
        (Some((host, _)), Some((asked, ""))) => host == asked,
        _ => origin_of(uri).is_some_and(|known| known == origin),
    })
}

fn lists(properties: &ApplicationProperties) -> [(Platform, &[String]); 3] {
    [
        (Platform::Web, &properties.web.redirect_uris),
        (Platform::Spa, &properties.spa.redirect_uris),
        (Platform::PublicClient, &properties.public_client.redirect_uris),
    ]
}

/// Whether both are the same place on a loopback address, whatever their ports.
fn same_loopback(registered: &str, asked: &str) -> bool {
    let (Some((host, rest)), Some((asked_host, asked_rest))) = (loopback(registered), loopback(asked)) else {
        return false;
    };
    let path = |rest: &str| if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
    host == asked_host && path(rest) == path(asked_rest)
}

/// Host and what follows the port, of an `http` URI on a loopback address. Text that could be read in another way by
/// anybody (user names, backslashes, control characters) is none.
fn loopback(uri: &str) -> Option<(&'static str, &str)> {
    if uri.contains(['@', '\\', '#']) || uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    LOOPBACK.into_iter().find_map(|host| {
        let rest = uri.strip_prefix(host)?;
        let rest = match rest.strip_prefix(':') {
            None => rest,
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                let (port, rest) = after.split_at_checked(digits)?;
                port.parse::<u16>().ok()?;
                rest
            }
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
    })
}

/// The origin of a registered URI, as browsers write it.
fn origin_of(uri: &str) -> Option<String> {
    let origin = url::Url::parse(uri).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> ApplicationProperties {
        serde_json::from_value(serde_json::json!({
            "displayName": "x",
            "web": { "redirectUris": ["https://app.example/cb", "http://localhost:5000/web"] },
            "spa": { "redirectUris": ["https://spa.example/", "http://localhost:3000/redirect.html"] },
            "publicClient": { "redirectUris": [
                "http://localhost", "http://127.0.0.1/done?x=1", "myapp://auth", "http://[::1]/six"
            ] }
        }))
        .unwrap()
    }

    #[test]
    fn what_is_registered_matches_letter_by_letter_but_for_loopback_ports() {
        let registration = registration();
        for (uri, platform) in [
            ("https://app.example/cb", Platform::Web),
            ("http://localhost:5000/web", Platform::Web),
            ("http://localhost:6000/web", Platform::Web),
            ("https://spa.example/", Platform::Spa),
            ("http://localhost:4000/redirect.html", Platform::Spa),
            ("http://localhost", Platform::PublicClient),
            ("http://localhost/", Platform::PublicClient),
            ("http://localhost:49152", Platform::PublicClient),
            ("http://127.0.0.1:8400/done?x=1", Platform::PublicClient),
            ("http://[::1]:8400/six", Platform::PublicClient),
            ("myapp://auth", Platform::PublicClient),
        ] {
            assert_eq!(registered(&registration, uri), Some(platform), "{uri}");
        }
    }

    #[test]
    fn what_only_looks_alike_does_not_match() {
        let registration = registration();
        for uri in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "http://app.example/cb",
            "https://app.example:443/cb",
            "https://app.example:4443/cb",
            "https://app.example/cb?x=1",
            "https://app.example/cb#x",
            "https://app.example/cb/../admin",
            "https://app.example/x/../cb",
            "https://app.example/%63b",
            "https://app.example/cb%2f..",
            "https://app.example.evil.example/cb",
            "https://evil.example/https://app.example/cb",
            "https://app.example@evil.example/cb",
            "https://evil.example\\@app.example/cb",
            "//app.example/cb",
            "https://spa.example",
            "https://localhost",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://localhost:80@evil.example",
            "http://localhost:8400@evil.example/",
            "http://localhost:99999",
            "http://localhost:8400evil.example",
            "http://localhost:/\\evil.example",
            "http://localhost\\evil.example",
            "http://localhost:8400/other",
            "http://localhost:8400/web/",
            "http://localhost:8400?x=1",
            "http://localhost#x",
            "http://127.0.0.2:8400/done?x=1",
            "http://127.0.0.1:8400/done?x=2",
            "http://127.0.0.1",
            "http://127.1/done?x=1",
            "http://LOCALHOST",
            "http://localhost:8400/web\r\nLocation:x",
            "myapp://auth/",
            "myapp:auth",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(registered(&registration, uri), None, "{uri}");
        }
    }

    #[test]
    fn one_redirect_uri_needs_no_name() {
        let mut registration = registration();
        assert!(any(&registration) && only(&registration).is_none());
        registration.web.redirect_uris.truncate(1);
        registration.spa.redirect_uris.clear();
        registration.public_client.redirect_uris.clear();
        assert_eq!(only(&registration), Some((Platform::Web, "https://app.example/cb")));
        registration.web.redirect_uris.clear();
        assert!(!any(&registration) && only(&registration).is_none());
    }

    #[test]
    fn origins_of_single_pages() {
        let registration = registration();
        for good in
            ["https://spa.example", "http://localhost:3000", "http://localhost:4000", "http://localhost"]
        {
            assert!(is_spa_origin(&registration, good), "{good}");
        }
        for wrong in [
            "https://app.example",
            "https://spa.example:444",
            "https://spa.example/",
            "http://spa.example",
            "null",
            "http://127.0.0.1:3000",
            "http://localhost:3000/x",
            "",
        ] {
            assert!(!is_spa_origin(&registration, wrong), "{wrong}");
        }
    }
}
