//! The protocol's OpenAPI 3.1 document: what is answered now, for people who read and tools that generate.

use serde_json::{Value, json};

/// The document for the server at `origin` (`https://HOST`).
pub fn openapi(origin: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hilum identity platform",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "OAuth 2.0 and OpenID Connect, wire-compatible with Microsoft Entra ID."
        },
        "servers": [{ "url": origin }],
        "paths": {
            "/{tenant}/v2.0/.well-known/openid-configuration": read("discoveryV2", "Discovery document, v2.0"),
            "/{tenant}/.well-known/openid-configuration": read("discoveryV1", "Discovery document, v1.0"),
            "/{tenant}/discovery/v2.0/keys": read("keysV2", "Signing keys (RFC 7517)"),
            "/{tenant}/discovery/keys": read("keysV1", "Signing keys, v1.0 path"),
            "/{tenant}/discovery/instance": read("instanceDiscovery", "Instance discovery"),
            "/{tenant}/oauth2/v2.0/authorize": authorize("authorizeV2", "Authorization endpoint, v2.0: asks by `scope`", "scope"),
            "/{tenant}/oauth2/authorize": authorize("authorizeV1", "Authorization endpoint, v1.0: asks by `resource`", "resource"),
            "/{tenant}/v2.0/adminconsent": admin_consent("adminConsentV2"),
            "/{tenant}/adminconsent": admin_consent("adminConsentV1"),
            "/common/login": login(),
            "/common/federation/oauth2/{provider}": federated(),
            "/{tenant}/oauth2/v2.0/logout": logout("logoutV2"),
            "/{tenant}/oauth2/logout": logout("logoutV1"),
            "/common/signout": confirmed_logout(),
            "/.well-known/oauth-authorization-server/{tenant}/v2.0": read("metadataV2", "Server metadata (RFC 8414), v2.0"),
            "/.well-known/oauth-authorization-server/{tenant}": read("metadataV1", "Server metadata (RFC 8414), v1.0"),
            "/{tenant}/v2.0/.well-known/oauth-authorization-server": read("metadataV2Suffix", "The same behind the issuer, v2.0"),
            "/{tenant}/.well-known/oauth-authorization-server": read("metadataV1Suffix", "The same behind the issuer, v1.0"),
            "/{tenant}/oauth2/v2.0/revoke": about_token("revoke", "Ends the session of a refresh token (RFC 7009)", "It has ended, or nobody knew the token."),
            "/{tenant}/oauth2/v2.0/introspect": about_token("introspect", "Whether a token holds (RFC 7662)", "What the caller may know."),
            "/{tenant}/oauth2/v2.0/par": pushed(),
            "/oidc/userinfo": userinfo("userInfo", &json!([])),
            "/{tenant}/openid/userinfo": userinfo("userInfoV1", &tenant()),
            "/{tenant}/oauth2/v2.0/token": token("tokenV2", "Token endpoint, v2.0: asks by `scope`", "scope"),
            "/{tenant}/oauth2/token": token("tokenV1", "Token endpoint, v1.0: asks by `resource`", "resource"),
            "/{tenant}/oauth2/v2.0/devicecode": device_code("deviceCodeV2", "Starts a device flow (RFC 8628)", "scope"),
            "/{tenant}/oauth2/devicecode": device_code("deviceCodeV1", "Starts a device flow, v1.0", "resource"),
            "/{tenant}/userrealm/{user}": user_realm(),
            "/error": error_page(),
            "/portal/account": account_index(),
            "/portal/account/applications": account_page("myApplications", "The applications that act in the person's name; takes access back"),
            "/portal/account/security-info": account_page("mySecurityInfo", "How the person signs in; adds, renames and removes second factors, changes the password"),
            "/portal/account/sessions": account_page("mySessions", "Where the person is signed in; ends sessions"),
            "/devicelogin": device_page("devicePage"),
            "/{tenant}/oauth2/deviceauth": device_page("devicePageOfTenant")
        }
    })
}

fn tenant() -> Value {
    json!([{
        "name": "tenant", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "The tenant's GUID or domain; `common` and `organizations` where no tenant must be known."
    }])
}

