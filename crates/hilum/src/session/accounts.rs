//! The file of accounts: `accounts.json` in the user's own folder, mode 0600, replaced whole.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use hilum_kernel::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Token, Tokens};
use crate::{
    commands::Failure,
    data_dir::{make_private_folder, open_to_others, write_private},
};

const FILE: &str = "accounts.json";
const LOCK: &str = "accounts.lock";
/// As many as a person has, and then some; what is more is an accident.
const ACCOUNTS_MAX: usize = 100;
const TOKENS_MAX: usize = 20;
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Somebody else's refresh takes a second; a minute means that something hangs.
const LOCK_TRIES_MAX: u32 = 600;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// All accounts of one user of this machine.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accounts {
    #[serde(default)]
    version: u32,
    #[serde(default)]
    pub(crate) accounts: Vec<Account>,
}

/// One sign-in at one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    /// The server's origin.
    pub(crate) server: String,
    /// Certificates, in PEM form, that are trusted for this server besides the system's.
    pub(crate) ca: Option<String>,
    pub(crate) tenant_id: String,
    /// The tenant's domain, as far as it is known.
    pub(crate) tenant_name: String,
    /// The user principal name, or a client's appId.
    pub(crate) user: String,
    pub(crate) kind: AccountKind,
    pub(crate) client_id: String,
    pub(crate) is_default: bool,
    pub(crate) credential: Credential,
    #[serde(default)]
    tokens: Vec<KeptToken>,
}

/// Who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AccountKind {
    User,
    ServicePrincipal,
}

/// What new tokens are got with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Credential {
    RefreshToken {
        #[serde(with = "plain")]
        refresh_token: Secret<String>,
    },
    Secret {
        #[serde(with = "plain")]
        client_secret: Secret<String>,
    },
    /// The key stays in its own file.
    Certificate { file: PathBuf },
    /// The server gave no refresh token.
    None,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptToken {
    scope: String,
    #[serde(with = "plain")]
    access_token: Secret<String>,
    expires_on: i64,
}

impl Accounts {
    /// What the file says; no file means no accounts.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Error(format!("cannot read {}: {error}", path.display()))
        };
        let length = match fs::metadata(&path) {
            Ok(about) => about.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&error)),
        };
        if let Some(mode) = open_to_others(&path) {
            return Err(Failure::Error(format!(
                "{} holds tokens and others can read it (mode bits {mode:03o}): run `chmod 600` on it",
                path.display()
            )));
        }
        if length > FILE_BYTES_MAX {
            return Err(failed(&"it is too large"));
        }
        let text = fs::read(&path).map_err(|error| failed(&error))?;
        // The parser's words may quote what it could not read, and that may be a token.
        serde_json::from_slice(&text)
            .map_err(|_| failed(&"it is damaged; `hilum account clear` starts a new one"))
    }

    /// Replaces the file.
    pub(super) fn write(&mut self, folder: &Path) -> Result<(), Failure> {
        self.version = 1;
        if self.accounts.len() > ACCOUNTS_MAX {
            return Err(Failure::Error(format!(
                "there are more than {ACCOUNTS_MAX} accounts: sign some out with `hilum logout`"
            )));
        }
        let text = serde_json::to_vec_pretty(self).map_err(Failure::error)?;
        let path = folder.join(FILE);
        write_private(&path, &zeroize::Zeroizing::new(text))
            .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))
    }

    /// The account that commands use when nothing is said.
    pub(crate) fn default_account(&self) -> Option<&Account> {
        self.accounts.iter().find(|account| account.is_default).or_else(|| self.accounts.first())
    }

    /// The account at a server: the default one if it is there, else the only one.
    pub(crate) fn at(&self, server: &str) -> Result<&Account, Failure> {
        let there = || self.accounts.iter().filter(|account| account.server == server);
        let login = format!("hilum login --server {server}");
        match (there().find(|account| account.is_default), there().count()) {
            (Some(account), _) => Ok(account),
            (None, 0) => Err(Failure::Error(format!("nobody is signed in at {server}: run `{login}`"))),
            (None, 1) => {
                there().next().ok_or_else(|| Failure::Error(format!("nobody is signed in at {server}")))
            }
            (None, _) => Err(Failure::Usage(format!(
                "several accounts are signed in at {server}: choose one with `hilum account set --name USER`"
            ))),
        }
    }

    /// The one account that a name means: tenant ID, tenant's domain, server, user, or `USER@SERVER`-like pairs.
    pub(crate) fn named(&self, name: &str) -> Result<usize, Failure> {
        let found: Vec<usize> = self
            .accounts
            .iter()
            .enumerate()
            .filter(|(_, account)| account.goes_by(name))
            .map(|(at, _)| at)
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Failure::NotFound(format!(
                "no account goes by '{name}'; `hilum account list` shows those that are signed in"
            ))),
            _ => Err(Failure::Usage(format!(
                "'{name}' means several accounts; say USER@SERVER, as in `hilum account list --query '[].[user.name, server]'`"
            ))),
        }
    }

    /// Takes in a new sign-in, in place of the same user's older one, and makes it the default.
    pub(crate) fn put(&mut self, mut account: Account) {
        self.accounts.retain(|other| !other.is_same(&account));
        for other in &mut self.accounts {
            other.is_default = false;
        }
        account.is_default = true;
        self.accounts.push(account);
    }

    /// Makes one account the default.
    pub(crate) fn set_default(&mut self, chosen: usize) {
        for (at, account) in self.accounts.iter_mut().enumerate() {
            account.is_default = at == chosen;
        }
    }

    /// Signs accounts out. When the default one goes, the next one takes its place.
    pub(crate) fn remove(&mut self, gone: impl Fn(&Account) -> bool) -> usize {
        let before = self.accounts.len();
        self.accounts.retain(|account| !gone(account));
        if !self.accounts.iter().any(|account| account.is_default)
            && let Some(first) = self.accounts.first_mut()
        {
            first.is_default = true;
        }
        before - self.accounts.len()
    }

    pub(super) fn same_as(&mut self, account: &Account) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|other| other.is_same(account))
    }

    /// As `az account list` prints them.
    pub(crate) fn to_json(&self) -> Value {
        self.accounts.iter().map(Account::to_json).collect()
    }
}

