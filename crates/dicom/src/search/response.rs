//! The results as DICOM JSON (PS3.18 §10.6.3.2 and Annex F): members picked from the JSON beside the rows.

use dicom_core::Tag;

use super::{Include, Resource, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, SearchError, SearchRequest};
use crate::{
    ApiVersion,
    dataset::json::{Member, Members, members},
    index::{
        ATTRIBUTES, Level,
        attributes::{
            MODALITIES_IN_STUDY, NUMBER_OF_SERIES_RELATED_INSTANCES, NUMBER_OF_STUDY_RELATED_INSTANCES,
            NUMBER_OF_STUDY_RELATED_SERIES,
        },
        metadata,
        query::{Found, Wanted},
    },
};

const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
const INSTANCE_AVAILABILITY: Tag = Tag(0x0008, 0x0056);
const TIMEZONE_OFFSET_FROM_UTC: Tag = Tag(0x0008, 0x0201);
const RETRIEVE_URL: Tag = Tag(0x0008, 0x1190);

/// Bytes of a result with its defaults, to size the answer.
const RESULT_BYTES: usize = 1_024;

/// The attributes of each result, in the order of their tags.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    level: Level,
    fields: Vec<(Tag, Source)>,
}

/// Where an attribute's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Study,
    Series,
    Instance,
    /// The metadata of the newest instance.
    Detail,
    StudyUid,
    SeriesUid,
    RetrieveUrl,
    Availability,
    Modalities,
    StudySeries,
    StudyInstances,
    SeriesInstances,
}

impl Fields {
    /// Defaults, filters, the path's UIDs and `includefield` (PS3.18 §10.6.3.3; Azure: "Search response").
    pub(super) fn of(request: &SearchRequest) -> Self {
        let resource = &request.resource;
        let level = resource.level();
        let mut tags = vec![RETRIEVE_URL];
        tags.extend(defaults(resource, request.version));
        tags.extend(&request.filtered);
        tags.extend(resource.study().map(|_| STUDY_INSTANCE_UID));
        tags.extend(resource.series().map(|_| SERIES_INSTANCE_UID));
        match &request.include {
            Include::Fields(fields) => tags.extend(fields),
            Include::All => {
                tags.extend(defaults(resource, ApiVersion::V1));
                let all = ATTRIBUTES.iter().filter(|attribute| resource.levels().contains(&attribute.level));
                tags.extend(all.map(|attribute| attribute.tag));
            }
        }
        tags.sort_unstable();
        tags.dedup();
        Self { level, fields: tags.into_iter().map(|tag| (tag, source(tag, level))).collect() }
    }

    /// What must be read for them.
    pub(super) fn wanted(&self) -> Wanted {
        let has = |source: Source| self.fields.iter().any(|(_, own)| *own == source);
        Wanted {
            study: has(Source::Study),
            series: has(Source::Series),
            instance: has(Source::Instance),
            modalities: has(Source::Modalities),
            study_series: has(Source::StudySeries),
            study_instances: has(Source::StudyInstances),
            series_instances: has(Source::SeriesInstances),
            detail: has(Source::Detail),
        }
    }
}

fn defaults(resource: &Resource, version: ApiVersion) -> impl Iterator<Item = Tag> {
    let levels = resource.levels();
    let own = ATTRIBUTES.iter().filter(move |attribute| {
        let default = match version {
            ApiVersion::V1 => attribute.v1_default,
            ApiVersion::V2 => attribute.v2_default,
        };
        default && levels.contains(&attribute.level)
    });
    // v1 returns these at every level; the index keeps them with the study.
    let everywhere: &[Tag] = match version {
        ApiVersion::V1 if resource.level() == Level::Instance => {
            &[SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET_FROM_UTC, INSTANCE_AVAILABILITY]
        }
        ApiVersion::V1 => &[SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET_FROM_UTC],
        ApiVersion::V2 => &[],
    };
    own.map(|attribute| attribute.tag).chain(everywhere.iter().copied())
}

fn source(tag: Tag, level: Level) -> Source {
    match tag {
        RETRIEVE_URL => Source::RetrieveUrl,
        INSTANCE_AVAILABILITY => Source::Availability,
        STUDY_INSTANCE_UID => Source::StudyUid,
        SERIES_INSTANCE_UID if level >= Level::Series => Source::SeriesUid,
        MODALITIES_IN_STUDY => Source::Modalities,
        NUMBER_OF_STUDY_RELATED_SERIES => Source::StudySeries,
        NUMBER_OF_STUDY_RELATED_INSTANCES => Source::StudyInstances,
        NUMBER_OF_SERIES_RELATED_INSTANCES if level >= Level::Series => Source::SeriesInstances,
        tag => {
            match ATTRIBUTES.iter().find(|attribute| attribute.tag == tag).map(|attribute| attribute.level) {
                Some(own) if own > level => Source::Detail,
                Some(Level::Study) => Source::Study,
                Some(Level::Series) => Source::Series,
                Some(Level::Instance) => Source::Instance,
                None => Source::Detail,
            }
        }
    }
}

