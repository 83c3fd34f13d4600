//! Sign-ins that are under way at a provider: what has to be there when the browser comes back, once.
//!
//! The rows are bounded in all and for each network, and live a quarter of an hour. A row is found by the hash of `state`,
//! and taken away by the first answer: the second finds nothing.

use futures::FutureExt as _;
use hilum_jose::{base64url_encode, sha256};
use hilum_storage::db::WriteTx;

use super::{UpstreamError, sql};
use crate::{Identity, IdentityError, oauth::network};

/// How long a person may be at the provider.
pub(crate) const PENDING_MS: i64 = 15 * 60_000;
/// So many may be there in all; about 40 MB at worst.
const PENDING_MAX: i64 = 10_000;
/// So many of one network, behind whose address there may be a hospital.
const PENDING_OF_NETWORK_MAX: i64 = PENDING_MAX / 10;

/// What `state` is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateHash(String);

impl StateHash {
    pub(crate) fn of(state: &str) -> Self {
        Self(base64url_encode(sha256(format!("upstream {state}").as_bytes())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A sign-in to be parked.
#[derive(Debug, Clone)]
pub(crate) struct Parked {
    pub(crate) state: StateHash,
    /// Sealed: nothing in it can be read or changed in the database.
    pub(crate) sealed: String,
    /// From where it comes.
    pub(crate) address: Option<std::net::IpAddr>,
}

impl Identity {
    /// Parks a sign-in until the browser comes back.
    pub(crate) async fn park(&self, provider: &str, parked: Parked) -> Result<(), UpstreamError> {
        let tenant = self.tenant().await?.id;
        let origin = parked.address.map(|address| network(address).to_string()).unwrap_or_default();
        let input = (tenant, parked, origin, self.0.clock.now_ms());
        let room = self.0.db.write(input, |tx, (tenant, parked, origin, at_ms)| {
            async move {
                let room = make_room(tx, origin, *at_ms).await?;
                if room {
                    sql::park(tx, *tenant, (parked, origin), (*at_ms, *at_ms + PENDING_MS)).await?;
                }
                Ok::<_, IdentityError>(room)
            }
            .boxed()
        });
        if room.await? {
            Ok(())
        } else {
            Err(UpstreamError::Busy(self.provider(provider)?.name().to_owned()))
        }
    }

    /// What was parked under this state, if its time is not over. It stays there.
    pub(crate) async fn parked(&self, state: &StateHash) -> Result<Option<String>, IdentityError> {
        let tenant = self.tenant().await?.id;
        let now_ms = self.0.clock.now_ms();
        Ok(sql::parked(&mut self.0.db.read().await?, tenant, state, now_ms).await?)
    }

    /// Takes it away: true for one caller only.
    pub(crate) async fn unpark(&self, state: &StateHash) -> Result<bool, IdentityError> {
        Ok(self.0.db.write(state.clone(), |tx, state| sql::unpark(tx, state).boxed()).await?)
    }
}

/// Whether there is room for one more of this network. When the table is full, the oldest one of the network with most of
/// them goes.
async fn make_room(tx: &mut WriteTx, network: &str, at_ms: i64) -> Result<bool, IdentityError> {
    let all = sql::purge(tx, at_ms).await?;
    if sql::count_of_network(tx, network).await? >= PENDING_OF_NETWORK_MAX {
        return Ok(false);
    }
    if all >= PENDING_MAX {
        return Ok(sql::displace(tx).await?);
    }
    Ok(true)
}
