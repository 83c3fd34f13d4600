//! What this crate's tests share: an initialised identity platform on every database at hand.

use std::sync::Arc;

use futures::future::BoxFuture;
use hilum_access::{InProcessKeys, KeyHint, KeySource, KeysUnavailable};
use hilum_audit::{Actor, AuditLog};
use hilum_jose::{MasterKey, SigningKey, Validity, VerifyingKey};
use hilum_kernel::{Secret, SeededRandom, TestClock};
use hilum_storage::{
    contract::TestDb,
    db::{Migrations, Sql, Statement},
};
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use crate::{
    AddedSecret, Application, FederatedIssuers, IdentifierUriPolicy, Identity, IdentityProvider, InitRequest,
    NewSecret, Parts, ServicePrincipal, Settings,
};

/// What a data service takes as audience, beside the built-in resource.
pub(crate) const DATA_AUDIENCE: &str = "https://imaging.contoso.local";
/// An issuer of federated assertions.
pub(crate) const ISSUER: &str = "https://ci.example/issuer";
/// Another one, that does not answer.
pub(crate) const AWAY: &str = "https://away.example";
pub(crate) const ORIGIN: &str = "https://localhost:8443";
/// What snapshots hide.
pub(crate) const GUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
pub(crate) const SID: &str = "S-1-12-1(-[0-9]+){4}";
/// How long a signing key signs.
pub(crate) const KEY_ROTATION: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);
pub(crate) const NOW: &str = "2026-01-31T12:34:56Z";
const ALL: &[Migrations] = &[hilum_audit::MIGRATIONS, crate::MIGRATIONS];

pub(crate) struct Fixture {
    pub(crate) identity: Identity,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) test_db: TestDb,
    pub(crate) tasks: TaskTracker,
}

/// Databases with schema, without tenant.
pub(crate) async fn empty() -> Vec<Fixture> {
    let mut all = Vec::new();
    for test_db in hilum_storage::contract::databases().await {
        test_db.db.migrate(ALL).await.unwrap();
        let clock = Arc::new(TestClock::at(NOW.parse().unwrap()));
        let tasks = TaskTracker::new();
        let identity = identity_on(&test_db, (&clock, &tasks), Vec::new());
        all.push(Fixture { identity, clock, test_db, tasks });
    }
    all
}

/// Signs for [`ISSUER`]. One for all tests: a key takes long to make.
pub(crate) static ISSUER_KEY: std::sync::LazyLock<SigningKey> = std::sync::LazyLock::new(|| {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let validity = Validity { not_before: now, not_after: now + jiff::SignedDuration::from_hours(24) };
    SigningKey::generate("issuer", validity, &hilum_kernel::SystemRandom).unwrap()
});

/// An issuer that may be asked for its keys, and one whose keys cannot be had.
fn federated_issuers() -> FederatedIssuers {
    struct Away;
    impl KeySource for Away {
        fn find<'a>(
            &'a self,
            _: KeyHint<'a>,
        ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
            Box::pin(std::future::ready(Err(KeysUnavailable)))
        }
    }
    let keys = InProcessKeys::new([ISSUER_KEY.verifying_key().unwrap()]);
    let keys: Arc<dyn KeySource> = Arc::new(keys);
    FederatedIssuers::from([(ISSUER.to_owned(), keys), (AWAY.to_owned(), Arc::new(Away))])
}

fn identity_on(
    test_db: &TestDb,
    (clock, tasks): (&Arc<TestClock>, &TaskTracker),
    identity_providers: Vec<IdentityProvider>,
) -> Identity {
    Identity::new(parts_on(test_db, (clock, tasks), identity_providers)).unwrap()
}

