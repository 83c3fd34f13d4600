//! The statements of a query, joined from constants; every value is bound.
//!
//! SQLite has no statistics here, so the text itself says which way to go: `CROSS JOIN` keeps the order of the tables
//! (PostgreSQL is free to change it), and `column || ''` keeps a condition off its index. Rows are read
//! outside of a subquery that finds their keys, so that only keys are sorted.

use hilum_storage::db::{Sql, Statement};

use super::{
    Access, Column, Condition, Index, Level, Matcher, Place, Query, Test, Wanted, extended, pattern,
};

/// The different modalities of a partition, each found by one step into the index. One more than the limit.
pub(super) const MODALITIES: Sql = "WITH RECURSIVE step(modality) AS (
    SELECT MIN(modality) FROM series WHERE partition_key = $1
    UNION ALL
    SELECT (SELECT MIN(next.modality) FROM series next WHERE next.partition_key = $1 AND next.modality > step.modality)
    FROM step WHERE step.modality IS NOT NULL)
    SELECT modality FROM step WHERE modality IS NOT NULL LIMIT 501";

/// Where each value stands in a row of [`rows`].
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) study_uid: Option<usize>,
    pub(super) series_uid: Option<usize>,
    pub(super) instance_uid: Option<usize>,
    pub(super) study: Option<usize>,
    pub(super) series: Option<usize>,
    pub(super) instance: Option<usize>,
    pub(super) modalities: Option<usize>,
    pub(super) study_series: Option<usize>,
    pub(super) study_instances: Option<usize>,
    pub(super) series_instances: Option<usize>,
    pub(super) detail: Option<usize>,
}

/// The results themselves, in no order.
pub(super) fn rows(query: &Query, access: Access, wanted: Wanted) -> (Statement, Layout) {
    let (mut statement, layout) = select(query, wanted);
    keys(&mut statement, query, access, &[]);
    order(&mut statement, query, access).bind(query.limit).push(" OFFSET ").bind(query.offset).push(")");
    (statement, layout)
}

/// The results with these keys, in no order.
pub(super) fn rows_of_keys(query: &Query, keys: &[i64], wanted: Wanted) -> (Statement, Layout) {
    let (mut statement, layout) = select(query, wanted);
    statement.bind_list(padded(keys.iter().copied())).push(")");
    (statement, layout)
}

/// Keys and filter columns of the next page of candidates, by falling key.
pub(super) fn candidates(
    query: &Query,
    access: Access,
    filters: &[(Column, &Matcher)],
    before: i64,
    page: u32,
) -> Statement {
    let mut statement = Statement::default();
    keys(&mut statement, query, access, filters);
    statement.push(" AND ").push(key(query.level)).push(sorted(query, access)).push(" < ").bind(before);
    order(&mut statement, query, access).bind(page);
    statement
}

/// How many rows a condition matches by itself, counting no further than `most`.
pub(super) fn count(query: &Query, number: usize, most: u32) -> Option<Statement> {
    let condition = query.conditions.get(number)?;
    let mut statement = Statement::new("SELECT COUNT(*) FROM (SELECT 1 AS one FROM ");
    match condition {
        Condition::Column { column, test } => {
            statement
                .push(table(column.level))
                .push(" WHERE partition_key = ")
                .bind(query.partition)
                .push(" AND ");
            column_test(&mut statement, *column, test, Form::Indexed);
        }
        Condition::Word { .. } | Condition::Words { .. } => {
            statement.push("study_name_word WHERE partition_key = ").bind(query.partition).push(" AND ");
            word_test(&mut statement, condition);
        }
        Condition::ModalityInStudy(modalities) => {
            statement.push("series WHERE partition_key = ").bind(query.partition).push(" AND modality ");
            one_of(&mut statement, modalities);
        }
        Condition::Extended { tag, kept, test, .. } => extended::rows(&mut statement, *tag, *kept, test),
        Condition::ModalityLike(_) | Condition::Filter { .. } => return None,
    }
    statement.push(" LIMIT ").bind(most).push(") AS found");
    Some(statement)
}

