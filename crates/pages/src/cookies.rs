//! Cookies of pages: for this host alone, and out of reach of scripts.

use hilum_jose::base64url_decode;
use http::{HeaderMap, HeaderValue, header};

/// Who sends a cookie along when another site leads here (RFC 6265bis §5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// When the person follows a link or a redirect.
    Lax,
    /// Never.
    Strict,
}

/// With the prefix, a browser takes the cookie from this host alone; over plain HTTP on loopback it would refuse it.
fn full_name(origin: &str, name: &str) -> String {
    let prefix = if is_https(origin) { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// Whether browsers reach this server by TLS.
fn is_https(origin: &str) -> bool {
    origin.starts_with("https://")
}

/// A cookie that the browser sent, if it is so many bytes as base64url.
pub fn sent(headers: &HeaderMap, origin: &str, name: &str, bytes: usize) -> Option<String> {
    let name = full_name(origin, name);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .filter(|value| base64url_decode(value).is_ok_and(|decoded| decoded.len() == bytes))
}

/// Has the browser keep a cookie until it is closed.
pub fn set(headers: &mut HeaderMap, origin: &str, (name, value): (&str, &str), same_site: SameSite) {
    append(headers, origin, (name, value), same_site, "");
}

/// Has the browser forget a cookie.
pub fn remove(headers: &mut HeaderMap, origin: &str, name: &str, same_site: SameSite) {
    append(headers, origin, (name, ""), same_site, "; Max-Age=0");
}

fn append(
    headers: &mut HeaderMap,
    origin: &str,
    (name, value): (&str, &str),
    same_site: SameSite,
    more: &str,
) {
    let name = full_name(origin, name);
    let secure = if is_https(origin) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site:?}{more}{secure}");
    // What we set are our own names and base64url.
    if let Ok(mut cookie) = HeaderValue::try_from(text) {
        cookie.set_sensitive(true);
        headers.append(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: &str = "https://pacs.example";

    #[test]
    fn cookies_are_for_this_host_alone() {
        let mut headers = HeaderMap::new();
        set(&mut headers, HTTPS, ("hilum-x", "AAAA"), SameSite::Lax);
        remove(&mut headers, "http://127.0.0.1:8080", "hilum-x", SameSite::Strict);
        let texts: Vec<_> =
            headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            texts,
            [
                "__Host-hilum-x=AAAA; Path=/; HttpOnly; SameSite=Lax; Secure",
                "hilum-x=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
            ]
        );
    }

    #[test]
    fn only_what_we_could_have_set_is_read() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=b; __Host-hilum-x=AAAA".parse().unwrap());
        assert_eq!(sent(&headers, HTTPS, "hilum-x", 3).as_deref(), Some("AAAA"));
        assert_eq!(sent(&headers, HTTPS, "hilum-x", 4), None);
        assert_eq!(sent(&headers, "http://127.0.0.1", "hilum-x", 3), None);
        headers.insert("cookie", "__Host-hilum-x=A%0aA".parse().unwrap());
        assert_eq!(sent(&headers, HTTPS, "hilum-x", 3), None);
    }
}
