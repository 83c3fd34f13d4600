//! Finding what a path names.

use hilum_kernel::{
    InstanceKey, InstanceUid, PartitionKey, SeriesKey, SeriesUid, StudyKey, StudyUid, Watermark,
};
use hilum_storage::db::{DbError, ReadTx, Row, Statement};

use super::sql;

/// What of the archive a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A study.
    Study(StudyUid),
    /// A series.
    Series(StudyUid, SeriesUid),
    /// An instance.
    Instance(StudyUid, SeriesUid, InstanceUid),
}

impl Target {
    /// `study[/series[/instance]]`, as the audit trail names it.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Study(study) => study.to_string(),
            Self::Series(study, series) => format!("{study}/{series}"),
            Self::Instance(study, series, instance) => format!("{study}/{series}/{instance}"),
        }
    }
}

/// Where an instance's file is.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) key: InstanceKey,
    pub(crate) watermark: Watermark,
    pub(crate) transfer_syntax: String,
    pub(crate) blob_key: String,
    pub(crate) blob_bytes: u64,
}

/// What an ETag is made of, and the key to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Version<K> {
    pub(crate) key: K,
    pub(crate) watermark_max: i64,
    pub(crate) instances: i64,
}

/// How many instances a page of [`instances`] holds at most.
pub(crate) const PAGE: usize = 1000;

/// A page of the target's instances in the order of the index, those after `after`.
pub(crate) async fn instances(
    tx: &mut ReadTx,
    partition: PartitionKey,
    target: &Target,
    after: InstanceKey,
) -> Result<Vec<Located>, DbError> {
    let rows = match target {
        Target::Study(study) => {
            tx.fetch_all(sql::LIST_STUDY_INSTANCES, &[partition.into(), study.into(), after.into()]).await?
        }
        Target::Series(study, series) => {
            let arguments = [partition.into(), study.into(), series.into(), after.into()];
            tx.fetch_all(sql::LIST_SERIES_INSTANCES, &arguments).await?
        }
        Target::Instance(study, series, instance) if after == InstanceKey::new(0) => {
            let arguments = [partition.into(), study.into(), series.into(), instance.into()];
            tx.fetch_all(sql::FIND_INSTANCE, &arguments).await?
        }
        Target::Instance(..) => Vec::new(),
    };
    rows.iter().map(located).collect()
}

fn located(row: &Row) -> Result<Located, DbError> {
    Ok(Located {
        key: InstanceKey::new(row.int(0)?),
        watermark: Watermark::new(row.int(1)?),
        transfer_syntax: row.text(2)?,
        blob_key: row.text(3)?,
        blob_bytes: u64::try_from(row.int(4)?).map_err(|_| DbError::Corrupt { column: 4 })?,
    })
}

/// The stored frame index of an instance.
pub(crate) async fn frames(tx: &mut ReadTx, instance: InstanceKey) -> Result<Option<Vec<u8>>, DbError> {
    tx.fetch_optional(sql::FIND_FRAMES, &[instance.into()]).await?.map(|row| row.blob(0)).transpose()
}

/// The compressed metadata of an instance.
pub(crate) async fn metadata(tx: &mut ReadTx, instance: InstanceKey) -> Result<Option<Vec<u8>>, DbError> {
    tx.fetch_optional(sql::FIND_METADATA, &[instance.into()]).await?.map(|row| row.blob(0)).transpose()
}

/// The version of a study, `None` if there is no such study.
pub(crate) async fn study_version(
    tx: &mut ReadTx,
    partition: PartitionKey,
    study: &StudyUid,
) -> Result<Option<Version<StudyKey>>, DbError> {
    let row = tx.fetch_optional(sql::STUDY_VERSION, &[partition.into(), study.into()]).await?;
    row.map(|row| version(&row, StudyKey::new)).transpose()
}

/// The version of a series, `None` if there is no such series.
pub(crate) async fn series_version(
    tx: &mut ReadTx,
    partition: PartitionKey,
    study: &StudyUid,
    series: &SeriesUid,
) -> Result<Option<Version<SeriesKey>>, DbError> {
    let row =
        tx.fetch_optional(sql::SERIES_VERSION, &[partition.into(), study.into(), series.into()]).await?;
    row.map(|row| version(&row, SeriesKey::new)).transpose()
}

/// The versions of a study's series, in the order of the index.
pub(crate) async fn series_versions(
    tx: &mut ReadTx,
    study: StudyKey,
) -> Result<Vec<Version<SeriesKey>>, DbError> {
    let rows = tx.fetch_all(sql::STUDY_SERIES_VERSIONS, &[study.into()]).await?;
    rows.iter().map(|row| version(row, SeriesKey::new)).collect()
}

/// A page of the compressed metadata of a series, in the order of the index.
pub(crate) async fn series_metadata(
    tx: &mut ReadTx,
    series: SeriesKey,
    after: InstanceKey,
) -> Result<Vec<(InstanceKey, Vec<u8>)>, DbError> {
    let rows = tx.fetch_all(sql::SERIES_METADATA, &[series.into(), after.into()]).await?;
    rows.iter().map(|row| Ok((InstanceKey::new(row.int(0)?), row.blob(1)?))).collect()
}

fn version<K>(row: &Row, key: impl Fn(i64) -> K) -> Result<Version<K>, DbError> {
    Ok(Version { key: key(row.int(0)?), watermark_max: row.int(1)?, instances: row.int(2)? })
}

/// Those of the blob keys that an instance names, or that wait for their removal.
pub(crate) async fn named_blobs(tx: &mut ReadTx, keys: &[&str]) -> Result<Vec<String>, DbError> {
    let mut statement = Statement::new("SELECT blob_key FROM instance WHERE blob_key IN (");
    statement.bind_list(keys.iter().copied());
    statement.push(") UNION SELECT blob_key FROM purge WHERE blob_key IN (");
    statement.bind_list(keys.iter().copied()).push(")");
    let rows = tx.fetch_all_of(&statement).await?;
    rows.iter().map(|row| row.text(0)).collect()
}
