//! Time-based one-time passwords (RFC 6238 over RFC 4226), as every authenticator app makes them: HMAC-SHA-1, six digits,
//! thirty seconds.

use hilum_jose::{base64url_decode, base64url_encode, constant_time_eq, hmac_sha1};
use hilum_kernel::{Random, Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// RFC 4226 §4, R6: 160 bits are recommended.
const SECRET_BYTES: usize = 20;
/// RFC 6238 §4.1.
const STEP_S: i64 = 30;
/// RFC 6238 §5.2: the code before and the one after are taken, too, because clocks differ and people type slowly.
const STEPS_AROUND: i64 = 1;
const DIGITS: usize = 6;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// RFC 4648 §6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an authenticator app and this server share.
#[derive(Debug, Clone)]
pub(crate) struct TotpSecret(Secret<Vec<u8>>);

impl TotpSecret {
    pub(crate) fn generate(random: &dyn Random) -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        random.fill(&mut bytes);
        Self(Secret::new(bytes))
    }

    /// One that was stored; nothing when it cannot have been.
    pub(crate) fn of(bytes: Secret<Vec<u8>>) -> Option<Self> {
        (bytes.expose().len() == SECRET_BYTES).then_some(Self(bytes))
    }

    pub(crate) const fn bytes(&self) -> &Secret<Vec<u8>> {
        &self.0
    }

    /// For typing: Base32 without padding.
    pub(crate) fn base32(&self) -> Secret<String> {
        let bits = self.0.expose().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let bits: Vec<u8> = bits.collect();
        let symbol = |five: &[u8]| {
            let value = five.iter().fold(0_usize, |value, bit| value << 1 | usize::from(*bit));
            BASE32.get(value).copied().map_or('A', char::from)
        };
        Secret::new(bits.chunks(5).map(symbol).collect())
    }

    /// What the QR code says: Google Authenticator's key URI format, which all apps read.
    pub(crate) fn uri(&self, issuer: &str, account: &str) -> Secret<String> {
        let encoded = |text| utf8_percent_encode(text, UNRESERVED).to_string();
        let (issuer, account, secret) = (encoded(issuer), encoded(account), self.base32());
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
            secret.expose()
        ))
    }

    /// The time step whose code this is, if it is one of now. All candidates are compared, whichever fits.
    pub(crate) fn step_of(&self, code: &str, now_ms: i64) -> Option<i64> {
        let now = now_ms.div_euclid(1000).div_euclid(STEP_S);
        let mut found = None;
        for step in now - STEPS_AROUND..=now + STEPS_AROUND {
            if constant_time_eq(self.code(step).as_bytes(), code.as_bytes()) {
                found = Some(step);
            }
        }
        found
    }

    /// RFC 4226 §5.3.
    fn code(&self, step: i64) -> String {
        let hash = hmac_sha1(self.0.expose(), &step.to_be_bytes());
        let offset = usize::from(hash[19] & 0xf);
        let part = hash.get(offset..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
        let number = (u32::from_be_bytes(part) & 0x7fff_ffff) % 1_000_000;
        format!("{number:0DIGITS$}")
    }
}

/// What a person typed, without the spaces that apps show; nothing when it cannot be a code.
pub(crate) fn typed(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
    (code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// Only into what is sealed: a page carries the secret that it shows.
impl Serialize for TotpSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url_encode(self.0.expose()))
    }
}

impl<'de> Deserialize<'de> for TotpSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = base64url_decode(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        Self::of(Secret::new(bytes)).ok_or_else(|| D::Error::custom("no secret"))
    }
}

#[cfg(test)]
impl TotpSecret {
    /// What the user's app shows.
    pub(crate) fn shown(&self, now_ms: i64) -> String {
        self.code(now_ms / 1000 / STEP_S)
    }

    /// What was typed from the page into the app.
    pub(crate) fn from_base32(text: &str) -> Self {
        let value = |c: u8| BASE32.iter().position(|known| *known == c).unwrap();
        let bits: Vec<usize> =
            text.bytes().flat_map(|c| (0..5).rev().map(move |bit| value(c) >> bit & 1)).collect();
        let byte = |bits: &[usize]| u8::try_from(bits.iter().fold(0, |byte, bit| byte << 1 | bit)).unwrap();
        Self(Secret::new(bits.chunks_exact(8).map(byte).collect()))
    }
}

#[cfg(test)]
mod tests {
    use hilum_kernel::SeededRandom;

    use super::*;

    fn rfc() -> TotpSecret {
        TotpSecret(Secret::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn hotp_values_of_rfc_4226_appendix_d() {
        let known = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (count, code) in (0..).zip(known) {
            assert_eq!(rfc().code(count), code, "{count}");
        }
    }

    #[test]
    fn totp_values_of_rfc_6238_appendix_b() {
        // The appendix has eight digits: the last six are the same.
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(rfc().step_of(code, at_s * 1000), Some(at_s / 30), "{at_s}");
        }
    }

    #[test]
    fn a_code_holds_a_step_around_its_own() {
        let code = rfc().code(100);
        for (at_s, good) in [(2969, false), (2970, true), (3000, true), (3059, true), (3060, false)] {
            assert_eq!(rfc().step_of(&code, at_s * 1000).is_some(), good, "{at_s}");
        }
        assert_eq!(rfc().step_of("", 3_000_000), None);
    }

    #[test]
    fn what_people_type() {
        assert_eq!(typed(" 123 456\t").as_deref(), Some("123456"));
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", "123456 7"] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_an_app_is_told() {
        assert_eq!(rfc().base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "RFC 4648 §6");
        assert_eq!(
            rfc().uri("contoso.local", "ada@contoso.local").expose(),
            "otpauth://totp/contoso.local:ada%40contoso.local?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=contoso.local&algorithm=SHA1&digits=6&period=30"
        );
        let secret = TotpSecret::generate(&SeededRandom::new(1));
        assert_eq!(
            TotpSecret::from_base32(secret.base32().expose()).bytes().expose(),
            secret.bytes().expose()
        );
        assert_eq!(format!("{secret:?}"), "TotpSecret([secret])");
    }
}
