//! Refusals: 401 and 403 with `WWW-Authenticate` (RFC 6750 §3).

use http::{HeaderValue, StatusCode};
use thiserror::Error;

use crate::{
    actions::DataAction,
    bearer::Scheme,
    dpop::{PROOF_ALGORITHMS, ProofError},
};

/// Why a token lets nobody in. Never holds anything out of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// No `Authorization` header, or of another scheme.
    #[error("no bearer token was sent")]
    Missing,
    /// More than one `Authorization` header.
    #[error("more than one token was sent")]
    Repeated,
    /// Longer than any honest token.
    #[error("the token is too long")]
    TooLong,
    /// Not a JWT.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` is `none`, symmetric or unknown.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// An ID token, a refresh token or another JWT that is no access token.
    #[error("the token is not an access token")]
    NotAccessToken,
    /// `iss` is none of the authorities'.
    #[error("the token's issuer is not accepted")]
    Issuer,
    /// The authority has no such key.
    #[error("the token's signing key is unknown")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("the token's signature is invalid")]
    Signature,
    /// `aud` is another resource.
    #[error("the token is for another audience")]
    Audience,
    /// `tid` is not the authority's tenant.
    #[error("the token is of another tenant")]
    Tenant,
    /// No `exp`, or a time that is none.
    #[error("the token's times are malformed")]
    Times,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not yet valid")]
    NotYetValid,
    /// No `sub`.
    #[error("the token has no subject")]
    NoSubject,
    /// Bound to a key, and presented as if it were not (RFC 9449 §7.2).
    #[error("the token is bound to a key: it needs the DPoP scheme and a proof of possession")]
    Bound,
    /// Presented with a proof, and bound to no key (RFC 9449 §7.1).
    #[error("the token is not bound to a key: it needs the Bearer scheme")]
    NotBound,
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The authority's keys cannot be had at present.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
}

/// The caller lacks a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the caller may not {}", .missing.as_str())]
pub struct Forbidden {
    /// What would have been needed.
    pub missing: DataAction,
}

/// Either refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Nobody is let in.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Somebody, but not to this.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

/// The parts of an answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// `WWW-Authenticate`, a header for each, if they are due.
    pub www_authenticate: Vec<HeaderValue>,
    /// Whether the answer has to bring a nonce ([`crate::Proofs::nonce`]).
    pub brings_nonce: bool,
    /// One plain sentence.
    pub body: &'static str,
}

/// What a service says about itself when it asks for a token (RFC 6750 §3, RFC 9728 §5.1, Azure's data planes).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `realm`: the host.
    pub realm: String,
    /// `authorization_uri`: the authority, `https://HOST/{tid}`.
    pub authorization_uri: Option<String>,
    /// `resource_id`: the audience to ask for.
    pub resource_id: Option<String>,
    /// `resource_metadata`: URL of the RFC 9728 document.
    pub resource_metadata: Option<String>,
}

impl Challenge {
    /// The answer to a refused request, which tried this scheme.
    pub fn refuse(&self, error: &AccessError, tried: Scheme) -> Refusal {
        let (status, code, body) = match error {
            AccessError::Token(error) => of_token(*error),
            // Fact sheet of the DICOM service, §18.
            AccessError::Forbidden(_) => {
                (StatusCode::FORBIDDEN, Some("insufficient_scope"), "Authorization failed.")
            }
        };
        let description = match error {
            AccessError::Token(TokenError::Missing) => None,
            AccessError::Token(error) => Some(error.to_string()),
            AccessError::Forbidden(error) => Some(error.to_string()),
        };
        let mut www_authenticate = Vec::new();
        if status != StatusCode::SERVICE_UNAVAILABLE {
            www_authenticate.push(self.header(tried, code, description.as_deref()));
        }
        // RFC 9449 §7.2: who came with the one scheme hears that there is the other.
        if status == StatusCode::UNAUTHORIZED && tried == Scheme::Bearer {
            www_authenticate.push(Self::default().header(Scheme::Dpop, None, None));
        }
        let brings_nonce =
            matches!(error, AccessError::Token(TokenError::Proof(error)) if error.wants_nonce());
        Refusal { status, www_authenticate, brings_nonce, body }
    }

