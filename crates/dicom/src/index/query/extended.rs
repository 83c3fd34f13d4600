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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{
        Level,
        query::{
            Access, Condition, Wanted,
            tests::{filled, plan, query},
        },
    };

    /// At a million values nothing may walk through the tables of values, whichever way the query goes.
    #[tokio::test]
    async fn conditions_lead_into_an_index() {
        let tests = filled(Vec::new()).await;
        let range = |from: Option<&str>, to: Option<&str>| Test::Range {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        for (kept, test, entrance) in [
            (Kept::Text, Test::Equals("a".to_owned()), "tag_value_by_text (tag_key=? AND text=?)"),
            (Kept::Text, Test::OneOf(vec!["1.2".to_owned()]), "tag_value_by_text (tag_key=? AND text=?)"),
            (Kept::Text, range(Some("a"), Some("b")), "tag_value_by_text (tag_key=? AND text>? AND text<?)"),
            (Kept::Text, range(None, Some("b")), "tag_value_by_text (tag_key=? AND text>? AND text<?)"),
            (Kept::Text, Test::Name("a^b".to_owned()), "tag_value_by_text (tag_key=? AND text>? AND text<?)"),
            (Kept::Number, Test::Number(1.0), "tag_value_by_number (tag_key=? AND number=?)"),
            (Kept::Words, Test::Prefix("a".to_owned()), "tag_word_by_word (tag_key=? AND word>? AND word<?)"),
        ] {
            for level in [Level::Study, Level::Series, Level::Instance] {
                let condition = Condition::Extended { tag: 1, level, kept, test: test.clone() };
                let query = query(level, vec![condition]);
                let wanted = Wanted { instance: true, ..Wanted::default() };
                let driven = plan(&tests[0].db, &sql::rows(&query, Access::Drive(0), wanted).0).await;
                assert!(driven.iter().any(|line| line.contains(entrance)), "{test:?}: {driven:#?}");
                let counted = plan(&tests[0].db, &sql::count(&query, 0, 1000).unwrap()).await;
                assert!(counted.iter().any(|line| line.contains(entrance)), "{test:?}: {counted:#?}");
                let walked = Access::Walk { newest: Some(2_000) };
                let walked = plan(&tests[0].db, &sql::rows(&query, walked, wanted).0).await;
                for line in driven.iter().chain(&walked).chain(&counted) {
                    // The windows of subqueries.
                    let is_window = line.starts_with("SCAN n") || line == "SCAN found";
                    assert!(!line.starts_with("SCAN") || is_window, "{test:?} {level:?}: {line}");
                }
            }
        }
    }
}