impl Account {
    /// A new sign-in without tokens.
    pub(crate) fn new(server: &str, ca: Option<String>, kind: AccountKind, client_id: &str) -> Self {
        Self {
            server: server.to_owned(),
            ca,
            tenant_id: String::new(),
            tenant_name: String::new(),
            user: String::new(),
            kind,
            client_id: client_id.to_owned(),
            is_default: true,
            credential: Credential::None,
            tokens: Vec::new(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.server == other.server
            && self.tenant_id == other.tenant_id
            && self.kind == other.kind
            && self.user.eq_ignore_ascii_case(&other.user)
    }

    fn goes_by(&self, name: &str) -> bool {
        let names = [&self.tenant_id, &self.tenant_name, &self.server, &self.user];
        names.iter().any(|own| own.eq_ignore_ascii_case(name))
            || format!("{}@{}", self.user, self.server).eq_ignore_ascii_case(name)
    }

    pub(crate) fn token(&self, scope: &str, good_until: i64) -> Option<Token> {
        let kept = self.tokens.iter().find(|kept| kept.scope == scope && kept.expires_on > good_until)?;
        Some(Token { text: kept.access_token.clone(), expires_on: kept.expires_on })
    }

    /// Keeps new tokens, and forgets those that have ended.
    pub(crate) fn keep(&mut self, scope: &str, tokens: Tokens, now: i64) -> Token {
        let expires_on = now.saturating_add(tokens.expires_in);
        self.tokens.retain(|kept| kept.scope != scope && kept.expires_on > now);
        while self.tokens.len() >= TOKENS_MAX {
            self.tokens.remove(0);
        }
        let token = Token { text: tokens.access_token.clone(), expires_on };
        self.tokens.push(KeptToken {
            scope: scope.to_owned(),
            access_token: tokens.access_token,
            expires_on,
        });
        if let Some(refresh_token) = tokens.refresh_token {
            self.credential = Credential::RefreshToken { refresh_token };
        }
        token
    }

    /// As `az account show` prints it, with the server's origin.
    pub(crate) fn to_json(&self) -> Value {
        let kind = match self.kind {
            AccountKind::User => "user",
            AccountKind::ServicePrincipal => "servicePrincipal",
        };
        json!({
            "environmentName": "Hilum",
            "homeTenantId": self.tenant_id,
            "id": self.tenant_id,
            "isDefault": self.is_default,
            "managedByTenants": [],
            "name": self.tenant_name,
            "server": self.server,
            "state": "Enabled",
            "tenantId": self.tenant_id,
            "user": {"name": self.user, "type": kind},
        })
    }
}

/// Makes the folder, and waits until no other command changes the accounts.
pub(super) async fn lock(folder: &Path) -> Result<File, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Error(format!("cannot use the folder {}: {error}", folder.display()))
    };
    make_private_folder(folder).map_err(|error| failed(&error))?;
    if let Some(mode) = open_to_others(folder) {
        return Err(failed(&format!("others can enter it (mode bits {mode:03o}): run `chmod 700` on it")));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(LOCK)).map_err(|error| failed(&error))?;
    for _ in 0..LOCK_TRIES_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
        }
    }
    Err(failed(&"another command has held its lock for a minute"))
}

