//! Identity: the tenant's registrations, credentials, signing keys and roles, and the OAuth 2.0 endpoints that turn
//! them into tokens, wire-compatible with Microsoft Entra ID.
//!
//! Nouns own their tables; operations are methods of [`Identity`] that know no HTTP; `oauth/` is the wire.
//! Invariants: no secret is stored readable; only `oauth/tokens.rs` signs; data services meet this crate through
//! tokens alone; nothing here names the data they guard.

mod applications;
mod authentication_methods;
mod browser_sessions;
mod conditional_access;
mod credentials;
mod declarative;
mod deleted;
mod directory_objects;
mod directory_roles;
mod error;
mod expiry;
mod federated_credentials;
mod grants;
mod graph;
mod groups;
mod init;
pub mod json;
mod oauth;
mod owners;
mod privileges;
mod query;
mod role_assignments;
mod schema;
mod seed;
mod service_principals;
mod sessions;
mod sign_in;
mod signing_keys;
mod target;
mod tenants;
mod token_lifetimes;
mod upstream;
mod users;

#[cfg(test)]
mod testing;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use hilum_access::{KeySource, ProofOptions, Proofs};
use hilum_audit::{Action, Actor, AuditLog, Event, Outcome, record};
use hilum_jose::MasterKey;
use hilum_kernel::{Clock, CorrelationId, Random};
use hilum_storage::{
    db::{Db, DbError, WriteTx},
    jobs::{JobHandler, Schedule},
};
use jiff::{SignedDuration, Timestamp};

pub use applications::{
    AddIn, Api, AppRole, Application, ApplicationFilter, ApplicationProperties, IdentifierUriPolicy,
    ImplicitGrantSettings, KeyValue, Links, MemberType, NativeAuthentication, OptionalClaim, OptionalClaims,
    Owners, ParentalControl, Permission, PermissionKind, PermissionScope, PermissionScopeKind,
    PreAuthorizedApplication, PrincipalLock, RedirectUriSetting, Redirects, RequiredResourceAccess,
    ResourceAccess, SignInAudience, Upserted, Web,
};
pub use authentication_methods::{AuthenticationMethod, AuthenticationMethods, MethodKind};
pub use conditional_access::{SecondFactorChange, SecondFactorFor, SecondFactorPolicy};
pub use credentials::{
    AddedCertificate, AddedSecret, CertificateInfo, CredentialHolder, CredentialKind, CredentialOwner, Keep,
    KeyCredential, NewCertificate, NewSecret, SecretInfo,
};
pub use declarative::{
    ConfigurationError, ConfigurationExport, ConfigurationFile, ConfigurationPlan, DECLARED_MAX, Declaration,
    DeclaredKind, Desired, Input, LabelSelector, LoadInput, MadeSecret, Manifest, ManifestAppId, Place,
    PlannedAction, PlannedChange, Problem, PropertyChange, SecretTarget, to_yaml,
};
pub use deleted::{DeletedKind, DeletedObject};
pub use directory_objects::{DirectoryObject, GroupList};
pub use error::IdentityError;
pub use expiry::{ExpiresWithin, ExpiringCredential};
pub use federated_credentials::{FederatedCredential, FederatedProperties};
pub use grants::{
    AppRoleAssignment, AssignmentEnd, ConsentKind, NamedAssignment, NewAppRoleAssignment, NewPermissionGrant,
    PermissionGrant, PermissionGrantRequest, PrincipalKind,
};
pub use graph::{Graph, check_filter, openapi as graph_openapi};
pub use groups::{BoundObjects, Group, Relation};
pub use init::{InitOutcome, InitRequest};
pub use oauth::{AccessToken, ClientCredential, openapi};
pub use owners::{OwnedKind, OwnerRef};
pub use privileges::Holder;
pub use role_assignments::{
    ConfiguredRole, NewRoleAssignment, NewRoleDefinition, PrincipalRef, RoleAssignment, RoleAssignmentFilter,
    RoleDefinition, RoleKind, RoleOrigin,
};
pub use schema::MIGRATIONS;
pub use seed::DICOM_APP_ID;
pub use service_principals::{
    SamlSettings, ServicePrincipal, ServicePrincipalChange, ServicePrincipalDetails, ServicePrincipalFilter,
};
pub use signing_keys::{KeyState, Rotation, SigningKeyInfo};
pub use target::Target;
pub use tenants::Tenant;
pub use token_lifetimes::{TokenLifetimePolicy, TokenLifetimeProperties, token_lifetime_definition};
pub use upstream::{IdentityProvider, Linking, ProviderSettings};
pub use users::{MustChange, NewUser, User, UserChange, UserDetails, UserFilter, UserType};

