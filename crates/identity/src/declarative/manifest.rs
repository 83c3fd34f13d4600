//! Application manifests, as the portal's *Manifest* page downloads them: in the older form of Azure AD Graph
//! (`replyUrlsWithType`, `oauth2Permissions` …) and in the newer form of Microsoft Graph.
//!
//! What comes out is a declaration of one application, and a report of what was taken, what was left out, and why.

use serde_json::{Map, Value, json};

use crate::ApplicationProperties;

/// Whether the client ID of the manifest is to be the new application's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestAppId {
    /// The application gets an ID of its own.
    New,
    /// Clients keep theirs.
    Keep,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The application as a document of kind `Application`.
    pub document: Value,
    /// The members that were taken.
    pub taken: Vec<String>,
    /// The members that were left out, with the reason.
    pub left_out: Vec<(String, String)>,
}

const SERVER: &str = "is written by the server";
const NOT_HERE: &str = "has no counterpart here";
const LOGO: &str = "logos are not kept";
const SECRETS: &str = "secrets cannot be read out of Entra: make new ones with `hilum app credential reset`";

/// What the older form calls differently: its name, and where Graph has it.
const RENAMED: &[(&str, &str)] = &[
    ("acceptMappedClaims", "api.acceptMappedClaims"),
    ("accessTokenAcceptedVersion", "api.requestedAccessTokenVersion"),
    ("addIns", "addIns"),
    ("allowPublicClient", "isFallbackPublicClient"),
    ("appRoles", "appRoles"),
    ("description", "description"),
    ("groupMembershipClaims", "groupMembershipClaims"),
    ("identifierUris", "identifierUris"),
    ("knownClientApplications", "api.knownClientApplications"),
    ("logoutUrl", "web.logoutUrl"),
    ("name", "displayName"),
    ("notes", "notes"),
    ("oauth2AllowIdTokenImplicitFlow", "web.implicitGrantSettings.enableIdTokenIssuance"),
    ("oauth2AllowImplicitFlow", "web.implicitGrantSettings.enableAccessTokenIssuance"),
    ("oauth2Permissions", "api.oauth2PermissionScopes"),
    ("oauth2RequirePostResponse", "oauth2RequirePostResponse"),
    ("optionalClaims", "optionalClaims"),
    ("parentalControlSettings", "parentalControlSettings"),
    ("preAuthorizedApplications", "api.preAuthorizedApplications"),
    ("requiredResourceAccess", "requiredResourceAccess"),
    ("samlMetadataUrl", "samlMetadataUrl"),
    ("serviceManagementReference", "serviceManagementReference"),
    ("signInAudience", "signInAudience"),
    ("signInUrl", "web.homePageUrl"),
    ("tags", "tags"),
    ("tokenEncryptionKeyId", "tokenEncryptionKeyId"),
];

/// Members that neither form can bring, with the reason. Those of the server are not worth a word when they are empty.
const LEFT_OUT: &[(&str, &str)] = &[
    ("id", SERVER),
    ("createdDateTime", SERVER),
    ("deletedDateTime", SERVER),
    ("publisherDomain", SERVER),
    ("verifiedPublisher", SERVER),
    ("certification", SERVER),
    ("disabledByMicrosoftStatus", SERVER),
    ("applicationTemplateId", SERVER),
    ("createdByAppId", SERVER),
    ("logoUrl", LOGO),
    ("passwordCredentials", SECRETS),
    ("errorUrl", NOT_HERE),
    ("oauth2AllowUrlPathMatching", NOT_HERE),
    ("orgRestrictions", NOT_HERE),
    ("trustedCertificateSubjects", NOT_HERE),
    ("defaultRedirectUri", NOT_HERE),
    ("spaRedirectUris", NOT_HERE),
];

impl Manifest {
    /// Reads a manifest of either form.
    ///
    /// # Errors
    /// A sentence, when it is no manifest of an application.
    pub fn read(manifest: &Value, app_id: ManifestAppId) -> Result<Self, String> {
        let members = manifest.as_object().ok_or("a manifest is a JSON object")?;
        let older = members.contains_key("replyUrlsWithType")
            || members.contains_key("oauth2AllowImplicitFlow")
            || (members.contains_key("name") && !members.contains_key("displayName"));
        let mut reading = Reading::default();
        for (name, value) in members.iter().filter(|(name, _)| !name.contains('@')) {
            reading.member(name, value, older);
        }
        if reading.properties.get("displayName").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err("the manifest names no application: it has no displayName or name".to_owned());
        }
        Ok(reading.finish(members, app_id))
    }
}

