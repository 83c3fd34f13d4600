//! What breaks half way leaves the archive as it was.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use futures::future::join_all;

use crate::testing::{Body, File, TestArchive};

fn file(n: u32) -> File {
    File::new("1.2", "1.2.3", &format!("1.2.3.{n}"))
}

async fn assert_untouched(archive: &TestArchive, case: &str) {
    assert!(archive.is_empty().await, "{case}: rows");
    assert!(archive.blob_files().is_empty(), "{case}: files {:?}", archive.blob_files());
    assert!(archive.staging_is_empty().await, "{case}: staged files");
}

#[tokio::test]
async fn a_multipart_body_that_ends_early_stores_nothing() {
    for archive in TestArchive::all().await {
        let body = Body::of(&[file(1), file(2)]);
        let bytes = body.bytes();
        // In the delimiter, the headers, the first file, between, the second file, before the last line.
        for at in [3, 30, 70, bytes.len() / 2, bytes.len() - 100, bytes.len() - 4] {
            let answer =
                archive.post("/v2/studies").body(&body.content_type(), bytes[..at].to_vec()).send().await;
            assert_eq!(answer.status, 400, "{at}: {}", answer.text());
            assert_untouched(&archive, &format!("cut at {at}")).await;
        }
        let answer = archive.post("/v2/studies").body(&body.content_type(), Vec::new()).send().await;
        assert_eq!(answer.status, 400, "no delimiter at all");
        let wrong = "multipart/related; type=\"application/dicom\"; boundary=other";
        assert_eq!(archive.post("/v2/studies").body(wrong, bytes).send().await.status, 400);
        assert_untouched(&archive, "another boundary").await;
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_stores_nothing() {
    for archive in TestArchive::all().await {
        let body = Body::of(&[file(1), file(2).image(1024, 1024, 3), file(3)]);
        let length = body.bytes().len();
        for after in [200, 800, 5 * 1024 * 1024, length - 40] {
            let answer =
                archive.post("/v2/studies").body(&body.content_type(), body.breaking_off(after)).send().await;
            assert_eq!(answer.status, 400, "{after}");
            assert_untouched(&archive, &format!("lost after {after}")).await;
        }
    }
}

/// Over a real socket: the client sends half of its body and goes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_half_way_stores_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for archive in TestArchive::all().await {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = tokio_util::task::TaskTracker::new();
        let server = tasks.spawn(axum::serve(listener, archive.router.clone()).into_future());
        let send = async |body: &Body, bytes: usize| {
            let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
            let content = body.bytes();
            let head = format!(
                "POST /v2/studies HTTP/1.1\r\nHost: archive.test\r\nAuthorization: Bearer {}\r\nAccept: */*\r\n\
                 Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                archive.owner,
                body.content_type(),
                content.len()
            );
            client.write_all(head.as_bytes()).await.unwrap();
            client.write_all(&content[..bytes]).await.unwrap();
            client
        };
        let body = Body::of(&[file(1), file(2).image(1024, 1024, 3), file(3)]);
        let length = body.bytes().len();
        for bytes in [10, 1000, 5 * 1024 * 1024, length - 10] {
            drop(send(&body, bytes).await);
        }
        // The server goes on, and a whole request afterwards is alone.
        let mut answer = String::new();
        let whole = Body::of(&[file(7)]);
        send(&whole, whole.bytes().len()).await.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 1);
        assert!(archive.staging_is_empty().await);
        server.abort();
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_stores_nothing() {
    for archive in TestArchive::all().await {
        let body = Body::of(&[file(1), file(2).image(1024, 1024, 3), file(3)]);
        for after in [100, 1000, 5 * 1024 * 1024] {
            let request =
                archive.post("/v2/studies").body(&body.content_type(), body.standing_still(after)).send();
            assert!(tokio::time::timeout(Duration::from_millis(300), request).await.is_err());
            assert!(archive.is_empty().await);
            assert!(archive.staging_is_empty().await, "{after}");
        }
        // Files that were written already belong to nobody: the sweep takes them a day later.
        archive.advance_hours(25);
        crate::delete::purge::OrphanSweep(archive.archive.clone()).sweep().await.unwrap();
        assert_untouched(&archive, "after the sweep").await;
        // The place in the queue is free again.
        archive.store(&[file(1)]).await;
    }
}

/// Files that lie. Each is refused on its own, with a reason, and nobody panics.
#[tokio::test]
async fn bad_files_are_refused_one_by_one() {
    let undefined_sequence = |depth: usize| {
        let mut bytes = file(1).to_bytes();
        for _ in 0..depth {
            bytes.extend([0x40, 0x00, 0x75, 0x02, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff]);
            bytes.extend([0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
        }
        bytes
    };
    let with_tail = |tail: &[u8]| [file(1).to_bytes(), tail.to_vec()].concat();
    let whole = file(1).image(8, 8, 1).to_bytes();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("no preamble", whole[128..].to_vec()),
        ("no prefix", [vec![0; 132], whole[132..].to_vec()].concat()),
        ("no meta group", [&whole[..132], &whole[file(1).head().len()..]].concat()),
        ("only the preamble", whole[..132].to_vec()),
        ("cut in the header", whole[..250].to_vec()),
        ("cut in the pixel data", whole[..whole.len() - 10].to_vec()),
        ("a length beyond the end", with_tail(&[0x50, 0, 0x10, 0, b'L', b'O', 0xf0, 0x00, b'x'])),
        ("4 GB claimed", with_tail(&[0xe0, 0x7f, 0x10, 0, b'O', b'W', 0, 0, 0xfe, 0xff, 0xff, 0xff])),
        ("nested 1,000 deep", undefined_sequence(1000)),
        ("a VR that is none", with_tail(&[0x50, 0, 0x10, 0, 1, 2, 4, 0, 1, 2, 3, 4])),
        ("an item where none belongs", with_tail(&[0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0])),
    ];
    for archive in TestArchive::all().await {
        for version in ["v1", "v2"] {
            for (case, bytes) in &bad {
                let answer = archive.post(&format!("/{version}/studies")).single(bytes.clone()).send().await;
                assert_eq!(answer.status, 409, "{case}: {}", answer.text());
                let failed = &answer.json()["00081198"]["Value"][0];
                assert_eq!(failed["00081197"]["Value"][0], 272, "{case}");
                assert_untouched(&archive, case).await;
            }
        }
        // One bad file among good ones harms only itself.
        let body = Body::default().file(file(1).to_bytes()).file(bad[8].1.clone()).file(file(2).to_bytes());
        assert_eq!(archive.post("/v2/studies").multipart(&body).send().await.status, 202);
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, 2);
    }
}

#[tokio::test]
async fn odd_but_readable_files_are_stored() {
    for archive in TestArchive::all().await {
        let unknown_vr = [file(1).to_bytes(), b"\x50\x00\x10\x00ZZ\0\0\x02\0\0\0ab".to_vec()].concat();
        let odd_length = [file(2).to_bytes(), b"\x50\x00\x10\x00LO\x03\0abc".to_vec()].concat();
        let wrong_charset = file(3).text(tags::SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 999").bytes(
            tags::PATIENT_NAME,
            "PN",
            b"M\xfcller\xff",
        );
        let private = file(4).text(Tag(0x0009, 0x0010), "LO", "ACME").text(Tag(0x0009, 0x1001), "ZZ", "x");
        for bytes in [unknown_vr, odd_length, wrong_charset.to_bytes(), private.to_bytes()] {
            let answer = archive.post("/v2/studies").single(bytes).send().await;
            assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
        }
        let answer = archive.get("/v2/studies/1.2/metadata").accept("application/dicom+json").send().await;
        assert_eq!(answer.json().as_array().unwrap().len(), 4);
    }
}

/// A folder that cannot be written stands for a disk that fails; a full one takes the same way out. As root nothing
/// is unwritable, so a file takes the place of the folder.
#[tokio::test]
async fn a_blob_store_that_fails_is_told_and_nothing_is_visible() {
    for archive in TestArchive::all().await {
        let folder = archive.blob_folder().join("dicom");
        std::fs::write(&folder, b"").unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o400)).unwrap();
        for body in [Body::of(&[file(1), file(2)]), Body::of(&[file(3).image(1024, 1024, 3)])] {
            let answer = archive.post("/v2/studies").multipart(&body).send().await;
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
            assert!(!answer.text().contains("dicom"), "no path in {}", answer.text());
        }
        assert!(archive.is_empty().await);
        assert!(archive.staging_is_empty().await);
        std::fs::remove_file(&folder).unwrap();
        archive.store(&[file(1), file(2)]).await;
    }
}

