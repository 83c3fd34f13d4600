//! What a file declares: documents of a kind, in Graph's spelling, with the members that are ours set apart.

use std::{collections::BTreeMap, fmt, sync::Arc};

use hilum_kernel::Secret;
use jiff::{Span, Timestamp};
use serde_json::{Map, Value};

use super::yaml::{self, Content, Node, Place};

/// Objects of one run. Beyond that a directory is not written by hand; an export can be larger, and is applied in parts.
pub const DECLARED_MAX: usize = 20_000;
const LABELS_MAX: usize = 20;
const LABEL_KEY_CHARS_MAX: usize = 63;
const LABEL_VALUE_CHARS_MAX: usize = 256;
/// Secrets and certificates written into one document.
const ITEMS_MAX: usize = 1000;
/// As many members as a group can have.
const NAMES_MAX: usize = 100_000;
/// Recommended (sheet §5.1); two years are the most.
const SECRET_LIFETIME_DAYS: i64 = 180;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $list:literal;)*) => {
        /// The kinds of objects that can be declared, in the order in which they are made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DeclaredKind {
            $($(#[$doc])* $name,)*
        }

        impl DeclaredKind {
            /// All of them, in the order in which they are made.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word after `kind:`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The member that holds a list of them.
            pub(super) const fn list(self) -> &'static str {
                match self {
                    $(Self::$name => $list,)*
                }
            }
        }
    };
}

kinds! {
    /// A role of one's own.
    RoleDefinition = "RoleDefinition", "roleDefinitions";
    /// A person.
    User = "User", "users";
    /// Several.
    Group = "Group", "groups";
    /// A registration.
    Application = "Application", "applications";
    /// An application's presence in the tenant.
    ServicePrincipal = "ServicePrincipal", "servicePrincipals";
    /// How long tokens and sessions live.
    TokenLifetimePolicy = "TokenLifetimePolicy", "tokenLifetimePolicies";
    /// A data or directory role given to a principal.
    RoleAssignment = "RoleAssignment", "roleAssignments";
    /// An app role given to a principal.
    AppRoleAssignment = "AppRoleAssignment", "appRoleAssignments";
    /// Delegated permissions granted to a client.
    OAuth2PermissionGrant = "OAuth2PermissionGrant", "oauth2PermissionGrants";
}

impl fmt::Display for DeclaredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that keeps a declaration from being applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, where there is one.
    pub file: Option<String>,
    /// Where in it.
    pub place: Option<Place>,
    /// The object, e.g. `Application 'Imaging client'`.
    pub object: Option<String>,
    /// What is wrong and how to mend it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.place) {
            (Some(file), Some(place)) => write!(f, "{file}:{place}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        match &self.object {
            Some(object) => write!(f, "{object}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// A file that declares objects.
#[derive(Debug, Clone)]
pub struct ConfigurationFile {
    /// Its name, for messages; what it refers to lies beside it.
    pub name: String,
    /// YAML or JSON.
    pub text: String,
}

/// Where a value comes from that does not stand in the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, as written: relative to the declaring one.
    File(String),
    /// A variable of the environment.
    Env(String),
}

/// Gives the content of an input named in a file (the second argument), or says why it cannot.
pub type LoadInput<'a> = dyn Fn(&Input, &str) -> Result<Secret<Vec<u8>>, String> + Sync + 'a;

/// A secret to be made where the application or service principal has none of this name.
#[derive(Debug, Clone)]
pub(super) struct DeclaredSecret {
    pub(super) display_name: String,
    pub(super) ends: Ends,
    pub(super) write_to: SecretTarget,
    /// Whether somebody looked and found nothing where it was written to.
    pub(super) lost: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    At(Timestamp),
    After(Span),
}

/// Where the text of a new secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretTarget {
    /// A file that only its owner can read, as written: relative to the declaring one.
    File(String),
    /// A program with its arguments; gets the secret on its standard input.
    Command(Vec<String>),
}

impl fmt::Display for SecretTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Command(words) => write!(f, "command {}", words.first().map_or("", String::as_str)),
        }
    }
}

