//! SpecificCharacterSet (0008,0005): PS3.3 §C.12.1.1.2, PS3.5 §6.1, code extensions after ISO 2022.
//!
//! Decoding never fails: bytes that mean nothing in the declared set become U+FFFD. Escape sequences are
//! followed whether or not their set was declared.

use std::borrow::Cow;

use dicom_core::VR;
use encoding_rs as codec;
use memchr::memchr;

use super::vr;

const ESC: u8 = 0x1B;
const UNDECODABLE: char = '\u{FFFD}';

/// What the bytes of text mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CharacterSet {
    /// What holds at the start of each value and component.
    initial: Repertoire,
    /// Whether escape sequences may switch (PS3.5 §6.1.2.5).
    extensions: bool,
    /// The first declared extension that uses bytes from 0x80, for files that forget the escape.
    fallback: Repertoire,
}

/// What bytes from 0x80 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Repertoire {
    #[default]
    Ascii,
    Latin1,
    Latin2,
    Latin3,
    Latin4,
    Cyrillic,
    Arabic,
    Greek,
    Hebrew,
    Latin5,
    Latin9,
    Thai,
    /// JIS X 0201: half-width katakana.
    Katakana,
    /// KS X 1001, two bytes each.
    Korean,
    /// GB 2312, two bytes each.
    Chinese,
    Utf8,
    Gb18030,
    Gbk,
}

/// What bytes below 0x80 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lower {
    Ascii,
    JisX0208,
    JisX0212,
}

enum Switch {
    Lower(Lower),
    Upper(Repertoire),
}

impl CharacterSet {
    /// Reads the value of (0008,0005).
    pub fn from_value(value: &[u8]) -> Self {
        let mut terms = value.split(|&byte| byte == b'\\').map(<[u8]>::trim_ascii);
        let first = terms.next().unwrap_or_default();
        let first = first.strip_suffix(b"\0").unwrap_or(first);
        let initial = repertoire(first);
        let mut set = Self { initial, extensions: is_iso_2022(first), fallback: Repertoire::Ascii };
        if matches!(initial, Repertoire::Utf8 | Repertoire::Gb18030 | Repertoire::Gbk) {
            // PS3.3 §C.12.1.1.2: these stand alone.
            set.extensions = false;
            return set;
        }
        for term in terms.take(16) {
            set.extensions = true;
            if set.fallback == Repertoire::Ascii {
                set.fallback = repertoire(term);
            }
        }
        // JIS X 0208 and 0212 are invoked below 0x80 and have no fallback.
        set
    }

