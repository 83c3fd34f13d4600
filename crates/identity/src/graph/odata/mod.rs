//! The query options of OData that real tools use (OData 4.01 part 2 §5; sheet §5.5), within limits.

mod filter;
mod search;

#[cfg(test)]
mod tests;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::error::GraphError;
use crate::query::{Expr, OrderBy, TOP_MAX};

pub(crate) use filter::FilterError;

/// The longest query string.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// How many properties may be selected or expanded.
const NAMES_MAX: usize = 200;
/// What must be encoded in a query string's value; `$`, `(`, `'` and `,` may stand as they are.
const VALUE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>').add(b'=');

/// The options of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Options {
    /// `$filter`.
    pub(crate) filter: Option<Expr>,
    /// `$search`.
    pub(crate) search: Option<Expr>,
    /// `$select`; empty: the operation's own choice.
    pub(crate) select: Vec<String>,
    /// `$expand`.
    pub(crate) expand: Vec<Expand>,
    /// `$orderby`.
    pub(crate) order: Option<OrderBy>,
    /// `$top`.
    pub(crate) top: Option<usize>,
    /// `$skiptoken`.
    pub(crate) skip_token: Option<String>,
    /// `$count=true`.
    pub(crate) count: bool,
    /// Everything as it was sent, names in lower case.
    texts: Vec<(String, String)>,
}

/// `owners($select=id)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expand {
    /// The property.
    pub(crate) property: String,
    /// What to give of it; empty: all.
    pub(crate) select: Vec<String>,
}

impl Options {
    /// Reads a query string.
    pub(crate) fn parse(query: &str) -> Result<Self, GraphError> {
        let texts = pairs(query)?;
        let mut options = Self::default();
        for (name, value) in &texts {
            match name.as_str() {
                "$filter" => options.filter = Some(parse_filter(value)?),
                "$search" => options.search = Some(search::parse(value)?),
                "$select" => options.select = names(value)?,
                "$expand" => options.expand = expansions(value)?,
                "$orderby" => options.order = Some(order(value)?),
                "$top" => options.top = Some(top(value)?),
                "$skiptoken" => options.skip_token = Some(value.clone()),
                "$count" => options.count = truth(value)?,
                "$format" if value.to_ascii_lowercase().contains("json") => {}
                "$skip" => {
                    return Err(GraphError::request(
                        "'$skip' is not supported by the service; follow @odata.nextLink instead.",
                    ));
                }
                other if other.starts_with('$') => {
                    let other: String = other.chars().take(50).collect();
                    return Err(GraphError::bad_request(format!(
                        "The query parameter '{other}' is not supported."
                    )));
                }
                // Other parameters are none of ours, and no mistake.
                _ => {}
            }
        }
        Ok(Self { texts, ..options })
    }

    /// Reads a query string without understanding it, for interfaces whose `$filter` is another language.
    pub(crate) fn unread(query: &str) -> Result<Self, GraphError> {
        Ok(Self { texts: pairs(query)?, ..Self::default() })
    }

    /// An option as it was sent; `name` in lower case.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What is to be expanded under this name.
    pub(crate) fn expand(&self, property: &str) -> Option<&Expand> {
        self.expand.iter().find(|expand| expand.property.eq_ignore_ascii_case(property))
    }

    /// The query string of the next page: the same options, from another place on.
    pub(super) fn next(&self, token: &str) -> String {
        let kept = self.texts.iter().filter(|(name, _)| name != "$skiptoken");
        let mut query = String::new();
        for (name, value) in kept {
            query.push_str(&utf8_percent_encode(name, VALUE).to_string());
            query.push('=');
            query.push_str(&utf8_percent_encode(value, VALUE).to_string());
            query.push('&');
        }
        query.push_str("$skiptoken=");
        query.push_str(token);
        query
    }
}

/// Reads a `$filter`.
pub(crate) fn parse_filter(text: &str) -> Result<Expr, GraphError> {
    filter::parse(text).map_err(|error| match error {
        FilterError::Syntax { .. } | FilterError::Limit(_) => {
            GraphError::bad_request(format!("Invalid filter clause: {error}."))
        }
        FilterError::Unsupported(_) => GraphError::unsupported_query(format!("{error}.")),
    })
}

