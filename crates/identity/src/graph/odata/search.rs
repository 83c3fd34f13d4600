//! `$search`: `"displayName:x"`, several joined by AND and OR. A clause holds where the property contains its words.

use super::GraphError;
use crate::query::{Expr, Function};

const CLAUSES_MAX: usize = 10;
const TEXT_CHARS_MAX: usize = 256;

pub(super) fn parse(text: &str) -> Result<Expr, GraphError> {
    let mut rest = text.trim();
    let (mut any, mut all) = (Vec::new(), Vec::new());
    let mut clauses = 0;
    loop {
        let (clause, behind) = quoted(rest)?;
        all.push(condition(&clause)?);
        clauses += 1;
        if clauses > CLAUSES_MAX {
            return Err(wrong("there are too many clauses"));
        }
        rest = behind.trim_start();
        if rest.is_empty() {
            any.push(Expr::And(all));
            return Ok(Expr::Or(any));
        } else if let Some(behind) = rest.strip_prefix("AND ") {
            rest = behind.trim_start();
        } else if let Some(behind) = rest.strip_prefix("OR ") {
            any.push(Expr::And(std::mem::take(&mut all)));
            rest = behind.trim_start();
        } else {
            return Err(wrong("AND or OR is expected between clauses"));
        }
    }
}

/// What stands between the first quotes, and what comes behind.
fn quoted(text: &str) -> Result<(String, &str), GraphError> {
    let expected = || wrong("a clause in double quotes is expected: \"displayName:words\"");
    let mut inside = String::new();
    let mut chars = text.strip_prefix('"').ok_or_else(expected)?.chars();
    loop {
        match chars.next().ok_or_else(expected)? {
            '"' => return Ok((inside, chars.as_str())),
            '\\' => inside.push(chars.next().ok_or_else(expected)?),
            c => inside.push(c),
        }
    }
}

fn condition(clause: &str) -> Result<Expr, GraphError> {
    let (property, words) =
        clause.split_once(':').ok_or_else(|| wrong("a property is expected before ':'"))?;
    let words = words.trim();
    if words.is_empty() || words.chars().count() > TEXT_CHARS_MAX {
        return Err(wrong("1 to 256 characters are expected behind ':'"));
    }
    Ok(Expr::Match { function: Function::Contains, path: property.trim().to_owned(), text: words.to_owned() })
}

fn wrong(reason: &str) -> GraphError {
    GraphError::bad_request(format!("Invalid $search clause: {reason}."))
}
