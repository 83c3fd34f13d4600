//! The store response dataset (PS3.18 §I.2, Azure: STOW-RS "Response payload") and its status.

use hilum_kernel::StudyUid;
use serde_json::{Map, Value, json};

use super::{Item, Outcomes, StoreRequest, WarningReason};
use crate::request::ApiVersion;

/// How the request as a whole went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreStatus {
    /// No parts: 204.
    NoContent,
    /// All stored: 200.
    Success,
    /// Some failed, or v2 has remarks: 202.
    Accepted,
    /// None stored: 409.
    Conflict,
}

/// What the client is told.
#[derive(Debug)]
pub(crate) struct StoreResponse {
    pub(crate) status: StoreStatus,
    /// The dataset; `None` without parts.
    pub(crate) dataset: Option<Value>,
    /// v1: an indexed attribute of some instance has several values.
    pub(crate) warns_of_multiple_values: bool,
}

impl StoreResponse {
    pub(super) fn new(base_url: &str, request: &StoreRequest, items: Vec<Item>) -> Self {
        let base = format!("{base_url}/{}/studies", request.version.segment());
        let (mut stored, mut failed) = (Vec::new(), Vec::new());
        let (mut has_warning, mut multiple) = (false, false);
        for item in &items {
            match &item.outcome {
                Outcomes::Stored { study, series, warning } => {
                    has_warning |= warning.is_some();
                    multiple |= item.has_multiple_values;
                    let instance = item.named.instance.as_deref().unwrap_or_default();
                    let url = format!("{base}/{study}/series/{series}/instances/{instance}");
                    stored.push(stored_item(item, &url, *warning, request.version));
                }
                Outcomes::Failed(reason) => failed.push(failed_item(item, *reason as u16)),
            }
        }
        let status = match (stored.is_empty(), failed.is_empty()) {
            (true, true) => StoreStatus::NoContent,
            (true, false) => StoreStatus::Conflict,
            (false, true) if !(has_warning && request.version == ApiVersion::V2) => StoreStatus::Success,
            (false, _) => StoreStatus::Accepted,
        };
        let dataset = (!items.is_empty()).then(|| dataset(&base, request.study.as_ref(), stored, failed));
        let warns_of_multiple_values = multiple && request.version == ApiVersion::V1;
        Self { status, dataset, warns_of_multiple_values }
    }
}

fn dataset(base: &str, study: Option<&StudyUid>, stored: Vec<Value>, failed: Vec<Value>) -> Value {
    let mut dataset = Map::new();
    if let (Some(study), false) = (study, stored.is_empty()) {
        dataset.insert("00081190".to_owned(), json!({"vr": "UR", "Value": [format!("{base}/{study}")]}));
    }
    if !failed.is_empty() {
        dataset.insert("00081198".to_owned(), json!({"vr": "SQ", "Value": failed}));
    }
    if !stored.is_empty() {
        dataset.insert("00081199".to_owned(), json!({"vr": "SQ", "Value": stored}));
    }
    Value::Object(dataset)
}

fn named(item: &Item) -> Map<String, Value> {
    let mut members = Map::new();
    for (tag, uid) in [("00081150", &item.named.class), ("00081155", &item.named.instance)] {
        if let Some(uid) = uid {
            members.insert(tag.to_owned(), json!({"vr": "UI", "Value": [uid]}));
        }
    }
    members
}

fn stored_item(item: &Item, url: &str, warning: Option<WarningReason>, version: ApiVersion) -> Value {
    let mut members = named(item);
    members.insert("00081190".to_owned(), json!({"vr": "UR", "Value": [url]}));
    if let Some(warning) = warning {
        members.insert("00081196".to_owned(), json!({"vr": "US", "Value": [warning as u16]}));
    }
    // v2 always has the sequence, v1 never on success.
    if version == ApiVersion::V2 {
        members.insert("00741048".to_owned(), comments(item));
    }
    Value::Object(members)
}

fn failed_item(item: &Item, reason: u16) -> Value {
    let mut members = named(item);
    members.insert("00081197".to_owned(), json!({"vr": "US", "Value": [reason]}));
    if !item.comments.is_empty() {
        members.insert("00741048".to_owned(), comments(item));
    }
    Value::Object(members)
}

fn comments(item: &Item) -> Value {
    if item.comments.is_empty() {
        return json!({"vr": "SQ"});
    }
    let items: Vec<Value> =
        item.comments.iter().map(|comment| json!({"00000902": {"vr": "LO", "Value": [comment]}})).collect();
    json!({"vr": "SQ", "Value": items})
}