/// A certificate to be registered where the application does not have it.
#[derive(Debug, Clone)]
pub(super) struct DeclaredCertificate {
    pub(super) display_name: Option<String>,
    pub(super) content: Secret<Vec<u8>>,
}

/// The first password of a user.
#[derive(Debug, Clone)]
pub(super) struct DeclaredPassword {
    pub(super) text: Secret<String>,
    pub(super) must_change: bool,
}

pub(super) type Labels = BTreeMap<String, String>;

/// One declared object.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) kind: DeclaredKind,
    /// What it is called in messages.
    pub(super) name: String,
    /// Its properties in Graph's spelling.
    pub(super) members: Map<String, Value>,
    /// Absent when the document says nothing about labels.
    pub(super) labels: Option<Labels>,
    pub(super) secrets: Vec<DeclaredSecret>,
    pub(super) certificates: Option<Vec<DeclaredCertificate>>,
    pub(super) password: Option<DeclaredPassword>,
    pub(super) file: Arc<str>,
    node: Node,
}

impl Document {
    pub(super) fn object(&self) -> String {
        format!("{} '{}'", self.kind, self.name)
    }

    /// A problem with the property at this path.
    pub(super) fn problem(&self, path: &str, text: impl Into<String>) -> Problem {
        Problem {
            file: Some(self.file.to_string()),
            place: Some(self.node.place_of(path)),
            object: Some(self.object()),
            text: text.into(),
        }
    }

    /// A text member that must be there.
    pub(super) fn required(&self, member: &str) -> Result<&str, Problem> {
        match self.members.get(member) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(self.problem(member, format!("{member} must be a text"))),
            None => Err(self.problem("", format!("{member} is missing"))),
        }
    }

    /// A text member that may be absent.
    pub(super) fn optional(&self, member: &str) -> Result<Option<&str>, Problem> {
        match self.members.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.required(member).map(Some),
        }
    }

    /// Refuses members that a kind which is ours does not have.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(self.problem(
                unknown,
                format!("{unknown} is no member of {}; it has {}", self.kind, known.join(", ")),
            )),
            None => Ok(()),
        }
    }

    /// A member that is a list of texts: owners, members of groups.
    pub(super) fn texts(&self, member: &str) -> Result<Option<Vec<String>>, Problem> {
        let wrong = || self.problem(member, format!("{member} must be a list of names"));
        let Some(value) = self.members.get(member) else { return Ok(None) };
        let items = value.as_array().ok_or_else(wrong)?;
        if items.len() > NAMES_MAX {
            return Err(self.problem(member, format!("{member} may name at most {NAMES_MAX}")));
        }
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// What files declare, read and checked as far as that is possible without the directory.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub(super) documents: Vec<Document>,
}

impl Desired {
    /// Reads files. `load` gives what they refer to: certificates, passwords.
    ///
    /// # Errors
    /// All problems together.
    pub fn read(files: &[ConfigurationFile], load: &LoadInput<'_>) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading { load, documents: Vec::new(), problems: Vec::new() };
        for file in files {
            reading.file(file);
        }
        if reading.problems.is_empty() {
            Ok(Self { documents: reading.documents })
        } else {
            Err(reading.problems)
        }
    }

    /// How many objects are declared.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Where the secrets go that may be made: a problem to be told about it, the declaring file, the target.
    pub fn secret_targets(&self) -> impl Iterator<Item = (Problem, &str, &SecretTarget)> {
        self.documents.iter().flat_map(|document| {
            document.secrets.iter().enumerate().map(|(at, secret)| {
                let problem = document.problem(&format!("secrets[{at}].writeTo"), "");
                (problem, &*document.file, &secret.write_to)
            })
        })
    }

