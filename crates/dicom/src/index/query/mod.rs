//! Typed query → SQL → rows: what a search asks of the index (PS3.18 §10.6, PS3.4 §C.2.2.2).
//!
//! Results come newest first, that is by falling key. Two ways lead there: a *drive* takes the rows that one indexed
//! condition gives and sorts them; a *walk* goes down the keys and tests each row until the page is full. A drive
//! is quick where little matches, a walk where much does; a bounded count of the matches decides ([`access::choose`]).
//! A third way is for the words of names: what each word's index entries give in the order of keys is merged ([`words`]).
//! Text is compared folded, with `=` and ranges only; other wildcards are matched in Rust on pages of candidates.

mod access;
mod extended;
mod pattern;
mod sql;
mod words;

#[cfg(test)]
pub(crate) mod tests;

use hilum_kernel::{PartitionKey, SeriesUid, StudyUid};
use hilum_storage::db::{DbError, ReadTx, Row};
use thiserror::Error;

use super::attributes::{Attribute, Level};
use access::Access;
use sql::Layout;

pub(crate) use pattern::Pattern;

/// Candidates of a wildcard that are looked at in one statement: at first little more than is wanted, as most of those
/// that an index finds match.
const PAGE_ROWS_MIN: u32 = 128;
const PAGE_ROWS: u32 = 2_000;
/// Pages of candidates for one query: half a million rows, about two seconds. Beyond: [`QueryError::TooBroad`].
const PAGES_MAX: u32 = 250;
/// Different modalities a partition may have before wildcards on them are incomplete: PS3.3 defines under 100.
const MODALITIES_MAX: usize = 500;

/// What the index is asked for. All conditions must hold.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) partition: PartitionKey,
    /// The level of the results.
    pub(crate) level: Level,
    /// Results belong to this study.
    pub(crate) study: Option<StudyUid>,
    /// Results belong to this series of that study.
    pub(crate) series: Option<SeriesUid>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) limit: u32,
    pub(crate) offset: u32,
}

/// A matching column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) level: Level,
    pub(crate) name: &'static str,
    index: Index,
}

/// What the schema's indexes do for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    None,
    /// Finds its rows, in no useful order.
    Plain,
    /// Rows of one value come in the order of their keys.
    Ordered,
    /// A value has one row, or hardly more.
    Unique,
}

impl Column {
    pub(crate) fn new(level: Level, name: &'static str) -> Self {
        let index = match name {
            "study_uid" | "series_uid" | "sop_instance_uid" => Index::Unique,
            "modality" => Index::Plain,
            "patient_id"
            | "study_date"
            | "accession_number"
            | "patient_name"
            | "referring_physician_name"
            | "study_description"
            | "patient_birth_date"
            | "study_id"
            | "manufacturer_model_name"
            | "step_start_date" => Index::Ordered,
            _ => Index::None,
        };
        Self { level, name, index }
    }

    /// The column of an attribute that has one.
    pub(crate) fn of(attribute: &Attribute) -> Option<Self> {
        attribute.column.map(|(name, _)| Self::new(attribute.level, name))
    }
}

/// One condition on the results or on what they belong to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// The column's value passes the test.
    Column { column: Column, test: Test },
    /// The study has a name with such a word.
    Word { attribute: u32, word: String, place: Place },
    /// The study has a name with one of these words.
    Words { attribute: u32, words: Vec<String> },
    /// The study has a series of one of these modalities, given folded.
    ModalityInStudy(Vec<String>),
    /// The study has a series whose modality matches.
    ModalityLike(Pattern),
    /// What is kept under an extended query tag of that key passes the test.
    Extended { tag: i64, level: Level, kept: Kept, test: Test },
    /// Tested in Rust on the candidates that the other conditions leave.
    Filter { column: Column, matcher: Matcher },
}

/// In which form a value is kept under an extended query tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// As text that is compared.
    Text,
    /// As a number.
    Number,
    /// As the words of a name.
    Words,
}

/// Where in a name's word a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The word begins with it.
    Beginning,
    /// The word contains it. Only finds candidates: a [`Condition::Filter`] goes with it.
    Anywhere,
}

