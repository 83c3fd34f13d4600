//! The plan as people read it.

use hilum_identity::{ConfigurationPlan, PlannedAction, PlannedChange, PropertyChange};
use serde_json::Value;

/// A value longer than this is cut: the file says it whole.
const VALUE_CHARS_MAX: usize = 160;

pub(super) fn plan(plan: &ConfigurationPlan, colours: bool) -> String {
    if plan.changes.is_empty() {
        return "No changes: everything is as declared.".to_owned();
    }
    let mut lines = Vec::new();
    for change in &plan.changes {
        object(change, colours, &mut lines);
    }
    let (create, update, delete) = plan.counts();
    lines.push(String::new());
    lines.push(format!("Plan: {create} to create, {update} to change, {delete} to delete."));
    lines.join("\n")
}

fn object(change: &PlannedChange, colours: bool, lines: &mut Vec<String>) {
    let (sign, colour) = match change.action {
        PlannedAction::Create => ('+', 32),
        PlannedAction::Update => ('~', 33),
        PlannedAction::Delete => ('-', 31),
    };
    let head = format!("{sign} {} '{}'", change.kind, clean(&change.name));
    lines.push(if colours { format!("\u{1b}[{colour}m{head}\u{1b}[0m") } else { head });
    for property in &change.properties {
        lines.push(format!("    {}", text(property, change.action)));
    }
    lines.extend(change.notes.iter().map(|note| format!("    {}", clean(note))));
}

fn text(property: &PropertyChange, action: PlannedAction) -> String {
    let PropertyChange { path, before, after } = property;
    if action == PlannedAction::Create {
        return format!("{path}: {}", value(after));
    }
    // Of lists only what comes and goes.
    if let (Some(old), Some(new)) = (items(before), items(after)) {
        let gone = old.iter().filter(|item| !new.contains(item)).map(|item| format!("-{}", value(item)));
        let come = new.iter().filter(|item| !old.contains(item)).map(|item| format!("+{}", value(item)));
        let both: Vec<String> = gone.chain(come).collect();
        if !both.is_empty() {
            return format!("{path}: {}", both.join("  "));
        }
    }
    format!("{path}: {} → {}", value(before), value(after))
}

fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Null => Some(&[]),
        _ => None,
    }
}

fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let mut letters = clean(&text).chars().collect::<Vec<_>>();
    if letters.len() > VALUE_CHARS_MAX {
        letters.truncate(VALUE_CHARS_MAX);
        letters.push('…');
    }
    letters.into_iter().collect()
}

/// A name from a file must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
