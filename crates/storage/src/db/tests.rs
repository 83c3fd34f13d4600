//! The behaviour both databases must show. PostgreSQL runs where `HILUM_TEST_POSTGRES_URL` names a server.

use std::sync::Arc;

use futures::FutureExt as _;

use super::{Db, DbError, Migration, Migrations, Statement};
use crate::contract;

const SCHEMA: &[Migrations] = &[Migrations {
    owner: "test",
    steps: &[Migration {
        number: 1,
        name: "thing",
        sql: "CREATE TABLE thing (id {{identity}}, name TEXT NOT NULL UNIQUE, data BLOB, size DOUBLE PRECISION, at_ms BIGINT);
              CREATE INDEX thing_at ON thing (at_ms)",
    }],
}];

async fn insert(db: &Db, name: &'static str) -> Result<(), DbError> {
    db.write(name, |tx, name| {
        async move {
            tx.execute(
                "INSERT INTO thing (name, data) VALUES ($1, $2)",
                &[(*name).into(), b"x".as_slice().into()],
            )
            .await
            .map(drop)
        }
        .boxed()
    })
    .await
}

async fn names(db: &Db) -> Vec<String> {
    let rows = db.read().await.unwrap().fetch_all("SELECT name FROM thing ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

#[tokio::test]
async fn values_come_back_as_they_went_in_and_null_is_null() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        test.db.migrate(SCHEMA).await.unwrap();
        insert(&test.db, "Łukasz").await.unwrap();
        let row = test
            .db
            .read()
            .await
            .unwrap()
            .fetch_optional(
                "SELECT id, name, data, size, at_ms FROM thing WHERE name = $1",
                &["Łukasz".into()],
            )
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.int(0).unwrap(), 1);
        assert_eq!(row.text(1).unwrap(), "Łukasz");
        assert_eq!(row.blob(2).unwrap(), b"x");
        assert_eq!(row.opt_double(3).unwrap(), None);
        assert_eq!(row.opt_int(4).unwrap(), None);
        assert!(matches!(row.int(9), Err(DbError::Column { column: 9, .. })));
    }
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_and_its_neighbours_stand() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        let (a, b, c) = tokio::join!(
            insert(&test.db, "one"),
            test.db.write((), |tx, ()| {
                async move {
                    tx.execute("INSERT INTO thing (name) VALUES ($1)", &["lost".into()]).await?;
                    Err::<(), _>(DbError::Busy)
                }
                .boxed()
            }),
            insert(&test.db, "two"),
        );
        a.unwrap();
        assert!(matches!(b, Err(DbError::Busy)));
        c.unwrap();
        let mut found = names(&test.db).await;
        found.sort();
        assert_eq!(found, ["one", "two"]);
    }
}

#[tokio::test]
async fn a_second_row_with_the_same_key_is_a_duplicate_and_not_a_fault() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        insert(&test.db, "same").await.unwrap();
        assert!(matches!(insert(&test.db, "same").await, Err(DbError::Duplicate { .. })));
        insert(&test.db, "other").await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_in_the_work_is_an_error_and_the_writer_lives_on() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        let result: Result<(), DbError> =
            test.db.write((), |_, ()| async { panic!("on purpose") }.boxed()).await;
        assert!(matches!(result, Err(DbError::Panicked)));
        insert(&test.db, "after").await.unwrap();
    }
}

#[tokio::test]
async fn writers_in_numbers_all_commit() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        let db = Arc::new(test.db.clone());
        let writes = (0..200).map(|n| {
            let db = Arc::clone(&db);
            async move {
                db.write(n, |tx, n: &i64| {
                    async move {
                        tx.execute("INSERT INTO thing (name) VALUES ($1)", &[n.to_string().into()])
                            .await
                            .map(drop)
                    }
                    .boxed()
                })
                .await
            }
        });
        for result in futures::future::join_all(writes).await {
            result.map_err(|error: DbError| error).unwrap();
        }
        assert_eq!(names(&test.db).await.len(), 200);
    }
}

#[tokio::test]
async fn a_snapshot_does_not_see_later_writes() {
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        let mut snapshot = test.db.snapshot().await.unwrap();
        let count = "SELECT COUNT(*) FROM thing";
        assert_eq!(snapshot.fetch_optional(count, &[]).await.unwrap().unwrap().int(0).unwrap(), 0);
        insert(&test.db, "later").await.unwrap();
        assert_eq!(snapshot.fetch_optional(count, &[]).await.unwrap().unwrap().int(0).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_changed_step_is_refused() {
    const CHANGED: &[Migrations] = &[Migrations {
        owner: "test",
        steps: &[Migration { number: 1, name: "thing", sql: "CREATE TABLE thing (id {{identity}})" }],
    }];
    for test in contract::databases().await {
        test.db.migrate(SCHEMA).await.unwrap();
        assert!(matches!(test.db.migrate(CHANGED).await, Err(DbError::Schema(_))));
    }
}

#[test]
fn a_joined_statement_binds_every_value() {
    let mut statement = Statement::new("SELECT 1 FROM thing WHERE name = ");
    statement.bind("x").push(" AND id IN (").bind_list([1_i64, 2]).push(")");
    assert_eq!(statement.text(), "SELECT 1 FROM thing WHERE name = $1 AND id IN ($2,$3)");
    let mut none = Statement::new("IN (");
    none.bind_list(Vec::<i64>::new()).push(")");
    assert_eq!(none.text(), "IN (NULL)");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_of_a_new_database_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let config = super::DbConfig::Sqlite { path: folder.path().join("new.db") };
    let db = Db::open(&config).await.unwrap();
    db.migrate(SCHEMA).await.unwrap();
    insert(&db, "x").await.unwrap();
    let modes: Vec<(String, u32)> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().to_string_lossy().into_owned(), mode)
        })
        .collect();
    assert!(modes.len() >= 2, "the database and its log: {modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}
