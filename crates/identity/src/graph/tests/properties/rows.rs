//! One row against the server: its default, when it is shown, and each word of its rule.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    nouns::{Bench, Made, Noun, at, without},
    page::{Initial, Row, Rule, Section, Shown},
};
use crate::oauth::tests::Answer;

/// Rows whose writing has a test of its own in `mod.rs`, because what is read is not what was sent.
const WRITTEN_ELSEWHERE: &[(Noun, &str)] = &[
    (Noun::Application, "keyCredentials"),
    (Noun::Application, "passwordCredentials"),
    (Noun::ServicePrincipal, "keyCredentials"),
    (Noun::ServicePrincipal, "passwordCredentials"),
    (Noun::KeyCredential, "key"),
    // One policy can be the organisation's: `token_lifetimes/tests.rs`.
    (Noun::TokenLifetimePolicy, "isOrganizationDefault"),
];

/// The rows of a section, on one database.
pub(super) struct Trial<'t> {
    pub(super) bench: &'t Bench<'t>,
    pub(super) noun: Noun,
    pub(super) section: &'t Section,
    /// An object with nothing but what is required.
    pub(super) blank: &'t Made,
    /// Every member that the server has shown.
    pub(super) seen: BTreeSet<String>,
}

/// 400 with Graph's code, and the property's name in the message.
pub(super) fn assert_refused(answer: &Answer, name: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}: {}", answer.text);
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], "Request_BadRequest", "{name}: {error}");
    let top = name.split(['.', '[']).next().unwrap();
    assert!(error["message"].as_str().unwrap().contains(top), "{name}: {error}");
}

/// A value that is not the default.
fn wrong(row: &Row) -> Value {
    match (row.kind.as_str(), &row.default) {
        ("Boolean", Initial::Json(Value::Bool(default))) => json!(!default),
        ("Boolean", _) => json!(true),
        ("Int32", _) => json!(7),
        ("DateTimeOffset", _) => json!("2020-01-01T00:00:00Z"),
        ("Guid", _) => json!("99999999-0000-4000-8000-0000000000ff"),
        ("String" | "Stream" | "Binary", _) => json!("x"),
        ("String[]" | "Guid[]", _) => json!(["x"]),
        (kind, _) if kind.ends_with("[]") => json!([{"x": 1}]),
        _ => json!({"x": 1}),
    }
}

