//! The token endpoint's story: tenant, request, client, grant, audit, signature.
//!
//! A grant decides and returns a value; nothing is signed before the decision is on its way into the audit trail, and
//! no transaction is open while signing.

mod authorization_code;
mod client_credentials;
mod device_code;
mod http;
mod on_behalf_of;
mod password;
mod refresh_token;
mod user;

#[cfg(test)]
pub(super) mod on_behalf_of_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) mod user_tests;

use std::{net::IpAddr, sync::Arc};

use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_jose::{SigningHeader, SigningKey, sign_jwt};
use hilum_kernel::{AppId, CorrelationId, Secret, TenantId};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    claims::CLAIMS_CHALLENGE,
    client_authentication::{Presented, Wanted},
    dpop::ShownKey,
    error::{OAuthError, quoted},
    form::Form,
    scopes::{Endpoint, application_resource},
    tenant::TenantSegment,
    tokens::{AppToken, Times},
};
use crate::{Identity, IdentityError};

use self::http::Received;

pub(super) use authorization_code::wanted;
pub(crate) use http::{options, other_method, post_v1, post_v2};
pub(super) use user::{ForUser, Granted, Step, check_audience, ensure_session, issued_event};

/// What other endpoints of the same wire share with this one.
pub(super) mod wire {
    pub(crate) use super::http::{Call, Received, answer, form};
}

/// The protocol's names of the grants.
const AUTHORIZATION_CODE: &str = "authorization_code";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";
/// RFC 7523 §2.1. The only assertions taken are users' tokens, so it means on behalf of.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const REFRESH_TOKEN: &str = "refresh_token";
/// RFC 8628 §3.4; MSAL Node writes the short one.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const DEVICE_CODE_SHORT: &str = "device_code";
/// How long an assertion lives that this program makes for itself.
const OWN_ASSERTION_LIFE_S: i64 = 600;

/// What is known of the request besides its form.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) address: Option<IpAddr>,
    pub(crate) correlation: CorrelationId,
    /// The `Origin` that a browser's page sent it from.
    pub(crate) origin: Option<String>,
    /// The thumbprint of the key that it proves to have (RFC 9449): what it gets is bound to that.
    pub(crate) key: Option<String>,
    /// Whether the client said that it takes claims challenges (`xms_cc` in `claims`).
    pub(crate) takes_challenges: bool,
}

/// Whether `claims` says so. What cannot be read says nothing: clients put much into it (sheet §1.8).
pub(super) fn takes_challenges(claims: Option<&str>) -> bool {
    let claims: Option<serde_json::Value> = claims.and_then(|text| serde_json::from_str(text).ok());
    let values = claims.as_ref().and_then(|claims| claims.pointer("/access_token/xms_cc/values"));
    let values = values.and_then(serde_json::Value::as_array);
    values.is_some_and(|values| values.iter().any(|value| value == CLAIMS_CHALLENGE))
}

/// An issued token and what the answer says about it.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) resource: String,
    pub(crate) times: Times,
    /// Whether the token is bound to a key.
    pub(crate) bound: bool,
    /// What only a user's answer has.
    pub(crate) for_user: Option<IssuedToUser>,
}

/// What goes along with a user's access token.
#[derive(Debug)]
pub(crate) struct IssuedToUser {
    pub(crate) scope: String,
    pub(crate) refresh_token: Option<Secret<String>>,
    pub(crate) refresh_token_expires_in: Option<i64>,
    pub(crate) id_token: Option<String>,
    pub(crate) client_info: Option<String>,
}

/// A decision to issue.
enum Decision {
    ToApplication(Box<AppToken>),
    /// Already written down, with its session.
    ToUser(Box<Granted>),
}

