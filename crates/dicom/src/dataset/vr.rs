//! Value representations (PS3.5 §6.2): codes, classes, and the data dictionary (PS3.6).

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr},
};
use dicom_dictionary_std::StandardDataDictionary;

/// Reads the two characters of an explicit VR.
pub fn from_code(code: [u8; 2]) -> Option<VR> {
    Some(match &code {
        b"AE" => VR::AE,
        b"AS" => VR::AS,
        b"AT" => VR::AT,
        b"CS" => VR::CS,
        b"DA" => VR::DA,
        b"DS" => VR::DS,
        b"DT" => VR::DT,
        b"FL" => VR::FL,
        b"FD" => VR::FD,
        b"IS" => VR::IS,
        b"LO" => VR::LO,
        b"LT" => VR::LT,
        b"OB" => VR::OB,
        b"OD" => VR::OD,
        b"OF" => VR::OF,
        b"OL" => VR::OL,
        b"OV" => VR::OV,
        b"OW" => VR::OW,
        b"PN" => VR::PN,
        b"SH" => VR::SH,
        b"SL" => VR::SL,
        b"SQ" => VR::SQ,
        b"SS" => VR::SS,
        b"ST" => VR::ST,
        b"SV" => VR::SV,
        b"TM" => VR::TM,
        b"UC" => VR::UC,
        b"UI" => VR::UI,
        b"UL" => VR::UL,
        b"UN" => VR::UN,
        b"UR" => VR::UR,
        b"US" => VR::US,
        b"UT" => VR::UT,
        b"UV" => VR::UV,
        _ => return None,
    })
}

/// Whether the explicit form has two reserved bytes and a 32-bit length (PS3.5 §7.1.2).
pub fn has_long_length(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV};
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// Whether values of this kind stay in the file: OB, OD, OF, OL, OV, OW and UN.
pub fn is_bulk(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, UN};
    matches!(vr, OB | OD | OF | OL | OV | OW | UN)
}

/// Whether SpecificCharacterSet applies (PS3.5 §6.1.2.3).
pub fn has_character_set(vr: VR) -> bool {
    use VR::{LO, LT, PN, SH, ST, UC, UT};
    matches!(vr, LO | LT | PN | SH | ST | UC | UT)
}

/// Whether the value is text at all.
pub fn is_text(vr: VR) -> bool {
    use VR::{AE, AS, CS, DA, DS, DT, IS, TM, UI, UR};
    has_character_set(vr) || matches!(vr, AE | AS | CS | DA | DS | DT | IS | TM | UI | UR)
}

/// Whether a backslash in the text belongs to the one value it has (PS3.5 §6.4).
pub fn is_single_text(vr: VR) -> bool {
    matches!(vr, VR::LT | VR::ST | VR::UR | VR::UT)
}

/// The bytes of one value of a binary VR: what a change of byte order swaps (PS3.5 §7.3).
pub fn word_bytes(vr: VR) -> Option<usize> {
    use VR::{AT, FD, FL, SL, SS, SV, UL, US, UV};
    match vr {
        AT | SS | US => Some(2),
        FL | SL | UL => Some(4),
        FD | SV | UV => Some(8),
        _ => None,
    }
}

/// The VR that the dictionary gives a tag, for files that do not say it.
///
/// `signed` is PixelRepresentation (0028,0103), which decides between US and SS (PS3.5 Annex A.1).
pub fn in_dictionary(tag: Tag, signed: bool) -> VR {
    if tag.element() == 0 {
        return VR::UL;
    }
    if tag.group() % 2 == 1 {
        return if is_private_creator(tag) { VR::LO } else { VR::UN };
    }
    match StandardDataDictionary.by_tag(tag).map(DataDictionaryEntry::vr) {
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) => {
            if signed {
                VR::SS
            } else {
                VR::US
            }
        }
        Some(other) => other.relaxed(),
        None => VR::UN,
    }
}

/// PS3.5 §7.8.1: (gggg,0010-00FF) name the private blocks of an odd group.
pub fn is_private_creator(tag: Tag) -> bool {
    tag.group() % 2 == 1 && (0x10..=0xFF).contains(&tag.element())
}

/// The VR of a standard attribute, when the dictionary knows the tag and leaves no choice.
pub fn standard(tag: Tag) -> Option<VR> {
    if tag.group() % 2 == 1 {
        return None;
    }
    StandardDataDictionary.by_tag(tag).and_then(|entry| entry.vr().exact())
}

/// The attribute's keyword (PS3.6 §6).
pub fn keyword(tag: Tag) -> Option<&'static str> {
    StandardDataDictionary.by_tag(tag).map(DataDictionaryEntry::alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_resolves_choices_and_private_tags() {
        assert_eq!(in_dictionary(Tag(0x0010, 0x0010), false), VR::PN);
        assert_eq!(in_dictionary(Tag(0x0028, 0x0106), false), VR::US);
        assert_eq!(in_dictionary(Tag(0x0028, 0x0106), true), VR::SS);
        assert_eq!(in_dictionary(Tag(0x7FE0, 0x0010), true), VR::OW);
        assert_eq!(in_dictionary(Tag(0x6002, 0x3000), false), VR::OW);
        assert_eq!(in_dictionary(Tag(0x6002, 0x0010), false), VR::US);
        assert_eq!(in_dictionary(Tag(0x0009, 0x0010), false), VR::LO);
        assert_eq!(in_dictionary(Tag(0x0009, 0x1010), false), VR::UN);
        assert_eq!(in_dictionary(Tag(0x0008, 0x0000), false), VR::UL);
        assert_eq!(in_dictionary(Tag(0x0008, 0x7777), false), VR::UN);
        assert_eq!(keyword(Tag(0x0010, 0x0020)), Some("PatientID"));
    }
}
