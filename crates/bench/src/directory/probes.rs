//! What is asked of the filled directory: pages of a hundred, single objects, creations.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    load::{Request, Target},
    server::Server,
};

const JSON: &str = "application/json";
/// Milliseconds at the 99th percentile.
const LIST_MS: f64 = 20.0;
const GET_MS: f64 = 2.0;
const CREATE_MS: f64 = 10.0;
/// Pages between the first and the deep one.
const DEPTH: usize = 60;

/// One kind of request.
pub(super) struct Probe {
    /// What the table says.
    pub(super) title: &'static str,
    /// What the 99th percentile must not exceed.
    pub(super) goal_ms: Option<f64>,
    /// The n-th request.
    pub(super) request: Box<dyn Fn(u64) -> Request + Sync>,
}

/// The objects that single requests ask for.
struct Found {
    applications: Vec<Value>,
    users: Vec<Value>,
    groups: Vec<Value>,
    principals: Vec<Value>,
    deep: [String; 3],
}

/// All of them. Looks around in the directory first.
pub(super) fn all(server: &Server, guide: &Target) -> Result<Vec<Probe>> {
    let walk = |path: &str| walk(server, guide, path);
    let (applications, deep_applications) = walk("/v1.0/applications?$top=100")?;
    let (users, deep_users) = walk("/v1.0/users?$top=100")?;
    let (groups, deep_groups) = walk("/v1.0/groups?$top=100")?;
    let (principals, _) = walk("/v1.0/servicePrincipals?$top=100")?;
    let deep = [deep_applications, deep_users, deep_groups];
    let found = Found { applications, users, groups, principals, deep };
    let mut probes = lists(&found);
    probes.extend(gets(found));
    probes.extend(creations());
    Ok(probes)
}

/// Follows the pages for a while; gives the objects seen and the path of the last page.
fn walk(server: &Server, guide: &Target, path: &str) -> Result<(Vec<Value>, String)> {
    let (mut path, mut seen) = (path.to_owned(), Vec::new());
    for _ in 0..DEPTH {
        let answer = server.fetch_as(guide, Request::get(path.clone(), JSON))?;
        ensure!(answer.status == StatusCode::OK, "{path}: {}: {}", answer.status, answer.excerpt());
        let mut page: Value = serde_json::from_slice(&answer.body)?;
        if let Some(Value::Array(items)) = page.get_mut("value").map(Value::take) {
            seen.extend(items);
        }
        let Some(next) = page.get("@odata.nextLink").and_then(Value::as_str) else { break };
        let at = next.find("/v1.0/").with_context(|| format!("{next} is no link of the API"))?;
        next.get(at..).unwrap_or_default().clone_into(&mut path);
    }
    ensure!(!seen.is_empty(), "{path} lists nothing");
    Ok((seen, path))
}

fn list(title: &'static str, path: impl Into<String>) -> Probe {
    let path = path.into();
    Probe { title, goal_ms: Some(LIST_MS), request: Box::new(move |_| Request::get(path.clone(), JSON)) }
}

fn lists(found: &Found) -> Vec<Probe> {
    let [applications, users, groups] = found.deep.clone();
    let group = text(found.groups.first(), "id");
    vec![
        list("applications: first page", "/v1.0/applications?$top=100"),
        list("applications: a deep page", applications),
        list(
            "applications: startswith",
            "/v1.0/applications?$top=100&$filter=startswith(displayName,'Application%20005')",
        ),
        list(
            "applications: count, ordered",
            "/v1.0/applications?$top=100&$count=true&$orderby=displayName%20desc",
        ),
        list("applications: tag", "/v1.0/applications?$top=100&$filter=tags/any(t:t%20eq%20'site-7')"),
        list("servicePrincipals: first page", "/v1.0/servicePrincipals?$top=100"),
        list("users: first page", "/v1.0/users?$top=100"),
        list("users: a deep page", users),
        list("users: startswith", "/v1.0/users?$top=100&$filter=startswith(displayName,'User%2005')"),
        list("users: department", "/v1.0/users?$top=100&$filter=department%20eq%20'Department%2042'"),
        list("users: search", "/v1.0/users?$top=100&$search=%22displayName:User%200512%22"),
        list("users: count, ordered", "/v1.0/users?$top=100&$count=true&$orderby=userPrincipalName"),
        list("groups: first page", "/v1.0/groups?$top=100"),
        list("groups: a deep page", groups),
        list("groups: startswith", "/v1.0/groups?$top=100&$filter=startswith(displayName,'Group%2000')"),
        list("groups: members", format!("/v1.0/groups/{group}/members?$top=100")),
        list("groups: transitive members", format!("/v1.0/groups/{group}/transitiveMembers?$top=100")),
    ]
}

