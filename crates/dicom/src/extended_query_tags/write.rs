//! Writing and removing values, in the transaction of the store, the removal or the re-index.

use std::collections::BTreeMap;

use hilum_kernel::{InstanceKey, SeriesKey, StudyKey, Watermark};
use hilum_storage::db::{self, DbError, Sql, Value, WriteTx};

use super::{
    sql,
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
        let mut lots = Lots::default();
        for ((tag_key, entity), (watermark, value)) in &self.values {
            let (text, number) = match &value.value {
                Indexed::Text(text) => (Value::from(text), Value::from(None::<f64>)),
                Indexed::Number(number) => (Value::from(None::<String>), Value::from(Some(*number))),
            };
            let row = [(*tag_key).into(), (*entity).into(), (*watermark).into(), text, number];
            if value.words.is_empty() {
                lots.push(tx, sql::PUT_VALUE, row).await?;
            } else if tx.execute(sql::PUT_VALUE, &row).await? > 0 {
                tx.execute(sql::DELETE_WORDS, &[(*tag_key).into(), (*entity).into()]).await?;
                for word in &value.words {
                    tx.execute(sql::INSERT_WORD, &[(*tag_key).into(), (*entity).into(), word.into()]).await?;
                }
            }
        }
        lots.end(tx).await?;
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
    let mut lots = Lots::default();
    for instance in instances {
        lots.push(tx, sql::UNCOUNT_ERRORS, [(*instance).into()]).await?;
        lots.push(tx, sql::DELETE_ERRORS, [(*instance).into()]).await?;
    }
    for (statements, keys) in [
        ([sql::DELETE_INSTANCE_VALUES, sql::DELETE_INSTANCE_WORDS], instances),
        ([sql::DELETE_SERIES_VALUES, sql::DELETE_SERIES_WORDS], series),
        ([sql::DELETE_STUDY_VALUES, sql::DELETE_STUDY_WORDS], studies),
    ] {
        for key in keys {
            for statement in statements {
                lots.push(tx, statement, [(*key).into()]).await?;
            }
        }
    }
    lots.end(tx).await
}

/// Statements that need nothing of each other's answers, run some at a time: a lot of this size is joined to one text that
/// comes again and again.
#[derive(Default)]
struct Lots {
    batch: db::Batch,
    count: usize,
}

impl Lots {
    const SIZE: usize = 8;

    async fn push(
        &mut self,
        tx: &mut WriteTx,
        sql: Sql,
        arguments: impl IntoIterator<Item = Value>,
    ) -> Result<(), DbError> {
        self.batch.push(sql, arguments);
        self.count += 1;
        if self.count < Self::SIZE {
            return Ok(());
        }
        self.count = 0;
        tx.run(&std::mem::take(&mut self.batch)).await.map(drop)
    }

    async fn end(self, tx: &mut WriteTx) -> Result<(), DbError> {
        if self.count == 0 { Ok(()) } else { tx.run(&self.batch).await.map(drop) }
    }
}
