//! The part of OData's `$filter` that real tools use on applications (sheet §5.5).

use hilum_kernel::{AppId, ObjectId};

use crate::IdentityError;

/// Which applications to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ApplicationFilter {
    /// All of them.
    #[default]
    All,
    /// The one with this client ID.
    AppId(AppId),
    /// The one with this object ID.
    ObjectId(ObjectId),
    /// Those with this name, in any case.
    DisplayName(String),
    /// Those whose name starts so, in any case.
    DisplayNamePrefix(String),
    /// The one with this identifier URI.
    IdentifierUri(String),
}

impl ApplicationFilter {
    /// Reads `appId eq '…'`, `id eq '…'`, `displayName eq '…'`, `startswith(displayName,'…')` or
    /// `identifierUris/any(s:s eq '…')`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for anything else.
    pub fn parse_odata(text: &str) -> Result<Self, IdentityError> {
        let unsupported = || IdentityError::invalid("$filter", "is not a supported filter");
        let id_error = |_| IdentityError::invalid("$filter", "holds something that is not a GUID");
        Ok(match Comparison::parse(text).ok_or_else(unsupported)? {
            Comparison::Equal { property, value } => match property.to_ascii_lowercase().as_str() {
                "appid" => Self::AppId(value.parse().map_err(id_error)?),
                "id" => Self::ObjectId(value.parse().map_err(id_error)?),
                "displayname" => Self::DisplayName(value),
                _ => return Err(unsupported()),
            },
            Comparison::StartsWith { property, value } if property.eq_ignore_ascii_case("displayName") => {
                Self::DisplayNamePrefix(value)
            }
            Comparison::AnyEqual { collection, value }
                if collection.eq_ignore_ascii_case("identifierUris") =>
            {
                Self::IdentifierUri(value)
            }
            _ => return Err(unsupported()),
        })
    }
}

/// One comparison of a `$filter`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal { property: String, value: String },
    StartsWith { property: String, value: String },
    AnyEqual { collection: String, value: String },
}

impl Comparison {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(inner) = strip_call(text, "startswith") {
            let (property, value) = inner.split_once(',')?;
            return Some(Self::StartsWith { property: name(property)?, value: literal(value)? });
        }
        if let Some((collection, rest)) = text.split_once('/') {
            // collection/any(x:x eq 'value'), with any name for x
            let inner = strip_call(rest, "any")?;
            let (variable, comparison) = inner.split_once(':')?;
            let (left, value) = equal(comparison)?;
            return (left == variable.trim())
                .then(|| name(collection))
                .flatten()
                .map(|collection| Self::AnyEqual { collection, value });
        }
        let (property, value) = equal(text)?;
        Some(Self::Equal { property: name(&property)?, value })
    }
}

fn equal(text: &str) -> Option<(String, String)> {
    let (left, right) = text.trim().split_once(' ')?;
    let (operator, right) = right.trim_start().split_once(' ')?;
    operator
        .eq_ignore_ascii_case("eq")
        .then(|| literal(right))
        .flatten()
        .map(|value| (left.to_owned(), value))
}

fn strip_call<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    let (head, rest) = text.trim().split_once('(')?;
    head.trim().eq_ignore_ascii_case(function).then(|| rest.trim_end().strip_suffix(')')).flatten()
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| text.to_owned())
}

/// A text between apostrophes, in which two stand for one, or a bare GUID.
fn literal(text: &str) -> Option<String> {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) else {
        return text.parse::<ObjectId>().ok().map(|id| id.to_string());
    };
    let plain = inner.replace("''", "\u{0}");
    (!plain.contains('\'')).then(|| plain.replace('\u{0}', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_real_tools() {
        let id = "75e725bf-66ce-4cea-9b9a-5c4caae57f33";
        for (text, expected) in [
            (format!("appId eq '{id}'"), ApplicationFilter::AppId(id.parse().unwrap())),
            (format!("id eq {id}"), ApplicationFilter::ObjectId(id.parse().unwrap())),
            ("displayName eq 'O''Hara'".to_owned(), ApplicationFilter::DisplayName("O'Hara".to_owned())),
            (
                "startsWith(displayName, 'ima')".to_owned(),
                ApplicationFilter::DisplayNamePrefix("ima".to_owned()),
            ),
            (
                "identifierUris/any(s:s eq 'api://x/y')".to_owned(),
                ApplicationFilter::IdentifierUri("api://x/y".to_owned()),
            ),
        ] {
            assert_eq!(ApplicationFilter::parse_odata(&text).unwrap(), expected, "{text}");
        }
        for wrong in [
            "",
            "displayName eq 'a' or 1 eq 1",
            "displayName eq 'a",
            "x/any(s:t eq 'u')",
            "appId eq 'x'",
            "(",
            "/",
        ] {
            assert!(ApplicationFilter::parse_odata(wrong).is_err(), "{wrong}");
        }
    }
}