/// `SELECT … WHERE key IN (`, to be closed by the caller.
fn select(query: &Query, wanted: Wanted) -> (Statement, Layout) {
    let level = query.level;
    let mut columns = Columns { statement: Statement::new("SELECT "), count: 1 };
    columns.statement.push(match level {
        Level::Study => "s.study_key",
        Level::Series => "e.series_key",
        Level::Instance => "i.instance_key",
    });
    let layout = Layout {
        study_uid: columns.add(query.study.is_none(), ", s.study_uid"),
        series_uid: columns.add(level >= Level::Series && query.series.is_none(), ", e.series_uid"),
        instance_uid: columns.add(level == Level::Instance, ", i.sop_instance_uid"),
        study: columns.add(wanted.study, ", s.attributes"),
        series: columns.add(wanted.series && level >= Level::Series, ", e.attributes"),
        instance: columns.add(wanted.instance && level == Level::Instance, ", i.attributes"),
        modalities: columns.add(
            wanted.modalities,
            ", (SELECT string_agg(x.modality, '\\') FROM series x WHERE x.study_key = s.study_key)",
        ),
        study_series: columns
            .add(wanted.study_series, ", (SELECT COUNT(*) FROM series x WHERE x.study_key = s.study_key)"),
        study_instances: columns.add(wanted.study_instances, ", s.instance_count"),
        series_instances: columns
            .add(wanted.series_instances && level >= Level::Series, ", e.instance_count"),
        detail: columns.add(
            wanted.detail,
            match level {
                Level::Study => {
                    ", (SELECT d.metadata FROM instance_detail d WHERE d.instance_key = \
                (SELECT MAX(x.instance_key) FROM instance x WHERE x.study_key = s.study_key))"
                }
                Level::Series => {
                    ", (SELECT d.metadata FROM instance_detail d WHERE d.instance_key = \
                (SELECT MAX(x.instance_key) FROM instance x WHERE x.series_key = e.series_key))"
                }
                Level::Instance => {
                    ", (SELECT d.metadata FROM instance_detail d WHERE d.instance_key = i.instance_key)"
                }
            },
        ),
    };
    let study = layout.study_uid.is_some()
        || wanted.study
        || wanted.modalities
        || wanted.study_series
        || wanted.study_instances;
    let series = layout.series_uid.is_some() || wanted.series || wanted.series_instances;
    let mut statement = columns.statement;
    statement.push(match (level, series, study) {
        (Level::Study, ..) => " FROM study s WHERE s.study_key IN (",
        (Level::Series, _, false) => " FROM series e WHERE e.series_key IN (",
        (Level::Series, _, true) => {
            " FROM series e CROSS JOIN study s WHERE s.study_key = e.study_key AND e.series_key IN ("
        }
        (Level::Instance, false, false) => " FROM instance i WHERE i.instance_key IN (",
        (Level::Instance, true, false) => {
            " FROM instance i CROSS JOIN series e WHERE e.series_key = i.series_key AND i.instance_key IN ("
        }
        (Level::Instance, false, true) => {
            " FROM instance i CROSS JOIN study s WHERE s.study_key = i.study_key AND i.instance_key IN ("
        }
        (Level::Instance, true, true) => {
            " FROM instance i CROSS JOIN series e CROSS JOIN study s WHERE e.series_key = i.series_key \
             AND s.study_key = i.study_key AND i.instance_key IN ("
        }
    });
    (statement, layout)
}

struct Columns {
    statement: Statement,
    count: usize,
}

impl Columns {
    fn add(&mut self, wanted: bool, fragment: Sql) -> Option<usize> {
        if !wanted {
            return None;
        }
        self.statement.push(fragment);
        self.count += 1;
        Some(self.count - 1)
    }
}

