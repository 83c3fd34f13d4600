//! Which resource a token is asked for (sheet §2.5, §2.6). The trailing slash is part of a resource's name.

use serde::{Deserialize, Serialize};

use super::error::{OAuthError, quoted};

/// Words of OpenID Connect that may accompany a resource's scope; they mean nothing without a user.
const OIDC_WORDS: &[&str] = &["openid", "profile", "email", "offline_access"];
/// What a bare `.default` means.
const GRAPH: &str = "https://graph.microsoft.com";

/// Which token endpoint was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Endpoint {
    /// `/oauth2/token`: `resource`, or `scope` as on v2.
    V1,
    /// `/oauth2/v2.0/token`: `scope`.
    V2,
}

/// The most words a scope may have; each resource may define as many permissions as Entra allows in all.
const WORDS_MAX: usize = 400;

/// What is asked for on behalf of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The resource's name, as it was written.
    pub(crate) resource: String,
    pub(crate) values: Values,
    pub(crate) oidc: OidcWords,
    /// The words as they came, for the answer's `scope`.
    pub(crate) words: Vec<String>,
    /// By `resource` (v1) instead of `scope`: the answer's `scope` has no resource in its words, then.
    pub(crate) by_resource: bool,
}

/// Which of the resource's permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    /// All that were granted (`.default`).
    Default,
    /// These. Empty when only words of OpenID Connect were asked for.
    Named(Vec<String>),
}

/// The words of OpenID Connect (OIDC Core §5.4, §11).
#[expect(clippy::struct_excessive_bools, reason = "each is a word that was said or not")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OidcWords {
    pub(crate) openid: bool,
    pub(crate) profile: bool,
    pub(crate) email: bool,
    pub(crate) offline_access: bool,
}

impl OidcWords {
    /// Takes away what is not in the other.
    pub(crate) const fn limit_to(&mut self, other: Self) {
        self.openid &= other.openid;
        self.profile &= other.profile;
        self.email &= other.email;
        self.offline_access &= other.offline_access;
    }

    /// Whether it is one.
    pub(crate) fn is_word(word: &str) -> bool {
        Self::default().set(word)
    }

    fn set(&mut self, word: &str) -> bool {
        let flag = match word.to_ascii_lowercase().as_str() {
            "openid" => &mut self.openid,
            "profile" => &mut self.profile,
            "email" => &mut self.email,
            "offline_access" => &mut self.offline_access,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// Those that are not in the other.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self {
            openid: self.openid && !other.openid,
            profile: self.profile && !other.profile,
            email: self.email && !other.email,
            offline_access: self.offline_access && !other.offline_access,
        }
    }

    /// The words that are among these values.
    pub(crate) fn among<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for value in values {
            found.set(value);
        }
        found
    }

    /// The words themselves.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        [
            ("openid", self.openid),
            ("profile", self.profile),
            ("email", self.email),
            ("offline_access", self.offline_access),
        ]
        .into_iter()
        .filter_map(|(word, said)| said.then_some(word))
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Those that Microsoft Graph puts into `scp`: they are permissions of its own.
    pub(crate) fn in_scp(self) -> impl Iterator<Item = &'static str> {
        [("email", self.email), ("openid", self.openid), ("profile", self.profile)]
            .into_iter()
            .filter_map(|(word, asked)| asked.then_some(word))
    }
}

impl Asked {
    /// Reads `scope` and `resource`.
    pub(crate) fn parse(
        endpoint: Endpoint,
        scope: Option<&str>,
        resource: Option<&str>,
    ) -> Result<Self, OAuthError> {
        let mut asked = Self {
            resource: String::new(),
            values: Values::Named(Vec::new()),
            oidc: OidcWords::default(),
            words: Vec::new(),
            by_resource: false,
        };
        asked.read(scope.unwrap_or_default())?;
        match (endpoint, resource) {
            (_, Some(resource)) if asked.resource == resource => {}
            (_, Some(_)) if !asked.resource.is_empty() => return Err(OAuthError::ResourceContradictsScope),
            (Endpoint::V1, Some(resource)) => {
                // The v1 endpoint knows no words for this: a user's answer always has all three.
                asked.read(&format!("openid profile offline_access {resource}/.default"))?;
                asked.by_resource = true;
            }
            (Endpoint::V1, None) if scope.is_none() => return Err(OAuthError::MissingParameter("resource")),
            (Endpoint::V2, _) if scope.is_none() => return Err(OAuthError::MissingParameter("scope")),
            _ => {}
        }
        if asked.resource.is_empty() {
            GRAPH.clone_into(&mut asked.resource);
        }
        Ok(asked)
    }