/// The longest list an operation returns.
pub(crate) const LIST_MAX: usize = 10_000;

/// What the identity platform is made of.
pub struct Parts {
    /// The database, migrated with [`MIGRATIONS`] and audit's.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// What seals private keys and keys the hashes of client secrets.
    pub master_key: MasterKey,
    /// Where tokens issued and refused are noted.
    pub audit: AuditLog,
    /// The issuers whose assertions may stand for applications (`federatedIdentityCredentials`), and their keys.
    pub federated_issuers: FederatedIssuers,
    /// The OpenID Connect providers that users may sign in through.
    pub identity_providers: Vec<IdentityProvider>,
    /// The rest.
    pub settings: Settings,
}

/// Where the keys of issuers come from, by `iss`.
pub type FederatedIssuers = BTreeMap<String, Arc<dyn KeySource>>;

/// Settings of the identity platform.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public origin, e.g. `https://localhost:8443`; issuers are made of it. No trailing slash.
    pub origin: Arc<str>,
    /// Which identifier URIs applications may have.
    pub identifier_uris: IdentifierUriPolicy,
    /// What data services take as audience, beside the built-in resources: appIds and identifier URIs of applications, which
    /// then are looked after by Global Administrators alone.
    pub data_audiences: Vec<String>,
    /// How long a signing key signs before the next one takes over; nothing: until an operator rotates.
    pub signing_key_rotation: Option<SignedDuration>,
    /// Whether proofs of possession (RFC 9449) must carry a nonce of this server.
    pub proof_nonce_required: bool,
}

/// A handle to the identity platform; cheap to clone. What is done through it is done with its holder's rights: the
/// operator's, unless [`Identity::acting`] says another's.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<Inner>, Holder, Option<Requested>);

/// The request that something is done for, as the audit trail tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) correlation: CorrelationId,
    pub(crate) address: Option<IpAddr>,
}

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) audit: AuditLog,
    pub(crate) federated_issuers: FederatedIssuers,
    pub(crate) providers: upstream::Providers,
    pub(crate) origin: Arc<str>,
    pub(crate) identifier_uris: IdentifierUriPolicy,
    pub(crate) guarded: privileges::GuardedNames,
    /// How proofs of possession are checked, here and elsewhere.
    pub(crate) proof_options: ProofOptions,
    /// Checks them at the protocol's endpoints.
    pub(crate) proofs: Proofs,
    /// Seals signing keys.
    pub(crate) seal_key: MasterKey,
    /// Keys the hashes of client secrets.
    pub(crate) secret_key: MasterKey,
    /// Loaded once: a tenant's ID and domain never change.
    pub(crate) tenant: OnceLock<Tenant>,
    pub(crate) key_ring: signing_keys::KeyRing,
    /// How long a signing key signs, where they rotate by themselves.
    pub(crate) signing_key_rotation: Option<SignedDuration>,
    pub(crate) throttle: oauth::Throttle,
    /// Signs the cursors of lists.
    pub(crate) cursor_key: query::CursorKey,
    /// Bounds what one caller of the Graph API asks for.
    pub(crate) graph_throttle: graph::Throttle,
    /// Checks the tokens that the Graph API is called with; made at the first call.
    pub(crate) graph_validator: tokio::sync::OnceCell<hilum_access::Validator>,
    /// Keys refresh tokens.
    pub(crate) session_key: MasterKey,
    /// Keys user codes, and what pages carry from step to step.
    pub(crate) page_key: MasterKey,
    /// Keys the pairwise subjects of tokens.
    pub(crate) subject_key: MasterKey,
    /// Seals the secrets of authenticator apps, and keys recovery codes.
    pub(crate) method_key: MasterKey,
    /// Guards sign-ins with a password.
    pub(crate) sign_in: sign_in::Guard,
    /// Device flows started, per client and address.
    pub(crate) device_starts: oauth::Throttle,
    /// User codes that nobody was given, per address.
    pub(crate) device_guesses: oauth::Throttle<Option<IpAddr>>,
}

