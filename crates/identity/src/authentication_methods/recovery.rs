//! Recovery codes: for who has lost the rest. Ten at a time, shown once, each good once; a new set ends the old.

use hilum_jose::MasterKey;
use hilum_kernel::{Random, Secret, UserId};

/// How many a set has.
pub(crate) const CODES: usize = 10;
/// Sixteen symbols of five bits: 80 bits.
const SYMBOLS: usize = 16;
const GROUP: usize = 4;
/// Crockford's Base32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A set, as it is shown once and as it is stored.
#[derive(Debug)]
pub(crate) struct RecoveryCodes {
    pub(crate) shown: Vec<Secret<String>>,
    pub(crate) hashes: Vec<String>,
}

/// Makes a set.
pub(crate) fn generate(random: &dyn Random, key: &MasterKey, user: UserId) -> RecoveryCodes {
    let codes: Vec<String> = (0..CODES).map(|_| code(random)).collect();
    let hashes = codes.iter().map(|code| hash(key, user, code)).collect();
    let shown = codes.iter().map(|code| Secret::new(grouped(code))).collect();
    RecoveryCodes { shown, hashes }
}

/// What is stored of a code: nothing without the key.
pub(crate) fn hash(key: &MasterKey, user: UserId, code: &str) -> String {
    hilum_jose::base64url_encode(key.keyed_hash(format!("recovery code {user} {code}").as_bytes()))
}

/// What a person typed, in the alphabet's spelling; nothing when it cannot be a code.
pub(crate) fn typed(text: &str) -> Option<String> {
    let plain = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let skipped = |c: &char| !c.is_whitespace() && *c != '-';
    let code: String = text.chars().filter(skipped).take(SYMBOLS + 1).map(plain).collect();
    (code.len() == SYMBOLS && code.bytes().all(|symbol| ALPHABET.contains(&symbol))).then_some(code)
}

fn code(random: &dyn Random) -> String {
    let mut bytes = [0; SYMBOLS];
    random.fill(&mut bytes);
    // 256 is a multiple of 32: each symbol is as likely as any other.
    let symbol = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map_or('0', char::from);
    bytes.iter().map(symbol).collect()
}

fn grouped(code: &str) -> String {
    let symbols: Vec<char> = code.chars().collect();
    let groups: Vec<String> = symbols.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use hilum_kernel::SeededRandom;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_shown_is_what_is_typed() {
        let random = SeededRandom::new(3);
        let (key, user) = (MasterKey::generate(&random), UserId::new(Uuid::from_u128(1)));
        let set = generate(&random, &key, user);
        assert_eq!((set.shown.len(), set.hashes.len()), (CODES, CODES));
        for (shown, stored) in set.shown.iter().zip(&set.hashes) {
            assert_eq!(shown.expose().len(), SYMBOLS + 3);
            let typed = typed(&shown.expose().to_lowercase().replace('-', " ")).unwrap();
            assert_eq!(hash(&key, user, &typed), *stored);
            assert_ne!(hash(&key, UserId::new(Uuid::from_u128(2)), &typed), *stored);
        }
        assert_eq!(typed("oil0-1234-5678-9abc").as_deref(), Some("0110123456789ABC"));
        for wrong in ["", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEF-0", "U123-4567-89AB-CDEF"] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }
}
