//! Federated credentials made as one step of a larger transaction: when a declaration is applied.

use hilum_audit::Action;
use hilum_kernel::{CredentialId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use serde_json::{Map, Value};

use super::{
    CREDENTIALS_MAX, FederatedCredential, FederatedProperties, TAKEN, record,
    sql::{self, delete, insert},
};
use crate::{Identity, IdentityError, Stamp, applications, error::OnDuplicate as _, folded};

impl FederatedProperties {
    /// What a declaration says of one.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for what the rules refuse.
    pub(crate) fn declared(members: &Map<String, Value>) -> Result<Self, IdentityError> {
        Self::default().merged(members)
    }
}

/// An application's federated credentials, by name.
pub(crate) async fn declared_of(
    tx: &mut ReadTx,
    owner: ObjectId,
) -> Result<Vec<FederatedProperties>, IdentityError> {
    let all = sql::list(tx, owner).await?;
    let mut all: Vec<_> = all.into_iter().map(|credential| credential.properties).collect();
    all.sort_by_key(|properties| folded(&properties.name));
    Ok(all)
}

impl Identity {
    /// Makes these an application's federated credentials. What changes goes first and comes back with its ID, so that
    /// two of them can change places.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for too many of them.
    pub(crate) async fn declare_federated_credentials(
        &self,
        tx: &mut WriteTx,
        (tenant, owner): (TenantId, ObjectId),
        wanted: &[FederatedProperties],
        stamp: &Stamp,
    ) -> Result<(), IdentityError> {
        if wanted.len() > CREDENTIALS_MAX {
            let reason = "there may be at most 20 of an application";
            return Err(IdentityError::invalid("federatedIdentityCredentials", reason));
        }
        applications::lock(tx, owner).await?;
        let present = sql::list(tx, owner).await?;
        for old in present.iter().filter(|old| !wanted.contains(&old.properties)) {
            delete(tx, old.id).await?;
            record(tx, Action::CredentialRemoved, owner, old, stamp).await?;
        }
        for new in wanted.iter().filter(|new| !present.iter().any(|old| old.properties == **new)) {
            let same = |old: &&FederatedCredential| folded(&old.properties.name) == folded(&new.name);
            let id = present.iter().find(same).map(|old| old.id);
            let id = id.unwrap_or_else(|| CredentialId::new(self.0.random.uuid()));
            let credential = FederatedCredential { id, properties: new.clone() };
            insert(tx, tenant, owner, &credential).await.on_duplicate(TAKEN)?;
            record(tx, Action::CredentialAdded, owner, &credential, stamp).await?;
        }
        Ok(())
    }
}
