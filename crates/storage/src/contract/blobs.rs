//! What every blob store must show: local files, memory, and the emulators of Azure Blob Storage and S3 where the
//! test runner names them.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a contract that is broken fails its test"
)]

use std::{
    collections::HashSet,
    io::Read as _,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use hilum_kernel::{Clock as _, Random as _, SeededRandom, SystemClock};
use jiff::{SignedDuration, Timestamp};
use object_store::{
    ClientOptions,
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential},
    client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector},
};

use crate::blobs::{BlobConfig, BlobError, BlobKey, Blobs, READ_BYTES_MAX, SweepOptions, Swept, sweep};

/// The account that every Azurite has, and its published key.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The container or bucket the tests make.
const BUCKET: &str = "hilum-test";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// An empty blob store for one test.
pub struct TestBlobs {
    /// The handle.
    pub blobs: Blobs,
    /// What it is, for messages.
    pub name: &'static str,
    /// The folder of local blobs.
    pub folder: Option<PathBuf>,
    /// The staging folder.
    pub staging: PathBuf,
    temporary: tempfile::TempDir,
}

impl TestBlobs {
    fn open(name: &'static str, config: impl FnOnce(&TestBlobsFolder) -> BlobConfig) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let staging = temporary.path().join("staging");
        let config = config(&TestBlobsFolder(temporary.path().join("blobs")));
        let blobs = Blobs::open(&config, staging.clone()).unwrap();
        let folder = match config {
            BlobConfig::Local { folder } => Some(folder),
            BlobConfig::Url { .. } => None,
        };
        Self { blobs, name, folder, staging, temporary }
    }

    /// A new key, as the store operation makes them.
    pub fn key(&self) -> BlobKey {
        let seed = u64::from(COUNTER.fetch_add(1, Ordering::Relaxed));
        BlobKey::instance(
            SystemClock.now(),
            SeededRandom::new(seed << 32 | u64::from(std::process::id())).uuid(),
        )
    }

    /// The temporary folder that holds it all.
    pub fn temporary(&self) -> &std::path::Path {
        self.temporary.path()
    }
}

struct TestBlobsFolder(PathBuf);

/// A store on local files.
pub fn local() -> TestBlobs {
    TestBlobs::open("local files", |folder| BlobConfig::Local { folder: folder.0.clone() })
}

/// An empty store of every kind at hand.
#[expect(clippy::print_stderr, reason = "whoever reads the test's output should know what was left out")]
pub async fn stores() -> Vec<TestBlobs> {
    let mut all = vec![local()];
    all.push(TestBlobs::open("memory", |_| BlobConfig::Url {
        url: "memory:///".to_owned(),
        options: Vec::new(),
    }));
    match variable("HILUM_TEST_AZURITE_URL") {
        Some(url) => all.push(azurite(&url).await),
        None => eprintln!("not run on Azure Blob Storage: HILUM_TEST_AZURITE_URL names no emulator"),
    }
    match variable("HILUM_TEST_MOTO_URL") {
        Some(url) => all.push(moto(&url).await),
        None => eprintln!("not run on S3: HILUM_TEST_MOTO_URL names no emulator"),
    }
    all
}

#[expect(clippy::disallowed_methods, reason = "tests are configured by their runner")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn prefix() -> String {
    format!("{}-{}", SystemClock.now_ms(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// `http://127.0.0.1:10000/devstoreaccount1`
async fn azurite(url: &str) -> TestBlobs {
    let mut request = put_request(&format!("{url}/{BUCKET}?restype=container"));
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(AZURITE_KEY).unwrap());
    AzureAuthorizer::new(&credential, AZURITE_ACCOUNT).try_authorize(&mut request).unwrap();
    create_bucket(request).await;
    TestBlobs::open("Azurite", |_| BlobConfig::Url {
        url: format!("az://{BUCKET}/{}", prefix()),
        options: options(&[
            ("account_name", AZURITE_ACCOUNT),
            ("account_key", AZURITE_KEY),
            ("endpoint", url),
            ("allow_http", "true"),
        ]),
    })
}

/// `http://127.0.0.1:5000`
async fn moto(url: &str) -> TestBlobs {
    create_bucket(put_request(&format!("{url}/{BUCKET}"))).await;
    TestBlobs::open("moto's S3", |_| BlobConfig::Url {
        url: format!("s3://{BUCKET}/{}", prefix()),
        options: options(&[
            ("access_key_id", "test"),
            ("secret_access_key", "test"),
            ("region", "us-east-1"),
            ("endpoint", url),
            ("allow_http", "true"),
        ]),
    })
}

fn options(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn put_request(url: &str) -> HttpRequest {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = url.parse().unwrap();
    request.headers_mut().insert("content-length", "0".parse().unwrap());
    request
}

async fn create_bucket(request: HttpRequest) {
    let client = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true)).unwrap();
    let status = client.execute(request).await.unwrap().status();
    // 409: an earlier test made it.
    assert!(status.is_success() || status.as_u16() == 409, "{status}");
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect()
}

