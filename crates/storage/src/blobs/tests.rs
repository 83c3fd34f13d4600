//! The contract on every store at hand, and what only local files show.

use bytes::Bytes;
use hilum_kernel::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{BlobConfig, BlobError, BlobKey, Blobs, SweepOptions, sweep};
use crate::contract::blobs as contract;

macro_rules! on_every_store {
    ($($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for test in contract::stores().await {
                contract::$name(&test).await;
            }
        }
    )*};
}

on_every_store! {
    what_is_put_comes_back,
    an_empty_blob_is_there,
    failures_have_their_kinds,
    a_staged_body_becomes_a_blob,
    the_sweep_removes_old_orphans_only,
    ping_answers,
}

#[test]
fn keys_are_checked() {
    let time: Timestamp = "2026-08-01T23:04:59Z".parse().unwrap();
    let key = BlobKey::instance(time, Uuid::from_u128(7));
    assert_eq!(key.as_str(), "dicom/20260801/2304/00000000-0000-0000-0000-000000000007.dcm");
    assert_eq!(BlobKey::parse(key.as_str()).unwrap(), key);
    let long = format!("a/{}", "b".repeat(256));
    for text in
        ["", "/a", "a/", "a//b", "a/../b", ".", "..", ".hidden", "a b", "a\\b", "ä", "a\0", "a:b", &long]
    {
        assert!(matches!(BlobKey::parse(text), Err(BlobError::InvalidKey(_))), "{text:?}");
    }
    assert!(BlobKey::parse(&"a/".repeat(256)).is_err());
    assert!(BlobKey::parse(&format!("{}a", "a/".repeat(255))).is_ok());
}

#[test]
fn a_configuration_is_printed_without_its_secrets() {
    let config = BlobConfig::Url {
        url: "s3://user:hunter2@bucket/prefix?sig=hunter2".to_owned(),
        options: vec![("secret_access_key".to_owned(), "hunter2".to_owned())],
    };
    let text = format!("{config:?}");
    assert!(
        !text.contains("hunter2") && text.contains("secret_access_key") && text.contains("bucket/prefix"),
        "{text}"
    );
}

