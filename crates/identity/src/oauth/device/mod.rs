//! The device code flow (RFC 8628; sheet §2.9): a device shows a code, a person types it into a browser, signs in, sees
//! who asks for what from where, and lets the device in or turns it away.
//!
//! Owns `device_code`. A flow is bound to its client; it can be decided once and redeemed once. Nothing is decided by
//! opening a page: the person types the code, signs in or chooses the account by the steps of every sign-in
//! (`authorize/steps.rs`), confirms, and is warned of codes that somebody else sent (RFC 8628 §5.4).

mod decision;
mod http;
mod page;
mod sql;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_jose::sha256;
use hilum_kernel::{AppId, Secret, UserId};
use hilum_storage::db::{DbError, WriteTx};

use super::{
    client_authentication::{AuthenticatedClient, Presented, Wanted},
    delegation,
    error::OAuthError,
    form::Form,
    scopes::{Asked, Endpoint, Values},
    tenant::TenantSegment,
    throttle::network,
    token::Caller,
};
use crate::{Identity, Tenant, applications, authentication_methods::Amr, credentials};

pub(crate) use http::{confirmation, page_get, page_post, post_v1, post_v2};
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use sql::{CodeHash, SCHEMA, SCHEMA_AMR, SCHEMA_CLIENTS, SCHEMA_IDP, SCHEMA_NETWORKS, redeem};

/// RFC 8628 §3.2; Entra's values.
const LIFE_S: i64 = 900;
const INTERVAL_S: i64 = 5;
/// RFC 8628 §3.5: `slow_down` makes the interval longer by five seconds; up to here.
const INTERVAL_S_MAX: i64 = 60;
/// A client that asks every five seconds may be a little early.
const EARLY_MS: i64 = 1_000;
/// So many flows may be under way in all; about 3 MB.
const FLOWS_MAX: i64 = 10_000;
/// So many of one client. Beyond: the oldest undecided one of the address that started most of them goes.
const FLOWS_OF_CLIENT_MAX: i64 = FLOWS_MAX / 2;
/// So many from one address, whatever client they name: a network behind one address has that many devices waiting at
/// once. Beyond: 429, for that address alone.
const FLOWS_OF_SOURCE_MAX: i64 = FLOWS_MAX / 20;
/// RFC 8628 §6.1: letters and digits that cannot be mistaken; nine carry 45 bits.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const USER_CODE_CHARS: usize = 9;

/// A flow to be started.
#[derive(Debug, Clone)]
pub(crate) struct NewFlow {
    device: CodeHash,
    user_code: CodeHash,
    app_id: AppId,
    scope: String,
    source: Option<String>,
    /// Who counts as one caller.
    network: Option<String>,
    interval_s: i64,
    at_ms: i64,
    expires_at_ms: i64,
}

/// A flow under way.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    app_id: AppId,
    scope: String,
    /// The device's address.
    source: Option<String>,
    state: State,
    interval_s: i64,
    polled_at_ms: i64,
    created_at_ms: i64,
    expires_at_ms: i64,
}

/// How far a flow has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Pending,
    Declined,
    Approved(Authenticated),
}

/// Who let the device in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authenticated {
    pub(crate) user: UserId,
    /// When they signed in.
    pub(crate) at_ms: i64,
    /// With what.
    pub(crate) amr: Amr,
    /// The issuer that vouched for them, if it was not this one.
    pub(crate) idp: Option<String>,
}

/// What the device is told at the start.
#[derive(Debug)]
pub(crate) struct Started {
    device_code: Secret<String>,
    user_code: String,
}

/// A flow that a user has approved and nobody redeemed yet.
#[derive(Debug)]
pub(crate) struct Approved {
    pub(crate) device: CodeHash,
    pub(crate) by: Authenticated,
    pub(crate) scope: String,
}

