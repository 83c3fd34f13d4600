//! What an instance has under the tags: taken from its metadata, so that a store and a re-index find the same.

use std::borrow::Cow;

use dicom_core::{Tag, VR};
use serde_json::Value as Json;

use super::{ExtendedTag, TagSet, path};
use crate::{
    dataset::{
        attributes::{name_words, trimmed},
        folded,
        json::members,
        validate::check_text,
        vr,
    },
    index::Level,
};

/// Words of one name that are kept.
const WORDS_MAX: usize = 32;

/// A value in the form in which it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Indexed {
    /// Folded text; dates and times in a form that sorts.
    Text(String),
    /// Any number. All integers of these VRs are exact.
    Number(f64),
}

/// A value under a tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TagValue {
    pub(crate) tag_key: i64,
    pub(crate) level: Level,
    pub(crate) value: Indexed,
    /// Of a person's name, for fuzzy matching.
    pub(crate) words: Vec<String>,
}

/// A value that cannot be taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused {
    pub(crate) tag_key: i64,
    pub(crate) tag: Tag,
    /// Why, without the value.
    pub(crate) message: String,
}

/// All that one instance has under the tags.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Extracted {
    /// The version of the tags it was looked through for.
    pub(crate) version: i64,
    pub(crate) values: Vec<TagValue>,
    pub(crate) refused: Vec<Refused>,
    /// An attribute has several values; the first was taken.
    pub(crate) has_multiple: bool,
}

/// Looks through an instance's metadata.
pub(crate) fn extract(set: &TagSet, metadata: &[u8]) -> Extracted {
    let mut out = Extracted { version: set.version, ..Extracted::default() };
    if set.tags.is_empty() {
        return out;
    }
    // (group, block) of the private creators that some tag names; they come before the attributes of their blocks.
    let mut blocks: Vec<(u16, u8, String)> = Vec::new();
    for member in members(metadata) {
        let tag = member.tag;
        let is_creator = vr::is_private_creator(tag)
            && set
                .tags
                .iter()
                .any(|known| known.private_creator.is_some() && known.tag.group() == tag.group());
        let wanted = set.tags.iter().filter(|known| is_meant(known, tag, &blocks));
        let wanted: Vec<&ExtendedTag> = wanted.collect();
        if !is_creator && wanted.is_empty() {
            continue;
        }
        let Ok(json) = serde_json::from_slice::<Json>(member.value()) else { continue };
        if let (true, Some(creator)) = (is_creator, first(&json).and_then(Json::as_str)) {
            let [_, block] = tag.element().to_be_bytes();
            blocks.push((tag.group(), block, trimmed(creator).to_owned()));
        }
        for known in wanted {
            out.has_multiple |= values_of(&json).len() > 1;
            match read(known, &json) {
                Ok(Some(value)) => out.values.push(value),
                Ok(None) => {}
                Err(reason) => {
                    out.refused.push(Refused { tag_key: known.key, tag, message: reason });
                }
            }
        }
    }
    out
}

/// What is noted where an instance's metadata cannot be read at all.
pub(crate) fn unreadable(set: &TagSet) -> Extracted {
    let refused = set.tags.iter().map(|known| Refused {
        tag_key: known.key,
        tag: known.tag,
        message: "The stored metadata cannot be read.".to_owned(),
    });
    Extracted { version: set.version, refused: refused.collect(), ..Extracted::default() }
}

/// PS3.5 §7.8.1: the block of a private attribute is where its creator stands in this instance.
fn is_meant(known: &ExtendedTag, tag: Tag, blocks: &[(u16, u8, String)]) -> bool {
    let Some(creator) = &known.private_creator else { return known.tag == tag };
    let ([block, low], [_, wanted]) = (tag.element().to_be_bytes(), known.tag.element().to_be_bytes());
    known.tag.group() == tag.group()
        && low == wanted
        && blocks
            .iter()
            .any(|(group, own, name)| *group == tag.group() && *own == block && name == trimmed(creator))
}

fn first(json: &Json) -> Option<&Json> {
    values_of(json).first().filter(|value| !value.is_null())
}

