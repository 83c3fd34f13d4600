//! What commands are given besides their own arguments: ground to stand on, and the choice between the data directory
//! here and a server elsewhere.

use std::sync::Arc;

use hilum_identity::Identity;
use hilum_kernel::Secret;
use reqwest::Url;

use super::{
    Answer, Failure, OutputFormat,
    directory::{DirectoryClient, Remote},
};
use crate::{
    assemble::{Directory, Ground},
    client,
    session::{Account, GRAPH_SCOPE, Sessions},
    ui,
};

/// How an option came to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Not,
    /// By a variable of the environment.
    Variable,
    /// On the command line.
    Flag,
}

/// What commands are given besides their own arguments.
pub(crate) struct Context {
    pub(crate) ground: Ground,
    pub(super) quiet: bool,
    /// The format of the output, where one was asked for.
    pub(super) format: Option<OutputFormat>,
    /// Whether `--data` or `--database` say which store is meant.
    pub(super) data: Given,
    /// The server that is meant, and how it was named.
    pub(super) server: (Option<String>, Given),
}

/// Where a directory command acts.
pub(crate) enum Place {
    /// On the data directory's store.
    Here,
    /// On a server, as this account.
    Server(Box<Account>),
}

impl Context {
    /// A hint or warning, unless they are not wanted.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        if !self.quiet {
            ui::note(format!("WARNING: {}", text.as_ref()));
        }
    }

    /// Whether the data directory was named by the user.
    pub(crate) fn data_given(&self) -> bool {
        self.data != Given::Not
    }

    /// The origin of the server on this data directory: the running one's, or the configured one.
    pub(crate) fn origin(&self) -> Result<String, Failure> {
        if let Some(running) = self.ground.data.running_server() {
            return Ok(running.url);
        }
        let http = &self.ground.config.http;
        let port = http.parsed_listen().map_err(Failure::error)?.port;
        http.origin(if port == 0 { 8443 } else { port }).map_err(Failure::error)
    }

    /// The accounts of this user.
    pub(crate) fn sessions(&self) -> Result<Sessions, Failure> {
        let folder = self.ground.environment.config_folder().ok_or_else(|| {
            Failure::Error(
                "there is no place for accounts: set HOME, XDG_CONFIG_HOME or HILUM_CONFIG_DIR".to_owned(),
            )
        })?;
        let ground = &self.ground;
        Ok(Sessions::new(folder, Arc::clone(&ground.clock), Arc::clone(&ground.random)))
    }

    /// The server that `--server` or HILUM_SERVER name, as an origin.
    pub(crate) fn server(&self) -> Result<Option<String>, Failure> {
        self.server.0.as_deref().map(origin_of).transpose()
    }

    /// Where directory commands act: what the line says, then what the environment says, then the account that is signed
    /// in, then the data directory.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        let server = self.server()?;
        match (server, self.server.1, self.data) {
            (Some(_), Given::Flag, Given::Flag) => Err(Failure::Usage(
                "--server means a server elsewhere and --data or --database the store here: give one of them"
                    .to_owned(),
            )),
            (Some(_), Given::Variable, Given::Variable) => Err(Failure::Usage(
                "HILUM_SERVER and HILUM_DATA (or HILUM_DATABASE) are both set: unset one, or say --server or --data"
                    .to_owned(),
            )),
            (_, Given::Not | Given::Variable, Given::Flag) | (None, _, Given::Variable) => Ok(Place::Here),
            (Some(server), ..) => {
                Ok(Place::Server(Box::new(self.sessions()?.accounts()?.at(&server)?.clone())))
            }
            (None, _, _) => self.place_by_account(),
        }
    }

    fn place_by_account(&self) -> Result<Place, Failure> {
        if self.ground.environment.config_folder().is_none() {
            return Ok(Place::Here);
        }
        let accounts = self.sessions()?.accounts()?;
        let Some(account) = accounts.default_account() else { return Ok(Place::Here) };
        if self.has_store() {
            self.warn(format!(
                "Acting on {} as {}; for the store in {} say --data {}.",
                account.server,
                account.user,
                self.ground.data.path().display(),
                self.ground.data.path().display()
            ));
        }
        Ok(Place::Server(Box::new(account.clone())))
    }

    fn has_store(&self) -> bool {
        self.ground.data.path().join("hilum.db").is_file()
    }

    /// Runs work on the directory, here or elsewhere.
    pub(crate) async fn with_client<F>(&self, work: F) -> Answer
    where
        F: AsyncFnOnce(&DirectoryClient) -> Answer,
    {
        match self.place()? {
            Place::Here => {
                self.with_directory(async |identity| {
                    let tenant = identity.tenant().await?;
                    let client = DirectoryClient::local(identity.clone(), tenant);
                    work(&client).await
                })
                .await
            }
            Place::Server(account) => work(&self.remote(&account).await?).await,
        }
    }

    /// A client for the server at which this account is signed in.
    pub(crate) async fn remote(&self, account: &Account) -> Result<DirectoryClient, Failure> {
        let token = self.token(account, GRAPH_SCOPE).await?;
        let http = client::for_server(account.ca.as_deref())?;
        Ok(DirectoryClient::Remote(Remote::new(http, account, token)))
    }

    pub(crate) async fn token(&self, account: &Account, scope: &str) -> Result<Secret<String>, Failure> {
        Ok(self.sessions()?.token(account, scope).await?.text)
    }

    /// Runs work on the data directory's store, which must have been initialised.
    pub(crate) async fn with_directory<F>(&self, work: F) -> Answer
    where
        F: AsyncFnOnce(&Identity) -> Answer,
    {
        let data = &self.ground.data;
        let database = &self.ground.config.database;
        if database.url.is_none() && !self.has_store() {
            return Err(Failure::Error(format!(
                "there is no store in {}: run `hilum init` or `hilum serve` first, name another directory with --data, or sign \
                 in to a server with `hilum login --server URL`",
                data.path().display()
            )));
        }
        let directory = Directory::open(&self.ground, self.origin()?).await?;
        let answer = work(&directory.identity).await;
        directory.close().await;
        answer
    }
}

/// A server's origin, as accounts are kept by it. Tokens and secrets travel over TLS, or stay on this machine.
pub(crate) fn origin_of(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!("--server wants a URL like https://host:8443, not '{text}': {why}"))
    };
    let url = Url::parse(text).map_err(|_| wrong("it is no URL"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(wrong("only https is safe, and http on this machine")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not hold a user or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must end after the port"));
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_origins_and_safe() {
        for (text, origin) in [
            ("https://Host.example:8443/", "https://host.example:8443"),
            ("https://host:443", "https://host"),
            ("http://localhost:80", "http://localhost"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ] {
            assert_eq!(origin_of(text).unwrap(), origin, "{text}");
        }
        for text in [
            "host:8443",
            "http://host",
            "ftp://localhost",
            "https://u:p@host",
            "https://h/x",
            "https://h/?q",
            "",
        ] {
            assert_eq!(origin_of(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