/// A test that the database makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Equals(String),
    OneOf(Vec<String>),
    /// Both ends included.
    Range {
        from: Option<String>,
        to: Option<String>,
    },
    Prefix(String),
    /// A person name that is this text, or begins with it as its first component group.
    Name(String),
    Integer(i64),
    Number(f64),
}

/// A test made in Rust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matcher {
    /// The whole value matches.
    Whole(Pattern),
    /// The whole value or one of a person name's component groups (PS3.5 §6.2.1) matches.
    Groups(Pattern),
}

impl Matcher {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Whole(pattern) => pattern.matches(value),
            Self::Groups(pattern) => {
                pattern.matches(value) || value.split('=').any(|group| pattern.matches(group))
            }
        }
    }
}

impl Condition {
    fn level(&self) -> Level {
        match self {
            Self::Column { column, .. } | Self::Filter { column, .. } => column.level,
            Self::Extended { level, .. } => *level,
            Self::Word { .. } | Self::Words { .. } | Self::ModalityInStudy(_) | Self::ModalityLike(_) => {
                Level::Study
            }
        }
    }

    /// Whether its index gives results of that level in the order of their keys.
    fn is_ordered_at(&self, level: Level) -> bool {
        matches!(self, Self::Column { column, test: Test::Equals(_) } if column.index == Index::Ordered && column.level == level)
    }
}

/// What is read of each result.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a selection of independent columns")]
pub(crate) struct Wanted {
    /// DICOM JSON of the study's attributes; likewise below.
    pub(crate) study: bool,
    pub(crate) series: bool,
    pub(crate) instance: bool,
    /// The modalities of the study's series.
    pub(crate) modalities: bool,
    pub(crate) study_series: bool,
    pub(crate) study_instances: bool,
    pub(crate) series_instances: bool,
    /// The whole metadata of the newest instance of the result, compressed.
    pub(crate) detail: bool,
}

/// One result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// UIDs are those of the path where the query names them.
    pub(crate) study_uid: String,
    pub(crate) series_uid: String,
    pub(crate) instance_uid: String,
    pub(crate) study: Vec<u8>,
    pub(crate) series: Vec<u8>,
    pub(crate) instance: Vec<u8>,
    /// One for each series that has one, folded, separated by backslashes.
    pub(crate) modalities: String,
    pub(crate) study_series: i64,
    pub(crate) study_instances: i64,
    pub(crate) series_instances: i64,
    pub(crate) detail: Option<Vec<u8>>,
}

/// Why a query has no answer.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// The wildcards would have to be tried on more rows than one request may cost.
    #[error("the query looks at too many rows")]
    TooBroad,
    /// The database failed.
    #[error("the index cannot be read")]
    Db(#[from] DbError),
}

/// Runs a query. Results come newest first.
pub(crate) async fn run(tx: &mut ReadTx, mut query: Query, wanted: Wanted) -> Result<Vec<Found>, QueryError> {
    resolve_modalities(tx, &mut query).await?;
    if !words::resolve(tx, &mut query).await? {
        return Ok(Vec::new());
    }
    let filters: Vec<_> = query
        .conditions
        .iter()
        .filter_map(|condition| match condition {
            Condition::Filter { column, matcher } => Some((*column, matcher)),
            _ => None,
        })
        .collect();
    if let Some(keys) = words::newest(tx, &query, &filters).await? {
        return Ok(rows_of_keys(tx, &query, &keys, wanted).await?);
    }
    let Some(access) = access::choose(tx, &query).await? else { return Ok(Vec::new()) };
    if !filters.is_empty() {
        let keys = filtered_keys(tx, &query, access, &filters).await?;
        return Ok(rows_of_keys(tx, &query, &keys, wanted).await?);
    }
    if let Access::Broad { newest, .. } = access {
        let (statement, layout) = sql::rows(&query, Access::Walk { newest: Some(newest) }, wanted);
        let rows = tx.fetch_all_of(&statement).await?;
        if u32::try_from(rows.len()).is_ok_and(|count| count == query.limit) {
            return Ok(read(rows, &query, &layout)?);
        }
        // The newest rows did not fill the page: the index must.
    }
    let (statement, layout) = sql::rows(&query, access, wanted);
    Ok(read(tx.fetch_all_of(&statement).await?, &query, &layout)?)
}