fn get(title: &'static str, paths: Vec<String>) -> Probe {
    let request = move |n: u64| {
        let count = u64::try_from(paths.len()).unwrap_or(1).max(1);
        // Scattered, so that neighbours in the index are not neighbours in time.
        let at = usize::try_from(n.wrapping_mul(0x9E37_79B9) % count).unwrap_or_default();
        Request::get(paths.get(at).cloned().unwrap_or_default(), JSON)
    };
    Probe { title, goal_ms: Some(GET_MS), request: Box::new(request) }
}

fn gets(found: Found) -> Vec<Probe> {
    let paths = |items: &[Value], member: &str, path: &dyn Fn(&str) -> String| {
        items.iter().map(|item| path(&text(Some(item), member))).collect::<Vec<_>>()
    };
    let Found { applications, users, groups, principals, .. } = found;
    vec![
        get("application by id", paths(&applications, "id", &|id| format!("/v1.0/applications/{id}"))),
        get(
            "application by appId",
            paths(&applications, "appId", &|id| format!("/v1.0/applications(appId='{id}')")),
        ),
        get(
            "service principal by id",
            paths(&principals, "id", &|id| format!("/v1.0/servicePrincipals/{id}")),
        ),
        get("user by id", paths(&users, "id", &|id| format!("/v1.0/users/{id}"))),
        get("user by name", paths(&users, "userPrincipalName", &|name| format!("/v1.0/users/{name}"))),
        get("group by id", paths(&groups, "id", &|id| format!("/v1.0/groups/{id}"))),
    ]
}

fn text(item: Option<&Value>, member: &str) -> String {
    item.and_then(|item| item.get(member)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn creation(
    title: &'static str,
    path: &'static str,
    goal_ms: Option<f64>,
    body: impl Fn(u64) -> Value + Sync + 'static,
) -> Probe {
    let request = move |n| {
        let body = Bytes::from(body(n).to_string());
        Request::post(path.to_owned(), JSON, JSON, vec![body]).expecting(StatusCode::CREATED)
    };
    Probe { title, goal_ms, request: Box::new(request) }
}

fn creations() -> Vec<Probe> {
    // A directory that was filled before has what earlier runs created.
    let run = std::process::id();
    vec![
        creation("create an application", "/v1.0/applications", Some(CREATE_MS), move |n| {
            json!({
                "displayName": format!("Created {run} {n}"),
                "web": { "redirectUris": [format!("https://created-{n}.bench.example/callback")] },
            })
        }),
        creation("create a group", "/v1.0/groups", Some(CREATE_MS), move |n| {
            json!({
                "displayName": format!("Created {run} {n}"), "mailEnabled": false, "securityEnabled": true,
                "mailNickname": format!("created-{run}-{n}"),
            })
        }),
        // A password costs its hash, on purpose: no goal.
        creation("create a user with a password", "/v1.0/users", None, move |n| {
            json!({
                "accountEnabled": true,
                "displayName": format!("Created {run} {n}"),
                "mailNickname": format!("created-{run}-{n}"),
                "userPrincipalName": format!("created-{run}-{n}@bench.example"),
                "passwordProfile": { "password": "a long enough password 7" },
            })
        }),
    ]
}