fn read(id: &str, summary: &str) -> Value {
    json!({
        "parameters": tenant(),
        "get": {
            "operationId": id,
            "summary": summary,
            "responses": {
                "200": { "description": "The document.", "content": { "application/json": {} } },
                "400": { "description": "The tenant is not known (AADSTS90002, AADSTS900023)." }
            }
        }
    })
}

/// What an authorization request may hold besides what it asks for.
const AUTHORIZATION_FIELDS: [&str; 17] = [
    "client_id",
    "response_type",
    "redirect_uri",
    "response_mode",
    "state",
    "nonce",
    "prompt",
    "login_hint",
    "domain_hint",
    "id_token_hint",
    "sid",
    "max_age",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "claims",
    "client_info",
];

fn authorize(id: &str, summary: &str, target: &str) -> Value {
    let names = || AUTHORIZATION_FIELDS.into_iter().chain([target]);
    let query: Vec<Value> = names()
        .map(|name| {
            let required = ["client_id", "response_type"].contains(&name);
            json!({ "name": name, "in": "query", "required": required, "schema": { "type": "string" } })
        })
        .collect();
    let fields: serde_json::Map<String, Value> =
        names().map(|name| (name.to_owned(), json!({ "type": "string" }))).collect();
    let refused = "Client or redirect URI are not known; the page has the AADSTS number.";
    json!({
        "parameters": tenant(),
        "get": {
            "operationId": id,
            "summary": summary,
            "parameters": query,
            "responses": {
                "200": { "description": "A page for the person, or the answer as a form (`form_post`).", "content": { "text/html": {} } },
                "303": { "description": "The answer, or the error, for the client." },
                "400": { "description": refused, "content": { "text/html": {} } }
            }
        },
        "post": {
            "operationId": format!("{id}Post"),
            "summary": "The same by form",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {
                "schema": { "type": "object", "properties": fields }
            } } },
            "responses": {
                "303": { "description": "To the same by GET." },
                "400": { "description": refused, "content": { "text/html": {} } }
            }
        }
    })
}

fn admin_consent(id: &str) -> Value {
    let names = ["client_id", "redirect_uri", "state", "scope"];
    let query: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
        .collect();
    json!({
        "parameters": tenant(),
        "get": {
            "operationId": id,
            "summary": "An administrator's consent for everybody",
            "parameters": query,
            "responses": {
                "200": { "description": "A page for the administrator.", "content": { "text/html": {} } },
                "303": { "description": "An error for the client." },
                "400": { "description": "Client or redirect URI are not known.", "content": { "text/html": {} } },
                "403": { "description": "The person is no administrator.", "content": { "text/html": {} } }
            }
        }
    })
}

fn login() -> Value {
    json!({
        "post": {
            "operationId": "signInStep",
            "summary": "A person's step: sign-in, new password, choice of account, consent",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": {
                "200": { "description": "The page of the next step.", "content": { "text/html": {} } },
                "303": { "description": "The answer, or the error, for the client." },
                "400": { "description": "The password is wrong, or the request cannot be answered.", "content": { "text/html": {} } },
                "403": { "description": "The form came from elsewhere, or the person may not.", "content": { "text/html": {} } },
                "429": { "description": "Too many failures.", "content": { "text/html": {} } }
            }
        }
    })
}

fn federated() -> Value {
    let names = ["code", "state", "iss", "error"];
    let query: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
        .collect();
    json!({
        "parameters": [{
            "name": "provider", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "The provider's ID in the configuration."
        }],
        "get": {
            "operationId": "federatedSignIn",
            "summary": "A provider elsewhere sends a person back who signed in there",
            "parameters": query,
            "responses": {
                "200": { "description": "The page of the next step.", "content": { "text/html": {} } },
                "303": { "description": "The answer, or the error, for the client." },
                "400": { "description": "The answer cannot be verified, or came before.", "content": { "text/html": {} } },
                "403": { "description": "The answer is another browser's, or belongs to no user here.", "content": { "text/html": {} } },
                "502": { "description": "The provider does not answer.", "content": { "text/html": {} } }
            }
        }
    })
}