    /// Decodes a value's text, padding included.
    pub fn decode(self, vr: VR, bytes: &[u8]) -> Cow<'_, str> {
        let escapes = self.extensions && memchr(ESC, bytes).is_some();
        if bytes.is_ascii() && !(escapes && vr::has_character_set(vr)) {
            return String::from_utf8_lossy(bytes);
        }
        if !vr::has_character_set(vr) {
            return decode_single(Repertoire::Ascii, bytes);
        }
        match self.initial {
            Repertoire::Utf8 => String::from_utf8_lossy(bytes),
            Repertoire::Gb18030 => codec::GB18030.decode_without_bom_handling(bytes).0,
            Repertoire::Gbk => codec::GBK.decode_without_bom_handling(bytes).0,
            single if !self.extensions => decode_single(single, bytes),
            _ => Cow::Owned(self.decode_iso_2022(vr, bytes)),
        }
    }

    fn decode_iso_2022(self, vr: VR, bytes: &[u8]) -> String {
        let upper_at_start = if self.initial == Repertoire::Ascii { self.fallback } else { self.initial };
        let (mut lower, mut upper) = (Lower::Ascii, upper_at_start);
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if byte == ESC
                && let Some((switch, len)) = escape(tail)
            {
                match switch {
                    Switch::Lower(set) => lower = set,
                    Switch::Upper(set) => upper = set,
                }
                rest = tail.get(len..).unwrap_or_default();
                continue;
            }
            let pair = tail.first().map(|&second| [byte, second]);
            let (decoded, used) = match (byte, lower, pair) {
                (0x21..=0x7E, Lower::JisX0208, Some([a, b])) => {
                    (double(codec::EUC_JP, &[a | 0x80, b | 0x80]), 2)
                }
                (0x21..=0x7E, Lower::JisX0212, Some([a, b])) => {
                    (double(codec::EUC_JP, &[0x8F, a | 0x80, b | 0x80]), 2)
                }
                (0x00..=0x7F, Lower::Ascii, _) | (0x00..=0x20 | 0x7F, _, _) => {
                    if resets(vr, byte) {
                        (lower, upper) = (Lower::Ascii, upper_at_start);
                    }
                    (char::from(byte), 1)
                }
                (0x80..=0xFF, _, Some([a, b @ 0xA1..=0xFF])) if upper == Repertoire::Korean => {
                    (double(codec::EUC_KR, &[a, b]), 2)
                }
                (0x80..=0xFF, _, Some([a, b @ 0xA1..=0xFF])) if upper == Repertoire::Chinese => {
                    (double(codec::GBK, &[a, b]), 2)
                }
                (0x80..=0xFF, _, _) => (single(upper, byte), 1),
                _ => (UNDECODABLE, 1),
            };
            text.push(decoded);
            rest = rest.get(used..).unwrap_or_default();
        }
        text
    }
}

/// PS3.5 §6.1.2.5.3: what ends the effect of an escape sequence.
fn resets(vr: VR, byte: u8) -> bool {
    match byte {
        b'\t' | b'\n' | 0x0C | b'\r' => true,
        b'\\' => !vr::is_single_text(vr),
        b'^' | b'=' => vr == VR::PN,
        _ => false,
    }
}

/// The escape sequences of PS3.3 tables C.12-3 and C.12-4, without the ESC, and their lengths.
fn escape(tail: &[u8]) -> Option<(Switch, usize)> {
    let upper = |set| Some((Switch::Upper(set), 2));
    match tail {
        [b'(', b'B' | b'J', ..] => Some((Switch::Lower(Lower::Ascii), 2)),
        [b'$', b'@' | b'B', ..] => Some((Switch::Lower(Lower::JisX0208), 2)),
        [b'$', b'(', b'D', ..] => Some((Switch::Lower(Lower::JisX0212), 3)),
        [b'$', b')', b'C', ..] => Some((Switch::Upper(Repertoire::Korean), 3)),
        [b'$', b')', b'A', ..] => Some((Switch::Upper(Repertoire::Chinese), 3)),
        [b')', b'I', ..] => upper(Repertoire::Katakana),
        [b'-', b'A', ..] => upper(Repertoire::Latin1),
        [b'-', b'B', ..] => upper(Repertoire::Latin2),
        [b'-', b'C', ..] => upper(Repertoire::Latin3),
        [b'-', b'D', ..] => upper(Repertoire::Latin4),
        [b'-', b'F', ..] => upper(Repertoire::Greek),
        [b'-', b'G', ..] => upper(Repertoire::Arabic),
        [b'-', b'H', ..] => upper(Repertoire::Hebrew),
        [b'-', b'L', ..] => upper(Repertoire::Cyrillic),
        [b'-', b'M', ..] => upper(Repertoire::Latin5),
        [b'-', b'T', ..] => upper(Repertoire::Thai),
        [b'-', b'b', ..] => upper(Repertoire::Latin9),
        _ => None,
    }
}

fn is_iso_2022(term: &[u8]) -> bool {
    term.starts_with(b"ISO 2022") || term.starts_with(b"ISO_2022") || term.starts_with(b"ISO2022")
}