async fn collect(test: &TestBlobs, key: &BlobKey, range: Option<Range<u64>>) -> (u64, Vec<u8>) {
    let stream = test.blobs.stream(key, range).await.unwrap();
    let chunks: Vec<Bytes> = stream.chunks.try_collect().await.unwrap();
    (stream.bytes, chunks.concat())
}

/// What was put comes back: whole, in ranges, as a stream; and is gone when deleted.
pub async fn what_is_put_comes_back(test: &TestBlobs) {
    let (key, content) = (test.key(), pattern(2_500_000));
    let parts = vec![
        Bytes::new(),
        content.slice(..7),
        content.slice(7..2_000_000),
        Bytes::new(),
        content.slice(2_000_000..),
    ];
    test.blobs.put(&key, parts).await.unwrap();
    assert_eq!(test.blobs.size(&key).await.unwrap(), 2_500_000);
    assert!(test.blobs.read(&key).await.unwrap() == content);
    assert!(test.blobs.read_range(&key, 0..10).await.unwrap() == content.slice(..10));
    assert!(test.blobs.read_range(&key, 1_999_990..2_500_000).await.unwrap() == content.slice(1_999_990..));
    let ranges = [2_400_000..2_400_100, 5..6, 0..0, 100..1_200_000];
    let read = test.blobs.read_ranges(&key, &ranges).await.unwrap();
    for (range, bytes) in ranges.into_iter().zip(read) {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(bytes == content.slice(range));
    }
    assert!(collect(test, &key, None).await == (2_500_000, content.to_vec()));
    assert!(
        collect(test, &key, Some(1..2_400_000)).await == (2_399_999, content.slice(1..2_400_000).to_vec())
    );
    test.blobs.delete(&key).await.unwrap();
    assert!(
        matches!(test.blobs.read(&key).await, Err(BlobError::NotFound { key: missing }) if missing == key)
    );
}

/// A blob without bytes is a blob.
pub async fn an_empty_blob_is_there(test: &TestBlobs) {
    let key = test.key();
    test.blobs.put(&key, Vec::new()).await.unwrap();
    assert_eq!(test.blobs.size(&key).await.unwrap(), 0);
    assert!(test.blobs.read(&key).await.unwrap().is_empty());
    assert_eq!(collect(test, &key, None).await, (0, Vec::new()));
}

/// What is missing, too short or too much is told as such.
pub async fn failures_have_their_kinds(test: &TestBlobs) {
    let key = test.key();
    assert!(matches!(test.blobs.size(&key).await, Err(BlobError::NotFound { .. })));
    assert!(matches!(test.blobs.read_range(&key, 0..1).await, Err(BlobError::NotFound { .. })));
    let one = 0..1;
    assert!(matches!(test.blobs.read_ranges(&key, &[one]).await, Err(BlobError::NotFound { .. })));
    assert!(matches!(test.blobs.stream(&key, None).await.map(drop), Err(BlobError::NotFound { .. })));
    assert!(matches!(test.blobs.stream(&key, Some(0..9)).await.map(drop), Err(BlobError::NotFound { .. })));
    test.blobs.delete(&key).await.unwrap();

    test.blobs.put(&key, vec![pattern(100)]).await.unwrap();
    for range in [50..101, 100..110, 200..300] {
        let read = test.blobs.read_range(&key, range.clone()).await;
        assert!(matches!(read, Err(BlobError::Truncated { .. })), "{}: {read:?}", test.name);
        let streamed = test.blobs.stream(&key, Some(range)).await.map(drop);
        assert!(matches!(streamed, Err(BlobError::Truncated { .. })), "{}: {streamed:?}", test.name);
    }
    let read = test.blobs.read_range(&key, 0..READ_BYTES_MAX + 1).await;
    assert!(matches!(read, Err(BlobError::TooLarge { .. })));
    let halves = [0..READ_BYTES_MAX, 0..1];
    assert!(matches!(test.blobs.read_ranges(&key, &halves).await, Err(BlobError::TooLarge { .. })));
    test.blobs.delete(&key).await.unwrap();
    test.blobs.delete(&key).await.unwrap();
}