impl Trial<'_> {
    /// Tries a row.
    pub(super) async fn row(&mut self, row: &Row) {
        self.shown(row).await;
        self.default(row).await;
        if WRITTEN_ELSEWHERE.contains(&(self.noun, row.name.as_str())) && !row.is(&Rule::Required) {
            return;
        }
        for rule in &row.rules {
            match rule {
                Rule::Writable if WRITTEN_ELSEWHERE.contains(&(self.noun, row.name.as_str())) => {}
                Rule::Writable => self.writable(row).await,
                Rule::Required => self.required(row).await,
                Rule::OnCreateOnly => self.on_create_only(row).await,
                Rule::Once => self.once(row).await,
                Rule::Fixed => self.fixed(row).await,
                Rule::OwnValue => self.own_value(row).await,
                Rule::ReadOnly => self.read_only(row).await,
                Rule::WriteOnly => self.write_only(row).await,
                Rule::Ignored => self.ignored(row).await,
                Rule::IgnoredOnCreate => self.ignored_on_create(row).await,
                Rule::OtherName(name) => self.other_name(row, name).await,
                Rule::Refused => self.refused(row).await,
                Rule::Removable => panic!("{}: only passwordCredentials is tried", row.name),
            }
        }
    }

    /// `$select` of the property by itself.
    async fn shown(&mut self, row: &Row) {
        if !row.is_top() || self.noun.collection().is_some() {
            return;
        }
        let path = format!("{}?$select={}", self.blank.path, row.name);
        let answer = self.bench.session.get(&path).await;
        if matches!(row.shown, Shown::Never | Shown::WhenSet) {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
            assert_eq!(answer.json()["error"]["code"], "BadRequest", "{path}");
        } else {
            let object = self.read(&self.blank.path, &format!("?$select={}", row.name)).await;
            let names: Vec<&String> = object.as_object().unwrap().keys().collect();
            assert_eq!(names, [&row.name], "{path}");
        }
    }

    /// What the property is when nobody has said anything about it.
    async fn default(&mut self, row: &Row) {
        let (parent, _) = row.name.rsplit_once('.').unwrap_or_default();
        let blank = self.all(&self.blank.path).await;
        let has_parent = parent.is_empty() || at(&blank, parent).is_some_and(Value::is_object);
        let (object, sent) = if has_parent || row.is(&Rule::WriteOnly) {
            (blank, self.blank.sent.clone())
        } else {
            // Its parent must be there, with the least that it takes.
            let mut more = self.noun.body(&row.name, &Value::Null);
            if row.is(&Rule::Required) {
                let sample = self.sample(row);
                more = self.noun.body(&row.name, &sample);
            } else {
                more = without(more, &row.name);
            }
            let made = self.bench.make(self.noun, &more).await;
            (self.all(&made.path).await, made.sent)
        };
        let value = at(&object, &row.name);
        match &row.default {
            Initial::Json(null @ Value::Null) if row.shown == Shown::WhenSet => {
                assert_eq!(value.unwrap_or(null), null, "{}", row.name);
            }
            Initial::Json(default) => assert_eq!(value, Some(default), "the default of {}", row.name),
            Initial::Server => {
                assert!(value.is_some_and(|value| !value.is_null()), "{} of {object}", row.name);
            }
            Initial::Given if row.shown == Shown::NullWithoutSelect => {
                assert_eq!(value, Some(&Value::Null), "{}", row.name);
            }
            Initial::Given => assert_eq!(value, at(&sent, &row.name), "{}", row.name),
            Initial::Members => assert!(value.is_some_and(Value::is_object), "{}", row.name),
            Initial::Nothing => assert_eq!(value, None, "{}", row.name),
        }
    }

    async fn writable(&mut self, row: &Row) {
        let sample = self.sample(row);
        assert_ne!(Initial::Json(sample.clone()), row.default, "the sample of {} shows nothing", row.name);
        let made = self.bench.make(self.noun, &self.noun.body(&row.name, &sample)).await;
        let read = self.all(&made.path).await;
        assert_eq!(at(&read, &row.name), Some(&sample), "{} when made", row.name);
        if !self.noun.can_change() {
            return;
        }
        let path = self.subject().await;
        let before = at(&self.all(&path).await, &row.name).cloned();
        let sample = self.sample(row);
        self.change(&path, &self.noun.body(&row.name, &sample)).await;
        assert_eq!(at(&self.all(&path).await, &row.name), Some(&sample), "{} when changed", row.name);
        let null = self.noun.body(&row.name, &Value::Null);
        if row.name.contains("[]") {
            return;
        }
        if row.is(&Rule::Required) {
            assert_refused(&self.bench.session.patch(&path, null).await, &row.name);
            return;
        }
        self.change(&path, &null).await;
        let default = match &row.default {
            Initial::Json(_) if row.shown == Shown::WhenSet => None,
            Initial::Json(default) => Some(default.clone()),
            _ => before,
        };
        assert_eq!(at(&self.all(&path).await, &row.name), default.as_ref(), "{} after null", row.name);
    }

    async fn required(&mut self, row: &Row) {
        if at(&self.blank.sent, &row.name).is_some() {
            let (answer, ..) = self.bench.try_make(self.noun, &json!({}), Some(&row.name)).await;
            assert_refused(&answer, &row.name);
        } else {
            let sample = self.sample(row);
            let body = without(self.noun.body(&row.name, &sample), &row.name);
            self.assert_not_made(row, &body).await;
        }
        self.assert_not_made(row, &self.noun.body(&row.name, &Value::Null)).await;
    }

    async fn on_create_only(&mut self, row: &Row) {
        let mut other = wrong(row);
        let path = match self.bench.sample(self.noun, &row.name) {
            Some(sample) => {
                let made = self.bench.make(self.noun, &self.noun.body(&row.name, &sample)).await;
                assert_eq!(at(&self.all(&made.path).await, &row.name), Some(&sample), "{}", row.name);
                if sample == other {
                    other = Value::Null;
                }
                made.path
            }
            // What is required is in every object; `default` has compared it.
            None => self.blank.path.clone(),
        };
        let answer = self.bench.session.patch(&path, json!({ &row.name: other })).await;
        if self.noun.can_change() {
            assert_refused(&answer, &row.name);
        } else {
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{}", answer.text);
        }
    }

    async fn once(&mut self, row: &Row) {
        let sample = self.sample(row);
        let made = self.bench.make(self.noun, &json!({ &row.name: sample })).await.path;
        assert_eq!(self.all(&made).await[&row.name], sample);
        let sample = self.sample(row);
        let changed = self.subject().await;
        self.change(&changed, &json!({ &row.name: sample })).await;
        self.change(&changed, &json!({ &row.name: sample })).await;
        assert_eq!(self.all(&changed).await[&row.name], sample);
        for other in [wrong(row), Value::Null] {
            let answer = self.bench.session.patch(&changed, json!({ &row.name: other })).await;
            assert_refused(&answer, &row.name);
        }
    }

    async fn fixed(&mut self, row: &Row) {
        let Initial::Json(default) = &row.default else { panic!("{} has no default", row.name) };
        let same = self.noun.body(&row.name, default);
        self.bench.make(self.noun, &same).await;
        if self.noun.can_change() {
            self.change(&self.blank.path, &same).await;
        }
        self.assert_wrong_refused(row, &wrong(row)).await;
    }

    async fn own_value(&mut self, row: &Row) {
        let own = self.all(&self.blank.path).await[&row.name].clone();
        self.change(&self.blank.path, &json!({ &row.name: own })).await;
        self.assert_wrong_refused(row, &wrong(row)).await;
    }

    async fn read_only(&mut self, row: &Row) {
        // Members of what is read-only cannot be sent without it.
        if !row.is_top() && self.section.row(row.top()).is_some_and(|top| top.is(&Rule::ReadOnly)) {
            return;
        }
        self.assert_wrong_refused(row, &wrong(row)).await;
        self.assert_wrong_refused(row, &Value::Null).await;
    }

    async fn write_only(&mut self, row: &Row) {
        let sample = self.sample(row);
        let body = self.noun.body(&row.name, &sample);
        let before = at(&self.all(&self.blank.path).await, &row.name).cloned();
        let made = self.bench.make(self.noun, &body).await.path;
        self.change(&self.blank.path, &body).await;
        for path in [&made, &self.blank.path] {
            assert_eq!(at(&self.all(path).await, &row.name), before.as_ref(), "{}", row.name);
        }
    }

    async fn ignored(&mut self, row: &Row) {
        let body = self.noun.body(&row.name, &wrong(row));
        let made = self.bench.make(self.noun, &body).await.path;
        let changed = self.subject().await;
        self.change(&changed, &body).await;
        for path in [&made, &changed] {
            let read = self.all(path).await;
            match &row.default {
                Initial::Json(default) => assert_eq!(at(&read, &row.name), Some(default), "{}", row.name),
                _ => assert_eq!(at(&read, &row.name), None, "{}", row.name),
            }
        }
    }

    async fn ignored_on_create(&mut self, row: &Row) {
        let blank = at(&self.all(&self.blank.path).await, &row.name).cloned();
        let made = self.bench.make(self.noun, &json!({ &row.name: wrong(row) })).await.path;
        assert_eq!(at(&self.all(&made).await, &row.name), blank.as_ref(), "{}", row.name);
        if self.noun.can_change() {
            let answer = self.bench.session.patch(&made, json!({ &row.name: wrong(row) })).await;
            assert_refused(&answer, &row.name);
        }
    }

    async fn other_name(&mut self, row: &Row, name: &str) {
        let name = match row.name.rsplit_once('.') {
            Some((parent, _)) => format!("{parent}.{name}"),
            None => name.to_owned(),
        };
        let target = self.section.row(&name).unwrap_or_else(|| panic!("{name} has no row"));
        let sample = self.sample(target);
        let body = self.noun.body(&row.name, &sample);
        let made = self.bench.make(self.noun, &body).await.path;
        let changed = self.subject().await;
        self.change(&changed, &body).await;
        for path in [&made, &changed] {
            assert_eq!(at(&self.all(path).await, &name), Some(&sample), "{} as {name}", row.name);
        }
    }

    async fn refused(&mut self, row: &Row) {
        self.assert_wrong_refused(row, &wrong(row)).await;
        let null = json!({ &row.name: null });
        if self.noun.can_change() {
            let before = self.all(&self.blank.path).await;
            self.change(&self.blank.path, &null).await;
            assert_eq!(self.all(&self.blank.path).await, before, "{}", row.name);
        } else {
            self.bench.make(self.noun, &null).await;
        }
    }
}

