//! Who has to show a second factor, and for what: what Entra calls conditional access.
//!
//! Owns `second_factor_requirement`. A requirement is for everybody, for who holds a role of the directory, for an
//! application (as client, and as the resource that is asked for), or for a role. All of them add up. A change holds from
//! the next sign-in, and from the next refresh: what was issued before lives to its end.

mod sql;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{AppId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use uuid::Uuid;

use crate::{Identity, IdentityError, Stamp, directory_roles};

pub(crate) use sql::SCHEMA;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;

const USERS: &str = "users";
const APPLICATION: &str = "application";
const ROLE: &str = "role";
const EVERYBODY: &str = "everybody";
const ADMINISTRATORS: &str = "administrators";
/// How many applications and roles may be named.
const TARGETS_MAX: usize = 500;

/// Which users need a second factor wherever they sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecondFactorFor {
    /// Only who signs in to an application, or holds a role, that requires one.
    #[default]
    Nobody,
    /// Who holds a role of the directory.
    Administrators,
    /// Every user.
    Everybody,
}

impl SecondFactorFor {
    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "off",
            Self::Administrators => ADMINISTRATORS,
            Self::Everybody => EVERYBODY,
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Nobody, Self::Administrators, Self::Everybody].into_iter().find(|known| known.as_str() == word)
    }
}

/// All requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondFactorPolicy {
    /// By what users are.
    pub users: SecondFactorFor,
    /// Applications that require a second factor.
    pub applications: Vec<AppId>,
    /// Roles whose holders need one, by the ID of their definition or app role.
    pub roles: Vec<Uuid>,
}

/// A change of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorChange {
    /// Says for which users.
    Users(SecondFactorFor),
    /// Says whether an application requires one.
    Application(AppId, bool),
    /// Says whether holders of a role need one.
    Role(Uuid, bool),
}

impl Identity {
    /// Who has to show a second factor.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn second_factor_policy(&self) -> Result<SecondFactorPolicy, IdentityError> {
        let tenant = self.tenant().await?.id;
        Ok(policy(&mut self.0.db.read().await?, tenant).await?)
    }

    /// Changes who has to; the answer is the policy after it.
    ///
    /// # Errors
    /// [`IdentityError::SizeExceeded`].
    pub async fn change_second_factor_policy(
        &self,
        actor: &Actor,
        changes: Vec<SecondFactorChange>,
    ) -> Result<SecondFactorPolicy, IdentityError> {
        let input = (self.tenant().await?.id, changes, self.stamp(actor));
        let written = self.0.db.write(input, |tx, (tenant, changes, stamp)| {
            async move {
                for change in changes {
                    apply(tx, *tenant, *change, stamp).await?;
                }
                let policy = policy(tx, *tenant).await?;
                if policy.applications.len() + policy.roles.len() > TARGETS_MAX {
                    let reason = format!("a policy names {TARGETS_MAX} applications and roles at most");
                    return Err(IdentityError::SizeExceeded(reason));
                }
                Ok::<_, IdentityError>(policy)
            }
            .boxed()
        });
        written.await
    }
}

async fn apply(
    tx: &mut WriteTx,
    tenant: TenantId,
    change: SecondFactorChange,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let mut changed = false;
    let mut set = async |kind: &str, target: &str, required: bool| {
        let did = if required {
            sql::put(tx, tenant, (kind, target), stamp.at_ms).await?
        } else {
            sql::remove(tx, tenant, (kind, target)).await?
        };
        changed |= did;
        Ok::<_, DbError>(())
    };
    let detail = match change {
        SecondFactorChange::Users(users) => {
            set(USERS, EVERYBODY, users == SecondFactorFor::Everybody).await?;
            set(USERS, ADMINISTRATORS, users == SecondFactorFor::Administrators).await?;
            format!("second factor of users: {}", users.as_str())
        }
        SecondFactorChange::Application(app_id, required) => {
            set(APPLICATION, &app_id.to_string(), required).await?;
            format!("second factor for application {app_id}: {}", word(required))
        }
        SecondFactorChange::Role(role, required) => {
            set(ROLE, &role.to_string(), required).await?;
            format!("second factor for role {role}: {}", word(required))
        }
    };
    if changed {
        stamp.record(tx, Action::PolicyChanged, tenant, Some(detail)).await?;
    }
    Ok(())
}

const fn word(required: bool) -> &'static str {
    if required { "required" } else { "not required" }
}

async fn policy(tx: &mut ReadTx, tenant: TenantId) -> Result<SecondFactorPolicy, DbError> {
    let mut policy = SecondFactorPolicy::default();
    for (kind, target) in sql::all(tx, tenant).await? {
        match (kind.as_str(), target.as_str()) {
            (USERS, EVERYBODY) => policy.users = SecondFactorFor::Everybody,
            (USERS, ADMINISTRATORS) if policy.users == SecondFactorFor::Nobody => {
                policy.users = SecondFactorFor::Administrators;
            }
            (APPLICATION, id) => policy.applications.extend(id.parse::<AppId>().ok()),
            (ROLE, id) => policy.roles.extend(Uuid::try_parse(id).ok()),
            _ => {}
        }
    }
    Ok(policy)
}

/// Whether a user needs a second factor for these applications: the client, the resource.
pub(crate) async fn requires_second_factor(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: UserId,
    applications: &[AppId],
) -> Result<bool, DbError> {
    let policy = policy(tx, tenant).await?;
    if policy.users == SecondFactorFor::Everybody
        || applications.iter().any(|asked| policy.applications.contains(asked))
    {
        return Ok(true);
    }
    if policy.users == SecondFactorFor::Administrators
        && !directory_roles::of_user(tx, tenant, user).await?.is_empty()
    {
        return Ok(true);
    }
    if policy.roles.is_empty() {
        return Ok(false);
    }
    Ok(sql::roles_of(tx, user).await?.iter().any(|role| policy.roles.contains(role)))
}
