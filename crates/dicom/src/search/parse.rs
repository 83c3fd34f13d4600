//! The query string: which parameters there are, and what each asks for (PS3.18 §8.3.4, Azure: conformance
//! statement, "Search").

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry},
};
use dicom_dictionary_std::StandardDataDictionary;

use super::{AttributeName, Include, Resource, SearchError, SearchRequest, values};
use crate::{
    ApiVersion,
    dataset::vr,
    extended_query_tags::{ExtendedTag, QueryStatus, Status},
    index::{ATTRIBUTES, Attribute, Level, Matching, attributes::MODALITIES_IN_STUDY, query::Column},
    query_string::{decoded, shown},
};

/// The longest query string: HTTP/1.1 servers commonly take 8 KB, a list of 256 UIDs needs 17 KB. Beyond: 400.
const QUERY_BYTES_MAX: usize = 32 * 1024;
/// The most parameters. Beyond: 400.
const PARAMETERS_MAX: usize = 256;
/// Fields asked for by `includefield`, all lists together. Beyond: 400.
const INCLUDED_MAX: usize = 256;
/// Azure's highest `limit`.
const LIMIT_MAX: u32 = 200;
/// Azure's `limit` where none is given.
const LIMIT_DEFAULT: u32 = 100;
/// The largest offset: that of a 32-bit integer.
const OFFSET_MAX: u32 = 0x7FFF_FFFF;

/// Request Attributes Sequence (0040,0275): the one sequence whose items may be asked for.
const REQUEST_ATTRIBUTES: Tag = Tag(0x0040, 0x0275);

/// Reads the query string of a search.
///
/// Extended query tags are not known here: see [`parse_with`].
///
/// # Errors
/// What the client must mend, in Azure's words where they are known.
pub fn parse(
    resource: Resource,
    version: ApiVersion,
    query: Option<&str>,
) -> Result<SearchRequest, SearchError> {
    parse_with(resource, version, query, &[])
}

/// As [`parse`], where these extended query tags may filter, too.
pub(crate) fn parse_with(
    resource: Resource,
    version: ApiVersion,
    query: Option<&str>,
    tags: &[ExtendedTag],
) -> Result<SearchRequest, SearchError> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(SearchError::QueryTooLong { max: QUERY_BYTES_MAX });
    }
    if query.contains('<') || query.contains("%3c") || query.contains("%3C") {
        return Err(SearchError::InvalidCharacters);
    }
    let parameters: Vec<&str> =
        query.split('&').filter(|part| !part.is_empty()).take(PARAMETERS_MAX + 1).collect();
    if parameters.len() > PARAMETERS_MAX {
        return Err(SearchError::TooManyParameters { max: PARAMETERS_MAX });
    }
    let mut named = Named::default();
    let mut filters = Vec::new();
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = decoded(name).zip(decoded(value)).ok_or(SearchError::NotUtf8)?;
        if !named.take(&name, &value)? {
            filters.push((name, value));
        }
    }
    let mut request = SearchRequest {
        resource,
        version,
        conditions: Vec::new(),
        filtered: Vec::new(),
        erroneous: Vec::new(),
        include: named.include,
        limit: named.limit.unwrap_or(LIMIT_DEFAULT),
        offset: named.offset.unwrap_or(0),
    };
    let mut seen = Vec::new();
    for (name, value) in &filters {
        let target = target(&request.resource, name, tags)?;
        if seen.contains(&target) {
            return Err(SearchError::Duplicate { name: shown(name) });
        }
        if values::trimmed(value).is_empty() {
            return Err(SearchError::EmptyValue { name: shown(name) });
        }
        values::conditions(&mut request.conditions, &target, value, named.fuzzy.unwrap_or(false))?;
        request.filtered.push(target.returned());
        if tags.iter().any(|known| known.errors > 0 && known.tag == target.returned()) {
            request.erroneous.push(target.keyword());
        }
        seen.push(target);
    }
    Ok(request)
}

/// The parameters that are no attributes. Their names have no case.
#[derive(Default)]
struct Named {
    limit: Option<u32>,
    offset: Option<u32>,
    fuzzy: Option<bool>,
    include: Include,
}

