//! Searches for words of names. The index holds each word's studies in the order of their keys, so that the newest studies
//! of a few words are found by merging, however many there are.

mod sql;

#[cfg(test)]
mod tests;

use hilum_storage::db::{DbError, ReadTx};

use super::{Column, Condition, Level, Matcher, Query, passes};

/// So many different words are merged at most: what begins with one letter is better walked to.
const WORDS_MAX: usize = 32;
/// Studies that are looked at in one statement; at first hardly more than are wanted, as most of them pass the filters.
const PAGE_ROWS_MIN: u32 = 128;
const PAGE_ROWS: u32 = 256;
/// Beyond so many pages the filters leave next to nothing of what the words give.
const PAGES_MAX: u32 = 8;

/// Turns beginnings and parts of words into the words they mean, where those are few. False where there are none.
pub(super) async fn resolve(tx: &mut ReadTx, query: &mut Query) -> Result<bool, DbError> {
    for condition in &mut query.conditions {
        let Condition::Word { attribute, word, place } = condition else { continue };
        let statement = sql::words(query.partition, (*attribute, word, *place), WORDS_MAX);
        let rows = tx.fetch_all_of(&statement).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        if rows.len() <= WORDS_MAX {
            let words = rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
            *condition = Condition::Words { attribute: *attribute, words };
        }
    }
    Ok(true)
}

/// The keys of the asked page, newest first; `None` where this is not the way: there are other conditions, too, or the
/// page lies deep.
pub(super) async fn newest(
    tx: &mut ReadTx,
    query: &Query,
    filters: &[(Column, &Matcher)],
) -> Result<Option<Vec<i64>>, DbError> {
    let Some(words) = only_words(query) else { return Ok(None) };
    let wanted = query.limit.saturating_add(query.offset);
    if wanted > PAGE_ROWS {
        return Ok(None);
    }
    if filters.is_empty() {
        let keys = page(tx, query, words, (i64::MAX, wanted)).await?;
        return Ok(Some(asked(query, keys)));
    }
    let (mut passed, mut before) = (Vec::new(), i64::MAX);
    let mut rows = wanted.max(PAGE_ROWS_MIN);
    for _ in 0..PAGES_MAX {
        let keys = page(tx, query, words, (before, rows)).await?;
        let is_last = u32::try_from(keys.len()).is_ok_and(|count| count < rows);
        rows = PAGE_ROWS;
        let Some(last) = keys.last() else { return Ok(Some(asked(query, passed))) };
        before = *last;
        for row in tx.fetch_all_of(&sql::columns(&keys, filters)).await? {
            if passes(&row, filters)? {
                passed.push(row.int(0)?);
            }
        }
        if is_last || u32::try_from(passed.len()).is_ok_and(|count| count >= wanted) {
            return Ok(Some(asked(query, passed)));
        }
    }
    Ok(None)
}

/// The words that the query's only condition names.
fn only_words(query: &Query) -> Option<(u32, &[String])> {
    let mut conditions =
        query.conditions.iter().filter(|condition| !matches!(condition, Condition::Filter { .. }));
    match (conditions.next(), conditions.next()) {
        (Some(Condition::Words { attribute, words }), None)
            if query.level == Level::Study && query.study.is_none() =>
        {
            Some((*attribute, words))
        }
        _ => None,
    }
}

/// The keys of the newest studies below a key, falling.
async fn page(
    tx: &mut ReadTx,
    query: &Query,
    words: (u32, &[String]),
    (before, rows): (i64, u32),
) -> Result<Vec<i64>, DbError> {
    let statement = sql::page(query.partition, words, (before, rows));
    tx.fetch_all_of(&statement).await?.iter().map(|row| row.int(0)).collect()
}

fn asked(query: &Query, mut keys: Vec<i64>) -> Vec<i64> {
    keys.sort_unstable_by_key(|key| std::cmp::Reverse(*key));
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    keys.into_iter().skip(count(query.offset)).take(count(query.limit)).collect()
}
