//! As much CBOR (RFC 8949) as authenticators write: the canonical form of CTAP 2 (§8), of definite length, in a few levels.
//!
//! What comes from outside is bounded by its own length: nothing is made larger than what is there to be read.

/// How deep what we read is nested at most: an attestation's certificates are a list in a map in a map.
const DEPTH_MAX: u8 = 6;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// True, false, null.
    Simple(u8),
}

impl<'a> Value<'a> {
    /// The member of a map with this name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.find(|key| matches!(key, Value::Text(text) if *text == name))
    }

    /// The member of a map with this number.
    pub(super) fn numbered(&self, number: i64) -> Option<&Self> {
        self.find(|key| *key == Value::Integer(number))
    }

    fn find(&self, is_it: impl Fn(&Value<'a>) -> bool) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    }

    pub(super) const fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(super) const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// Reads one value; the rest comes after it.
pub(super) fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    item(bytes, DEPTH_MAX)
}

fn item(bytes: &[u8], depth: u8) -> Option<(Value<'_>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (&head, rest) = bytes.split_first()?;
    let (argument, mut rest) = argument(head & 0x1f, rest)?;
    Some(match head >> 5 {
        0 => (Value::Integer(i64::try_from(argument).ok()?), rest),
        1 => (Value::Integer((-1_i64).checked_sub(i64::try_from(argument).ok()?)?), rest),
        2 => {
            let (own, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            (Value::Bytes(own), rest)
        }
        3 => {
            let (own, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            (Value::Text(std::str::from_utf8(own).ok()?), rest)
        }
        4 => {
            let mut items = Vec::new();
            for _ in 0..argument {
                let (value, after) = item(rest, depth)?;
                items.push(value);
                rest = after;
            }
            (Value::Array(items), rest)
        }
        5 => {
            let mut members: Vec<(Value<'_>, Value<'_>)> = Vec::new();
            for _ in 0..argument {
                let (key, after) = item(rest, depth)?;
                let (value, after) = item(after, depth)?;
                // RFC 8949 §5.6: a name that is there twice means two things.
                if members.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                members.push((key, value));
                rest = after;
            }
            (Value::Map(members), rest)
        }
        7 if matches!(head & 0x1f, 20..=22) => (Value::Simple(head & 0x1f), rest),
        _ => return None,
    })
}

/// The number in and after the head (RFC 8949 §3); those of indefinite length are none.
fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match short {
        0..=23 => Some((u64::from(short), rest)),
        24 => rest.split_first().map(|(byte, rest)| (u64::from(*byte), rest)),
        25 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u16::from_be_bytes(*bytes)), rest)),
        26 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u32::from_be_bytes(*bytes)), rest)),
        27 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from_be_bytes(*bytes), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_rfc_8949_appendix_a() {
        let whole =
            |bytes: &'static [u8]| read(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value);
        assert_eq!(whole(&[0x17]), Some(Value::Integer(23)));
        assert_eq!(whole(&[0x19, 0x03, 0xe8]), Some(Value::Integer(1000)));
        assert_eq!(whole(&[0x39, 0x03, 0xe7]), Some(Value::Integer(-1000)));
        assert_eq!(whole(&[0x44, 1, 2, 3, 4]), Some(Value::Bytes(&[1, 2, 3, 4])));
        assert_eq!(whole(&[0x64, 0x49, 0x45, 0x54, 0x46]), Some(Value::Text("IETF")));
        assert_eq!(whole(&[0xf5]), Some(Value::Simple(21)));
        let map = whole(&[0xa2, 0x61, 0x61, 0x01, 0x20, 0x82, 0x02, 0x03]).unwrap();
        assert_eq!(map.member("a").and_then(Value::integer), Some(1));
        assert_eq!(map.numbered(-1), Some(&Value::Array(vec![Value::Integer(2), Value::Integer(3)])));
        for wrong in [
            &[][..],
            &[0x18],
            &[0x44, 1, 2],
            &[0x5f, 0x41, 1, 0xff],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa2, 0x01, 0x01, 0x01, 0x02],
            &[0x62, 0xff, 0xff],
            &[0x81; 100],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