impl Identity {
    /// Redeems a grant for a token. Every outcome goes into the audit trail, but for attempts that were throttled.
    pub(crate) async fn redeem(
        &self,
        endpoint: Endpoint,
        segment: &str,
        received: Received,
    ) -> Result<Issued, OAuthError> {
        let tenant = self.tenant().await?;
        let Received { form, authorization, mut caller, shown } = received;
        let decision = async {
            caller.key = self.key_proven(&shown)?;
            self.decide(endpoint, segment, &form, (authorization.as_deref(), &caller)).await
        };
        let decision = decision.await;
        self.note_decision(&form, &decision, &caller).await?;
        let bound = caller.key.is_some();
        match decision? {
            Decision::ToApplication(token) => {
                let (resource, times) = (token.audience.clone(), token.times);
                let access_token = self.sign(tenant, *token).await?;
                Ok(Issued { access_token, resource, times, bound, for_user: None })
            }
            Decision::ToUser(granted) => {
                let Granted {
                    token,
                    id_token,
                    refresh_token,
                    refresh_token_expires_in,
                    scope,
                    client_info,
                    ..
                } = *granted;
                let (resource, times) = (token.audience.clone(), token.times);
                let access_token = self.sign_for_user(tenant, token).await?;
                let id_token = match id_token {
                    Some(id_token) => Some(self.sign_id_token(tenant, id_token).await?),
                    None => None,
                };
                let for_user = Some(IssuedToUser {
                    scope,
                    refresh_token,
                    refresh_token_expires_in,
                    id_token,
                    client_info,
                });
                Ok(Issued { access_token, resource, times, bound, for_user })
            }
        }
    }

    async fn decide(
        &self,
        endpoint: Endpoint,
        segment: &str,
        form: &Form<'_>,
        (authorization, caller): (Option<&str>, &Caller),
    ) -> Result<Decision, OAuthError> {
        let tenant = self.tenant().await?;
        let on_common = segment.eq_ignore_ascii_case("common");
        let segment = TenantSegment::parse(segment, tenant)?;
        let grant = grant(form)?;
        let presented = Presented::parse(form, authorization)?;
        match grant {
            Grant::ClientCredentials if segment == TenantSegment::Any => return Err(OAuthError::NoTenant),
            // Sheet §1.2: a password is for a tenant, or for the organisation of its user.
            Grant::Password if on_common => return Err(OAuthError::NotOnCommon),
            // These two depend on where the code was sent.
            Grant::AuthorizationCode | Grant::RefreshToken => {}
            _ if caller.origin.is_some() => return Err(OAuthError::CrossOrigin),
            _ => {}
        }
        let asked = (endpoint, form);
        let authenticate = |wanted| self.authenticate(tenant, (&presented, wanted), caller.address);
        let granted = match grant {
            Grant::ClientCredentials => {
                let client = authenticate(Wanted::Credential).await?;
                let resource = application_resource(endpoint, form.get("scope"), form.get("resource"))?;
                let token = client_credentials::decide(self, tenant, client, (&resource, caller)).await?;
                return Ok(Decision::ToApplication(Box::new(token)));
            }
            Grant::Password => {
                let client = authenticate(Wanted::CredentialOrPublic).await?;
                password::decide(self, (tenant, segment), asked, client, caller).await?
            }
            Grant::OnBehalfOf => {
                let client = authenticate(Wanted::Confidential).await?;
                on_behalf_of::decide(self, (tenant, segment), asked, client, caller).await?
            }
            Grant::DeviceCode => {
                let client = authenticate(Wanted::CredentialOrPublic).await?;
                device_code::decide(self, tenant, asked, client, caller).await?
            }
            Grant::AuthorizationCode => {
                authorization_code::decide(self, tenant, asked, &presented, caller).await?
            }
            Grant::RefreshToken => refresh_token::decide(self, tenant, asked, &presented, caller).await?,
        };
        Ok(Decision::ToUser(Box::new(granted)))
    }

    async fn note_decision(
        &self,
        form: &Form<'_>,
        decision: &Result<Decision, OAuthError>,
        caller: &Caller,
    ) -> Result<(), OAuthError> {
        let event = match decision {
            Ok(Decision::ToApplication(token)) => {
                let actor = Actor {
                    subject: Some(token.client.principal().to_string()),
                    app_id: Some(token.client.app_id().to_string()),
                    display: None,
                };
                metrics::counter!("hilum_tokens_issued_total").increment(1);
                let mut event = Event::new(Action::TokenIssued, Outcome::Success, actor);
                event.target = Some(token.resource.to_string());
                event.detail =
                    Some(format!("uti {} aud {} roles {}", token.uti, token.audience, token.roles.len()));
                event
            }
            // A user's token is written down already. A device that waits asks every few seconds: that is neither
            // refused nor worth a line.
            Ok(Decision::ToUser(_)) | Err(OAuthError::AuthorizationPending | OAuthError::SlowDown) => {
                return Ok(());
            }
            Err(error) => {
                let ours = matches!(error, OAuthError::Unavailable(_) | OAuthError::Internal(_));
                let outcome = if ours { Outcome::Failed } else { Outcome::Refused };
                let app_id = form.get("client_id").map(quoted);
                let actor = Actor { subject: None, app_id, display: None };
                // The codes are a closed list, so the label cannot grow without bound.
                metrics::counter!("hilum_tokens_refused_total", "code" => error.row().code.to_string())
                    .increment(1);
                if error.is_of_a_flood() {
                    // A flood of guesses must not fill the database.
                    return Ok(());
                }
                let mut event = Event::new(Action::TokenRefused, outcome, actor);
                event.detail = Some(format!("AADSTS{}", error.row().code));
                event
            }
        };
        Ok(self.note(event.of_request(caller.address, caller.correlation)).await?)
    }
}

