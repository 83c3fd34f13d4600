//! The providers that users may sign in through, with the means to speak to them. Nothing is fetched before somebody does.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use hilum_access::{IssuerClient, KeysAt, RemoteKeys, RemoteKeysOptions};
use hilum_identity::{IdentityProvider, Linking, ProviderSettings};
use hilum_kernel::Secret;

use super::{Ground, authorities::options};
use crate::config::{IdentityProviderSettings, LinkingSetting};

/// A person waits meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The configured ones, in their order.
pub(super) fn identity_providers(ground: &Ground) -> Result<Vec<IdentityProvider>> {
    let all = ground.config.identity.providers.iter();
    all.map(|settings| {
        provider(ground, settings).with_context(|| format!("identity.providers: {}", settings.id))
    })
    .collect()
}

fn provider(ground: &Ground, settings: &IdentityProviderSettings) -> Result<IdentityProvider> {
    let options = options(settings.ca_certificate.as_deref(), settings.allow_http_loopback)?;
    // A provider says where its endpoints are; where those would lead to instead is nobody's affair.
    let options = RemoteKeysOptions { redirects_max: 0, timeout: TIMEOUT, ..options };
    let roots = options.extra_roots_pem.as_deref();
    let client = IssuerClient::new(TIMEOUT, (options.plain_http, options.redirects_max), roots)?;
    let at = KeysAt::Issuer(settings.issuer.clone());
    let keys = RemoteKeys::new(at, Arc::clone(&ground.clock), options)?;
    let secret = settings.secret().context("cannot read client_secret_file")?;
    let settings = ProviderSettings {
        id: settings.id.clone(),
        display_name: settings.name.trim().to_owned(),
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        client_secret: secret.map(|secret| Arc::new(Secret::new(secret.expose().to_owned()))),
        scopes: settings.scopes.clone(),
        linking: match settings.linking {
            LinkingSetting::Existing => Linking::Existing,
            LinkingSetting::Email => Linking::Email,
            LinkingSetting::Create => Linking::Create,
        },
        domains: settings.domains.clone(),
        second_factor_amr: settings.second_factor_amr.clone(),
        second_factor_acr: settings.second_factor_acr.clone(),
    };
    Ok(IdentityProvider { settings, client, keys: Arc::new(keys) })
}
