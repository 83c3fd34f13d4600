//! Delete, its traces, and the background work on files.

use std::sync::Arc;

use dicom_dictionary_std::tags;
use futures::future::join_all;

use super::purge::{OrphanSweep, Purge};
use crate::testing::{Body, File, TestArchive};

fn file(series: u32, n: u32) -> File {
    File::new("1.2", &format!("1.2.{series}"), &format!("1.2.{series}.{n}"))
}

#[tokio::test]
async fn three_levels_and_emptied_parents() {
    for archive in TestArchive::all().await {
        archive.store(&[file(3, 1), file(3, 2), file(4, 1), File::new("1.9", "1.9.1", "1.9.1.1")]).await;
        assert_eq!(archive.delete("/v2/studies/1.2/series/1.2.3/instances/1.2.3.1").await, 204);
        assert_eq!(archive.count("SELECT instance_count FROM study WHERE study_uid = '1.2'").await, 2);
        assert_eq!(archive.delete("/v1/studies/1.2/series/1.2.3/instances/1.2.3.2").await, 204);
        assert_eq!(archive.count("SELECT COUNT(*) FROM series WHERE series_uid = '1.2.3'").await, 0);
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 2);
        assert_eq!(archive.delete("/v2/studies/1.2/series/1.2.4").await, 204);
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 1);
        for path in ["/v2/studies/1.2", "/v2/studies/1.2/series/1.2.4"] {
            assert_eq!(archive.get(path).accept("*/*").send().await.status, 404);
        }
        archive.store(&[file(3, 1), file(4, 1)]).await;
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 1, "other studies stay");
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance_detail").await, 1);
        assert_eq!(archive.count("SELECT COUNT(*) FROM study_name_word").await, 2);
        assert_eq!(archive.delete("/v2/studies/1.9").await, 204);
        assert_eq!(archive.count("SELECT COUNT(*) FROM study_name_word").await, 0);
        // Deleted and stored again at once, with the same UIDs.
        archive.store(&[file(3, 1)]).await;
        assert_eq!(archive.get("/v2/studies/1.2").accept("*/*").send().await.status, 200);
    }
}

#[tokio::test]
async fn suffixes_of_names_live_as_long_as_the_names() {
    const SUFFIXES: &str = "SELECT COUNT(*) FROM name_suffix WHERE attribute = 1048592";
    const DISTINCT_WORDS: &str = "SELECT COUNT(DISTINCT word) FROM name_suffix WHERE attribute = 1048592";
    for archive in TestArchive::all().await {
        let named = |study: &str, n: u32, name: &str| {
            File::new(study, &format!("{study}.1"), &format!("{study}.1.{n}")).text(
                tags::PATIENT_NAME,
                "PN",
                name,
            )
        };
        archive.store(&[named("1.2", 1, "Muster^Eva"), named("1.3", 1, "Muster^Adam")]).await;
        assert_eq!(archive.count(SUFFIXES).await, 6 + 3 + 4);
        // The newest instance's name wins, and the other study keeps what it shares.
        archive.store(&[named("1.2", 2, "Meister^Eva")]).await;
        assert_eq!(archive.count(SUFFIXES).await, 6 + 3 + 4 + 7);
        archive.store(&[named("1.3", 2, "Nowak^Adam")]).await;
        assert_eq!(archive.count(DISTINCT_WORDS).await, 4, "nobody is called Muster any more");
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        assert_eq!(archive.count(SUFFIXES).await, 5 + 4);
        assert_eq!(archive.delete("/v2/studies/1.3").await, 204);
        assert_eq!(archive.count("SELECT COUNT(*) FROM name_suffix").await, 0);
        // A word of unreasonable length is no reason for unreasonable many rows.
        archive.store(&[named("1.4", 1, &"x".repeat(300))]).await;
        assert!(archive.count(SUFFIXES).await <= 256);
    }
}

