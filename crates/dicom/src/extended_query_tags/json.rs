//! Tags, their errors and references to operations as JSON: camelCase, absent members left out.

use hilum_kernel::JobId;
use serde_json::{Map, Value as Json, json};

use super::{ExtendedTag, QueryStatus, Status, list::Noted};
use crate::index::Level;

/// A reference to an operation: `{id, href}`.
pub(super) fn reference(base: &str, operation: JobId) -> Json {
    json!({ "id": operation.uuid().simple().to_string(), "href": crate::operations::href(base, operation) })
}

pub(super) fn tag(base: &str, tag: &ExtendedTag) -> Json {
    let path = tag.path();
    let mut out = Map::new();
    if tag.errors > 0 {
        let href = format!("{base}/extendedquerytags/{path}/errors");
        out.insert("errors".to_owned(), json!({ "count": tag.errors, "href": href }));
    }
    if let Some(operation) = tag.operation {
        out.insert("operation".to_owned(), reference(base, operation));
    }
    if let Some(creator) = &tag.private_creator {
        out.insert("privateCreator".to_owned(), json!(creator));
    }
    let level = match tag.level {
        Level::Study => "study",
        Level::Series => "series",
        Level::Instance => "instance",
    };
    let status = match tag.status {
        Status::Adding => "adding",
        Status::Ready => "ready",
    };
    let query_status = match tag.query_status {
        QueryStatus::Disabled => "disabled",
        QueryStatus::Enabled => "enabled",
    };
    out.insert("path".to_owned(), json!(path));
    out.insert("vr".to_owned(), json!(tag.vr.to_string()));
    out.insert("level".to_owned(), json!(level));
    out.insert("status".to_owned(), json!(status));
    out.insert("queryStatus".to_owned(), json!(query_status));
    Json::Object(out)
}

pub(super) fn noted(noted: &Noted) -> Json {
    json!({
        "partitionName": noted.partition,
        "studyInstanceUid": noted.study,
        "seriesInstanceUid": noted.series,
        "sopInstanceUid": noted.instance,
        "createdTime": noted.created.to_string(),
        "errorMessage": noted.message,
    })
}
