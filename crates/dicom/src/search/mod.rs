//! Search (QIDO-RS, PS3.18 §10.6): query string → [`SearchRequest`] → the index → a JSON array.
//!
//! [`parse::parse`] checks everything that comes from outside; [`search`] knows no HTTP; `response` writes the results
//! from the JSON kept beside the rows, without parsing values.

pub(crate) mod http;
pub mod parse;

mod error;
mod response;
mod values;

#[cfg(test)]
mod tests;

use dicom_core::Tag;
use hilum_access::{Permit, Read};
use hilum_kernel::{PartitionKey, SeriesUid, StudyUid};
use hilum_storage::db::Db;

pub use error::{AttributeName, SearchError};

use crate::{
    ApiVersion,
    index::{
        Level,
        query::{self, Column, Condition, Query, Test},
    },
};

/// The six resources that can be searched (PS3.18 Table 10.6.1-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `/studies`
    Studies,
    /// `/series`
    Series,
    /// `/instances`
    Instances,
    /// `/studies/{study}/series`
    StudySeries(StudyUid),
    /// `/studies/{study}/instances`
    StudyInstances(StudyUid),
    /// `/studies/{study}/series/{series}/instances`
    SeriesInstances(StudyUid, SeriesUid),
}

impl Resource {
    /// The levels whose attributes may filter, and are returned.
    fn levels(&self) -> &'static [Level] {
        match self {
            Self::Studies => &[Level::Study],
            Self::Series => &[Level::Study, Level::Series],
            Self::Instances => &[Level::Study, Level::Series, Level::Instance],
            Self::StudySeries(_) => &[Level::Series],
            Self::StudyInstances(_) => &[Level::Series, Level::Instance],
            Self::SeriesInstances(..) => &[Level::Instance],
        }
    }

    /// The level of the results.
    fn level(&self) -> Level {
        match self {
            Self::Studies => Level::Study,
            Self::Series | Self::StudySeries(_) => Level::Series,
            Self::Instances | Self::StudyInstances(_) | Self::SeriesInstances(..) => Level::Instance,
        }
    }

    /// The study of the path.
    fn study(&self) -> Option<&StudyUid> {
        match self {
            Self::StudySeries(study) | Self::StudyInstances(study) | Self::SeriesInstances(study, _) => {
                Some(study)
            }
            Self::Studies | Self::Series | Self::Instances => None,
        }
    }

    /// The series of the path.
    fn series(&self) -> Option<&SeriesUid> {
        if let Self::SeriesInstances(_, series) = self { Some(series) } else { None }
    }

    /// The keyword of an attribute whose value the path gives already.
    fn named_by_path(&self, tag: Tag) -> Option<&'static str> {
        match tag {
            STUDY_INSTANCE_UID if self.study().is_some() => Some("StudyInstanceUID"),
            SERIES_INSTANCE_UID if self.series().is_some() => Some("SeriesInstanceUID"),
            _ => None,
        }
    }
}

const STUDY_INSTANCE_UID: Tag = Tag(0x0020, 0x000D);
const SERIES_INSTANCE_UID: Tag = Tag(0x0020, 0x000E);

/// What `includefield` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Include {
    /// All that is kept beside the rows.
    All,
    /// These, besides the defaults.
    Fields(Vec<Tag>),
}

impl Default for Include {
    fn default() -> Self {
        Self::Fields(Vec::new())
    }
}

/// A checked search.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    resource: Resource,
    version: ApiVersion,
    conditions: Vec<Condition>,
    /// The attributes that conditions name: they are returned.
    filtered: Vec<Tag>,
    /// Extended query tags among them under which not all values could be taken.
    erroneous: Vec<AttributeName>,
    include: Include,
    limit: u32,
    offset: u32,
}

impl SearchRequest {
    /// The resource's path below the version, for the audit trail.
    pub(crate) fn path(&self) -> String {
        match &self.resource {
            Resource::Studies => "/studies".to_owned(),
            Resource::Series => "/series".to_owned(),
            Resource::Instances => "/instances".to_owned(),
            Resource::StudySeries(study) => format!("/studies/{study}/series"),
            Resource::StudyInstances(study) => format!("/studies/{study}/instances"),
            Resource::SeriesInstances(study, series) => format!("/studies/{study}/series/{series}/instances"),
        }
    }

    /// The extended query tags under which not all values could be taken, for a header: answers may be incomplete.
    pub(crate) fn erroneous_attributes(&self) -> Option<String> {
        let names: Vec<String> = self.erroneous.iter().map(AttributeName::to_string).collect();
        (!names.is_empty()).then(|| names.join(","))
    }

    /// The one PatientID that was asked for, folded.
    pub(crate) fn patient_id(&self) -> Option<&str> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Column { column: Column { name: "patient_id", .. }, test: Test::Equals(id) } => {
                Some(id.as_str())
            }
            _ => None,
        })
    }
}

/// Where a search looks, and where its results say they are.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The partition.
    pub partition: PartitionKey,
    /// The service's URL up to the version or partition, without a slash at its end:
    /// `https://host/dicom/v2[/partitions/{name}]`. RetrieveURL begins with it.
    pub base: &'a str,
}

/// The results of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchAnswer {
    /// How many there are; the page may have been cut by the limit.
    pub results: usize,
    /// A JSON array of them (PS3.18 Annex F).
    pub body: Vec<u8>,
}

/// Searches the index. Results come newest first.
pub async fn search(
    db: &Db,
    _permit: &Permit<Read>,
    place: Place<'_>,
    request: &SearchRequest,
) -> Result<SearchAnswer, SearchError> {
    let fields = response::Fields::of(request);
    let query = Query {
        partition: place.partition,
        level: request.resource.level(),
        study: request.resource.study().cloned(),
        series: request.resource.series().cloned(),
        conditions: request.conditions.clone(),
        limit: request.limit,
        offset: request.offset,
    };
    let mut tx = db.read().await?;
    let found = query::run(&mut tx, query, fields.wanted()).await?;
    drop(tx);
    let results = found.len();
    let body = if fields.wanted().detail {
        // Up to 200 whole datasets are decompressed: too much for a thread that others wait for.
        let base = place.base.to_owned();
        let written = tokio::task::spawn_blocking(move || response::write(&found, &fields, &base)).await;
        written.map_err(|_| SearchError::Db(hilum_storage::db::DbError::Panicked))??
    } else {
        response::write(&found, &fields, place.base)?
    };
    Ok(SearchAnswer { results, body })
}
