//! From a request to its operation and back to a reply, without HTTP: the wire, `$batch` and local callers meet here.
//!
//! One door: path → operation → access → handler → reply. An operation that is not in the table does not exist.

use hilum_audit::{Action, Event, Outcome};
use hilum_kernel::CorrelationId;
use hilum_web::RequestContext;
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{
    Surface,
    access::Denied,
    answer::{Answer, Content},
    body::Body,
    call::Call,
    caller::Caller,
    error::{Envelope, GraphError},
    odata::Options,
    operation::Operation,
    path::{self, Keys, Segment},
};
use crate::{Identity, Requested, query::Page};

/// A request, as the wire or a local caller makes it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) surface: Surface,
    pub(super) method: Method,
    /// `https://HOST/v1.0`, for links.
    pub(super) base: String,
    /// What stands behind the base, still percent-encoded.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: Body,
    pub(super) if_match: Option<String>,
    /// What ties the answer to the request.
    pub(super) envelope: Envelope,
    /// Where it comes from.
    pub(super) context: RequestContext,
    /// `Prefer`, as sent.
    pub(super) prefer: Option<String>,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content: ReplyContent,
    pub(super) etag: Option<String>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) allow: Option<String>,
    /// Where the new object is.
    pub(super) location: Option<String>,
    /// Which preference was followed.
    pub(super) preference_applied: Option<&'static str>,
}

/// The body of a reply.
#[derive(Debug)]
pub(super) enum ReplyContent {
    Empty,
    Json(Value),
    Text(String),
}

impl Reply {
    /// A refusal or failure.
    pub(super) fn of_error(error: &GraphError, envelope: &Envelope) -> Self {
        Self {
            status: error.status,
            content: ReplyContent::Json(error.body(envelope)),
            etag: None,
            retry_after_s: error.retry_after_s,
            allow: error.allow.clone(),
            location: None,
            preference_applied: None,
        }
    }
}

/// Answers a request of a known caller. Refusals for want of rights are noted in the audit trail.
pub(super) async fn dispatch(
    identity: &Identity,
    caller: Caller,
    request: Request,
) -> Result<Reply, GraphError> {
    if let Some(id) = caller.object_id()
        && let Some(wait_s) = identity.0.graph_throttle.take(id, identity.0.clock.now_ms())
    {
        return Err(GraphError::throttled(wait_s));
    }
    let actor = caller.actor();
    let target = format!("{} {}", request.method, request.path);
    let (source, correlation) = (request.context.client_address, request.context.correlation);
    let result = answer(identity, caller, request).await;
    if let Err(error) = &result
        && error.status == StatusCode::FORBIDDEN
    {
        let mut event =
            Event::new(Action::AccessRefused, Outcome::Refused, actor).of_request(source, correlation);
        event.target = Some(target);
        event.detail = Some(error.message.clone());
        identity.note(event).await.map_err(|_| GraphError::unavailable())?;
    }
    result
}

async fn answer(identity: &Identity, caller: Caller, request: Request) -> Result<Reply, GraphError> {
    let mut segments = path::parse(&request.path)?;
    let counted = request.method == Method::GET
        && segments.len() > 1
        && matches!(segments.last(), Some(Segment::Word(word)) if word.eq_ignore_ascii_case("$count"));
    if counted {
        segments.pop();
    }
    let (operation, keys) = find(request.surface, &request.method, &segments)?;
    let reach = operation.access.reach(&caller).map_err(|denied| match denied {
        Denied::NeedsUser => {
            GraphError::bad_request("/me request is only valid with delegated authentication flow.")
        }
        Denied::Privileges => GraphError::forbidden(),
    })?;
    if request.surface == Surface::Graph && operation.path != super::batch::PATH {
        request.body.binds_only(operation.bindable())?;
    }
    let mut options = match request.surface {
        Surface::Graph => Options::parse(&request.query)?,
        Surface::Arm => Options::unread(&request.query)?,
    };
    if counted {
        options.count = true;
        options.top = Some(1);
        options.select.clear();
    }
    let prefers = |wanted: &str| {
        request.prefer.as_deref().is_some_and(|prefer| {
            prefer.split([',', ';']).any(|preference| preference.trim().eq_ignore_ascii_case(wanted))
        })
    };
    let return_representation = prefers("return=representation");
    let requested =
        Requested { correlation: request.context.correlation, address: request.context.client_address };
    let call = Call {
        identity: identity.acting(caller.holder()).requested(requested),
        actor: caller.actor(),
        caller,
        reach,
        keys,
        options: options.clone(),
        body: request.body.clone(),
        if_match: request.if_match.clone(),
        return_representation,
        create_if_missing: prefers("create-if-missing"),
        base: request.base.clone(),
        envelope: request.envelope.clone(),
        context: request.context.clone(),
    };
    let answer = (operation.handler)(call).await?;
    let mut reply = if counted { count_of(answer)? } else { render(identity, answer, &request, &options)? };
    if matches!(request.method, Method::PATCH | Method::POST | Method::PUT) {
        let minimal = prefers("return=minimal");
        reply.preference_applied = match (return_representation, minimal) {
            (true, _) if reply.status == StatusCode::OK => Some("return=representation"),
            (false, true) if reply.status == StatusCode::NO_CONTENT => Some("return=minimal"),
            _ => None,
        };
    }
    Ok(reply)
}