/// Writes the results as one array.
pub(super) fn write(found: &[Found], fields: &Fields, base: &str) -> Result<Vec<u8>, SearchError> {
    let mut out = Vec::with_capacity(found.len() * RESULT_BYTES + 2);
    let mut detail = Vec::new();
    out.push(b'[');
    for (index, one) in found.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        detail.clear();
        if let Some(stored) = &one.detail {
            metadata::decompress_into(stored, &mut detail)?;
        }
        write_result(&mut out, one, &detail, fields, base);
    }
    out.push(b']');
    Ok(out)
}

fn write_result(out: &mut Vec<u8>, found: &Found, detail: &[u8], fields: &Fields, base: &str) {
    let mut study = Picker::new(&found.study);
    let mut series = Picker::new(&found.series);
    let mut instance = Picker::new(&found.instance);
    let mut detail = Picker::new(detail);
    let start = out.len();
    for (tag, source) in &fields.fields {
        let before = out.len();
        out.push(if before == start { b'{' } else { b',' });
        let wrote = match source {
            Source::Study => study.write(out, *tag),
            Source::Series => series.write(out, *tag),
            Source::Instance => instance.write(out, *tag),
            Source::Detail => detail.write(out, *tag),
            Source::StudyUid => text(out, "0020000D\":{\"vr\":\"UI", &[&found.study_uid]),
            Source::SeriesUid => text(out, "0020000E\":{\"vr\":\"UI", &[&found.series_uid]),
            Source::RetrieveUrl => retrieve_url(out, found, fields.level, base),
            Source::Availability => text(out, "00080056\":{\"vr\":\"CS", &["ONLINE"]),
            Source::Modalities => modalities(out, &found.modalities),
            Source::StudySeries => number(out, "00201206", found.study_series),
            Source::StudyInstances => number(out, "00201208", found.study_instances),
            Source::SeriesInstances => number(out, "00201209", found.series_instances),
        };
        if !wrote {
            out.truncate(before);
        }
    }
    out.extend_from_slice(if out.len() == start { b"{}" } else { b"}" });
}

/// Goes through an object once, as its members and those asked for are both in the order of their tags.
struct Picker<'a> {
    members: Members<'a>,
    next: Option<Member<'a>>,
}

impl<'a> Picker<'a> {
    fn new(object: &'a [u8]) -> Self {
        let mut members = members(object);
        let next = members.next();
        Self { members, next }
    }

    fn write(&mut self, out: &mut Vec<u8>, tag: Tag) -> bool {
        while let Some(member) = self.next {
            if member.tag > tag {
                return false;
            }
            self.next = self.members.next();
            if member.tag == tag {
                out.extend_from_slice(member.json);
                return true;
            }
        }
        false
    }
}

/// One text value in pieces. None of them needs escaping: UIDs, codes and our own URL.
fn text(out: &mut Vec<u8>, head: &str, pieces: &[&str]) -> bool {
    out.push(b'"');
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b"\",\"Value\":[\"");
    for piece in pieces {
        out.extend(piece.bytes().filter(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\'));
    }
    out.extend_from_slice(b"\"]}");
    true
}

/// PS3.18 Table 10.6.3-3: where the result's study, series or instance is retrieved.
fn retrieve_url(out: &mut Vec<u8>, found: &Found, level: Level, base: &str) -> bool {
    const HEAD: &str = "00081190\":{\"vr\":\"UR";
    let (study, series) = (found.study_uid.as_str(), found.series_uid.as_str());
    match level {
        Level::Study => text(out, HEAD, &[base, "/studies/", study]),
        Level::Series => text(out, HEAD, &[base, "/studies/", study, "/series/", series]),
        Level::Instance => text(
            out,
            HEAD,
            &[base, "/studies/", study, "/series/", series, "/instances/", &found.instance_uid],
        ),
    }
}

/// The index keeps modalities folded; CS has capital letters only (PS3.5 §6.2).
fn modalities(out: &mut Vec<u8>, folded: &str) -> bool {
    if folded.is_empty() {
        return false;
    }
    let mut each: Vec<&str> = folded.split('\\').collect();
    each.sort_unstable();
    each.dedup();
    out.extend_from_slice(b"\"00080061\":{\"vr\":\"CS\",\"Value\":[");
    for (index, modality) in each.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        out.extend(
            modality
                .bytes()
                .filter(|&byte| byte >= 0x20 && byte != b'"')
                .map(|byte| byte.to_ascii_uppercase()),
        );
        out.push(b'"');
    }
    out.extend_from_slice(b"]}");
    true
}

/// An IS value.
fn number(out: &mut Vec<u8>, tag: &str, value: i64) -> bool {
    out.extend_from_slice(format!("\"{tag}\":{{\"vr\":\"IS\",\"Value\":[{value}]}}").as_bytes());
    true
}
