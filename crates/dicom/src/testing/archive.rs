//! An archive for one test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hilum_access::Challenge;
use hilum_audit::AuditLog;
use hilum_kernel::{SeededRandom, TestClock};
use hilum_storage::{
    blobs::{BlobConfig, Blobs},
    contract::{TestDb, databases},
    db::{DbConfig, Row, Sql},
    jobs::{self, JobSignal, Worker, WorkerOptions},
};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{Body, File, NOW, OWNER, Request, token, tokens::validator};
use crate::{Archive, ArchiveParts, ArchiveSettings, MIGRATIONS};

/// An archive with a database, a folder and a clock of its own.
pub(crate) struct TestArchive {
    pub(crate) archive: Archive,
    pub(crate) router: Router,
    pub(crate) clock: Arc<TestClock>,
    /// A token with all rights.
    pub(crate) owner: String,
    test_db: TestDb,
    folder: TempDir,
}

/// A second process.
pub(crate) struct Beside {
    router: Router,
    owner: String,
}

impl Beside {
    /// A store request that asks for JSON.
    pub(crate) fn post(&self, path: &str) -> Request {
        Request::new(self.router.clone(), "POST", path).bearer(&self.owner).accept("application/dicom+json")
    }
}

/// What the tests run with unless they say otherwise.
pub(crate) fn settings() -> ArchiveSettings {
    ArchiveSettings {
        challenge: Challenge { realm: "archive.test".to_owned(), ..Challenge::default() },
        ..ArchiveSettings::at("https://archive.test/dicom")
    }
}

impl TestArchive {
    /// One archive per kind of database at hand.
    pub(crate) async fn all() -> Vec<Self> {
        Self::all_with(settings()).await
    }

    pub(crate) async fn all_with(settings: ArchiveSettings) -> Vec<Self> {
        let mut all = Vec::new();
        for db in databases().await {
            all.push(Self::on(db, settings.clone()).await);
        }
        all
    }

    /// On SQLite, for what no database has a part in.
    pub(crate) async fn one() -> Self {
        Self::one_with(settings()).await
    }

    pub(crate) async fn one_with(settings: ArchiveSettings) -> Self {
        Self::on(hilum_storage::contract::sqlite().await, settings).await
    }

    async fn on(test_db: TestDb, settings: ArchiveSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = BlobConfig::Local { folder: folder.path().join("blobs") };
        let blobs = Blobs::open(&config, folder.path().join("staging")).unwrap();
        Self::with_blobs(test_db, settings, blobs, folder).await
    }

    async fn with_blobs(test_db: TestDb, settings: ArchiveSettings, blobs: Blobs, folder: TempDir) -> Self {
        let db = test_db.db.clone();
        db.migrate(&[hilum_audit::MIGRATIONS, jobs::MIGRATIONS, MIGRATIONS]).await.unwrap();
        let clock = Arc::new(TestClock::at(Timestamp::from_second(NOW).unwrap()));
        let audit = AuditLog::start(db.clone(), clock.clone(), &tokio_util::task::TaskTracker::new());
        let archive = Archive::new(ArchiveParts {
            db,
            blobs,
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(7)),
            audit,
            validator: validator(clock.clone()),
            jobs: JobSignal::default(),
            settings,
        });
        let router = archive.router();
        Self { archive, router, clock, owner: token(&[OWNER]), test_db, folder }
    }

    /// Requests to another process on the same database and files.
    pub(crate) fn beside(&self) -> Beside {
        let inner = &self.archive.0;
        let archive = Archive::new(ArchiveParts {
            db: inner.db.clone(),
            blobs: inner.blobs.clone(),
            clock: self.clock.clone(),
            random: Arc::new(SeededRandom::new(13)),
            audit: inner.audit.clone(),
            validator: Arc::clone(&inner.validator),
            jobs: JobSignal::default(),
            settings: inner.settings.clone(),
        });
        Beside { router: archive.router(), owner: self.owner.clone() }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.test_db.config, DbConfig::Postgres { .. })
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.router.clone(), method, path).bearer(&self.owner)
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// A store request that asks for JSON.
    pub(crate) fn post(&self, path: &str) -> Request {
        self.request("POST", path).accept("application/dicom+json")
    }

    pub(crate) async fn delete(&self, path: &str) -> u16 {
        self.request("DELETE", path).send().await.status
    }

    /// Stores files in one request; all must be taken.
    pub(crate) async fn store(&self, files: &[File]) {
        let answer = self.post("/v2/studies").multipart(&Body::of(files)).send().await;
        assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.text());
        assert!(!answer.text().contains("00081198"), "{}", answer.text());
    }

    pub(crate) async fn rows(&self, sql: Sql) -> Vec<Row> {
        self.archive.0.db.read().await.unwrap().fetch_all(sql, &[]).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: Sql) -> i64 {
        self.rows(sql).await[0].int(0).unwrap()
    }

    /// Every row that a store may leave.
    pub(crate) async fn is_empty(&self) -> bool {
        self.count(
            "SELECT (SELECT COUNT(*) FROM study) + (SELECT COUNT(*) FROM series) + (SELECT COUNT(*) FROM instance)
             + (SELECT COUNT(*) FROM instance_detail) + (SELECT COUNT(*) FROM change_feed)
             + (SELECT COUNT(*) FROM study_name_word) + (SELECT COUNT(*) FROM purge)",
        )
        .await
            == 0
    }

    pub(crate) fn blob_folder(&self) -> PathBuf {
        self.folder.path().join("blobs")
    }

    /// The files of the blob store.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        files_below(&self.blob_folder())
    }

    /// Whether nothing waits in the staging folder. Files are removed in the background: gives that a while.
    pub(crate) async fn staging_is_empty(&self) -> bool {
        let emptied = async {
            while !files_below(&self.folder.path().join("staging")).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), emptied).await.is_ok()
    }

    /// A worker for the archive's background work, without its schedules.
    pub(crate) fn worker(&self) -> Worker {
        Worker::new(
            self.archive.0.db.clone(),
            (self.clock.clone(), Arc::new(SeededRandom::new(11))),
            self.archive.job_handlers(),
            Vec::new(),
            JobSignal::default(),
            WorkerOptions::default(),
        )
    }

    /// Does the background work that is due; tells how many jobs that were.
    pub(crate) async fn run_jobs(&self) -> usize {
        self.worker().run_due_once().await.unwrap()
    }

    pub(crate) fn advance_hours(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
