//! Writing and removing values, in the transaction of the store, the removal or the re-index.

use std::collections::BTreeMap;

use hilum_kernel::{InstanceKey, SeriesKey, StudyKey, Watermark};
use hilum_storage::db::{self, DbError, Value, WriteTx};

use super::{
    TagSet, sql,
    values::{Extracted, Indexed, TagValue},
};
use crate::index::Level;

/// An instance's place in the index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) study: StudyKey,
    pub(crate) series: SeriesKey,
    pub(crate) instance: InstanceKey,
    pub(crate) watermark: Watermark,
}

impl Placed {
    fn entity(&self, level: Level) -> i64 {
        match level {
            Level::Study => self.study.get(),
            Level::Series => self.series.get(),
            Level::Instance => self.instance.get(),
        }
    }
}

/// What is to be written for several instances: of a study or series only what its newest instance says.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    values: BTreeMap<(i64, i64), (Watermark, TagValue)>,
    refused: Vec<(i64, InstanceKey, String)>,
}

impl Gathered {
    /// Adds an instance's values.
    pub(crate) fn add(&mut self, placed: Placed, extracted: Extracted) {
        for value in extracted.values {
            let key = (value.tag_key, placed.entity(value.level));
            if self.values.get(&key).is_none_or(|(known, _)| *known < placed.watermark) {
                self.values.insert(key, (placed.watermark, value));
            }
        }
        for refused in extracted.refused {
            self.refused.push((refused.tag_key, placed.instance, refused.message));
        }
    }

    /// Writes it all; what a later version said before stays. May be done again.
    pub(crate) async fn write(&self, tx: &mut WriteTx, now_ms: i64) -> Result<(), DbError> {
        let mut batch = db::Batch::default();
        for ((tag_key, entity), (watermark, value)) in &self.values {
            let (text, number) = match &value.value {
                Indexed::Text(text) => (Value::from(text), Value::from(None::<f64>)),
                Indexed::Number(number) => (Value::from(None::<String>), Value::from(Some(*number))),
            };
            let row = [(*tag_key).into(), (*entity).into(), (*watermark).into(), text, number];
            if value.words.is_empty() {
                batch.push(sql::PUT_VALUE, row);
            } else if tx.execute(sql::PUT_VALUE, &row).await? > 0 {
                tx.execute(sql::DELETE_WORDS, &[(*tag_key).into(), (*entity).into()]).await?;
                for word in &value.words {
                    tx.execute(sql::INSERT_WORD, &[(*tag_key).into(), (*entity).into(), word.into()]).await?;
                }
            }
        }
        tx.run(&batch).await?;
        for (tag_key, instance, message) in &self.refused {
            let row = [(*tag_key).into(), (*instance).into(), now_ms.into(), message.into()];
            if tx.execute(sql::PUT_ERROR, &row).await? > 0 {
                tx.execute(sql::COUNT_ERROR, &[(*tag_key).into()]).await?;
            }
        }
        Ok(())
    }
}

/// Removes what removed instances had, and what emptied series and studies had.
pub(crate) async fn forget(
    tx: &mut WriteTx,
    instances: &[i64],
    series: &[i64],
    studies: &[i64],
) -> Result<(), DbError> {
    let set = TagSet::load(tx).await?;
    if set.tags.is_empty() {
        return Ok(());
    }
    for instance in instances {
        tx.execute(sql::UNCOUNT_ERRORS, &[(*instance).into()]).await?;
        tx.execute(sql::DELETE_ERRORS, &[(*instance).into()]).await?;
    }
    for tag in &set.tags {
        let (statement, keys) = match tag.level {
            Level::Instance => (sql::DELETE_INSTANCE_VALUE, instances),
            Level::Series => (sql::DELETE_SERIES_VALUE, series),
            Level::Study => (sql::DELETE_STUDY_VALUE, studies),
        };
        let mut batch = db::Batch::default();
        for key in keys {
            batch.push(statement, [tag.key.into(), (*key).into()]);
            batch.push(sql::DELETE_LEFT_WORDS, [tag.key.into(), (*key).into()]);
        }
        tx.run(&batch).await?;
    }
    Ok(())
}
