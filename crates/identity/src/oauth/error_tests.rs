//! The table of failures, whole, and what its texts may not hold.

use super::{error::*, federation::FederationError};
use crate::IdentityError;

/// Every failure once.
#[expect(clippy::too_many_lines, reason = "a line for each failure, and nothing else")]
pub(super) fn all() -> Vec<OAuthError> {
    use OAuthError as E;
    let x = || "x".to_owned();
    let federated = FederationError::all().into_iter().map(E::Federated);
    let others = vec![
        E::MissingParameter("grant_type"),
        E::BadParameter("client_assertion_type"),
        E::Malformed("why"),
        E::TooLarge,
        E::Method("GET".to_owned()),
        E::TenantNotFound(x()),
        E::TenantMalformed(x()),
        E::NoTenant,
        E::UnknownInstance(x()),
        E::UnsupportedGrantType(x()),
        E::ApplicationNotFound(x()),
        E::ApplicationDisabled(x()),
        E::ServicePrincipalDisabled(x()),
        E::CredentialRequired,
        E::WrongSecret(x()),
        E::SecretExpired(x()),
        E::PublicClient,
        E::AssertionSubject,
        E::AssertionAudience,
        E::AssertionTime,
        E::AssertionSignature,
        E::AssertionMalformed,
        E::ScopeNotDefault(x()),
        E::SeveralResources(x()),
        E::ResourceContradictsScope,
        E::ResourceNotFound(x()),
        E::NotAssigned(x()),
        E::CrossOrigin,
        E::PublicFlowsOff(x()),
        E::PasswordGrantOff(x()),
        E::NotOnCommon,
        E::SingleTenant(x()),
        E::WrongCredentials,
        E::AccountLocked { retry_after_s: 60 },
        E::PasswordMustChange,
        E::UserDisabled,
        E::UserNotAssigned(x()),
        E::ConsentRequired(x(), x()),
        E::UnknownScope(x(), x()),
        E::ScopeInvalid(x()),
        E::DefaultWithOthers(x()),
        E::RefreshTokenInvalid,
        E::GrantOfOtherClient,
        E::GrantOfOtherKey,
        E::Proof(hilum_access::ProofError::Replayed),
        E::Proof(hilum_access::ProofError::Nonce),
        E::Proof(hilum_access::ProofError::TooMany),
        E::GrantRevoked,
        E::RefreshTokenInactive,
        E::SignInTooOld,
        E::RefreshTokensOff,
        E::AuthorizationPending,
        E::SlowDown,
        E::AuthorizationDeclined,
        E::DeviceCodeExpired,
        E::DeviceCodeUnknown,
        E::FieldMissing("nonce"),
        E::RedirectUriUnknown(x(), x()),
        E::NoRedirectUri(x()),
        E::ResponseTypeUnknown(x()),
        E::IdTokenNotEnabled(x()),
        E::TokenNotEnabled(x()),
        E::ResponseModeRefused,
        E::RequestObject("request"),
        E::ChallengeMissing,
        E::PkceMalformed("why"),
        E::VerifierWrong,
        E::LoginRequired,
        E::SecondFactorRequired,
        E::SecondFactorEnrolment,
        E::ConsentDeclined,
        E::AdminConsentRequired,
        E::FlowExpired,
        E::FlowForeign,
        E::CodeInvalid,
        E::CodeExpired,
        E::CodeRedeemed,
        E::RedirectUriDiffers,
        E::SpaOnly,
        E::SpaSessionOver,
        E::UserAssertionMalformed,
        E::AssertionNotAccepted,
        E::UserAssertionAudience,
        E::UserAssertionTime,
        E::AppOnlyAssertion,
        E::TokenNotRevocable,
        E::PushedRequestRequired,
        E::RequestUriInvalid,
        E::TooManyAttempts { retry_after_s: 1 },
        E::Unavailable(IdentityError::Interrupted),
        E::Internal(IdentityError::Password),
    ];
    others.into_iter().chain(federated).collect()
}

