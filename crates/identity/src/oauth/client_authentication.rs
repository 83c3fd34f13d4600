//! Who the client is, and how it proves it (RFC 6749 §2.3, RFC 7523, OIDC Core §9; sheet §2.5).
//!
//! Only this file can make an [`AuthenticatedClient`], so no grant runs without it.

use std::net::IpAddr;

use hilum_jose::{
    Algorithm, Certificate, Jwt, TimeError, VerifyingKey, base64_decode, base64url_encode, constant_time_eq,
    hex_upper, sha256, validate_times,
};
use hilum_kernel::{AppId, ObjectId, Secret};
use jiff::{SignedDuration, Timestamp};

use super::{
    error::{OAuthError, quoted},
    federation::{FederationError, foreign_issuer},
    form::{Form, decode},
    sql,
};
use crate::{CertificateInfo, Identity, Tenant, credentials, sessions::ClientKind};

/// The only kind of assertion there is (RFC 7523 §2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// How far ahead an assertion's expiry may lie. Clients use 1 to 30 minutes.
const ASSERTION_LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// What real clients sign with, and ES256. `none` and the symmetric ones do not exist in `hilum_jose`.
const ALGORITHMS: &[Algorithm] =
    &[Algorithm::Rs256, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512, Algorithm::Es256];

/// Where clients prove themselves, under `/oauth2/v2.0/`.
const CLIENT_ENDPOINTS: &[&str] = &["token", "revoke", "introspect", "par"];

/// What a request says about its client.
pub(crate) struct Presented<'a> {
    pub(crate) app_id: AppId,
    credential: Credential<'a>,
}

enum Credential<'a> {
    Secret(Secret<String>),
    Assertion(&'a str),
    None,
}

/// A client that has proven who it is.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatedClient {
    app_id: AppId,
    principal: ObjectId,
    method: Method,
}

/// How it was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Secret,
    Assertion,
    /// A public client: it said who it is, and proved nothing.
    None,
}

/// Whether a grant is for clients that cannot keep a secret, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Credential,
    CredentialOrPublic,
    /// A code that was sent to a web application: a credential, whatever else the registration allows.
    Confidential,
    /// A code that was sent to a page or a device: no credential, which could not be kept there.
    Public,
}

impl AuthenticatedClient {
    pub(crate) const fn app_id(&self) -> AppId {
        self.app_id
    }

    /// Its service principal: `oid` and `sub` of its tokens.
    pub(crate) const fn principal(&self) -> ObjectId {
        self.principal
    }

    /// `appidacr`, `azpacr`.
    pub(crate) const fn acr(&self) -> &'static str {
        match self.method {
            Method::None => "0",
            Method::Secret => "1",
            Method::Assertion => "2",
        }
    }

    /// A client that gets its answer through the browser: its registered redirect URI is all the proof there is.
    pub(super) const fn by_redirect_uri(app_id: AppId, principal: ObjectId) -> Self {
        Self { app_id, principal, method: Method::None }
    }

    /// Whether it proved itself.
    pub(crate) const fn kind(&self) -> ClientKind {
        match self.method {
            Method::None => ClientKind::Public,
            Method::Secret | Method::Assertion => ClientKind::Confidential,
        }
    }
}

impl<'a> Presented<'a> {
    /// Whether there is any credential at all.
    pub(crate) const fn has_credential(&self) -> bool {
        !matches!(self.credential, Credential::None)
    }