/// The defined terms of PS3.3 tables C.12-2 to C.12-5; `ISO_IR 100` and its misspellings by their number.
fn repertoire(term: &[u8]) -> Repertoire {
    if term.eq_ignore_ascii_case(b"GB18030") {
        return Repertoire::Gb18030;
    }
    if term.eq_ignore_ascii_case(b"GBK") {
        return Repertoire::Gbk;
    }
    let is_iso = term.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"ISO"));
    let digits = term.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match term.get(term.len() - digits..) {
        Some(b"100") if is_iso => Repertoire::Latin1,
        Some(b"101") if is_iso => Repertoire::Latin2,
        Some(b"109") if is_iso => Repertoire::Latin3,
        Some(b"110") if is_iso => Repertoire::Latin4,
        Some(b"144") if is_iso => Repertoire::Cyrillic,
        Some(b"127") if is_iso => Repertoire::Arabic,
        Some(b"126") if is_iso => Repertoire::Greek,
        Some(b"138") if is_iso => Repertoire::Hebrew,
        Some(b"148") if is_iso => Repertoire::Latin5,
        Some(b"203") if is_iso => Repertoire::Latin9,
        Some(b"166") if is_iso => Repertoire::Thai,
        Some(b"13") if is_iso => Repertoire::Katakana,
        Some(b"149") if is_iso => Repertoire::Korean,
        Some(b"58") if is_iso => Repertoire::Chinese,
        Some(b"192") if is_iso => Repertoire::Utf8,
        _ => Repertoire::Ascii,
    }
}

/// A run of bytes without code extensions.
fn decode_single(set: Repertoire, bytes: &[u8]) -> Cow<'_, str> {
    match (set, table(set)) {
        // One multi-byte set as the only value: its bytes are what the EUC form is.
        (Repertoire::Korean, _) => codec::EUC_KR.decode_without_bom_handling(bytes).0,
        (Repertoire::Chinese, _) => codec::GBK.decode_without_bom_handling(bytes).0,
        (_, Some(table)) => table.decode_without_bom_handling(bytes).0,
        (_, None) => bytes.iter().map(|&byte| single(set, byte)).collect(),
    }
}

fn table(set: Repertoire) -> Option<&'static codec::Encoding> {
    match set {
        Repertoire::Latin2 => Some(codec::ISO_8859_2),
        Repertoire::Latin3 => Some(codec::ISO_8859_3),
        Repertoire::Latin4 => Some(codec::ISO_8859_4),
        Repertoire::Cyrillic => Some(codec::ISO_8859_5),
        Repertoire::Arabic => Some(codec::ISO_8859_6),
        Repertoire::Greek => Some(codec::ISO_8859_7),
        Repertoire::Hebrew => Some(codec::ISO_8859_8),
        Repertoire::Latin5 => Some(codec::WINDOWS_1254),
        Repertoire::Latin9 => Some(codec::ISO_8859_15),
        Repertoire::Thai => Some(codec::WINDOWS_874),
        Repertoire::Ascii
        | Repertoire::Latin1
        | Repertoire::Katakana
        | Repertoire::Korean
        | Repertoire::Chinese
        | Repertoire::Utf8
        | Repertoire::Gb18030
        | Repertoire::Gbk => None,
    }
}

/// One byte of a single-byte set.
fn single(set: Repertoire, byte: u8) -> char {
    match (set, byte) {
        (_, 0x00..=0x7F) | (Repertoire::Latin1, _) => char::from(byte),
        (Repertoire::Katakana, 0xA1..=0xDF) => {
            char::from_u32(0xFF61 + u32::from(byte - 0xA1)).unwrap_or(UNDECODABLE)
        }
        _ => table(set).map_or(UNDECODABLE, |table| double(table, &[byte])),
    }
}

