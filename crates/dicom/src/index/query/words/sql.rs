//! The statements that find words, and studies by them. Every value is bound.

use hilum_kernel::PartitionKey;
use hilum_storage::db::Statement;

use crate::index::query::{
    Column, Matcher, Place,
    pattern::end_of_prefix,
    sql::{begins_with, padded},
};

/// The different words that a text means, one more than `most` at most.
pub(super) fn words(
    partition: PartitionKey,
    (attribute, text, place): (u32, &str, Place),
    most: usize,
) -> Statement {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    match place {
        Place::Beginning => words_that_begin(partition, (attribute, text), most),
        Place::Anywhere => {
            let mut statement =
                Statement::new("SELECT DISTINCT word FROM name_suffix WHERE partition_key = ");
            statement.bind(partition).push(" AND attribute = ").bind(attribute);
            begins_with(&mut statement, " AND suffix ", text);
            statement.push(" LIMIT ").bind(most + 1);
            statement
        }
    }
}

/// Each word is found by one step into the index: it may have a million studies.
fn words_that_begin(partition: PartitionKey, (attribute, text): (u32, &str), most: i64) -> Statement {
    let mut statement = Statement::new("WITH RECURSIVE step(word, number) AS (SELECT (SELECT MIN(w.word)");
    let from = |statement: &mut Statement| {
        statement.push(" FROM study_name_word w WHERE w.partition_key = ").bind(partition);
        statement.push(" AND w.attribute = ").bind(attribute);
        if let Some(end) = end_of_prefix(text) {
            statement.push(" AND w.word < ").bind(end);
        }
    };
    from(&mut statement);
    statement.push(" AND w.word >= ").bind(text).push("), 1 UNION ALL SELECT (SELECT MIN(w.word)");
    from(&mut statement);
    statement
        .push(" AND w.word > step.word), number + 1 FROM step WHERE step.word IS NOT NULL AND number <= ");
    statement.bind(most).push(") SELECT word FROM step WHERE word IS NOT NULL");
    statement
}

/// The newest studies below a key that have one of the words, falling. The parts are limited one by one, as PostgreSQL
/// does not merge them.
pub(super) fn page(
    partition: PartitionKey,
    (attribute, words): (u32, &[String]),
    (before, rows): (i64, u32),
) -> Statement {
    let mut statement = Statement::new("SELECT DISTINCT study_key FROM (");
    for (number, word) in words.iter().enumerate() {
        statement.push(if number == 0 { "" } else { " UNION ALL " });
        statement.push("SELECT study_key FROM (SELECT study_key FROM study_name_word WHERE partition_key = ");
        statement.bind(partition).push(" AND attribute = ").bind(attribute).push(" AND word = ").bind(word);
        statement.push(" AND study_key < ").bind(before).push(" ORDER BY study_key DESC LIMIT ").bind(rows);
        statement.push(") AS one");
    }
    statement.push(") AS found ORDER BY study_key DESC LIMIT ").bind(rows);
    statement
}

/// Keys and filter columns of these studies.
pub(super) fn columns(keys: &[i64], filters: &[(Column, &Matcher)]) -> Statement {
    let mut statement = Statement::new("SELECT study_key");
    for (column, _) in filters {
        statement.push(", ").push(column.name);
    }
    statement.push(" FROM study WHERE study_key IN (").bind_list(padded(keys.iter().copied())).push(")");
    statement
}
