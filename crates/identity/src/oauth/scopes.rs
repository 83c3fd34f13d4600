//! Which resource a token is asked for (sheet §2.5, §2.6). The trailing slash is part of a resource's name.

use super::error::{OAuthError, quoted};

/// Words of OpenID Connect that may accompany a resource's scope; they mean nothing without a user.
const OIDC_WORDS: &[&str] = &["openid", "profile", "email", "offline_access"];
/// What a bare `.default` means.
const GRAPH: &str = "https://graph.microsoft.com";

/// Which token endpoint was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/oauth2/token`: `resource`, or `scope` as on v2.
    V1,
    /// `/oauth2/v2.0/token`: `scope`.
    V2,
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
}