/// Whether there is an operation for a path and method: asked before a body is looked at.
pub(super) fn ensure_operation(surface: Surface, method: &Method, path: &str) -> Result<(), GraphError> {
    find(surface, method, &path::parse(path)?).map(drop)
}

/// The operation for a path and method.
fn find(
    surface: Surface,
    method: &Method,
    segments: &[Segment],
) -> Result<(&'static Operation, Keys), GraphError> {
    // Change tracking is not offered. Taken for an ID, the word would be said not to exist.
    if surface == Surface::Graph
        && let [_, .., Segment::Word(last)] = segments
        && last.rsplit('.').next().is_some_and(|word| word.eq_ignore_ascii_case("delta"))
    {
        return Err(GraphError::no_segment(last));
    }
    let fitting: Vec<(&'static Operation, Keys)> = surface
        .operations()
        .filter_map(|operation| Some((operation, path::matches(operation.path, segments)?)))
        .collect();
    let Some(best) = fitting.iter().map(|(operation, _)| path::exactness(operation.path)).max() else {
        return Err(GraphError::no_segment(&unknown_segment(surface, segments)));
    };
    let mut fitting: Vec<_> =
        fitting.into_iter().filter(|(operation, _)| path::exactness(operation.path) == best).collect();
    if let Some(index) = fitting.iter().position(|(operation, _)| operation.method == *method) {
        return Ok(fitting.swap_remove(index));
    }
    let mut methods: Vec<&str> = fitting.iter().map(|(operation, _)| operation.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    Err(GraphError::method(methods.join(", ")))
}

/// The first segment with which no operation's path goes on.
fn unknown_segment(surface: Surface, segments: &[Segment]) -> String {
    let known = (1..=segments.len())
        .take_while(|length| {
            let start = segments.get(..*length).unwrap_or_default();
            surface.operations().any(|operation| path::starts(operation.path, start))
        })
        .count();
    match segments.get(known).or(segments.last()) {
        Some(Segment::Word(word)) => word.clone(),
        Some(Segment::Key(key)) => key.value().to_owned(),
        None => String::new(),
    }
}

fn count_of(answer: Answer) -> Result<Reply, GraphError> {
    let Content::Page(Page { total: Some(total), .. }) = answer.content else {
        return Err(GraphError::no_segment("$count"));
    };
    Ok(reply(answer.status, ReplyContent::Text(total.to_string())))
}

const fn reply(status: StatusCode, content: ReplyContent) -> Reply {
    Reply {
        status,
        content,
        etag: None,
        retry_after_s: None,
        allow: None,
        location: None,
        preference_applied: None,
    }
}

fn render(
    identity: &Identity,
    answer: Answer,
    request: &Request,
    options: &Options,
) -> Result<Reply, GraphError> {
    let mut location = None;
    let etag = answer.version.map(|version| format!("W/\"{version}\""));
    let content = match answer.content {
        Content::Empty => ReplyContent::Empty,
        Content::Text(text) => ReplyContent::Text(text),
        Content::Bare(value) => ReplyContent::Json(value),
        Content::Object(value) => {
            if answer.status == StatusCode::CREATED {
                let id = value.get("id").and_then(Value::as_str);
                location = id.map(|id| format!("{}{}/{id}", request.base, request.path));
            }
            let mut object = selected(value, &options.select)?;
            if let Value::Object(members) = &mut object
                && request.surface == Surface::Graph
            {
                let context = context(&request.base, answer.context, &options.select);
                members.insert("@odata.context".to_owned(), context.into());
                if let Some(etag) = &etag {
                    members.insert("@odata.etag".to_owned(), etag.as_str().into());
                }
            }
            ReplyContent::Json(object)
        }
        Content::Page(page) => ReplyContent::Json(list(identity, page, answer.context, (request, options))?),
    };
    Ok(Reply { etag, location, ..reply(answer.status, content) })
}

fn list(
    identity: &Identity,
    page: Page<Value>,
    noun: &'static str,
    (request, options): (&Request, &Options),
) -> Result<Value, GraphError> {
    let mut body = Map::new();
    if request.surface == Surface::Graph {
        body.insert("@odata.context".to_owned(), context(&request.base, noun, &options.select).into());
    }
    if let Some(total) = page.total.filter(|_| options.count) {
        body.insert("@odata.count".to_owned(), total.into());
    }
    if let Some(next) = &page.next {
        let token = identity.0.cursor_key.seal(next);
        let link = format!("{}{}?{}", request.base, request.path, options.next(&token));
        let name = match request.surface {
            Surface::Graph => "@odata.nextLink",
            Surface::Arm => "nextLink",
        };
        body.insert(name.to_owned(), link.into());
    }
    let items: Vec<Value> =
        page.items.into_iter().map(|item| selected(item, &options.select)).collect::<Result<_, _>>()?;
    body.insert("value".to_owned(), items.into());
    Ok(Value::Object(body))
}

/// `HOST/v1.0/$metadata#applications(id,displayName)/$entity`.
fn context(base: &str, noun: &str, select: &[String]) -> String {
    let (noun, entity) = match noun.strip_suffix("/$entity") {
        Some(noun) => (noun, "/$entity"),
        None => (noun, ""),
    };
    match select {
        [] => format!("{base}/$metadata#{noun}{entity}"),
        names => format!("{base}/$metadata#{noun}({}){entity}", names.join(",")),
    }
}

/// The members that `$select` names, in the object's own spelling, and annotations.
fn selected(value: Value, select: &[String]) -> Result<Value, GraphError> {
    let Value::Object(members) = value else { return Ok(value) };
    if select.is_empty() || select.iter().any(|name| name == "*") {
        return Ok(Value::Object(members));
    }
    let outer = |name: &str| name.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let wanted: Vec<String> = select.iter().map(|name| outer(name)).collect();
    let known: Vec<String> = members.keys().map(|name| name.to_ascii_lowercase()).collect();
    // Objects of several kinds in one list say which they are; what one lacks another may have.
    let among_others = members.contains_key("@odata.type");
    if let Some(unknown) = select.iter().find(|name| !among_others && !known.contains(&outer(name))) {
        return Err(GraphError::bad_request(format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{unknown}'."
        )));
    }
    let chosen = members
        .into_iter()
        .filter(|(name, _)| name.starts_with('@') || wanted.contains(&name.to_ascii_lowercase()));
    Ok(Value::Object(chosen.collect()))
}

/// Answers a local caller.
pub(super) async fn operate(
    identity: &Identity,
    method: Method,
    target: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let version = ["/v1.0/", "/beta/"].into_iter().find(|version| path.starts_with(version));
    let path = version.and_then(|version| path.get(version.len() - 1..)).unwrap_or(path);
    let arm = ["/subscriptions/", "/providers/"].iter().any(|prefix| path.starts_with(prefix));
    let correlation = identity.0.random.uuid();
    let id = correlation.to_string();
    let envelope = Envelope {
        date: identity.0.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        request_id: id.clone(),
        client_request_id: id,
    };
    let result = async {
        let request = Request {
            surface: if arm { Surface::Arm } else { Surface::Graph },
            method,
            base: if arm { identity.0.origin.to_string() } else { format!("{}/v1.0", identity.0.origin) },
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.map(Body::of).transpose()?.unwrap_or_default(),
            if_match: None,
            envelope: envelope.clone(),
            context: RequestContext {
                correlation: CorrelationId::new(correlation),
                ..RequestContext::default()
            },
            prefer: None,
        };
        dispatch(identity, Caller::Operator, request).await
    };
    let reply = result.await.unwrap_or_else(|error| {
        if let Some(source) = &error.source {
            tracing::error!(error = source.as_ref() as &dyn std::error::Error, "a local operation failed");
        }
        Reply::of_error(&error, &envelope)
    });
    let value = match reply.content {
        ReplyContent::Empty => Value::Null,
        ReplyContent::Json(value) => value,
        ReplyContent::Text(text) => Value::String(text),
    };
    (reply.status, value)
}