    /// Takes away the words of OpenID Connect that are not in `oidc`: a code gives no more than was asked of its user.
    pub(crate) fn limit_to(&mut self, oidc: OidcWords) {
        self.oidc.limit_to(oidc);
        let kept = self.oidc;
        self.words.retain(|word| {
            let mut said = OidcWords::default();
            !said.set(word) || {
                let before = said;
                said.limit_to(kept);
                said == before
            }
        });
    }

    /// Takes over the resource and its values where only words of OpenID Connect were said: they name no other resource
    /// than the one that was authorised (RFC 6749 §6).
    pub(crate) fn or_resource_of(&mut self, authorised: &Self) {
        if matches!(&self.values, Values::Named(values) if values.is_empty()) {
            self.resource.clone_from(&authorised.resource);
            self.values.clone_from(&authorised.values);
            let named = authorised.words.iter().filter(|word| !OidcWords::is_word(word));
            self.words.extend(named.cloned());
        }
    }

    /// The words again, as they are kept for later: [`Self::parse`] reads them on either endpoint.
    pub(crate) fn text(&self) -> String {
        self.words.join(" ")
    }

    /// The same with the words of OpenID Connect that were authorised besides.
    pub(crate) fn text_with(&self, authorised: OidcWords) -> String {
        let more = [
            ("openid", authorised.openid && !self.oidc.openid),
            ("profile", authorised.profile && !self.oidc.profile),
            ("email", authorised.email && !self.oidc.email),
            ("offline_access", authorised.offline_access && !self.oidc.offline_access),
        ];
        let words = self.words.iter().map(String::as_str);
        let words = words.chain(more.into_iter().filter_map(|(word, lacks)| lacks.then_some(word)));
        words.collect::<Vec<_>>().join(" ")
    }

    fn read(&mut self, scope: &str) -> Result<(), OAuthError> {
        for word in scope.split_whitespace() {
            if self.words.iter().any(|known| known == word) {
                continue;
            }
            if self.words.len() == WORDS_MAX {
                return Err(OAuthError::ScopeInvalid(quoted(scope)));
            }
            self.words.push(word.to_owned());
            if self.oidc.set(word) {
                continue;
            }
            let (resource, value) = word.rsplit_once('/').unwrap_or((GRAPH, word));
            if resource.is_empty() || value.is_empty() {
                return Err(OAuthError::ScopeInvalid(quoted(word)));
            }
            if self.resource.is_empty() {
                resource.clone_into(&mut self.resource);
            } else if !self.resource.eq_ignore_ascii_case(resource) {
                return Err(OAuthError::SeveralResources(quoted(scope)));
            }
            self.values = match (std::mem::replace(&mut self.values, Values::Default), value) {
                (Values::Named(values), value) if value.eq_ignore_ascii_case(".default") => {
                    if !values.is_empty() {
                        return Err(OAuthError::DefaultWithOthers(quoted(scope)));
                    }
                    Values::Default
                }
                (Values::Named(mut values), value) => {
                    values.push(value.to_owned());
                    Values::Named(values)
                }
                (Values::Default, value) if value.eq_ignore_ascii_case(".default") => Values::Default,
                (Values::Default, _) => return Err(OAuthError::DefaultWithOthers(quoted(scope))),
            };
        }
        Ok(())
    }
}

/// The name of the resource an application asks for on its own behalf.
pub(crate) fn application_resource(
    endpoint: Endpoint,
    scope: Option<&str>,
    resource: Option<&str>,
) -> Result<String, OAuthError> {
    let of_scope = scope.map(default_of).transpose()?;
    match (endpoint, of_scope, resource) {
        (_, Some(of_scope), None) => Ok(of_scope),
        (_, Some(of_scope), Some(resource)) if of_scope == resource => Ok(of_scope),
        (_, Some(_), Some(_)) => Err(OAuthError::ResourceContradictsScope),
        (Endpoint::V1, None, Some(resource)) => Ok(resource.to_owned()),
        (Endpoint::V1, None, None) => Err(OAuthError::MissingParameter("resource")),
        (Endpoint::V2, None, _) => Err(OAuthError::MissingParameter("scope")),
    }
}