    /// Notes which secrets are not where they were written to: `is_there` is given the declaring file and the target.
    /// The plan warns of those that the directory has.
    pub fn look_for_secrets(&mut self, is_there: impl Fn(&str, &SecretTarget) -> bool) {
        for document in &mut self.documents {
            for secret in &mut document.secrets {
                secret.lost = !is_there(&document.file, &secret.write_to);
            }
        }
    }

    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

struct Reading<'a> {
    load: &'a LoadInput<'a>,
    documents: Vec<Document>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn file(&mut self, file: &ConfigurationFile) {
        let name: Arc<str> = file.name.as_str().into();
        match yaml::read(&file.text, DECLARED_MAX) {
            Err(mistake) => self.problem(&name, mistake.place, mistake.text),
            Ok(nodes) => {
                for node in nodes {
                    self.top(&name, node);
                }
            }
        }
    }

    /// A document of a kind, a list of such, or a map of lists.
    fn top(&mut self, file: &Arc<str>, node: Node) {
        let place = node.place;
        match node.content {
            Content::List(items) => {
                for item in items {
                    self.top(file, item);
                }
            }
            Content::Scalar(_) => self.problem(file, place, "is no object with a kind"),
            Content::Map(ref members) if members.iter().any(|(name, _)| name == "kind") => {
                self.of_kind(file, node);
            }
            Content::Map(members) => {
                let shared = members.iter().find(|(name, _)| name == "labels").map(|(_, node)| node.clone());
                for (name, list) in members {
                    self.list(file, &name, list, shared.as_ref());
                }
            }
        }
    }

    fn list(&mut self, file: &Arc<str>, name: &str, list: Node, labels: Option<&Node>) {
        if name == "labels" {
            return;
        }
        let Some(kind) = DeclaredKind::ALL.iter().find(|kind| kind.list() == name) else {
            let lists: Vec<_> = DeclaredKind::ALL.iter().map(|kind| kind.list()).collect();
            let text =
                format!("'{name}' is no list of objects; there are {}, or give a kind", lists.join(", "));
            return self.problem(file, list.place, text);
        };
        let place = list.place;
        let Content::List(items) = list.content else {
            return self.problem(file, place, format!("{name} must be a list"));
        };
        for mut item in items {
            match (&mut item.content, labels) {
                (Content::Map(members), Some(labels))
                    if !members.iter().any(|(name, _)| name == "labels") =>
                {
                    members.push(("labels".to_owned(), labels.clone()));
                }
                _ => {}
            }
            self.document(file, *kind, item);
        }
    }

    fn of_kind(&mut self, file: &Arc<str>, node: Node) {
        let word = node.member("kind").map(Node::to_value).unwrap_or_default();
        let Some(kind) = DeclaredKind::ALL.iter().find(|kind| Some(kind.as_str()) == word.as_str()) else {
            let kinds: Vec<_> = DeclaredKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let text = format!("{word} is no kind; there are {}", kinds.join(", "));
            return self.problem(file, node.place_of("kind"), text);
        };
        self.document(file, *kind, node);
    }

