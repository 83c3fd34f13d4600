//! Every failure of the protocol's endpoints, mapped once to RFC 6749 §5.2 and Entra's `AADSTS` fields (sheet §3).
//!
//! Texts must not hold the words MSAL JS searches for (`interaction_required`, `login_required` …): it would ask the
//! user for something that is not wanted.

use axum::response::{IntoResponse as _, Response};
use hilum_kernel::CorrelationId;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;
use uuid::Uuid;

use hilum_access::ProofError;

use super::federation::FederationError;
use crate::{IdentityError, sign_in::SignInError};

/// A refusal. The `Display` text is the one after the code, for the client.
#[derive(Debug, Error)]
pub(crate) enum OAuthError {
    /// A form without a field that must be there.
    #[error("The request body must contain the following parameter: '{0}'.")]
    MissingParameter(&'static str),
    /// A field whose value cannot be.
    #[error("The '{0}' parameter is empty or not valid.")]
    BadParameter(&'static str),
    /// Not a form, a field twice, two ways to authenticate.
    #[error("Invalid request. Request is malformed or invalid: {0}")]
    Malformed(&'static str),
    /// A body over the limit.
    #[error("The request is larger than this server takes.")]
    TooLarge,
    /// GET on the token endpoint.
    #[error("The endpoint only accepts POST requests. Received a {0} request.")]
    Method(String),
    #[error(
        "Tenant '{0}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    )]
    TenantNotFound(String),
    #[error("Specified tenant identifier '{0}' is neither a valid DNS name, nor a valid external domain.")]
    TenantMalformed(String),
    /// `common` or `organizations` where nobody signs in.
    #[error(
        "No tenant-identifying information found in either the request or implied by any provided credentials."
    )]
    NoTenant,
    #[error("Unknown or unsupported authority host '{0}'.")]
    UnknownInstance(String),
    #[error("The app needs to use a supported grant type: '{0}' is not supported.")]
    UnsupportedGrantType(String),
    /// No application, or no service principal of it in the tenant.
    #[error(
        "Application with identifier '{0}' was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant (no service principal) or if you sent your request to the wrong tenant."
    )]
    ApplicationNotFound(String),
    #[error("Application '{0}' is disabled.")]
    ApplicationDisabled(String),
    #[error("Application '{0}' is disabled: its service principal is not enabled for sign-in.")]
    ServicePrincipalDisabled(String),
    #[error(
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    )]
    CredentialRequired,
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."
    )]
    WrongSecret(String),
    #[error("The provided client secret keys for app '{0}' are expired. Create new keys for your app.")]
    SecretExpired(String),
    #[error("Client is public so neither 'client_assertion' nor 'client_secret' should be presented.")]
    PublicClient,
    /// The assertion's `iss` or `sub` is not the client.
    #[error(
        "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation of private_key_jwt."
    )]
    AssertionSubject,
    #[error("Client assertion audience claim does not match the token endpoint or issuer of this tenant.")]
    AssertionAudience,
    #[error(
        "Client assertion is not within its valid time range. Make sure the clock of the client is right; the assertion may live for 24 hours at most."
    )]
    AssertionTime,
    #[error(
        "The certificate with identifier used to sign the client assertion is not registered on application, has expired, or the signature is not valid."
    )]
    AssertionSignature,
    #[error("The client assertion is malformed: it must be a JWT signed with RS256, PS256 or ES256.")]
    AssertionMalformed,
    /// Another issuer's assertion.
    #[error("{0}")]
    Federated(#[from] FederationError),
    #[error(
        "The provided request must include a 'scope' input parameter whose value ends in '/.default' for the client credentials grant. The scope '{0}' is not valid."
    )]
    ScopeNotDefault(String),
    #[error(
        "The provided value for the input parameter 'scope' is not valid: one request can ask for one resource. The scope '{0}' is not valid."
    )]
    SeveralResources(String),
    #[error("The 'resource' parameter contradicts the resource of the 'scope' parameter.")]
    ResourceContradictsScope,
    #[error(
        "The resource principal named '{0}' was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant (no service principal)."
    )]
    ResourceNotFound(String),
    #[error("The application is not assigned to a role for the resource application '{0}'.")]
    NotAssigned(String),
    /// A browser's page asks with an application's own credential.
    #[error(
        "Cross-origin token requests are permitted only for the 'Single-Page Application' client-type, which this grant is not for."
    )]
    CrossOrigin,
    /// Neither credential nor leave to do without one.
    #[error(
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'. Application '{0}' is no public client: allow public client flows for it where it cannot keep a secret."
    )]
    PublicFlowsOff(String),
    #[error(
        "The password grant is switched off for application '{0}'. An administrator can switch it on ('allowPasswordGrant'); the device code flow is the safer way."
    )]
    PasswordGrantOff(String),
    #[error(
        "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."
    )]
    NotOnCommon,
    #[error(
        "Application '{0}' is not configured as a multi-tenant application. Usage of the /common or /organizations endpoint is not supported for such apps. Use a tenant-specific endpoint."
    )]
    SingleTenant(String),
    /// One answer for unknown users and wrong passwords.
    #[error("Error validating credentials due to invalid username or password.")]
    WrongCredentials,
    #[error("The account is locked because of too many failed sign-ins. Try again later.")]
    AccountLocked { retry_after_s: u64 },
    #[error(
        "The password has to be changed: sign in once with a browser, or ask an administrator for a lasting one."
    )]
    PasswordMustChange,
    #[error("The user account is disabled.")]
    UserDisabled,
    #[error("The signed-in user is not assigned to a role for the application '{0}'.")]
    UserNotAssigned(String),
    #[error(
        "The user or administrator has not consented to use the application with ID '{0}' named '{1}'. Send an interactive authorization request for this user and resource, or let an administrator grant the permissions."
    )]
    ConsentRequired(String, String),
    #[error("The scope '{0}' does not exist on the resource '{1}'.")]
    UnknownScope(String, String),
    #[error("The provided value for the input parameter 'scope' is not valid: '{0}'.")]
    ScopeInvalid(String),
    #[error(
        "The provided value for the input parameter 'scope' is not valid: '.default' cannot be combined with other scopes of a resource. The scope '{0}' is not valid."
    )]
    DefaultWithOthers(String),
    /// A refresh token that is not ours, unknown, revoked, or came twice.
    #[error(
        "The provided value for the input parameter 'refresh_token' is not valid: it is malformed, unknown or revoked."
    )]
    RefreshTokenInvalid,
    #[error("The provided grant was issued to another client.")]
    GrantOfOtherClient,
    /// RFC 9449 §5, §10: a code or refresh token without a proof of its key.
    #[error(
        "The provided grant is bound to a key, and the request does not prove to have it: send a 'DPoP' header with a proof that the same key signs."
    )]
    GrantOfOtherKey,
    /// RFC 9449 §5, §8.
    #[error("The 'DPoP' header is not accepted: {0}.")]
    Proof(#[from] ProofError),
    /// The password was changed, or the sessions were revoked.
    #[error(
        "The provided grant has expired due to it being revoked: the user's password or sessions have changed. Sign in again."
    )]
    GrantRevoked,
    #[error("The refresh token has expired due to inactivity: it was not used for as long as it may rest.")]
    RefreshTokenInactive,
    /// A policy wants people to sign in more often.
    #[error(
        "The refresh token has expired: the sign-in is older than the token lifetime policy allows. Send a new interactive authorization request."
    )]
    SignInTooOld,
    /// A policy gives public clients none.
    #[error(
        "The refresh token is not valid any more: the token lifetime policy gives public clients none. Send a new interactive authorization request."
    )]
    RefreshTokensOff,
    #[error("The user has not finished signing in to the device flow yet. Ask again after the interval.")]
    AuthorizationPending,
    #[error("The device flow is polled faster than its interval allows. Ask less often.")]
    SlowDown,
    #[error("The user declined to let the device in.")]
    AuthorizationDeclined,
    #[error("The verification code expired before the user signed in. Start the device flow anew.")]
    DeviceCodeExpired,
    #[error("The device code is not valid: it is unknown, or a token was issued for it already.")]
    DeviceCodeUnknown,
    /// In an authorization request.
    #[error("The required field '{0}' is missing from the request.")]
    FieldMissing(&'static str),
    #[error(
        "The redirect URI '{0}' specified in the request does not match the redirect URIs configured for the application '{1}'. Make sure the redirect URI sent in the request matches one added to the application."
    )]
    RedirectUriUnknown(String, String),
    #[error("No redirect URI is registered for the application '{0}'.")]
    NoRedirectUri(String),
    #[error("The 'response_type' '{0}' is not supported.")]
    ResponseTypeUnknown(String),
    #[error(
        "The 'response_type' 'id_token' is not enabled for the application '{0}': switch on ID tokens in its implicit grant settings, or use the authorization code flow."
    )]
    IdTokenNotEnabled(String),
    #[error(
        "The 'response_type' 'token' is not enabled for the application '{0}': switch on access tokens in its implicit grant settings, or use the authorization code flow."
    )]
    TokenNotEnabled(String),
    #[error("'query' is not a supported value of 'response_mode' when requesting a token.")]
    ResponseModeRefused,
    /// OIDC Core §6: `request`, `request_uri`.
    #[error("The '{0}' parameter is not supported. Send the parameters themselves.")]
    RequestObject(&'static str),
    #[error(
        "Proof Key for Code Exchange is required for this client: send 'code_challenge' with 'code_challenge_method' 'S256'."
    )]
    ChallengeMissing,
    #[error("Proof Key for Code Exchange is not well formed: {0}.")]
    PkceMalformed(&'static str),
    #[error("The 'code_verifier' does not match the 'code_challenge' supplied in the authorization request.")]
    VerifierWrong,
    #[error("A silent sign-in request was sent but no user is signed in, or the sign-in is too old.")]
    LoginRequired,
    /// A registered user, where nobody can be asked.
    #[error(
        "Due to a configuration change made by the administrator, or because the user has registered one, a second factor is needed to access the application. Send an interactive authorization request for this user and resource."
    )]
    SecondFactorRequired,
    #[error(
        "A second factor is needed to access the application, and the user has none yet. Send an interactive authorization request for this user and resource: it asks the user to register one."
    )]
    SecondFactorEnrolment,
    #[error("The user declined to sign in or to consent to access the application.")]
    ConsentDeclined,
    #[error("The permissions need the consent of an administrator.")]
    AdminConsentRequired,
    /// A page that was left open for too long.
    #[error("Authentication failed because the sign-in took too long. Start again from the application.")]
    FlowExpired,
    /// A form of another browser, or made up.
    #[error(
        "This form did not come from this browser's page, or the browser sends no cookies. Start again from the application."
    )]
    FlowForeign,
    #[error(
        "The provided authorization code is not valid: it is malformed or was not issued by this server."
    )]
    CodeInvalid,
    #[error("The provided authorization code has expired. Send a new authorization request.")]
    CodeExpired,
    #[error("The provided authorization code has already been redeemed. Send a new authorization request.")]
    CodeRedeemed,
    #[error("The 'redirect_uri' does not match the one of the authorization request.")]
    RedirectUriDiffers,
    #[error(
        "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests, from an origin of the application's redirect URIs."
    )]
    SpaOnly,
    #[error("The refresh token of a single-page application has expired: its life of 24 hours is over.")]
    SpaSessionOver,
    /// The user's token of the on-behalf-of grant.
    #[error("The 'assertion' is malformed: it must be the access token that the service was called with.")]
    UserAssertionMalformed,
    /// Not signed by us, of another tenant, or not an access token.
    #[error(
        "The 'assertion' is not valid: it must be an access token of a user, issued by this tenant, with a signature that holds."
    )]
    AssertionNotAccepted,
    #[error(
        "The 'assertion' is not valid: its audience is not the application that presents it. Present the token that the service was called with."
    )]
    UserAssertionAudience,
    #[error(
        "The 'assertion' is not within its valid time range: the token has expired. Ask the caller for a new one."
    )]
    UserAssertionTime,
    #[error(
        "The 'assertion' is an application's own token: nobody can be acted on behalf of. Use the client credentials grant."
    )]
    AppOnlyAssertion,
    /// RFC 7009 §2.2.1.
    #[error("The provided token cannot be revoked: it belongs to no session. It holds until it expires.")]
    TokenNotRevocable,
    /// RFC 9126 §6.
    #[error(
        "The application takes part in authorization only by pushed requests: send the parameters to the pushed authorization request endpoint first."
    )]
    PushedRequestRequired,
    /// RFC 9126 §2.2, §7.3: another client's, used, too old, or never ours.
    #[error(
        "The 'request_uri' is not valid: it is unknown, has expired, was used before or is another client's. Start again from the application."
    )]
    RequestUriInvalid,
    #[error("Too many attempts. Try again later.")]
    TooManyAttempts { retry_after_s: u64 },
    /// The database is away or busy.
    #[error("The service is temporarily unavailable. Try again later.")]
    Unavailable(#[source] IdentityError),
    /// A defect of ours.
    #[error("The service has failed. Quote the trace ID to the administrator.")]
    Internal(#[source] IdentityError),
}

/// What a failure is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) code: u32,
    pub(crate) error: &'static str,
    pub(crate) status: StatusCode,
}

