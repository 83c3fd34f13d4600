//! The words of person names, for fuzzy matching, and what they end with, for patterns that begin with a wildcard.
//!
//! Suffixes are kept once for each word of a partition, however many studies have it: names repeat, so that a new study
//! seldom writes any. The last study that loses a word takes its suffixes along.

use hilum_kernel::{PartitionKey, StudyKey};
use hilum_storage::db::{self, DbError, WriteTx};

use super::{insert::NameWords, sql};

/// Writes the words of a study that is new.
pub(super) async fn insert(
    tx: &mut WriteTx,
    partition: PartitionKey,
    study: StudyKey,
    names: &[NameWords],
) -> Result<(), DbError> {
    for name in names.iter().filter(|name| !name.words.is_empty()) {
        let attribute = i64::from(name.attribute);
        let mut batch = db::Batch::default();
        for word in &name.words {
            // First: a word that is known has its suffixes.
            batch.push(sql::INSERT_SUFFIXES, [partition.into(), attribute.into(), word.into()]);
            batch.push(sql::INSERT_WORD, [partition.into(), attribute.into(), word.into(), study.into()]);
        }
        tx.run(&batch).await?;
    }
    Ok(())
}

/// Writes the words of a study that had others; an instance without a name changes nothing.
pub(super) async fn replace(
    tx: &mut WriteTx,
    partition: PartitionKey,
    study: StudyKey,
    names: &[NameWords],
) -> Result<(), DbError> {
    let before = tx.fetch_all(sql::WORDS_OF_STUDY, &[study.into()]).await?;
    for name in names.iter().filter(|name| !name.words.is_empty()) {
        let attribute = i64::from(name.attribute);
        tx.execute(sql::DELETE_WORDS, &[study.into(), attribute.into()]).await?;
        insert(tx, partition, study, std::slice::from_ref(name)).await?;
        for row in before.iter().filter(|row| row.int(1).is_ok_and(|of| of == attribute)) {
            let word = row.text(2)?;
            if !name.words.contains(&word) {
                tx.execute(sql::DELETE_SUFFIXES, &[partition.into(), attribute.into(), word.into()]).await?;
            }
        }
    }
    Ok(())
}

/// Removes the words of a study, if it is gone.
pub(super) async fn forget(tx: &mut WriteTx, study: i64) -> Result<(), DbError> {
    let words = tx.fetch_all(sql::WORDS_OF_STUDY, &[study.into()]).await?;
    if tx.execute(sql::DELETE_STUDY_WORDS, &[study.into()]).await? == 0 {
        return Ok(());
    }
    for row in &words {
        let (partition, attribute, word) = (row.int(0)?, row.int(1)?, row.text(2)?);
        tx.execute(sql::DELETE_SUFFIXES, &[partition.into(), attribute.into(), word.into()]).await?;
    }
    Ok(())
}