/// Name and value of each parameter, decoded; options may come without their `$` (OData 4.01 §5.1).
fn pairs(query: &str) -> Result<Vec<(String, String)>, GraphError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(GraphError::bad_request("The request's query string is too long."));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?.to_ascii_lowercase(), decoded(value)?);
        let name = match name.as_str() {
            "filter" | "search" | "select" | "expand" | "orderby" | "top" | "skip" | "skiptoken"
            | "count" => {
                format!("${name}")
            }
            _ => name,
        };
        if name.starts_with('$') && pairs.iter().any(|(known, _)| *known == name) {
            return Err(GraphError::bad_request(format!(
                "Query option '{name}' was specified more than once, but it must be specified at most once."
            )));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, GraphError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok();
    decoded
        .filter(|text| !text.chars().any(char::is_control))
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| GraphError::bad_request("The request's query string is not well-formed."))
}

fn names(text: &str) -> Result<Vec<String>, GraphError> {
    let names: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let good = |name: &String| {
        name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./*@".contains(&byte))
    };
    if names.is_empty() || names.len() > NAMES_MAX || !names.iter().all(good) {
        return Err(GraphError::bad_request(
            "Parsing OData Select and Expand failed: a list of property names is expected.",
        ));
    }
    Ok(names)
}

fn expansions(text: &str) -> Result<Vec<Expand>, GraphError> {
    let mut all = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let ends = text.char_indices().chain([(text.len(), ',')]);
    for (at, c) in ends {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 || at == text.len() => {
                all.push(expansion(text.get(start..at).unwrap_or_default().trim())?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if all.len() > NAMES_MAX {
        return Err(GraphError::bad_request(
            "Parsing OData Select and Expand failed: there are too many names.",
        ));
    }
    Ok(all)
}

fn expansion(text: &str) -> Result<Expand, GraphError> {
    let wrong = || {
        GraphError::bad_request("Parsing OData Select and Expand failed: the $expand clause is malformed.")
    };
    let (property, inside) = match text.split_once('(') {
        Some((property, rest)) => (property, Some(rest.strip_suffix(')').ok_or_else(wrong)?)),
        None => (text, None),
    };
    let [property] = names(property)?.try_into().map_err(|_| wrong())?;
    let mut select = Vec::new();
    for option in inside.unwrap_or_default().split(';').filter(|option| !option.trim().is_empty()) {
        match option.split_once('=') {
            Some((name, value)) if name.trim().trim_start_matches('$').eq_ignore_ascii_case("select") => {
                select = names(value)?;
            }
            _ => {
                return Err(GraphError::unsupported_query("Within $expand only $select is supported."));
            }
        }
    }
    Ok(Expand { property, select })
}

fn order(text: &str) -> Result<OrderBy, GraphError> {
    let mut words = text.split_ascii_whitespace();
    let property = words.next().unwrap_or_default().to_owned();
    let direction = words.next().unwrap_or("asc").to_ascii_lowercase();
    if property.is_empty() || property.contains(',') || words.next().is_some() || direction.contains(',') {
        return Err(GraphError::unsupported_query(
            "$orderby takes one property, with asc or desc behind it.",
        ));
    }
    match direction.as_str() {
        "asc" => Ok(OrderBy { property, descending: false }),
        "desc" => Ok(OrderBy { property, descending: true }),
        _ => Err(GraphError::bad_request(
            "Syntax error in $orderby: asc or desc is expected behind the property.",
        )),
    }
}

fn top(text: &str) -> Result<usize, GraphError> {
    text.trim().parse().ok().filter(|top| (1..=TOP_MAX).contains(top)).ok_or_else(|| {
        let text: String = text.chars().take(20).collect();
        GraphError::request(format!(
            "Invalid page size specified: '{text}'. Must be between 1 and {TOP_MAX} inclusive."
        ))
    })
}

fn truth(text: &str) -> Result<bool, GraphError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(GraphError::bad_request("Invalid value for $count: true or false is expected.")),
    }
}
