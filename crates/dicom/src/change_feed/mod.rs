//! The change feed: one entry for each created, updated or deleted version (Azure: Change feed overview; fact sheet §9).
//!
//! # Why a reader misses nothing
//!
//! An entry is written in the transaction of the change itself, and its number comes from the row that every writer of the
//! index locks first (`index::sql::TAKE`: an `UPDATE` of one row) and holds until its commit. So numbers are given in the
//! order of commits, on SQLite, which has one writer, as on PostgreSQL, where the next writer gets the row's lock only after
//! the commit before is visible to new snapshots: whoever sees entry n sees all before it. Numbers have no gaps, as a
//! transaction that is rolled back takes its change of that row with it. The price is that writers take turns from the
//! first statement to the commit. They would have to anyhow: studies' and series' counters are shared, and the work before
//! (files, parsing) is done outside of the transaction. A watermark of finished transactions instead of the lock would let
//! writers overlap, but make readers wait for the slowest of them; a sequence of the database would promise nothing.
//!
//! Times come from the same row and never go back, so the order of times is the order of numbers. A window of time
//! has one more trap: a writer that waits for its turn brings a time from before its commit. So a window that ends in the
//! past is closed before it is read ([`read::close`]): the row's time is set to the window's end, after which no entry
//! can get an earlier one. A reader that goes on at the end of its last window misses nothing either.

pub(crate) mod http;
pub(crate) mod sql;

mod json;
mod parameters;
mod read;
mod wait;

#[cfg(test)]
mod tests;

use hilum_kernel::{PartitionKey, Watermark};
use hilum_storage::db::{DbError, Sql, Value, WriteTx};

pub(crate) use wait::FeedSignal;

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Create = 0,
    Update = 1,
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
    tx.execute(sql::APPEND, &row(entry)).await.map(drop)
}

/// The statement that appends the entry of a new instance, if that instance is there.
pub(crate) fn creation(entry: &Entry<'_>) -> (Sql, [Value; 8]) {
    (sql::APPEND_CREATED, row(entry))
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
