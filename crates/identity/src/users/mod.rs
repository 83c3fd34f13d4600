//! Users of the tenant. Owns `directory_user`; passwords are `credentials/`'s.

mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{ObjectId, Secret, TenantId, UserId};
use hilum_storage::db::{ReadTx, WriteTx};
use jiff::Timestamp;

use crate::{
    Identity, IdentityError, Stamp, Tenant,
    applications::Comparison,
    credentials::passwords::{self, HashedPassword},
    grants, privileges, role_assignments,
};

#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, insert};

const DISPLAY_NAME_CHARS_MAX: usize = 256;
/// Entra's limits: 64 characters before the `@`, 113 in all.
const UPN_CHARS_MAX: usize = 113;
const UPN_LOCAL_CHARS_MAX: usize = 64;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The object ID: `oid` of the user's tokens.
    pub id: UserId,
    /// The name used to sign in, e.g. `ada@contoso.local`.
    pub user_principal_name: String,
    /// Name for people.
    pub display_name: String,
    /// The part before the `@`, or an own choice.
    pub mail_nickname: String,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub surname: Option<String>,
    /// E-mail address.
    pub mail: Option<String>,
    /// Whether the user may sign in.
    pub account_enabled: bool,
    /// Since when the object exists.
    pub created_at: Timestamp,
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name used to sign in; its domain must be the tenant's.
    pub user_principal_name: String,
    /// Name for people.
    pub display_name: String,
    /// The part before the `@` if absent.
    pub mail_nickname: Option<String>,
    /// The first password.
    pub password: Secret<String>,
    /// Whether it must be changed at the first sign-in.
    pub force_change_password_next_sign_in: bool,
}

/// Changes to a user; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Name for people.
    pub display_name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub surname: Option<String>,
    /// E-mail address.
    pub mail: Option<String>,
    /// Whether the user may sign in.
    pub account_enabled: Option<bool>,
    /// A new password.
    pub password: Option<Secret<String>>,
    /// Whether the new password must be changed at the next sign-in.
    pub force_change_password_next_sign_in: bool,
}

/// Which users to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserFilter {
    /// All of them.
    #[default]
    All,
    /// The one with this object ID.
    Id(UserId),
    /// The one with this name, in any case.
    UserPrincipalName(String),
    /// Those with this display name, in any case.
    DisplayName(String),
    /// Those whose display name starts so, in any case.
    DisplayNamePrefix(String),
}

impl UserFilter {
    /// Reads `userPrincipalName eq`, `id eq`, `displayName eq` or `startswith(displayName,…)`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for anything else.
    pub fn parse_odata(text: &str) -> Result<Self, IdentityError> {
        let unsupported = || IdentityError::invalid("$filter", "is not a supported filter");
        Ok(match Comparison::parse(text).ok_or_else(unsupported)? {
            Comparison::Equal { property, value } => {
                match property.to_ascii_lowercase().as_str() {
                    "userprincipalname" => Self::UserPrincipalName(value),
                    "id" => Self::Id(value.parse().map_err(|_| {
                        IdentityError::invalid("$filter", "holds something that is not a GUID")
                    })?),
                    "displayname" => Self::DisplayName(value),
                    _ => return Err(unsupported()),
                }
            }
            Comparison::StartsWith { property, value } if property.eq_ignore_ascii_case("displayName") => {
                Self::DisplayNamePrefix(value)
            }
            _ => return Err(unsupported()),
        })
    }
}

impl Identity {
    /// Creates a user with a password.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] or [`IdentityError::Conflict`] for what the rules refuse.
    pub async fn create_user(&self, actor: &Actor, new: NewUser) -> Result<User, IdentityError> {
        let tenant = self.tenant().await?;
        let stamp = self.stamp(actor);
        let user = user_of(&new, tenant, UserId::new(self.0.random.uuid()), crate::timestamp(stamp.at_ms))?;
        let must_change = new.force_change_password_next_sign_in;
        let password = passwords::hash(new.password, must_change, &self.0.random).await?;
        let input = (tenant.id, user.clone(), password, stamp);
        self.0
            .db
            .write(input, |tx, (tenant, user, password, stamp)| {
                create(tx, *tenant, user, password, stamp).boxed()
            })
            .await?;
        Ok(user)
    }