/// `SELECT key[, filter columns] FROM … WHERE …`
fn keys(statement: &mut Statement, query: &Query, access: Access, filters: &[(Column, &Matcher)]) {
    statement.push("SELECT ").push(key(query.level));
    for (column, _) in filters {
        statement.push(", ").push(table(column.level)).push(".").push(column.name);
    }
    let driver = match access {
        Access::Drive(number) | Access::Broad { drive: number, .. } => Some(number),
        Access::Scope | Access::Walk { .. } => None,
    };
    let first = driver.and_then(|number| query.conditions.get(number)).map_or(query.level, Condition::level);
    from(statement, query, first);
    enter(statement, query, access, first);
    for (number, condition) in query.conditions.iter().enumerate() {
        let form = match access {
            Access::Scope => Form::Indexed,
            _ if driver == Some(number) => Form::Indexed,
            _ => Form::Unindexed,
        };
        push_condition(statement, query, condition, form);
    }
}

/// The tables, the one that is entered first, and how they hang together; ends within the `WHERE` clause.
fn from(statement: &mut Statement, query: &Query, first: Level) {
    let needs = |level: Level| {
        level == first
            || level == query.level
            || query.conditions.iter().any(|condition| condition.level() == level)
    };
    let (study, series, instance) =
        (needs(Level::Study), needs(Level::Series), query.level == Level::Instance);
    statement.push(" FROM ").push(table(first));
    // From the entrance down to the results, then up to what else is asked.
    for level in [Level::Series, Level::Instance] {
        if level > first && needs(level) {
            statement.push(" CROSS JOIN ").push(table(level));
        }
    }
    for level in [Level::Series, Level::Study] {
        if level < first && needs(level) {
            statement.push(" CROSS JOIN ").push(table(level));
        }
    }
    statement.push(" WHERE ");
    if study && series {
        statement.push("series.study_key = study.study_key AND ");
    }
    if series && instance {
        statement.push("instance.series_key = series.series_key AND ");
    }
    if study && instance {
        statement.push("instance.study_key = study.study_key AND ");
    }
}

/// The condition that leads into the first table: partition, path, or the newest rows.
fn enter(statement: &mut Statement, query: &Query, access: Access, first: Level) {
    match (access, &query.study, &query.series) {
        (Access::Scope, Some(study), Some(series)) => {
            statement
                .push("instance.series_key = (SELECT e.series_key FROM study s JOIN series e ON e.study_key = s.study_key WHERE s.partition_key = ")
                .bind(query.partition)
                .push(" AND s.study_uid = ")
                .bind(study)
                .push(" AND e.series_uid = ")
                .bind(series)
                .push(")");
        }
        (Access::Scope, Some(study), None) => {
            statement
                .push(table(query.level))
                .push(".study_key = (SELECT s.study_key FROM study s WHERE s.partition_key = ")
                .bind(query.partition)
                .push(" AND s.study_uid = ")
                .bind(study)
                .push(")");
        }
        (Access::Walk { newest }, ..) => {
            in_partition(statement, first, query);
            if let Some(newest) = newest {
                // The key of the row just below the newest so many; only studies are counted by partition, as the
                // others' rows would have to be read for it.
                statement.push(" AND ").push(key(first)).push(match first {
                    Level::Study => " > COALESCE((SELECT n.study_key FROM study n WHERE n.partition_key = ",
                    Level::Series => " > COALESCE((SELECT n.series_key FROM series n",
                    Level::Instance => " > COALESCE((SELECT n.instance_key FROM instance n",
                });
                if first == Level::Study {
                    statement.bind(query.partition);
                }
                statement.push(match first {
                    Level::Study => " ORDER BY n.study_key DESC LIMIT 1 OFFSET ",
                    Level::Series => " ORDER BY n.series_key DESC LIMIT 1 OFFSET ",
                    Level::Instance => " ORDER BY n.instance_key DESC LIMIT 1 OFFSET ",
                });
                statement.bind(newest).push("), 0)");
            }
        }
        _ => {
            statement.push(table(first)).push(".partition_key = ").bind(query.partition);
        }
    }
}