impl OAuthError {
    /// The one table.
    #[expect(clippy::too_many_lines, reason = "a line for each failure, and nothing else")]
    pub(crate) const fn row(&self) -> Row {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
        let (code, error, status) = match self {
            Self::MissingParameter(_) => (900_144, "invalid_request", BAD),
            Self::BadParameter(_) => (90_100, "invalid_request", BAD),
            Self::Malformed(_) => (9_002_313, "invalid_request", BAD),
            Self::TooLarge => (90_015, "invalid_request", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Method(_) => (900_561, "invalid_request", StatusCode::METHOD_NOT_ALLOWED),
            Self::TenantNotFound(_) => (90_002, "invalid_request", BAD),
            Self::TenantMalformed(_) => (900_023, "invalid_request", BAD),
            Self::NoTenant => (50_059, "invalid_request", BAD),
            Self::UnknownInstance(_) => (50_049, "invalid_instance", BAD),
            Self::UnsupportedGrantType(_) => (70_003, "unsupported_grant_type", BAD),
            Self::ApplicationNotFound(_) => (700_016, "unauthorized_client", BAD),
            Self::ApplicationDisabled(_) | Self::PasswordGrantOff(_) => (70_001, "unauthorized_client", BAD),
            Self::ServicePrincipalDisabled(_) => (7_000_112, "unauthorized_client", BAD),
            Self::CredentialRequired => (7_000_216, "invalid_client", UNAUTHORIZED),
            Self::WrongSecret(_) => (7_000_215, "invalid_client", UNAUTHORIZED),
            Self::SecretExpired(_) => (7_000_222, "invalid_client", UNAUTHORIZED),
            Self::PublicClient => (700_025, "invalid_client", UNAUTHORIZED),
            Self::AssertionSubject => (700_021, "invalid_client", UNAUTHORIZED),
            Self::AssertionAudience => (700_023, "invalid_client", UNAUTHORIZED),
            Self::AssertionTime => (700_024, "invalid_client", UNAUTHORIZED),
            Self::AssertionSignature => (700_027, "invalid_client", UNAUTHORIZED),
            Self::AssertionMalformed | Self::UserAssertionMalformed => (50_027, "invalid_request", BAD),
            Self::Federated(refusal) => return refusal.row(),
            Self::ScopeNotDefault(_) => (1_002_012, "invalid_scope", BAD),
            Self::SeveralResources(_) | Self::ScopeInvalid(_) | Self::DefaultWithOthers(_) => {
                (70_011, "invalid_scope", BAD)
            }
            Self::ResourceContradictsScope => (9_010_010, "invalid_request", BAD),
            Self::ResourceNotFound(_) => (500_011, "invalid_resource", BAD),
            Self::NotAssigned(_) => (501_051, "invalid_client", BAD),
            Self::CrossOrigin => (9_002_326, "invalid_request", BAD),
            Self::PublicFlowsOff(_) => (7_000_218, "invalid_client", UNAUTHORIZED),
            Self::NotOnCommon => (9_001_023, "invalid_request", BAD),
            Self::SingleTenant(_) => (50_194, "invalid_request", BAD),
            Self::WrongCredentials => (50_126, "invalid_grant", BAD),
            Self::AccountLocked { .. } => (50_053, "invalid_grant", BAD),
            Self::PasswordMustChange => (50_055, "invalid_grant", BAD),
            Self::UserDisabled => (50_057, "invalid_grant", BAD),
            Self::UserNotAssigned(_) => (50_105, "invalid_grant", BAD),
            Self::ConsentRequired(..) => (65_001, "invalid_grant", BAD),
            Self::UnknownScope(..) => (650_053, "invalid_client", BAD),
            Self::RefreshTokenInvalid | Self::RefreshTokensOff | Self::CodeInvalid => {
                (70_000, "invalid_grant", BAD)
            }
            Self::GrantOfOtherClient | Self::GrantOfOtherKey => (700_005, "invalid_grant", BAD),
            Self::Proof(ProofError::TooMany) => {
                (90_033, "temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Proof(error) if error.wants_nonce() => (90_014, error.code(), BAD),
            Self::Proof(error) => (50_027, error.code(), BAD),
            Self::GrantRevoked => (50_173, "invalid_grant", BAD),
            Self::RefreshTokenInactive => (700_082, "invalid_grant", BAD),
            Self::SignInTooOld => (70_043, "invalid_grant", BAD),
            Self::AuthorizationPending => (70_016, "authorization_pending", BAD),
            Self::SlowDown => (70_016, "slow_down", BAD),
            Self::AuthorizationDeclined => (65_004, "authorization_declined", BAD),
            Self::DeviceCodeExpired => (70_019, "expired_token", BAD),
            Self::DeviceCodeUnknown => (70_018, "bad_verification_code", BAD),
            Self::FieldMissing(_) => (90_014, "invalid_request", BAD),
            Self::RedirectUriUnknown(..) => (50_011, "invalid_request", BAD),
            Self::NoRedirectUri(_) => (500_113, "invalid_request", BAD),
            Self::ResponseTypeUnknown(_) => (70_005, "unsupported_response_type", BAD),
            Self::IdTokenNotEnabled(_) => (700_054, "unsupported_response_type", BAD),
            Self::TokenNotEnabled(_) => (700_051, "unsupported_response_type", BAD),
            Self::ResponseModeRefused => (70_007, "invalid_request", BAD),
            Self::RequestObject(_) => (90_023, "request_not_supported", BAD),
            Self::ChallengeMissing => (9_002_325, "invalid_request", BAD),
            Self::PkceMalformed(_) => (501_491, "invalid_request", BAD),
            Self::VerifierWrong => (501_481, "invalid_grant", BAD),
            Self::LoginRequired => (50_058, "login_required", BAD),
            Self::SecondFactorRequired => (50_076, "interaction_required", BAD),
            Self::SecondFactorEnrolment => (50_079, "interaction_required", BAD),
            Self::ConsentDeclined => (65_004, "access_denied", BAD),
            Self::AdminConsentRequired => (90_094, "consent_required", StatusCode::FORBIDDEN),
            Self::FlowExpired => (50_089, "invalid_request", BAD),
            Self::FlowForeign => (90_023, "invalid_request", StatusCode::FORBIDDEN),
            Self::CodeExpired => (70_008, "invalid_grant", BAD),
            Self::CodeRedeemed => (54_005, "invalid_grant", BAD),
            Self::RedirectUriDiffers => (500_112, "invalid_grant", BAD),
            Self::SpaOnly => (9_002_327, "invalid_request", BAD),
            Self::SpaSessionOver => (700_084, "invalid_grant", BAD),
            Self::AssertionNotAccepted => (50_013, "invalid_grant", BAD),
            Self::UserAssertionAudience => (500_131, "invalid_grant", BAD),
            Self::UserAssertionTime => (500_133, "invalid_grant", BAD),
            Self::AppOnlyAssertion => (7_000_114, "unauthorized_client", BAD),
            Self::TokenNotRevocable => (90_100, "unsupported_token_type", BAD),
            Self::PushedRequestRequired => (90_023, "invalid_request", BAD),
            Self::RequestUriInvalid => (90_100, "invalid_request_uri", BAD),
            Self::TooManyAttempts { .. } => {
                (90_055, "temporarily_unavailable", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Unavailable(_) => (90_033, "temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal(_) => (50_000, "server_error", StatusCode::INTERNAL_SERVER_ERROR),
        };
        Row { code, error, status }
    }

    /// The description's first part, for the audit trail, the CLI and the answer.
    pub(crate) fn text(&self) -> String {
        format!("AADSTS{}: {self}", self.row().code)
    }

    /// What MSAL decides by, besides the error (sheet §3.1): only where it is meant.
    const fn suberror(&self) -> Option<&'static str> {
        match self {
            Self::ConsentRequired(..) => Some("consent_required"),
            Self::PasswordMustChange => Some("user_password_expired"),
            Self::SecondFactorRequired | Self::SecondFactorEnrolment => Some("basic_action"),
            _ => None,
        }
    }

    /// The `error` of an authorization answer, where it differs from the token endpoint's (OIDC Core §3.1.2.6).
    const fn authorization_word(&self) -> &'static str {
        match self {
            Self::ConsentRequired(..) => "consent_required",
            Self::UserNotAssigned(_) | Self::UserDisabled => "access_denied",
            Self::GrantRevoked => "login_required",
            Self::UnknownScope(..) => "invalid_scope",
            Self::RequestObject(name) if matches!(name.as_bytes(), b"request_uri") => {
                "request_uri_not_supported"
            }
            _ => self.row().error,
        }
    }

    /// Whether it comes in floods, which must not fill the audit trail.
    pub(crate) const fn is_of_a_flood(&self) -> bool {
        matches!(
            self,
            Self::TooManyAttempts { .. } | Self::AccountLocked { .. } | Self::Proof(ProofError::TooMany)
        )
    }

    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyAttempts { retry_after_s } | Self::AccountLocked { retry_after_s } => {
                Some(*retry_after_s)
            }
            Self::Unavailable(_)
            | Self::Proof(ProofError::TooMany)
            | Self::Federated(FederationError::KeysUnavailable(_)) => Some(2),
            _ => None,
        }
    }
}

impl From<IdentityError> for OAuthError {
    fn from(error: IdentityError) -> Self {
        match &error {
            IdentityError::Db(db) if db.is_transient() => Self::Unavailable(error),
            IdentityError::Interrupted | IdentityError::NotInitialised => Self::Unavailable(error),
            _ => Self::Internal(error),
        }
    }
}

impl From<SignInError> for OAuthError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::WrongCredentials | SignInError::NewPassword(_) => Self::WrongCredentials,
            SignInError::Locked { retry_after_s } => Self::AccountLocked { retry_after_s },
            SignInError::TooManyAttempts { retry_after_s } => Self::TooManyAttempts { retry_after_s },
            SignInError::MustChangePassword => Self::PasswordMustChange,
            SignInError::Disabled => Self::UserDisabled,
            SignInError::Unavailable(source) => source.into(),
        }
    }
}

