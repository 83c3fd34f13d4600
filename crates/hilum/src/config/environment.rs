//! `HILUM_…` environment variables, the only place that reads the environment.
//!
//! `HILUM_HTTP_PUBLIC_URL` is `http.public_url`: the first word is the section, the rest the key.
//! `HILUM_BLOBS_OPTION_AWS_ENDPOINT` is `blobs.options.aws_endpoint`.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

const PREFIX: &str = "HILUM_";
/// Variables that are no configuration: read by the command line or by tests.
const NOT_CONFIGURATION: [&str; 9] = [
    "DATA",
    "MASTER_KEY",
    "SERVER",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "CLIENT_CERTIFICATE",
    "CONFIG",
    "CONFIG_DIR",
    "OUTPUT",
];
/// Where people keep settings of their own (XDG Base Directory Specification).
const HOMES: [&str; 2] = ["XDG_CONFIG_HOME", "HOME"];
const SHORT: [(&str, &str, &str); 6] = [
    ("PUBLIC_URL", "http", "public_url"),
    ("LISTEN", "http", "listen"),
    ("DATABASE", "database", "url"),
    ("BLOBS", "blobs", "url"),
    ("LOG", "telemetry", "log_level"),
    ("DOMAIN", "identity", "domain"),
];

/// The variables that start with `HILUM_`, without that prefix, and where the user's own settings lie.
#[derive(Default, Clone)]
pub struct Environment {
    ours: BTreeMap<String, String>,
    homes: BTreeMap<&'static str, String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.ours.keys()).finish()
    }
}

impl Environment {
    /// The process's variables. Those that are not UTF-8 are skipped.
    pub fn of_process() -> Self {
        Self::of(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// From pairs, for tests.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            if let Some(ours) = name.strip_prefix(PREFIX) {
                environment.ours.insert(ours.to_owned(), value);
            } else if let Some(home) = HOMES.into_iter().find(|home| *home == name) {
                environment.homes.insert(home, value);
            }
        }
        environment
    }

    /// The user's own folder for this program, `$XDG_CONFIG_HOME/hilum` or `~/.config/hilum`; `HILUM_CONFIG_DIR` names
    /// another one.
    pub fn config_folder(&self) -> Option<PathBuf> {
        if let Some(named) = self.get("CONFIG_DIR").filter(|named| !named.is_empty()) {
            return Some(PathBuf::from(named));
        }
        let home = |name| self.homes.get(name).map(PathBuf::from);
        // XDG Base Directory Specification: relative paths are to be ignored.
        let xdg = home("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        Some(xdg.or_else(|| Some(home("HOME")?.join(".config")))?.join("hilum"))
    }

    /// One variable, by its name without `HILUM_`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.ours.get(name).map(String::as_str)
    }

    pub(super) fn provider(&self) -> Variables {
        let mut tree = Dict::new();
        let mut sections: BTreeMap<String, Dict> = BTreeMap::new();
        let mut options = Dict::new();
        for (name, value) in &self.ours {
            if NOT_CONFIGURATION.contains(&name.as_str()) || name.starts_with("TEST_") {
                continue;
            }
            let (section, key) = place(name);
            if key.is_empty() {
                // No section has this name: the reader will say so.
                tree.insert(section, Value::from(value.as_str()));
            } else if let Some(option) = key.strip_prefix("option_").filter(|_| section == "blobs") {
                // Options are texts even where they look like numbers.
                options.insert(option.to_owned(), Value::from(value.as_str()));
            } else {
                let value = parse(&section, value);
                sections.entry(section).or_default().insert(key, value);
            }
        }
        if !options.is_empty() {
            sections
                .entry("blobs".to_owned())
                .or_default()
                .insert("options".to_owned(), Value::from(options));
        }
        tree.extend(sections.into_iter().map(|(name, members)| (name, Value::from(members))));
        Variables(tree)
    }
}

fn place(name: &str) -> (String, String) {
    if let Some((_, section, key)) = SHORT.iter().find(|(short, ..)| *short == name) {
        return ((*section).to_owned(), (*key).to_owned());
    }
    let name = name.to_lowercase();
    match name.split_once('_') {
        Some((section, key)) => (section.to_owned(), key.to_owned()),
        None => (name, String::new()),
    }
}

/// Numbers, truth values and lists are recognised, but a database's URL or a path is never taken for one.
fn parse(section: &str, text: &str) -> Value {
    if section == "database" || section == "blobs" {
        return Value::from(text);
    }
    text.parse().unwrap_or_else(|_| Value::from(text))
}

pub(super) struct Variables(Dict);

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("HILUM_… environment variables")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}