/// The partition, in a form that leaves the order of the keys to walk by: only studies have an index for both.
fn in_partition(statement: &mut Statement, level: Level, query: &Query) {
    let left = match level {
        Level::Study => "study.partition_key = ",
        Level::Series => "series.partition_key + 0 = ",
        Level::Instance => "instance.partition_key + 0 = ",
    };
    statement.push(left).bind(query.partition);
}

/// Closes an `EXISTS`. As a bare term SQLite 3.51 makes a join of it whose skipping by `OFFSET` counts a study as often as
/// the subquery has rows.
const EXISTS_END: Sql = ") IS TRUE";

/// Whether a condition may use its index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Indexed,
    Unindexed,
}

fn push_condition(statement: &mut Statement, query: &Query, condition: &Condition, form: Form) {
    match (condition, form) {
        // Filters are tested in Rust; patterns of modalities and parts of words were resolved before.
        (
            Condition::ModalityLike(_)
            | Condition::Filter { .. }
            | Condition::Word { place: Place::Anywhere, .. },
            _,
        ) => {}
        (Condition::Column { column, test }, _) => {
            statement.push(" AND ");
            column_test(statement, *column, test, form);
        }
        (Condition::Word { .. } | Condition::Words { .. }, Form::Indexed) => {
            statement.push(
                " AND study.study_key IN (SELECT study_key FROM study_name_word WHERE partition_key = ",
            );
            statement.bind(query.partition).push(" AND ");
            word_test(statement, condition);
            statement.push(")");
        }
        (Condition::Word { .. } | Condition::Words { .. }, Form::Unindexed) => {
            statement.push(" AND EXISTS (SELECT 1 FROM study_name_word WHERE study_name_word.study_key = study.study_key AND ");
            word_test(statement, condition);
            statement.push(EXISTS_END);
        }
        (Condition::Extended { tag, level, kept, test }, Form::Indexed) => {
            statement.push(" AND ").push(key(*level)).push(" IN (SELECT v.entity_key FROM ");
            extended::rows(statement, *tag, *kept, test);
            statement.push(")");
        }
        (Condition::Extended { tag, level, kept, test }, Form::Unindexed) => {
            statement.push(" AND EXISTS (SELECT 1 FROM ");
            extended::rows(statement, *tag, *kept, test);
            statement.push(" AND v.entity_key = ").push(key(*level)).push(EXISTS_END);
        }
        (Condition::ModalityInStudy(modalities), Form::Indexed) => {
            statement
                .push(" AND study.study_key IN (SELECT m.study_key FROM series m WHERE m.partition_key = ");
            statement.bind(query.partition).push(" AND m.modality ");
            one_of(statement, modalities);
            statement.push(")");
        }
        (Condition::ModalityInStudy(modalities), Form::Unindexed) => {
            statement.push(
                " AND EXISTS (SELECT 1 FROM series m WHERE m.study_key = study.study_key AND m.modality ",
            );
            one_of(statement, modalities);
            statement.push(EXISTS_END);
        }
    }
}

