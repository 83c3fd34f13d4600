//! The feed on the wire, and what its readers may rely on.

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::Value;

use super::{parameters::shown_time, ticks};
use crate::testing::{File, READER, TestArchive, token};

fn file(study: &str, n: u32) -> File {
    File::new(study, &format!("{study}.1"), &format!("{study}.1.{n}"))
}

async fn feed(archive: &TestArchive, path: &str) -> Vec<Value> {
    let answer = archive.get(path).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    answer.json().as_array().unwrap().clone()
}

fn members(entries: &[Value], name: &str) -> Vec<String> {
    entries.iter().map(|entry| entry[name].to_string().trim_matches('"').to_owned()).collect()
}

fn numbers(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["sequence"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn entries_tell_what_happened_and_what_is_there_now() {
    for archive in TestArchive::all().await {
        assert_eq!(archive.get("/v2/changefeed/latest").send().await.status, 204, "nothing yet");
        assert_eq!(feed(&archive, "/v1/changefeed").await, Vec::<Value>::new());
        archive.store(&[file("1.2", 1), file("1.2", 2)]).await;
        archive.clock.advance(SignedDuration::from_millis(1500));
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        archive.store(&[file("1.2", 1)]).await;
        let page = archive.get("/v1/changefeed").send().await;
        insta::assert_snapshot!("entries", page.text());
        let entries = feed(&archive, "/v2/changefeed").await;
        assert_eq!(serde_json::to_value(&entries).unwrap(), page.json(), "both versions, one form");
        assert_eq!(members(&entries, "action"), ["Create", "Create", "Delete", "Delete", "Create"]);
        assert_eq!(members(&entries, "state"), ["Replaced", "Deleted", "Replaced", "Deleted", "Current"]);
        for entry in &entries {
            // The state, not the action, decides whether there are metadata: those of the present version.
            assert_eq!(entry.get("metadata").is_some(), entry["state"] != "Deleted");
        }
        for version in ["v1", "v2"] {
            let latest = archive.get(&format!("/{version}/changefeed/latest")).send().await;
            assert_eq!((latest.status, latest.json()), (200, entries[4].clone()));
        }
        for bare in feed(&archive, "/v2/changefeed?includemetadata=False").await {
            assert!(bare.get("metadata").is_none());
        }
        let latest = archive.get("/v1/changefeed/latest?includeMetadata=false").send().await;
        assert!(latest.json().get("metadata").is_none());
    }
}

#[tokio::test]
async fn v1_pages_by_number_without_gaps() {
    for archive in TestArchive::all().await {
        // Each in a study of its own, one refused as a duplicate in between.
        for n in 1..=12 {
            archive.store(&[file(&format!("1.2.{n}"), n)]).await;
            let again = archive.post("/v2/studies").single(file(&format!("1.2.{n}"), n)).send().await;
            assert_eq!(again.status, 409);
        }
        assert_eq!(numbers(&feed(&archive, "/v1/changefeed").await), (1..=10).collect::<Vec<_>>());
        assert_eq!(numbers(&feed(&archive, "/v1/changefeed?offset=10").await), [11, 12]);
        assert_eq!(numbers(&feed(&archive, "/v1/changefeed?offset=3&limit=2").await), [4, 5]);
        assert!(feed(&archive, "/v1/changefeed?offset=12").await.is_empty());
        assert!(feed(&archive, &format!("/v1/changefeed?offset={}", i64::MAX)).await.is_empty());
    }
}

#[tokio::test]
async fn v2_pages_through_windows_of_time() {
    for archive in TestArchive::all().await {
        for n in 1..=5 {
            archive.store(&[file("1.2", n)]).await;
            archive.clock.advance(SignedDuration::from_millis(100));
        }
        let all = feed(&archive, "/v2/changefeed").await;
        let times = members(&all, "timestamp");
        let of = |query: String| {
            let archive = &archive;
            async move { numbers(&feed(archive, &format!("/v2/changefeed?{query}")).await) }
        };
        // A time that came out selects the very entry when it goes back in.
        assert_eq!(of(format!("startTime={}&limit=1", times[2])).await, [3]);
        assert_eq!(of(format!("startTime={}&endTime={}", times[1], times[3])).await, [2, 3]);
        assert_eq!(of(format!("endTime={}", times[1])).await, [1]);
        assert_eq!(of("offset=1&limit=2".to_owned()).await, [2, 3]);
        assert_eq!(of("offset=5".to_owned()).await, Vec::<i64>::new());
        let east = times[4].replace('Z', "%2B00:00");
        assert_eq!(of(format!("startTime={east}")).await, [5]);
    }
}

/// The trap of windows: a writer that waited long brings an old time.
#[tokio::test]
async fn a_window_that_was_read_stays_as_it_was() {
    for archive in TestArchive::all().await {
        archive.store(&[file("1.2", 1)]).await;
        archive.clock.advance(SignedDuration::from_secs(10));
        let end = shown_time(ticks(archive.archive.0.clock.now()));
        let window = format!("/v2/changefeed?endTime={end}");
        assert_eq!(numbers(&feed(&archive, &window).await), [1]);
        // A node whose clock is behind, or a request that took its time before.
        archive.clock.advance(SignedDuration::from_secs(-5));
        archive.store(&[file("1.2", 2)]).await;
        assert_eq!(numbers(&feed(&archive, &window).await), [1], "the window was read and is final");
        let next = feed(&archive, &format!("/v2/changefeed?startTime={end}")).await;
        assert_eq!(numbers(&next), [2], "the next window has it");
        assert_eq!(next[0]["timestamp"].as_str(), Some(end.as_str()));
        // A window of the future is not closed: what happens until then belongs into it.
        archive.clock.advance(SignedDuration::from_secs(60));
        let later = shown_time(ticks(archive.archive.0.clock.now()) + 600_000_000);
        feed(&archive, &format!("/v2/changefeed?endTime={later}")).await;
        archive.store(&[file("1.2", 3)]).await;
        assert_eq!(numbers(&feed(&archive, &format!("/v2/changefeed?endTime={later}")).await), [1, 2, 3]);
    }
}

/// Ten writers store and delete while a reader goes on from the last number it saw: it never meets a gap, and never looks back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entries_become_visible_strictly_in_order() {
    const WRITERS: u32 = 10;
    const ROUNDS: u32 = 6;
    for archive in TestArchive::all().await {
        let writes = join_all((0..WRITERS).map(|writer| {
            let archive = &archive;
            async move {
                for round in 0..ROUNDS {
                    // Own and shared studies, one to three instances, some removed again.
                    let study = if round % 2 == 0 { format!("1.9.{writer}") } else { "1.8".to_owned() };
                    let number = writer * 100 + round * 10;
                    let files: Vec<File> = (0..=round % 3).map(|n| file(&study, number + n)).collect();
                    archive.store(&files).await;
                    if round % 3 == 1 {
                        let path =
                            format!("/v2/studies/{study}/series/{study}.1/instances/{study}.1.{number}");
                        assert_eq!(archive.delete(&path).await, 204);
                    }
                }
            }
        }));
        // Per writer: 12 instances stored, 2 of them deleted.
        let total = i64::from(WRITERS) * 14;
        let read = async {
            let (mut last, mut last_time, mut pages) = (0, String::new(), 0);
            while last < total {
                let path = format!("/v1/changefeed?offset={last}&limit=100&includeMetadata=false");
                for entry in feed(&archive, &path).await {
                    let number = entry["sequence"].as_i64().unwrap();
                    assert_eq!(number, last + 1, "a later entry was visible before an earlier one");
                    let time = entry["timestamp"].as_str().unwrap().to_owned();
                    assert!(time >= last_time, "times go with numbers");
                    (last, last_time) = (number, time);
                }
                pages += 1;
                archive.clock.advance(SignedDuration::from_nanos(100));
                tokio::task::yield_now().await;
            }
            pages
        };
        let (_, pages) = tokio::join!(writes, read);
        assert!(pages > 2, "the reader read while the writers wrote");
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, total);
    }
}