#[tokio::test]
async fn what_is_not_there_or_no_uid() {
    for archive in TestArchive::all().await {
        archive.store(&[file(3, 1)]).await;
        for (path, text) in [
            ("/v2/studies/9", "The specified study cannot be found."),
            ("/v2/studies/1.2/series/9", "The specified series cannot be found."),
            ("/v2/studies/1.2/series/1.2.3/instances/9", "The specified instance cannot be found."),
            ("/v2/studies/9/series/1.2.3", "The specified series cannot be found."),
        ] {
            let answer = archive.request("DELETE", path).send().await;
            assert_eq!((answer.status, answer.text().as_str()), (404, text));
        }
        for path in
            ["/v2/studies/1.2a", "/v2/studies/1.2/series/%20", "/v2/studies/1.2/series/1.2.3/instances/."]
        {
            assert_eq!(archive.delete(path).await, 400, "{path}");
        }
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, 1, "nothing happened");
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 1);
    }
}

#[tokio::test]
async fn files_go_when_the_grace_is_over() {
    for archive in TestArchive::all().await {
        let purge = Purge(archive.archive.clone());
        archive.store(&[file(3, 1), file(3, 2), file(4, 1)]).await;
        archive.delete("/v2/studies/1.2/series/1.2.3").await;
        assert_eq!(purge.purge_some().await.unwrap(), 0);
        archive.advance_hours(3 * 24 - 1);
        assert_eq!(purge.purge_some().await.unwrap(), 0);
        assert_eq!(archive.blob_files().len(), 3);
        archive.store(&[file(3, 1)]).await;
        archive.advance_hours(1);
        assert_eq!(purge.purge_some().await.unwrap(), 2);
        assert_eq!(purge.purge_some().await.unwrap(), 0);
        assert_eq!(archive.blob_files().len(), 2);
        assert_eq!(archive.count("SELECT COUNT(*) FROM purge").await, 0);
        // What was stored again is whole.
        let answer = archive.get("/v2/studies/1.2").accept("*/*").send().await;
        assert_eq!(answer.parts().await.len(), 2);
        // A file that is gone already does not stop the job.
        archive.delete("/v2/studies/1.2").await;
        std::fs::remove_file(&archive.blob_files()[0]).unwrap();
        archive.advance_hours(100);
        // One that cannot be removed is told, and tried again; it stops no other.
        let stubborn = archive.blob_files()[0].clone();
        std::fs::remove_file(&stubborn).unwrap();
        std::fs::create_dir(&stubborn).unwrap();
        assert!(purge.purge_some().await.is_err());
        assert_eq!(archive.count("SELECT COUNT(*) FROM purge").await, 1);
        std::fs::remove_dir(&stubborn).unwrap();
        assert_eq!(purge.purge_some().await.unwrap(), 1);
        assert!(archive.blob_files().is_empty());
    }
}

