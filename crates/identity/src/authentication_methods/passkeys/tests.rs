//! An authenticator in software, and what a relying party must not take from it (WebAuthn §7).

use hilum_jose::base64url_encode;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use serde_json::json;

use super::{ceremony::Made, *};

pub(crate) const ORIGIN: &str = "https://localhost:8443";
const CHALLENGE: &str = "bm90IHZlcnkgcmFuZG9t";

/// What a person has at hand.
pub(crate) struct Authenticator {
    key: KeyPair,
    pub(crate) origin: String,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) user_handle: Option<String>,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self {
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            origin: ORIGIN.to_owned(),
            rp_id: "localhost".to_owned(),
            flags: 0b101,
            counter: 1,
            user_handle: None,
        }
    }

    fn id(&self) -> Vec<u8> {
        hilum_jose::sha256(self.key.public_key_raw()).to_vec()
    }

    fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key_raw();
        [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20], &point[1..33], &[0x22, 0x58, 0x20], &point[33..]]
            .concat()
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn data(&self, attested: bool) -> Vec<u8> {
        let flags = self.flags | if attested { 1 << 6 } else { 0 };
        let mut data =
            [&hilum_jose::sha256(self.rp_id.as_bytes())[..], &[flags], &self.counter.to_be_bytes()].concat();
        if attested {
            data.extend([0; 16]);
            data.extend([0, 32]);
            data.extend(self.id());
            data.extend(self.cose());
        }
        data
    }

    /// `navigator.credentials.create`.
    pub(crate) fn create(&self, challenge: &str) -> String {
        let data = self.data(true);
        let length = u8::try_from(data.len()).unwrap();
        let head =
            [&[0xa3, 0x63][..], b"fmt", &[0x64], b"none", &[0x67], b"attStmt", &[0xa0, 0x68], b"authData"];
        let object = [&head.concat()[..], &[0x58, length], &data].concat();
        json!({
            "id": base64url_encode(self.id()),
            "client_data": base64url_encode(self.client_data("webauthn.create", challenge)),
            "attestation": base64url_encode(object),
        })
        .to_string()
    }

    /// `navigator.credentials.get`.
    pub(crate) fn get(&mut self, challenge: &str) -> String {
        self.counter += 1;
        let (data, client_data) = (self.data(false), self.client_data("webauthn.get", challenge));
        let signed = [&data[..], &hilum_jose::sha256(&client_data)].concat();
        json!({
            "id": base64url_encode(self.id()),
            "client_data": base64url_encode(client_data),
            "authenticator_data": base64url_encode(data),
            "signature": base64url_encode(self.key.sign(&signed).unwrap()),
            "user_handle": self.user_handle,
        })
        .to_string()
    }
}

fn place() -> Place<'static> {
    Place { origin: ORIGIN, rp_id: "localhost", challenge: CHALLENGE }
}

fn made(answer: &str) -> Result<Made, CeremonyError> {
    Answer::parse(answer)?.made(place())
}

fn shown(answer: &str, made: &Made) -> Result<u32, CeremonyError> {
    Ok(Answer::parse(answer)?.shown(place(), (&made.key, made.counter), b"the user")?.counter)
}

#[test]
fn what_was_made_is_shown() {
    let mut device = Authenticator::new();
    let made = made(&device.create(CHALLENGE)).unwrap();
    assert_eq!(made.counter, 1);
    assert_eq!(shown(&device.get(CHALLENGE), &made), Ok(2));
    device.user_handle = Some(base64url_encode("the user"));
    assert_eq!(shown(&device.get(CHALLENGE), &made), Ok(3));
}

#[test]
fn what_is_made_elsewhere_or_of_before_is_none() {
    let with = |change: fn(&mut Authenticator)| {
        let mut device = Authenticator::new();
        change(&mut device);
        made(&device.create(CHALLENGE))
    };
    assert_eq!(made(&Authenticator::new().create("another")), Err(CeremonyError::Challenge));
    assert_eq!(
        with(|device| device.origin = "https://localhost:8444".to_owned()),
        Err(CeremonyError::Origin)
    );
    assert_eq!(with(|device| device.origin = "http://localhost:8443".to_owned()), Err(CeremonyError::Origin));
    assert_eq!(with(|device| device.rp_id = "example.com".to_owned()), Err(CeremonyError::Origin));
    assert_eq!(with(|device| device.flags = 0b100), Err(CeremonyError::NobodyThere));
    assert_eq!(with(|device| device.flags = 0b1_0001), Err(CeremonyError::Malformed));
    assert_eq!(
        with(|device| device.flags = 0b1000_0001),
        Err(CeremonyError::Malformed),
        "extensions that are not there"
    );
    for text in ["", "{}", "[]", "{\"id\":\"\",\"client_data\":\"e30\"}"] {
        assert_eq!(made(text).err(), Some(CeremonyError::Malformed), "{text}");
    }
    let mut signs = Authenticator::new();
    assert_eq!(made(&signs.get(CHALLENGE)), Err(CeremonyError::Malformed), "an answer to another question");
}

#[test]
fn what_somebody_else_shows_is_none() {
    let mut device = Authenticator::new();
    let made = made(&device.create(CHALLENGE)).unwrap();
    assert_eq!(shown(&Authenticator::new().get(CHALLENGE), &made), Err(CeremonyError::Signature));
    assert_eq!(shown(&device.get("another"), &made), Err(CeremonyError::Challenge));
    assert_eq!(shown(&device.create(CHALLENGE), &made), Err(CeremonyError::Malformed));
    device.counter = 0;
    assert_eq!(shown(&device.get(CHALLENGE), &made), Err(CeremonyError::Counter), "a copy");
    device.user_handle = Some(base64url_encode("somebody else"));
    device.counter = 9;
    assert_eq!(shown(&device.get(CHALLENGE), &made), Err(CeremonyError::OtherUser));
    device.user_handle = None;
    device.origin = "https://phish.example".to_owned();
    assert_eq!(shown(&device.get(CHALLENGE), &made), Err(CeremonyError::Origin));
    device.origin = ORIGIN.to_owned();
    // Bytes that were signed and then changed: flags, counter.
    let answer: serde_json::Value = serde_json::from_str(&device.get(CHALLENGE)).unwrap();
    let data = hilum_jose::base64url_decode(answer["authenticator_data"].as_str().unwrap()).unwrap();
    for at in 32..data.len() {
        let (mut data, mut answer) = (data.clone(), answer.clone());
        data[at] ^= 0b100;
        answer["authenticator_data"] = base64url_encode(data).into();
        assert!(shown(&answer.to_string(), &made).is_err(), "{at}");
    }
}

#[test]
fn keys_of_no_use_are_not_taken() {
    let device = Authenticator::new();
    let answer: serde_json::Value = serde_json::from_str(&device.create(CHALLENGE)).unwrap();
    let object = hilum_jose::base64url_decode(answer["attestation"].as_str().unwrap()).unwrap();
    let key = object.len() - device.cose().len();
    // The kind, the algorithm, the curve, the point.
    for at in [key + 2, key + 4, key + 6, key + 20] {
        let (mut object, mut answer) = (object.clone(), answer.clone());
        object[at] ^= 1;
        answer["attestation"] = base64url_encode(object).into();
        assert!(made(&answer.to_string()).is_err(), "{at}");
    }
}