impl From<hilum_storage::db::DbError> for OAuthError {
    fn from(error: hilum_storage::db::DbError) -> Self {
        IdentityError::from(error).into()
    }
}

/// What goes into an error answer besides the error.
#[derive(Debug, Clone)]
pub(crate) struct Envelope<'a> {
    pub(crate) origin: &'a str,
    pub(crate) correlation: CorrelationId,
    pub(crate) trace: Uuid,
    pub(crate) now: Timestamp,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'static str>,
}

impl Envelope<'_> {
    fn timestamp(&self) -> String {
        self.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
    }

    /// Number, words and what to quote.
    pub(crate) fn description(&self, failure: &OAuthError) -> String {
        format!(
            "{}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
            failure.text(),
            self.trace,
            self.correlation,
            self.timestamp()
        )
    }

    fn uri(&self, row: Row) -> String {
        format!("{}/error?code={}", self.origin, row.code)
    }

    /// The fields of an authorization answer (RFC 6749 §4.1.2.1), and Entra's.
    pub(crate) fn fields(&self, failure: &OAuthError) -> Vec<(&'static str, String)> {
        vec![
            ("error", failure.authorization_word().to_owned()),
            ("error_description", self.description(failure)),
            ("error_uri", self.uri(failure.row())),
            ("trace_id", self.trace.to_string()),
            ("correlation_id", self.correlation.to_string()),
            ("timestamp", self.timestamp()),
        ]
    }

    /// Makes the answer. `error` replaces the table's word where an endpoint has another (discovery's tenant).
    pub(crate) fn respond(&self, failure: &OAuthError, error: Option<&'static str>) -> Response {
        let row = failure.row();
        let body = Body {
            error: error.unwrap_or(row.error),
            error_description: self.description(failure),
            error_codes: [row.code],
            timestamp: self.timestamp(),
            trace_id: self.trace.to_string(),
            correlation_id: self.correlation.to_string(),
            error_uri: self.uri(row),
            suberror: failure.suberror(),
        };
        let mut response = (row.status, super::json_body(&body)).into_response();
        if let Some(seconds) = failure.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What is repeated of a request is short and holds nothing that could break a line.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
