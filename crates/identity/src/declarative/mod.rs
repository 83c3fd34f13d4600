//! The directory as files (`hilum apply`, `hilum export-config`): desired state, plan, apply, export.
//!
//! There is one way through: [`run`] does what the files say in a write transaction and notes every change. To plan is
//! to do it and take it back; to apply is to do it again, and to commit only if the changes are those that were shown.
//! So a plan cannot promise what applying refuses, all rules are the nouns' own, and it is all or nothing.
//!
//! What a document does not mention stays as it is, as with Graph's `PATCH`; so an export, which leaves defaults out,
//! says nothing new to the directory it came from.

mod applications;
mod assignments;
mod credentials;
mod document;
mod export;
mod federated;
mod groups;
mod labels;
mod manifest;
mod owners;
mod plan;
mod policies;
mod principals;
mod prune;
mod references;
mod roles;
mod run;
mod users;
mod write;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt as _;
use hilum_audit::Actor;
use hilum_kernel::{AppId, CredentialId, Secret};
use hilum_storage::db::DbError;
use thiserror::Error;
use uuid::Uuid;

use crate::{CredentialOwner, Identity, IdentityError, OwnedKind, credentials::passwords::HashedPassword};

pub use document::{
    ConfigurationFile, DECLARED_MAX, DeclaredKind, Desired, Input, LoadInput, Problem, SecretTarget,
};
pub use export::ConfigurationExport;
pub(crate) use labels::SCHEMA;
#[cfg(test)]
pub(crate) use labels::STATEMENTS;
pub use manifest::{Manifest, ManifestAppId};
pub use plan::{ConfigurationPlan, PlannedAction, PlannedChange, PropertyChange};
pub use write::to_yaml;
pub use yaml::Place;

/// Objects and labels read at once. Databases allow thousands of values in a statement.
const PAGE: usize = 500;

/// Which objects that no file declares are to go: those that carry all of these labels.
pub type LabelSelector = std::collections::BTreeMap<String, String>;

/// Why a declaration was not applied. Nothing was changed.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// The files ask for what cannot be.
    #[error("{} problems in the files", .0.len())]
    Problems(Vec<Problem>),
    /// Somebody changed the directory after the plan was made.
    #[error("the directory changed since the plan was made")]
    Stale,
    /// The operation failed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<DbError> for ConfigurationError {
    fn from(error: DbError) -> Self {
        Self::Identity(error.into())
    }
}

/// What is to be applied, with everything that chance gives, so that plan and deed speak of the same objects.
#[derive(Debug, Clone)]
pub struct Declaration {
    pub(super) desired: Arc<Desired>,
    pub(super) prune: Option<LabelSelector>,
    /// For each document: the object's ID and the client ID it gets where it is made.
    pub(super) ids: Arc<Vec<(Uuid, Uuid)>>,
    /// Rows read at once where all are looked at.
    page: usize,
}

/// A secret that was made; to be written where its declaration says, and taken back where that fails.
#[derive(Debug, Clone)]
pub struct MadeSecret {
    /// The application's client ID.
    pub app_id: AppId,
    /// Whether the application holds it, or its service principal.
    pub holder: OwnedKind,
    /// The application's name.
    pub application: String,
    /// The secret's ID.
    pub key_id: CredentialId,
    /// The secret's description.
    pub display_name: String,
    /// The text, known only now.
    pub value: Secret<String>,
    /// Where it goes.
    pub target: SecretTarget,
    /// The file that declares it.
    pub file: Arc<str>,
}

impl MadeSecret {
    /// Whose secret it is.
    pub fn owner(&self) -> CredentialOwner {
        let name = self.app_id.to_string();
        match self.holder {
            OwnedKind::Application => CredentialOwner::Application(name.as_str().into()),
            OwnedKind::ServicePrincipal => CredentialOwner::ServicePrincipal(name.as_str().into()),
        }
    }
}

impl Identity {
    /// Makes a declaration of files that were read.
    pub fn declare(&self, desired: Desired, prune: Option<LabelSelector>) -> Declaration {
        let random = &self.0.random;
        let ids = desired.documents.iter().map(|_| (random.uuid(), random.uuid())).collect();
        Declaration { desired: Arc::new(desired), prune, ids: Arc::new(ids), page: PAGE }
    }

    /// What applying would do.
    ///
    /// # Errors
    /// [`ConfigurationError::Problems`] with everything that is wrong with the files.
    pub async fn plan_configuration(
        &self,
        actor: &Actor,
        declaration: &Declaration,
    ) -> Result<ConfigurationPlan, ConfigurationError> {
        let means = self.means(actor, declaration, Vec::new()).await?;
        let planned = self.0.db.write(means, |tx, means| {
            async move {
                let outcome = run::run(tx, means).await?;
                // An error is what takes the work back.
                Err::<(), _>(Halt::Planned(outcome.plan))
            }
            .boxed()
        });
        match planned.await {
            Ok(()) => Err(IdentityError::Interrupted.into()),
            Err(Halt::Planned(plan)) => Ok(plan),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// Does what the plan says, in one transaction, and gives the secrets that were made.
    ///
    /// # Errors
    /// [`ConfigurationError::Stale`] when it would do something else than the plan says.
    pub async fn apply_configuration(
        &self,
        actor: &Actor,
        declaration: &Declaration,
        plan: &ConfigurationPlan,
    ) -> Result<Vec<MadeSecret>, ConfigurationError> {
        let passwords = self.hash_passwords(declaration, plan).await?;
        let means = self.means(actor, declaration, passwords).await?;
        let input = (means, plan.clone());
        self.0
            .db
            .write(input, |tx, (means, plan)| {
                async move {
                    let outcome = run::run(tx, means).await?;
                    if outcome.plan.changes != plan.changes {
                        return Err(ConfigurationError::Stale);
                    }
                    Ok(outcome.secrets)
                }
                .boxed()
            })
            .await
    }

    /// The directory in the form of files: documents of all kinds in a stable order, without secrets, without what
    /// every installation has.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn export_configuration(&self) -> Result<ConfigurationExport, IdentityError> {
        ConfigurationExport::start(self, PAGE).await
    }

    async fn means(
        &self,
        actor: &Actor,
        declaration: &Declaration,
        passwords: Vec<Option<HashedPassword>>,
    ) -> Result<run::Means, IdentityError> {
        Ok(run::Means {
            tenant: self.tenant().await?.clone(),
            declaration: declaration.clone(),
            passwords,
            stamp: self.stamp(actor),
            identity: self.clone(),
            page: declaration.page,
        })
    }

    /// Hashing takes 20 ms each and must not happen under the writer's lock: only users that are made get one.
    async fn hash_passwords(
        &self,
        declaration: &Declaration,
        plan: &ConfigurationPlan,
    ) -> Result<Vec<Option<HashedPassword>>, IdentityError> {
        let mut all = Vec::with_capacity(declaration.desired.documents.len());
        for document in &declaration.desired.documents {
            let made = || {
                plan.changes.iter().any(|change| {
                    change.action == PlannedAction::Create
                        && change.kind == document.kind
                        && change.name == document.name
                })
            };
            all.push(match &document.password {
                Some(password) if made() => {
                    Some(self.hash_password(password.text.clone(), password.must_change).await?)
                }
                _ => None,
            });
        }
        Ok(all)
    }
}

/// Why the transaction of a plan ends.
enum Halt {
    Planned(ConfigurationPlan),
    Failed(ConfigurationError),
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ConfigurationError> for Halt {
    fn from(error: ConfigurationError) -> Self {
        Self::Failed(error)
    }
}