fn parts_on(
    test_db: &TestDb,
    (clock, tasks): (&Arc<TestClock>, &TaskTracker),
    identity_providers: Vec<IdentityProvider>,
) -> Parts {
    let audit_clock: Arc<TestClock> = Arc::clone(clock);
    Parts {
        db: test_db.db.clone(),
        clock: clock.clone(),
        random: Arc::new(SeededRandom::new(42)),
        master_key: MasterKey::generate(&SeededRandom::new(7)),
        audit: AuditLog::start(test_db.db.clone(), audit_clock, tasks),
        federated_issuers: federated_issuers(),
        identity_providers,
        settings: Settings {
            origin: ORIGIN.into(),
            identifier_uris: IdentifierUriPolicy::default(),
            data_audiences: vec![DATA_AUDIENCE.to_owned()],
            signing_key_rotation: Some(KEY_ROTATION),
            proof_nonce_required: false,
        },
    }
}

impl Fixture {
    /// What a process that starts on this database finds.
    pub(crate) fn restarted(&self) -> Identity {
        identity_on(&self.test_db, (&self.clock, &self.tasks), Vec::new())
    }

    /// The same with providers that users may sign in through.
    pub(crate) fn with_providers(&mut self, providers: Vec<IdentityProvider>) {
        self.identity = identity_on(&self.test_db, (&self.clock, &self.tasks), providers);
    }

    /// The same where keys are rotated by hand.
    pub(crate) fn without_key_rotation(&mut self) {
        let mut parts = parts_on(&self.test_db, (&self.clock, &self.tasks), Vec::new());
        parts.settings.signing_key_rotation = None;
        self.identity = Identity::new(parts).unwrap();
    }
}

/// The same with tenant, keys and administrator.
pub(crate) async fn fixtures() -> Vec<Fixture> {
    let all = empty().await;
    for fixture in &all {
        fixture.identity.init(request()).await.unwrap();
    }
    all
}

pub(crate) fn request() -> InitRequest {
    InitRequest {
        domain: "contoso.local".to_owned(),
        admin_upn: None,
        admin_password: Some(Secret::new("correct horse battery".to_owned())),
    }
}

pub(crate) fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn actor() -> Actor {
    Actor::operator()
}

/// A service client as in the articles: application, principal, secret.
pub(crate) struct Client {
    pub(crate) application: Application,
    pub(crate) principal: ServicePrincipal,
    pub(crate) secret: AddedSecret,
}

impl Client {
    pub(crate) fn id(&self) -> String {
        self.application.app_id.to_string()
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.value.expose()
    }
}

