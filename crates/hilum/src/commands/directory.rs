//! The directory as commands see it: Graph's operations by method, path and body. Here they run in the process, as the
//! operator; elsewhere they travel over HTTPS with the signed-in account's token. Both give the same JSON.

use std::time::Duration;

use hilum_identity::{Identity, Tenant};
use hilum_kernel::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Map, Value};

use super::Failure;
use crate::{client, session::Account};

/// The longest list that a command collects.
const LIST_MAX: usize = 1_000_000;
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A throttled request is sent again this often, after the time that the server names.
const TRIES_MAX: u32 = 4;
const PAUSE_SECONDS_MAX: u64 = 30;

/// RFC 3986 §2.3: unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The directory, here or elsewhere.
pub(crate) enum DirectoryClient {
    Here(Box<Here>),
    Remote(Remote),
}

/// The store of the data directory.
pub(crate) struct Here {
    identity: Identity,
    tenant_id: String,
}

/// A server, and the token for it.
pub(crate) struct Remote {
    http: Client,
    server: String,
    tenant_id: String,
    token: Secret<String>,
}

/// An answer of the directory.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Remote {
    pub(crate) fn new(http: Client, account: &Account, token: Secret<String>) -> Self {
        Self { http, server: account.server.clone(), tenant_id: account.tenant_id.clone(), token }
    }
}

impl DirectoryClient {
    pub(crate) fn local(identity: Identity, tenant: &Tenant) -> Self {
        let here = Here { identity, tenant_id: tenant.id.to_string() };
        Self::Here(Box::new(here))
    }

    pub(crate) fn tenant_id(&self) -> &str {
        match self {
            Self::Here(here) => &here.tenant_id,
            Self::Remote(remote) => &remote.tenant_id,
        }
    }

    /// The server, when the directory is not here.
    pub(crate) fn server(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::Remote(remote) => Some(&remote.server),
        }
    }

    /// One request. `path` begins with `/v1.0/`, or is one of Azure Resource Manager's; it is percent-encoded already.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Reply, Failure> {
        match self {
            Self::Here(here) => {
                let (status, body) = here.identity.graph().operate(method, path, body).await;
                Ok(Reply { status, body })
            }
            Self::Remote(remote) => remote.send(method, path, body).await,
        }
    }

    /// One request that must succeed.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let reply = self.send(method, path, body).await?;
        if reply.status.is_success() { Ok(reply.body) } else { Err(reply.failure()) }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// The object, or nothing where there is none.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.get(path).await {
            Ok(object) => Ok(Some(object)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<(), Failure> {
        self.call(Method::PATCH, path, Some(body)).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    /// A list, page after page. With `limit`, no more than that.
    pub(crate) async fn list(&self, path: &str, limit: Option<usize>) -> Result<Vec<Value>, Failure> {
        let most = limit.unwrap_or(LIST_MAX).min(LIST_MAX);
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.get(&path).await?;
            let Some(Value::Array(values)) = page.get_mut("value").map(Value::take) else {
                return Err(Failure::Error(format!("the answer to {path} is no list")));
            };
            let empty = values.is_empty();
            items.extend(values);
            let link = page.get("@odata.nextLink").or_else(|| page.get("nextLink")).and_then(Value::as_str);
            next = match link {
                Some(link) if items.len() < most && !empty => Some(path_of(link)?),
                _ => None,
            };
        }
        items.truncate(most);
        Ok(items)
    }
}

impl Remote {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, Failure> {
        let mut tries = 1;
        loop {
            let url = format!("{}{path}", self.server);
            let mut request = self.http.request(method.clone(), &url).bearer_auth(self.token.expose());
            if let Some(body) = &body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| {
                Failure::Error(format!("cannot reach {} ({})", self.server, client::cause(&error)))
            })?;
            let status = response.status();
            // Both say that nothing was done.
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if busy && tries < TRIES_MAX {
                let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let pause = header.and_then(|text| text.parse().ok()).unwrap_or(1);
                tokio::time::sleep(Duration::from_secs(pause.clamp(1, PAUSE_SECONDS_MAX))).await;
                tries += 1;
                continue;
            }
            let bytes = client::body(response, ANSWER_BYTES_MAX).await?;
            let body = match bytes.as_slice() {
                [] => Value::Null,
                bytes => serde_json::from_slice(bytes)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned())),
            };
            return Ok(Reply { status, body });
        }
    }
}