    /// Finds the client's ID and its credential in form and header.
    pub(crate) fn parse(form: &'a Form<'_>, authorization: Option<&str>) -> Result<Self, OAuthError> {
        let basic = authorization.and_then(basic_scheme).map(basic).transpose()?;
        let secret = form.get("client_secret");
        let assertion = form.get("client_assertion");
        let methods = usize::from(basic.as_ref().is_some_and(|(_, secret)| !secret.expose().is_empty()))
            + usize::from(secret.is_some())
            + usize::from(assertion.is_some());
        if methods > 1 {
            // RFC 6749 §2.3: MUST NOT use more than one authentication method in each request.
            return Err(OAuthError::Malformed("there is more than one client authentication method"));
        }
        let in_form = form.get("client_id");
        let in_header = basic.as_ref().map(|(id, _)| id.as_str());
        if let (Some(one), Some(other)) = (in_form, in_header)
            && !one.eq_ignore_ascii_case(other)
        {
            return Err(OAuthError::Malformed("client_id and Authorization name different clients"));
        }
        let credential = match (secret, assertion, &basic) {
            (Some(secret), ..) => Credential::Secret(Secret::new(secret.to_owned())),
            (_, Some(assertion), _) => {
                match form.required("client_assertion_type")? {
                    ASSERTION_TYPE => {}
                    _ => return Err(OAuthError::BadParameter("client_assertion_type")),
                }
                Credential::Assertion(assertion)
            }
            (_, _, Some((_, secret))) if !secret.expose().is_empty() => Credential::Secret(secret.clone()),
            _ => Credential::None,
        };
        let id = match (in_form.or(in_header), &credential) {
            (Some(id), _) => id.to_owned(),
            // RFC 7521 §4.2: the client_id is unnecessary where the assertion names the client.
            (None, Credential::Assertion(assertion)) => Jwt::parse(assertion)
                .ok()
                .and_then(|jwt| jwt.claims_unverified().text("sub").map(str::to_owned))
                .ok_or(OAuthError::MissingParameter("client_id"))?,
            (None, _) => return Err(OAuthError::MissingParameter("client_id")),
        };
        let app_id = id.parse().map_err(|_| OAuthError::ApplicationNotFound(quoted(&id)))?;
        Ok(Self { app_id, credential })
    }
}

/// The part after `Basic `, in any case.
fn basic_scheme(header: &str) -> Option<&str> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(rest)
}

/// RFC 6749 §2.3.1: ID and secret are form-urlencoded before they are joined.
fn basic(credentials: &str) -> Result<(String, Secret<String>), OAuthError> {
    let malformed = || OAuthError::Malformed("the Authorization header is no Basic credential");
    let bytes = base64_decode(credentials).map_err(|_| malformed())?;
    let text = Secret::new(String::from_utf8(bytes).map_err(|_| malformed())?);
    let (id, secret) = text.expose().split_once(':').ok_or_else(malformed)?;
    Ok((decode(id)?.into_owned(), Secret::new(decode(secret)?.into_owned())))
}