/// What a poll found, written down before it is told.
enum Polled {
    Unknown,
    OtherClient,
    Expired,
    Declined,
    TooEarly,
    Pending,
    Approved { by: Authenticated, scope: String },
}

impl Identity {
    /// Starts a flow (RFC 8628 §3.1).
    async fn start_device_flow(
        &self,
        (endpoint, segment): (Endpoint, &str),
        form: &Form<'_>,
        (authorization, caller): (Option<&str>, &Caller),
    ) -> Result<Started, OAuthError> {
        let tenant = self.tenant().await?;
        let segment = TenantSegment::parse(segment, tenant)?;
        let presented = Presented::parse(form, authorization)?;
        let now_ms = self.0.clock.now_ms();
        let starter = (presented.app_id, caller.address);
        if let Some(retry_after_s) = self.0.device_starts.wait_s(&starter, now_ms) {
            return Err(OAuthError::TooManyAttempts { retry_after_s });
        }
        self.0.device_starts.failed(starter, now_ms);
        self.check_device_client(tenant, (&presented, segment), caller).await?;
        let asked = Asked::parse(endpoint, form.get("scope"), form.get("resource"))?;
        let resource = delegation::resource(&mut self.0.db.read().await?, tenant.id, &asked.resource).await?;
        if let Values::Named(values) = &asked.values {
            delegation::named(values, &resource)?;
        }
        // A second code where the first is taken by chance: one in 3 thousand million with all flows under way.
        for _ in 0..3 {
            let device_code = Secret::new(self.random_text::<32>());
            let user_code = self.user_code();
            let new = NewFlow {
                device: device_hash(device_code.expose()),
                user_code: self.user_code_hash(&user_code),
                app_id: presented.app_id,
                scope: asked.text(),
                source: caller.address.map(|address| address.to_string()),
                network: caller.address.map(|address| network(address).to_string()),
                interval_s: INTERVAL_S,
                at_ms: now_ms,
                expires_at_ms: now_ms + LIFE_S * 1000,
            };
            let work = (tenant.id, new);
            let inserted = self.0.db.write(work, |tx, (tenant, new)| {
                async move {
                    let room = make_room(tx, new).await?;
                    if room {
                        sql::insert(tx, *tenant, new).await?;
                    }
                    Ok(room)
                }
                .boxed()
            });
            match inserted.await {
                Ok(true) => return Ok(Started { device_code, user_code }),
                Ok(false) => return Err(OAuthError::TooManyAttempts { retry_after_s: 60 }),
                Err(DbError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(OAuthError::TooManyAttempts { retry_after_s: 1 })
    }

    /// Whether the client may start a flow. It proves itself, if it can, when it redeems; who has proof already is
    /// checked at once.
    async fn check_device_client(
        &self,
        tenant: &Tenant,
        (presented, segment): (&Presented<'_>, TenantSegment),
        caller: &Caller,
    ) -> Result<(), OAuthError> {
        if presented.has_credential() {
            let wanted = Wanted::CredentialOrPublic;
            self.authenticate(tenant, (presented, wanted), caller.address).await?;
        }
        let app_id = presented.app_id;
        let not_found = || OAuthError::ApplicationNotFound(app_id.to_string());
        let mut tx = self.0.db.read().await?;
        let client = super::sql::client(&mut tx, tenant.id, app_id).await?.ok_or_else(not_found)?;
        let (_, enabled) = client.principal.ok_or_else(not_found)?;
        if client.disabled || !enabled {
            return Err(OAuthError::ApplicationDisabled(app_id.to_string()));
        }
        let can_prove = !client.secrets.is_empty()
            || !credentials::certificates_of_client(&mut tx, app_id).await?.is_empty();
        if !client.public && !can_prove {
            return Err(OAuthError::PublicFlowsOff(app_id.to_string()));
        }
        let application = applications::by_app_id(&mut tx, tenant.id, app_id).await?.ok_or_else(not_found)?;
        super::token::check_audience(&application, segment)
    }

    /// What became of the flow (RFC 8628 §3.4, §3.5).
    pub(crate) async fn poll_device_flow(
        &self,
        tenant: &Tenant,
        client: &AuthenticatedClient,
        device_code: &str,
    ) -> Result<Approved, OAuthError> {
        let device = device_hash(device_code);
        let work = (tenant.id, device, client.app_id(), self.0.clock.now_ms());
        let polled: Result<Polled, DbError> = self
            .0
            .db
            .write(work, |tx, (tenant, device, app_id, now_ms)| {
                async move {
                    let Some(flow) = sql::by_device(tx, *tenant, *device).await? else {
                        return Ok(Polled::Unknown);
                    };
                    let early_ms = flow.polled_at_ms + flow.interval_s * 1000 - EARLY_MS - now_ms;
                    Ok(match flow.state {
                        _ if flow.app_id != *app_id => Polled::OtherClient,
                        _ if flow.expires_at_ms <= *now_ms => Polled::Expired,
                        State::Declined => Polled::Declined,
                        State::Approved(by) => Polled::Approved { by, scope: flow.scope },
                        State::Pending if early_ms > 0 => {
                            let interval_s = (flow.interval_s + 5).min(INTERVAL_S_MAX);
                            sql::polled(tx, *device, *now_ms, interval_s).await?;
                            Polled::TooEarly
                        }
                        State::Pending => {
                            sql::polled(tx, *device, *now_ms, flow.interval_s).await?;
                            Polled::Pending
                        }
                    })
                }
                .boxed()
            })
            .await;
        match polled? {
            Polled::Unknown => Err(OAuthError::DeviceCodeUnknown),
            Polled::OtherClient => Err(OAuthError::GrantOfOtherClient),
            Polled::Expired => Err(OAuthError::DeviceCodeExpired),
            Polled::Declined => Err(OAuthError::AuthorizationDeclined),
            Polled::TooEarly => Err(OAuthError::SlowDown),
            Polled::Pending => Err(OAuthError::AuthorizationPending),
            Polled::Approved { by, scope } => Ok(Approved { device, by, scope }),
        }
    }

    fn user_code(&self) -> String {
        let mut bytes = [0; USER_CODE_CHARS];
        self.0.random.fill(&mut bytes);
        let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 0x1f)).map(|letter| char::from(*letter));
        bytes.iter().filter_map(letter).collect()
    }

    /// A user code has 45 bits: a plain hash of it could be turned back.
    fn user_code_hash(&self, code: &str) -> CodeHash {
        CodeHash(self.0.page_key.keyed_hash(format!("user code {code}").as_bytes()))
    }
}

/// Whether there is room for a flow, made where it is short: whoever floods displaces what was flooded, and not the
/// devices of others.
async fn make_room(tx: &mut WriteTx, new: &NewFlow) -> Result<bool, DbError> {
    let all = sql::purge(tx, new.at_ms).await?;
    if let Some(network) = &new.network
        && sql::count_of_network(tx, network).await? >= FLOWS_OF_SOURCE_MAX
    {
        return Ok(false);
    }
    if sql::count_of_client(tx, new.app_id).await? >= FLOWS_OF_CLIENT_MAX {
        return sql::displace(tx, new.app_id).await;
    }
    if all >= FLOWS_MAX {
        return match sql::greediest(tx).await? {
            Some(client) => sql::displace(tx, client).await,
            None => Ok(false),
        };
    }
    Ok(true)
}

/// A device code has 256 bits.
fn device_hash(code: &str) -> CodeHash {
    CodeHash(sha256(code.as_bytes()))
}

/// What a person typed, as it was shown: case, spaces and hyphens do not matter.
fn normal_user_code(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| c.to_ascii_uppercase())
        .take(USER_CODE_CHARS + 1)
        .collect();
    let fits = code.len() == USER_CODE_CHARS && code.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then_some(code)
}