impl Trial<'_> {
    fn sample(&self, row: &Row) -> Value {
        let sample = self.bench.sample(self.noun, &row.name);
        sample.unwrap_or_else(|| panic!("{:?} {}: no sample", self.noun, row.name))
    }

    /// An object to be changed. Users cost a password each, and all their properties can be set back.
    async fn subject(&self) -> String {
        match self.noun {
            Noun::User => self.blank.path.clone(),
            noun => self.bench.make(noun, &json!({})).await.path,
        }
    }

    async fn read(&mut self, path: &str, options: &str) -> Value {
        let object = self.bench.read(self.noun, path, options).await;
        collect(&object, "", &mut self.seen);
        object
    }

    /// The object with everything that can be selected.
    async fn all(&mut self, path: &str) -> Value {
        let is_plain = self.noun.collection().is_some();
        self.read(path, if is_plain { "" } else { "?$select=*" }).await
    }

    async fn change(&self, path: &str, body: &Value) {
        let answer = self.bench.session.patch(path, body.clone()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path} {body}: {}", answer.text);
    }

    async fn assert_not_made(&self, row: &Row, more: &Value) {
        let (answer, ..) = self.bench.try_make(self.noun, more, None).await;
        assert_refused(&answer, &row.name);
    }

    /// Neither a new object nor a change may have the value.
    async fn assert_wrong_refused(&self, row: &Row, value: &Value) {
        let body = self.noun.body(&row.name, value);
        self.assert_not_made(row, &body).await;
        if self.noun.can_change() {
            assert_refused(&self.bench.session.patch(&self.blank.path, body).await, &row.name);
        }
    }
}

/// The names of all members: `web.redirectUris`, `appRoles[].value`.
fn collect(value: &Value, prefix: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                collect(value, &name, into);
                into.insert(name);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{prefix}[]"), into)),
        _ => {}
    }
}
