//! Base64 and hexadecimal as the JOSE documents use them (RFC 7515 §2, RFC 4648 §4 and §5).

use std::fmt::Write;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use thiserror::Error;

/// The text is no base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the text is not base64")]
pub struct InvalidBase64;

/// Base64url without padding (RFC 7515 §2).
pub fn base64url_encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url. Padding is dropped: MSAL pads thumbprints, azure-identity's asynchronous client pads
/// whole segments.
pub fn base64url_decode(text: &str) -> Result<Vec<u8>, InvalidBase64> {
    URL_SAFE_NO_PAD.decode(without_padding(text)).map_err(|_| InvalidBase64)
}

/// Base64 with padding (RFC 4648 §4), the form of `x5c` entries.
pub fn base64_encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64 with or without padding; line breaks and spaces are skipped.
pub fn base64_decode(text: &str) -> Result<Vec<u8>, InvalidBase64> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD_NO_PAD.decode(without_padding(&compact)).map_err(|_| InvalidBase64)
}

/// Hexadecimal in upper case, the form in which Windows, Entra and `az` show thumbprints.
pub fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Drops at most two `=`: more is no padding but damage.
fn without_padding(text: &str) -> &str {
    let once = text.strip_suffix('=').unwrap_or(text);
    once.strip_suffix('=').unwrap_or(once)
}
