//! The service's OpenAPI 3.1 document, made from one table of operations.

use serde_json::{Map, Value, json};

/// One operation of the service, relative to `/v1` or `/v2`.
struct Operation {
    path: &'static str,
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    /// The data action it needs (`read`, `write`, `delete`).
    action: &'static str,
    produces: &'static str,
    statuses: &'static [u16],
}

const JSON: &str = "application/dicom+json";
const DICOM: &str = "multipart/related; type=\"application/dicom\"";
/// The media type of what is no dataset.
const PLAIN_JSON: &str = "application/json";
const FRAMES: &str = "multipart/related; type=\"application/octet-stream\"";

const fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation { path, method, id, summary, action: "read", produces: JSON, statuses: &[200, 204, 400, 406] }
}

const fn retrieval(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    produces: &'static str,
) -> Operation {
    Operation { path, method: "get", id, summary, action: "read", produces, statuses: &[200, 400, 404, 406] }
}

const fn metadata(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { statuses: &[200, 304, 400, 404, 406], ..retrieval(path, id, summary, JSON) }
}

const fn storing(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        path,
        method: "post",
        id,
        summary,
        action: "write",
        produces: JSON,
        statuses: &[200, 202, 204, 400, 406, 409, 413, 415],
    }
}

const fn deletion(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        path,
        method: "delete",
        id,
        summary,
        action: "delete",
        produces: "",
        statuses: &[204, 400, 404],
    }
}

const fn listing(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    statuses: &'static [u16],
) -> Operation {
    Operation { path, method: "get", id, summary, action: "read", produces: PLAIN_JSON, statuses }
}

const TAG: &str = "/extendedquerytags/{tag}";
const SERIES: &str = "/studies/{study}/series/{series}";
const INSTANCE: &str = "/studies/{study}/series/{series}/instances/{instance}";

/// Every operation. The router's test compares this with what is routed.
const OPERATIONS: &[Operation] = &[
    storing("/studies", "storeInstances", "Store instances (STOW-RS)"),
    storing("/studies/{study}", "storeInstancesInStudy", "Store instances of one study (STOW-RS)"),
    operation("get", "/studies", "searchStudies", "Search for studies (QIDO-RS)"),
    operation("get", "/series", "searchSeries", "Search for series"),
    operation("get", "/instances", "searchInstances", "Search for instances"),
    operation("get", "/studies/{study}/series", "searchSeriesOfStudy", "Search for series of a study"),
    operation(
        "get",
        "/studies/{study}/instances",
        "searchInstancesOfStudy",
        "Search for instances of a study",
    ),
    operation(
        "get",
        "/studies/{study}/series/{series}/instances",
        "searchInstancesOfSeries",
        "Search for instances of a series",
    ),
    retrieval("/studies/{study}", "retrieveStudy", "Retrieve a study (WADO-RS)", DICOM),
    retrieval(SERIES, "retrieveSeries", "Retrieve a series", DICOM),
    retrieval(INSTANCE, "retrieveInstance", "Retrieve an instance", DICOM),
    retrieval(
        "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}",
        "retrieveFrames",
        "Retrieve frames, counted from 1, separated by commas",
        FRAMES,
    ),
    metadata("/studies/{study}/metadata", "retrieveStudyMetadata", "Retrieve the metadata of a study"),
    metadata(
        "/studies/{study}/series/{series}/metadata",
        "retrieveSeriesMetadata",
        "Retrieve the metadata of a series",
    ),
    metadata(
        "/studies/{study}/series/{series}/instances/{instance}/metadata",
        "retrieveInstanceMetadata",
        "Retrieve the metadata of an instance",
    ),
    deletion("/studies/{study}", "deleteStudy", "Delete a study"),
    deletion(SERIES, "deleteSeries", "Delete a series"),
    deletion(INSTANCE, "deleteInstance", "Delete an instance"),
    listing("/changefeed", "readChangeFeed", "Read the change feed", &[200, 400]),
    listing("/extendedquerytags", "listExtendedQueryTags", "List extended query tags", &[200, 400]),
    Operation {
        method: "post",
        action: "manageExtendedQueryTags",
        ..listing(
            "/extendedquerytags",
            "addExtendedQueryTags",
            "Add extended query tags; starts a re-index",
            &[202, 400, 409, 413, 415],
        )
    },
    listing(TAG, "getExtendedQueryTag", "Get an extended query tag", &[200, 400, 404]),
    Operation {
        method: "patch",
        action: "manageExtendedQueryTags",
        ..listing(
            TAG,
            "updateExtendedQueryTag",
            "Enable or disable queries by an extended query tag",
            &[200, 400, 404, 413, 415],
        )
    },
    Operation {
        method: "delete",
        action: "manageExtendedQueryTags",
        ..listing(TAG, "deleteExtendedQueryTag", "Remove an extended query tag", &[204, 400, 404])
    },
    listing(
        "/extendedquerytags/{tag}/errors",
        "listExtendedQueryTagErrors",
        "List the instances whose value could not be indexed",
        &[200, 400, 404],
    ),
    listing("/operations/{id}", "getOperation", "Get the state of an operation", &[200, 202, 404]),
    listing("/changefeed/latest", "readLatestChange", "Read its latest entry", &[200, 204, 400]),
];

