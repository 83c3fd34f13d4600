//! What a client writes: the tags to add, the status to set. Everything from outside is checked here.

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr},
};
use dicom_dictionary_std::StandardDataDictionary;
use serde_json::{Map, Value as Json};

use super::{QueryStatus, TAGS_MAX, TagError};
use crate::{
    dataset::{validate::check_text, vr},
    index::{Level, attributes::MODALITIES_IN_STUDY},
    query_string::shown,
    store::INDEXED,
};

/// A checked tag on its way in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewTag {
    pub(crate) tag: Tag,
    pub(crate) vr: VR,
    pub(crate) private_creator: Option<String>,
    pub(crate) level: Level,
}

const SYNTAX: &str = "The syntax of the request body is invalid.";

/// Reads the body of `POST /extendedquerytags`.
pub(crate) fn new_tags(body: &[u8]) -> Result<Vec<NewTag>, TagError> {
    let json: Json = serde_json::from_slice(body).map_err(|_| invalid(SYNTAX))?;
    let entries = json.as_array().ok_or_else(|| invalid(SYNTAX))?;
    if entries.is_empty() {
        return Err(invalid("The extended query tag(s) is missing."));
    }
    if i64::try_from(entries.len()).is_ok_and(|count| count > TAGS_MAX) {
        return Err(TagError::TooMany);
    }
    let mut tags: Vec<NewTag> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let tag = new_tag(&Entry { index, members: entry.as_object().ok_or_else(|| invalid(SYNTAX))? })?;
        if tags.iter().any(|known| known.tag == tag.tag) {
            let path = super::path(tag.tag);
            return Err(invalid(format!("The extended query tag '{path}' has been specified before.")));
        }
        tags.push(tag);
    }
    Ok(tags)
}

/// Reads the body of `PATCH /extendedquerytags/{tag}`.
pub(crate) fn query_status(body: &[u8]) -> Result<QueryStatus, TagError> {
    let json: Json = serde_json::from_slice(body).map_err(|_| invalid(SYNTAX))?;
    let members = json.as_object().ok_or_else(|| invalid(SYNTAX))?;
    match member(members, "queryStatus").and_then(Json::as_str) {
        Some(word) if word.eq_ignore_ascii_case("enabled") => Ok(QueryStatus::Enabled),
        Some(word) if word.eq_ignore_ascii_case("disabled") => Ok(QueryStatus::Disabled),
        Some(word) => {
            let word = shown(word);
            Err(invalid(format!(
                "The field '$.QueryStatus' in request body is invalid: Expected value '{word}' to be one of the following \
                 values: ['Disabled', 'Enabled']"
            )))
        }
        None => Err(invalid(
            "The field 'QueryStatus' in request body is invalid: The Dicom Tag Property QueryStatus must be specified and \
             must not be null, empty or whitespace",
        )),
    }
}

/// Reads the tag of a path: keyword or `GGGGEEEE`.
pub(crate) fn tag_of(text: &str) -> Result<Tag, TagError> {
    let digits = || {
        let is_number = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_number.then(|| u32::from_str_radix(text, 16).ok()).flatten()?;
        Some(super::tag(number))
    };
    let by_keyword = StandardDataDictionary.by_name(text).map(DataDictionaryEntry::tag);
    by_keyword.or_else(digits).ok_or_else(|| {
        let text = shown(text);
        invalid(format!(
            "The extended query tag '{text}' is invalid as it cannot be parsed into a valid Dicom Tag."
        ))
    })
}

/// One element of the array.
struct Entry<'a> {
    index: usize,
    members: &'a Map<String, Json>,
}

