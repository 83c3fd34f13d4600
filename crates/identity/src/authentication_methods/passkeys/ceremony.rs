//! The checks of a relying party (WebAuthn Level 3 §7.1, §7.2), in the standard's order where it counts.
//!
//! Attestation is asked for as `none`: what an authenticator says of its maker is not looked at, because nothing here
//! depends on it. What is believed is the signature over the challenge, which is made with the key that was registered.

use hilum_jose::{CredentialKey, base64url_decode, constant_time_eq, sha256};
use serde::Deserialize;
use thiserror::Error;

use super::cbor::{self, Value};

/// WebAuthn §5.8.5, RFC 9053: ES256, EdDSA, RS256.
pub(crate) const ALGORITHMS: [i64; 3] = [-7, -8, -257];
/// WebAuthn §4: a credential ID has so many bytes at most.
const CREDENTIAL_ID_MAX: usize = 1023;
/// Longer answers are none.
const FIELD_CHARS_MAX: usize = 32 * 1024;
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// Where answers must come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) origin: &'a str,
    /// The origin's host: what a credential is bound to.
    pub(crate) rp_id: &'a str,
    /// What the answer was asked with.
    pub(crate) challenge: &'a str,
}

/// Why an answer is none. For logs; people hear that it did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum CeremonyError {
    #[error("the answer is not well formed")]
    Malformed,
    #[error("the answer is to another challenge")]
    Challenge,
    #[error("the answer is for another origin")]
    Origin,
    #[error("nobody was there")]
    NobodyThere,
    #[error("the kind of key is not supported")]
    Algorithm,
    #[error("the signature is not the key's")]
    Signature,
    /// WebAuthn §6.1.1: a copy of the authenticator exists.
    #[error("the signature counter went back")]
    Counter,
    #[error("the answer is of another user's credential")]
    OtherUser,
}

/// What the browser's script sends of `navigator.credentials`.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    id: String,
    client_data: String,
    /// When registering.
    #[serde(default)]
    attestation: String,
    /// When signing in.
    #[serde(default)]
    authenticator_data: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

/// A credential that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// As base64url.
    pub(crate) id: String,
    /// The COSE key as it came.
    pub(crate) key: Vec<u8>,
    pub(crate) counter: u32,
}

/// A credential that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) counter: u32,
    /// Whether the authenticator made sure who holds it.
    pub(crate) verified: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    /// The credential's ID, and its key as it came.
    attested: Option<(&'a [u8], &'a [u8])>,
}