impl Named {
    /// Takes the parameter if it is one of these.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, SearchError> {
        if name.eq_ignore_ascii_case("limit") {
            let limit = number(self.limit, "Limit", value, 1..=LIMIT_MAX)?;
            self.limit = Some(limit);
        } else if name.eq_ignore_ascii_case("offset") {
            let offset = number(self.offset, "Offset", value, 0..=OFFSET_MAX)?;
            self.offset = Some(offset);
        } else if name.eq_ignore_ascii_case("fuzzymatching") {
            once("FuzzyMatching", self.fuzzy.is_some())?;
            self.fuzzy = Some(match value.trim() {
                text if text.eq_ignore_ascii_case("true") => true,
                text if text.eq_ignore_ascii_case("false") => false,
                _ => return Err(not_valid("FuzzyMatching", value)),
            });
        } else if name.eq_ignore_ascii_case("includefield") {
            for field in value.split(',').map(str::trim).filter(|field| !field.is_empty()) {
                self.include_field(field)?;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn include_field(&mut self, field: &str) -> Result<(), SearchError> {
        let all = field.eq_ignore_ascii_case("all");
        match &mut self.include {
            Include::Fields(fields) if all && fields.is_empty() => self.include = Include::All,
            Include::All if all => {}
            Include::Fields(_) if all => return Err(SearchError::FieldsBesideAll),
            Include::All => return Err(SearchError::FieldsBesideAll),
            Include::Fields(fields) => {
                let tag = tag_of(field)
                    .or_else(|| private_tag(field))
                    .ok_or_else(|| SearchError::UnknownField { name: shown(field) })?;
                if !fields.contains(&tag) {
                    fields.push(tag);
                }
                if fields.len() > INCLUDED_MAX {
                    return Err(SearchError::TooManyFields { max: INCLUDED_MAX });
                }
            }
        }
        Ok(())
    }
}

fn once(name: &'static str, seen: bool) -> Result<(), SearchError> {
    if seen {
        return Err(SearchError::Parameter { name, detail: "It is given more than once.".to_owned() });
    }
    Ok(())
}

fn not_valid(name: &'static str, value: &str) -> SearchError {
    SearchError::Parameter { name, detail: format!("The value '{}' is not valid for {name}.", shown(value)) }
}

fn number(
    known: Option<u32>,
    name: &'static str,
    value: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, SearchError> {
    once(name, known.is_some())?;
    // A number that is too large for us is out of range like any other.
    let digits = value.trim();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_valid(name, value));
    }
    let (low, high) = (*range.start(), *range.end());
    digits.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| SearchError::Parameter {
        name,
        detail: format!("The field {name} must be between {low} and {high}."),
    })
}