/// The resource of `{resource}/.default`, split at the last slash.
fn default_of(scope: &str) -> Result<String, OAuthError> {
    let mut found: Option<&str> = None;
    for word in scope.split_whitespace().filter(|word| !OIDC_WORDS.contains(word)) {
        let resource = match word.rsplit_once('/') {
            Some((resource, value)) if value.eq_ignore_ascii_case(".default") && !resource.is_empty() => {
                resource
            }
            None if word.eq_ignore_ascii_case(".default") => GRAPH,
            _ => return Err(OAuthError::ScopeNotDefault(quoted(scope))),
        };
        match found {
            Some(before) if before != resource => return Err(OAuthError::SeveralResources(quoted(scope))),
            _ => found = Some(resource),
        }
    }
    found.map(str::to_owned).ok_or_else(|| OAuthError::ScopeNotDefault(quoted(scope)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(endpoint: Endpoint, scope: Option<&str>, resource: Option<&str>) -> Result<String, u32> {
        application_resource(endpoint, scope, resource).map_err(|error| error.row().code)
    }

    #[test]
    fn the_resource_is_what_stands_before_the_last_slash() {
        use Endpoint::{V1, V2};
        for (endpoint, scope, resource, expected) in [
            (V2, Some("https://h/.default"), None, Ok("https://h")),
            (V2, Some("https://h//.default"), None, Ok("https://h/")),
            (
                V2,
                Some("75e725bf-66ce-4cea-9b9a-5c4caae57f33/.default"),
                None,
                Ok("75e725bf-66ce-4cea-9b9a-5c4caae57f33"),
            ),
            (V2, Some("openid https://h/.default"), None, Ok("https://h")),
            (V2, Some(".default"), None, Ok("https://graph.microsoft.com")),
            (V2, Some("https://h/Read"), None, Err(1_002_012)),
            (V2, Some("openid"), None, Err(1_002_012)),
            (V2, Some("/.default"), None, Err(1_002_012)),
            (V2, Some("https://a/.default https://b/.default"), None, Err(70_011)),
            (V2, Some("https://h/.default"), Some("https://h"), Ok("https://h")),
            (V2, Some("https://h/.default"), Some("https://i"), Err(9_010_010)),
            (V2, None, Some("https://h"), Err(900_144)),
            (V1, None, Some("https://h/"), Ok("https://h/")),
            (V1, Some("https://h/.default"), None, Ok("https://h")),
            (V1, None, None, Err(900_144)),
        ] {
            assert_eq!(
                asked(endpoint, scope, resource),
                expected.map(str::to_owned),
                "{scope:?} {resource:?}"
            );
        }
    }

    #[test]
    fn what_is_asked_on_behalf_of_a_user() {
        use Endpoint::{V1, V2};
        let graph = "https://graph.microsoft.com";
        for (endpoint, scope, resource, expected) in [
            (V2, Some("User.Read openid profile"), None, Ok((graph, vec!["User.Read"]))),
            (V2, Some("openid"), None, Ok((graph, vec![]))),
            (
                V2,
                Some("https://h/Read https://H/Write offline_access"),
                None,
                Ok(("https://h", vec!["Read", "Write"])),
            ),
            (V2, Some("https://h//.default"), None, Ok(("https://h/", vec![".default"]))),
            (V2, Some("api://a/b/Read"), Some("api://a/b"), Ok(("api://a/b", vec!["Read"]))),
            (V2, Some("https://h/Read"), Some("https://i"), Err(9_010_010)),
            (V2, Some("https://h/Read User.Read"), None, Err(70_011)),
            (V2, Some("https://h/.default https://h/Read"), None, Err(70_011)),
            (V2, Some("https://h/Read https://h/.default"), None, Err(70_011)),
            (V2, Some("https://h/"), None, Err(70_011)),
            (V2, None, Some("https://h"), Err(900_144)),
            (V1, None, None, Err(900_144)),
            (V1, None, Some("https://h/"), Ok(("https://h/", vec![".default"]))),
            (V1, Some("openid"), Some("https://h"), Ok(("https://h", vec![".default"]))),
            (V1, Some("https://h/Read"), None, Ok(("https://h", vec!["Read"]))),
        ] {
            let found = Asked::parse(endpoint, scope, resource);
            let found = found.map_err(|error| error.row().code).map(|asked| {
                let values = match asked.values.clone() {
                    Values::Default => vec![".default".to_owned()],
                    Values::Named(values) => values,
                };
                let again = Asked::parse(V2, Some(&asked.text()), None).unwrap();
                assert_eq!((&again.resource, &again.values), (&asked.resource, &asked.values));
                (asked.resource, values)
            });
            let expected = expected.map(|(resource, values): (&str, Vec<&str>)| {
                (resource.to_owned(), values.into_iter().map(str::to_owned).collect())
            });
            assert_eq!(found, expected, "{scope:?} {resource:?}");
        }
        let long = (0..500).map(|n| format!("p{n}")).collect::<Vec<_>>().join(" ");
        assert!(Asked::parse(V2, Some(&long), None).is_err());
        let old = Asked::parse(V1, None, Some("https://h")).unwrap();
        assert!(old.by_resource && old.oidc.offline_access && old.oidc.openid);
    }
}
