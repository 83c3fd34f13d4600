//! The fixed statements.

use super::sql;
use crate::{change_feed, extended_query_tags, testing::TestArchive};

#[tokio::test]
async fn every_statement_is_understood_by_every_database() {
    for archive in TestArchive::all().await {
        let mut tx = archive.archive.0.db.read().await.unwrap();
        for statement in sql::ALL
            .iter()
            .chain(change_feed::sql::ALL)
            .chain(extended_query_tags::sql::ALL)
            .chain(extended_query_tags::sql::WALKS)
        {
            tx.prepare(statement).await.unwrap_or_else(|error| panic!("{error:?}: {statement}"));
        }
    }
}

#[test]
fn every_statement_is_in_the_list() {
    let source = include_str!("sql.rs");
    let list = source.split("pub(crate) const ALL").nth(1).unwrap();
    for line in source.lines().filter_map(|line| line.strip_prefix("pub(crate) const ")) {
        let name = line.split(':').next().unwrap();
        if name != "ALL" {
            let is_listed = list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            assert!(is_listed, "{name} is missing in ALL");
        }
    }
}

/// At a million instances nothing may walk through a whole table.
#[tokio::test]
async fn no_statement_scans_a_table() {
    use hilum_storage::db::Value;
    let archive = TestArchive::one().await;
    let mut tx = archive.archive.0.db.read().await.unwrap();
    for statement in sql::ALL
        .iter()
        .chain(change_feed::sql::ALL)
        .chain(extended_query_tags::sql::ALL)
        .filter(|statement| !statement.starts_with("INSERT"))
    {
        let parameters = (1..20).filter(|n| statement.contains(&format!("${n}"))).count();
        let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {statement}").into_boxed_str());
        let rows = tx.fetch_all(explain, &vec![Value::from(1_i64); parameters]).await.unwrap();
        for row in rows {
            let step = row.text(3).unwrap();
            // `k` are the keys of a page, found before.
            let is_bounded = step.contains("CONSTANT") || step == "SCAN k";
            assert!(!step.starts_with("SCAN") || is_bounded, "{step}: {statement}");
        }
    }
}