    fn header(&self, scheme: Scheme, code: Option<&str>, description: Option<&str>) -> HeaderValue {
        let algorithms = PROOF_ALGORITHMS.map(hilum_jose::Algorithm::as_str).join(" ");
        let parameters = [
            ("realm", Some(self.realm.as_str()).filter(|realm| !realm.is_empty())),
            ("authorization_uri", self.authorization_uri.as_deref()),
            ("resource_id", self.resource_id.as_deref()),
            ("error", code),
            ("error_description", description),
            ("resource_metadata", self.resource_metadata.as_deref()),
            // RFC 9449 §7.1.
            ("algs", (scheme == Scheme::Dpop).then_some(algorithms.as_str())),
        ];
        let mut value = String::from(scheme.as_str());
        let mut separator = ' ';
        for (name, text) in parameters.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            value.push(separator);
            if separator == ',' {
                value.push(' ');
            }
            separator = ',';
            value.push_str(name);
            value.push('=');
            push_quoted(&mut value, text);
        }
        // Only printable ASCII has been written, so this cannot fail; the bare challenge is right in any case.
        HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static(scheme.as_str()))
    }
}

/// RFC 6750 §3.1: which status and code; RFC 6750 §3: no code where no token was sent.
fn of_token(error: TokenError) -> (StatusCode, Option<&'static str>, &'static str) {
    const BODY: &str = "Authentication failed.";
    match error {
        TokenError::Missing => (StatusCode::UNAUTHORIZED, None, BODY),
        TokenError::Repeated => (StatusCode::BAD_REQUEST, Some("invalid_request"), BODY),
        // Not the caller's fault: asking for another token would not help.
        TokenError::KeysUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, None, "The token cannot be checked at present.")
        }
        TokenError::Proof(ProofError::TooMany) => {
            (StatusCode::SERVICE_UNAVAILABLE, None, "The proof cannot be checked at present.")
        }
        TokenError::Proof(error) => (StatusCode::UNAUTHORIZED, Some(error.code()), BODY),
        TokenError::TooLong
        | TokenError::Malformed
        | TokenError::Algorithm
        | TokenError::NotAccessToken
        | TokenError::Issuer
        | TokenError::UnknownKey
        | TokenError::Signature
        | TokenError::Audience
        | TokenError::Tenant
        | TokenError::Times
        | TokenError::Expired
        | TokenError::NotYetValid
        | TokenError::Bound
        | TokenError::NotBound
        | TokenError::NoSubject => (StatusCode::UNAUTHORIZED, Some("invalid_token"), BODY),
    }
}