/// What a filter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// An attribute with a column.
    Column { keyword: &'static str, tag: Tag, column: Column, matching: Matching },
    /// An attribute of an item of Request Attributes Sequence.
    Item { keyword: &'static str, column: Column },
    /// ModalitiesInStudy (0008,0061).
    ModalitiesInStudy,
    /// An extended query tag.
    Extended { tag: Tag, key: i64, level: Level, vr: VR },
}

impl Target {
    pub(super) fn keyword(&self) -> AttributeName {
        match *self {
            Self::Column { keyword, .. } | Self::Item { keyword, .. } => AttributeName::Keyword(keyword),
            Self::ModalitiesInStudy => AttributeName::Keyword("ModalitiesInStudy"),
            Self::Extended { tag, .. } => name_of(tag),
        }
    }

    /// The attribute that comes back with the results because it was asked for.
    fn returned(&self) -> Tag {
        match self {
            Self::Column { tag, .. } | Self::Extended { tag, .. } => *tag,
            Self::Item { .. } => REQUEST_ATTRIBUTES,
            Self::ModalitiesInStudy => MODALITIES_IN_STUDY,
        }
    }
}

fn target(resource: &Resource, name: &str, tags: &[ExtendedTag]) -> Result<Target, SearchError> {
    let not_queryable = || SearchError::NotQueryable { name: shown(name) };
    let reaches = |level: Level| {
        if resource.levels().contains(&level) { Ok(()) } else { Err(not_queryable()) }
    };
    if name.contains('.') {
        let item = item(name).ok_or_else(|| SearchError::SequencePath { name: shown(name) })?;
        return reaches(Level::Series).map(|()| item);
    }
    let Some(tag) = tag_of(name) else {
        // A private attribute is a good name, but one that is not indexed unless somebody asked for it.
        let tag = private_tag(name).ok_or_else(|| SearchError::UnknownParameter { name: shown(name) })?;
        let known = tags.iter().find(|known| known.tag == tag).ok_or_else(not_queryable)?;
        return reaches(known.level).and_then(|()| extended(known, not_queryable));
    };
    if let Some(keyword) = resource.named_by_path(tag) {
        return Err(SearchError::InPath { keyword });
    }
    if tag == MODALITIES_IN_STUDY {
        return reaches(Level::Study).map(|()| Target::ModalitiesInStudy);
    }
    let Some(attribute) = indexed(tag).filter(|attribute| attribute.column.is_some()) else {
        let known = tags.iter().find(|known| known.tag == tag).ok_or_else(not_queryable)?;
        return reaches(known.level).and_then(|()| extended(known, not_queryable));
    };
    reaches(attribute.level)?;
    match (Column::of(attribute), attribute.column) {
        (Some(column), Some((_, matching))) => {
            Ok(Target::Column { keyword: attribute.keyword, tag, column, matching })
        }
        _ => Err(not_queryable()),
    }
}

/// Only a tag that all instances were indexed for may filter, and only while its queries are enabled.
fn extended(known: &ExtendedTag, not_queryable: impl Fn() -> SearchError) -> Result<Target, SearchError> {
    match (known.status, known.query_status) {
        (Status::Adding, _) => Err(not_queryable()),
        (Status::Ready, QueryStatus::Disabled) => Err(SearchError::Disabled { name: name_of(known.tag) }),
        (Status::Ready, QueryStatus::Enabled) => {
            Ok(Target::Extended { tag: known.tag, key: known.key, level: known.level, vr: known.vr })
        }
    }
}

fn name_of(tag: Tag) -> AttributeName {
    vr::keyword(tag).map_or(AttributeName::Tag(tag), AttributeName::Keyword)
}

fn indexed(tag: Tag) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.tag == tag)
}

/// PS3.18 Table 10.6.1-5 asks for two attributes of the items of Request Attributes Sequence.
fn item(path: &str) -> Option<Target> {
    let (sequence, attribute) = path.split_once('.')?;
    if tag_of(sequence)? != REQUEST_ATTRIBUTES {
        return None;
    }
    let (keyword, column) = match tag_of(attribute)? {
        Tag(0x0040, 0x0009) => ("RequestAttributesSequence.ScheduledProcedureStepID", "scheduled_step_id"),
        Tag(0x0040, 0x1001) => ("RequestAttributesSequence.RequestedProcedureID", "requested_procedure_id"),
        _ => return None,
    };
    Some(Target::Item { keyword, column: Column::new(Level::Series, column) })
}

/// The standard attribute of that keyword (case-sensitive) or `GGGGEEEE`.
fn tag_of(name: &str) -> Option<Tag> {
    let entry = StandardDataDictionary.by_name(name).map(DataDictionaryEntry::tag);
    entry.or_else(|| digits(name).filter(|&tag| vr::keyword(tag).is_some())).filter(|tag| {
        // Group lengths and private creators are in the dictionary, but no attributes to ask for.
        tag.element() != 0 && tag.group() % 2 == 0
    })
}

/// PS3.5 §7.8: odd groups above 0008, without FFFF.
fn private_tag(name: &str) -> Option<Tag> {
    digits(name).filter(|tag| {
        tag.group() % 2 == 1 && tag.group() > 8 && tag.group() != 0xFFFF && tag.element() > 0xFF
    })
}

fn digits(name: &str) -> Option<Tag> {
    if name.len() != 8 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(name, 16).ok()?;
    Some(Tag(u16::try_from(number >> 16).ok()?, u16::try_from(number & 0xFFFF).ok()?))
}