/// The document for a service at `base_url` (`https://HOST/dicom`).
pub fn openapi(base_url: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths
            .entry(format!("/{{version}}{}", operation.path))
            .or_insert_with(|| json!({ "parameters": parameters(operation.path) }));
        if let Value::Object(members) = path {
            members.insert(operation.method.to_owned(), described(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hilum DICOM service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "DICOMweb (PS3.18), API-compatible with the Azure Health Data Services DICOM service."
        },
        "servers": [{ "url": base_url }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } }
        }
    })
}

fn parameters(path: &str) -> Vec<Value> {
    let version = json!({
        "name": "version", "in": "path", "required": true, "schema": { "type": "string", "enum": ["v1", "v2"] }
    });
    let named = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let uids = named.map(|name| {
        let pattern = match name {
            "frames" => "^[0-9]+(,[0-9]+)*$",
            "tag" => "^([0-9A-Fa-f]{8}|[A-Z][A-Za-z0-9]*)$",
            "id" => "^[0-9a-f]{32}$",
            _ => "^[0-9.]{0,63}[0-9]$",
        };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } })
    });
    std::iter::once(version).chain(uids).collect()
}

fn described(operation: &Operation) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for status in operation.statuses.iter().copied().chain([401, 403, 503]) {
        let has_content = matches!(status, 200 | 202 | 409) && !operation.produces.is_empty();
        let mut response = json!({ "description": meaning(status) });
        if let (true, Value::Object(members)) = (has_content, &mut response) {
            members.insert("content".to_owned(), json!({ operation.produces: {} }));
        }
        responses.insert(status.to_string(), response);
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("Needs the data action `{}`.", operation.action),
        "responses": responses,
    });
    let content = match operation.id {
        "addExtendedQueryTags" => Some(json!({ PLAIN_JSON: { "schema": new_tags() } })),
        "updateExtendedQueryTag" => Some(json!({ PLAIN_JSON: { "schema": query_status() } })),
        _ if operation.method == "post" => Some(json!({
            "multipart/related": { "schema": { "type": "string", "format": "binary" } },
            "application/dicom": { "schema": { "type": "string", "format": "binary" } }
        })),
        _ => None,
    };
    if let (Some(content), Value::Object(members)) = (content, &mut described) {
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let query = match operation.id {
        id if id.starts_with("search") => Some(search_parameters()),
        "readChangeFeed" => Some(change_feed_parameters()),
        "listExtendedQueryTags" | "listExtendedQueryTagErrors" => Some(paging()),
        "readLatestChange" => Some(json!([include_metadata()])),
        _ => None,
    };
    if let (Some(query), Value::Object(members)) = (query, &mut described) {
        members.insert("parameters".to_owned(), query);
    }
    described
}

