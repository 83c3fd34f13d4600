//! What a policy says: Entra's JSON text, with members of our own beside Entra's.
//!
//! `AccessTokenLifetime` is Entra's. `MaxInactiveTime`, `MaxAgeSingleFactor` and `MaxAgeMultiFactor` were Entra's until
//! 2021, and mean what they meant. Those that begin with `Public` are ours: for clients that cannot keep a secret.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::{IdentityError, sessions::ClientKind};

/// The longest definition: all members there are take a tenth of it.
pub(super) const CHARS_MAX: usize = 4096;
const OBJECT: &str = "TokenLifetimePolicy";
const VERSION: &str = "Version";
/// What stands for no end.
const UNTIL_REVOKED: &str = "until-revoked";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const LIFE_MIN: SignedDuration = SignedDuration::from_mins(10);
/// Entra's limit; retired signing keys stay published for as long.
const ACCESS_TOKEN_MAX: SignedDuration = DAY;
const INACTIVE_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);
const AGE_MAX: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How old a sign-in may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// This old at most.
    AtMost(SignedDuration),
    /// However old: what a policy of an application says where the organisation's says otherwise.
    Any,
}

/// What one definition says; what it does not, the next one says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Definition {
    access_token: Option<SignedDuration>,
    public_access_token: Option<SignedDuration>,
    inactive: Option<SignedDuration>,
    public_inactive: Option<SignedDuration>,
    pub(super) age_single_factor: Option<Age>,
    pub(super) age_multi_factor: Option<Age>,
    pub(super) public_refresh_tokens: Option<bool>,
}

impl Definition {
    /// Reads `{"TokenLifetimePolicy":{"Version":1,…}}`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for anything that would not be done as it is written.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        if text.chars().count() > CHARS_MAX {
            return Err(invalid(format!("must not exceed {CHARS_MAX} characters")));
        }
        let shape = || invalid(format!("must be JSON: {{\"{OBJECT}\":{{\"{VERSION}\":1,…}}}}"));
        let Ok(Value::Object(outer)) = serde_json::from_str(text) else { return Err(shape()) };
        let (Some(Value::Object(members)), 1) = (outer.get(OBJECT), outer.len()) else { return Err(shape()) };
        match members.get(VERSION).map(Value::as_i64) {
            None | Some(Some(1)) => {}
            Some(_) => return Err(invalid(format!("{VERSION} must be 1"))),
        }
        let mut read = Self::default();
        for (name, value) in members.iter().filter(|(name, _)| *name != VERSION) {
            read.take(name, value)?;
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, value: &Value) -> Result<(), IdentityError> {
        let span = |most| span(name, value, most).map(Some);
        match name {
            "AccessTokenLifetime" => self.access_token = span(ACCESS_TOKEN_MAX)?,
            "PublicAccessTokenLifetime" => self.public_access_token = span(ACCESS_TOKEN_MAX)?,
            "MaxInactiveTime" => self.inactive = span(INACTIVE_MAX)?,
            "PublicMaxInactiveTime" => self.public_inactive = span(INACTIVE_MAX)?,
            "MaxAgeSingleFactor" => self.age_single_factor = Some(age(name, value)?),
            "MaxAgeMultiFactor" => self.age_multi_factor = Some(age(name, value)?),
            "PublicRefreshTokens" => {
                let truth =
                    value.as_bool().ok_or_else(|| invalid(format!("{name} must be true or false")))?;
                self.public_refresh_tokens = Some(truth);
            }
            _ => {
                return Err(invalid(format!(
                    "{name} is not known: there are AccessTokenLifetime, PublicAccessTokenLifetime, MaxInactiveTime, \
                     PublicMaxInactiveTime, MaxAgeSingleFactor, MaxAgeMultiFactor, PublicRefreshTokens"
                )));
            }
        }
        Ok(())
    }

    /// How long access and ID tokens live for such clients.
    pub(super) fn access_token(&self, kind: ClientKind) -> Option<SignedDuration> {
        match kind {
            ClientKind::Confidential => self.access_token,
            ClientKind::Public => self.public_access_token.or(self.access_token),
        }
    }

    /// How long refresh tokens may rest for such clients.
    pub(super) fn inactive(&self, kind: ClientKind) -> Option<SignedDuration> {
        match kind {
            ClientKind::Confidential => self.inactive,
            ClientKind::Public => self.public_inactive.or(self.inactive),
        }
    }
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::invalid("definition", reason)
}

fn age(name: &str, value: &Value) -> Result<Age, IdentityError> {
    if value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(UNTIL_REVOKED)) {
        return Ok(Age::Any);
    }
    span(name, value, AGE_MAX).map(Age::AtMost)
}

fn span(name: &str, value: &Value, most: SignedDuration) -> Result<SignedDuration, IdentityError> {
    let read = value.as_str().and_then(timespan);
    read.filter(|span| (LIFE_MIN..=most).contains(span)).ok_or_else(|| {
        invalid(format!("{name} must be a text D.HH:MM:SS, from 0.00:10:00 to {}", timespan_text(most)))
    })
}

