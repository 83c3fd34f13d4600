//! Links from identities elsewhere to users, as administrators see and make them (Graph: `identities`, objectIdentity).

use std::collections::BTreeMap;

use hilum_audit::Action;
use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::WriteTx;
use serde_json::{Value, json};
use url::Url;

use super::sql;
use crate::{Identity, IdentityError, Stamp, error::OnDuplicate as _};

/// Graph's limit.
pub(crate) const IDENTITIES_OF_USER_MAX: usize = 10;
const ISSUER_CHARS_MAX: usize = 512;
const SUBJECT_CHARS_MAX: usize = 255;
const PROPERTY: &str = "identities";

/// Who made a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkOrigin {
    /// An administrator, for this very identity.
    Administrator,
    /// The first sign-in, by a verified e-mail address.
    Email,
    /// The first sign-in, together with the user.
    Created,
}

impl LinkOrigin {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Email => "email",
            Self::Created => "created",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Administrator, Self::Email, Self::Created].into_iter().find(|origin| origin.as_str() == text)
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FederatedIdentity {
    pub(crate) user: UserId,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) origin: LinkOrigin,
}

impl FederatedIdentity {
    /// In Graph's shape.
    pub(crate) fn json(&self) -> Value {
        json!({ "issuer": self.issuer, "issuerAssignedId": self.subject, "signInType": "federated" })
    }
}

/// Issuer and subject, as an administrator wants them.
pub(crate) type Wanted = (String, String);

/// Reads `identities` of a body. The user principal name is in the collection, too, and cannot be changed by it.
pub(crate) fn parse(value: &Value) -> Result<Vec<Wanted>, IdentityError> {
    let wrong = |reason: &str| IdentityError::invalid(PROPERTY, reason);
    let items = value.as_array().ok_or_else(|| wrong("must be a collection"))?;
    let mut wanted: Vec<Wanted> = Vec::new();
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("signInType").as_str() {
            "userPrincipalName" => continue,
            "federated" => {}
            _ => return Err(wrong("holds a signInType other than federated and userPrincipalName")),
        }
        let (issuer, subject) = (text("issuer"), text("issuerAssignedId"));
        if issuer.chars().count() > ISSUER_CHARS_MAX || !is_issuer(&issuer) {
            return Err(wrong("holds an issuer that is no https URL"));
        }
        let plain = |c: char| c.is_ascii_graphic() || c == ' ';
        if subject.trim().is_empty() || subject.len() > SUBJECT_CHARS_MAX || !subject.chars().all(plain) {
            return Err(wrong("holds an issuerAssignedId that is no subject: 1 to 255 ASCII characters"));
        }
        if !wanted.contains(&(issuer.clone(), subject.clone())) {
            wanted.push((issuer, subject));
        }
    }
    if wanted.len() > IDENTITIES_OF_USER_MAX {
        return Err(wrong("may hold 10 federated identities at most"));
    }
    Ok(wanted)
}

/// OIDC Discovery §3: an https URL; on the machine itself plain HTTP will do.
fn is_issuer(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    })
}

/// Makes these the identities of a user. Tells whether one was taken away: whoever signed in with it must be out, then.
pub(crate) async fn replace(
    tx: &mut WriteTx,
    tenant: TenantId,
    (user, wanted): (UserId, &[Wanted]),
    stamp: &Stamp,
) -> Result<bool, IdentityError> {
    let before = sql::of_user(tx, user).await?;
    let is_wanted = |link: &FederatedIdentity| {
        wanted.iter().any(|(issuer, subject)| *issuer == link.issuer && *subject == link.subject)
    };
    let mut removed = false;
    for link in before.iter().filter(|link| !is_wanted(link)) {
        sql::delete(tx, tenant, link).await?;
        note(tx, "removed", link, stamp).await?;
        removed = true;
    }
    for (issuer, subject) in wanted {
        let known = before.iter().find(|link| link.issuer == *issuer && link.subject == *subject);
        let origin = LinkOrigin::Administrator;
        let link = FederatedIdentity { user, issuer: issuer.clone(), subject: subject.clone(), origin };
        match known {
            Some(known) if known.origin == origin => continue,
            Some(_) => sql::set_origin(tx, tenant, &link).await?,
            // It leads to somebody else, who has to be parted from it first.
            None => sql::insert(tx, tenant, &link, stamp.at_ms).await.on_duplicate(PROPERTY)?,
        }
        note(tx, "added", &link, stamp).await?;
    }
    Ok(removed)
}

/// Writes the making or the end of a link into the trail.
pub(super) async fn note(
    tx: &mut WriteTx,
    what: &str,
    link: &FederatedIdentity,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let origin = link.origin.as_str();
    let detail = format!("identity {what} ({origin}): {} {}", link.issuer, link.subject);
    stamp.record(tx, Action::UserChanged, link.user, Some(detail)).await?;
    Ok(())
}

/// Forgets the links of a user who is gone for good.
pub(crate) async fn forget(tx: &mut WriteTx, user: UserId) -> Result<(), IdentityError> {
    Ok(sql::forget(tx, user).await?)
}

/// The links of some users.
pub(crate) type Links = BTreeMap<UserId, Vec<FederatedIdentity>>;

impl Identity {
    /// The identities elsewhere of some users.
    pub(crate) async fn identities_of(&self, users: &[UserId]) -> Result<Links, IdentityError> {
        let mut all = Links::new();
        for link in sql::of_users(&mut self.0.db.read().await?, users).await? {
            all.entry(link.user).or_default().push(link);
        }
        Ok(all)
    }
}
