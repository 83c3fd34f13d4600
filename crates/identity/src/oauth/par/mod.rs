//! Pushed authorization requests (RFC 9126): a client sends its request itself, proves who it is, and sends the browser
//! with a reference. Nobody on the way through the browser can read the request or change it.
//!
//! The reference is the request, sealed: an unanswered one costs the server nothing, and any node opens it. It is good for a
//! minute, for its client, once; owns no table, used ones are remembered beside the codes (`authorize`).

mod http;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_kernel::AppId;
use serde::{Deserialize, Serialize};

use super::{
    authorize::{self, Asking, Kind, Parameters, Platform, REQUEST_URI_CHARS_MAX, Refusal},
    client_authentication::Presented,
    dpop,
    error::{OAuthError, quoted},
    form::Form,
    scopes::Endpoint,
    token::{wanted, wire::Received},
};
use crate::Identity;

pub(crate) use http::post;

/// RFC 9126 §2.2 lets it live for 5 to 600 seconds: a browser follows at once.
const LIFE_S: i64 = 60;
/// RFC 9126 §2.2: the form of a reference.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const PURPOSE: &str = "pushed authorization request";

/// A request that waits for its browser.
#[derive(Serialize, Deserialize)]
struct Pushed {
    id: String,
    client: AppId,
    segment: String,
    parameters: Parameters,
    expires_at_ms: i64,
}

/// A reference to a pushed request.
struct Reference {
    request_uri: String,
    expires_in: i64,
}

impl Identity {
    /// Takes a request from its client, and writes down what became of it.
    async fn push(&self, segment: &str, received: &Received) -> Result<Reference, OAuthError> {
        let pushed = self.try_push(segment, received).await;
        let (outcome, detail) = match &pushed {
            Ok(_) => (Outcome::Success, None),
            // A flood of guesses must not fill the database.
            Err(OAuthError::TooManyAttempts { .. }) => return pushed,
            Err(error) => (Outcome::Refused, Some(format!("AADSTS{}", error.row().code))),
        };
        let app_id = received.form.get("client_id").map(quoted);
        let actor = Actor { subject: None, app_id, display: None };
        let event = Event {
            detail,
            ..Event::new(Action::AuthorizationPushed, outcome, actor)
                .of_request(received.caller.address, received.caller.correlation)
        };
        self.note(event).await?;
        pushed
    }

    async fn try_push(&self, segment: &str, received: &Received) -> Result<Reference, OAuthError> {
        let Received { form, authorization, caller, shown } = received;
        let tenant = self.tenant().await?;
        let presented = Presented::parse(form, authorization.as_deref())?;
        // RFC 9126 §2.1: a reference to a reference is none.
        if form.get("request_uri").is_some() {
            return Err(OAuthError::BadParameter("request_uri"));
        }
        let mut parameters = authorize::parameters(self, form).await?;
        parameters.add("client_id", presented.app_id.to_string());
        // RFC 9449 §10.1: the key that the request proves is the one that the code is bound to, and no other may be named.
        if let Some(key) = self.key_proven(shown)? {
            parameters.add("dpop_jkt", key.clone());
            dpop::ensure_key(parameters.get("dpop_jkt"), Some(&key))
                .map_err(|_| OAuthError::BadParameter("dpop_jkt"))?;
        }
        let asking = Asking {
            kind: Kind::SignIn,
            endpoint: Endpoint::V2,
            segment: segment.to_owned(),
            parameters,
            pushed: true,
        };
        // RFC 9126 §2.1: checked as at the authorization endpoint.
        let request = self.check_authorization(&asking).await.map_err(|refusal| match refusal {
            Refusal::Page(error) | Refusal::Client(_, error) => error,
        })?;
        if caller.origin.is_some() && request.platform != Platform::Spa {
            return Err(OAuthError::CrossOrigin);
        }
        // RFC 9126 §2: authenticates as at the token endpoint, so as when it redeems the code.
        let wanted = wanted(request.platform);
        let client = self.authenticate(tenant, (&presented, wanted), caller.address).await?;
        let pushed = Pushed {
            id: self.random_text::<16>(),
            client: client.app_id(),
            segment: segment.to_ascii_lowercase(),
            parameters: asking.parameters,
            expires_at_ms: self.0.clock.now_ms() + LIFE_S * 1000,
        };
        let request_uri = format!("{PREFIX}{}", self.seal(PURPOSE, &pushed)?);
        if request_uri.len() > REQUEST_URI_CHARS_MAX {
            return Err(OAuthError::TooLarge);
        }
        Ok(Reference { request_uri, expires_in: LIFE_S })
    }

    /// The request that the browser brings a reference to, used up; nothing when it brings the request itself. What is beside
    /// the reference does not count (RFC 9126 §4, RFC 9101 §6.3).
    pub(super) async fn take_pushed(
        &self,
        (kind, endpoint): (Kind, Endpoint),
        segment: &str,
        form: &Form<'_>,
    ) -> Result<Option<Parameters>, OAuthError> {
        let Some(sealed) = form.get("request_uri").and_then(|uri| uri.strip_prefix(PREFIX)) else {
            return Ok(None);
        };
        let pushed: Pushed = self.unseal(PURPOSE, sealed).ok_or(OAuthError::RequestUriInvalid)?;
        let now_ms = self.0.clock.now_ms();
        let fits = kind == Kind::SignIn
            && endpoint == Endpoint::V2
            && segment.eq_ignore_ascii_case(&pushed.segment)
            && form.required("client_id")?.parse() == Ok(pushed.client)
            && now_ms < pushed.expires_at_ms;
        if !fits {
            return Err(OAuthError::RequestUriInvalid);
        }
        let work = (format!("{PURPOSE} {}", pushed.id), pushed.expires_at_ms, now_ms);
        let first = self.0.db.write(work, |tx, (id, expires_at_ms, at_ms): &(String, i64, i64)| {
            authorize::redeem_once(tx, (id, *expires_at_ms), *at_ms).boxed()
        });
        if first.await? { Ok(Some(pushed.parameters)) } else { Err(OAuthError::RequestUriInvalid) }
    }
}