/// Which grant is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    AuthorizationCode,
    ClientCredentials,
    Password,
    OnBehalfOf,
    DeviceCode,
    RefreshToken,
}

fn grant(form: &Form<'_>) -> Result<Grant, OAuthError> {
    match form.required("grant_type")? {
        AUTHORIZATION_CODE => Ok(Grant::AuthorizationCode),
        CLIENT_CREDENTIALS => Ok(Grant::ClientCredentials),
        PASSWORD => Ok(Grant::Password),
        JWT_BEARER => Ok(Grant::OnBehalfOf),
        DEVICE_CODE | DEVICE_CODE_SHORT => Ok(Grant::DeviceCode),
        REFRESH_TOKEN => Ok(Grant::RefreshToken),
        other => Err(OAuthError::UnsupportedGrantType(quoted(other))),
    }
}

/// An access token for the command line.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret<String>,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// The tenant.
    pub tenant_id: TenantId,
}

/// What a client proves itself with.
#[derive(Debug, Clone)]
pub enum ClientCredential {
    /// A client secret.
    Secret(Secret<String>),
    /// A certificate with its private key, with which an assertion is made.
    Certificate(Arc<SigningKey>),
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: AppId,
    sub: AppId,
    aud: &'a str,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Identity {
    /// Gets an application's token by the rules of the token endpoint, without HTTP. `asked` is a resource
    /// (`https://…`, a GUID) or a scope that ends in `/.default`.
    ///
    /// # Errors
    /// [`IdentityError::Refused`] with the text that the token endpoint would send.
    pub async fn acquire_token_for_client(
        &self,
        app_id: AppId,
        credential: ClientCredential,
        asked: &str,
    ) -> Result<AccessToken, IdentityError> {
        let tenant_id = self.tenant().await?.id;
        let mut fields =
            vec![("grant_type", CLIENT_CREDENTIALS.to_owned()), ("client_id", app_id.to_string())];
        match credential {
            ClientCredential::Secret(secret) => fields.push(("client_secret", secret.expose().clone())),
            ClientCredential::Certificate(key) => {
                fields.push(("client_assertion", self.assertion(app_id, key).await?));
                fields
                    .push(("client_assertion_type", super::client_authentication::ASSERTION_TYPE.to_owned()));
            }
        }
        let endpoint =
            if asked.to_ascii_lowercase().ends_with(".default") { Endpoint::V2 } else { Endpoint::V1 };
        fields.push((if endpoint == Endpoint::V2 { "scope" } else { "resource" }, asked.to_owned()));
        let correlation = CorrelationId::new(self.0.random.uuid());
        let received = Received {
            form: Form::of(fields),
            authorization: None,
            caller: Caller { address: None, correlation, origin: None, key: None, takes_challenges: false },
            shown: ShownKey::default(),
        };
        let issued = self.redeem(endpoint, &tenant_id.to_string(), received).await;
        let issued = issued.map_err(|error| match error {
            OAuthError::Unavailable(source) | OAuthError::Internal(source) => source,
            refusal => IdentityError::Refused(refusal.text()),
        })?;
        Ok(AccessToken {
            token: Secret::new(issued.access_token),
            expires_at: Timestamp::from_second(issued.times.expires_at).unwrap_or(Timestamp::MAX),
            tenant_id,
        })
    }

    async fn assertion(&self, app_id: AppId, key: Arc<SigningKey>) -> Result<String, IdentityError> {
        let audience = self.v2_issuer(self.tenant().await?);
        let now_s = self.0.clock.now().as_second();
        let jti = self.random_text::<16>();
        let work = move || {
            let (aud, jti) = (audience.as_str(), jti.as_str());
            let (nbf, exp) = (now_s, now_s + OWN_ASSERTION_LIFE_S);
            let claims = Assertion { iss: app_id, sub: app_id, aud, jti, iat: now_s, nbf, exp };
            sign_jwt(&key, SigningHeader::ASSERTION, &claims)
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)??)
    }
}