/// The one character that the bytes mean.
fn double(table: &'static codec::Encoding, bytes: &[u8]) -> char {
    let text = table.decode_without_bom_handling(bytes).0;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => only,
        _ => UNDECODABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(set: &str, bytes: &[u8]) -> String {
        CharacterSet::from_value(set.as_bytes()).decode(VR::PN, bytes).into_owned()
    }

    #[test]
    fn single_byte_sets() {
        assert_eq!(decode("", b"Doe^John"), "Doe^John");
        assert_eq!(decode("", b"M\xFCller"), "M\u{FFFD}ller");
        assert_eq!(decode("ISO_IR 100", b"M\xFCller "), "Müller ");
        assert_eq!(decode("ISO_IR 101", b"\xA3ukasz"), "Łukasz");
        assert_eq!(decode("ISO_IR 144", b"\xBB\xEEceka\xDC"), "Люcekaм");
        assert_eq!(decode("ISO_IR 126", b"\xC4\xE9\xEF\xED\xF5\xF3\xE9\xEF\xF2"), "Διονυσιος");
        assert_eq!(decode("ISO_IR 13", b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3"), "ﾔﾏﾀﾞ^ﾀﾛｳ");
        assert_eq!(decode("ISO_IR 166", b"\xA1\xD2"), "กา");
        assert_eq!(decode("ISO_IR 192", "山田^太郎".as_bytes()), "山田^太郎");
        assert_eq!(decode("ISO_IR 192", b"A\xFFB"), "A\u{FFFD}B");
        assert_eq!(decode("no such set", b"A\xFFB"), "A\u{FFFD}B");
    }

    #[test]
    fn japanese_names_of_ps3_5_annex_h() {
        let kanji = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(decode("\\ISO 2022 IR 87", kanji), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let mixed = b"\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J";
        assert_eq!(decode("ISO 2022 IR 13\\ISO 2022 IR 87", mixed), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
    }

    #[test]
    fn korean_and_chinese_names_of_ps3_5_annexes_i_j_and_k() {
        let korean =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(decode("\\ISO 2022 IR 149", korean), "Hong^Gildong=洪^吉洞=홍^길동");
        // Without the escapes that the standard demands after each delimiter.
        assert_eq!(decode("\\ISO 2022 IR 149", b"\xc8\xab^\xb1\xe6\xb5\xbf"), "홍^길동");
        let chinese = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(decode("\\ISO 2022 IR 58", chinese), "Zhang^XiaoDong=张^小东=");
        assert_eq!(decode("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="), "Wang^XiaoDong=王^小东=");
        // PS3.5 Annex J: UTF-8.
        assert_eq!(
            decode("ISO_IR 192", b"Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE6\x9D\xB1="),
            "Wang^XiaoDong=王^小東="
        );
    }

    #[test]
    fn a_backslash_byte_within_a_character_is_no_delimiter() {
        // GBK 0x95 0x5C is one character.
        assert_eq!(decode("GBK", b"\x95\x5c").chars().count(), 1);
        // JIS X 0208 0x25 0x5C is katakana BO.
        assert_eq!(decode("\\ISO 2022 IR 87", b"\x1b$B%\\\x1b(B\\A"), "ボ\\A");
    }

    #[test]
    fn extensions_switch_and_fall_back_at_delimiters() {
        let bytes = b"Buc^J\xe9r\xf4me=\x1b-F\xc4\xe9\xef=\x1b-L\xbb\xee";
        let text = decode("ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", bytes);
        assert_eq!(text, "Buc^Jérôme=Διο=Лю");
        assert_eq!(decode("\\ISO 2022 IR 87", b"\x1b$B;"), "\u{FFFD}");
        assert_eq!(decode("\\ISO 2022 IR 87", b"\x1b$"), "\u{1b}$");
    }

    #[test]
    fn other_kinds_of_value_ignore_the_character_set() {
        let set = CharacterSet::from_value(b"ISO_IR 100");
        assert_eq!(set.decode(VR::CS, b"\xC4A"), "\u{FFFD}A");
    }
}