#[derive(Default)]
struct Reading {
    properties: Map<String, Value>,
    certificates: Vec<Value>,
    taken: Vec<String>,
    left_out: Vec<(String, String)>,
}

impl Reading {
    fn member(&mut self, name: &str, value: &Value, older: bool) {
        if super::plan::is_empty(value) || name == "appId" {
            return;
        }
        if let Some((_, reason)) = LEFT_OUT.iter().find(|(member, _)| *member == name) {
            return self.leave(name, *reason);
        }
        match name {
            "keyCredentials" => self.keys(value),
            "replyUrlsWithType" if older => self.reply_urls(value),
            "informationalUrls" if older => self.links(value),
            _ => {
                let renamed = RENAMED.iter().find(|(member, _)| older && *member == name);
                let path = renamed.map_or(name, |(_, path)| path);
                self.put(name, path, without_old_members(value));
            }
        }
    }

    /// Takes a member if an application can have it.
    fn put(&mut self, name: &str, path: &str, value: Value) {
        let mut alone = Map::new();
        insert(&mut alone, path, value);
        let known = ApplicationProperties::default().merged(&alone);
        match known {
            Ok(_) => {
                merge(&mut self.properties, alone);
                self.taken.push(name.to_owned());
            }
            Err(error) => self.leave(name, error.to_string()),
        }
    }

    fn leave(&mut self, name: &str, reason: impl Into<String>) {
        self.left_out.push((name.to_owned(), reason.into()));
    }

    fn reply_urls(&mut self, value: &Value) {
        let mut lists: [(&str, &str, Vec<Value>); 3] = [
            ("Web", "web.redirectUris", Vec::new()),
            ("Spa", "spa.redirectUris", Vec::new()),
            ("InstalledClient", "publicClient.redirectUris", Vec::new()),
        ];
        for item in value.as_array().into_iter().flatten() {
            let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
            let list = lists.iter_mut().find(|(word, ..)| word.eq_ignore_ascii_case(kind));
            match (list, item.get("url")) {
                (Some((.., urls)), Some(url)) => urls.push(url.clone()),
                _ => self.leave("replyUrlsWithType", format!("{item} is of no known type")),
            }
        }
        for (_, path, urls) in lists {
            if !urls.is_empty() {
                self.put("replyUrlsWithType", path, urls.into());
            }
        }
        self.taken.dedup();
    }

    fn links(&mut self, value: &Value) {
        for (old, new) in [
            ("marketing", "info.marketingUrl"),
            ("privacy", "info.privacyStatementUrl"),
            ("support", "info.supportUrl"),
            ("termsOfService", "info.termsOfServiceUrl"),
        ] {
            if let Some(url) = value.get(old).filter(|url| !url.is_null()) {
                self.put(&format!("informationalUrls.{old}"), new, url.clone());
            }
        }
    }

    /// A manifest holds a certificate only where it was fetched with its `key` (`value` in the older form).
    fn keys(&mut self, value: &Value) {
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            let name = format!("keyCredentials[{at}]");
            let body = item.get("key").or_else(|| item.get("value")).and_then(Value::as_str);
            let Some(body) = body.filter(|body| !body.is_empty()) else {
                self.leave(
                    &name,
                    "the manifest holds no certificate, only its description: add it from its file",
                );
                continue;
            };
            let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            let display_name = item.get("displayName").filter(|name| name.is_string()).cloned();
            self.certificates.push(json!({"displayName": display_name, "pem": pem}));
            self.taken.push(name);
        }
    }

    fn finish(self, members: &Map<String, Value>, keep: ManifestAppId) -> Manifest {
        let Self { mut properties, certificates, mut taken, mut left_out } = self;
        if let Some(old) = members.get("appId").and_then(Value::as_str) {
            if keep == ManifestAppId::Keep {
                properties.insert("appId".to_owned(), old.into());
                taken.push("appId".to_owned());
            } else {
                // Names that were made of the old ID are made of the new one.
                let uris = properties.get_mut("identifierUris").and_then(Value::as_array_mut);
                for uri in uris.into_iter().flatten() {
                    if let Value::String(text) = uri {
                        *text = text.replace(old, "{appId}");
                    }
                }
                left_out.push(("appId".to_owned(), "the application gets an ID of its own".to_owned()));
            }
        }
        if !certificates.is_empty() {
            properties.insert("certificates".to_owned(), certificates.into());
        }
        properties.insert("kind".to_owned(), "Application".into());
        taken.sort();
        taken.dedup();
        left_out.sort();
        Manifest { document: Value::Object(properties), taken, left_out }
    }
}

