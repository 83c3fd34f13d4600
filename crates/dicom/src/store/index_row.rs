//! What the index takes of an accepted instance: columns to match, members to return, metadata, frames.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use hilum_storage::db::Value;

use super::validate::Accepted;
use crate::{
    dataset::{Dataset, Instance, attributes::name_words, folded, json},
    error::DicomError,
    extended_query_tags::{TagSet, values::extract},
    index::{
        Attribute, Level, Matching,
        attributes::of_level,
        insert::{LevelRow, Members, NameWords, NewInstance, tag_number},
        metadata,
    },
};

/// Longer values are no honest names or IDs; PostgreSQL's index takes no more than some 2,700 bytes.
const COLUMN_CHARS_MAX: usize = 256;
/// Folding can make one character eighteen: what is compared is cut to this.
const FOLDED_BYTES_MAX: usize = 1024;
/// Words of one name: three groups of five components make fifteen, double that is generous.
const NAME_WORDS_MAX: usize = 32;

/// Makes the rows of an instance whose file's place is filled in later.
pub(super) fn new_instance(
    instance: &Instance,
    accepted: Accepted,
    tags: &TagSet,
) -> Result<NewInstance, DicomError> {
    let dataset = instance.dataset();
    let omitted = &accepted.omitted;
    let json = json::to_json(&dataset, omitted);
    let usable = Usable { dataset: &dataset, omitted };
    let [study_members, series_members, instance_members] = members(&json);
    let study_row = LevelRow { columns: usable.columns(Level::Study), members: study_members };
    let mut series_row = LevelRow { columns: usable.columns(Level::Series), members: series_members };
    series_row.columns.extend(usable.request_columns());
    Ok(NewInstance {
        sop_class: accepted.class,
        instance_number: usable.integer(tags::INSTANCE_NUMBER),
        patient_id: usable.text(tags::PATIENT_ID),
        study_row,
        name_words: [tags::PATIENT_NAME, tags::REFERRING_PHYSICIAN_NAME].map(|tag| usable.words(tag)).into(),
        series_row,
        instance_members,
        extended: extract(tags, &json),
        transfer_syntax: instance.transfer_syntax.to_string(),
        blob_key: String::new(),
        blob_bytes: 0,
        metadata: metadata::compress(&json)?,
        frames: instance.frames.to_bytes(),
        study: accepted.study,
        series: accepted.series,
        instance: accepted.instance,
    })
}

/// The attributes kept beside the rows, by level.
fn members(json: &[u8]) -> [Members; 3] {
    let mut levels = [Members::new(), Members::new(), Members::new()];
    for member in json::members(json) {
        let Some(attribute) = crate::index::ATTRIBUTES.iter().find(|known| known.tag == member.tag) else {
            continue;
        };
        let [study, series, instance] = &mut levels;
        let level = match attribute.level {
            Level::Study => study,
            Level::Series => series,
            Level::Instance => instance,
        };
        level.insert(tag_number(member.tag), member.value().to_vec());
    }
    levels
}

/// A dataset without the attributes that failed validation.
struct Usable<'a> {
    dataset: &'a Dataset<'a>,
    omitted: &'a [Tag],
}

impl Usable<'_> {
    fn text(&self, tag: Tag) -> Option<String> {
        if self.omitted.contains(&tag) {
            return None;
        }
        let text = self.dataset.first_text(tag)?;
        (!text.is_empty()).then(|| text.chars().filter(|c| *c != '\0').take(COLUMN_CHARS_MAX).collect())
    }

    fn folded(&self, tag: Tag) -> Option<String> {
        let mut text = folded(&self.text(tag)?);
        text.truncate(text.floor_char_boundary(FOLDED_BYTES_MAX));
        Some(text)
    }

    fn integer(&self, tag: Tag) -> Option<i64> {
        if self.omitted.contains(&tag) { None } else { self.dataset.integer(tag) }
    }

    /// The level's matching columns in the order of the attribute table, but those that are keys of the row.
    fn columns(&self, level: Level) -> Vec<Value> {
        of_level(level)
            .filter_map(|attribute| Some((attribute, attribute.column?.1)))
            .filter(|(_, matching)| *matching != Matching::Uid)
            .map(|(attribute, matching)| self.column(attribute, matching))
            .collect()
    }

    fn column(&self, attribute: &Attribute, matching: Matching) -> Value {
        let tag = attribute.tag;
        match matching {
            Matching::Integer => self.integer(tag).into(),
            Matching::Text | Matching::PersonName => self.folded(tag).into(),
            Matching::Date => self.text(tag).filter(|text| is_date(text)).into(),
            Matching::Time => self.text(tag).and_then(|text| normal_time(&text)).into(),
            Matching::Uid => self.text(tag).into(),
        }
    }

    /// The IDs in the first item of Request Attributes Sequence (0040,0275).
    fn request_columns(&self) -> [Value; 2] {
        let item = self
            .dataset
            .get(tags::REQUEST_ATTRIBUTES_SEQUENCE)
            .filter(|element| !self.omitted.contains(&element.tag))
            .and_then(|element| self.dataset.items(element).next());
        [tags::SCHEDULED_PROCEDURE_STEP_ID, tags::REQUESTED_PROCEDURE_ID].map(|tag| {
            let inner = item.as_ref().map(|item| Usable { dataset: item, omitted: &[] });
            inner.and_then(|inner| inner.folded(tag)).into()
        })
    }

    fn words(&self, tag: Tag) -> NameWords {
        let mut words = self.text(tag).map(|name| name_words(&name)).unwrap_or_default();
        for word in &mut words {
            word.truncate(word.floor_char_boundary(FOLDED_BYTES_MAX));
        }
        words.sort_unstable();
        words.dedup();
        words.truncate(NAME_WORDS_MAX);
        NameWords { attribute: tag_number(tag), words }
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `HHMMSS.FFFFFF` with missing parts as zeros (PS3.5 §6.2: TM), so that times compare as text.
fn normal_time(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_time = matches!(whole.len(), 2 | 4 | 6)
        && fraction.len() <= 6
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    is_time.then(|| format!("{whole:0<6}.{fraction:0<6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_filled_up_with_zeros() {
        assert_eq!(normal_time("10").as_deref(), Some("100000.000000"));
        assert_eq!(normal_time("101530.5").as_deref(), Some("101530.500000"));
        assert_eq!(normal_time("10:15"), None);
        assert_eq!(normal_time(""), None);
    }

    #[test]
    fn the_columns_stand_in_the_order_of_the_insert_statements() {
        let names = |level| {
            of_level(level)
                .filter_map(|attribute| attribute.column)
                .filter(|(_, matching)| *matching != Matching::Uid)
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        for (statement, level) in [
            (crate::index::sql::INSERT_STUDY, Level::Study),
            (crate::index::sql::INSERT_SERIES, Level::Series),
        ] {
            let mut rest = statement;
            for name in names(level) {
                let at = rest.find(name).unwrap_or_else(|| panic!("{name} is missing or misplaced"));
                rest = &rest[at + name.len()..];
            }
        }
    }
}
