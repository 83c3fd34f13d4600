//! The API's OpenAPI 3.1 document, made of the table: what is in the one is in the other.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Operation, Surface, access::Owned};

/// The document for the server at `origin` (`https://HOST`).
pub fn openapi(origin: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (surface, prefix) in [(Surface::Graph, "/v1.0"), (Surface::Arm, "")] {
        for operation in surface.operations() {
            let entry = paths
                .entry(format!("{prefix}{}", operation.path.replace("{*", "{")))
                .or_insert_with(|| json!({}));
            if let Value::Object(methods) = entry {
                methods.insert(operation.method.as_str().to_ascii_lowercase(), describe(operation));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hilum directory",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Applications, service principals, users, groups, roles and grants, as Microsoft Graph offers \
                            them. Everything below /v1.0 is also below /beta. A key may be written as a segment or in \
                            parentheses: /applications/{id}, /applications(appId='…')."
        },
        "servers": [{ "url": origin }],
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token of this server for https://graph.microsoft.com or the server's own origin."
            } },
            "schemas": { "Error": {
                "type": "object",
                "properties": { "error": { "type": "object", "properties": {
                    "code": { "type": "string" },
                    "message": { "type": "string" },
                    "innerError": { "type": "object", "properties": {
                        "date": { "type": "string" },
                        "request-id": { "type": "string", "format": "uuid" },
                        "client-request-id": { "type": "string", "format": "uuid" }
                    } }
                } } }
            } }
        },
        "paths": paths
    })
}

fn describe(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = keys(operation.path).map(key).collect();
    let is_list = operation.method == Method::GET && !operation.path.ends_with('}');
    if operation.method == Method::GET {
        parameters.push(option("$select", "The members to give, separated by commas."));
    }
    if is_list {
        for (name, description) in [
            (
                "$filter",
                "Which items: eq, ne, lt, le, gt, ge, in, and, or, not, startsWith, endsWith, contains, any.",
            ),
            ("$search", "Words in names: \"displayName:words\"."),
            ("$orderby", "The property to order by, with desc behind it for the other direction."),
            ("$top", "How many items on a page, 1 to 999; 100 if absent."),
            ("$count", "true: count all items."),
            ("$skiptoken", "Where the page starts: only as it stands in @odata.nextLink."),
        ] {
            parameters.push(option(name, description));
        }
    }
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "description": permissions(operation),
        "parameters": parameters,
        "responses": responses(&operation.method)
    });
    if matches!(operation.method, Method::POST | Method::PATCH | Method::PUT)
        && let Value::Object(members) = &mut described
    {
        let body = json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
        members.insert("requestBody".to_owned(), body);
    }
    described
}

/// `GET /applications/{application}/owners` → `get_applications_application_owners`.
fn operation_id(operation: &Operation) -> String {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(operation.method.as_str().to_ascii_lowercase().as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn keys(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| name.trim_start_matches('*'))
}

fn key(name: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "schema": { "type": "string" },
        "description": "The object's id, or what the operation takes besides."
    })
}

fn option(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": "string" }, "description": description })
}

fn permissions(operation: &Operation) -> String {
    let access = &operation.access;
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let owned = match access.owned {
        Owned::Never => "",
        Owned::Objects => " Owners may, with Application.ReadWrite.OwnedBy or a delegated permission.",
        Owned::NewObjects => {
            " Application.ReadWrite.OwnedBy and Application Developers may; what they make is their own."
        }
        Owned::Groups => " Owners of the group may.",
        Owned::Own => " For the signed-in user only.",
        Owned::AnyUser => " Every signed-in user may.",
        Owned::AnyCaller => " Each part is authorised by itself.",
    };
    format!(
        "Application permissions (any of): {}. Delegated permissions (any of): {}, with a directory role that reaches the \
         object.{owned}",
        list(access.application),
        list(access.delegated)
    )
}

fn responses(method: &Method) -> Value {
    let error = |description: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        json!({ "description": description, "content": { "application/json": { "schema": schema } } })
    };
    let (status, description) = match *method {
        Method::POST => ("2XX", "201 with the new object, or what the action gives."),
        Method::PATCH | Method::PUT => {
            ("2XX", "204, or 200 with the object for Prefer: return=representation.")
        }
        Method::DELETE => ("204", "Done."),
        _ => ("200", "The object or a page of objects."),
    };
    json!({
        status: { "description": description },
        "400": error("The request is wrong; the message says how to mend it."),
        "401": error("No token, or one that cannot be used (InvalidAuthenticationToken)."),
        "403": error("The caller may not (Authorization_RequestDenied)."),
        "404": error("No such object (Request_ResourceNotFound)."),
        "429": error("Too many requests; see Retry-After.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described() {
        let document = openapi("https://localhost:8443");
        for (surface, prefix) in [(Surface::Graph, "/v1.0"), (Surface::Arm, "")] {
            for operation in surface.operations() {
                let path = format!("{prefix}{}", operation.path.replace("{*", "{"));
                let method = operation.method.as_str().to_ascii_lowercase();
                let described = &document["paths"][&path][&method];
                assert_eq!(described["summary"], operation.summary, "{method} {path}");
                assert!(operation.summary.ends_with('.'), "{method} {path}: a sentence");
            }
        }
    }

    #[test]
    fn no_operation_stands_twice_in_the_table_and_ids_are_unique() {
        for surface in [Surface::Graph, Surface::Arm] {
            let ids: Vec<String> = surface.operations().map(operation_id).collect();
            let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
            assert_eq!(unique.len(), ids.len(), "{ids:?}");
        }
    }
}