impl Identity {
    /// Proves the client, and that it may have tokens.
    pub(crate) async fn authenticate(
        &self,
        tenant: &Tenant,
        (presented, wanted): (&Presented<'_>, Wanted),
        address: Option<IpAddr>,
    ) -> Result<AuthenticatedClient, OAuthError> {
        let app_id = presented.app_id;
        let now_ms = self.0.clock.now_ms();
        let guesser = (app_id, address);
        let throttled = || match self.0.throttle.wait_s(&guesser, now_ms) {
            Some(retry_after_s) => Err(OAuthError::TooManyAttempts { retry_after_s }),
            None => Ok(()),
        };
        if !matches!(presented.credential, Credential::Secret(_)) {
            throttled()?;
        }
        let client = sql::client(&mut self.0.db.read().await?, tenant.id, app_id).await?;
        let not_found = || OAuthError::ApplicationNotFound(app_id.to_string());
        let client = client.ok_or_else(not_found)?;
        let (principal, enabled) = client.principal.ok_or_else(not_found)?;
        let method = match &presented.credential {
            Credential::None if wanted == Wanted::Credential => return Err(OAuthError::CredentialRequired),
            Credential::None if wanted == Wanted::Public => Ok(Method::None),
            Credential::None if client.public && wanted != Wanted::Confidential => Ok(Method::None),
            Credential::None => return Err(OAuthError::PublicFlowsOff(app_id.to_string())),
            // Sheet §2.3: a public client that sends a credential has published it.
            _ if wanted == Wanted::Public => return Err(OAuthError::PublicClient),
            Credential::Secret(secret) => {
                let checked = self.check_secret(app_id, &client, secret, now_ms);
                // Only afterwards: a secret costs one HMAC and is not to be guessed, and who guesses behind the same
                // address must not lock out the rightful client.
                if checked.is_err() {
                    throttled()?;
                }
                checked.map(|()| Method::Secret)
            }
            Credential::Assertion(assertion) => {
                let ids = (app_id, client.object_id);
                self.check_assertion(tenant, ids, assertion).await.map(|()| Method::Assertion)
            }
        };
        let method = method.inspect_err(|error| {
            // An issuer's outage, like our own, is no wrong guess.
            if !matches!(
                error,
                OAuthError::Unavailable(_)
                    | OAuthError::Internal(_)
                    | OAuthError::Federated(FederationError::KeysUnavailable(_))
            ) {
                self.0.throttle.failed(guesser, now_ms);
            }
        })?;
        // Told only to who has proven to be the client.
        match (client.disabled, enabled) {
            (true, _) => Err(OAuthError::ApplicationDisabled(app_id.to_string())),
            (_, false) => Err(OAuthError::ServicePrincipalDisabled(app_id.to_string())),
            _ => Ok(AuthenticatedClient { app_id, principal, method }),
        }
    }

    fn check_secret(
        &self,
        app_id: AppId,
        client: &sql::Client,
        secret: &Secret<String>,
        now_ms: i64,
    ) -> Result<(), OAuthError> {
        if client.secrets.is_empty() && client.public {
            return Err(OAuthError::PublicClient);
        }
        // All are compared, so that the time does not tell which one it was.
        let mut expired = false;
        let mut good = false;
        for stored in &client.secrets {
            let hash = credentials::hash(&self.0.secret_key, stored.owner, secret.expose());
            let same = constant_time_eq(&stored.hash, &hash);
            good |= same && (stored.starts_at_ms..stored.ends_at_ms).contains(&now_ms);
            expired |= same && stored.ends_at_ms <= now_ms;
        }
        match (good, expired) {
            (true, _) => Ok(()),
            (false, true) => Err(OAuthError::SecretExpired(app_id.to_string())),
            (false, false) => Err(OAuthError::WrongSecret(app_id.to_string())),
        }
    }

    async fn check_assertion(
        &self,
        tenant: &Tenant,
        (app_id, application): (AppId, ObjectId),
        assertion: &str,
    ) -> Result<(), OAuthError> {
        let jwt = Jwt::parse(assertion).map_err(|_| OAuthError::AssertionMalformed)?;
        if !ALGORITHMS.contains(&jwt.header().algorithm) {
            return Err(OAuthError::AssertionMalformed);
        }
        if let Some(issuer) = foreign_issuer(&jwt) {
            return self.check_federated((app_id, application), &jwt, issuer).await;
        }
        let now = self.0.clock.now();
        let certificates = credentials::certificates_of_client(&mut self.0.db.read().await?, app_id).await?;
        let signed = candidates(&jwt, &certificates).into_iter().any(|info| {
            // Entra: an assertion of an expired registered certificate is 700027.
            (info.starts_at..info.ends_at).contains(&now) && is_signed_by(&jwt, info)
        });
        if !signed {
            return Err(OAuthError::AssertionSignature);
        }
        let claims = jwt.claims_unverified();
        let names_client = |claim| claims.text(claim).is_some_and(|id| id.parse() == Ok(app_id));
        // RFC 7523 §3: iss and sub must be the client_id.
        if !names_client("iss") || !names_client("sub") {
            return Err(OAuthError::AssertionSubject);
        }
        if !claims.audiences().iter().any(|audience| is_our_audience(audience, &self.0.origin, tenant)) {
            return Err(OAuthError::AssertionAudience);
        }
        check_times(&jwt, now)?;
        // The same assertion may come again: MSAL uses one until it expires (sheet §2.5).
        tracing::debug!(app.id = %app_id, jti = claims.text("jti"), "client assertion accepted");
        Ok(())
    }
}

pub(super) fn check_times(jwt: &Jwt<'_>, now: Timestamp) -> Result<(), OAuthError> {
    match validate_times(jwt.claims_unverified(), now, LEEWAY) {
        Ok(times) if times.expires_at.duration_since(now) <= ASSERTION_LIFE_MAX => Ok(()),
        Ok(_) | Err(TimeError::Expired | TimeError::NotYetValid | TimeError::IssuedInFuture) => {
            Err(OAuthError::AssertionTime)
        }
        Err(TimeError::NoExpiry | TimeError::Malformed(_)) => Err(OAuthError::AssertionMalformed),
    }
}

/// The registered certificates that the header may mean: by SHA-256 thumbprint, else SHA-1, else the certificate
/// itself, else `kid`, else all. A thumbprint that fits none means none.
fn candidates<'a>(jwt: &Jwt<'_>, all: &'a [CertificateInfo]) -> Vec<&'a CertificateInfo> {
    let header = jwt.header();
    if let Some(thumbprint) = &header.x5t_s256 {
        return all.iter().filter(|info| base64url_encode(sha256(&info.der)) == *thumbprint).collect();
    }
    if let Some(thumbprint) = &header.x5t {
        let hex = hilum_jose::base64url_decode(thumbprint).map(|bytes| hex_upper(&bytes)).unwrap_or_default();
        return all.iter().filter(|info| info.thumbprint == hex).collect();
    }
    if let Some(leaf) = header.x5c.first() {
        return all.iter().filter(|info| info.der == *leaf).collect();
    }
    let named = |kid: &String| {
        let by_id = |info: &&CertificateInfo| {
            info.key_id.to_string().eq_ignore_ascii_case(kid) || info.thumbprint.eq_ignore_ascii_case(kid)
        };
        all.iter().filter(by_id).collect::<Vec<_>>()
    };
    match header.kid.as_ref().map(named) {
        Some(found) if !found.is_empty() => found,
        // openid-client sends whatever kid its own key has.
        _ => all.iter().collect(),
    }
}

fn is_signed_by(jwt: &Jwt<'_>, info: &CertificateInfo) -> bool {
    Certificate::from_der(&info.der)
        .ok()
        .and_then(|certificate| VerifyingKey::from_certificate(&certificate).ok())
        .is_some_and(|key| jwt.verify(&key).is_ok())
}

/// Token endpoints and issuers of this tenant, under each of its names.
fn is_our_audience(audience: &str, origin: &str, tenant: &Tenant) -> bool {
    let Some(path) = audience.strip_prefix(origin).and_then(|path| path.strip_prefix('/')) else {
        return false;
    };
    let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
    let segment = segment.to_ascii_lowercase();
    let ours = segment == tenant.id.to_string()
        || segment == tenant.domain
        || segment == "common"
        || segment == "organizations";
    let place = rest.trim_end_matches('/');
    // RFC 9126 §2: also the endpoint itself that is called.
    ours && (matches!(place, "" | "v2.0" | "oauth2/token")
        || place.strip_prefix("oauth2/v2.0/").is_some_and(|endpoint| CLIENT_ENDPOINTS.contains(&endpoint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audiences_of_real_clients() {
        let tenant = Tenant {
            id: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
            domain: "contoso.local".to_owned(),
            display_name: String::new(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        let origin = "https://localhost:8443";
        for (audience, good) in [
            ("https://localhost:8443/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token", true),
            ("https://localhost:8443/11111111-2222-3333-4444-555555555555/oauth2/token", true),
            ("https://localhost:8443/11111111-2222-3333-4444-555555555555/v2.0", true),
            ("https://localhost:8443/11111111-2222-3333-4444-555555555555/", true),
            ("https://localhost:8443/Contoso.local/oauth2/v2.0/token", true),
            ("https://localhost:8443/common/oauth2/v2.0/token", true),
            ("https://localhost:8443/common/oauth2/v2.0/par", true),
            ("https://localhost:8443/common/oauth2/v2.0/authorize", false),
            ("https://localhost:8443/common/oauth2/v2.0/", false),
            ("https://localhost:8443/other.local/oauth2/v2.0/token", false),
            ("https://localhost:84431/common/oauth2/v2.0/token", false),
            ("https://login.microsoftonline.com/common/oauth2/v2.0/token", false),
            ("https://localhost:8443", false),
            ("", false),
        ] {
            assert_eq!(is_our_audience(audience, origin, &tenant), good, "{audience}");
        }
    }

    #[test]
    fn basic_credentials_are_form_urlencoded() {
        let (id, secret) = basic("YWJjOmElN0ViJTNBYyUyQmQ=").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((id.as_str(), secret.expose().as_str()), ("abc", "a~b:c+d"));
        assert!(basic("!!").is_err());
        assert!(basic("YWJj").is_err());
    }
}
