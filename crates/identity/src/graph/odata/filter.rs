//! The grammar of `$filter` (OData 4.01 part 2 §5.1.1, ABNF `boolCommonExpr`), as far as the directory has a meaning for
//! it. Recursive descent, bounded in depth and size.

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::query::{Comparison, Expr, Function, Literal};

/// Real filters have two or three levels.
const DEPTH_MAX: usize = 20;
/// Conditions in one filter.
const NODES_MAX: usize = 100;
/// Values of one `in`. Graph takes 15.
const LIST_MAX: usize = 100;
const FILTER_BYTES_MAX: usize = 8 * 1024;
/// No property that can be asked for holds longer texts.
const TEXT_CHARS_MAX: usize = 1_024;

/// Why a filter is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum FilterError {
    /// It does not follow the grammar.
    #[error("{expected} expected at position {position}")]
    Syntax {
        /// What would have been right.
        expected: &'static str,
        /// Bytes before it.
        position: usize,
    },
    /// It is too long, too deep or too large.
    #[error("{0}")]
    Limit(&'static str),
    /// It is OData, but means nothing here.
    #[error("{0} is not supported in $filter")]
    Unsupported(&'static str),
}

/// Reads a filter.
pub(crate) fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(FilterError::Limit("the filter is longer than 8 KB"));
    }
    let mut parser = Parser { text, at: 0, depth: 0, nodes: 0, variable: None };
    let expr = parser.or()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.expected("'and', 'or' or the end of the filter"));
    }
    Ok(expr)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    nodes: usize,
    /// Within `any(x: …)`: x.
    variable: Option<&'t str>,
}

