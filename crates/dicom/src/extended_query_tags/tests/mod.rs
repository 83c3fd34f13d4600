//! Life cycle, index and searches of extended query tags.

use serde_json::{Value, json};

use crate::testing::{Answer, TestArchive};

mod index;
mod life_cycle;
mod search;

const TAGS: &str = "/v2/extendedquerytags";

async fn add(archive: &TestArchive, tags: Value) -> Answer {
    let request = archive.request("POST", TAGS);
    request.body("application/json", tags.to_string()).send().await
}

/// Adds tags and goes through what is stored.
async fn add_ready(archive: &TestArchive, tags: Value) {
    let answer = add(archive, tags).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(archive.run_jobs().await, 1);
}

fn entry(path: &str, level: &str) -> Value {
    json!({ "path": path, "level": level })
}

async fn get(archive: &TestArchive, path: &str) -> Value {
    let answer = archive.get(path).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// How many results a search has.
async fn found(archive: &TestArchive, path: &str) -> usize {
    let answer = archive.get(path).accept("application/dicom+json").send().await;
    match answer.status {
        200 => answer.json().as_array().unwrap().len(),
        204 => 0,
        _ => panic!("{path}: {} {}", answer.status, answer.text()),
    }
}