impl Identity {
    /// Puts the parts together. Touches neither database nor network.
    ///
    /// # Errors
    /// [`IdentityError::Seal`] when no keys can be derived from the master key.
    pub fn new(parts: Parts) -> Result<Self, IdentityError> {
        let proof_options = ProofOptions {
            nonce_key: parts.master_key.derive("proof nonces v1")?,
            nonce_required: parts.settings.proof_nonce_required,
        };
        let inner = Arc::new(Inner {
            proofs: Proofs::new(proof_options.clone(), Arc::clone(&parts.clock)),
            proof_options,
            seal_key: parts.master_key.derive("identity signing keys v1")?,
            secret_key: parts.master_key.derive("identity client secrets v1")?,
            cursor_key: query::CursorKey::derive(&parts.master_key)?,
            graph_throttle: graph::Throttle::default(),
            graph_validator: tokio::sync::OnceCell::new(),
            db: parts.db,
            clock: parts.clock,
            random: parts.random,
            audit: parts.audit,
            federated_issuers: parts.federated_issuers,
            providers: parts
                .identity_providers
                .into_iter()
                .map(|provider| Arc::new(upstream::Provider::new(provider)))
                .collect(),
            origin: parts.settings.origin,
            identifier_uris: parts.settings.identifier_uris,
            guarded: privileges::GuardedNames::new(&parts.settings.data_audiences),
            tenant: OnceLock::new(),
            key_ring: signing_keys::KeyRing::default(),
            signing_key_rotation: parts.settings.signing_key_rotation,
            throttle: oauth::Throttle::default(),
            session_key: parts.master_key.derive("identity refresh sessions v1")?,
            page_key: parts.master_key.derive("identity sign-in pages v1")?,
            subject_key: parts.master_key.derive("identity pairwise subjects v1")?,
            method_key: parts.master_key.derive("identity authentication methods v1")?,
            sign_in: sign_in::Guard::default(),
            device_starts: oauth::Throttle::default(),
            device_guesses: oauth::Throttle::default(),
        });
        Ok(Self(inner, Holder::Operator, None))
    }

    /// The same platform, used with somebody's rights: nothing done through this handle gives more than they have.
    #[must_use]
    pub fn acting(&self, holder: Holder) -> Self {
        Self(Arc::clone(&self.0), holder, self.2)
    }

    /// The same platform, used for a request: what is changed through this handle is noted with the request's ID.
    #[must_use]
    pub(crate) fn requested(&self, requested: Requested) -> Self {
        Self(Arc::clone(&self.0), self.1, Some(requested))
    }

    /// The protocol's endpoints: discovery, keys, instance discovery, token.
    pub fn router(&self) -> axum::Router {
        oauth::router(self.clone())
    }

    /// The work that is done in the background.
    pub fn job_handlers(&self) -> Vec<Arc<dyn JobHandler>> {
        vec![
            Arc::new(deleted::PurgeDeleted(self.clone())),
            Arc::new(expiry::ExpiryWatch(self.clone())),
            Arc::new(signing_keys::RotationWatch(self.clone())),
        ]
    }

    /// When the background work is due.
    pub fn schedules(&self) -> Vec<Schedule> {
        vec![
            deleted::PurgeDeleted::SCHEDULE,
            expiry::ExpiryWatch::SCHEDULE,
            signing_keys::RotationWatch::SCHEDULE,
        ]
    }

    pub(crate) fn stamp(&self, actor: &Actor) -> Stamp {
        let (at_ms, guarded) = (self.0.clock.now_ms(), self.0.guarded.clone());
        Stamp { at_ms, actor: actor.clone(), holder: self.1, guarded, requested: self.2 }
    }

    /// Puts an event into the trail, and waits until it is there.
    pub(crate) async fn note(&self, event: Event) -> Result<(), IdentityError> {
        self.0.audit.submit(event).await.map_err(|_| IdentityError::Interrupted)
    }

    /// Random bytes as base64url: grants' IDs, token IDs.
    pub(crate) fn random_text<const N: usize>(&self) -> String {
        let mut bytes = [0; N];
        self.0.random.fill(&mut bytes);
        hilum_jose::base64url_encode(bytes)
    }
}

/// Who changes something, with whose rights, and when: fixed before the transaction, so that the work may run twice.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) at_ms: i64,
    pub(crate) actor: Actor,
    /// Whose rights bound what may be given (`privileges`).
    pub(crate) holder: Holder,
    /// Which applications open the data.
    pub(crate) guarded: privileges::GuardedNames,
    /// For which request.
    pub(crate) requested: Option<Requested>,
}

impl Stamp {
    /// Records a change that succeeded, in the transaction that makes it.
    pub(crate) async fn record(
        &self,
        tx: &mut WriteTx,
        action: Action,
        target: impl ToString,
        detail: impl Into<Option<String>>,
    ) -> Result<(), DbError> {
        let mut event = Event::new(action, Outcome::Success, self.actor.clone());
        if let Some(requested) = self.requested {
            event = event.of_request(requested.address, requested.correlation);
        }
        event.target = Some(target.to_string());
        event.detail = detail.into();
        record(tx, self.at_ms, &event).await
    }
}

/// A stored time. Values outside the calendar cannot be stored; should one be read, it is the epoch.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The form in which names are compared: what `LIKE` and `lower()` do differently on each database is done here.
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}
