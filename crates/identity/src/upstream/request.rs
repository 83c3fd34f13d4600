//! The way to a provider: an authentication request with code, PKCE and nonce (OIDC Core §3.1.2.1, RFC 7636 §4.3).

use hilum_jose::{base64url_encode, sha256};
use serde::{Deserialize, Serialize};

use super::{Provider, UpstreamError};
use crate::Identity;

/// How fresh the sign-in there has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fresh {
    /// It may be of any time.
    Any,
    /// Of so many seconds ago at most.
    WithinS(i64),
    /// The person signs in anew.
    Now,
}

/// What a request is to ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) fresh: Fresh,
    /// Whether the person wants to choose the account there.
    pub(crate) choose: bool,
    pub(crate) login_hint: Option<&'a str>,
}

/// What has to be remembered of a request, to check the answer against. Travels sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) provider: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) fresh: Fresh,
    pub(super) at_ms: i64,
}

impl Identity {
    /// The provider of this ID.
    pub(crate) fn provider(&self, id: &str) -> Result<&Provider, UpstreamError> {
        let found = self.0.providers.iter().find(|provider| provider.id() == id);
        found.map(AsRef::as_ref).ok_or(UpstreamError::UnknownProvider)
    }

    /// Where to send the browser, and what to remember meanwhile. `state` comes back with the answer.
    pub(crate) async fn authentication_request(
        &self,
        provider: &Provider,
        state: &str,
        outgoing: Outgoing<'_>,
    ) -> Result<(String, Sent), UpstreamError> {
        let now = self.0.clock.now();
        let metadata = {
            let _turn = provider.turn().await?;
            provider.metadata(now).await?
        };
        let settings = &provider.settings;
        let mut url = provider.client.check(&metadata.authorization_endpoint).map_err(|_| provider.away())?;
        // RFC 6749 §3.1: no fragment; a query that is there stays.
        url.set_fragment(None);
        let sent = Sent {
            provider: settings.id.clone(),
            nonce: self.random_text::<32>(),
            verifier: self.random_text::<32>(),
            fresh: outgoing.fresh,
            at_ms: now.as_millisecond(),
        };
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &provider.redirect_uri(&self.0.origin))
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", &sent.nonce)
            .append_pair("code_challenge", &base64url_encode(sha256(sent.verifier.as_bytes())))
            .append_pair("code_challenge_method", "S256");
        match outgoing.fresh {
            Fresh::Any => {}
            Fresh::WithinS(seconds) => {
                query.append_pair("max_age", &seconds.to_string());
            }
            // With max_age the provider has to say when the person signed in (OIDC Core §2).
            Fresh::Now => {
                query.append_pair("prompt", "login").append_pair("max_age", "0");
            }
        }
        let can_choose = metadata.prompt_values_supported.as_ref();
        let can_choose = can_choose.is_none_or(|known| known.iter().any(|word| word == "select_account"));
        if outgoing.choose && can_choose && outgoing.fresh != Fresh::Now {
            query.append_pair("prompt", "select_account");
        }
        if let Some(hint) = outgoing.login_hint {
            query.append_pair("login_hint", hint);
        }
        drop(query);
        Ok((url.into(), sent))
    }
}