/// A staged body can be read and patched before it becomes a blob, and leaves no file behind.
pub async fn a_staged_body_becomes_a_blob(test: &TestBlobs) {
    // More than one part of an upload, and not a multiple of anything.
    let content = pattern(18 * 1024 * 1024 + 77);
    let mut staged = test.blobs.stage().await.unwrap();
    assert!(staged.is_empty());
    for start in (0..content.len()).step_by(100_000) {
        staged.write(content.slice(start..content.len().min(start + 100_000))).await.unwrap();
    }
    assert_eq!(staged.len(), content.len() as u64);
    staged.patch(10, Bytes::from_static(&[0; 128])).await.unwrap();
    let mut reader = staged.reader().await.unwrap();
    let mut beginning = [1; 200];
    reader.read_exact(&mut beginning).unwrap();
    staged.write(Bytes::from_static(b"end")).await.unwrap();

    let mut expected = content.to_vec();
    for byte in expected.iter_mut().skip(10).take(128) {
        *byte = 0;
    }
    expected.extend_from_slice(b"end");
    assert!(expected.starts_with(&beginning));
    let key = test.key();
    test.blobs.promote(staged, &key).await.unwrap();
    assert!(collect(test, &key, None).await == (expected.len() as u64, expected.clone()), "{}", test.name);
    let middle = test.blobs.read_range(&key, 8_000_000..9_000_000).await.unwrap();
    assert!(middle == expected.get(8_000_000..9_000_000).unwrap());

    let mut small = test.blobs.stage().await.unwrap();
    small.write(Bytes::from_static(b"small")).await.unwrap();
    let key = test.key();
    test.blobs.promote(small, &key).await.unwrap();
    assert!(test.blobs.read(&key).await.unwrap() == "small");
}

/// Orphans go, what a row names stays, and so does what is young or none of ours.
pub async fn the_sweep_removes_old_orphans_only(test: &TestBlobs) {
    let keys: Vec<_> = (0..25).map(|_| test.key()).collect();
    for key in &keys {
        test.blobs.put(key, vec![pattern(10)]).await.unwrap();
    }
    let other = BlobKey::parse("export/report.csv").unwrap();
    test.blobs.put(&other, vec![pattern(10)]).await.unwrap();
    let named: HashSet<BlobKey> = keys.iter().take(20).cloned().collect();
    let referenced = |asked: Vec<BlobKey>| {
        let named = &named;
        async move {
            assert!(asked.len() < 25, "asked in batches");
            Ok::<_, BlobError>(asked.into_iter().filter(|key| named.contains(key)).collect::<HashSet<_>>())
        }
    };
    let options = |hours| {
        let now = SystemClock.now() + SignedDuration::from_hours(hours);
        SweepOptions { batch: 4, ..SweepOptions::at(now) }
    };
    let young = sweep(&test.blobs, &options(23), referenced).await.unwrap();
    assert_eq!(young, Swept::default(), "{}", test.name);
    let stopped =
        sweep(&test.blobs, &options(25), |_| async { Err(BlobError::InvalidKey("no database")) }).await;
    assert!(matches!(stopped, Err(BlobError::InvalidKey(_))), "and nothing is removed unasked");
    let swept = sweep(&test.blobs, &options(25), referenced).await.unwrap();
    assert_eq!((swept.checked, swept.deleted, swept.foreign), (25, 5, 0), "{}", test.name);
    // A later sweep need not go back to the beginning, and finds today's folder all the same.
    let since = Some(SystemClock.now() - SignedDuration::from_hours(24));
    let swept = sweep(&test.blobs, &SweepOptions { since, ..options(25) }, referenced).await.unwrap();
    assert_eq!((swept.checked, swept.deleted), (20, 0), "{}", test.name);
    let since = Some(SystemClock.now() + SignedDuration::from_hours(48));
    let swept = sweep(&test.blobs, &SweepOptions { since, ..options(25) }, referenced).await.unwrap();
    assert_eq!(swept.checked, 0, "{}", test.name);
    for key in &named {
        test.blobs.size(key).await.unwrap();
    }
    test.blobs.size(&other).await.unwrap();
}

/// A store that works says so.
pub async fn ping_answers(test: &TestBlobs) {
    test.blobs.ping().await.unwrap();
    let swept: Swept = sweep(&test.blobs, &SweepOptions::at(Timestamp::MAX), |_| async {
        Ok::<_, BlobError>(HashSet::new())
    })
    .await
    .unwrap();
    assert_eq!(swept, Swept::default(), "{}: a ping leaves nothing", test.name);
}
