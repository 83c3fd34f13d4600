//! Which object an operation is about, and what must hold for the operation to be done: checked in the transaction that
//! does it.

use hilum_kernel::{AppId, ObjectId};
use hilum_storage::db::ReadTx;

use crate::{IdentityError, owners};

/// An object and the conditions of a change to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) name: Name,
    /// Who must be an owner of it, where nothing else lets the caller in.
    pub(crate) owner: Option<ObjectId>,
    /// The version it must have.
    pub(crate) if_match: Option<i64>,
}

/// How an object is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// By whatever people call it: object ID, appId, identifier URI.
    Any(String),
    ObjectId(ObjectId),
    AppId(AppId),
    Unique(String),
}

impl Target {
    pub(crate) const fn new(name: Name) -> Self {
        Self { name, owner: None, if_match: None }
    }

    /// Only for an owner of the object.
    #[must_use]
    pub const fn owned_by(mut self, owner: Option<ObjectId>) -> Self {
        self.owner = owner;
        self
    }

    /// Only for this version of the object.
    #[must_use]
    pub const fn if_match(mut self, version: Option<i64>) -> Self {
        self.if_match = version;
        self
    }

    /// Whether the conditions hold for the object that was found.
    pub(crate) async fn check(
        &self,
        tx: &mut ReadTx,
        object: ObjectId,
        version: i64,
    ) -> Result<(), IdentityError> {
        if let Some(owner) = self.owner
            && !owners::owns(tx, owner, object).await?
        {
            return Err(IdentityError::Denied("the caller does not own the object".to_owned()));
        }
        match self.if_match {
            Some(wanted) if wanted != version => Err(IdentityError::Changed),
            _ => Ok(()),
        }
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::new(Name::Any(name.to_owned()))
    }
}

impl From<&String> for Target {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<ObjectId> for Target {
    fn from(id: ObjectId) -> Self {
        Self::new(Name::ObjectId(id))
    }
}

impl From<AppId> for Target {
    fn from(id: AppId) -> Self {
        Self::new(Name::AppId(id))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any(name) | Self::Unique(name) => name.fmt(f),
            Self::ObjectId(id) => id.fmt(f),
            Self::AppId(id) => id.fmt(f),
        }
    }
}
