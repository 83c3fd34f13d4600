//! Who is signed in at which server: the accounts that `hilum login` keeps, and fresh tokens for them.
//!
//! Accounts lie in one file that only its owner may read; every change reads, changes and replaces it under a lock, so
//! that commands may run side by side. A token is taken from the file while it is good, else fetched anew with the
//! account's refresh token, secret or certificate.

mod accounts;
mod flows;

use std::{path::PathBuf, sync::Arc};

use hilum_kernel::{Clock, Random, Secret};
use reqwest::Client;

pub(crate) use accounts::{Account, AccountKind, Accounts, Credential};
pub(crate) use flows::{Authority, Tokens};

use crate::{client, commands::Failure};

/// The public client that people sign in with: Azure CLI's, which is registered and pre-authorised in every tenant.
pub(crate) const CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// What a token for the management API is asked for with.
pub(crate) const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";
/// A token that ends sooner than this is not used any more.
const FRESH_SECONDS_MIN: i64 = 300;

/// The accounts of this user, and what it takes to get tokens for them.
pub(crate) struct Sessions {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// A token with its end.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: Secret<String>,
    pub(crate) expires_on: i64,
}

impl Sessions {
    pub(crate) fn new(folder: PathBuf, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { folder, clock, random }
    }

    /// All accounts, the default one among them.
    pub(crate) fn accounts(&self) -> Result<Accounts, Failure> {
        Accounts::read(&self.folder)
    }

    /// Changes the accounts under the lock.
    pub(crate) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Accounts) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let _lock = accounts::lock(&self.folder).await?;
        let mut accounts = Accounts::read(&self.folder)?;
        let outcome = change(&mut accounts)?;
        accounts.write(&self.folder)?;
        Ok(outcome)
    }

    /// Forgets all accounts, also where the file cannot be read any more.
    pub(crate) async fn clear(&self) -> Result<(), Failure> {
        let _lock = accounts::lock(&self.folder).await?;
        Accounts::default().write(&self.folder)
    }

    /// A token of this account for a scope: a kept one while it is good, else a new one.
    pub(crate) async fn token(&self, account: &Account, scope: &str) -> Result<Token, Failure> {
        let good_until = self.clock.now().as_second() + FRESH_SECONDS_MIN;
        if let Some(kept) = account.token(scope, good_until) {
            return Ok(kept);
        }
        let _lock = accounts::lock(&self.folder).await?;
        let mut accounts = Accounts::read(&self.folder)?;
        // Another command may have refreshed it while this one waited for the lock.
        let Some(account) = accounts.same_as(account) else {
            return Err(Failure::Error("the account was signed out meanwhile: run `hilum login`".to_owned()));
        };
        if let Some(kept) = account.token(scope, good_until) {
            return Ok(kept);
        }
        let http = client::for_server(account.ca.as_deref())?;
        let tokens = self.fetch(&http, account, scope).await?;
        let token = account.keep(scope, tokens, self.clock.now().as_second());
        accounts.write(&self.folder)?;
        Ok(token)
    }

    async fn fetch(&self, http: &Client, account: &Account, scope: &str) -> Result<Tokens, Failure> {
        let authority = Authority { http, server: &account.server, tenant: &account.tenant_id };
        let renewed = match &account.credential {
            Credential::RefreshToken { refresh_token } => {
                authority.refresh(&account.client_id, refresh_token, scope).await
            }
            Credential::Secret { client_secret } => {
                authority.with_secret(&account.client_id, client_secret, scope).await
            }
            Credential::Certificate { file } => {
                let moment = (self.clock.now(), self.random.uuid());
                authority.with_certificate(&account.client_id, file, scope, moment).await
            }
            Credential::None => {
                return Err(Failure::Error(format!(
                    "the sign-in of {} at {} has ended and cannot be renewed: run `hilum login` again",
                    account.user, account.server
                )));
            }
        };
        renewed.map_err(|failure| match (failure, &account.credential) {
            (Failure::Error(text), Credential::RefreshToken { .. }) => {
                Failure::Error(format!("{text} (if the sign-in has ended, run `hilum login` again)"))
            }
            (failure, _) => failure,
        })
    }
}