impl<'t> Parser<'t> {
    fn or(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterError::Limit("the filter is nested deeper than 20 levels"));
        }
        let mut all = vec![self.and()?];
        while self.word("or") {
            all.push(self.and()?);
        }
        self.depth -= 1;
        Ok(single_or(all, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.unary()?];
        while self.word("and") {
            all.push(self.unary()?);
        }
        Ok(single_or(all, Expr::And))
    }

    fn unary(&mut self) -> Result<Expr, FilterError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(FilterError::Limit("the filter has more than 100 conditions"));
        }
        self.space();
        let before = self.at;
        // `not` is a word of its own or stands before a parenthesis: `nothing eq 1` starts with a property.
        if self.keyword("not") && (self.rest().starts_with(' ') || self.rest().starts_with('(')) {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(FilterError::Limit("the filter is nested deeper than 20 levels"));
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        self.at = before;
        if self.mark("(") {
            let inner = self.or()?;
            self.require(")", "')'")?;
            return Ok(inner);
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<Expr, FilterError> {
        let path = self.path()?;
        if self.rest().starts_with('(') {
            return self.call(path);
        }
        if let Some((collection, "any" | "all")) = path.rsplit_once('/') {
            let _ = collection;
            return Err(self.expected("'('"));
        }
        let path = self.relative(path)?;
        if self.word("in") {
            return Ok(Expr::In { path, values: self.list()? });
        }
        let operator = self.operator()?;
        let value = self.literal()?;
        Ok(Expr::Compare { path, operator, value })
    }

    /// What stands before a parenthesis: a function, or `collection/any`.
    fn call(&mut self, name: &'t str) -> Result<Expr, FilterError> {
        if let Some((collection, lambda)) = name.rsplit_once('/') {
            return match lambda.to_ascii_lowercase().as_str() {
                "any" => self.any(collection),
                "all" => Err(FilterError::Unsupported("all()")),
                _ => Err(self.expected("any")),
            };
        }
        let function = match name.to_ascii_lowercase().as_str() {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            _ => {
                return Err(FilterError::Unsupported(
                    "a function other than startsWith, endsWith and contains",
                ));
            }
        };
        self.require("(", "'('")?;
        let path = self.path()?;
        let path = self.relative(path)?;
        self.require(",", "','")?;
        let at = self.at;
        let Literal::Text(text) = self.literal()? else {
            return Err(FilterError::Syntax { expected: "a text in quotes", position: at });
        };
        self.require(")", "')'")?;
        let found = Expr::Match { function, path, text };
        let before = self.at;
        if self.word("eq") {
            return match self.literal()? {
                Literal::Bool(true) => Ok(found),
                Literal::Bool(false) => Ok(Expr::Not(Box::new(found))),
                _ => Err(FilterError::Syntax { expected: "true or false", position: before }),
            };
        }
        Ok(found)
    }

    fn any(&mut self, collection: &'t str) -> Result<Expr, FilterError> {
        if self.variable.is_some() {
            return Err(FilterError::Unsupported("any() within any()"));
        }
        let collection = collection.to_owned();
        self.require("(", "'('")?;
        if self.mark(")") {
            return Ok(Expr::Any { collection, condition: None });
        }
        self.space();
        let variable = self.path()?;
        if variable.contains('/') {
            return Err(self.expected("a name for the item"));
        }
        self.require(":", "':'")?;
        self.variable = Some(variable);
        let condition = self.or()?;
        self.variable = None;
        self.require(")", "')'")?;
        Ok(Expr::Any { collection, condition: Some(Box::new(condition)) })
    }

    /// Within `any(x: …)` paths start with x; what is kept is relative to it.
    fn relative(&self, path: &str) -> Result<String, FilterError> {
        let Some(variable) = self.variable else { return Ok(path.to_owned()) };
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if first == variable {
            Ok(rest.to_owned())
        } else {
            Err(FilterError::Unsupported("a property of the outer object within any()"))
        }
    }

    fn operator(&mut self) -> Result<Comparison, FilterError> {
        for (word, operator) in [
            ("eq", Comparison::Equal),
            ("ne", Comparison::NotEqual),
            ("lt", Comparison::Less),
            ("le", Comparison::LessOrEqual),
            ("gt", Comparison::Greater),
            ("ge", Comparison::GreaterOrEqual),
        ] {
            if self.word(word) {
                return Ok(operator);
            }
        }
        self.space();
        Err(self.expected("an operator (eq, ne, lt, le, gt, ge, in)"))
    }

    fn list(&mut self) -> Result<Vec<Literal>, FilterError> {
        self.require("(", "'('")?;
        let mut values = vec![self.literal()?];
        while self.mark(",") {
            values.push(self.literal()?);
            if values.len() > LIST_MAX {
                return Err(FilterError::Limit("a list of 'in' has more than 100 values"));
            }
        }
        self.require(")", "',' or ')'")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, FilterError> {
        self.space();
        let begin = self.at;
        if self.mark("'") {
            return self.quoted(begin).map(Literal::Text);
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-:.+".contains(c);
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or_default();
        self.at += end;
        bare(token).ok_or(FilterError::Syntax {
            expected: "a value (a text in quotes, a GUID, a number, a date and time, true, false or null)",
            position: begin,
        })
    }

    /// Behind the opening quote; a quote within is doubled.
    fn quoted(&mut self, begin: usize) -> Result<String, FilterError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                text.push(c);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                self.at += at + 1;
                if text.chars().count() > TEXT_CHARS_MAX {
                    return Err(FilterError::Limit("a text is longer than 1,024 characters"));
                }
                return Ok(text);
            }
        }
        Err(FilterError::Syntax {
            expected: "a closing quote for the text that starts here",
            position: begin,
        })
    }

    fn path(&mut self) -> Result<&'t str, FilterError> {
        self.space();
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.$/@".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        match rest.get(..end) {
            Some(path) if path.starts_with(|c: char| c.is_ascii_alphabetic()) && end <= 256 => {
                self.at += end;
                Ok(path)
            }
            _ => Err(self.expected("a property")),
        }
    }

    /// A word between spaces or parentheses, in any case.
    fn word(&mut self, word: &str) -> bool {
        let before = self.at;
        self.space();
        let spaced = self.at > before || self.text.get(..before).is_some_and(|text| text.ends_with(')'));
        if spaced && self.keyword(word) && !self.rest().starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return true;
        }
        self.at = before;
        false
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is = self.rest().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if is {
            self.at += word.len();
        }
        is
    }

    fn mark(&mut self, mark: &str) -> bool {
        self.space();
        let is = self.rest().starts_with(mark);
        if is {
            self.at += mark.len();
        }
        is
    }

    fn require(&mut self, mark: &str, name: &'static str) -> Result<(), FilterError> {
        if self.mark(mark) { Ok(()) } else { Err(self.expected(name)) }
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn expected(&self, expected: &'static str) -> FilterError {
        FilterError::Syntax { expected, position: self.at }
    }
}

fn single_or(mut all: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            all.extend(last);
            join(all)
        }
    }
}

/// A value without quotes.
fn bare(token: &str) -> Option<Literal> {
    match token.to_ascii_lowercase().as_str() {
        "null" => return Some(Literal::Null),
        "true" => return Some(Literal::Bool(true)),
        "false" => return Some(Literal::Bool(false)),
        _ => {}
    }
    if token.len() == 36
        && let Ok(id) = Uuid::try_parse(token)
    {
        return Some(Literal::Guid(id));
    }
    if let Ok(number) = token.parse() {
        return Some(Literal::Number(number));
    }
    if let Ok(time) = token.parse::<Timestamp>() {
        return Some(Literal::Time(time));
    }
    // A date alone is its first moment.
    format!("{token}T00:00:00Z").parse::<Timestamp>().ok().filter(|_| token.len() == 10).map(Literal::Time)
}