/// Roles and scopes of the older form say `lang` and `origin`, which Graph does not take.
fn without_old_members(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_old_members).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "lang" | "origin") && !name.contains('@'))
            .map(|(name, value)| (name.clone(), without_old_members(value)))
            .collect(),
        other => other.clone(),
    }
}

fn insert(members: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            members.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = members.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDER: &str = r#"{"id":"a1","acceptMappedClaims":null,"accessTokenAcceptedVersion":2,"addIns":[],
        "allowPublicClient":true,"appId":"11111111-2222-3333-4444-555555555555",
        "appRoles":[{"allowedMemberTypes":["Application"],"description":"d","displayName":"D","id":"6b7f3a52-90c4-4be1-8d15-2f60e9a7c3d4",
            "isEnabled":true,"lang":null,"origin":"Application","value":"Images.Read"}],
        "createdDateTime":"2024-01-01T00:00:00Z","groupMembershipClaims":"SecurityGroup",
        "identifierUris":["api://11111111-2222-3333-4444-555555555555"],
        "informationalUrls":{"termsOfService":"https://contoso.local/terms","support":null,"privacy":null,"marketing":null},
        "keyCredentials":[{"customKeyIdentifier":"AB","displayName":"CN=x","keyId":"k","type":"AsymmetricX509Cert","usage":"Verify","value":null}],
        "knownClientApplications":[],"logoUrl":"https://x/logo","logoutUrl":"https://app.contoso.local/out","name":"Imaging",
        "oauth2AllowIdTokenImplicitFlow":true,"oauth2AllowImplicitFlow":false,
        "oauth2Permissions":[{"adminConsentDescription":"a","adminConsentDisplayName":"A","id":"c41f8e07-5a2d-4d93-b6fe-13807d2ea95b",
            "isEnabled":true,"lang":null,"origin":"Application","type":"User","userConsentDescription":null,"userConsentDisplayName":null,"value":"Images.Use"}],
        "optionalClaims":null,"orgRestrictions":[],"passwordCredentials":[{"hint":"abc","keyId":"s"}],
        "preAuthorizedApplications":[{"appId":"04b07795-8ddb-461a-bbee-02f9e1bf7b46","permissionIds":["c41f8e07-5a2d-4d93-b6fe-13807d2ea95b"]}],
        "replyUrlsWithType":[{"url":"https://app.contoso.local/cb","type":"Web"},{"url":"http://localhost","type":"InstalledClient"},
            {"url":"https://spa.contoso.local","type":"Spa"},{"url":"x","type":"Fax"}],
        "requiredResourceAccess":[{"resourceAppId":"00000003-0000-0000-c000-000000000000","resourceAccess":[{"id":"e1fe6dd8-ba31-4d61-89e7-88639da4683d","type":"Scope"}]}],
        "signInUrl":"https://app.contoso.local","signInAudience":"AzureADMyOrg","tags":["a"],"trustedCertificateSubjects":["z"],"future":1}"#;

    #[test]
    fn the_older_form() {
        let manifest: Value = serde_json::from_str(OLDER).unwrap();
        let read = Manifest::read(&manifest, ManifestAppId::New).unwrap();
        insta::assert_snapshot!(
            "older",
            format!("{:#}\ntaken {:#?}\nleft out {:#?}", read.document, read.taken, read.left_out)
        );
        let kept = Manifest::read(&manifest, ManifestAppId::Keep).unwrap();
        assert_eq!(kept.document["appId"], "11111111-2222-3333-4444-555555555555");
        assert_eq!(kept.document["identifierUris"][0], "api://11111111-2222-3333-4444-555555555555");
    }

    #[test]
    fn the_newer_form() {
        let manifest = json!({"id": "x", "appId": "11111111-2222-3333-4444-555555555555", "displayName": "Imaging",
            "isFallbackPublicClient": true, "web": {"redirectUris": ["https://app.contoso.local/cb"]},
            "api": {"requestedAccessTokenVersion": 2}, "passwordCredentials": [], "publisherDomain": "contoso.com",
            "keyCredentials": [{"key": "MIIB", "displayName": "CN=x"}], "notes": null, "nonsense": true});
        let read = Manifest::read(&manifest, ManifestAppId::New).unwrap();
        insta::assert_snapshot!(
            "newer",
            format!("{:#}\ntaken {:#?}\nleft out {:#?}", read.document, read.taken, read.left_out)
        );
    }

    #[test]
    fn what_is_no_manifest_is_said() {
        for wrong in [json!([]), json!({}), json!({"displayName": ""}), json!({"name": 5})] {
            assert!(Manifest::read(&wrong, ManifestAppId::New).is_err(), "{wrong}");
        }
    }
}
