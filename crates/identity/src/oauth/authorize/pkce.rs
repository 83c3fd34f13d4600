//! Proof Key for Code Exchange (RFC 7636): who redeems a code must have asked for it.

use hilum_jose::{base64url_encode, constant_time_eq, sha256};
use serde::{Deserialize, Serialize};

use super::redirect_uri::Platform;
use crate::oauth::error::OAuthError;

/// RFC 7636 §4.1: 43 to 128 unreserved characters.
const CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// What the client showed when it asked for the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Challenge {
    /// The verifier's SHA-256.
    #[serde(rename = "s")]
    S256(String),
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`; refuses clients that must show one and do not.
    pub(super) fn parse(
        challenge: Option<&str>,
        method: Option<&str>,
        platform: Platform,
    ) -> Result<Option<Self>, OAuthError> {
        let Some(text) = challenge else {
            return match (platform, method) {
                (Platform::Web, None) => Ok(None),
                (Platform::Web, Some(_)) => Err(OAuthError::PkceMalformed("the challenge is missing")),
                // RFC 9700 §2.1.1: public clients MUST use PKCE.
                (Platform::Spa | Platform::PublicClient, _) => Err(OAuthError::ChallengeMissing),
            };
        };
        if !well_formed(text) {
            return Err(OAuthError::PkceMalformed("a challenge has 43 to 128 unreserved characters"));
        }
        match method {
            Some("S256") if text.len() == 43 => Ok(Some(Self::S256(text.to_owned()))),
            Some("S256") => Err(OAuthError::PkceMalformed("a challenge of S256 has 43 characters")),
            // RFC 7636 §4.3: no method means plain, which protects nobody whose request can be read (RFC 9700 §2.1.1).
            _ => Err(OAuthError::PkceMalformed("the method must be S256")),
        }
    }

    /// RFC 7636 §4.6.
    fn fits(&self, verifier: &str) -> bool {
        let Self::S256(challenge) = self;
        let hashed = base64url_encode(sha256(verifier.as_bytes()));
        constant_time_eq(challenge.as_bytes(), hashed.as_bytes())
    }
}

/// Compares the verifier of the token request with the challenge of the authorization request.
pub(crate) fn check(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(_), Some(text)) if !well_formed(text) => {
            Err(OAuthError::PkceMalformed("a verifier has 43 to 128 unreserved characters"))
        }
        (Some(challenge), Some(text)) if challenge.fits(text) => Ok(()),
        // RFC 9700 §4.8.2: a verifier without a challenge means that somebody took the challenge away.
        _ => Err(OAuthError::VerifierWrong),
    }
}

fn well_formed(text: &str) -> bool {
    CHARS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_standards_example() {
        let challenge = Challenge::parse(Some(CHALLENGE), Some("S256"), Platform::Spa).unwrap();
        assert!(check(challenge.as_ref(), Some(VERIFIER)).is_ok());
        for wrong in [None, Some(CHALLENGE), Some("short"), Some(&*"x".repeat(129)), Some("")] {
            assert!(check(challenge.as_ref(), wrong).is_err(), "{wrong:?}");
        }
        assert!(check(None, Some(VERIFIER)).is_err(), "a challenge was taken away");
    }

    #[test]
    fn who_has_to_show_what() {
        use Platform::{PublicClient, Spa, Web};
        let long = "a".repeat(129);
        for (challenge, method, platform, good) in [
            (None, None, Web, true),
            (None, None, Spa, false),
            (None, None, PublicClient, false),
            (None, Some("S256"), Web, false),
            (Some(CHALLENGE), Some("S256"), PublicClient, true),
            (Some(CHALLENGE), Some("plain"), Web, false),
            (Some(CHALLENGE), Some("plain"), PublicClient, false),
            (Some(CHALLENGE), None, Spa, false),
            (Some(CHALLENGE), None, Web, false),
            (Some(CHALLENGE), Some("s256"), Web, false),
            (Some("short"), Some("S256"), Web, false),
            (Some(long.as_str()), Some("plain"), Web, false),
            (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), Some("S256"), Web, false),
        ] {
            let read = Challenge::parse(challenge, method, platform);
            assert_eq!(read.is_ok(), good, "{challenge:?} {method:?} {platform:?}");
        }
    }
}
