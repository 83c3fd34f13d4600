//! How somebody proved who they are (RFC 8176; sheet §4.2): what a session remembers and tokens say as `amr`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of ways.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amr(u8);

/// In the order in which tokens list them.
const WORDS: [(Amr, &str); 5] = [
    (Amr::PASSWORD, "pwd"),
    (Amr::FEDERATED, "fed"),
    (Amr::OTP, "otp"),
    (Amr::PASSKEY, "fido"),
    (Amr::MULTI_FACTOR, "mfa"),
];

impl Amr {
    /// A password.
    pub(crate) const PASSWORD: Self = Self(1);
    /// A one-time password: of an authenticator app, or a recovery code.
    pub(crate) const OTP: Self = Self(1 << 1);
    /// A passkey.
    pub(crate) const PASSKEY: Self = Self(1 << 2);
    /// Two factors, in whatever way.
    pub(crate) const MULTI_FACTOR: Self = Self(1 << 3);

    /// Another identity provider vouches, whatever it was shown.
    pub(crate) const FEDERATED: Self = Self(1 << 4);

    /// Both.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether two factors were proven.
    pub(crate) const fn is_multi_factor(self) -> bool {
        self.0 & Self::MULTI_FACTOR.0 != 0
    }

    /// The claim.
    pub(crate) fn words(self) -> Vec<&'static str> {
        WORDS.iter().filter(|(way, _)| self.0 & way.0 != 0).map(|(_, word)| *word).collect()
    }

    /// As it is stored.
    pub(crate) fn text(self) -> String {
        self.words().join(" ")
    }

    /// Reads what was stored. Unknown words prove nothing; what was stored before there was a second factor was a
    /// password.
    pub(crate) fn of(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::PASSWORD };
        let ways = WORDS.iter().filter(|(_, word)| text.split(' ').any(|part| part == *word));
        ways.fold(Self::default(), |all, (way, _)| all.with(*way))
    }
}

impl fmt::Debug for Amr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amr({})", self.text())
    }
}

impl Serialize for Amr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Amr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Some(&String::deserialize(deserializer)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let all = Amr::PASSWORD.with(Amr::OTP).with(Amr::PASSKEY).with(Amr::MULTI_FACTOR);
        assert_eq!(all.text(), "pwd otp fido mfa");
        for amr in [Amr::default(), Amr::PASSWORD, Amr::PASSWORD.with(Amr::OTP), all] {
            assert_eq!(Amr::of(Some(&amr.text())), amr);
            let json = serde_json::to_string(&amr).unwrap();
            assert_eq!(serde_json::from_str::<Amr>(&json).unwrap(), amr);
        }
        assert_eq!(Amr::of(None), Amr::PASSWORD);
        assert_eq!(Amr::of(Some("pwd hwk")), Amr::PASSWORD);
        assert!(!Amr::of(Some("MFA pwdmfa")).is_multi_factor());
    }
}
