//! Wiring: the one place where the parts of the house meet.

mod authorities;
mod identity_providers;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::Router;
use hilum_access::Challenge;
use hilum_audit::AuditLog;
use hilum_dicom::{Archive, ArchiveParts, ArchiveSettings};
use hilum_identity::{IdentifierUriPolicy, Identity, InitOutcome, InitRequest};
use hilum_kernel::{Clock, Random, Secret, SystemClock, SystemRandom, TenantId};
use hilum_storage::{
    blobs::Blobs,
    db::{Db, Migrations},
    jobs::{self, JobHandler, JobSignal, PurgeFinished, Schedule, Worker, WorkerOptions},
};
use hilum_web::{
    cors::Cors,
    layers::{LayerSettings, wrap},
};
use jiff::SignedDuration;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Config, Environment, IdentifierUris},
    data_dir::DataDir,
    master_key, routes,
};

/// How long a finished background job can be asked about.
const JOBS_KEPT_HOURS: i64 = 30 * 24;

/// How long the end waits for background work. A request that was cut off may still hold the audit trail open.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// Every table of the house.
pub(crate) const MIGRATIONS: &[Migrations] =
    &[jobs::MIGRATIONS, hilum_audit::MIGRATIONS, hilum_identity::MIGRATIONS, hilum_dicom::MIGRATIONS];

/// What everything stands on: data directory, configuration, time, chance.
#[derive(Clone)]
pub struct Ground {
    /// The data directory.
    pub data: DataDir,
    /// The effective configuration.
    pub config: Config,
    /// The variables that start with `HILUM_`.
    pub environment: Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
}

impl Ground {
    /// On the system's clock and random source.
    pub fn new(data: DataDir, config: Config, environment: Environment) -> Self {
        Self { data, config, environment, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }
}

/// The directory's store: enough for management commands.
pub struct Directory {
    /// The database, migrated.
    pub db: Db,
    /// The audit trail.
    pub audit: AuditLog,
    /// The identity platform.
    pub identity: Identity,
    /// The public origin.
    pub origin: Arc<str>,
    tasks: TaskTracker,
}

impl Directory {
    /// Opens the store of a data directory, creating and migrating what is missing. Makes no tenant.
    ///
    /// # Errors
    /// When the folder, the key or the database cannot be used, or the database was made with another key.
    pub async fn open(ground: &Ground, origin: String) -> Result<Self> {
        ground.data.create()?;
        let master_key = master_key::load(&ground.data, &ground.environment, &*ground.random)?;
        let db = Db::open(&ground.config.database.to_storage(ground.data.path()))
            .await
            .context("cannot open the database")?;
        db.migrate(MIGRATIONS).await.context("cannot bring the database's tables up to date")?;
        let tasks = TaskTracker::new();
        let audit = AuditLog::start(db.clone(), Arc::clone(&ground.clock), &tasks);
        let origin: Arc<str> = origin.into();
        let identity = Identity::new(hilum_identity::Parts {
            db: db.clone(),
            clock: Arc::clone(&ground.clock),
            random: Arc::clone(&ground.random),
            master_key,
            audit: audit.clone(),
            federated_issuers: authorities::federated_issuers(ground)?,
            identity_providers: identity_providers::identity_providers(ground)?,
            settings: hilum_identity::Settings {
                origin: Arc::clone(&origin),
                identifier_uris: identifier_uris(ground.config.identity.identifier_uris),
                data_audiences: ground.config.dicom.audiences.clone(),
                signing_key_rotation: ground.config.identity.signing_key_rotation(),
                proof_nonce_required: ground.config.access.dpop_nonce_required,
            },
        })?;
        let directory = Self { db, audit, identity, origin, tasks };
        if let Err(error) = directory.identity.check_master_key().await {
            directory.close().await;
            return Err(error.into());
        }
        Ok(directory)
    }

    /// Makes the tenant, or finds it made.
    ///
    /// # Errors
    /// When a name or the password cannot be used, or the database fails.
    pub async fn init(
        &self,
        domain: &str,
        admin_upn: Option<String>,
        admin_password: Option<Secret<String>>,
    ) -> Result<InitOutcome> {
        let request = InitRequest { domain: domain.to_owned(), admin_upn, admin_password };
        self.identity.init(request).await.context("cannot make the tenant")
    }

