//! Rolling certificates with a proof of possession (Graph's `addKey` and `removeKey`): a token signed by a certificate
//! that the client has already. So a client can renew its own certificate, and nobody else's.

use futures::FutureExt as _;
use hilum_audit::Actor;
use hilum_jose::{Certificate, Jwt, VerifyingKey, validate_times};
use hilum_kernel::{CredentialId, ObjectId};
use hilum_storage::db::ReadTx;
use jiff::{SignedDuration, Timestamp};

use super::{CertificateInfo, CredentialOwner, certificates, key_change::KeyCredential, sql};
use crate::{Identity, IdentityError};

/// Azure AD Graph, which checked these proofs once; its ID is still the audience.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";
/// How long a proof may hold.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(10);
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
const PROOF_CHARS_MAX: usize = 16 * 1024;

impl Identity {
    /// Adds a certificate to a client that proves to have another one.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a certificate or proof that is not good.
    pub async fn add_key(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        key: KeyCredential,
        proof: &str,
    ) -> Result<CertificateInfo, IdentityError> {
        let tenant = self.tenant().await?.id;
        let stamp = self.stamp(actor);
        let info = key.into_certificate(self, crate::timestamp(stamp.at_ms))?;
        let input = (tenant, owner.into(), info.clone(), proof.to_owned(), stamp);
        self.0
            .db
            .write(input, |tx, (tenant, owner, info, proof, stamp)| {
                async move {
                    let client = owner.locked(tx, *tenant, stamp).await?;
                    check(tx, client.id, proof, crate::timestamp(stamp.at_ms)).await?;
                    certificates::insert(tx, client, info, stamp).await
                }
                .boxed()
            })
            .await?;
        Ok(info)
    }

    /// Removes a certificate of a client that proves to have one.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for an unknown certificate, [`IdentityError::Invalid`] for a proof that is not good.
    pub async fn remove_key(
        &self,
        actor: &Actor,
        owner: impl Into<CredentialOwner>,
        key_id: CredentialId,
        proof: &str,
    ) -> Result<(), IdentityError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, owner.into(), key_id, proof.to_owned(), self.stamp(actor));
        self.0
            .db
            .write(input, |tx, (tenant, owner, key_id, proof, stamp)| {
                async move {
                    let client = owner.locked(tx, *tenant, stamp).await?;
                    check(tx, client.id, proof, crate::timestamp(stamp.at_ms)).await?;
                    certificates::remove(tx, client, *key_id, stamp).await
                }
                .boxed()
            })
            .await
    }
}

/// Sheet §5.3: signed by an existing certificate, `aud`, `iss` = object ID, `exp` at most ten minutes after `nbf`.
async fn check(tx: &mut ReadTx, owner: ObjectId, proof: &str, now: Timestamp) -> Result<(), IdentityError> {
    let refuse = |reason: &str| Err(IdentityError::invalid("proof", reason));
    if proof.len() > PROOF_CHARS_MAX {
        return refuse("is too long");
    }
    let Ok(jwt) = Jwt::parse(proof) else {
        return refuse("must be a JWT signed by a certificate that is registered already");
    };
    let certificates = sql::certificates(tx, owner).await?;
    let signed =
        certificates.iter().filter(|info| (info.starts_at..info.ends_at).contains(&now)).any(|info| {
            Certificate::from_der(&info.der)
                .ok()
                .and_then(|certificate| VerifyingKey::from_certificate(&certificate).ok())
                .is_some_and(|key| jwt.verify(&key).is_ok())
        });
    if !signed {
        return refuse(
            "is not signed by a valid certificate of this object; where there is none, PATCH keyCredentials",
        );
    }
    let claims = jwt.claims_unverified();
    if !claims.audiences().contains(&AUDIENCE) {
        return refuse("aud must be 00000002-0000-0000-c000-000000000000");
    }
    if claims.text("iss").is_none_or(|issuer| issuer.parse() != Ok(owner)) {
        return refuse("iss must be the object's id");
    }
    match validate_times(claims, now, LEEWAY) {
        Ok(times) => {
            let from = times.not_before.or(times.issued_at).unwrap_or(now);
            if times.expires_at.duration_since(from) > LIFE_MAX {
                return refuse("exp must lie at most ten minutes after nbf");
            }
            Ok(())
        }
        Err(error) => refuse(&error.to_string()),
    }
}
