//! What stands in the index: after stores, removals, re-indexes and whatever comes between them.

use dicom_dictionary_std::tags;
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use super::{TAGS, add, add_ready, entry, found, get};
use crate::testing::{Body, File, TestArchive};

const VALUES: &str = "SELECT COUNT(*) FROM tag_value";

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}")).us(tags::ROWS, 512)
}

#[tokio::test]
async fn removals_take_values_and_errors_along() {
    for archive in TestArchive::all().await {
        add_ready(
            &archive,
            json!([
                entry("Rows", "Instance"),
                entry("OperatorsName", "Series"),
                entry("PatientAge", "Study")
            ]),
        )
        .await;
        let whole =
            |n| file(n).text(tags::OPERATORS_NAME, "PN", "Muster^Eva").text(tags::PATIENT_AGE, "AS", "034Y");
        archive.store(&[whole(1), whole(2)]).await;
        assert_eq!(archive.count(VALUES).await, 4);
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_word").await, 2);
        assert_eq!(archive.delete("/v2/studies/1.2/series/1.2.3/instances/1.2.3.1").await, 204);
        assert_eq!(archive.count(VALUES).await, 3, "series and study stay");
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        assert_eq!(archive.count(VALUES).await, 0);
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_word").await, 0);
    }
}

#[tokio::test]
async fn values_that_do_not_fit() {
    for archive in TestArchive::all().await {
        // v1 looks at no more than it indexes: the file is taken, and the re-index finds the value.
        let bad = File::new("1.2", "1.2.3", "1.2.3.1").text(tags::PATIENT_AGE, "AS", "OLD");
        assert_eq!(archive.post("/v1/studies").single(bad).send().await.status, 200);
        let good = File::new("1.3", "1.3.1", "1.3.1.1").text(tags::PATIENT_AGE, "AS", "034Y");
        archive.store(&[good]).await;
        add_ready(&archive, json!([entry("PatientAge", "Study")])).await;
        let tag = get(&archive, &format!("{TAGS}/PatientAge")).await;
        assert_eq!((&tag["status"], &tag["queryStatus"]), (&json!("ready"), &json!("disabled")));
        let href = "https://archive.test/dicom/v2/extendedquerytags/00101010/errors";
        assert_eq!(tag["errors"], json!({ "count": 1, "href": href }));
        let errors = archive.get(&format!("{TAGS}/PatientAge/errors")).send().await;
        insta::assert_snapshot!("errors", errors.text());
        assert_eq!(get(&archive, &format!("{TAGS}/PatientAge/errors?offset=1")).await, json!([]));

        let enabled = archive.request("PATCH", &format!("{TAGS}/PatientAge"));
        enabled.body("application/json", r#"{"queryStatus":"Enabled"}"#).send().await;
        let answer = archive.get("/v2/studies?PatientAge=034Y").accept("*/*").send().await;
        assert_eq!((answer.status, answer.header("erroneous-dicom-attributes")), (200, Some("PatientAge")));
        let none = archive.get("/v2/studies?PatientAge=035Y").accept("*/*").send().await;
        assert_eq!((none.status, none.header("erroneous-dicom-attributes")), (204, Some("PatientAge")));

        // From now on v1 refuses such a value, and v2 takes the file with a warning.
        let bad =
            |n: u32| File::new("1.4", "1.4.1", &format!("1.4.1.{n}")).text(tags::PATIENT_AGE, "AS", "OLD");
        let v1 = archive.post("/v1/studies").single(bad(1)).send().await;
        assert_eq!(v1.status, 409);
        assert!(
            v1.text().contains("(0010,1010) - Dicom element 'PatientAge' failed validation"),
            "{}",
            v1.text()
        );
        let v2 = archive.post("/v2/studies").single(bad(2)).send().await;
        assert_eq!(v2.status, 202, "{}", v2.text());
        assert_eq!(get(&archive, &format!("{TAGS}/PatientAge")).await["errors"]["count"], 1);
        // The error goes with its instance.
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        assert!(get(&archive, &format!("{TAGS}/PatientAge")).await.get("errors").is_none());
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_error").await, 0);
    }
}

#[tokio::test]
async fn a_damaged_instance_stops_no_other() {
    use futures::FutureExt as _;
    use hilum_storage::db::DbError;
    for archive in TestArchive::all().await {
        archive.store(&[file(1), file(2), file(3)]).await;
        let damaged: Result<u64, DbError> = archive
            .archive
            .0
            .db
            .write(vec![9_u8, 1, 2], |tx, junk| {
                async move {
                    let sql = "UPDATE instance_detail SET metadata = $1 WHERE instance_key = 2";
                    tx.execute(sql, &[junk.as_slice().into()]).await
                }
                .boxed()
            })
            .await;
        assert_eq!(damaged.unwrap(), 1);
        add_ready(&archive, json!([entry("Rows", "Instance")])).await;
        let tag = get(&archive, &format!("{TAGS}/Rows")).await;
        assert_eq!((&tag["status"], &tag["errors"]["count"]), (&json!("ready"), &json!(1)));
        assert_eq!(archive.count(VALUES).await, 2);
    }
}

/// A study says what its newest instance says, whether a store or the re-index wrote last.
#[tokio::test]
async fn the_reindex_overwrites_nothing_newer() {
    for archive in TestArchive::all().await {
        let aged = |n, age: &str| file(n).text(tags::PATIENT_AGE, "AS", age);
        archive.store(&[aged(1, "001Y"), aged(2, "002Y")]).await;
        assert_eq!(add(&archive, json!([entry("PatientAge", "Study")])).await.status, 202);
        archive.store(&[aged(3, "003Y")]).await;
        assert_eq!(archive.count(VALUES).await, 1, "a store takes part at once");
        archive.run_jobs().await;
        assert_eq!(found(&archive, "/v2/studies?PatientAge=003Y").await, 1);
        assert_eq!(found(&archive, "/v2/studies?PatientAge=002Y").await, 0);
    }
}

/// Stores that were prepared before a tag came, and end after.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_instance_is_missed_while_tags_come_and_go() {
    for archive in TestArchive::all().await {
        let stores = join_all((0..8).map(|writer: u32| {
            let archive = &archive;
            async move {
                for round in 0..10 {
                    let n = writer * 100 + round * 2;
                    archive.store(&[file(n), file(n + 1)]).await;
                }
            }
        }));
        let tags = async {
            for tag in ["Rows", "Modality"] {
                // The second is one of the index's own.
                let answer = add(&archive, json!([entry(tag, "Instance")])).await;
                assert_eq!(answer.status, if tag == "Rows" { 202 } else { 400 });
                archive.run_jobs().await;
            }
            add_ready(&archive, json!([entry("PatientSex", "Study")])).await;
            assert_eq!(archive.delete(&format!("{TAGS}/PatientSex")).await, 204);
        };
        tokio::join!(stores, tags);
        archive.run_jobs().await;
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 160);
        assert_eq!(archive.count(VALUES).await, 160);
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_value v JOIN instance i ON i.instance_key = v.entity_key AND v.watermark = i.watermark").await, 160);
        assert_eq!(found(&archive, "/v2/instances?Rows=512&limit=200").await, 160);
    }
}

