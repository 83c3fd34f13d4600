//! Users of the tenant. Owns `directory_user`; passwords are `credentials/`'s.
//!
//! A deleted user can be restored for 30 days (`deleted/`), with password, memberships and roles; until then nobody finds
//! the user, and the name is free, as in Entra.

mod deletion;
mod details;
mod list;
mod passwords;
mod rules;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{ObjectId, Secret, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Identity, IdentityError, Stamp, Tenant,
    applications::Comparison,
    credentials::passwords::{self as hashes, HashedPassword},
    directory_roles::{self, DirectoryRole},
    privileges, upstream,
};

pub(crate) use deletion::{delete, forget, restore, view_deleted};
pub(crate) use details::{DEFAULT_SELECT, shape, whole_shape};
pub use details::{UserDetails, UserType};
pub(crate) use list::{COLLECTION, page};
pub(crate) use passwords::{
    check as check_password_rules, confirm_sign_in, replace_own as replace_own_password, signed_in_elsewhere,
};
pub(crate) use rules::{PasswordFault, check_nickname};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{SCHEMA, SCHEMA_DETAILS, SCHEMA_SEARCHABLE, SCHEMA_SIGNED_IN, end_sessions, insert};

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
    /// The other properties.
    pub details: UserDetails,
    /// Tokens of sign-ins before are worth nothing any more (`signInSessionsValidFromDateTime`).
    pub sessions_valid_from: Timestamp,
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
    /// Those with this e-mail address, in any case.
    Mail(String),
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

/// A password that somebody sets, as `passwordProfile` has it.
#[derive(Debug, Clone)]
pub(crate) struct NewPassword {
    pub(crate) password: Secret<String>,
    pub(crate) must_change: bool,
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
        let password =
            NewPassword { password: new.password, must_change: new.force_change_password_next_sign_in };
        self.insert_user(tenant.id, user, password, stamp).await
    }

    /// Creates a user. `members` is shaped like the body of Graph's `POST /users`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] or [`IdentityError::Conflict`] for what the rules refuse.
    pub async fn create_user_of(
        &self,
        actor: &Actor,
        members: &Map<String, Value>,
    ) -> Result<User, IdentityError> {
        let tenant = self.tenant().await?;
        let stamp = self.stamp(actor);
        for name in ["accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"]
        {
            if members.get(name).is_none_or(Value::is_null) {
                return Err(IdentityError::invalid(name, "is required to create a user"));
            }
        }
        let (members, password) = passwords::take_profile(members)?;
        let password = password.complete().ok_or_else(|| {
            IdentityError::invalid("passwordProfile", "a password must be specified to create a new user")
        })?;
        let user =
            blank(UserId::new(self.0.random.uuid()), crate::timestamp(stamp.at_ms)).merged(&members)?;
        rules::check(&user, tenant)?;
        self.insert_user(tenant.id, user, password, stamp).await
    }

    async fn insert_user(
        &self,
        tenant: TenantId,
        user: User,
        password: NewPassword,
        stamp: Stamp,
    ) -> Result<User, IdentityError> {
        passwords::check(&password.password, &user)?;
        let password = self.hash_password(password.password, password.must_change).await?;
        let input = (tenant, user.clone(), password, stamp);
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
        let must_change = change.force_change_password_next_sign_in;
        let password = change.password.clone().map(|password| NewPassword { password, must_change });
        let prepared = self.prepare_change(id, members_of(&change), password.into()).await?;
        let input = (self.tenant().await?.clone(), prepared, self.stamp(actor));
        self.0.db.write(input, |tx, (tenant, change, stamp)| update(tx, tenant, change, stamp).boxed()).await
    }

    /// Changes a user as Graph's `PATCH /users/{id}` does.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], and what the rules refuse.
    pub async fn change_user_of(
        &self,
        actor: &Actor,
        id: &str,
        members: &Map<String, Value>,
    ) -> Result<User, IdentityError> {
        let (members, profile) = passwords::take_profile(members)?;
        let prepared = self.prepare_change(id, members, profile).await?;
        let input = (self.tenant().await?.clone(), prepared, self.stamp(actor));
        self.0.db.write(input, |tx, (tenant, change, stamp)| update(tx, tenant, change, stamp).boxed()).await
    }

    /// Deletes a user, who can be restored for 30 days.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`]; [`IdentityError::Invalid`] for the last Global Administrator.
    pub async fn delete_user(&self, actor: &Actor, id: &str) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        self.0
            .db
            .write((tenant, id.to_owned(), self.stamp(actor)), |tx, (tenant, id, stamp)| {
                delete(tx, *tenant, id, stamp).map(|deleted| deleted.map(drop)).boxed()
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
            hashes::stored(&mut tx, user.id).await?
        };
        let Some((hash, must_change)) = stored else { return Ok(None) };
        let good = self.verify_password(password, hash).await?;
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
    hashes::store(tx, user.id, password, stamp.at_ms).await?;
    stamp.record(tx, Action::UserChanged, user.id, Some("created".to_owned())).await?;
    Ok(())
}