#[test]
fn a_configuration_that_means_nothing_is_refused() {
    let open = |url: &str, option: Option<&str>| {
        let options = option.map(|name| (name.to_owned(), "hunter2".to_owned())).into_iter().collect();
        let folder = tempfile::tempdir().unwrap();
        let config = BlobConfig::Url { url: url.to_owned(), options };
        match Blobs::open(&config, folder.path().join("staging")) {
            Err(BlobError::Configuration(text)) => text,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    assert!(open("ftp://host/folder", None).contains("ftp:"));
    assert!(open("http://host/folder", None).contains("http:"));
    assert!(open("no url", None).contains("URL"));
    let text = open("s3://bucket", Some("colour"));
    assert!(text.contains("colour") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_key_is_used_once() {
    let test = contract::local();
    let key = test.key();
    test.blobs.put(&key, vec![Bytes::from_static(b"first")]).await.unwrap();
    let again = test.blobs.put(&key, vec![Bytes::from_static(b"second")]).await;
    assert!(matches!(again, Err(BlobError::AlreadyExists { .. })));
    let mut staged = test.blobs.stage().await.unwrap();
    staged.write(Bytes::from_static(b"third")).await.unwrap();
    assert!(matches!(test.blobs.promote(staged, &key).await, Err(BlobError::AlreadyExists { .. })));
    assert_eq!(test.blobs.read(&key).await.unwrap(), "first");
}

#[test]
fn a_disk_that_is_full_is_told_as_such() {
    // The one device that is always full; other systems have none.
    if let Err(error) = std::fs::write("/dev/full", b"x") {
        assert!(matches!(BlobError::from(error), BlobError::Full(_)));
    }
}

#[tokio::test]
async fn a_folder_that_was_swept_away_is_made_again() {
    let test = contract::local();
    let first = BlobKey::parse("dicom/20260101/0000/first.dcm").unwrap();
    test.blobs.put(&first, vec![Bytes::from_static(b"x")]).await.unwrap();
    test.blobs.delete(&first).await.unwrap();
    let folder = test.folder.clone().unwrap().join("dicom/20260101");
    assert!(folder.join("0000").exists());
    let later = SweepOptions::at(SystemClock.now() + SignedDuration::from_hours(48));
    let sweep_all =
        || sweep(&test.blobs, &later, |asked| async { Ok::<_, BlobError>(asked.into_iter().collect()) });
    sweep_all().await.unwrap();
    assert!(!folder.exists(), "empty folders go");
    let second = BlobKey::parse("dicom/20260101/0000/second.dcm").unwrap();
    test.blobs.put(&second, vec![Bytes::from_static(b"y")]).await.unwrap();
    sweep_all().await.unwrap();
    assert_eq!(test.blobs.read(&second).await.unwrap(), "y", "and those in use stay");
}

#[tokio::test]
async fn staging_files_go_when_dropped_and_left_overs_when_swept() {
    let test = contract::local();
    let files = || std::fs::read_dir(&test.staging).unwrap().count();
    let mut staged = test.blobs.stage().await.unwrap();
    staged.write(Bytes::from_static(b"x")).await.unwrap();
    staged.flush().await.unwrap();
    assert_eq!(files(), 1);
    drop(staged);
    while files() > 0 {
        tokio::task::yield_now().await;
    }
    std::fs::write(test.staging.join("1-999999.part"), b"crashed").unwrap();
    std::fs::write(test.staging.join("README"), b"not ours").unwrap();
    let run = |now| {
        let options = SweepOptions::at(now);
        let blobs = test.blobs.clone();
        async move {
            sweep(&blobs, &options, |_| async { Ok::<_, BlobError>(std::collections::HashSet::new()) }).await
        }
    };
    assert_eq!(run(SystemClock.now()).await.unwrap().staged_deleted, 0);
    assert_eq!(run(SystemClock.now() + SignedDuration::from_hours(25)).await.unwrap().staged_deleted, 1);
    assert!(test.staging.join("README").exists());
}

#[test]
fn a_write_that_was_given_up_spoils_the_staged_file() {
    // One blocking thread, kept busy, so that the write cannot be over before it is given up.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let test = contract::local();
        let mut staged = test.blobs.stage().await.unwrap();
        staged.write(Bytes::from(vec![1; 1000])).await.unwrap();
        let (release, busy) = std::sync::mpsc::channel::<()>();
        let thread = tokio::task::spawn_blocking(move || busy.recv());
        {
            let flush = std::pin::pin!(staged.flush());
            assert!(futures::poll!(flush).is_pending());
        }
        assert!(matches!(test.blobs.promote(staged, &test.key()).await, Err(BlobError::Unavailable(_))));
        release.send(()).unwrap();
        thread.await.unwrap().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_in_numbers_all_arrive() {
    let test = contract::local();
    let keys: Vec<_> = (0..100).map(|_| test.key()).collect();
    let puts = keys.iter().map(|key| test.blobs.put(key, vec![Bytes::from(key.to_string())]));
    for outcome in futures::future::join_all(puts).await {
        outcome.unwrap();
    }
    for key in &keys {
        assert_eq!(test.blobs.read(key).await.unwrap(), key.to_string());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_folders_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = tempfile::tempdir().unwrap();
    let (root, staging) = (parent.path().join("blobs"), parent.path().join("staging"));
    let blobs = Blobs::open(&BlobConfig::Local { folder: root.clone() }, staging.clone()).unwrap();
    let key = BlobKey::parse("dicom/20260101/0000/first.dcm").unwrap();
    blobs.put(&key, vec![Bytes::from_static(b"x")]).await.unwrap();
    let staged = blobs.stage().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root.join(key.as_str())), 0o600);
    assert_eq!(mode(staged.path()), 0o600);
    for folder in [&root, &root.join("dicom"), &root.join("dicom/20260101/0000"), &staging] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}