    fn document(&mut self, file: &Arc<str>, kind: DeclaredKind, node: Node) {
        if self.documents.len() >= DECLARED_MAX {
            return self.problem(file, node.place, format!("there may be at most {DECLARED_MAX} objects"));
        }
        let Value::Object(mut members) = node.to_value() else {
            return self.problem(file, node.place, format!("{kind} must be an object"));
        };
        members.remove("kind");
        let name = name_of(kind, &members);
        let mut document = Document {
            kind,
            name,
            members,
            labels: None,
            secrets: Vec::new(),
            certificates: None,
            password: None,
            file: Arc::clone(file),
            node,
        };
        match self.set_apart(&mut document) {
            Ok(()) => self.documents.push(document),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Takes the members that are ours out of Graph's.
    fn set_apart(&self, document: &mut Document) -> Result<(), Problem> {
        if let Some(value) = document.members.remove("labels") {
            document.labels = Some(labels(document, &value)?);
        }
        if matches!(document.kind, DeclaredKind::Application | DeclaredKind::ServicePrincipal) {
            if let Some(value) = document.members.remove("secrets") {
                document.secrets = secrets(document, &value)?;
            }
            if let Some(value) = document.members.remove("certificates") {
                document.certificates = Some(self.certificates(document, &value)?);
            }
        }
        if document.kind == DeclaredKind::User
            && let Some(value) = document.members.remove("password")
        {
            document.password = Some(self.password(document, &value)?);
        }
        Ok(())
    }

    fn load(&self, document: &Document, path: &str, input: &Input) -> Result<Secret<Vec<u8>>, Problem> {
        (self.load)(input, &document.file).map_err(|text| document.problem(path, text))
    }

    fn certificates(&self, document: &Document, value: &Value) -> Result<Vec<DeclaredCertificate>, Problem> {
        let mut all = Vec::new();
        for (at, item) in items(document, "certificates", value)?.iter().enumerate() {
            let path = format!("certificates[{at}]");
            let entry = Entry::new(document, &path, item, &["displayName", "file", "pem"])?;
            let content = match (entry.text("file")?, entry.text("pem")?) {
                (Some(file), None) => self.load(document, &path, &Input::File(file))?,
                (None, Some(pem)) => Secret::new(pem.into_bytes()),
                _ => return Err(document.problem(&path, "give either file or pem")),
            };
            all.push(DeclaredCertificate { display_name: entry.text("displayName")?, content });
        }
        Ok(all)
    }

    fn password(&self, document: &Document, value: &Value) -> Result<DeclaredPassword, Problem> {
        let known = ["file", "env", "forceChangePasswordNextSignIn"];
        let entry = Entry::new(document, "password", value, &known)?;
        let input = match (entry.text("file")?, entry.text("env")?) {
            (Some(file), None) => Input::File(file),
            (None, Some(name)) => Input::Env(name),
            _ => {
                let text = "give file or env: a password does not stand in the declaration itself";
                return Err(document.problem("password", text));
            }
        };
        let bytes = self.load(document, "password", &input)?;
        let text = std::str::from_utf8(bytes.expose())
            .map_err(|_| document.problem("password", "the password is no UTF-8 text"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned());
        let must_change = match entry.members.get("forceChangePasswordNextSignIn") {
            None => true,
            Some(Value::Bool(truth)) => *truth,
            Some(_) => return Err(entry.wrong("forceChangePasswordNextSignIn", "true or false")),
        };
        Ok(DeclaredPassword { text, must_change })
    }

    fn problem(&mut self, file: &Arc<str>, place: Place, text: impl Into<String>) {
        let file = Some(file.to_string());
        self.problems.push(Problem { file, place: Some(place), object: None, text: text.into() });
    }
}

/// One entry of a list that is ours.
struct Entry<'a> {
    document: &'a Document,
    path: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Entry<'a> {
    fn new(document: &'a Document, path: &'a str, value: &'a Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(members) = value else {
            return Err(document.problem(path, format!("must be an object with {}", known.join(", "))));
        };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => {
                let text = format!("'{unknown}' is not known here; there are {}", known.join(", "));
                Err(document.problem(path, text))
            }
            None => Ok(Self { document, path, members }),
        }
    }

    fn wrong(&self, member: &str, form: &str) -> Problem {
        self.document.problem(&format!("{}.{member}", self.path), format!("{member} must be {form}"))
    }

    fn text(&self, member: &str) -> Result<Option<String>, Problem> {
        match self.members.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(member, "a text")),
        }
    }
}

fn items<'a>(document: &Document, member: &str, value: &'a Value) -> Result<&'a Vec<Value>, Problem> {
    match value {
        Value::Array(items) if items.len() <= ITEMS_MAX => Ok(items),
        _ => Err(document.problem(member, format!("{member} must be a list of at most {ITEMS_MAX}"))),
    }
}

fn labels(document: &Document, value: &Value) -> Result<Labels, Problem> {
    let wrong = |text: &str| document.problem("labels", text);
    let members = value.as_object().ok_or_else(|| wrong("labels must be an object of texts"))?;
    if members.len() > LABELS_MAX {
        return Err(wrong("there may be at most 20 labels"));
    }
    let mut labels = Labels::new();
    for (key, value) in members {
        let value = value.as_str().ok_or_else(|| wrong("labels must be texts"))?;
        if !is_label_key(key) || value.chars().count() > LABEL_VALUE_CHARS_MAX {
            return Err(wrong(
                "a label has a key of letters, digits, '.', '_', '-', '/' and at most 256 characters",
            ));
        }
        labels.insert(key.clone(), value.to_owned());
    }
    Ok(labels)
}

