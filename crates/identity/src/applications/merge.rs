//! How a change from outside becomes a registration: `PATCH`'s rules for members, and errors that name the member.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::properties::{ApplicationProperties, RedirectUriSetting};
use crate::IdentityError;

/// Members of the resource that only the server writes.
const READ_ONLY: &[&str] = &[
    "id",
    "objectId",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "publisherDomain",
    "verifiedPublisher",
    "certification",
    "disabledByMicrosoftStatus",
    "applicationTemplateId",
    "owners",
    "federatedIdentityCredentials",
];

impl ApplicationProperties {
    /// Applies a change as `PATCH /applications/{id}` does: collections are replaced, complex members are merged
    /// member by member, null sets back to the default, annotations (`@odata.type`) are ignored.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for members that do not exist, cannot be written or have the wrong type.
    pub fn merged(&self, change: &Map<String, Value>) -> Result<Self, IdentityError> {
        if let Some(name) = change.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
            return Err(IdentityError::invalid(name, "is read-only: leave it out"));
        }
        if change.contains_key("passwordCredentials") || change.contains_key("keyCredentials") {
            return Err(IdentityError::invalid("passwordCredentials", "cannot be changed here"));
        }
        let document = serde_json::to_value(self);
        let mut document =
            document.map_err(|error| IdentityError::invalid("application", error.to_string()))?;
        merge(&mut document, &with_present_names(change));
        let mut merged: Self = parse(document)?;
        if merged.info.logo_url != self.info.logo_url {
            return Err(IdentityError::invalid("info.logoUrl", "is read-only: leave it out"));
        }
        if self.unique_name.is_some() && merged.unique_name != self.unique_name {
            return Err(IdentityError::invalid("uniqueName", "cannot be changed once it is set"));
        }
        merged.settle_redirect_uris(change)?;
        Ok(merged)
    }

    /// `redirectUris` and `redirectUriSettings` say the same; either can be given.
    fn settle_redirect_uris(&mut self, change: &Map<String, Value>) -> Result<(), IdentityError> {
        let web = change.get("web").and_then(Value::as_object);
        let given = |member: &str| web.is_some_and(|web| web.contains_key(member));
        let settings = std::mem::take(&mut self.web.redirect_uri_settings);
        if given("redirectUriSettings") {
            let uris: Vec<String> = settings.iter().map(|setting| setting.uri.clone()).collect();
            let same = || {
                uris.len() == self.web.redirect_uris.len()
                    && uris.iter().all(|uri| self.web.redirect_uris.contains(uri))
            };
            if given("redirectUris") && !uris.is_empty() && !same() {
                return Err(IdentityError::invalid(
                    "web.redirectUriSettings",
                    "names other URIs than web.redirectUris: give one of both",
                ));
            }
            if !given("redirectUris") {
                self.web.redirect_uris = uris;
            }
        }
        let index = |uri: &String| settings.iter().find(|setting| setting.uri == *uri).and_then(|s| s.index);
        self.web.redirect_uri_settings = self
            .web
            .redirect_uris
            .iter()
            .map(|uri| RedirectUriSetting { uri: uri.clone(), index: index(uri) })
            .collect();
        Ok(())
    }
}

/// The older reference calls a property otherwise; under both names it would be there twice.
fn with_present_names(change: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    let mut change = Cow::Borrowed(change);
    if change.contains_key("oauth2RequiredPostResponse")
        && let Some(value) = change.to_mut().remove("oauth2RequiredPostResponse")
    {
        change.to_mut().entry("oauth2RequirePostResponse").or_insert(value);
    }
    change
}

fn merge(into: &mut Value, change: &Map<String, Value>) {
    let Value::Object(members) = into else { return };
    for (name, value) in change {
        if is_annotation(name) {
            continue;
        }
        match (members.get_mut(name), value) {
            (_, Value::Null) => {
                members.remove(name);
            }
            (Some(old @ Value::Object(_)), Value::Object(inner)) => merge(old, inner),
            _ => {
                members.insert(name.clone(), without_annotations(value));
            }
        }
    }
}

/// The SDKs write `@odata.type` at any depth.
pub(crate) fn without_annotations(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !is_annotation(name))
            .map(|(name, value)| (name.clone(), without_annotations(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_annotations).collect(),
        other => other.clone(),
    }
}

fn is_annotation(name: &str) -> bool {
    name.starts_with('@') || name.contains("@odata")
}

/// A small document as `PATCH` merges it: what is named is replaced, null clears, annotations mean nothing. `kind` is what
/// it is called in an error.
pub(crate) fn patched<T: serde::Serialize + serde::de::DeserializeOwned>(
    kind: &'static str,
    present: &T,
    change: &Map<String, Value>,
) -> Result<T, IdentityError> {
    let document = serde_json::to_value(present);
    let mut document = document.map_err(|error| IdentityError::invalid(kind, error.to_string()))?;
    if let Value::Object(members) = &mut document {
        for (name, value) in change.iter().filter(|(name, _)| !name.contains('@')) {
            match value {
                Value::Null => members.remove(name),
                value => members.insert(name.clone(), value.clone()),
            };
        }
    }
    parse(document)
}

/// Reads a document; an error names the member by its path.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(document: Value) -> Result<T, IdentityError> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let text = error.inner().to_string();
        let path = error.path().to_string();
        let path = path.trim_matches('.').trim_end_matches('?').trim_end_matches('.');
        // serde names an unknown or missing member between backticks, its path ends at the parent.
        let (what, member) = text.split_once('`').unwrap_or((&text, ""));
        let named = member.split('`').next().unwrap_or_default();
        let (property, reason) = match what.trim() {
            "unknown field" => (join(path, named), "does not exist".to_owned()),
            "missing field" => (join(path, named), "is missing".to_owned()),
            _ => (path.to_owned(), format!("has the wrong type or value: {text}")),
        };
        IdentityError::invalid(property, reason)
    })
}