/// A change that is checked as far as possible without the database, with its password hashed.
#[derive(Debug, Clone)]
pub(crate) struct PreparedChange {
    /// Object ID or user principal name.
    pub(crate) id: String,
    pub(crate) members: Map<String, Value>,
    pub(crate) password: Option<HashedPassword>,
    /// The identities elsewhere that the user is to have.
    pub(crate) identities: Option<Vec<upstream::Wanted>>,
    /// `forceChangePasswordNextSignIn` without a new password.
    pub(crate) must_change: Option<bool>,
}

/// Changes a user. Two changes at once follow each other: the row is locked before it is read.
pub(crate) async fn update(
    tx: &mut WriteTx,
    tenant: &Tenant,
    change: &PreparedChange,
    stamp: &Stamp,
) -> Result<User, IdentityError> {
    let before = locked(tx, tenant.id, &change.id).await?;
    privileges::ensure_may_manage_user(tx, tenant.id, stamp, before.id).await?;
    let mut user = before.merged(&change.members)?;
    rules::check(&user, tenant)?;
    sql::update(tx, tenant.id, &user).await?;
    let unlinked = match &change.identities {
        Some(wanted) => upstream::replace(tx, tenant.id, (user.id, wanted), stamp).await?,
        None => false,
    };
    if let Some(password) = &change.password {
        hashes::store(tx, user.id, password, stamp.at_ms).await?;
        let ended_ms = end_sessions(tx, user.id, stamp.at_ms).await?;
        user.sessions_valid_from = crate::timestamp(ended_ms);
    } else if let Some(must_change) = change.must_change {
        sql::set_must_change(tx, user.id, must_change).await?;
    }
    // Whoever got in by what is gone now, or is kept out from now on, is out of the sessions of before, too.
    if change.password.is_none() && (unlinked || (before.account_enabled && !user.account_enabled)) {
        let ended_ms = end_sessions(tx, user.id, stamp.at_ms).await?;
        user.sessions_valid_from = crate::timestamp(ended_ms);
    }
    let detail = match (&change.password, change.members.is_empty()) {
        (Some(_), true) => "password reset".to_owned(),
        (password, _) => {
            let mut names: Vec<&str> = change.members.keys().map(String::as_str).collect();
            names.extend(change.identities.as_ref().map(|_| "identities"));
            let reset = if password.is_some() { ", password reset" } else { "" };
            format!("updated {}{reset}", names.join(" "))
        }
    };
    stamp.record(tx, Action::UserChanged, user.id, Some(detail)).await?;
    if before.account_enabled && !user.account_enabled {
        keep_an_administrator(tx, tenant.id, user.id).await?;
    }
    Ok(user)
}

