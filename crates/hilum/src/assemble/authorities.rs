//! Whose tokens the DICOM service takes: Hilum's own and the configured ones. The two meet only in what a token says.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use futures::{FutureExt as _, future::BoxFuture};
use hilum_access::{
    Authority, ClaimNames, KeyHint, KeySource, KeysAt, KeysUnavailable, LiveRoles, PlainHttp, RemoteKeys,
    RemoteKeysOptions, Rights, RightsFrom, RoleDefinition, Validator, ValidatorOptions,
};
use hilum_identity::{ConfiguredRole, DICOM_APP_ID, FederatedIssuers, Identity};
use hilum_jose::VerifyingKey;

use super::Ground;
use crate::config::{AuthoritySettings, Dicom, RightsFromSetting};

/// The audience of Azure's DICOM services, with and without the slash that scripts disagree about.
pub(super) const AZURE_AUDIENCE: &str = "https://dicom.healthcareapis.azure.com";

/// Makes the validator of the DICOM service.
pub(super) async fn validator(ground: &Ground, identity: &Identity, origin: &str) -> Result<Validator> {
    let settings = &ground.config.dicom;
    let rights = Arc::new(rights(settings)?);
    let mut authorities = Vec::new();
    if !settings.foreign_only {
        authorities.push(own(settings, identity, origin, &rights).await?);
    }
    for authority in &settings.authorities {
        authorities.push(foreign(ground, authority, &rights)?);
    }
    Ok(Validator::new(
        authorities,
        identity.proof_options(),
        Arc::clone(&ground.clock),
        ValidatorOptions::default(),
    ))
}

fn rights(settings: &Dicom) -> Result<Rights> {
    let mut rights = Rights::default();
    for role in &settings.role_definitions {
        let role = RoleDefinition {
            name: role.name.clone(),
            data_actions: role.data_actions.clone(),
            not_data_actions: role.not_data_actions.clone(),
            scopes: Vec::new(),
        };
        rights.define_role(&role).context("dicom.role_definitions")?;
    }
    Ok(rights)
}

/// The roles of the configuration, to be assigned and to ride in Hilum's own tokens. Where only other issuers count,
/// there is nobody to assign them to.
pub(super) fn configured_roles(settings: &Dicom) -> Vec<ConfiguredRole> {
    if settings.foreign_only {
        return Vec::new();
    }
    let roles = settings.role_definitions.iter();
    roles
        .map(|role| ConfiguredRole {
            name: role.name.clone(),
            data_actions: role.data_actions.clone(),
            not_data_actions: role.not_data_actions.clone(),
        })
        .collect()
}

async fn own(settings: &Dicom, identity: &Identity, origin: &str, rights: &Rights) -> Result<Authority> {
    let tenant = identity.tenant().await?;
    let roles = LiveRoles::default();
    let rights = rights.clone().with_live_roles(roles.clone());
    let mut audiences = vec![
        DICOM_APP_ID.to_string(),
        AZURE_AUDIENCE.to_owned(),
        format!("{AZURE_AUDIENCE}/"),
        format!("{origin}/dicom"),
        format!("{origin}/dicom/"),
    ];
    audiences.extend(settings.audiences.iter().cloned());
    Ok(Authority {
        issuers: vec![identity.v1_issuer(tenant), identity.v2_issuer(tenant)],
        audiences,
        tenant: Some(tenant.id.to_string()),
        keys: Arc::new(Own { identity: identity.clone(), roles }),
        claims: ClaimNames::default(),
        rights: Arc::new(rights),
        rights_from: RightsFrom::ScopesAndRoles,
    })
}

/// How an issuer's keys are fetched.
pub(super) fn options(ca_certificate: Option<&Path>, allow_http_loopback: bool) -> Result<RemoteKeysOptions> {
    let extra_roots_pem = match ca_certificate {
        Some(file) => Some(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?),
        None => None,
    };
    // It holds for redirects and the key set's address, too, which the issuer chooses.
    let plain_http = if allow_http_loopback { PlainHttp::Loopback } else { PlainHttp::Never };
    Ok(RemoteKeysOptions { extra_roots_pem, plain_http, ..RemoteKeysOptions::default() })
}

/// The issuers whose assertions may stand for applications. Nothing is fetched before such an assertion comes.
pub(super) fn federated_issuers(ground: &Ground) -> Result<FederatedIssuers> {
    let mut all = FederatedIssuers::new();
    for settings in &ground.config.identity.federated_issuers {
        let options = options(settings.ca_certificate.as_deref(), settings.allow_http_loopback)?;
        let options = RemoteKeysOptions { redirects_max: 0, ..options };
        let at = KeysAt::Issuer(settings.issuer.clone());
        let keys = RemoteKeys::new(at, Arc::clone(&ground.clock), options)
            .with_context(|| format!("identity.federated_issuers: {}", settings.issuer))?;
        all.insert(settings.issuer.clone(), Arc::new(keys));
    }
    Ok(all)
}

fn foreign(ground: &Ground, settings: &AuthoritySettings, rights: &Arc<Rights>) -> Result<Authority> {
    let options = options(settings.ca_certificate.as_deref(), settings.allow_http_loopback)?;
    let at = KeysAt::Issuer(settings.issuer.clone());
    let keys = RemoteKeys::new(at, Arc::clone(&ground.clock), options)
        .with_context(|| format!("dicom.authorities: {}", settings.issuer))?;
    let mut claims = ClaimNames::default();
    if let Some(roles) = &settings.roles_claim {
        claims.roles = vec![roles.clone()];
    }
    if let Some(scopes) = &settings.scope_claim {
        claims.scopes = vec![scopes.clone()];
    }
    let mut issuers = vec![settings.issuer.clone()];
    issuers.extend(settings.issuers.iter().cloned());
    Ok(Authority {
        issuers,
        audiences: settings.audiences.clone(),
        tenant: None,
        keys: Arc::new(keys),
        claims,
        rights: Arc::clone(rights),
        rights_from: match settings.rights_from {
            RightsFromSetting::ScopesAndRoles => RightsFrom::ScopesAndRoles,
            RightsFromSetting::Roles => RightsFrom::Roles,
            RightsFromSetting::Scopes => RightsFrom::Scopes,
        },
    })
}

/// What Hilum's own tokens are checked against, without a detour over HTTP. A change of keys counts at once in the
/// process that makes it, and within half a minute in the others: so long they remember the keys. What roles of one's
/// own give is looked up for each token that was not seen before.
struct Own {
    identity: Identity,
    roles: LiveRoles,
}

impl Own {
    async fn look_up(&self) -> Result<Vec<VerifyingKey>> {
        let roles = self.identity.data_roles().await?;
        let roles: Vec<RoleDefinition> = roles
            .into_iter()
            .map(|role| RoleDefinition {
                name: role.name,
                data_actions: role.data_actions,
                not_data_actions: role.not_data_actions,
                scopes: Vec::new(),
            })
            .collect();
        self.roles.replace(&roles)?;
        Ok(self.identity.public_keys().await?)
    }
}

impl KeySource for Own {
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
        async move {
            let keys = self.look_up().await.map_err(|error| {
                tracing::error!(error = format!("{error:#}"), "the signing keys or roles cannot be read");
                KeysUnavailable
            })?;
            let keys: Vec<Arc<VerifyingKey>> = keys.into_iter().map(Arc::new).collect();
            Ok(hint.select(&keys))
        }
        .boxed()
    }
}