fn parameter(name: &str, schema: Value, description: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": schema, "description": description })
}

fn paging() -> Value {
    json!([
        parameter(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 100 }),
            "Entries of one page."
        ),
        parameter("offset", json!({ "type": "integer", "minimum": 0, "default": 0 }), "Entries to skip.")
    ])
}

fn new_tags() -> Value {
    json!({
        "type": "array", "minItems": 1, "maxItems": 128,
        "items": {
            "type": "object", "required": ["path", "level"],
            "properties": {
                "path": { "type": "string", "description": "Keyword or GGGGEEEE." },
                "vr": { "type": "string", "description": "Needed for private attributes." },
                "privateCreator": { "type": "string", "description": "Of private attributes only." },
                "level": { "type": "string", "enum": ["Study", "Series", "Instance"] }
            }
        }
    })
}

fn query_status() -> Value {
    json!({
        "type": "object", "required": ["queryStatus"],
        "properties": { "queryStatus": { "type": "string", "enum": ["Enabled", "Disabled"] } }
    })
}

fn include_metadata() -> Value {
    parameter(
        "includeMetadata",
        json!({ "type": "boolean", "default": true }),
        "Whether entries carry the instance's present metadata.",
    )
}

fn change_feed_parameters() -> Value {
    let time = || json!({ "type": "string", "format": "date-time" });
    json!([
        parameter(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
            "v1: how many numbers to look at, up to 100, 10 when not given. v2: entries of one page, 100 when not given."
        ),
        parameter(
            "offset",
            json!({ "type": "integer", "format": "int64", "minimum": 0, "default": 0 }),
            "v1: the last number that is known. v2: entries of the window to skip."
        ),
        parameter("startTime", time(), "v2: the window's beginning, included."),
        parameter("endTime", time(), "v2: the window's end, not included."),
        include_metadata(),
        parameter(
            "wait",
            json!({ "type": "integer", "minimum": 0, "maximum": 30, "default": 0 }),
            "Seconds to wait for an entry where there is none. Not in Azure."
        )
    ])
}

fn search_parameters() -> Value {
    json!([
        parameter(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 100 }),
            "Results of one page."
        ),
        parameter("offset", json!({ "type": "integer", "minimum": 0, "default": 0 }), "Results to skip."),
        parameter(
            "fuzzymatching",
            json!({ "type": "boolean", "default": false }),
            "Match person names word by word."
        ),
        parameter(
            "includefield",
            json!({ "type": "string" }),
            "Keywords or tags, separated by commas, or `all`."
        ),
        json!({
            "name": "attributes", "in": "query", "style": "form", "explode": true,
            "schema": { "type": "object", "additionalProperties": { "type": "string" } },
            "description": "Attributes by keyword or GGGGEEEE and the values to match."
        })
    ])
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done; all of it.",
        202 => "Done in part, or with warnings.",
        204 => "Nothing to tell.",
        304 => "Not modified.",
        400 => "The request is wrong; the body says how.",
        401 => {
            "No token, or one that does not let in: also a bound one without a proof of its key (RFC 9449)."
        }
        403 => "The token lacks the data action.",
        404 => "There is no such thing.",
        406 => "The Accept header admits nothing that can be had.",
        409 => "Nothing was stored; the body says why.",
        413 => "The body is too large.",
        415 => "The body's media type is not supported.",
        _ => "The service is busy or a store behind it is away; try again later.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_names_its_parameters_and_ids_are_unique() {
        let document = openapi("https://localhost:8443/dicom");
        let paths = document["paths"].as_object().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (path, members) in paths {
            let named = members["parameters"].as_array().unwrap().len();
            assert_eq!(named, path.matches('{').count(), "{path}");
            for (method, operation) in members.as_object().unwrap() {
                if method != "parameters" {
                    assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
                }
            }
        }
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