async fn rows_of_keys(
    tx: &mut ReadTx,
    query: &Query,
    keys: &[i64],
    wanted: Wanted,
) -> Result<Vec<Found>, DbError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (statement, layout) = sql::rows_of_keys(query, keys, wanted);
    read(tx.fetch_all_of(&statement).await?, query, &layout)
}

/// Wildcards on ModalitiesInStudy become a list of the partition's modalities that match.
async fn resolve_modalities(tx: &mut ReadTx, query: &mut Query) -> Result<(), QueryError> {
    for condition in &mut query.conditions {
        if let Condition::ModalityLike(pattern) = condition {
            let mut matching = Vec::new();
            let rows = tx.fetch_all(sql::MODALITIES, &[query.partition.into()]).await?;
            if rows.len() > MODALITIES_MAX {
                return Err(QueryError::TooBroad);
            }
            for row in rows {
                let modality = row.text(0)?;
                if pattern.matches(&modality) {
                    matching.push(modality);
                }
            }
            *condition = Condition::ModalityInStudy(matching);
        }
    }
    Ok(())
}

/// Goes through the candidates, newest first, and keeps the keys of the asked page.
async fn filtered_keys(
    tx: &mut ReadTx,
    query: &Query,
    access: Access,
    filters: &[(Column, &Matcher)],
) -> Result<Vec<i64>, QueryError> {
    let access = match access {
        // Each page would sort all matches anew.
        Access::Broad { .. } => Access::Walk { newest: None },
        other => other,
    };
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut skip = query.offset;
    let mut keys = Vec::new();
    let mut before = i64::MAX;
    let mut page = query.limit.saturating_add(query.offset).clamp(PAGE_ROWS_MIN, PAGE_ROWS);
    for _ in 0..PAGES_MAX {
        let statement = sql::candidates(query, access, filters, before, page);
        let rows = tx.fetch_all_of(&statement).await?;
        for row in &rows {
            before = row.int(0)?;
            if !passes(row, filters)? {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            keys.push(before);
            if keys.len() == wanted {
                return Ok(keys);
            }
        }
        if u32::try_from(rows.len()).is_ok_and(|count| count < page) {
            return Ok(keys);
        }
        page = page.saturating_mul(4).min(PAGE_ROWS);
    }
    Err(QueryError::TooBroad)
}

fn passes(row: &Row, filters: &[(Column, &Matcher)]) -> Result<bool, DbError> {
    for (index, (_, matcher)) in filters.iter().enumerate() {
        match row.opt_text(index + 1)? {
            Some(value) if matcher.matches(&value) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn read(rows: Vec<Row>, query: &Query, layout: &Layout) -> Result<Vec<Found>, DbError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push((row.int(0)?, read_row(&row, query, layout)?));
    }
    // Sorting two hundred keys here is cheaper than carrying whole rows through the database's sorter.
    found.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

fn read_row(row: &Row, query: &Query, layout: &Layout) -> Result<Found, DbError> {
    let text = |at: Option<usize>| {
        at.map_or(Ok(String::new()), |at| row.opt_text(at).map(Option::unwrap_or_default))
    };
    let blob = |at: Option<usize>| at.map_or(Ok(Vec::new()), |at| row.blob(at));
    let int = |at: Option<usize>| at.map_or(Ok(0), |at| row.int(at));
    Ok(Found {
        study_uid: match &query.study {
            Some(uid) => uid.as_str().to_owned(),
            None => text(layout.study_uid)?,
        },
        series_uid: match &query.series {
            Some(uid) => uid.as_str().to_owned(),
            None => text(layout.series_uid)?,
        },
        instance_uid: text(layout.instance_uid)?,
        study: blob(layout.study)?,
        series: blob(layout.series)?,
        instance: blob(layout.instance)?,
        modalities: text(layout.modalities)?,
        study_series: int(layout.study_series)?,
        study_instances: int(layout.study_instances)?,
        series_instances: int(layout.series_instances)?,
        detail: match layout.detail {
            Some(at) => row.opt_blob(at)?,
            None => None,
        },
    })
}