fn logout(id: &str) -> Value {
    let names = ["post_logout_redirect_uri", "state", "client_id", "id_token_hint", "logout_hint"];
    let query: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
        .collect();
    let answers = || {
        json!({
            "200": { "description": "A page: a question, or that the session has ended.", "content": { "text/html": {} } },
            "303": { "description": "To the registered address." },
            "400": { "description": "The request is wrong.", "content": { "text/html": {} } }
        })
    };
    json!({
        "parameters": tenant(),
        "get": { "operationId": id, "summary": "Signs out", "parameters": query, "responses": answers() },
        "post": {
            "operationId": format!("{id}Post"),
            "summary": "The same by form",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": answers()
        }
    })
}

fn confirmed_logout() -> Value {
    json!({
        "post": {
            "operationId": "confirmSignOut",
            "summary": "The person confirms",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": {
                "200": { "description": "The session has ended.", "content": { "text/html": {} } },
                "303": { "description": "To the registered address." },
                "403": { "description": "The form came from elsewhere.", "content": { "text/html": {} } }
            }
        }
    })
}

fn userinfo(id: &str, parameters: &Value) -> Value {
    let responses = || {
        json!({
            "200": { "description": "The user.", "content": { "application/json": {} } },
            "401": { "description": "No token, or none of ours; see `WWW-Authenticate`." },
            "403": { "description": "An application's own token." }
        })
    };
    json!({
        "parameters": parameters,
        "get": { "operationId": id, "summary": "Who signed in (OIDC Core §5.3)", "responses": responses() },
        "post": { "operationId": format!("{id}Post"), "summary": "The same by POST", "responses": responses() }
    })
}

/// RFC 9449: what comes with it is bound to the key.
fn proof_of_possession() -> Value {
    json!([{
        "name": "DPoP", "in": "header", "schema": { "type": "string" },
        "description": "A proof of possession (RFC 9449): what is given is bound to its key."
    }])
}

fn token(id: &str, summary: &str, target: &str) -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "parameters": tenant(),
        "post": {
            "operationId": id,
            "summary": summary,
            "parameters": proof_of_possession(),
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": { "type": "string", "enum": [
                        "authorization_code", "client_credentials", "refresh_token", "password",
                        "urn:ietf:params:oauth:grant-type:device_code", "device_code",
                        "urn:ietf:params:oauth:grant-type:jwt-bearer"
                    ] },
                    "client_id": { "type": "string", "format": "uuid" },
                    target: text(),
                    "code": text(),
                    "redirect_uri": text(),
                    "code_verifier": text(),
                    "device_code": text(),
                    "refresh_token": text(),
                    "assertion": text(),
                    "requested_token_use": { "type": "string", "enum": ["on_behalf_of"] },
                    "username": text(),
                    "password": text(),
                    "client_info": { "type": "string", "enum": ["1"] },
                    "client_secret": text(),
                    "client_assertion": text(),
                    "client_assertion_type": {
                        "type": "string", "enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
                    }
                }
            } } } },
            "responses": {
                "200": { "description": "The token.", "content": { "application/json": {} } },
                "400": { "description": "The request is wrong; `error_codes` has the AADSTS number. With `use_dpop_nonce` comes `DPoP-Nonce`." },
                "401": { "description": "The client did not authenticate (`invalid_client`)." },
                "429": { "description": "Too many failures; see `Retry-After`." },
                "503": { "description": "The service cannot answer at present; see `Retry-After`." }
            }
        }
    })
}

fn pushed() -> Value {
    json!({
        "parameters": tenant(),
        "post": {
            "operationId": "pushAuthorizationRequest",
            "summary": "Takes an authorization request from the client itself (RFC 9126)",
            "parameters": proof_of_possession(),
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": {
                "201": { "description": "`request_uri` for the authorization endpoint, good once.", "content": { "application/json": {} } },
                "400": { "description": "The request is wrong; `error_codes` has the AADSTS number. With `use_dpop_nonce` comes `DPoP-Nonce`." },
                "401": { "description": "The client did not authenticate (`invalid_client`)." },
                "413": { "description": "The request is too long." },
                "429": { "description": "Too many failures; see `Retry-After`." }
            }
        }
    })
}

