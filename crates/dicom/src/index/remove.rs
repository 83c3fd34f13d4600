//! Taking instances out of the index: invisible at once, their files due for removal later.

use std::collections::BTreeSet;

use hilum_kernel::{PartitionKey, Watermark};
use hilum_storage::db::{DbError, ReadTx, WriteTx};

use super::{lookup::Target, names, sql};
use crate::{
    change_feed::{self, Entry},
    extended_query_tags,
};

/// When a removal happens and when the files go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removal {
    pub(crate) partition: PartitionKey,
    pub(crate) at: jiff::Timestamp,
    /// From when on the files may be removed, in milliseconds since 1970.
    pub(crate) purge_due_ms: i64,
}

/// Removes all instances of the target and its emptied parents; tells how many instances there were.
pub(crate) async fn remove(tx: &mut WriteTx, removal: Removal, target: &Target) -> Result<u64, DbError> {
    // Taken first, so that all writers wait for each other at the same place and none can deadlock.
    let at_ticks = change_feed::ticks(removal.at);
    let locked = tx.fetch_optional(sql::TAKE, &[0_i64.into(), at_ticks.into()]).await?;
    let partition = removal.partition;
    let (study, rows) = match target {
        Target::Study(study) => {
            (study, tx.fetch_all(sql::REMOVABLE_STUDY, &[partition.into(), study.into()]).await?)
        }
        Target::Series(study, series) => {
            let arguments = [partition.into(), study.into(), series.into()];
            (study, tx.fetch_all(sql::REMOVABLE_SERIES, &arguments).await?)
        }
        Target::Instance(study, series, instance) => {
            let arguments = [partition.into(), study.into(), series.into(), instance.into()];
            (study, tx.fetch_all(sql::REMOVABLE_INSTANCE, &arguments).await?)
        }
    };
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Ok(0);
    }
    let taken = tx.fetch_optional(sql::TAKE, &[count.into(), at_ticks.into()]).await?;
    let (Some(_), Some(taken)) = (locked, taken) else {
        return Err(DbError::Schema("the watermark sequence is missing".to_owned()));
    };
    let (mut sequence, at_ticks) = (taken.int(0)? - count, taken.int(1)?);
    let has_tags = taken.int(2)? > 0;
    let mut instances = Vec::new();
    let mut series = BTreeSet::new();
    let mut studies = BTreeSet::new();
    for row in &rows {
        sequence += 1;
        let (key, watermark, blob_key) = (row.int(0)?, row.int(1)?, row.text(2)?);
        instances.push(key);
        series.insert(row.int(5)?);
        studies.insert(row.int(6)?);
        tx.execute(sql::DELETE_DETAIL, &[key.into()]).await?;
        tx.execute(sql::DELETE_INSTANCE, &[key.into()]).await?;
        tx.execute(sql::INSERT_PURGE, &[watermark.into(), blob_key.into(), removal.purge_due_ms.into()])
            .await?;
        let entry = Entry {
            sequence: Watermark::new(sequence),
            at_ticks,
            action: change_feed::Action::Delete,
            partition,
            study: study.as_str(),
            series: &row.text(3)?,
            instance: &row.text(4)?,
            watermark: Watermark::new(watermark),
        };
        change_feed::append(tx, &entry).await?;
    }
    for key in &series {
        tx.execute(sql::RECOUNT_SERIES, &[(*key).into()]).await?;
    }
    for &key in &studies {
        tx.execute(sql::RECOUNT_STUDY, &[key.into()]).await?;
        tx.execute(sql::DELETE_EMPTY_SERIES, &[key.into()]).await?;
        tx.execute(sql::DELETE_EMPTY_STUDY, &[key.into()]).await?;
        names::forget(tx, key).await?;
    }
    if has_tags {
        let (series, studies) = (Vec::from_iter(series), Vec::from_iter(studies));
        extended_query_tags::write::forget(tx, &instances, &series, &studies).await?;
    }
    Ok(u64::try_from(count).unwrap_or_default())
}

/// A removed version whose file may go.
#[derive(Debug)]
pub(crate) struct Purge {
    pub(crate) watermark: Watermark,
    pub(crate) blob_key: String,
}

/// Up to 100 files that are due.
pub(crate) async fn due(tx: &mut ReadTx, now_ms: i64) -> Result<Vec<Purge>, DbError> {
    let rows = tx.fetch_all(sql::DUE_PURGES, &[now_ms.into()]).await?;
    rows.iter()
        .map(|row| Ok(Purge { watermark: Watermark::new(row.int(0)?), blob_key: row.text(1)? }))
        .collect()
}

/// Notes that files are gone.
pub(crate) async fn purged(tx: &mut WriteTx, watermarks: &[Watermark]) -> Result<(), DbError> {
    for watermark in watermarks {
        tx.execute(sql::DELETE_PURGE, &[(*watermark).into()]).await?;
    }
    Ok(())
}