#[tokio::test]
async fn a_database_that_fails_is_told_and_nothing_is_visible() {
    for archive in TestArchive::all().await {
        execute(&archive, "ALTER TABLE change_feed RENAME TO away").await;
        let answer = archive.post("/v2/studies").multipart(&Body::of(&[file(1), file(2)])).send().await;
        assert!(matches!(answer.status, 500 | 503), "{}", answer.status);
        assert!(!answer.text().contains("change_feed"), "{}", answer.text());
        execute(&archive, "ALTER TABLE away RENAME TO change_feed").await;
        assert!(archive.is_empty().await);
        archive.store(&[file(1), file(2)]).await;
    }
}

/// PostgreSQL cuts all our connections: some requests are put off, the next ones work, and what was said is true.
#[tokio::test]
async fn a_database_that_goes_away_comes_back() {
    for archive in TestArchive::all().await {
        if !archive.is_postgres() {
            continue;
        }
        let mut stored = 0;
        for n in 1..=40 {
            if n % 8 == 1 {
                let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
                archive.archive.0.db.read().await.unwrap().fetch_all(cut, &[]).await.unwrap();
            }
            let answer = archive.post("/v2/studies").single(file(n)).send().await;
            assert!(matches!(answer.status, 200 | 503), "{} {}", answer.status, answer.text());
            stored += i64::from(answer.status == 200);
        }
        assert!(stored >= 20, "{stored} of 40");
        assert_eq!(archive.count("SELECT COUNT(*) FROM instance").await, stored);
        assert_eq!(archive.count("SELECT instance_count FROM study").await, stored);
    }
}

async fn execute(archive: &TestArchive, sql: hilum_storage::db::Sql) {
    use futures::FutureExt as _;
    use hilum_storage::db::DbError;
    let db = &archive.archive.0.db;
    db.write(sql, |tx, sql| async move { tx.execute(sql, &[]).await.map(drop) }.boxed())
        .await
        .map_err(|error: DbError| error)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_stores_of_the_same_instance_have_one_winner() {
    for archive in TestArchive::all().await {
        let archive = Arc::new(archive);
        let requests = (0..12).map(|n| {
            let archive = Arc::clone(&archive);
            let body = Body::of(&[file(1), File::new("1.2", "1.2.4", &format!("1.2.4.{n}"))]);
            async move { archive.post("/v2/studies").multipart(&body).send().await.status }
        });
        let mut statuses = join_all(requests).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [[200].as_slice(), &[202; 11]].concat());
        assert_eq!(archive.count("SELECT COUNT(*) FROM study").await, 1);
        assert_eq!(archive.count("SELECT instance_count FROM study").await, 13);
        assert_eq!(archive.count("SELECT COUNT(*) FROM change_feed").await, 13);
        assert_eq!(archive.blob_files().len(), 13);
    }
}