fn column_test(statement: &mut Statement, column: Column, test: &Test, form: Form) {
    let unindexed =
        form == Form::Unindexed && column.index != Index::None && !matches!(test, Test::Integer(_));
    let operand = |statement: &mut Statement, comparison: Sql| {
        statement
            .push(if unindexed { "(" } else { "" })
            .push(table(column.level))
            .push(".")
            .push(column.name);
        statement.push(if unindexed { " || '')" } else { "" }).push(comparison);
    };
    let between = |statement: &mut Statement, from: Option<&str>, to: Option<(Sql, String)>| {
        if let Some(from) = from {
            operand(statement, " >= ");
            statement.bind(from);
        }
        if let Some((comparison, to)) = to {
            statement.push(if from.is_some() { " AND " } else { "" });
            operand(statement, comparison);
            statement.bind(to);
        }
    };
    match test {
        Test::Equals(value) => {
            operand(statement, " = ");
            statement.bind(value);
        }
        Test::OneOf(values) => {
            operand(statement, " ");
            one_of(statement, values);
        }
        Test::Integer(value) => {
            operand(statement, " = ");
            statement.bind(*value);
        }
        Test::Number(value) => {
            operand(statement, " = ");
            statement.bind(*value);
        }
        Test::Range { from: None, to: None } => {
            statement.push("1 = 1");
        }
        Test::Range { from, to } => between(statement, from.as_deref(), to.clone().map(|to| (" <= ", to))),
        Test::Prefix(prefix) => {
            between(statement, Some(prefix), pattern::end_of_prefix(prefix).map(|end| (" < ", end)));
        }
        Test::Name(name) => {
            // `>` follows `=`, which separates component groups: the range holds little besides what is wanted.
            between(statement, Some(name), Some((" < ", format!("{name}>"))));
            statement.push(" AND (");
            operand(statement, " = ");
            statement.bind(name).push(" OR ");
            operand(statement, " >= ");
            statement.bind(format!("{name}=")).push(")");
        }
    }
}

/// `attribute = … AND word …`
fn word_test(statement: &mut Statement, condition: &Condition) {
    match condition {
        Condition::Word { attribute, word, .. } => {
            statement.push("attribute = ").bind(*attribute);
            begins_with(statement, " AND word ", word);
        }
        Condition::Words { attribute, words } => {
            statement.push("attribute = ").bind(*attribute).push(" AND word ");
            one_of(statement, words);
        }
        _ => {}
    }
}

pub(super) fn begins_with(statement: &mut Statement, column: Sql, text: &str) {
    statement.push(column).push(">= ").bind(text);
    if let Some(end) = pattern::end_of_prefix(text) {
        statement.push(column).push("< ").bind(end);
    }
}

pub(super) fn one_of(statement: &mut Statement, values: &[String]) {
    if let [value] = values {
        statement.push("= ").bind(value);
    } else {
        statement.push("IN (").bind_list(padded(values.iter().map(String::as_str))).push(")");
    }
}

/// Repeats the last value until the list has one of a few lengths: few texts to prepare and to cache.
pub(super) fn padded<T: Copy>(values: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let count = values.len();
    let target = [1, 4, 16, 64, 256].into_iter().find(|&size| size >= count).unwrap_or(count);
    let mut values: Vec<T> = values.collect();
    if let Some(last) = values.last().copied() {
        values.resize(target, last);
    }
    values
}

fn order<'s>(statement: &'s mut Statement, query: &Query, access: Access) -> &'s mut Statement {
    statement.push(" ORDER BY ").push(key(query.level)).push(sorted(query, access)).push(" DESC LIMIT ")
}

/// Appended to the key: keeps SQLite from walking down the keys where the driving condition should lead.
fn sorted(query: &Query, access: Access) -> Sql {
    match access {
        Access::Drive(number) | Access::Broad { drive: number, .. } => {
            let is_ordered =
                query.conditions.get(number).is_some_and(|condition| condition.is_ordered_at(query.level));
            if is_ordered { "" } else { " + 0" }
        }
        Access::Scope | Access::Walk { .. } => "",
    }
}

fn key(level: Level) -> Sql {
    match level {
        Level::Study => "study.study_key",
        Level::Series => "series.series_key",
        Level::Instance => "instance.instance_key",
    }
}

fn table(level: Level) -> Sql {
    match level {
        Level::Study => "study",
        Level::Series => "series",
        Level::Instance => "instance",
    }
}
