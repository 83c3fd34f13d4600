//! Bodies: JSON objects within limits, free of the annotations that SDKs write at any depth (`@odata.type`).

use std::sync::OnceLock;

use hilum_kernel::ObjectId;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::error::GraphError;

/// The largest body. Beyond: 413.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// How deep objects and arrays may be nested. Beyond: 400.
const DEPTH_MAX: usize = 32;
/// How many items all arrays may hold together: Entra's objects hold about 1,000. Beyond: 400.
const ITEMS_MAX: usize = 1_000;
/// The same for a batch, whose parts are then looked at one by one.
const BATCH_ITEMS_MAX: usize = 20 * ITEMS_MAX;
/// How many objects may be bound in one request, as in Graph.
const BOUND_MAX: usize = 20;
/// What marks references in a body.
const BIND: &str = "@odata.bind";

/// What a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One object's members.
    Members,
    /// Requests with bodies of their own (`$batch`).
    Parts,
}

/// A request's body.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Body {
    /// As it was sent. Nothing when there was no body.
    sent: Option<Map<String, Value>>,
    /// The members without annotations, made when they are asked for.
    members: OnceLock<Map<String, Value>>,
}

impl Body {
    /// Reads a body from its bytes.
    pub(super) fn parse(bytes: &[u8], holds: Holds) -> Result<Self, GraphError> {
        if bytes.len() > BYTES_MAX {
            return Err(too_large());
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value = serde_json::from_slice(bytes).map_err(|error| {
            GraphError::bad_request(format!(
                "Unable to read JSON request payload: line {}, column {}. Please ensure Content-Type header is set \
                 and payload is of valid JSON format.",
                error.line(),
                error.column()
            ))
        })?;
        Self::within(value, if holds == Holds::Parts { BATCH_ITEMS_MAX } else { ITEMS_MAX })
    }

    /// Reads a body that is JSON already.
    pub(super) fn of(value: Value) -> Result<Self, GraphError> {
        Self::within(value, ITEMS_MAX)
    }

    fn within(value: Value, items_max: usize) -> Result<Self, GraphError> {
        let mut room = items_max;
        check(&value, 0, &mut room)?;
        let Value::Object(members) = value else {
            return Err(GraphError::bad_request("The request's body must be a JSON object."));
        };
        Ok(Self { sent: Some(members), members: OnceLock::new() })
    }

    /// As it was sent, annotations and all: for bodies that hold bodies.
    pub(super) const fn sent(&self) -> Option<&Map<String, Value>> {
        self.sent.as_ref()
    }

    /// The members.
    ///
    /// # Errors
    /// 400 when there is no body.
    pub(crate) fn object(&self) -> Result<&Map<String, Value>, GraphError> {
        let empty = || GraphError::bad_request("Empty Payload. JSON content expected.");
        let sent = self.sent.as_ref().ok_or_else(empty)?;
        Ok(self.members.get_or_init(|| cleaned(sent)))
    }

    /// The members, none when there is no body.
    pub(crate) fn optional_object(&self) -> Map<String, Value> {
        self.object().cloned().unwrap_or_default()
    }

    /// The object that a `$ref` request names: `{"@odata.id":"HOST/v1.0/directoryObjects/{id}"}`.
    ///
    /// # Errors
    /// 400 when it names none.
    pub(crate) fn reference(&self) -> Result<ObjectId, GraphError> {
        let wrong = || {
            GraphError::request(
                "The body must be {\"@odata.id\": \"…/directoryObjects/{id}\"} with the object's id.",
            )
        };
        self.annotation("@odata.id").and_then(Value::as_str).and_then(object_of).ok_or_else(wrong)
    }

    /// The objects bound to a property: `"owners@odata.bind": ["HOST/v1.0/users/{id}"]`. None when absent.
    ///
    /// # Errors
    /// 400 for anything that names no object, or too many.
    pub(crate) fn bound(&self, property: &str) -> Result<Vec<ObjectId>, GraphError> {
        let name = format!("{property}{BIND}");
        let Some(value) = self.annotation(&name) else { return Ok(Vec::new()) };
        let wrong = || {
            GraphError::request(format!("'{name}' must be an array of at most {BOUND_MAX} URLs of objects."))
        };
        let urls = value.as_array().filter(|urls| urls.len() <= BOUND_MAX).ok_or_else(wrong)?;
        urls.iter().map(|url| url.as_str().and_then(object_of).ok_or_else(wrong)).collect()
    }
}

impl Body {
    /// Refuses what is bound to any property but these, at any depth: nobody would read it.
    ///
    /// # Errors
    /// 400, naming what cannot be bound here.
    pub(super) fn binds_only(&self, properties: &[&str]) -> Result<(), GraphError> {
        let known =
            |name: &str| name.strip_suffix(BIND).is_some_and(|property| properties.contains(&property));
        let members = self.sent.iter().flatten();
        let unknown = members.filter(|(name, _)| !known(name)).find_map(|(name, value)| binding(name, value));
        match unknown {
            Some(name) => Err(GraphError::bad_request(format!(
                "The annotation '{name}' is not supported here: add the reference by a request of its own ($ref)."
            ))),
            None => Ok(()),
        }
    }

