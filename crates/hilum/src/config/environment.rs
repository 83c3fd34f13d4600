//! `HILUM_…` environment variables, the only place that reads the environment.
//!
//! `HILUM_HTTP_PUBLIC_URL` is `http.public_url`: the first word is the section, the rest the key.
//! `HILUM_BLOBS_OPTION_AWS_ENDPOINT` is `blobs.options.aws_endpoint`.

use std::collections::BTreeMap;

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

const PREFIX: &str = "HILUM_";
/// Variables that are no configuration: read by the command line or by tests.
const NOT_CONFIGURATION: [&str; 8] =
    ["DATA", "MASTER_KEY", "SERVER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_CERTIFICATE", "CONFIG", "OUTPUT"];
const SHORT: [(&str, &str, &str); 6] = [
    ("PUBLIC_URL", "http", "public_url"),
    ("LISTEN", "http", "listen"),
    ("DATABASE", "database", "url"),
    ("BLOBS", "blobs", "url"),
    ("LOG", "telemetry", "log_level"),
    ("DOMAIN", "identity", "domain"),
];

/// The variables that start with `HILUM_`, without that prefix.
#[derive(Default, Clone)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
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
        Self(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value)))
                .collect(),
        )
    }

    /// One variable, by its name without `HILUM_`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn provider(&self) -> Variables {
        let mut tree = Dict::new();
        let mut sections: BTreeMap<String, Dict> = BTreeMap::new();
        let mut options = Dict::new();
        for (name, value) in &self.0 {
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