/// `[D.]H:MM:SS`: .NET's time spans, in whole seconds. A day is `1.00:00:00`: hours go to 23 there.
pub(super) fn timespan(text: &str) -> Option<SignedDuration> {
    let (days, clock) = text.split_once('.').unwrap_or(("0", text));
    let mut parts = clock.split(':');
    let mut number = |most: i64| {
        let part = parts.next()?;
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    let (hours, minutes, seconds) = (number(23)?, number(59)?, number(59)?);
    if parts.next().is_some()
        || days.is_empty()
        || days.len() > 4
        || !days.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let days: i64 = days.parse().ok()?;
    Some(SignedDuration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
}

/// The same the other way.
pub(super) fn timespan_text(span: SignedDuration) -> String {
    let minutes = span.as_secs() / MINUTE.as_secs();
    let (hours, seconds) = (minutes / 60, span.as_secs() % 60);
    format!("{}.{:02}:{:02}:{seconds:02}", hours / 24, hours % 24, minutes % 60)
}

/// One text, made of members; for command lines.
pub fn token_lifetime_definition(members: Map<String, Value>) -> String {
    let mut inner = Map::from_iter([(VERSION.to_owned(), 1.into())]);
    inner.extend(members);
    Value::Object(Map::from_iter([(OBJECT.to_owned(), Value::Object(inner))])).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(members: Value) -> Result<Definition, String> {
        let text = json!({ OBJECT: members }).to_string();
        Definition::parse(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn time_spans_are_those_of_dotnet() {
        for (text, seconds) in [
            ("8:00:00", 8 * 3600),
            ("08:00:00", 8 * 3600),
            ("0.01:00:00", 3600),
            ("1.00:00:00", 86_400),
            ("90.00:00:01", 90 * 86_400 + 1),
            ("00:10:30", 630),
        ] {
            let span = timespan(text).unwrap();
            assert_eq!(span.as_secs(), seconds, "{text}");
            assert_eq!(timespan(&timespan_text(span)), Some(span));
        }
        for wrong in [
            "",
            "8",
            "8:00",
            "24:00:00",
            "1:60:00",
            "1:00:60",
            "-1:00:00",
            "1.2.3:00:00",
            ".1:00:00",
            "1:00:00:00",
            "1:00:00.5",
            "1:+1:00",
            "00001.00:00:00",
            "1: 1:00",
            "until-revoked",
        ] {
            assert_eq!(timespan(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_limits_are_entras() {
        for (members, good) in [
            (json!({"Version": 1}), true),
            (json!({"AccessTokenLifetime": "0.00:10:00"}), true),
            (json!({"AccessTokenLifetime": "0.00:09:59"}), false),
            (json!({"AccessTokenLifetime": "1.00:00:00"}), true),
            (json!({"AccessTokenLifetime": "1.00:00:01"}), false),
            (json!({"AccessTokenLifetime": "until-revoked"}), false),
            (json!({"AccessTokenLifetime": 3600}), false),
            (json!({"PublicAccessTokenLifetime": "0:30:00"}), true),
            (json!({"MaxInactiveTime": "90.00:00:00"}), true),
            (json!({"MaxInactiveTime": "90.00:00:01"}), false),
            (json!({"PublicMaxInactiveTime": "0.12:00:00"}), true),
            (json!({"MaxAgeSingleFactor": "365.00:00:00"}), true),
            (json!({"MaxAgeSingleFactor": "366.00:00:00"}), false),
            (json!({"MaxAgeMultiFactor": "Until-Revoked"}), true),
            (json!({"PublicRefreshTokens": false}), true),
            (json!({"PublicRefreshTokens": "false"}), false),
            (json!({"Version": 2}), false),
            (json!({"Version": "1"}), false),
            (json!({"MaxAgeSessionSingleFactor": "1.00:00:00"}), false),
            (json!({"accessTokenLifetime": "1:00:00"}), false),
        ] {
            assert_eq!(parsed(members.clone()).is_ok(), good, "{members}");
        }
        for wrong in
            ["", "{}", "[]", "{\"TokenLifetimePolicy\":1}", "{\"TokenLifetimePolicy\":{},\"X\":1}", "{"]
        {
            assert!(Definition::parse(wrong).is_err(), "{wrong}");
        }
        let long = format!("{{\"TokenLifetimePolicy\":{{}}}}{}", " ".repeat(CHARS_MAX));
        assert!(Definition::parse(&long).is_err());
        let unknown = parsed(json!({"Lifetime": "1:00:00"})).unwrap_err();
        assert!(
            unknown.contains("Lifetime is not known") && unknown.contains("PublicRefreshTokens"),
            "{unknown}"
        );
    }

    #[test]
    fn public_clients_have_what_is_said_for_them_or_for_all() {
        let both = parsed(json!({"AccessTokenLifetime": "8:00:00", "PublicAccessTokenLifetime": "0:15:00"}))
            .unwrap();
        assert_eq!(both.access_token(ClientKind::Confidential), Some(SignedDuration::from_hours(8)));
        assert_eq!(both.access_token(ClientKind::Public), Some(SignedDuration::from_mins(15)));
        let one = parsed(json!({"AccessTokenLifetime": "8:00:00", "MaxInactiveTime": "1.00:00:00"})).unwrap();
        assert_eq!(one.access_token(ClientKind::Public), Some(SignedDuration::from_hours(8)));
        assert_eq!(one.inactive(ClientKind::Public), Some(DAY));
        let public = parsed(json!({"PublicMaxInactiveTime": "1.00:00:00"})).unwrap();
        assert_eq!(public.inactive(ClientKind::Confidential), None);
    }

    #[test]
    fn members_become_a_definition() {
        let members = Map::from_iter([("AccessTokenLifetime".to_owned(), json!("8:00:00"))]);
        let text = token_lifetime_definition(members);
        assert_eq!(text, r#"{"TokenLifetimePolicy":{"AccessTokenLifetime":"8:00:00","Version":1}}"#);
        assert!(Definition::parse(&text).is_ok());
    }
}