    fn annotation(&self, name: &str) -> Option<&Value> {
        self.sent.as_ref()?.get(name)
    }
}

/// 413, before or after the body was read.
pub(super) fn too_large() -> GraphError {
    GraphError::too_large("The request's body must not exceed 1 MB.")
}

/// The object at the end of a URL: `…/directoryObjects/{id}`, `…/users('{id}')`.
fn object_of(url: &str) -> Option<ObjectId> {
    let url = percent_decode_str(url).decode_utf8().ok()?;
    let last = url.trim_end_matches('/').rsplit('/').next()?;
    let key = match last.split_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?.trim_matches('\''),
        None => last,
    };
    key.parse().ok()
}

fn is_annotation(name: &str) -> bool {
    name.starts_with('@') || name.contains("@odata.")
}

/// The first reference in a member. Bodies are no deeper than [`DEPTH_MAX`].
fn binding<'a>(name: &'a str, value: &'a Value) -> Option<&'a str> {
    if name.contains(BIND) {
        return Some(name);
    }
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| binding(name, value)),
        Value::Array(items) => items.iter().find_map(|item| binding("", item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Limits, and what no column can hold.
/// `room`: how many items may still come.
fn check(value: &Value, depth: usize, room: &mut usize) -> Result<(), GraphError> {
    if depth > DEPTH_MAX {
        return Err(GraphError::bad_request("The request's body is nested too deeply (32 levels)."));
    }
    let text = |text: &str| {
        let has_null = text.contains('\0');
        let refusal = || GraphError::bad_request("The request's body holds the character U+0000.");
        if has_null { Err(refusal()) } else { Ok(()) }
    };
    match value {
        Value::Array(all) => {
            let Some(left) = room.checked_sub(all.len()) else {
                return Err(GraphError::size_exceeded(
                    "The size of the object has exceeded its limit: collections may hold 1,000 items in all. \
                     Please reduce the number of values and retry your request.",
                ));
            };
            *room = left;
            all.iter().try_for_each(|value| check(value, depth + 1, room))
        }
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            text(name)?;
            check(value, depth + 1, room)
        }),
        Value::String(string) => text(string),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Without annotations at any depth.
fn cleaned(members: &Map<String, Value>) -> Map<String, Value> {
    let kept = members.iter().filter(|(name, _)| !is_annotation(name));
    kept.map(|(name, value)| (name.clone(), clean(value))).collect()
}

fn clean(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(cleaned(members)),
        Value::Array(items) => items.iter().map(clean).collect(),
        other => other.clone(),
    }
}