fn is_label_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= LABEL_KEY_CHARS_MAX
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

fn secrets(document: &Document, value: &Value) -> Result<Vec<DeclaredSecret>, Problem> {
    let mut all: Vec<DeclaredSecret> = Vec::new();
    for (at, item) in items(document, "secrets", value)?.iter().enumerate() {
        let path = format!("secrets[{at}]");
        let known = ["displayName", "endDateTime", "lifetime", "writeTo"];
        let entry = Entry::new(document, &path, item, &known)?;
        let display_name = entry.text("displayName")?.ok_or_else(|| {
            document.problem(&path, "displayName is missing: it tells whether the secret is there")
        })?;
        if all.iter().any(|other| other.display_name == display_name) {
            return Err(document.problem(&path, format!("the secret '{display_name}' stands here twice")));
        }
        let ends = match (entry.text("endDateTime")?, entry.text("lifetime")?) {
            (None, None) => Ends::After(Span::new().days(SECRET_LIFETIME_DAYS)),
            (Some(time), None) => Ends::At(
                time.parse().map_err(|_| entry.wrong("endDateTime", "a time like 2027-01-31T00:00:00Z"))?,
            ),
            (None, Some(span)) => {
                Ends::After(span.parse().map_err(|_| entry.wrong("lifetime", "a duration like P180D or 1y"))?)
            }
            (Some(_), Some(_)) => {
                return Err(document.problem(&path, "give endDateTime or lifetime, not both"));
            }
        };
        all.push(DeclaredSecret { display_name, ends, write_to: secret_target(&entry)?, lost: false });
    }
    Ok(all)
}

/// `file:PATH`, `{file: PATH}`, or `{command: [PROGRAM, ARGUMENT, …]}`.
fn secret_target(entry: &Entry<'_>) -> Result<SecretTarget, Problem> {
    let wrong = || entry.wrong("writeTo", "file:PATH, or command: with a list of program and arguments");
    match entry.members.get("writeTo") {
        Some(Value::String(text)) => match text.strip_prefix("file:").map(str::trim) {
            Some(path) if !path.is_empty() => Ok(SecretTarget::File(path.to_owned())),
            _ => Err(wrong()),
        },
        Some(Value::Object(members)) if members.len() == 1 => {
            match (members.get("file"), members.get("command")) {
                (Some(Value::String(path)), _) if !path.is_empty() => Ok(SecretTarget::File(path.clone())),
                (_, Some(Value::Array(words))) if !words.is_empty() => {
                    let words = words.iter().map(|word| word.as_str().map(str::to_owned));
                    words.collect::<Option<Vec<_>>>().map(SecretTarget::Command).ok_or_else(wrong)
                }
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

/// What an object is called in messages, before anything is checked.
fn name_of(kind: DeclaredKind, members: &Map<String, Value>) -> String {
    let text = |member: &str| members.get(member).and_then(Value::as_str);
    let joined = |parts: [&str; 3]| parts.into_iter().filter_map(text).collect::<Vec<_>>().join(" · ");
    let first = |names: &[&str]| names.iter().find_map(|name| text(name)).unwrap_or_default().to_owned();
    match kind {
        DeclaredKind::Application => first(&["displayName", "uniqueName", "appId"]),
        DeclaredKind::ServicePrincipal => first(&["application", "appId", "displayName"]),
        DeclaredKind::User => first(&["userPrincipalName"]),
        DeclaredKind::Group => first(&["displayName", "uniqueName"]),
        DeclaredKind::RoleDefinition => first(&["roleName"]),
        DeclaredKind::TokenLifetimePolicy => first(&["displayName", "id"]),
        DeclaredKind::RoleAssignment => joined(["principal", "role", "scope"]),
        DeclaredKind::AppRoleAssignment => joined(["principal", "resource", "appRole"]),
        DeclaredKind::OAuth2PermissionGrant => joined(["client", "resource", "principal"]),
    }
}