    /// Finds a user by object ID or user principal name.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn find_user(&self, id: &str) -> Result<User, IdentityError> {
        let tenant = self.tenant().await?.id;
        required(&mut self.0.db.read().await?, tenant, id).await
    }

    /// Lists users by name.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn list_users(
        &self,
        filter: &UserFilter,
        limit: Option<usize>,
    ) -> Result<Vec<User>, IdentityError> {
        let tenant = self.tenant().await?.id;
        sql::list(&mut self.0.db.read().await?, tenant, filter, limit).await
    }

    /// Changes a user.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], or [`IdentityError::Invalid`] for what the rules refuse.
    pub async fn update_user(
        &self,
        actor: &Actor,
        id: &str,
        change: UserChange,
    ) -> Result<User, IdentityError> {
        let tenant = self.tenant().await?.id;
        if let Some(name) = &change.display_name {
            check_display_name(name)?;
        }
        let must_change = change.force_change_password_next_sign_in;
        let password = match change.password.clone() {
            Some(password) => Some(passwords::hash(password, must_change, &self.0.random).await?),
            None => None,
        };
        let input = (tenant, id.to_owned(), change, password, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, id, change, password, stamp)| {
                async move {
                    let mut user = required(tx, *tenant, id).await?;
                    privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                    apply(&mut user, change);
                    sql::update(tx, &user).await?;
                    if let Some(password) = password {
                        passwords::store(tx, user.id, password, stamp.at_ms).await?;
                    }
                    stamp.record(tx, Action::UserChanged, user.id, Some("updated".to_owned())).await?;
                    Ok::<_, IdentityError>(user)
                }
                .boxed()
            })
            .await
    }

    /// Deletes a user with the password and what was granted to the user.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn delete_user(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.to_owned(), self.stamp(actor)), |tx, (tenant, id, stamp)| {
                async move {
                    let user = required(tx, *tenant, id).await?;
                    privileges::ensure_may_manage_user(tx, *tenant, stamp, user.id).await?;
                    let object = ObjectId::new(user.id.uuid());
                    role_assignments::delete_of_principal(tx, object).await?;
                    grants::delete_of_principal(tx, object).await?;
                    passwords::delete(tx, user.id).await?;
                    sql::delete(tx, user.id).await?;
                    stamp.record(tx, Action::UserChanged, user.id, Some("deleted".to_owned())).await?;
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }

    /// Whether the password is the user's, and whether it must be changed. A user without password never matches.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown user: callers answer both refusals alike.
    pub async fn check_password(
        &self,
        id: &str,
        password: Secret<String>,
    ) -> Result<Option<MustChange>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let stored = {
            let mut tx = self.0.db.read().await?;
            let user = required(&mut tx, tenant, id).await?;
            passwords::stored(&mut tx, user.id).await?
        };
        let Some((hash, must_change)) = stored else { return Ok(None) };
        let good = passwords::verify(password, hash).await?;
        Ok(good.then_some(if must_change { MustChange::Yes } else { MustChange::No }))
    }
}

/// Whether a password that is right must be changed at this sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MustChange {
    /// It was given by somebody else.
    Yes,
    /// It may stay.
    No,
}

/// Inserts a user with a password.
pub(crate) async fn create(
    tx: &mut WriteTx,
    tenant: TenantId,
    user: &User,
    password: &HashedPassword,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    insert(tx, tenant, user).await?;
    passwords::store(tx, user.id, password, stamp.at_ms).await?;
    stamp.record(tx, Action::UserChanged, user.id, Some("created".to_owned())).await?;
    Ok(())
}

/// Checks a new user and makes the object.
pub(crate) fn user_of(
    new: &NewUser,
    tenant: &Tenant,
    id: UserId,
    created_at: Timestamp,
) -> Result<User, IdentityError> {
    check_display_name(&new.display_name)?;
    let wrong = || {
        let reason = format!("must have the form name@{}", tenant.domain);
        IdentityError::invalid("userPrincipalName", reason)
    };
    let (local, domain) = new.user_principal_name.rsplit_once('@').ok_or_else(wrong)?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "'.-_!#^~+".contains(c);
    let fits = !local.is_empty()
        && local.len() <= UPN_LOCAL_CHARS_MAX
        && new.user_principal_name.len() <= UPN_CHARS_MAX
        && local.chars().all(letters)
        && !local.starts_with('.')
        && !local.ends_with('.');
    if !fits || !domain.eq_ignore_ascii_case(&tenant.domain) {
        return Err(wrong());
    }
    Ok(User {
        id,
        user_principal_name: new.user_principal_name.clone(),
        display_name: new.display_name.clone(),
        mail_nickname: new.mail_nickname.clone().unwrap_or_else(|| local.to_owned()),
        given_name: None,
        surname: None,
        mail: None,
        account_enabled: true,
        created_at,
    })
}

fn check_display_name(name: &str) -> Result<(), IdentityError> {
    if name.trim().is_empty()
        || name.chars().count() > DISPLAY_NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        return Err(IdentityError::invalid("displayName", "must have 1 to 256 characters"));
    }
    Ok(())
}

fn apply(user: &mut User, change: &UserChange) {
    if let Some(name) = &change.display_name {
        user.display_name.clone_from(name);
    }
    for (to, from) in [
        (&mut user.given_name, &change.given_name),
        (&mut user.surname, &change.surname),
        (&mut user.mail, &change.mail),
    ] {
        if from.is_some() {
            to.clone_from(from);
        }
    }
    user.account_enabled = change.account_enabled.unwrap_or(user.account_enabled);
}

/// The user with this object ID or user principal name.
pub(crate) async fn lookup(
    tx: &mut ReadTx,
    tenant: TenantId,
    id: &str,
) -> Result<Option<User>, IdentityError> {
    let filter = match id.parse::<UserId>() {
        Ok(id) => UserFilter::Id(id),
        Err(_) => UserFilter::UserPrincipalName(id.to_owned()),
    };
    Ok(sql::list(tx, tenant, &filter, Some(1)).await?.pop())
}

async fn required(tx: &mut ReadTx, tenant: TenantId, id: &str) -> Result<User, IdentityError> {
    lookup(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("user", id))
}