fn values_of(json: &Json) -> &[Json] {
    json.get("Value").and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn read(known: &ExtendedTag, json: &Json) -> Result<Option<TagValue>, String> {
    let vr = json.get("vr").and_then(Json::as_str).unwrap_or_default();
    let wanted = known.vr.to_string();
    if vr != wanted {
        let name = vr::keyword(known.tag).map_or_else(|| Cow::Owned(path(known.tag)), Cow::Borrowed);
        return Err(format!(
            "The extended query tag '{name}' is expected to have VR '{wanted}' but has '{vr}' in file."
        ));
    }
    let Some(first) = first(json) else { return Ok(None) };
    let value = |value| Some(TagValue { tag_key: known.key, level: known.level, value, words: Vec::new() });
    Ok(match known.vr {
        VR::FL | VR::FD | VR::SL | VR::SS | VR::UL | VR::US => {
            first.as_f64().and_then(|number| value(Indexed::Number(number)))
        }
        VR::IS => {
            let text = match first {
                Json::String(text) => trimmed(text).to_owned(),
                number => number.to_string(),
            };
            valid(known, &text)?;
            text.parse::<f64>().ok().and_then(|number| value(Indexed::Number(number)))
        }
        VR::PN => {
            let name = person_name(first);
            valid(known, &name)?;
            let mut words = name_words(&name);
            words.truncate(WORDS_MAX);
            let text = Indexed::Text(folded(&name));
            (!name.is_empty()).then(|| TagValue {
                words,
                ..TagValue { tag_key: known.key, level: known.level, value: text, words: Vec::new() }
            })
        }
        _ => {
            let text = trimmed(first.as_str().unwrap_or_default());
            valid(known, text)?;
            let compared = match known.vr {
                _ if text.is_empty() => None,
                VR::TM => time(text),
                VR::DT => date_time(text),
                VR::DA | VR::UI => Some(text.to_owned()),
                _ => Some(folded(text)),
            };
            compared.and_then(|text| value(Indexed::Text(text)))
        }
    })
}

fn valid(known: &ExtendedTag, text: &str) -> Result<(), String> {
    check_text(known.tag, known.vr, text).map_err(|invalid| invalid.to_string())
}

/// The component groups as one text again (PS3.5 §6.2.1).
fn person_name(json: &Json) -> String {
    let group = |name: &str| trimmed(json.get(name).and_then(Json::as_str).unwrap_or_default()).to_owned();
    let groups = [group("Alphabetic"), group("Ideographic"), group("Phonetic")];
    groups.join("=").trim_end_matches('=').to_owned()
}

/// `HHMMSS.FFFFFF` with zeros for what is not said.
pub(crate) fn time(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_time = matches!(whole.len(), 2 | 4 | 6)
        && fraction.len() <= 6
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    is_time.then(|| format!("{whole:0<6}.{fraction:0<6}"))
}

/// `YYYYMMDDHHMMSS.FFFFFF`: what is not said is the first month and day and midnight. The offset from UTC is left out:
/// queries cannot give one (fact sheet §7.3).
pub(crate) fn date_time(text: &str) -> Option<String> {
    let local = text.split(['+', '-']).next().unwrap_or_default();
    let (whole, fraction) = local.split_once('.').unwrap_or((local, ""));
    let is_date_time = matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14)
        && fraction.len() <= 6
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let rest = "00000101000000".get(whole.len()..)?;
    is_date_time.then(|| format!("{whole}{rest}.{fraction:0<6}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extended_query_tags::{QueryStatus, Status};

    fn set(tags: &[(u32, VR, Option<&str>)]) -> TagSet {
        let tags = (1..).zip(tags).map(|(key, (tag, vr, creator))| ExtendedTag {
            key,
            tag: super::super::tag(*tag),
            vr: *vr,
            private_creator: creator.map(str::to_owned),
            level: Level::Instance,
            status: Status::Ready,
            query_status: QueryStatus::Enabled,
            errors: 0,
            operation: None,
        });
        TagSet { version: 3, tags: tags.collect() }
    }

    fn one(tag: (u32, VR, Option<&str>), metadata: &str) -> Result<Option<Indexed>, String> {
        let mut extracted = extract(&set(&[tag]), metadata.as_bytes());
        match extracted.refused.pop() {
            Some(refused) => Err(refused.message),
            None => Ok(extracted.values.pop().map(|value| value.value)),
        }
    }

    #[test]
    fn values_take_the_form_in_which_they_are_compared() {
        let text = |text: &str| Ok(Some(Indexed::Text(text.to_owned())));
        let number = |number| Ok(Some(Indexed::Number(number)));
        for (tag, metadata, value) in [
            ((0x0010_1010, VR::AS, None), r#"{"00101010":{"vr":"AS","Value":["034Y"]}}"#, text("034y")),
            (
                (0x0008_0012, VR::DA, None),
                r#"{"00080012":{"vr":"DA","Value":["20240229"]}}"#,
                text("20240229"),
            ),
            (
                (0x0008_0013, VR::TM, None),
                r#"{"00080013":{"vr":"TM","Value":["1015"]}}"#,
                text("101500.000000"),
            ),
            (
                (0x0008_002A, VR::DT, None),
                r#"{"0008002A":{"vr":"DT","Value":["202402+0100"]}}"#,
                text("20240201000000.000000"),
            ),
            ((0x0028_0010, VR::US, None), r#"{"00280010":{"vr":"US","Value":[512,1]}}"#, number(512.0)),
            ((0x0020_0012, VR::IS, None), r#"{"00200012":{"vr":"IS","Value":["+03"]}}"#, number(3.0)),
            ((0x0018_9087, VR::FD, None), r#"{"00189087":{"vr":"FD","Value":[1.5]}}"#, number(1.5)),
            ((0x0018_9087, VR::FD, None), r#"{"00189087":{"vr":"FD","Value":["NaN"]}}"#, Ok(None)),
            (
                (0x0008_1050, VR::PN, None),
                r#"{"00081050":{"vr":"PN","Value":[{"Alphabetic":"Müller^Eva","Phonetic":"x"}]}}"#,
                text("muller^eva==x"),
            ),
            ((0x0008_0070, VR::LO, None), r#"{"00080070":{"vr":"LO"}}"#, Ok(None)),
            ((0x0008_0070, VR::LO, None), r#"{"00080070":{"vr":"LO","Value":[null,"b"]}}"#, Ok(None)),
        ] {
            assert_eq!(one(tag, metadata), value, "{metadata}");
        }
    }

    #[test]
    fn private_attributes_are_found_in_their_creators_block() {
        let metadata = r#"{"00090010":{"vr":"LO","Value":["Other"]},"00090011":{"vr":"LO","Value":["Mine "]},
            "00091001":{"vr":"CS","Value":["NO"]},"00091101":{"vr":"CS","Value":["YES"]}}"#
            .replace("\n            ", "");
        let yes = Ok(Some(Indexed::Text("yes".to_owned())));
        assert_eq!(one((0x0009_1001, VR::CS, Some("Mine")), &metadata), yes);
        assert_eq!(one((0x0009_1001, VR::CS, Some("Nobody")), &metadata), Ok(None));
        // The creator itself is an attribute like others.
        let mine = Ok(Some(Indexed::Text("mine".to_owned())));
        assert_eq!(one((0x0009_0011, VR::LO, None), &metadata), mine);
    }

    #[test]
    fn what_does_not_fit_is_refused_without_its_value() {
        let of = |tag, metadata| one(tag, metadata).unwrap_err();
        assert_eq!(
            of((0x0010_1010, VR::AS, None), r#"{"00101010":{"vr":"AS","Value":["SECRET"]}}"#),
            "Dicom element 'PatientAge' failed validation for VR 'AS': Value length is not 4."
        );
        assert_eq!(
            of((0x0009_1001, VR::CS, None), r#"{"00091001":{"vr":"LO","Value":["SECRET"]}}"#),
            "The extended query tag '00091001' is expected to have VR 'CS' but has 'LO' in file."
        );
        let damaged = unreadable(&set(&[(0x0010_1010, VR::AS, None)]));
        assert_eq!(damaged.refused.len(), 1);
    }
}
