//! What the client wants of the person: `prompt`, `max_age`, `login_hint`, `claims` (OIDC Core §3.1.2.1, §5.5; sheet §2.1).

use hilum_kernel::AppId;
use serde_json::Value;

use super::parameters::Parameters;
use crate::{
    oauth::{error::OAuthError, own_token::Hinted},
    token_lifetimes::SignInAge,
};

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
    /// How old the policies let a sign-in be.
    pub(super) sign_in_age: SignInAge,
    /// What the client calls the only user it wants; one who is called each of these.
    pub(super) subjects: Vec<String>,
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
        let claims = of_id_token(parameters.get("claims"))?;
        // OIDC Core §2: auth_time is REQUIRED when max_age is asked for.
        read.auth_time = read.max_age_s.is_some() || claims.get("auth_time").is_some();
        // OIDC Core §3.1.2.1, §5.5.1: a `sub` with a value is answered for that user or not at all.
        if let Some(subject) = claims.get("sub").and_then(|sub| sub.get("value")) {
            read.subjects.push(subject.as_str().ok_or(OAuthError::BadParameter("claims"))?.to_owned());
        }
        Ok(read)
    }

    /// Adds the user of an `id_token_hint`, which must be an ID token of the client's own.
    pub(super) fn with_hint(mut self, hint: Option<Hinted>, client: AppId) -> Result<Self, OAuthError> {
        let own = hint.filter(|hinted| hinted.client == client);
        self.subjects.push(own.ok_or(OAuthError::BadParameter("id_token_hint"))?.subject);
        Ok(self)
    }

    /// Whether a sign-in of then is too old.
    pub(super) fn is_too_old(&self, authenticated_at_ms: i64, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(authenticated_at_ms);
        self.max_age_s.is_some_and(|most| age_ms > most.saturating_mul(1000) || most == 0)
    }
}

/// What is asked of the ID token. Members that mean nothing here are passed over; what is no JSON is refused.
fn of_id_token(claims: Option<&str>) -> Result<Value, OAuthError> {
    let Some(text) = claims else { return Ok(Value::Null) };
    let mut claims: Value = serde_json::from_str(text).map_err(|_| OAuthError::BadParameter("claims"))?;
    if !claims.is_object() {
        return Err(OAuthError::BadParameter("claims"));
    }
    Ok(claims.get_mut("id_token").map(Value::take).unwrap_or_default())
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
            "claims={\"id_token\":{\"sub\":{\"value\":1}}}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        // MSAL JS, azure-identity.
        assert!(!read("claims={\"id_token\":{\"signin_state\":{\"essential\":false}}}").unwrap().auth_time);
        assert!(!read("claims={\"access_token\":{\"xms_cc\":{\"values\":[\"CP1\"]}}}").unwrap().auth_time);
        assert!(read("claims={\"id_token\":{\"auth_time\":null}}").unwrap().auth_time);
        assert_eq!(read("claims={\"id_token\":{\"sub\":{\"value\":\"a\"}}}").unwrap().subjects, ["a"]);
        assert!(read("claims={\"id_token\":{\"sub\":null}}").unwrap().subjects.is_empty());
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
