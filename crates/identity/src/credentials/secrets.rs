//! Client secrets: made by the server, shown once, kept as a keyed hash (DESIGN §4).

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_jose::MasterKey;
use hilum_kernel::{AppId, CredentialId, ObjectId, Secret, TenantId};
use hilum_storage::db::WriteTx;
use jiff::Timestamp;

use super::{CredentialOwner, Keep, check_display_name, sql, two_years_after};
use crate::{Identity, IdentityError, Stamp};

/// Enough for any rotation; a token request looks at each of them.
pub(super) const SECRETS_MAX: usize = 50;
/// Entra's alphabet: safe in forms, headers, shells and URLs.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~.";
/// 43 characters of 6 bits (5 the first) carry 257 bits.
const SECRET_CHARS: usize = 43;
/// How much of it is kept readable, so that its owner can tell it from others.
pub(super) const HINT_CHARS: usize = 3;

/// A client secret without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its ID (*Secret ID*), which people mistake for the secret.
    pub key_id: CredentialId,
    /// The first three characters.
    pub hint: String,
    /// Its description.
    pub display_name: Option<String>,
    /// Valid from.
    pub starts_at: Timestamp,
    /// Valid until.
    pub ends_at: Timestamp,
}

/// A secret to be made.
#[derive(Debug, Clone, Default)]
pub struct NewSecret {
    /// Its description.
    pub display_name: Option<String>,
    /// Valid from; now if absent.
    pub starts_at: Option<Timestamp>,
    /// Valid until; two years after the start if absent, and at most.
    pub ends_at: Option<Timestamp>,
    /// What happens to the others.
    pub keep: Keep,
}

/// A secret just made: the only time its text is known.
#[derive(Debug, Clone)]
pub struct AddedSecret {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The client it belongs to.
    pub app_id: AppId,
    /// What is kept of it.
    pub info: SecretInfo,
    /// The text to be shown once.
    pub value: Secret<String>,
}

impl Identity {
    /// Makes a client secret for an application (by appId, object ID or identifier URI) or a service principal.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for times that no secret may have, or too many secrets.
    pub async fn add_secret(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        new: NewSecret,
    ) -> Result<AddedSecret, IdentityError> {
        check_display_name(new.display_name.as_ref())?;
        let tenant_id = self.tenant().await?.id;
        let stamp = self.stamp(actor);
        let value = self.secret_text();
        let info = SecretInfo {
            key_id: CredentialId::new(self.0.random.uuid()),
            hint: value.expose().chars().take(HINT_CHARS).collect(),
            display_name: new.display_name,
            starts_at: new.starts_at.unwrap_or(crate::timestamp(stamp.at_ms)),
            ends_at: Timestamp::UNIX_EPOCH,
        };
        let info = SecretInfo { ends_at: new.ends_at.unwrap_or(two_years_after(info.starts_at)), ..info };
        check_times(&info, crate::timestamp(stamp.at_ms))?;
        let input = Input {
            tenant_id,
            owner: owner.into(),
            info: info.clone(),
            value: value.clone(),
            keep: new.keep,
            key: self.0.secret_key.clone(),
            stamp,
        };
        let app_id = self.0.db.write(input, |tx, input| add(tx, input).boxed()).await?;
        Ok(AddedSecret { tenant_id, app_id, info, value })
    }

    /// Removes a client secret by its ID: it is worth nothing from the next token request on.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown application or secret.
    pub async fn remove_secret(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        key_id: CredentialId,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, owner.into(), key_id, self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, owner, key_id, stamp)| {
                async move {
                    let client = owner.locked(tx, *tenant, stamp).await?;
                    if !sql::delete_secret(tx, client.id, *key_id).await? {
                        return Err(IdentityError::not_found("client secret", key_id));
                    }
                    let detail = Some(format!("secret {key_id}"));
                    stamp.record(tx, Action::CredentialRemoved, client.app_id, detail).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    pub(super) fn secret_text(&self) -> Secret<String> {
        let mut bytes = [0; SECRET_CHARS];
        self.0.random.fill(&mut bytes);
        // The low bits of a random byte choose without bias: six for 64 characters, five for a letter to begin with,
        // because a shell takes a tilde at the start for a home directory.
        let text = bytes.iter().enumerate().filter_map(|(place, byte)| {
            let mask = if place == 0 { 0x1f } else { 0x3f };
            ALPHABET.get(usize::from(byte & mask)).map(|letter| char::from(*letter))
        });
        Secret::new(text.collect())
    }
}

struct Input {
    tenant_id: TenantId,
    owner: CredentialOwner,
    info: SecretInfo,
    value: Secret<String>,
    keep: Keep,
    key: MasterKey,
    stamp: Stamp,
}

async fn add(tx: &mut WriteTx, input: &Input) -> Result<AppId, IdentityError> {
    let client = input.owner.locked(tx, input.tenant_id, &input.stamp).await?;
    if input.keep == Keep::None {
        sql::delete_secrets(tx, client.id).await?;
    } else if sql::secrets(tx, client.id).await?.len() >= SECRETS_MAX {
        return Err(IdentityError::invalid(
            "passwordCredentials",
            "there may be at most 50: remove old ones",
        ));
    }
    let hash = hash(&input.key, client.id, input.value.expose());
    sql::insert_secret(tx, client.id, &input.info, &hash).await?;
    let detail = Some(format!("secret {}", input.info.key_id));
    input.stamp.record(tx, Action::CredentialAdded, client.app_id, detail).await?;
    Ok(client.app_id)
}

pub(super) fn check_times(info: &SecretInfo, now: Timestamp) -> Result<(), IdentityError> {
    if info.ends_at <= info.starts_at || info.ends_at <= now {
        return Err(IdentityError::invalid("endDateTime", "must lie after the start and in the future"));
    }
    // In whole milliseconds, as times are stored: `now` has no finer part, but the end that a caller made of its own
    // clock may.
    let last_ms = two_years_after(info.starts_at.max(now)).as_millisecond();
    if info.ends_at.as_millisecond() > last_ms {
        return Err(IdentityError::invalid("endDateTime", "must be within two years"));
    }
    Ok(())
}

/// What is stored of a secret: bound to its application or service principal, so that a row cannot be given to another one.
pub(crate) fn hash(key: &MasterKey, owner: ObjectId, secret: &str) -> [u8; 32] {
    let mut data = Vec::with_capacity(16 + secret.len());
    data.extend_from_slice(owner.uuid().as_bytes());
    data.extend_from_slice(secret.as_bytes());
    let hash = key.keyed_hash(&data);
    // The copy goes the way of the secret.
    drop(Secret::new(data));
    hash
}
