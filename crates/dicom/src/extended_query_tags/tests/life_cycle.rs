//! From `POST` to `DELETE` on the wire.

use dicom_dictionary_std::tags;
use serde_json::json;

use super::{TAGS, add, add_ready, entry, get};
use crate::testing::{File, READER, TestArchive, WRITER, token};

fn aged(n: u32, age: &str) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}")).text(tags::PATIENT_AGE, "AS", age)
}

#[tokio::test]
async fn a_tag_is_added_gone_through_switched_and_removed() {
    for archive in TestArchive::all().await {
        archive.store(&[aged(1, "034Y"), aged(2, "035Y")]).await;
        let private =
            json!({ "path": "00091001", "vr": "CS", "privateCreator": "Mine", "level": "Instance" });
        let answer = add(&archive, json!([entry("PatientAge", "Study"), private])).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let reference = answer.json();
        let href = reference["href"].as_str().unwrap();
        assert_eq!(answer.header("location"), Some(href));
        let id = reference["id"].as_str().unwrap();
        assert_eq!(href, format!("https://archive.test/dicom/v2/operations/{id}"));

        let operation = format!("/v2/operations/{id}");
        let running = archive.get(&operation).send().await;
        assert_eq!((running.status, running.header("location")), (202, Some(href)));
        let adding = get(&archive, TAGS).await;
        insta::with_settings!({ filters => vec![(id, "ID")] }, {
            insta::assert_snapshot!("operation_waiting", running.text());
            insta::assert_snapshot!("tags_adding", serde_json::to_string_pretty(&adding).unwrap());
        });
        assert_eq!(archive.delete(&format!("{TAGS}/PatientAge")).await, 400, "its operation is not over");

        assert_eq!(archive.run_jobs().await, 1);
        let over = archive.get(&operation).send().await;
        assert_eq!((over.status, over.header("location")), (200, None));
        let v1 = get(&archive, &format!("/v1/operations/{id}")).await;
        assert_eq!(v1["status"], "completed");
        assert_eq!(v1["resources"][0], "https://archive.test/dicom/v1/extendedquerytags/00101010");
        insta::with_settings!({ filters => vec![(id, "ID")] }, {
            insta::assert_snapshot!("operation_over", over.text());
        });
        let ready = get(&archive, &format!("{TAGS}/00101010")).await;
        assert_eq!(
            ready,
            json!({ "path": "00101010", "vr": "AS", "level": "study", "status": "ready", "queryStatus": "enabled" })
        );
        assert_eq!(get(&archive, &format!("{TAGS}?limit=1&offset=1")).await[0]["privateCreator"], "Mine");

        let patch = |body: &'static str| {
            archive.request("PATCH", "/v2/extendedquerytags/PatientAge").body("application/json", body).send()
        };
        let disabled = patch(r#"{"queryStatus":"Disabled"}"#).await;
        assert_eq!((disabled.status, disabled.json()["queryStatus"].clone()), (200, json!("disabled")));
        let refused = archive.get("/v2/studies?PatientAge=034Y").accept("*/*").send().await;
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (400, "Query is disabled on specified attribute 'PatientAge'.")
        );
        assert_eq!(patch(r#"{"QueryStatus":"enabled"}"#).await.json()["queryStatus"], "enabled");
        for bad in ["{}", "[]", "{", r#"{"queryStatus":"On"}"#, r#"{"queryStatus":1}"#] {
            assert_eq!(patch(bad).await.status, 400, "{bad}");
        }

        for path in ["00101010", "00091001"] {
            assert_eq!(archive.delete(&format!("{TAGS}/{path}")).await, 204);
            let gone = archive.get(&format!("{TAGS}/{path}")).send().await;
            assert_eq!(gone.status, 404);
            assert_eq!(
                gone.text(),
                format!("The specified extended query tag with tag path {path} cannot be found.")
            );
        }
        assert_eq!(archive.run_jobs().await, 2);
        assert_eq!(archive.count("SELECT COUNT(*) FROM tag_value").await, 0);
        assert_eq!(get(&archive, TAGS).await, json!([]));
        // The operation can be asked for still; what it was about is not there any more.
        assert!(get(&archive, &operation).await.get("resources").is_none());
    }
}

#[tokio::test]
async fn clashes() {
    for archive in TestArchive::all().await {
        let first = add(&archive, json!([entry("PatientAge", "Study")])).await;
        let href = first.header("location").unwrap().to_owned();
        let other = add(&archive, json!([entry("Occupation", "Study")])).await;
        let id = first.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(other.status, 409);
        assert_eq!(other.text(), format!("There is already an active re-index operation with ID '{id}'."));
        assert_eq!(other.header("location"), Some(href.as_str()));
        assert_eq!(
            get(&archive, TAGS).await.as_array().unwrap().len(),
            1,
            "nothing of the refused one stays"
        );
        archive.run_jobs().await;
        let again = add(&archive, json!([entry("Occupation", "Study"), entry("00101010", "Series")])).await;
        assert_eq!(
            (again.status, again.text().as_str()),
            (409, "One or more extended query tags already exist.")
        );
        assert_eq!(get(&archive, TAGS).await.as_array().unwrap().len(), 1);
        // 128 and no more.
        let private = |n: u32| json!({ "path": format!("{:08X}", 0x0011_1000 + n), "vr": "CS", "privateCreator": "Mine", "level": "Instance" });
        add_ready(&archive, (0..127).map(private).collect()).await;
        let more = add(&archive, json!([private(127)])).await;
        assert_eq!(
            (more.status, more.text().as_str()),
            (400, "Extended query tags exceeds max allowed count '128'.")
        );
        assert_eq!(get(&archive, &format!("{TAGS}?limit=200")).await.as_array().unwrap().len(), 128);
    }
}

#[tokio::test]
async fn bad_requests_and_who_may_do_what() {
    let archive = TestArchive::one().await;
    for (method, path, status) in [
        ("GET", "/v2/extendedquerytags/nonsense", 400),
        ("GET", "/v2/extendedquerytags/nonsense/errors", 400),
        ("DELETE", "/v2/extendedquerytags/1234", 400),
        ("GET", "/v2/extendedquerytags/PatientAge", 404),
        ("GET", "/v2/extendedquerytags/00101010/errors", 404),
        ("DELETE", "/v2/extendedquerytags/PatientAge", 404),
        ("GET", "/v2/extendedquerytags?limit=0", 400),
        ("GET", "/v2/extendedquerytags?offset=x", 400),
        ("GET", "/v1/operations/00000000000000000000000000000000", 404),
        ("GET", "/v1/operations/00000000-0000-0000-0000-000000000000", 404),
        ("GET", "/v1/operations/nonsense", 404),
    ] {
        let answer = archive.request(method, path).send().await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let body = json!([entry("PatientAge", "Study")]).to_string();
    let post = || archive.request("POST", TAGS);
    assert_eq!(post().body("text/plain", body.clone()).send().await.status, 415);
    assert_eq!(post().send().await.status, 415);
    assert_eq!(post().body("application/json", "[".repeat(200_000)).send().await.status, 400);
    assert_eq!(post().body("application/json", " ".repeat(300_000)).send().await.status, 413);
    for role in [READER, WRITER] {
        let answer = post().bearer(&token(&[role])).body("application/json", body.clone()).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (403, "Authorization failed."));
    }
    assert_eq!(post().body("application/json; charset=utf-8", body).send().await.status, 202);
    let told = archive
        .rows("SELECT target, detail FROM audit_event WHERE action = 'dicom.extended-query-tags.changed'")
        .await;
    assert_eq!(
        (told[0].text(0).unwrap(), told[0].text(1).unwrap()),
        ("00101010".to_owned(), "added".to_owned())
    );
    // Background work is no operation.
    archive.run_jobs().await;
    assert_eq!(archive.delete("/v2/extendedquerytags/PatientAge").await, 204);
    let cleaning = archive.rows("SELECT id FROM job WHERE kind = 'dicom.clean_tag'").await;
    let path = format!("/v2/operations/{}", cleaning[0].text(0).unwrap());
    assert_eq!(archive.get(&path).send().await.status, 404);
}
