//! `POST /$batch`: up to 20 requests in one, each authorised and answered by itself, one after the other; what others
//! depend on comes before them (OData JSON 4.01 §19).

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Access, Answer, Call, GraphError, Operation, Surface,
    access::Owned,
    body::Body,
    dispatch::{self, Reply, ReplyContent, Request},
    path,
};

/// As in Graph.
const REQUESTS_MAX: usize = 20;
const ID_CHARS_MAX: usize = 64;
/// The bodies of all answers together, as JSON: what a batch may hold in memory.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where batches are sent.
pub(super) const PATH: &str = "/$batch";

/// The row of the table.
pub(super) const OPERATIONS: &[Operation] = &[Operation {
    method: Method::POST,
    path: PATH,
    summary: "Send up to 20 requests at once.",
    access: Access { owned: Owned::AnyCaller, ..Access::NONE },
    handler: |call| batch(call).boxed(),
}];

/// One request of a batch.
#[derive(Debug)]
struct Part {
    id: String,
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    depends_on: Vec<String>,
}

async fn batch(call: Call) -> Result<Answer, GraphError> {
    let parts = parts(call.body.sent(), &call.base)?;
    let mut succeeded: BTreeMap<String, bool> = BTreeMap::new();
    let mut responses = Vec::new();
    let mut bytes = 0;
    for part in in_order(parts)? {
        let failed = part.depends_on.iter().any(|id| succeeded.get(id) != Some(&true));
        let id = part.id.clone();
        let result = match (failed, bytes > ANSWER_BYTES_MAX) {
            (true, _) => Err(GraphError::failed_dependency()),
            (false, true) => Err(GraphError::too_large(
                "The answers before this one fill the batch: send this request by itself.",
            )),
            (false, false) => send(&call, part).await,
        };
        let reply = result.unwrap_or_else(|error| {
            if let Some(source) = &error.source {
                let source = source.as_ref() as &dyn std::error::Error;
                tracing::error!(
                    request_id = call.envelope.request_id,
                    error = source,
                    "Graph request failed"
                );
            }
            Reply::of_error(&error, &call.envelope)
        });
        succeeded.insert(id.clone(), reply.status.is_success());
        if let ReplyContent::Json(body) = &reply.content {
            bytes += serde_json::to_vec(body).map_or(0, |json| json.len());
        }
        responses.push(response(&id, reply));
    }
    Ok(Answer::bare(json!({ "responses": responses })))
}

async fn send(call: &Call, part: Part) -> Result<Reply, GraphError> {
    let (path, query) = part.url.split_once('?').unwrap_or((&part.url, ""));
    let header = |name: &str| part.headers.get(name).cloned();
    let request = Request {
        surface: Surface::Graph,
        method: part.method,
        base: call.base.clone(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: part.body.map(Body::of).transpose()?.unwrap_or_default(),
        if_match: header("if-match"),
        envelope: call.envelope.clone(),
        context: call.context.clone(),
        prefer: header("prefer"),
    };
    dispatch::dispatch(&call.identity, call.caller.clone(), request).await
}

fn response(id: &str, reply: Reply) -> Value {
    let mut headers = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            headers.insert(name.to_owned(), value.into());
        }
    };
    set("ETag", reply.etag);
    set("Location", reply.location);
    set("Allow", reply.allow);
    set("Retry-After", reply.retry_after_s.map(|seconds| seconds.to_string()));
    let body = match reply.content {
        ReplyContent::Empty => None,
        ReplyContent::Json(value) => {
            set("Content-Type", Some("application/json".to_owned()));
            Some(value)
        }
        ReplyContent::Text(text) => {
            set("Content-Type", Some("text/plain".to_owned()));
            Some(Value::String(text))
        }
    };
    let mut response = json!({ "id": id, "status": reply.status.as_u16(), "headers": headers });
    if let (Some(body), Value::Object(members)) = (body, &mut response) {
        members.insert("body".to_owned(), body);
    }
    response
}