/// Another process does not know this one's cache: a store with old tags finds out in its transaction.
#[tokio::test]
async fn a_node_that_knows_old_tags_indexes_by_those_of_now() {
    for archive in TestArchive::all().await {
        let other = archive.beside();
        // Its first store makes it look: there are no tags yet.
        let first = other.post("/v2/studies").multipart(&Body::of(&[file(9)])).send().await;
        assert_eq!(first.status, 200);
        assert_eq!(archive.delete("/v2/studies/1.2").await, 204);
        add_ready(&archive, json!([entry("Rows", "Instance")])).await;
        let answer = other.post("/v2/studies").multipart(&Body::of(&[file(1)])).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(archive.count(VALUES).await, 1);
        assert_eq!(archive.delete(&format!("{TAGS}/Rows")).await, 204);
        archive.run_jobs().await;
        let answer = other.post("/v2/studies").multipart(&Body::of(&[file(2)])).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(archive.count(VALUES).await, 0, "nothing under a tag that is gone");
    }
}

/// A process that has just started knows the tags before it judges.
#[tokio::test]
async fn the_first_store_after_a_start_is_judged_by_the_tags() {
    for archive in TestArchive::all().await {
        add_ready(&archive, json!([entry("PatientAge", "Study")])).await;
        let bad = File::new("1.2", "1.2.3", "1.2.3.1").text(tags::PATIENT_AGE, "AS", "OLD");
        assert_eq!(archive.beside().post("/v1/studies").single(bad).send().await.status, 409);
    }
}

/// A node dies in the middle; the next goes on when the lease is over, without loss and without anything twice.
#[tokio::test]
async fn a_killed_reindex_goes_on() {
    for archive in TestArchive::all().await {
        for from in [0, 300] {
            let files: Vec<File> = (from..from + 300)
                .map(|n| match n % 50 {
                    0 => file(n).without(tags::ROWS).text(tags::ROWS, "LO", "none"),
                    _ => file(n),
                })
                .collect();
            archive.store(&files).await;
        }
        assert_eq!(add(&archive, json!([entry("Rows", "Instance")])).await.status, 202);
        let worker = archive.worker();
        let killed = async {
            while archive.count("SELECT COUNT(*) FROM job WHERE checkpoint IS NOT NULL").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        // Whichever is first: dropping the worker's future is what a kill leaves in the database.
        let finished = tokio::select! {
            biased;
            () = killed => false,
            _ = worker.run_due_once() => true,
        };
        assert!(!finished, "killed after its first page");
        let progress = archive.count("SELECT progress FROM job WHERE kind = 'dicom.reindex'").await;
        assert!(progress > 0, "{progress}");
        assert_eq!(get(&archive, &format!("{TAGS}/Rows")).await["status"], "adding");
        archive.delete("/v2/studies/1.2/series/1.2.3/instances/1.2.3.599").await;
        archive.clock.advance(SignedDuration::from_mins(2));
        assert_eq!(archive.run_jobs().await, 1);
        let tag = get(&archive, &format!("{TAGS}/Rows")).await;
        assert_eq!((&tag["status"], &tag["errors"]["count"]), (&json!("ready"), &json!(12)));
        assert_eq!(archive.count(VALUES).await, 587);
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_error").await, 12);
    }
}
