//! An authorization server as a client sees it: the requests of each grant, alike for all that are measured.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hilum_kernel::Secret;
use http::{StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use super::browser::{Browser, Person};
use crate::load::{Answer, Connection, Request};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The pages that a sign-in may take.
const PAGES_MAX: usize = 8;
/// 256 bytes as base64url: what RS256 with 2,048 bits appends (RFC 7518 §3.3).
const RSA_2048_CHARS: usize = 342;

/// Where its endpoints are, and the client that is registered there.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// Path of the authorization endpoint.
    pub(super) authorize: String,
    /// Path of the token endpoint.
    pub(super) token: String,
    pub(super) client_id: String,
    pub(super) secret: Secret<String>,
    pub(super) redirect_uri: String,
    /// What an application asks for itself.
    pub(super) application_scope: &'static str,
    /// What it asks for a user, on the one resource.
    pub(super) user_scope: &'static str,
}

/// What a token endpoint answers (RFC 6749 §5.1).
#[derive(Debug, Deserialize)]
pub(super) struct Tokens {
    #[serde(rename = "access_token")]
    pub(super) access: String,
    #[serde(rename = "refresh_token")]
    pub(super) refresh: Option<String>,
    #[serde(rename = "id_token")]
    pub(super) id: Option<String>,
}

impl Tokens {
    /// Whether they are what is measured: JWTs with RS256 and 2,048 bits.
    pub(super) fn check(&self) -> Result<()> {
        for token in [Some(&self.access), self.id.as_ref()].into_iter().flatten() {
            let parts: Vec<&str> = token.split('.').collect();
            let signed = matches!(parts.as_slice(), [_, _, signature] if signature.len() == RSA_2048_CHARS);
            ensure!(signed, "a token is no JWT signed with RSA-2048");
        }
        Ok(())
    }
}

impl Issuer {
    /// The client credentials grant (RFC 6749 §4.4).
    pub(super) fn for_application(&self) -> Request {
        self.grant(&[("grant_type", "client_credentials"), ("scope", self.application_scope)])
    }

    /// The refresh grant (RFC 6749 §6): an access token for the same resource, with an ID token or without.
    pub(super) fn refresh(&self, token: &str, with_id_token: bool) -> Request {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", self.user_scope)];
        self.grant(if with_id_token { fields.get(..2).unwrap_or_default() } else { &fields })
    }

    /// The authorization request (RFC 6749 §4.1.1), with PKCE (RFC 7636).
    pub(super) fn authorization(&self, hint: Option<&str>, browser: &Browser) -> Request {
        let scope = format!("openid profile offline_access {}", self.user_scope);
        let mut fields = vec![
            ("client_id", self.client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &scope),
            ("state", "measured"),
            ("nonce", "measured"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        fields.extend(hint.map(|hint| ("login_hint", hint)));
        let query = form(&fields);
        browser.carrying(Request::get(format!("{}?{query}", self.authorize), "*/*"))
    }

    /// Redeems a code (RFC 6749 §4.1.3).
    pub(super) async fn redeem(&self, code: &str, connection: &mut Connection) -> Result<Tokens> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        tokens(&connection.send_and_keep(self.grant(&fields)).await?)
    }

    /// A code for the person whose session the browser has (RFC 6749 §4.1.2).
    pub(super) async fn code(&self, browser: &mut Browser, connection: &mut Connection) -> Result<String> {
        let answer = connection.send_and_keep(self.authorization(None, browser)).await?;
        browser.remember(&answer);
        self.code_in(&answer).context("the session is not taken")
    }

    /// The same where the person has to sign in first: follows redirects, fills the form in.
    pub(super) async fn sign_in(
        &self,
        person: &Person,
        browser: &mut Browser,
        connection: &mut Connection,
    ) -> Result<String> {
        let mut request = self.authorization(Some(&person.name), browser);
        for _ in 0..PAGES_MAX {
            let answer = connection.send_and_keep(request).await?;
            browser.remember(&answer);
            if let Ok(code) = self.code_in(&answer) {
                return Ok(code);
            }
            request = browser
                .next(&answer, person)
                .with_context(|| format!("{}: {}", answer.status, answer.excerpt()))?;
        }
        anyhow::bail!("signing in never ended")
    }

    /// The code that an answer sends the browser away with.
    fn code_in(&self, answer: &Answer) -> Result<String> {
        let query = answer.header(header::LOCATION).strip_prefix(&self.redirect_uri);
        let query = query.and_then(|rest| rest.strip_prefix('?')).unwrap_or_default();
        let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
        let code = code.with_context(|| format!("{} instead of a code: {query}", answer.status))?;
        Ok(percent_decode_str(code).decode_utf8()?.into_owned())
    }

    fn grant(&self, fields: &[(&str, &str)]) -> Request {
        let client = [("client_id", self.client_id.as_str()), ("client_secret", self.secret.expose())];
        let body = form(&[&client, fields].concat());
        Request::post(self.token.clone(), FORM, JSON, vec![Bytes::from(body)])
    }
}

/// The tokens in an answer.
pub(super) fn tokens(answer: &Answer) -> Result<Tokens> {
    ensure!(answer.status == StatusCode::OK, "{}: {}", answer.status, answer.excerpt());
    serde_json::from_slice(&answer.body).context("the answer holds no tokens")
}

/// A form or a query.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn issuer() -> Issuer {
        Issuer {
            authorize: "/authorize".into(),
            token: "/token".into(),
            client_id: "id".into(),
            secret: Secret::new("s~1".into()),
            redirect_uri: "http://localhost:9/callback".into(),
            application_scope: "api/.default",
            user_scope: "api/Read",
        }
    }

    #[test]
    fn a_hint_is_one_more_parameter() {
        let path = issuer().authorization(Some("reader@x"), &Browser::default()).path;
        assert!(path.starts_with("/authorize?client%5Fid=id&response%5Ftype=code&"), "{path}");
        assert!(path.ends_with("code%5Fchallenge%5Fmethod=S256&login%5Fhint=reader%40x"), "{path}");
    }

    #[test]
    fn codes_are_taken_from_the_clients_own_address_only() {
        let answer = |location: &str| Answer {
            status: StatusCode::SEE_OTHER,
            headers: HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]),
            body: Vec::new(),
        };
        let code = |location| issuer().code_in(&answer(location)).ok();
        assert_eq!(code("http://localhost:9/callback?state=x&code=a%2Eb"), Some("a.b".to_owned()));
        assert_eq!(code("http://localhost:9/callback?error=access_denied"), None);
        assert_eq!(code("/other?code=a"), None);
    }

    #[test]
    fn only_rsa_2048_counts() {
        let tokens = |signature: usize| Tokens {
            access: format!("a.b.{}", "x".repeat(signature)),
            refresh: None,
            id: None,
        };
        assert!(tokens(342).check().is_ok());
        assert!(tokens(86).check().is_err());
    }
}
