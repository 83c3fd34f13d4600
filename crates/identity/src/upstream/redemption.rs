//! What comes back from a provider: the answer's parameters (RFC 6749 §4.1.2, RFC 9207), and the code's redemption.

use hilum_access::BasicCredentials;
use hilum_jose::Claims;
use hilum_kernel::Secret;
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{Asserted, Linking, Provider, UpstreamError, provider::Metadata, request::Sent};
use crate::Identity;

/// RFC 6749 §2.3.1: credentials are form-encoded before they go into the header.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
/// Longer ones are no code.
const CODE_BYTES_MAX: usize = 8192;

/// An answer's parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) code: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
}

impl Identity {
    /// Redeems an answer: who it is that signed in there.
    pub(crate) async fn redeem_upstream(
        &self,
        provider: &Provider,
        sent: &Sent,
        incoming: Incoming<'_>,
    ) -> Result<Asserted, UpstreamError> {
        let now = self.0.clock.now();
        let _turn = provider.turn().await?;
        let metadata = provider.metadata(now).await?;
        // RFC 9207 §2.4: before anything else, so that the code goes to nobody but its issuer.
        match incoming.issuer {
            Some(issuer) if issuer == provider.settings.issuer => {}
            None if !metadata.authorization_response_iss_parameter_supported => {}
            _ => return Err(provider.refused_answer("the answer is another issuer's")),
        }
        if let Some(error) = incoming.error {
            let known = error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let error = if known { error } else { "unknown" };
            tracing::info!(provider = provider.id(), error, "an identity provider refused a sign-in");
            let name = provider.name().to_owned();
            return Err(match error {
                "access_denied" => UpstreamError::Denied(name),
                "temporarily_unavailable" | "server_error" => UpstreamError::Away(name),
                _ => UpstreamError::Refused(name),
            });
        }
        let code = incoming.code.filter(|code| code.len() <= CODE_BYTES_MAX);
        let code = code.ok_or_else(|| provider.refused_answer("the answer has no code"))?;
        let answer = self.token_answer(provider, &metadata, (sent, code)).await?;
        let token = answer.id_token.ok_or_else(|| provider.refused_answer("there is no ID token"))?;
        let mut asserted = provider.check_id_token(&metadata, &token, (sent, now)).await?;
        if provider.settings.linking != Linking::Existing
            && asserted.email.is_none()
            && let (Some(endpoint), Some(token)) = (&metadata.userinfo_endpoint, answer.access_token)
            && !self.is_linked(&asserted.issuer, &asserted.subject).await?
        {
            let claims = provider.userinfo(endpoint, &Secret::new(token)).await?;
            // OIDC Core §5.3.2: the subjects must be the same, or it is about somebody else.
            if claims.text("sub") != Some(asserted.subject.as_str()) {
                return Err(provider.refused_answer("userinfo is about another subject"));
            }
            asserted.add(&claims);
        }
        Ok(asserted)
    }

    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    async fn token_answer(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        (sent, code): (&Sent, &str),
    ) -> Result<TokenAnswer, UpstreamError> {
        let settings = &provider.settings;
        let redirect_uri = provider.redirect_uri(&self.0.origin);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", sent.verifier.as_str()),
            ("client_id", settings.client_id.as_str()),
        ];
        let encoded = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let user = encoded(&settings.client_id);
        let password = settings.client_secret.as_ref().map(|secret| Secret::new(encoded(secret.expose())));
        let mut basic: Option<BasicCredentials<'_>> = None;
        if let (Some(secret), Some(password)) = (&settings.client_secret, &password) {
            if metadata.wants_basic() {
                basic = Some((&user, password));
            } else {
                fields.push(("client_secret", secret.expose()));
            }
        }
        let answered = provider.client.post_form(&metadata.token_endpoint, &fields, basic).await;
        let (status, body) = answered.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(provider = provider.id(), error, "an identity provider's token endpoint failed");
            provider.did_not_answer(self.0.clock.now());
            provider.away()
        })?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            provider.did_not_answer(self.0.clock.now());
            return Err(provider.away());
        }
        if status != StatusCode::OK {
            // RFC 6749 §5.2. The description may hold anything; the word tells the administrator enough.
            let body = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            let word = body.get("error").and_then(Value::as_str).unwrap_or_default();
            let error = word.chars().filter(char::is_ascii_graphic).take(64).collect::<String>();
            let status = status.as_u16();
            tracing::warn!(provider = provider.id(), status, error, "an identity provider refused a code");
            return Err(UpstreamError::Refused(provider.name().to_owned()));
        }
        serde_json::from_slice(&body).map_err(|_| provider.refused_answer("the token answer is malformed"))
    }
}

impl Metadata {
    /// OIDC Discovery §3: `client_secret_basic` where nothing is said.
    fn wants_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_none_or(|methods| {
            methods.iter().any(|method| method == "client_secret_basic")
                || !methods.iter().any(|method| method == "client_secret_post")
        })
    }
}

impl Provider {
    /// Tells the log what is wrong, and the person that something is.
    pub(super) fn refused_answer(&self, why: &'static str) -> UpstreamError {
        tracing::warn!(provider = self.id(), why, "an identity provider's answer was not accepted");
        self.not_proven()
    }

    /// OIDC Core §5.3: as JSON. A signed answer is not asked for, and not read.
    async fn userinfo(&self, endpoint: &str, token: &Secret<String>) -> Result<Claims, UpstreamError> {
        let document = self.client.get(endpoint, Some(token)).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(provider = self.id(), error, "an identity provider's userinfo failed");
            self.away()
        })?;
        match serde_json::from_slice(&document) {
            Ok(Value::Object(members)) => Ok(Claims::new(members)),
            _ => Err(self.refused_answer("userinfo is malformed")),
        }
    }
}