/// Refuses what took the last Global Administrator away from the directory.
async fn keep_an_administrator(tx: &mut WriteTx, tenant: TenantId, id: UserId) -> Result<(), IdentityError> {
    if directory_roles::of_user(tx, tenant, id).await?.contains(&DirectoryRole::GlobalAdministrator) {
        directory_roles::ensure_an_administrator(tx, tenant).await?;
    }
    Ok(())
}

/// Inserts a user as a step of a larger transaction. Without a password nobody can sign in as the user.
pub(crate) async fn declare(
    tx: &mut WriteTx,
    tenant: &Tenant,
    (id, members): (UserId, &Map<String, Value>),
    password: Option<&HashedPassword>,
    stamp: &Stamp,
) -> Result<User, IdentityError> {
    let mut user = blank(id, crate::timestamp(stamp.at_ms)).merged(members)?;
    if user.mail_nickname.is_empty() {
        let local = user.user_principal_name.split('@').next().unwrap_or_default();
        user.mail_nickname = local.to_owned();
    }
    rules::check(&user, tenant)?;
    insert(tx, tenant.id, &user).await?;
    if let Some(password) = password {
        hashes::store(tx, user.id, password, stamp.at_ms).await?;
    }
    stamp.record(tx, Action::UserChanged, user.id, Some("created".to_owned())).await?;
    Ok(user)
}

/// Checks a new user and makes the object.
pub(crate) fn user_of(
    new: &NewUser,
    tenant: &Tenant,
    id: UserId,
    created_at: Timestamp,
) -> Result<User, IdentityError> {
    let local = new.user_principal_name.rsplit_once('@').map_or("", |(local, _)| local);
    let user = User {
        user_principal_name: new.user_principal_name.clone(),
        display_name: new.display_name.clone(),
        mail_nickname: new.mail_nickname.clone().unwrap_or_else(|| local.to_owned()),
        ..blank(id, created_at)
    };
    rules::check(&user, tenant)?;
    Ok(user)
}

/// A user without a name yet.
fn blank(id: UserId, created_at: Timestamp) -> User {
    User {
        id,
        user_principal_name: String::new(),
        display_name: String::new(),
        mail_nickname: String::new(),
        given_name: None,
        surname: None,
        mail: None,
        account_enabled: true,
        created_at,
        details: UserDetails::default(),
        sessions_valid_from: created_at,
    }
}

fn members_of(change: &UserChange) -> Map<String, Value> {
    let texts = [
        ("displayName", &change.display_name),
        ("givenName", &change.given_name),
        ("surname", &change.surname),
        ("mail", &change.mail),
    ];
    let mut members: Map<String, Value> =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into()))).collect();
    if let Some(enabled) = change.account_enabled {
        members.insert("accountEnabled".to_owned(), enabled.into());
    }
    members
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

/// At most so many users that fit.
pub(crate) async fn filtered(
    tx: &mut ReadTx,
    tenant: TenantId,
    filter: &UserFilter,
    most: usize,
) -> Result<Vec<User>, IdentityError> {
    sql::list(tx, tenant, filter, Some(most)).await
}

/// As [`lookup`], for callers that cannot go on without it.
pub(crate) async fn required(tx: &mut ReadTx, tenant: TenantId, id: &str) -> Result<User, IdentityError> {
    lookup(tx, tenant, id).await?.ok_or_else(|| IdentityError::not_found("user", id))
}

/// As [`required`], with the row locked until the end of the transaction.
pub(crate) async fn locked(tx: &mut WriteTx, tenant: TenantId, id: &str) -> Result<User, IdentityError> {
    let found = required(tx, tenant, id).await?;
    sql::lock(tx, found.id).await?;
    required(tx, tenant, &found.id.to_string()).await
}

/// The users among these objects, deleted ones left out.
pub(crate) async fn by_ids(
    tx: &mut ReadTx,
    tenant: TenantId,
    ids: &[ObjectId],
) -> Result<Vec<User>, DbError> {
    sql::by_ids(tx, tenant, ids).await
}