impl Entry<'_> {
    fn text(&self, name: &str) -> Result<Option<&str>, TagError> {
        match member(self.members, name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => {
                let index = self.index;
                Err(invalid(format!(
                    "The field '$[{index}].{name}' in request body is invalid: It is no text."
                )))
            }
        }
    }

    fn missing(&self, name: &str) -> TagError {
        let index = self.index;
        invalid(format!(
            "The field '[{index}].{name}' in request body is invalid: The Dicom Tag Property {name} must be specified and \
             must not be null, empty or whitespace"
        ))
    }

    fn level(&self) -> Result<Level, TagError> {
        let word = self.text("Level")?.ok_or_else(|| self.missing("Level"))?;
        let levels = [("Study", Level::Study), ("Series", Level::Series), ("Instance", Level::Instance)];
        let found = levels.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, level)| level).ok_or_else(|| {
            let (index, word) = (self.index, shown(word));
            invalid(format!(
                "The field '$[{index}].Level' in request body is invalid: Expected value '{word}' to be one of the following \
                 values: ['Instance', 'Series', 'Study']"
            ))
        })
    }
}

/// Names have no case.
fn member<'a>(members: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn new_tag(entry: &Entry<'_>) -> Result<NewTag, TagError> {
    let given = entry.text("Path")?.ok_or_else(|| entry.missing("Path"))?;
    let level = entry.level()?;
    let tag = tag_of(given)?;
    let given = shown(given);
    // Azure's own thirteen and ModalitiesInStudy. What this server searches by beyond them may be added all the same, so that scripts
    // written for Azure run unchanged.
    if INDEXED.contains(&tag) || tag == MODALITIES_IN_STUDY {
        return Err(invalid(format!("The query tag '{given}' is already supported.")));
    }
    let creator = private_creator(entry, tag, &given)?;
    let vr = value_representation(entry.text("VR")?, tag, &given)?;
    Ok(NewTag { tag, vr, private_creator: creator, level })
}

fn private_creator(entry: &Entry<'_>, tag: Tag, given: &str) -> Result<Option<String>, TagError> {
    let creator = entry.text("PrivateCreator")?;
    if tag.group().is_multiple_of(2) {
        return match creator {
            None => Ok(None),
            Some(_) => Err(invalid(format!("The private creator is not empty for standard tag '{given}'."))),
        };
    }
    if vr::is_private_creator(tag) {
        return match creator {
            None => Ok(None),
            Some(_) => Err(invalid(format!(
                "The private creator is not empty for private identification code '{given}'."
            ))),
        };
    }
    let Some(creator) = creator else {
        return Err(invalid(format!("The private creator for private tag '{given}' is missing.")));
    };
    if check_text(tag, VR::LO, creator).is_err() {
        return Err(invalid(format!("The private creator for tag '{given}' is not a valid LO attribute.")));
    }
    Ok(Some(creator.to_owned()))
}

fn value_representation(code: Option<&str>, tag: Tag, given: &str) -> Result<VR, TagError> {
    let wanted = code.map(|code| {
        let upper = code.to_ascii_uppercase();
        let known = upper.as_bytes().try_into().ok().and_then(vr::from_code);
        known.ok_or_else(|| invalid(format!("The VR code '{}' for tag '{given}' is invalid.", shown(code))))
    });
    let wanted = wanted.transpose()?;
    let vr = match (dictionary(tag), wanted) {
        (Some(own), Some(wanted)) if !own.contains(&wanted) => {
            let expected = own.first().copied().map(VR::to_string).unwrap_or_default();
            return Err(invalid(format!(
                "The VR code '{}' is incorrectly specified for '{given}'. The expected VR code for it is '{expected}'. Retry \
                 this request either with the correct VR code or without specifying it.",
                wanted.to_string()
            )));
        }
        (Some(own), None) => own.first().copied(),
        (_, wanted) => wanted,
    };
    let Some(vr) = vr else {
        return Err(invalid(format!("The vr for tag '{given}' is missing.")));
    };
    if is_supported(vr) {
        Ok(vr)
    } else {
        Err(invalid(format!(
            "The VR code '{}' specified for tag '{given}' is not supported.",
            vr.to_string()
        )))
    }
}