/// Names each variant: a new one does not compile until it stands here, and in [`all`].
#[expect(clippy::too_many_lines, reason = "a line for each failure, and nothing else")]
fn is_known(error: &OAuthError) -> bool {
    use OAuthError as E;
    match error {
        E::MissingParameter(_)
        | E::BadParameter(_)
        | E::Malformed(_)
        | E::TooLarge
        | E::Method(_)
        | E::TenantNotFound(_)
        | E::TenantMalformed(_)
        | E::NoTenant
        | E::UnknownInstance(_)
        | E::UnsupportedGrantType(_)
        | E::ApplicationNotFound(_)
        | E::ApplicationDisabled(_)
        | E::ServicePrincipalDisabled(_)
        | E::CredentialRequired
        | E::WrongSecret(_)
        | E::SecretExpired(_)
        | E::PublicClient
        | E::AssertionSubject
        | E::AssertionAudience
        | E::AssertionTime
        | E::AssertionSignature
        | E::AssertionMalformed
        | E::Federated(_)
        | E::ScopeNotDefault(_)
        | E::SeveralResources(_)
        | E::ResourceContradictsScope
        | E::ResourceNotFound(_)
        | E::NotAssigned(_)
        | E::CrossOrigin
        | E::PublicFlowsOff(_)
        | E::PasswordGrantOff(_)
        | E::NotOnCommon
        | E::SingleTenant(_)
        | E::WrongCredentials
        | E::AccountLocked { .. }
        | E::PasswordMustChange
        | E::UserDisabled
        | E::UserNotAssigned(_)
        | E::ConsentRequired(..)
        | E::UnknownScope(..)
        | E::ScopeInvalid(_)
        | E::DefaultWithOthers(_)
        | E::RefreshTokenInvalid
        | E::GrantOfOtherClient
        | E::GrantOfOtherKey
        | E::Proof(_)
        | E::GrantRevoked
        | E::RefreshTokenInactive
        | E::SignInTooOld
        | E::RefreshTokensOff
        | E::AuthorizationPending
        | E::SlowDown
        | E::AuthorizationDeclined
        | E::DeviceCodeExpired
        | E::DeviceCodeUnknown
        | E::FieldMissing(_)
        | E::RedirectUriUnknown(..)
        | E::NoRedirectUri(_)
        | E::ResponseTypeUnknown(_)
        | E::IdTokenNotEnabled(_)
        | E::TokenNotEnabled(_)
        | E::ResponseModeRefused
        | E::RequestObject(_)
        | E::ChallengeMissing
        | E::PkceMalformed(_)
        | E::VerifierWrong
        | E::LoginRequired
        | E::SecondFactorRequired
        | E::SecondFactorEnrolment
        | E::ConsentDeclined
        | E::AdminConsentRequired
        | E::FlowExpired
        | E::FlowForeign
        | E::CodeInvalid
        | E::CodeExpired
        | E::CodeRedeemed
        | E::RedirectUriDiffers
        | E::SpaOnly
        | E::SpaSessionOver
        | E::UserAssertionMalformed
        | E::AssertionNotAccepted
        | E::UserAssertionAudience
        | E::UserAssertionTime
        | E::AppOnlyAssertion
        | E::TokenNotRevocable
        | E::PushedRequestRequired
        | E::RequestUriInvalid
        | E::TooManyAttempts { .. }
        | E::Unavailable(_)
        | E::Internal(_) => true,
    }
}

#[test]
fn the_whole_table() {
    let lines: Vec<String> = all()
        .iter()
        .filter(|error| is_known(error))
        .map(|error| {
            let row = error.row();
            format!("{} {} {}", row.status.as_u16(), row.error, error.text())
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn no_text_holds_a_word_that_msal_js_acts_on() {
    for error in all() {
        for word in [
            "interaction_required",
            "consent_required",
            "login_required",
            "bad_token",
            "ui_not_allowed",
            "interrupted_user",
        ] {
            assert!(!error.text().contains(word), "{error}");
        }
    }
}

#[tokio::test]
async fn an_answer_has_every_member() {
    use http_body_util::BodyExt as _;
    let envelope = Envelope {
        origin: "https://localhost:8443",
        correlation: "5c2bd1b5-5a6f-4c5a-8b8b-0d6d1b6d7a11".parse().unwrap(),
        trace: "0b0a7b39-2f55-4f73-9b36-8a2f8d0a1c00".parse().unwrap(),
        now: "2026-01-31T12:34:56Z".parse().unwrap(),
    };
    let response = envelope.respond(&OAuthError::WrongSecret("app".to_owned()), None);
    assert_eq!(response.status(), 401);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    insta::assert_snapshot!(std::str::from_utf8(&body).unwrap());
}