fn about_token(id: &str, summary: &str, done: &str) -> Value {
    let fields = [
        "token",
        "token_type_hint",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
    ];
    let fields: serde_json::Map<String, Value> =
        fields.map(|name| (name.to_owned(), json!({ "type": "string" }))).into_iter().collect();
    json!({
        "parameters": tenant(),
        "post": {
            "operationId": id,
            "summary": summary,
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {
                "schema": { "type": "object", "required": ["token"], "properties": fields }
            } } },
            "responses": {
                "200": { "description": done, "content": { "application/json": {} } },
                "400": { "description": "The request is wrong; `error_codes` has the AADSTS number." },
                "401": { "description": "The client did not authenticate (`invalid_client`)." },
                "429": { "description": "Too many failures; see `Retry-After`." }
            }
        }
    })
}

fn device_code(id: &str, summary: &str, target: &str) -> Value {
    json!({
        "parameters": tenant(),
        "post": {
            "operationId": id,
            "summary": summary,
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": {
                "type": "object",
                "required": ["client_id", target],
                "properties": {
                    "client_id": { "type": "string", "format": "uuid" },
                    target: { "type": "string" }
                }
            } } } },
            "responses": {
                "200": { "description": "The codes.", "content": { "application/json": {} } },
                "400": { "description": "The request is wrong; `error_codes` has the AADSTS number." },
                "401": { "description": "The client is not public (`invalid_client`)." },
                "429": { "description": "Too many flows; see `Retry-After`." }
            }
        }
    })
}

fn user_realm() -> Value {
    json!({
        "parameters": tenant(),
        "get": {
            "operationId": "userRealm",
            "summary": "Where the users of a domain sign in",
            "parameters": [{ "name": "user", "in": "path", "required": true, "schema": { "type": "string" } }],
            "responses": { "200": { "description": "The realm.", "content": { "application/json": {} } } }
        }
    })
}

fn error_page() -> Value {
    json!({
        "get": {
            "operationId": "explainError",
            "summary": "What an error's number means, for people (`error_uri`)",
            "parameters": [{ "name": "code", "in": "query", "required": true, "schema": { "type": "integer" } }],
            "responses": {
                "200": { "description": "What it means and what to do.", "content": { "text/html": {} } },
                "404": { "description": "There is no such error.", "content": { "text/html": {} } }
            }
        }
    })
}

fn device_page(id: &str) -> Value {
    let answers = || {
        json!({
            "200": { "description": "The page of the next step.", "content": { "text/html": {} } },
            "303": { "description": "To the confirmation: the person is known.", "content": { "text/html": {} } },
            "400": { "description": "The code is wrong.", "content": { "text/html": {} } },
            "403": { "description": "The form or the link came from elsewhere.", "content": { "text/html": {} } },
            "429": { "description": "Too many failures; see `Retry-After`.", "content": { "text/html": {} } }
        })
    };
    let parameters = if id == "devicePageOfTenant" { tenant() } else { json!([]) };
    json!({
        "parameters": parameters,
        "get": { "operationId": id, "summary": "The device flow's page for people", "responses": answers() },
        "post": {
            "operationId": format!("{id}Step"),
            "summary": "A step: the code, or the decision. Between them is `/common/login`.",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": answers()
        }
    })
}

fn account_index() -> Value {
    json!({ "get": {
        "operationId": "myAccount",
        "summary": "My account",
        "responses": { "303": { "description": "To the person's applications." } }
    } })
}

fn account_page(id: &str, summary: &str) -> Value {
    json!({
        "get": {
            "operationId": id,
            "summary": summary,
            "responses": {
                "200": { "description": "The page, or that of signing in to it.", "content": { "text/html": {} } }
            }
        },
        "post": {
            "operationId": format!("{id}Step"),
            "summary": "A step",
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": {} } },
            "responses": {
                "200": { "description": "The page that asks whether to do it.", "content": { "text/html": {} } },
                "303": { "description": "Done: to the page." },
                "400": { "description": "The form came from elsewhere, or is too old.", "content": { "text/html": {} } }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_routed_path_is_described() {
        let document = openapi("https://localhost:8443");
        let described: Vec<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        for path in super::super::PATHS {
            assert!(described.contains(&path), "{path}");
        }
    }
}
