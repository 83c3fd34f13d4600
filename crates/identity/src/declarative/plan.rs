//! What applying a declaration does, object by object: shown before, compared while doing it.

use serde_json::{Map, Value, json};

use super::document::{DeclaredKind, Problem};

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedAction {
    /// It is made.
    Create,
    /// Some of its properties change.
    Update,
    /// It goes (`--prune`).
    Delete,
}

impl PlannedAction {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One property that gets another value.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyChange {
    /// Where it lies, e.g. `web.redirectUris`.
    pub path: String,
    /// The value before; null where there was none.
    pub before: Value,
    /// The value after; null where there will be none.
    pub after: Value,
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedChange {
    /// What.
    pub action: PlannedAction,
    /// To what kind of object.
    pub kind: DeclaredKind,
    /// Which one, as the file or the directory names it.
    pub name: String,
    /// The properties that change; those of an object that is made or goes are not listed twice.
    pub properties: Vec<PropertyChange>,
    /// What else is to be known: secrets that are made, passwords that are not there.
    pub notes: Vec<String>,
}

/// All that applying does, in the order in which it is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigurationPlan {
    /// The changes. Without any, everything is as declared.
    pub changes: Vec<PlannedChange>,
    /// What is not as it should be but does not hinder, e.g. a secret whose file is gone.
    pub warnings: Vec<Problem>,
}

impl ConfigurationPlan {
    /// How many objects are made, changed, deleted.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |action| self.changes.iter().filter(|change| change.action == action).count();
        (count(PlannedAction::Create), count(PlannedAction::Update), count(PlannedAction::Delete))
    }

    /// The plan as JSON. It holds no secret.
    pub fn to_json(&self) -> Value {
        let (create, update, delete) = self.counts();
        json!({
            "changes": self.changes.iter().map(PlannedChange::to_json).collect::<Vec<_>>(),
            "summary": {"create": create, "delete": delete, "update": update},
            "warnings": self.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

impl PlannedChange {
    fn to_json(&self) -> Value {
        let property = |change: &PropertyChange| json!({"after": change.after, "before": change.before, "path": change.path});
        json!({
            "action": self.action.as_str(),
            "kind": self.kind.as_str(),
            "name": self.name,
            "notes": self.notes,
            "properties": self.properties.iter().map(property).collect::<Vec<_>>(),
        })
    }
}

/// The properties in which two documents differ. Absent, null, false, empty text, list and object are one: Graph shows
/// a property that was never set as any of them.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<PropertyChange> {
    let mut all = Vec::new();
    differ("", before, after, &mut all);
    all
}

fn differ(path: &str, before: &Value, after: &Value, all: &mut Vec<PropertyChange>) {
    if before == after || (is_empty(before) && is_empty(after)) {
        return;
    }
    let none = Map::new();
    match (members(before, &none), members(after, &none)) {
        (Some(old), Some(new)) if !(old.is_empty() && new.is_empty()) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let value = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                differ(&inner, &value(old), &value(new), all);
            }
        }
        _ => all.push(PropertyChange { path: path.to_owned(), before: shown(before), after: shown(after) }),
    }
}

/// Nothing is shown in one way.
fn shown(value: &Value) -> Value {
    if is_empty(value) && !value.is_boolean() { Value::Null } else { value.clone() }
}

/// An object's members; null has none.
fn members<'a>(value: &'a Value, none: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        Value::Null => Some(none),
        _ => None,
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(before: Value, after: Value) -> Vec<String> {
        differences(&before, &after).into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn properties_that_differ_are_named_by_path() {
        assert_eq!(
            paths(
                json!({"a": 1, "web": {"redirectUris": ["x"], "homePageUrl": null}, "gone": "x"}),
                json!({"a": 1, "web": {"redirectUris": ["x", "y"], "homePageUrl": ""}, "new": {"deep": true}})
            ),
            ["gone", "new.deep", "web.redirectUris"]
        );
        assert!(paths(json!({"a": null, "b": [], "c": {"d": []}}), json!({"e": false})).is_empty());
        assert_eq!(paths(json!({"a": true}), json!({"a": false})), ["a"]);
        assert_eq!(paths(json!({"a": [1]}), json!({"a": {"b": 1}})), ["a"]);
    }
}
