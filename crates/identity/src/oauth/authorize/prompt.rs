//! What the client wants of the person: `prompt`, `max_age`, `login_hint`, `claims` (OIDC Core §3.1.2.1, §5.5; sheet §2.1).

use serde_json::Value;

use super::parameters::Parameters;
use crate::oauth::error::OAuthError;

/// How the person is asked.
#[expect(clippy::struct_excessive_bools, reason = "each is a word that was said or not")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Nobody may be asked anything.
    pub(super) none: bool,
    pub(super) login: bool,
    pub(super) consent: bool,
    pub(super) select_account: bool,
    pub(super) max_age_s: Option<i64>,
    pub(super) login_hint: Option<String>,
    /// The session that must be there.
    pub(super) sid: Option<String>,
    /// Whether the ID token has to say when the user signed in.
    pub(super) auth_time: bool,
}

impl Prompt {
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, OAuthError> {
        let mut read = Self {
            login_hint: parameters.get("login_hint").map(str::to_owned),
            sid: parameters.get("sid").map(str::to_owned),
            ..Self::default()
        };
        for word in parameters.get("prompt").unwrap_or_default().split_whitespace() {
            match word {
                "none" => read.none = true,
                "login" => read.login = true,
                "consent" => read.consent = true,
                "select_account" => read.select_account = true,
                _ => return Err(OAuthError::BadParameter("prompt")),
            }
        }
        // OIDC Core §3.1.2.1: none with any other value is an error.
        if read.none && (read.login || read.consent || read.select_account) {
            return Err(OAuthError::BadParameter("prompt"));
        }
        if read.select_account && read.login_hint.is_some() {
            return Err(OAuthError::BadParameter("login_hint"));
        }
        if let Some(text) = parameters.get("max_age") {
            let seconds: u32 = text.parse().map_err(|_| OAuthError::BadParameter("max_age"))?;
            read.max_age_s = Some(i64::from(seconds));
        }
        // OIDC Core §2: auth_time is REQUIRED when max_age is asked for.
        read.auth_time = read.max_age_s.is_some() || wants_auth_time(parameters.get("claims"))?;
        Ok(read)
    }

    /// Whether a sign-in of then is too old.
    pub(super) fn is_too_old(&self, authenticated_at_ms: i64, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(authenticated_at_ms);
        self.max_age_s.is_some_and(|most| age_ms > most.saturating_mul(1000) || most == 0)
    }
}

/// Members that mean nothing here are passed over; what is no JSON is refused.
fn wants_auth_time(claims: Option<&str>) -> Result<bool, OAuthError> {
    let Some(text) = claims else { return Ok(false) };
    let claims: Value = serde_json::from_str(text).map_err(|_| OAuthError::BadParameter("claims"))?;
    if !claims.is_object() {
        return Err(OAuthError::BadParameter("claims"));
    }
    Ok(claims.get("id_token").is_some_and(|wanted| wanted.get("auth_time").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::form::Form;

    fn read(query: &str) -> Result<Prompt, OAuthError> {
        Prompt::parse(&Parameters::of(&Form::parse(query.as_bytes())?)?)
    }

    #[test]
    fn what_a_client_may_want() {
        assert_eq!(read("").unwrap(), Prompt::default());
        assert!(read("prompt=login+consent").is_ok_and(|prompt| prompt.login && prompt.consent));
        for wrong in [
            "prompt=none+login",
            "prompt=create",
            "prompt=None",
            "prompt=select_account&login_hint=a",
            "max_age=-1",
            "max_age=x",
            "max_age=99999999999",
            "claims=x",
            "claims=[]",
            "claims=%7B%22id_token%22",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        // MSAL JS, azure-identity.
        assert!(!read("claims={\"id_token\":{\"signin_state\":{\"essential\":false}}}").unwrap().auth_time);
        assert!(!read("claims={\"access_token\":{\"xms_cc\":{\"values\":[\"CP1\"]}}}").unwrap().auth_time);
        assert!(read("claims={\"id_token\":{\"auth_time\":null}}").unwrap().auth_time);
    }

    #[test]
    fn the_age_of_a_sign_in() {
        let prompt = read("max_age=60").unwrap();
        assert!(prompt.auth_time);
        assert!(!prompt.is_too_old(0, 60_000));
        assert!(prompt.is_too_old(0, 60_001));
        assert!(read("max_age=0").unwrap().is_too_old(5, 5), "now means now");
        assert!(!read("").unwrap().is_too_old(0, i64::MAX));
    }
}
