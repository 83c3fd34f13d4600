//! The fixed statements.

use super::sql;
use crate::{change_feed, testing::TestArchive};

#[tokio::test]
async fn every_statement_is_understood_by_every_database() {
    for archive in TestArchive::all().await {
        let mut tx = archive.archive.0.db.read().await.unwrap();
        for statement in sql::ALL.iter().chain([&change_feed::APPEND]) {
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