impl Answer {
    /// Reads the form's field.
    pub(crate) fn parse(text: &str) -> Result<Self, CeremonyError> {
        if text.len() > FIELD_CHARS_MAX {
            return Err(CeremonyError::Malformed);
        }
        serde_json::from_str(text).map_err(|_| CeremonyError::Malformed)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// WebAuthn §7.1: a new credential.
    pub(crate) fn made(&self, place: Place<'_>) -> Result<Made, CeremonyError> {
        self.client_data("webauthn.create", place)?;
        let attestation = decoded(&self.attestation)?;
        let (object, rest) = cbor::read(&attestation).ok_or(CeremonyError::Malformed)?;
        let data = object.member("authData").and_then(Value::bytes).ok_or(CeremonyError::Malformed)?;
        if !rest.is_empty() {
            return Err(CeremonyError::Malformed);
        }
        let data = AuthenticatorData::read(data, place)?;
        let (id, key) = data.attested.ok_or(CeremonyError::Malformed)?;
        // The browser says the ID, too: both must mean the same.
        if decoded(&self.id)? != id {
            return Err(CeremonyError::Malformed);
        }
        public_key(key)?;
        Ok(Made { id: hilum_jose::base64url_encode(id), key: key.to_vec(), counter: data.counter })
    }

    /// WebAuthn §7.2: the credential with this key and counter is there.
    pub(crate) fn shown(
        &self,
        place: Place<'_>,
        (key, counter): (&[u8], u32),
        user_handle: &[u8],
    ) -> Result<Shown, CeremonyError> {
        // §7.2 step 6: a handle that is told must be the user's.
        if let Some(handle) = self.user_handle.as_deref().filter(|handle| !handle.is_empty())
            && decoded(handle)? != user_handle
        {
            return Err(CeremonyError::OtherUser);
        }
        let client_data = self.client_data("webauthn.get", place)?;
        let bytes = decoded(&self.authenticator_data)?;
        let data = AuthenticatorData::read(&bytes, place)?;
        let signed = [bytes.as_slice(), &sha256(&client_data)].concat();
        if !public_key(key)?.verify(&signed, &decoded(&self.signature)?) {
            return Err(CeremonyError::Signature);
        }
        // §7.2 step 22: it goes up, or there is none.
        if (data.counter != 0 || counter != 0) && data.counter <= counter {
            return Err(CeremonyError::Counter);
        }
        Ok(Shown { counter: data.counter, verified: data.flags & USER_VERIFIED != 0 })
    }

    /// What the browser vouches for: what was done, where, for which challenge.
    fn client_data(&self, kind: &str, place: Place<'_>) -> Result<Vec<u8>, CeremonyError> {
        let bytes = decoded(&self.client_data)?;
        let data: ClientData = serde_json::from_slice(&bytes).map_err(|_| CeremonyError::Malformed)?;
        if data.kind != kind {
            return Err(CeremonyError::Malformed);
        }
        if !constant_time_eq(data.challenge.as_bytes(), place.challenge.as_bytes()) {
            return Err(CeremonyError::Challenge);
        }
        if data.origin != place.origin || data.cross_origin || data.top_origin.is_some() {
            return Err(CeremonyError::Origin);
        }
        Ok(bytes)
    }
}

impl<'a> AuthenticatorData<'a> {
    /// WebAuthn §6.1.
    fn read(bytes: &'a [u8], place: Place<'_>) -> Result<Self, CeremonyError> {
        let malformed = CeremonyError::Malformed;
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(malformed)?;
        let (&flags, rest) = rest.split_first().ok_or(malformed)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(malformed)?;
        if *rp_id_hash != sha256(place.rp_id.as_bytes()) {
            return Err(CeremonyError::Origin);
        }
        if flags & USER_PRESENT == 0 {
            return Err(CeremonyError::NobodyThere);
        }
        if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
            return Err(malformed);
        }
        let mut attested = None;
        if flags & ATTESTED != 0 {
            let (_aaguid, after) = rest.split_first_chunk::<16>().ok_or(malformed)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, after) = after.split_at_checked(length).ok_or(malformed)?;
            if id.is_empty() || length > CREDENTIAL_ID_MAX {
                return Err(malformed);
            }
            let (_, behind) = cbor::read(after).ok_or(malformed)?;
            let key = after.get(..after.len() - behind.len()).ok_or(malformed)?;
            attested = Some((id, key));
            rest = behind;
        }
        if flags & EXTENSIONS != 0 {
            let (_, behind) = cbor::read(rest).ok_or(malformed)?;
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(malformed);
        }
        Ok(Self { flags, counter: u32::from_be_bytes(*counter), attested })
    }
}

/// RFC 9053 §2, §7: the key's kind, its algorithm and its members must fit each other.
fn public_key(bytes: &[u8]) -> Result<CredentialKey, CeremonyError> {
    let unfit = CeremonyError::Algorithm;
    let (map, rest) = cbor::read(bytes).ok_or(CeremonyError::Malformed)?;
    let number = |label| map.numbered(label).and_then(Value::integer);
    let part = |label| map.numbered(label).and_then(Value::bytes).ok_or(unfit);
    let key = match (number(1), number(3)) {
        // EC2 on P-256.
        (Some(2), Some(-7)) if number(-1) == Some(1) => {
            let (x, y) = (part(-2)?, part(-3)?);
            if x.len() != 32 || y.len() != 32 {
                return Err(unfit);
            }
            CredentialKey::Es256([&[4], x, y].concat())
        }
        // OKP on Ed25519.
        (Some(1), Some(-8)) if number(-1) == Some(6) => CredentialKey::EdDsa(part(-2)?.to_vec()),
        (Some(3), Some(-257)) => CredentialKey::Rs256 { n: part(-1)?.to_vec(), e: part(-2)?.to_vec() },
        _ => return Err(unfit),
    };
    if !rest.is_empty() || !key.is_good() { Err(unfit) } else { Ok(key) }
}

fn decoded(text: &str) -> Result<Vec<u8>, CeremonyError> {
    base64url_decode(text).map_err(|_| CeremonyError::Malformed)
}
