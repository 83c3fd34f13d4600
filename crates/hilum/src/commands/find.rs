//! Which object a name on the command line means, found as `az` finds it (sheet §5.5, §6).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Failure,
    directory::{DirectoryClient, items, quoted, segment, text, with_query},
};

/// An application by appId, object ID or identifier URI.
pub(crate) async fn application(client: &DirectoryClient, id: &str) -> Result<Value, Failure> {
    let gone = || Failure::NotFound(format!("application '{id}' does not exist"));
    if Uuid::try_parse(id).is_ok() {
        let by_app_id = format!("/v1.0/applications(appId={})", quoted(id));
        return match client.find(&by_app_id).await? {
            Some(found) => Ok(found),
            None => client.find(&format!("/v1.0/applications/{id}")).await?.ok_or_else(gone),
        };
    }
    let filter = format!("identifierUris/any(s:s eq {})", quoted(id));
    one(client, "/v1.0/applications", filter).await?.ok_or_else(gone)
}

/// The path of an application.
pub(crate) async fn application_path(client: &DirectoryClient, id: &str) -> Result<String, Failure> {
    let found = application(client, id).await?;
    Ok(format!("/v1.0/applications/{}", text(&found, "id")))
}

/// A service principal by object ID, appId or any of its names.
pub(crate) async fn service_principal(client: &DirectoryClient, id: &str) -> Result<Value, Failure> {
    service_principal_if_any(client, id)
        .await?
        .ok_or_else(|| Failure::NotFound(format!("service principal '{id}' does not exist")))
}

pub(crate) async fn service_principal_if_any(
    client: &DirectoryClient,
    id: &str,
) -> Result<Option<Value>, Failure> {
    if Uuid::try_parse(id).is_ok() {
        let by_app_id = format!("/v1.0/servicePrincipals(appId={})", quoted(id));
        return match client.find(&by_app_id).await? {
            Some(found) => Ok(Some(found)),
            None => client.find(&format!("/v1.0/servicePrincipals/{id}")).await,
        };
    }
    let filter = format!("servicePrincipalNames/any(c:c eq {})", quoted(id));
    one(client, "/v1.0/servicePrincipals", filter).await
}

/// A user by object ID or user principal name.
pub(crate) async fn user(client: &DirectoryClient, id: &str) -> Result<Value, Failure> {
    let found = client.find(&user_path(id)).await?;
    found.ok_or_else(|| Failure::NotFound(format!("user '{id}' does not exist")))
}

pub(crate) fn user_path(id: &str) -> String {
    format!("/v1.0/users/{}", segment(id))
}

/// A group by object ID, display name, or the beginning of one where only one group begins so.
pub(crate) async fn group(client: &DirectoryClient, id: &str) -> Result<Value, Failure> {
    let gone = || Failure::NotFound(format!("group '{id}' does not exist"));
    if Uuid::try_parse(id).is_ok() {
        return client.find(&format!("/v1.0/groups/{id}")).await?.ok_or_else(gone);
    }
    let exact = format!("displayName eq {}", quoted(id));
    if let Some(found) = one(client, "/v1.0/groups", exact).await? {
        return Ok(found);
    }
    let prefix = format!("startswith(displayName,{})", quoted(id));
    one(client, "/v1.0/groups", prefix).await?.ok_or_else(gone)
}

pub(crate) async fn group_path(client: &DirectoryClient, id: &str) -> Result<String, Failure> {
    let found = group(client, id).await?;
    Ok(format!("/v1.0/groups/{}", text(&found, "id")))
}

/// Whoever can have a role: a user by name or ID, a service principal by any name, a group by ID.
pub(crate) async fn principal(client: &DirectoryClient, id: &str) -> Result<(String, &'static str), Failure> {
    if id.contains('@') {
        return Ok((text(&user(client, id).await?, "id").to_owned(), "User"));
    }
    if let Some(found) = service_principal_if_any(client, id).await? {
        return Ok((text(&found, "id").to_owned(), "ServicePrincipal"));
    }
    let found =
        if Uuid::try_parse(id).is_ok() { by_ids(client, &[id.to_owned()]).await? } else { Vec::new() };
    let kind = found.first().and_then(|object| kind(object));
    match kind {
        Some(kind) => Ok((id.to_owned(), kind)),
        None => Err(Failure::NotFound(format!("no user, group or service principal is named '{id}'"))),
    }
}

/// What kind of principal an object is.
pub(crate) fn kind(object: &Value) -> Option<&'static str> {
    match text(object, "@odata.type") {
        "#microsoft.graph.user" => Some("User"),
        "#microsoft.graph.group" => Some("Group"),
        "#microsoft.graph.servicePrincipal" => Some("ServicePrincipal"),
        _ => None,
    }
}

/// Objects by their IDs; those that do not exist are left out.
pub(crate) async fn by_ids(client: &DirectoryClient, ids: &[String]) -> Result<Vec<Value>, Failure> {
    /// Graph takes so many at a time.
    const IDS_MAX: usize = 1000;
    let mut found = Vec::new();
    for some in ids.chunks(IDS_MAX) {
        let answer = client.post("/v1.0/directoryObjects/getByIds", json!({"ids": some})).await?;
        found.extend(items(&answer, "value"));
    }
    Ok(found)
}

/// The one object that a filter finds.
async fn one(client: &DirectoryClient, path: &str, filter: String) -> Result<Option<Value>, Failure> {
    let options = [("$filter", Some(filter)), ("$top", Some("2".to_owned()))];
    let mut found = client.list(&with_query(path, &options), Some(2)).await?;
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.pop()),
        _ => Err(Failure::Error("more than one object has this name: name it by its object ID".to_owned())),
    }
}