impl Reply {
    /// Graph's and Azure Resource Manager's errors have the same shape.
    pub(crate) fn failure(&self) -> Failure {
        let member = |name: &str| self.body.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        let text = match (member("message"), member("code")) {
            (Some(message), _) if !message.is_empty() => message.to_owned(),
            (_, Some(code)) => code.to_owned(),
            _ => format!("the server answered {}", self.status),
        };
        match self.status {
            StatusCode::NOT_FOUND => Failure::NotFound(text),
            StatusCode::UNAUTHORIZED => {
                Failure::Error(format!("{text} (run `hilum login` to sign in again)"))
            }
            _ => Failure::Error(text),
        }
    }
}

/// Path and query of an absolute link. The link's host is not asked: the request goes where all others go.
fn path_of(link: &str) -> Result<String, Failure> {
    let url = reqwest::Url::parse(link)
        .map_err(|_| Failure::Error("the server's link to the next page is no URL".to_owned()))?;
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A path with a query; options without value are left out.
pub(crate) fn with_query(path: &str, options: &[(&str, Option<String>)]) -> String {
    let pairs: Vec<String> = options
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_ref()?))))
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A text inside an OData filter.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Several conditions that must all hold.
pub(crate) fn all_of(conditions: Vec<String>) -> Option<String> {
    match conditions.len() {
        0 => None,
        1 => conditions.into_iter().next(),
        _ => Some(conditions.into_iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" and ")),
    }
}

/// An object as commands print it: without OData's annotations, with the `objectId` twin of `id` that scripts from the
/// Azure AD Graph era read.
pub(crate) fn shown(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|name, _| !name.starts_with("@odata.") || name == "@odata.type");
        let id = members.get("id").filter(|_| is_object(members)).cloned();
        if let Some(id) = id {
            members.insert("objectId".to_owned(), id);
        }
    }
    object
}

/// Applications, service principals, users and groups have twins; grants and assignments never had.
fn is_object(members: &Map<String, Value>) -> bool {
    ["displayName", "userPrincipalName"].iter().any(|name| members.contains_key(*name))
}

/// A list as commands print it.
pub(crate) fn all_shown(objects: Vec<Value>) -> Value {
    objects.into_iter().map(shown).collect()
}

/// A member that is a text.
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is a list.
pub(crate) fn items(object: &Value, member: &str) -> Vec<Value> {
    object.get(member).and_then(Value::as_array).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_encoded() {
        let filter = format!("displayName eq {}", quoted("O'Neil & söhne"));
        assert_eq!(
            with_query("/v1.0/users", &[("$filter", Some(filter)), ("$top", None)]),
            "/v1.0/users?$filter=displayName%20eq%20%27O%27%27Neil%20%26%20s%C3%B6hne%27"
        );
        assert_eq!(with_query("/x", &[("a", None)]), "/x");
        assert_eq!(segment("ada@contoso.local/x"), "ada%40contoso.local%2Fx");
    }

    #[test]
    fn links_to_other_hosts_lead_home() {
        assert_eq!(
            path_of("https://evil.example/v1.0/users?$skiptoken=a%2B").unwrap(),
            "/v1.0/users?$skiptoken=a%2B"
        );
        assert!(path_of("/v1.0").is_err());
    }

    #[test]
    fn objects_have_twins_and_no_annotations() {
        let object = json!({"@odata.context": "c", "@odata.type": "t", "displayName": "n", "id": "1"});
        assert_eq!(
            shown(object),
            json!({"@odata.type": "t", "displayName": "n", "id": "1", "objectId": "1"})
        );
        assert_eq!(shown(json!({"id": "1", "scope": "s"})), json!({"id": "1", "scope": "s"}));
    }

    #[test]
    fn failures_say_what_the_server_said() {
        let reply = |status, body| Reply { status, body }.failure();
        let graph = json!({"error": {"code": "Request_ResourceNotFound", "message": "no such thing"}});
        let not_found = reply(StatusCode::NOT_FOUND, graph);
        assert_eq!((not_found.exit_code(), not_found.to_string().as_str()), (3, "No such thing"));
        assert_eq!(reply(StatusCode::BAD_GATEWAY, Value::Null).exit_code(), 1);
    }
}
