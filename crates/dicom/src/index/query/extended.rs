//! Conditions on what is kept under extended query tags.

use hilum_storage::db::{Sql, Statement};

use super::{Kept, Test, pattern, sql};

/// `table v WHERE v.tag_key = … AND …`: the rows that pass the test.
pub(super) fn rows(statement: &mut Statement, tag: i64, kept: Kept, test: &Test) {
    let (table, column): (Sql, Sql) = match kept {
        Kept::Text => ("tag_value v WHERE v.tag_key = ", "v.text"),
        Kept::Number => ("tag_value v WHERE v.tag_key = ", "v.number"),
        Kept::Words => ("tag_word v WHERE v.tag_key = ", "v.word"),
    };
    statement.push(table).bind(tag).push(" AND ").push(column);
    match test {
        Test::Equals(value) => {
            statement.push(" = ").bind(value);
        }
        Test::Number(number) => {
            statement.push(" = ").bind(*number);
        }
        Test::OneOf(values) => {
            statement.push(" ");
            sql::one_of(statement, values);
        }
        Test::Range { from, to } => {
            // What has a value is said even where both ends are open.
            statement.push(" >= ").bind(from.as_deref().unwrap_or_default());
            if let Some(to) = to {
                statement.push(" AND ").push(column).push(" <= ").bind(to);
            }
        }
        Test::Prefix(prefix) => {
            statement.push(" >= ").bind(prefix);
            if let Some(end) = pattern::end_of_prefix(prefix) {
                statement.push(" AND ").push(column).push(" < ").bind(end);
            }
        }
        Test::Name(name) => {
            // `>` follows `=`, which separates component groups.
            statement.push(" >= ").bind(name).push(" AND ").push(column).push(" < ").bind(format!("{name}>"));
            statement.push(" AND (").push(column).push(" = ").bind(name);
            statement.push(" OR ").push(column).push(" >= ").bind(format!("{name}=")).push(")");
        }
        // No extended query tag keeps whole numbers by themselves.
        Test::Integer(_) => {
            statement.push(" IS NULL");
        }
    }
}
