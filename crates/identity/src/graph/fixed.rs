//! Lists that are part of the program and not of the database: `$filter` and `$search` are answered in memory.

use serde_json::Value;

use super::{Answer, Call, GraphError};
use crate::{
    folded,
    query::{Comparison, Expr, Function, Literal, Page},
};

/// The items that the call's options leave.
pub(super) fn answer(call: &Call, context: &'static str, items: Vec<Value>) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let conditions: Vec<&Expr> = call.options.filter.iter().chain(&call.options.search).collect();
    let mut chosen = Vec::new();
    for item in items {
        let mut holds = true;
        for condition in &conditions {
            holds &= fits(&item, condition)?;
        }
        if holds {
            chosen.push(item);
        }
    }
    let total = u64::try_from(chosen.len()).ok();
    chosen.truncate(call.options.top.unwrap_or(usize::MAX));
    Ok(Answer::page(context, Page { items: chosen, next: None, total }))
}

fn fits(item: &Value, condition: &Expr) -> Result<bool, GraphError> {
    Ok(match condition {
        Expr::And(all) => {
            let mut holds = true;
            for condition in all {
                holds &= fits(item, condition)?;
            }
            holds
        }
        Expr::Or(any) => {
            let mut holds = false;
            for condition in any {
                holds |= fits(item, condition)?;
            }
            holds
        }
        Expr::Not(inner) => !fits(item, inner)?,
        Expr::Compare { path, operator: Comparison::Equal, value } => equal(member(item, path)?, value),
        Expr::Compare { path, operator: Comparison::NotEqual, value } => !equal(member(item, path)?, value),
        Expr::In { path, values } => {
            let member = member(item, path)?;
            values.iter().any(|value| equal(member, value))
        }
        Expr::Match { function, path, text } => {
            let held = folded(member(item, path)?.as_str().unwrap_or_default());
            let text = folded(text);
            match function {
                Function::StartsWith => held.starts_with(&text),
                Function::EndsWith => held.ends_with(&text),
                Function::Contains => held.contains(&text),
            }
        }
        Expr::Compare { path, .. } | Expr::Any { collection: path, .. } => return Err(unsupported(path)),
    })
}

fn member<'v>(item: &'v Value, path: &str) -> Result<&'v Value, GraphError> {
    let members = item.as_object().into_iter().flatten();
    members
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(path))
        .map(|(_, value)| value)
        .ok_or_else(|| unsupported(path))
}

fn equal(held: &Value, wanted: &Literal) -> bool {
    match (held, wanted) {
        (Value::Null, Literal::Null) => true,
        (Value::Bool(held), Literal::Bool(wanted)) => held == wanted,
        (Value::String(held), Literal::Text(wanted)) => folded(held) == folded(wanted),
        (Value::String(held), Literal::Guid(wanted)) => held.parse() == Ok(*wanted),
        _ => false,
    }
}

fn unsupported(path: &str) -> GraphError {
    let path: String = path.chars().take(100).collect();
    GraphError::unsupported_query(format!(
        "Unsupported or invalid query filter clause specified for property '{path}' of this resource."
    ))
}