/// Reads and checks the requests.
fn parts(sent: Option<&Map<String, Value>>, base: &str) -> Result<Vec<Part>, GraphError> {
    let requests = sent.and_then(|members| members.get("requests")).and_then(Value::as_array);
    let requests = requests.filter(|requests| !requests.is_empty()).ok_or_else(|| {
        GraphError::bad_request("Invalid batch payload format: 'requests' must be an array of requests.")
    })?;
    if requests.len() > REQUESTS_MAX {
        return Err(GraphError::bad_request(format!(
            "Number of batch request steps exceeds the maximum value of {REQUESTS_MAX}."
        )));
    }
    let parts: Vec<Part> = requests.iter().map(|request| part(request, base)).collect::<Result<_, _>>()?;
    let ids: BTreeSet<&str> = parts.iter().map(|part| part.id.as_str()).collect();
    if ids.len() < parts.len() {
        return Err(GraphError::bad_request(
            "Invalid batch payload format: every request needs an id of its own.",
        ));
    }
    let known = |id: &String| ids.contains(id.as_str());
    match parts.iter().flat_map(|part| &part.depends_on).find(|id| !known(id)) {
        Some(_) => Err(GraphError::bad_request(
            "Invalid batch payload format: dependsOn names a request that is not there.",
        )),
        None => Ok(parts),
    }
}

fn part(value: &Value, base: &str) -> Result<Part, GraphError> {
    let wrong = |what: &str| GraphError::bad_request(format!("Invalid batch payload format: {what}."));
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let id = text("id").filter(|id| (1..=ID_CHARS_MAX).contains(&id.chars().count()));
    let id = id.ok_or_else(|| wrong("each request needs an 'id' of 1 to 64 characters"))?;
    let method = text("method").and_then(|method| method.to_ascii_uppercase().parse().ok());
    let method = method.ok_or_else(|| wrong("each request needs a 'method'"))?;
    // The Python SDK writes whole URLs once it knows where the server is.
    let within =
        |url: &'_ str| url.strip_prefix(base).filter(|rest| rest.starts_with('/')).map(str::to_owned);
    let url = text("url").map(|url| within(url).unwrap_or_else(|| url.to_owned()));
    let url = url.filter(|url| !url.contains("://") && !url.starts_with("//"));
    let url = url.ok_or_else(|| wrong("each request needs a 'url' relative to the version, such as /me"))?;
    let url = if url.starts_with('/') { url.clone() } else { format!("/{url}") };
    // Read as it will be when it is sent, so that no other spelling gets by.
    let path = path::parse(url.split('?').next().unwrap_or_default());
    if path.is_ok_and(|segments| path::matches(PATH, &segments).is_some()) {
        return Err(wrong("a batch cannot hold another"));
    }
    let headers = match value.get("headers") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(members)) => members
            .iter()
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
            .collect(),
        Some(_) => return Err(wrong("'headers' must be an object")),
    };
    let depends_on = match value.get("dependsOn") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(ids)) => ids
            .iter()
            .map(|id| id.as_str().map(str::to_owned).ok_or_else(|| wrong("'dependsOn' must hold ids")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong("'dependsOn' must be an array of ids")),
    };
    let body = value.get("body").filter(|body| !body.is_null()).cloned();
    Ok(Part { id: id.to_owned(), method, url, headers, body, depends_on })
}

/// The order in which they are sent: as given, but nothing before what it depends on.
fn in_order(mut waiting: Vec<Part>) -> Result<Vec<Part>, GraphError> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|part| part.depends_on.iter().all(|id| done.contains(id)));
        let ready = ready.ok_or_else(|| {
            GraphError::bad_request(
                "Invalid batch payload format: requests depend on each other in a circle.",
            )
        })?;
        let part = waiting.remove(ready);
        done.insert(part.id.clone());
        order.push(part);
    }
    Ok(order)
}

impl GraphError {
    fn failed_dependency() -> Self {
        Self {
            status: StatusCode::FAILED_DEPENDENCY,
            code: "FailedDependency",
            ..Self::bad_request("A request that this one depends on has failed.")
        }
    }
}