#[tokio::test]
async fn a_reader_may_wait_for_news() {
    for archive in TestArchive::all().await {
        archive.store(&[file("1.2", 1)]).await;
        for (path, study) in
            [("/v1/changefeed?offset=1&wait=30", "1.3"), ("/v2/changefeed?offset=2&wait=30", "1.4")]
        {
            let waiting = archive.get(path).send();
            let news = async {
                while archive.archive.0.feed.waiting() == 0 {
                    tokio::task::yield_now().await;
                }
                archive.store(&[file(study, 1)]).await;
            };
            let (answer, ()) = tokio::join!(waiting, news);
            let entries = answer.json();
            assert_eq!(entries.as_array().unwrap().len(), 1, "{path}");
            assert_eq!(entries[0]["studyInstanceUid"], study);
        }
        // What cannot change is not waited for.
        let over = "/v2/changefeed?endTime=2001-01-01T00:00:00Z&wait=30";
        assert!(feed(&archive, over).await.is_empty());
    }
}

#[tokio::test]
async fn bad_parameters_and_who_may_read() {
    let archive = TestArchive::one().await;
    for (path, text) in [
        (
            "/v1/changefeed?limit=101",
            "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 100.",
        ),
        (
            "/v2/changefeed?offset=-1",
            "The query parameter 'Offset' is invalid. The field Offset must be between 0 and 9223372036854775807.",
        ),
        (
            "/v2/changefeed/latest?includemetadata=0",
            "The query parameter 'IncludeMetadata' is invalid. The value '0' is not valid for IncludeMetadata.",
        ),
        (
            "/v2/changefeed?endTime=2026-01-01T00:00:00",
            "The query parameter 'EndTime' is invalid. Date and time value must specify a time zone.",
        ),
    ] {
        let answer = archive.get(path).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (400, text), "{path}");
    }
    let reader = archive.get("/v2/changefeed").bearer(&token(&[READER])).send().await;
    assert_eq!((reader.status, reader.text().as_str()), (200, "[]"));
    let rows = loop {
        let rows = archive
            .rows("SELECT outcome, detail FROM audit_event WHERE action = 'dicom.change-feed.read'")
            .await;
        if !rows.is_empty() {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (rows[0].text(0).unwrap(), rows[0].text(1).unwrap()),
        ("success".to_owned(), "entries=0".to_owned())
    );
}