impl Fixture {
    pub(crate) async fn client(&self, name: &str) -> Client {
        let text = format!(r#"{{"displayName":"{name}"}}"#);
        let application = self.identity.create_application(&actor(), &members(&text)).await.unwrap();
        let id = application.app_id.to_string();
        let principal = self.identity.create_service_principal(&actor(), &id).await.unwrap();
        let secret = self.identity.add_secret(&actor(), &id, NewSecret::default()).await.unwrap();
        Client { application, principal, secret }
    }

    /// SQLite's plan for a statement.
    pub(crate) async fn plan(&self, statement: &Statement) -> String {
        let mut tx = self.test_db.db.read().await.unwrap();
        let sql: Sql = Box::leak(format!("EXPLAIN QUERY PLAN {}", statement.text()).into_boxed_str());
        let rows = tx.fetch_all(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.text(3).unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// The trail, oldest first: action, outcome, target, detail.
    pub(crate) async fn trail(&self) -> Vec<String> {
        trail_of(&self.test_db).await
    }

    /// The same after everything is over: the log writes what waits when the last handle goes.
    pub(crate) async fn final_trail(self) -> Vec<String> {
        let Self { identity, test_db, tasks, clock: _ } = self;
        drop(identity);
        tasks.close();
        tasks.wait().await;
        trail_of(&test_db).await
    }
}

async fn trail_of(test_db: &TestDb) -> Vec<String> {
    let mut tx = test_db.db.read().await.unwrap();
    let rows = tx
        .fetch_all("SELECT action, outcome, target, detail FROM audit_event ORDER BY id LIMIT 1000", &[])
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            let text = |column| row.opt_text(column).unwrap().unwrap_or_default();
            format!("{} {} {} {}", text(0), text(1), text(2), text(3))
        })
        .collect()
}

/// Every constant statement is understood by every database.
#[tokio::test]
async fn every_statement_prepares() {
    for fixture in empty().await {
        let mut tx = fixture.test_db.db.read().await.unwrap();
        for statements in [
            crate::tenants::STATEMENTS,
            crate::applications::STATEMENTS,
            crate::service_principals::STATEMENTS,
            crate::credentials::STATEMENTS,
            crate::deleted::STATEMENTS,
            crate::federated_credentials::STATEMENTS,
            crate::owners::STATEMENTS,
            crate::users::STATEMENTS,
            crate::directory_roles::STATEMENTS,
            crate::groups::STATEMENTS,
            crate::grants::STATEMENTS,
            crate::role_assignments::STATEMENTS,
            crate::declarative::STATEMENTS,
            crate::credentials::EXPIRY_STATEMENTS,
            crate::signing_keys::STATEMENTS,
            crate::oauth::STATEMENTS,
            crate::privileges::STATEMENTS,
            crate::seed::STATEMENTS,
            crate::oauth::DEVICE_STATEMENTS,
            crate::sessions::STATEMENTS,
            crate::browser_sessions::STATEMENTS,
            crate::oauth::CODE_STATEMENTS,
            crate::upstream::STATEMENTS,
            crate::authentication_methods::STATEMENTS,
            crate::conditional_access::STATEMENTS,
            crate::token_lifetimes::STATEMENTS,
        ]
        .into_iter()
        .chain(crate::graph::STATEMENTS.iter().copied())
        {
            for statement in statements {
                tx.prepare(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
            }
        }
    }
}

#[tokio::test]
async fn the_first_start_happens_once() {
    for fixture in empty().await {
        let first = fixture.identity.init(InitRequest { admin_password: None, ..request() }).await.unwrap();
        assert!(first.created);
        assert_eq!(first.admin_user_principal_name.as_deref(), Some("admin@contoso.local"));
        let password = first.one_time_password.unwrap();
        assert_eq!(password.expose().len(), 24);
        let good = fixture.identity.check_password("ADMIN@contoso.local", password).await.unwrap();
        assert_eq!(good, Some(crate::MustChange::Yes));

        let second = fixture.identity.init(request()).await.unwrap();
        assert!(!second.created);
        assert_eq!(second.tenant, first.tenant);
        assert_eq!(second.admin_user_principal_name.as_deref(), Some("admin@contoso.local"));
        assert!(second.one_time_password.is_none());

        let dicom =
            fixture.identity.find_application("https://dicom.healthcareapis.azure.com/").await.unwrap();
        assert_eq!(dicom.app_id, crate::DICOM_APP_ID);
        assert_eq!(dicom.properties.app_roles.len(), 3);
        fixture.identity.find_service_principal("https://localhost:8443/dicom").await.unwrap();
        let trail = fixture.trail().await;
        assert!(trail.iter().any(|line| line.starts_with("identity.tenant.created success")), "{trail:?}");
        assert!(trail.iter().any(|line| line.contains("Global Administrator at /")), "{trail:?}");
    }
}

#[tokio::test]
async fn another_origin_gets_its_names() {
    for fixture in fixtures().await {
        let moved = Identity::new(Parts {
            db: fixture.test_db.db.clone(),
            clock: fixture.clock.clone(),
            random: Arc::new(SeededRandom::new(43)),
            master_key: MasterKey::generate(&SeededRandom::new(7)),
            audit: AuditLog::start(fixture.test_db.db.clone(), fixture.clock.clone(), &fixture.tasks),
            federated_issuers: FederatedIssuers::new(),
            identity_providers: Vec::new(),
            settings: Settings {
                origin: "https://pacs.example:9443".into(),
                identifier_uris: IdentifierUriPolicy::default(),
                data_audiences: Vec::new(),
                signing_key_rotation: None,
                proof_nonce_required: false,
            },
        })
        .unwrap();
        moved.init(request()).await.unwrap();
        for name in ["https://pacs.example:9443/dicom", "https://localhost:8443/dicom"] {
            assert_eq!(moved.find_application(name).await.unwrap().app_id, crate::DICOM_APP_ID);
        }
    }
}
