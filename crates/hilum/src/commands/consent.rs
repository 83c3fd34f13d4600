//! Grants by way of Graph: delegated permissions, application permissions, and both for all that a registration asks.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Failure,
    directory::{DirectoryClient, items, quoted, text, with_query},
    find,
};

/// Grants delegated permissions to a client on a resource, in addition to those that are granted already.
pub(crate) async fn grant_scopes(
    client: &DirectoryClient,
    (client_id, resource_id): (&str, &str),
    principal: Option<&str>,
    scopes: &[String],
) -> Result<Value, Failure> {
    let filter = format!("clientId eq {}", quoted(client_id));
    let path = with_query("/v1.0/oauth2PermissionGrants", &[("$filter", Some(filter))]);
    let present = client.list(&path, None).await?.into_iter().find(|grant| {
        text(grant, "resourceId") == resource_id
            && grant.get("principalId").and_then(Value::as_str) == principal
    });
    let Some(mut present) = present else {
        let mut body = json!({
            "clientId": client_id,
            "consentType": if principal.is_some() { "Principal" } else { "AllPrincipals" },
            "resourceId": resource_id,
            "scope": scopes.join(" "),
        });
        if let (Some(principal), Some(members)) = (principal, body.as_object_mut()) {
            members.insert("principalId".to_owned(), principal.into());
        }
        return client.post("/v1.0/oauth2PermissionGrants", body).await;
    };
    let mut all: Vec<&str> = text(&present, "scope").split_whitespace().collect();
    let before = all.len();
    for scope in scopes {
        if !all.contains(&scope.as_str()) {
            all.push(scope);
        }
    }
    if all.len() > before {
        let all = all.join(" ");
        let path = format!("/v1.0/oauth2PermissionGrants/{}", text(&present, "id"));
        client.patch(&path, json!({"scope": all})).await?;
        if let Some(scope) = present.get_mut("scope") {
            *scope = all.into();
        }
    }
    Ok(present)
}

/// Grants everything that a registration asks for. It may be repeated.
pub(crate) async fn grant_all(client: &DirectoryClient, id: &str) -> Result<(), Failure> {
    let application = find::application(client, id).await?;
    let principal = find::service_principal(client, text(&application, "appId")).await?;
    let client_id = text(&principal, "id");
    for required in items(&application, "requiredResourceAccess") {
        let resource = find::service_principal(client, text(&required, "resourceAppId")).await?;
        let asked = items(&required, "resourceAccess");
        let ids = |kind: &str| {
            asked
                .iter()
                .filter(|one| text(one, "type") == kind)
                .map(|one| text(one, "id"))
                .collect::<Vec<_>>()
        };
        let scopes = scope_values(&resource, &ids("Scope"))?;
        if !scopes.is_empty() {
            grant_scopes(client, (client_id, text(&resource, "id")), None, &scopes).await?;
        }
        grant_roles(client, client_id, text(&resource, "id"), &ids("Role")).await?;
    }
    Ok(())
}

fn scope_values(resource: &Value, ids: &[&str]) -> Result<Vec<String>, Failure> {
    let known = items(resource, "oauth2PermissionScopes");
    let value = |id: &&str| {
        let scope = known.iter().find(|scope| text(scope, "id").eq_ignore_ascii_case(id));
        scope.map(|scope| text(scope, "value").to_owned()).ok_or_else(|| {
            Failure::Error(format!(
                "{} has no delegated permission {id}: remove it with `hilum app permission delete`",
                text(resource, "displayName")
            ))
        })
    };
    ids.iter().map(value).collect()
}

async fn grant_roles(
    client: &DirectoryClient,
    principal: &str,
    resource: &str,
    roles: &[&str],
) -> Result<(), Failure> {
    if roles.is_empty() {
        return Ok(());
    }
    let path = format!("/v1.0/servicePrincipals/{principal}/appRoleAssignments");
    let present = client.list(&path, None).await?;
    for role in roles {
        let granted = present.iter().any(|one| {
            text(one, "resourceId") == resource && text(one, "appRoleId").eq_ignore_ascii_case(role)
        });
        if !granted {
            let body = json!({"principalId": principal, "resourceId": resource, "appRoleId": role});
            client.call(Method::POST, &path, Some(body)).await?;
        }
    }
    Ok(())
}