    /// Writes what waits to be written and closes the database.
    pub async fn close(self) {
        let Self { db, audit, identity, origin: _, tasks } = self;
        drop((audit, identity));
        finish(&tasks, &db).await;
    }
}

/// The whole house, ready to serve.
pub struct House {
    /// The database.
    pub db: Db,
    /// The file store.
    pub blobs: Blobs,
    /// The identity platform.
    pub identity: Identity,
    /// The DICOM service.
    pub archive: Archive,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The public origin.
    pub origin: Arc<str>,
    /// What the first start made.
    pub init: InitOutcome,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
    /// Runs background jobs.
    pub worker: Worker,
    ground: Ground,
    cors: Option<Cors>,
    audit: AuditLog,
    tasks: TaskTracker,
}

impl House {
    /// Opens the store, does the first start's work where it is not done, and wires everything.
    ///
    /// # Errors
    /// When a part cannot be had; the text says which.
    pub async fn build(ground: Ground, origin: String) -> Result<Self> {
        let directory = Directory::open(&ground, origin).await?;
        let init = directory.init(&ground.config.identity.domain, None, None).await?;
        let Directory { db, audit, identity, origin, tasks } = directory;
        let roles = authorities::configured_roles(&ground.config.dicom);
        Box::pin(identity.configure_roles(&roles)).await.context("dicom.role_definitions")?;
        let blobs = Blobs::open(&ground.config.blobs.to_storage(ground.data.path()), ground.data.staging())
            .context("cannot open the store for DICOM files")?;
        let validator = Arc::new(authorities::validator(&ground, &identity, &origin).await?);
        let tenant_id = init.tenant.id;
        let signal = JobSignal::default();
        let archive = Archive::new(ArchiveParts {
            db: db.clone(),
            blobs: blobs.clone(),
            clock: Arc::clone(&ground.clock),
            random: Arc::clone(&ground.random),
            audit: audit.clone(),
            validator,
            jobs: signal.clone(),
            settings: archive_settings(&ground, &origin, tenant_id),
        });
        let worker = worker(&ground, &db, (&identity, &archive), signal);
        let stop = CancellationToken::new();
        let cors = ground.config.dicom.cors.layer()?;
        Ok(Self {
            db,
            blobs,
            identity,
            archive,
            tenant_id,
            origin,
            init,
            stop,
            worker,
            ground,
            cors,
            audit,
            tasks,
        })
    }

    /// The DICOM service, for pages of other origins as far as they are allowed.
    pub(crate) fn dicom_router(&self) -> Router {
        match &self.cors {
            Some(cors) => cors.around(self.archive.router()),
            None => self.archive.router(),
        }
    }

    /// Everything that is answered, with the layers around it.
    pub fn router(&self) -> Router {
        let http = &self.ground.config.http;
        let limits = &self.ground.config.limits;
        let settings = LayerSettings {
            origin: Arc::clone(&self.origin),
            trust_forwarded: http.behind_proxy,
            requests_max: limits.requests_max,
            body_idle: Duration::from_secs(limits.body_idle_seconds),
            random: Arc::clone(&self.ground.random),
        };
        wrap(routes::all(self), settings)
    }

    /// Starts what runs in the background until `stop`.
    pub fn start_background_work(&self) {
        let (worker, stop) = (self.worker.clone(), self.stop.clone());
        self.tasks.spawn(async move { worker.run(stop).await });
    }

    /// Where tasks go that shutdown must wait for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Stops background work, writes what waits to be written, and closes the database.
    pub async fn close(self) {
        self.stop.cancel();
        let Self { db, identity, archive, audit, worker, tasks, .. } = self;
        drop((identity, archive, audit, worker));
        finish(&tasks, &db).await;
    }
}

/// Waits for tasks that end by themselves once nobody needs them any more, but not for ever.
async fn finish(tasks: &TaskTracker, db: &Db) {
    tasks.close();
    if tokio::time::timeout(FINISH_TIMEOUT, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "some background work did not end in time");
    }
    db.close().await;
}

fn archive_settings(ground: &Ground, origin: &str, tenant: TenantId) -> ArchiveSettings {
    let base_url = format!("{origin}/dicom");
    let host = url::Url::parse(origin).ok().and_then(|url| url.host_str().map(str::to_owned));
    let own = !ground.config.dicom.foreign_only;
    ArchiveSettings {
        challenge: Challenge {
            realm: host.unwrap_or_default(),
            authorization_uri: own.then(|| format!("{origin}/{tenant}")),
            resource_id: own.then(|| authorities::AZURE_AUDIENCE.to_owned()),
            resource_metadata: None,
        },
        store_body_bytes_max: ground.config.dicom.store.body_bytes_max,
        stores_at_once_max: ground.config.dicom.store.at_once_max,
        ..ArchiveSettings::at(base_url)
    }
}

/// The setting in the identity platform's words.
const fn identifier_uris(setting: IdentifierUris) -> IdentifierUriPolicy {
    match setting {
        IdentifierUris::Tenant => IdentifierUriPolicy::Tenant,
        IdentifierUris::Any => IdentifierUriPolicy::Any,
    }
}

fn worker(ground: &Ground, db: &Db, (identity, archive): (&Identity, &Archive), signal: JobSignal) -> Worker {
    let means = (Arc::clone(&ground.clock), Arc::clone(&ground.random));
    let purge = PurgeFinished {
        db: db.clone(),
        clock: Arc::clone(&ground.clock),
        keep: SignedDuration::from_hours(JOBS_KEPT_HOURS),
    };
    let mut handlers: Vec<Arc<dyn JobHandler>> = vec![Arc::new(purge)];
    handlers.extend(identity.job_handlers());
    handlers.extend(archive.job_handlers());
    let mut schedules = vec![Schedule { kind: PurgeFinished::KIND, every: SignedDuration::from_hours(24) }];
    schedules.extend(identity.schedules());
    schedules.extend(archive.schedules());
    let options = WorkerOptions { node: format!("hilum-{}", std::process::id()), ..WorkerOptions::default() };
    Worker::new(db.clone(), means, handlers, schedules, signal, options)
}
