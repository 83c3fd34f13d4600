//! The change feed: one entry for each created, updated or deleted version (Azure: Change feed overview).
//!
//! Written from the first store on, in the transaction of the change itself; its API follows.

use hilum_kernel::{PartitionKey, Watermark};
use hilum_storage::db::{DbError, Sql, Value, WriteTx};

pub(crate) const APPEND: Sql = "INSERT INTO change_feed
    (sequence, at_ticks, action, partition_key, study_uid, series_uid, sop_instance_uid, watermark)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// As [`APPEND`], for an instance that was inserted a moment ago, or was not.
pub(crate) const APPEND_CREATED: Sql = "INSERT INTO change_feed
    (sequence, at_ticks, action, partition_key, study_uid, series_uid, sop_instance_uid, watermark)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM instance WHERE instance_key = $8)";

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Create = 0,
    Delete = 2,
}

/// An entry on its way into the feed.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) sequence: Watermark,
    /// As [`ticks`]: not before that of the entry before.
    pub(crate) at_ticks: i64,
    pub(crate) action: Action,
    pub(crate) partition: PartitionKey,
    pub(crate) study: &'a str,
    pub(crate) series: &'a str,
    pub(crate) instance: &'a str,
    /// The version the entry is about.
    pub(crate) watermark: Watermark,
}

/// Appends an entry to the feed in the caller's transaction.
pub(crate) async fn append(tx: &mut WriteTx, entry: &Entry<'_>) -> Result<(), DbError> {
    tx.execute(APPEND, &row(entry)).await.map(drop)
}

/// The statement that appends the entry of a new instance, if that instance is there.
pub(crate) fn creation(entry: &Entry<'_>) -> (Sql, [Value; 8]) {
    (APPEND_CREATED, row(entry))
}

fn row(entry: &Entry<'_>) -> [Value; 8] {
    [
        entry.sequence.into(),
        entry.at_ticks.into(),
        (entry.action as i32).into(),
        entry.partition.into(),
        entry.study.into(),
        entry.series.into(),
        entry.instance.into(),
        entry.watermark.into(),
    ]
}

/// Units of 100 ns since 1970: the precision in which the feed's times are told and asked for.
pub(crate) fn ticks(at: jiff::Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond() / 100).unwrap_or(i64::MAX)
}
