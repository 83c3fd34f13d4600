//! Paths as Graph writes them: `/applications/{id}`, `/applications(appId='…')`, `/users('ada@…')`, percent-encoded or
//! not, names in any case.

use percent_encoding::percent_decode_str;

use super::error::GraphError;

/// No operation has more; a bound for what follows. Azure's resource IDs are the longest.
const SEGMENTS_MAX: usize = 24;
const PATH_BYTES_MAX: usize = 4096;

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Between slashes.
    Word(String),
    /// In parentheses behind a word.
    Key(Key),
}

/// What names an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// `/applications/{id}`: an object ID, or what else the operation takes (a user principal name).
    Id(String),
    /// `/applications(appId='…')`.
    Alternate {
        /// `appId`, `uniqueName`, `roleTemplateId` …
        property: String,
        /// Its value.
        value: String,
    },
}

impl Key {
    /// The value, whichever property it is of.
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Id(value) | Self::Alternate { value, .. } => value,
        }
    }
}

/// The keys of a request, by the names in the operation's template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys(Vec<(&'static str, Key)>);

impl Keys {
    /// The key with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Key> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, key)| key)
    }
}

/// Takes a path apart. `path` is what stands behind `/v1.0`.
pub(super) fn parse(path: &str) -> Result<Vec<Segment>, GraphError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(GraphError::bad_request("The request's path is too long."));
    }
    let mut segments = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let text = percent_decode_str(part)
            .decode_utf8()
            .ok()
            .filter(|text| !text.chars().any(char::is_control))
            .ok_or_else(|| GraphError::bad_request("The request's path is not well-formed."))?;
        match text.split_once('(') {
            Some((word, rest)) if !word.is_empty() && rest.ends_with(')') => {
                segments.push(Segment::Word(word.to_owned()));
                let inside = rest.strip_suffix(')').unwrap_or_default();
                if !inside.is_empty() {
                    segments.push(Segment::Key(key(inside)));
                }
            }
            _ => segments.push(Segment::Word(text.into_owned())),
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(GraphError::bad_request("The request's path has too many segments."));
        }
    }
    // msgraph-sdk sends this where its own rewriting is absent (sheet §5.3).
    let is = |segment: Option<&Segment>, name: &str| matches!(segment, Some(Segment::Word(word)) if word.eq_ignore_ascii_case(name));
    if is(segments.first(), "users") && is(segments.get(1), "me-token-to-replace") {
        segments.splice(..2, [Segment::Word("me".to_owned())]);
    }
    Ok(segments)
}

/// `'x'`, `x` or `property='x'`.
fn key(text: &str) -> Key {
    match text.split_once('=') {
        Some((property, value)) if is_name(property.trim()) => {
            Key::Alternate { property: property.trim().to_owned(), value: unquoted(value.trim()) }
        }
        _ => Key::Id(unquoted(text.trim())),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inside) => inside.replace("''", "'"),
        None => text.to_owned(),
    }
}

/// Compares a path with a template: `{name}` takes one segment, `{*name}` any number (Azure's scopes). Words of the
/// path may be qualified (`microsoft.graph.addPassword`).
pub(super) fn matches(template: &'static str, path: &[Segment]) -> Option<Keys> {
    let mut parts = template.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    parts.reverse();
    let mut keys = Keys::default();
    matches_from(&parts, path, &mut keys).then_some(keys)
}

/// `parts` are in reverse order.
fn matches_from(parts: &[&'static str], path: &[Segment], keys: &mut Keys) -> bool {
    let Some((part, parts)) = parts.split_last() else { return path.is_empty() };
    if let Some(name) = part.strip_prefix("{*").and_then(|part| part.strip_suffix('}')) {
        for taken in 0..=path.len() {
            let (scope, rest) = path.split_at(taken);
            let before = keys.0.len();
            keys.0.push((name, Key::Id(joined(scope))));
            if matches_from(parts, rest, keys) {
                return true;
            }
            keys.0.truncate(before);
        }
        return false;
    }
    let Some((segment, rest)) = path.split_first() else { return false };
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        let key = match segment {
            Segment::Key(key) => key.clone(),
            // az: /directoryRoles/roleTemplateId=…
            Segment::Word(word) if word.contains('=') => key(word),
            Segment::Word(word) => Key::Id(word.clone()),
        };
        keys.0.push((name, key));
        return matches_from(parts, rest, keys);
    }
    let Segment::Word(word) = segment else { return false };
    same_word(word, part) && matches_from(parts, rest, keys)
}

/// `graph` is the short name of the namespace: the SDKs write `/me/memberOf/graph.group`.
fn same_word(word: &str, part: &str) -> bool {
    let start =
        |length: usize, name: &str| word.get(..length).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let plain = if start(16, "microsoft.graph.") {
        word.get(16..)
    } else if start(6, "graph.") {
        word.get(6..)
    } else {
        return word.eq_ignore_ascii_case(part);
    };
    let qualified = part.get(..16).filter(|start| start.eq_ignore_ascii_case("microsoft.graph."));
    let name = qualified.and(part.get(16..)).unwrap_or(part);
    plain.is_some_and(|plain| plain.eq_ignore_ascii_case(name))
}

fn joined(path: &[Segment]) -> String {
    let words: Vec<&str> = path
        .iter()
        .map(|segment| match segment {
            Segment::Word(word) => word.as_str(),
            Segment::Key(key) => key.value(),
        })
        .collect();
    words.join("/")
}

/// How exact a template is: words before keys, from the left. Of several that fit, the greatest counts.
pub(super) fn exactness(template: &str) -> Vec<u8> {
    let rank = |part: &str| match (part.starts_with("{*"), part.starts_with('{')) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    };
    template.split('/').filter(|part| !part.is_empty()).map(rank).collect()
}

/// Whether a template may go on from here.
pub(super) fn starts(template: &'static str, path: &[Segment]) -> bool {
    let parts: Vec<&'static str> = template.split('/').filter(|part| !part.is_empty()).collect();
    (0..=parts.len()).any(|length| {
        let mut start: Vec<&'static str> = parts.iter().take(length).copied().collect();
        start.reverse();
        matches_from(&start, path, &mut Keys::default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_has_a_short_name() {
        let fits = |template: &'static str, path: &str| matches(template, &parse(path).unwrap());
        for word in ["microsoft.graph.group", "graph.group", "Graph.Group"] {
            assert!(
                fits("/me/memberOf/microsoft.graph.group", &format!("/me/memberOf/{word}")).is_some(),
                "{word}"
            );
        }
        assert!(
            fits("/applications/{application}/addPassword", "/applications/1/graph.addPassword").is_some()
        );
        for word in ["group", "graph.user", "graph.", "graph.microsoft.graph.group"] {
            assert!(
                fits("/me/memberOf/microsoft.graph.group", &format!("/me/memberOf/{word}")).is_none(),
                "{word}"
            );
        }
        let keys = fits("/users/{user}", "/users/graph.one@contoso.com").unwrap();
        assert_eq!(keys.get("user").map(Key::value), Some("graph.one@contoso.com"));
    }
}