/// RFC 9110 §5.6.4: a quoted-string of printable ASCII; anything else is left out.
fn push_quoted(value: &mut String, text: &str) {
    value.push('"');
    for character in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            value.push('\\');
        }
        value.push(character);
    }
    value.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        Challenge {
            realm: "host:8443".to_owned(),
            authorization_uri: Some("https://host:8443/tid".to_owned()),
            resource_id: Some("https://host:8443/dicom".to_owned()),
            resource_metadata: Some(
                "https://host:8443/.well-known/oauth-protected-resource/dicom".to_owned(),
            ),
        }
    }

    /// The offer beside every challenge to bearers.
    const ALSO: &str = r#"DPoP algs="ES256 ES384 PS256 RS256""#;

    fn headers(challenge: &Challenge, error: impl Into<AccessError>, tried: Scheme) -> (u16, Vec<String>) {
        let refusal = challenge.refuse(&error.into(), tried);
        let texts = refusal.www_authenticate.iter().map(|value| value.to_str().unwrap().to_owned());
        (refusal.status.as_u16(), texts.collect())
    }

    fn header(challenge: &Challenge, error: impl Into<AccessError>) -> (u16, String) {
        let (status, mut texts) = headers(challenge, error, Scheme::Bearer);
        if status == 401 {
            assert_eq!(texts.pop().as_deref(), Some(ALSO));
        }
        assert!(texts.len() < 2, "{texts:?}");
        (status, texts.pop().unwrap_or_default())
    }

    #[test]
    fn the_challenges_of_rfc_9449() {
        let challenge = Challenge { realm: "host".to_owned(), ..Challenge::default() };
        let of = |error: TokenError| {
            let refusal = challenge.refuse(&error.into(), Scheme::Dpop);
            let texts = refusal.www_authenticate.iter().map(|value| value.to_str().unwrap().to_owned());
            (refusal.status.as_u16(), texts.collect::<Vec<_>>().join(", "), refusal.brings_nonce)
        };
        let algorithms = r#"algs="ES256 ES384 PS256 RS256""#;
        let said = |code: &str, text: &str| {
            format!(r#"DPoP realm="host", error="{code}", error_description="{text}", {algorithms}"#)
        };
        assert_eq!(
            of(ProofError::Replayed.into()),
            (401, said("invalid_dpop_proof", "the proof of possession was used before"), false)
        );
        for error in [ProofError::Nonce, ProofError::Time] {
            assert_eq!(of(error.into()), (401, said("use_dpop_nonce", &error.to_string()), true));
        }
        assert_eq!(of(TokenError::Expired), (401, said("invalid_token", "the token has expired"), false));
        assert_eq!(of(ProofError::TooMany.into()), (503, String::new(), false));
        let (status, texts) = headers(&challenge, TokenError::Bound, Scheme::Bearer);
        assert_eq!((status, texts.len()), (401, 2));
        assert!(texts[0].starts_with(r#"Bearer realm="host", error="invalid_token""#), "{texts:?}");
        assert_eq!(texts[1], ALSO);
    }

    #[test]
    fn the_challenges_of_rfc_6750() {
        let about = r#"Bearer realm="host:8443", authorization_uri="https://host:8443/tid", resource_id="https://host:8443/dicom""#;
        let metadata = r#"resource_metadata="https://host:8443/.well-known/oauth-protected-resource/dicom""#;
        assert_eq!(header(&challenge(), TokenError::Missing), (401, format!("{about}, {metadata}")));
        let expired = r#"error="invalid_token", error_description="the token has expired""#;
        assert_eq!(
            header(&challenge(), TokenError::Expired),
            (401, format!("{about}, {expired}, {metadata}"))
        );
        let forbidden = r#"error="insufficient_scope", error_description="the caller may not delete""#;
        assert_eq!(
            header(&challenge(), Forbidden { missing: DataAction::Delete }),
            (403, format!("{about}, {forbidden}, {metadata}"))
        );
        let repeated = header(&challenge(), TokenError::Repeated);
        assert!(repeated.0 == 400 && repeated.1.contains(r#"error="invalid_request""#), "{repeated:?}");
        assert_eq!(header(&challenge(), TokenError::KeysUnavailable), (503, String::new()));
    }

    #[test]
    fn nothing_breaks_out_of_a_parameter() {
        let hostile = Challenge { realm: "a\"b\\c\r\nX: y\u{e4}\0".to_owned(), ..Challenge::default() };
        assert_eq!(header(&hostile, TokenError::Missing).1, r#"Bearer realm="a\"b\\cX: y""#);
    }

    #[test]
    fn the_body_of_403_is_the_one_of_the_dicom_service() {
        let refusal = challenge()
            .refuse(&AccessError::Forbidden(Forbidden { missing: DataAction::Read }), Scheme::Bearer);
        assert_eq!(refusal.body, "Authorization failed.");
    }
}