#[tokio::test]
async fn the_sweep_takes_orphans_only() {
    for archive in TestArchive::all().await {
        archive.store(&[file(3, 1), file(3, 2), file(4, 1)]).await;
        archive.delete("/v2/studies/1.2/series/1.2.4").await;
        let orphan = archive.blob_files()[0].with_file_name("00000000-0000-4000-8000-000000000000.dcm");
        std::fs::write(&orphan, b"left by a crash").unwrap();
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(crate::testing::NOW.cast_unsigned());
        std::fs::File::options().append(true).open(&orphan).unwrap().set_modified(now).unwrap();
        let sweep = OrphanSweep(archive.archive.clone());
        assert_eq!(sweep.sweep().await.unwrap(), 0, "too young to be an orphan");
        archive.advance_hours(25);
        assert_eq!(sweep.sweep().await.unwrap(), 1);
        assert!(!orphan.exists());
        assert_eq!(archive.blob_files().len(), 3, "named by rows, or waiting for their removal");
        assert_eq!(sweep.sweep().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_change_feed_has_one_entry_for_each_change() {
    for archive in TestArchive::all().await {
        archive.store(&[file(3, 1), file(3, 2)]).await;
        archive.post("/v2/studies").single(file(3, 1)).send().await;
        archive.delete("/v2/studies/1.2/series/1.2.3/instances/1.2.3.1").await;
        archive.store(&[file(3, 1)]).await;
        archive.delete("/v2/studies/1.2").await;
        let rows = archive
            .rows("SELECT sequence, action, sop_instance_uid, watermark, at_ticks, study_uid, series_uid FROM change_feed ORDER BY sequence")
            .await;
        let seen: Vec<_> = rows.iter().map(|row| (row.int(1).unwrap(), row.text(2).unwrap())).collect();
        let expected =
            [(0, "1.2.3.1"), (0, "1.2.3.2"), (2, "1.2.3.1"), (0, "1.2.3.1"), (2, "1.2.3.2"), (2, "1.2.3.1")];
        assert_eq!(seen, expected.map(|(action, uid)| (action, uid.to_owned())));
        let number = |row: usize, column: usize| rows[row].int(column).unwrap();
        // A deletion is about the version that was created.
        assert_eq!(number(2, 3), number(0, 3));
        assert_eq!(number(5, 3), number(3, 3));
        assert_eq!(number(0, 4), crate::testing::NOW * 10_000_000, "100 ns units");
        assert!(rows.iter().all(|row| row.text(5).unwrap() == "1.2" && row.text(6).unwrap() == "1.2.3"));
    }
}

#[tokio::test]
async fn times_in_the_feed_do_not_go_back_with_the_clock() {
    for archive in TestArchive::all().await {
        archive.store(&[file(3, 1)]).await;
        archive.advance_hours(-1);
        archive.store(&[file(3, 2)]).await;
        archive.delete("/v2/studies/1.2/series/1.2.3/instances/1.2.3.1").await;
        let rows = archive.rows("SELECT at_ticks FROM change_feed ORDER BY sequence").await;
        let times: Vec<i64> = rows.iter().map(|row| row.int(0).unwrap()).collect();
        assert_eq!(times.len(), 3);
        assert!(times.is_sorted(), "{times:?}");
    }
}

/// A reader that never looks back must miss nothing: no number appears after a higher one was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_appear_in_the_order_of_their_numbers() {
    for archive in TestArchive::all().await {
        let archive = Arc::new(archive);
        let reader = {
            let archive = Arc::clone(&archive);
            async move {
                let (mut seen, mut last) = (Vec::new(), 0);
                while seen.len() < 120 {
                    let rows = archive.rows("SELECT sequence FROM change_feed ORDER BY sequence").await;
                    let numbers: Vec<i64> = rows.iter().map(|row| row.int(0).unwrap()).collect();
                    let new: Vec<i64> = numbers.iter().copied().filter(|&number| number > last).collect();
                    seen.extend(&new);
                    assert_eq!(seen, numbers, "an entry appeared behind one that was seen");
                    last = seen.last().copied().unwrap_or(0);
                    tokio::task::yield_now().await;
                }
            }
        };
        let writers = (0..10_u32).map(|writer| {
            let archive = Arc::clone(&archive);
            async move {
                for n in 0..3 {
                    let uid = |k: u32| format!("1.{writer}.{n}.{k}");
                    let study = format!("1.{}", writer % 3 + 100);
                    let body =
                        Body::of(&[File::new(&study, "1.3", &uid(1)), File::new(&study, "1.4", &uid(2))]);
                    let answer = archive.post("/v2/studies").multipart(&body).send().await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    for (series, k) in [("1.3", 1), ("1.4", 2)] {
                        let path = format!("/v2/studies/{study}/series/{series}/instances/{}", uid(k));
                        assert_eq!(archive.delete(&path).await, 204);
                    }
                }
            }
        });
        tokio::join!(reader, join_all(writers));
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 0);
        assert_eq!(archive.count("SELECT COUNT(*) FROM series").await, 0);
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed WHERE action = 0").await, 60);
    }
}

#[tokio::test]
async fn a_failing_database_leaves_everything_in_place() {
    let archive = TestArchive::one().await;
    archive.store(&[file(3, 1)]).await;
    let rename = async |sql: hilum_storage::db::Sql| {
        use futures::FutureExt as _;
        let db = &archive.archive.0.db;
        db.write(sql, |tx, sql| async move { tx.execute(sql, &[]).await.map(drop) }.boxed())
            .await
            .map_err(|error: hilum_storage::db::DbError| error)
            .unwrap();
    };
    rename("ALTER TABLE purge RENAME TO away").await;
    assert!(matches!(archive.delete("/v2/studies/1.2").await, 500 | 503));
    rename("ALTER TABLE away RENAME TO purge").await;
    assert_eq!(archive.get("/v2/studies/1.2").accept("*/*").send().await.status, 200);
    assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, 1);
}