/// What the dictionary lets a standard attribute have; `None` for those it does not know.
fn dictionary(tag: Tag) -> Option<Vec<VR>> {
    if tag.group() % 2 == 1 {
        return vr::is_private_creator(tag).then(|| vec![VR::LO]);
    }
    let entry = StandardDataDictionary.by_tag(tag)?;
    Some(match entry.vr() {
        VirtualVr::Exact(vr) => vec![vr],
        VirtualVr::Xs => vec![VR::US, VR::SS],
        VirtualVr::Lt => vec![VR::US, VR::OW],
        _ => vec![VR::OW, VR::OB],
    })
}

/// Azure: Extended query tags, "Limitations".
fn is_supported(vr: VR) -> bool {
    use VR::{AE, AS, CS, DA, DT, FD, FL, IS, LO, PN, SH, SL, SS, TM, UI, UL, US};
    matches!(vr, AE | AS | CS | DA | DT | FD | FL | IS | LO | PN | SH | SL | SS | TM | UI | UL | US)
}

fn invalid(text: impl Into<String>) -> TagError {
    TagError::Invalid(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_the_dictionary_fills_in() {
        let tags = new_tags(
            br#"[{"Path":"PatientAge","level":"study"},{"path":"00091001","VR":"cs","privateCreator":"Mine","Level":"Instance"},
                 {"path":"00280106","level":"Series"},{"path":"00090010","level":"Series"}]"#,
        )
        .unwrap();
        let told: Vec<_> = tags.iter().map(|tag| (super::super::path(tag.tag), tag.vr, tag.level)).collect();
        assert_eq!(
            told,
            [
                ("00101010".to_owned(), VR::AS, Level::Study),
                ("00091001".to_owned(), VR::CS, Level::Instance),
                ("00280106".to_owned(), VR::US, Level::Series),
                ("00090010".to_owned(), VR::LO, Level::Series),
            ]
        );
        assert_eq!(tags[1].private_creator.as_deref(), Some("Mine"));
    }

    #[test]
    fn every_refusal_has_its_words() {
        let body = |json: &str| new_tags(json.as_bytes()).unwrap_err().to_string();
        let told = [
            "[]",
            "{}",
            "[1]",
            "[{]",
            r#"[{"path":"nonsense","level":"Study"}]"#,
            r#"[{"path":"PatientAge"}]"#,
            r#"[{"path":" ","level":"Study"}]"#,
            r#"[{"path":"PatientAge","level":"Studys"}]"#,
            r#"[{"path":"PatientAge","level":1}]"#,
            r#"[{"path":"PatientAge","vr":"LO","level":"Study"}]"#,
            r#"[{"path":"PatientAge","vr":"XX","level":"Study"}]"#,
            r#"[{"path":"PatientWeight","level":"Study"}]"#,
            r#"[{"path":"RequestAttributesSequence","level":"Series"}]"#,
            r#"[{"path":"00091001","vr":"CS","level":"Study"}]"#,
            r#"[{"path":"00091001","privateCreator":"Mine","level":"Study"}]"#,
            r#"[{"path":"00091001","vr":"CS","privateCreator":"a\\b","level":"Study"}]"#,
            r#"[{"path":"PatientAge","privateCreator":"Mine","level":"Study"}]"#,
            r#"[{"path":"00090010","privateCreator":"Mine","level":"Study"}]"#,
            r#"[{"path":"PatientName","level":"Study"}]"#,
            r#"[{"path":"PatientAge","level":"Study"},{"path":"00101010","level":"Series"}]"#,
        ]
        .map(|json| format!("{json}\n  {}", body(json)))
        .join("\n");
        insta::assert_snapshot!(told);
        let many: Vec<String> =
            (0..129).map(|n| format!(r#"{{"path":"{:08X}","level":"Study"}}"#, 0x0010_1010 + n)).collect();
        assert_eq!(
            body(&format!("[{}]", many.join(","))),
            "Extended query tags exceeds max allowed count '128'."
        );
    }
}