/// The one place that writes these secrets out: the file of accounts.
mod plain {
    use hilum_kernel::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret<String>, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(server: &str, user: &str) -> Account {
        let mut account = Account::new(server, None, AccountKind::User, "c");
        account.tenant_id = format!("tenant of {server}");
        account.user = user.to_owned();
        account
    }

    fn tokens(text: &str) -> Tokens {
        Tokens {
            access_token: Secret::new(text.to_owned()),
            refresh_token: Some(Secret::new(format!("refresh {text}"))),
            expires_in: 3600,
            id_token: None,
        }
    }

    #[tokio::test]
    async fn the_file_is_private_and_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("hilum");
        let held = lock(&folder).await.unwrap();
        let mut accounts = Accounts::default();
        let mut ada = account("https://a", "ada");
        let token = ada.keep("s", tokens("t-1"), 1000);
        assert_eq!((token.expires_on, token.text.expose().as_str()), (4600, "t-1"));
        accounts.put(ada);
        accounts.write(&folder).unwrap();
        drop(held);
        assert_eq!((open_to_others(&folder), open_to_others(&folder.join(FILE))), (None, None));
        let read = Accounts::read(&folder).unwrap();
        let ada = read.default_account().unwrap();
        assert_eq!(ada.token("s", 4500).unwrap().text.expose(), "t-1");
        assert!(ada.token("s", 4600).is_none() && ada.token("other", 0).is_none());
        assert!(matches!(&ada.credential, Credential::RefreshToken { refresh_token }
            if refresh_token.expose() == "refresh t-1"));
        let shown = format!("{read:?} {}", read.to_json());
        assert!(!shown.contains("t-1"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Accounts::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Accounts::read(folder.path()).unwrap().accounts.is_empty());
        fs::write(&file, "{\"accounts\": [{\"server\": \"secret-7\"").unwrap();
        let damaged = Accounts::read(folder.path()).unwrap_err().to_string();
        assert!(damaged.contains("damaged") && !damaged.contains("secret-7"), "{damaged}");
    }

    #[test]
    fn the_last_sign_in_is_the_default_and_replaces_its_older_self() {
        let mut accounts = Accounts::default();
        accounts.put(account("https://a", "ada"));
        accounts.put(account("https://b", "ada"));
        accounts.put(account("https://a", "ADA"));
        assert_eq!(accounts.accounts.len(), 2);
        assert_eq!(accounts.default_account().unwrap().server, "https://a");
        assert_eq!(accounts.at("https://b").unwrap().server, "https://b");
        assert!(accounts.at("https://c").unwrap_err().to_string().contains("hilum login --server https://c"));
        assert_eq!(accounts.named("ada").unwrap_err().exit_code(), 2);
        assert_eq!(accounts.named("nobody").unwrap_err().exit_code(), 3);
        let b = accounts.named("ada@https://b").unwrap();
        accounts.set_default(b);
        assert_eq!(accounts.default_account().unwrap().server, "https://b");
        assert_eq!(accounts.remove(|account| account.server == "https://b"), 1);
        assert!(accounts.default_account().unwrap().is_default);
    }

    #[test]
    fn tokens_are_bounded_and_old_ones_go() {
        let mut ada = account("https://a", "ada");
        for at in 0..100 {
            ada.keep(&format!("scope {at}"), tokens("t"), at);
        }
        assert_eq!(ada.tokens.len(), TOKENS_MAX);
        ada.keep("late", tokens("t"), 10_000);
        assert_eq!(ada.tokens.len(), 1);
    }
}