fn join(path: &str, member: &str) -> String {
    if path.is_empty() || path == member || path.ends_with(&format!(".{member}")) {
        return if path.is_empty() { member.to_owned() } else { path.to_owned() };
    }
    format!("{path}.{member}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_change_replaces_collections_merges_complex_members_and_clears_with_null() {
        let first = ApplicationProperties::default()
            .merged(&map(
                r##"{"displayName":"a","web":{"redirectUris":["https://a/x"],"homePageUrl":"https://a"},
                    "isFallbackPublicClient":true,"@odata.type":"#microsoft.graph.application",
                    "api":{"@odata.type":"x","preAuthorizedApplications":[{"@odata.type":"y",
                        "appId":"04b07795-8ddb-461a-bbee-02f9e1bf7b46","permissionIds":[]}]}}"##,
            ))
            .unwrap();
        assert_eq!(first.api.pre_authorized_applications.len(), 1);
        let second = first
            .merged(&map(
                r#"{"web":{"redirectUris":["https://b/y"],"implicitGrantSettings":{"enableIdTokenIssuance":true}},
                    "isFallbackPublicClient":null}"#,
            ))
            .unwrap();
        assert_eq!(second.web.redirect_uris, ["https://b/y"]);
        assert_eq!(second.web.home_page_url.as_deref(), Some("https://a"));
        assert!(second.web.implicit_grant_settings.enable_id_token_issuance);
        assert_eq!(second.is_fallback_public_client, None);
    }

    #[test]
    fn unknown_and_read_only_members_are_named() {
        for (change, named) in [
            (r#"{"appId":"x"}"#, "appId"),
            (r#"{"nonsense":1}"#, "nonsense"),
            (r#"{"displayName":1}"#, "displayName"),
            (r#"{"isFallbackPublicClient":"yes"}"#, "isFallbackPublicClient"),
            (r#"{"signInAudience":"Everybody"}"#, "signInAudience"),
            (r#"{"tags":"one"}"#, "tags"),
            (r#"{"tags":["one",2]}"#, "tags[1]"),
            (r#"{"web":{"redirectUri":[]}}"#, "web.redirectUri"),
            (
                r#"{"web":{"implicitGrantSettings":{"enableIdTokenIssuance":1}}}"#,
                "web.implicitGrantSettings.enableIdTokenIssuance",
            ),
            (
                r#"{"appRoles":[{"id":"11111111-1111-1111-1111-111111111111","value":"a","allowedMemberTypes":["Robot"]}]}"#,
                "appRoles[0].allowedMemberTypes[0]",
            ),
            (r#"{"appRoles":[{"value":"a","allowedMemberTypes":[]}]}"#, "appRoles[0].id"),
            (
                r#"{"api":{"oauth2PermissionScopes":[{"id":"nonsense","value":"a"}]}}"#,
                "api.oauth2PermissionScopes[0].id",
            ),
            (
                r#"{"requiredResourceAccess":[{"resourceAppId":"11111111-1111-1111-1111-111111111111","resourceAccess":[{"id":"11111111-1111-1111-1111-111111111111","type":"Both"}]}]}"#,
                "requiredResourceAccess[0].resourceAccess[0].type",
            ),
            (r#"{"info":{"logoUrl":"https://a.example/logo.png"}}"#, "info.logoUrl"),
            (
                r#"{"optionalClaims":{"idToken":[{"name":"email","colour":"red"}]}}"#,
                "optionalClaims.idToken[0].colour",
            ),
            (r#"{"passwordCredentials":[]}"#, "passwordCredentials"),
        ] {
            match ApplicationProperties::default().merged(&map(change)) {
                Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, named),
                other => panic!("{change}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_two_lists_of_redirect_uris_are_one() {
        let first = ApplicationProperties::default()
            .merged(&map(
                r#"{"displayName":"a","web":{"redirectUriSettings":[{"uri":"https://a/x","index":1}]}}"#,
            ))
            .unwrap();
        assert_eq!(first.web.redirect_uris, ["https://a/x"]);
        let second = first.merged(&map(r#"{"web":{"redirectUris":["https://b/y","https://a/x"]}}"#)).unwrap();
        let places: Vec<_> =
            second.web.redirect_uri_settings.iter().map(|s| (s.uri.as_str(), s.index)).collect();
        assert_eq!(places, [("https://b/y", None), ("https://a/x", Some(1))]);
        let both =
            map(r#"{"web":{"redirectUris":["https://b/y"],"redirectUriSettings":[{"uri":"https://c"}]}}"#);
        assert!(second.merged(&both).is_err());
    }

    #[test]
    fn the_older_name_of_a_property_means_the_present_one() {
        let older = ApplicationProperties::default()
            .merged(&map(r#"{"displayName":"a","oauth2RequiredPostResponse":true}"#))
            .unwrap();
        assert_eq!(older.oauth2_require_post_response, Some(true));
        let cleared = older.merged(&map(r#"{"oauth2RequiredPostResponse":null}"#)).unwrap();
        assert_eq!(cleared.oauth2_require_post_response, None);
    }

    #[test]
    fn a_unique_name_stays() {
        let named = ApplicationProperties::default()
            .merged(&map(r#"{"displayName":"a","uniqueName":"imaging"}"#))
            .unwrap();
        assert!(named.merged(&map(r#"{"uniqueName":"imaging"}"#)).is_ok());
        assert!(named.merged(&map(r#"{"uniqueName":"other"}"#)).is_err());
        assert!(named.merged(&map(r#"{"uniqueName":null}"#)).is_err());
    }
}
