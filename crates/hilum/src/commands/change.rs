//! `--set`, `--add` and `--remove` of the update commands, in the grammar of `az`: what is to be sent to change an
//! object so.

use clap::Args;
use serde_json::{Map, Value};

use super::{Failure, values};

/// The largest position that a path may name.
const INDEX_MAX: usize = 10_000;

#[derive(Debug, Args, Default)]
pub(crate) struct ChangeArgs {
    /// property.path=value; a position in a list is written list[0].
    #[arg(long, num_args = 1.., value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// A list, and what to add to it: texts, JSON, or the members of one object as key=value.
    #[arg(long, num_args = 2.., value_names = ["PATH", "VALUE"])]
    pub(crate) add: Option<Vec<String>>,
    /// A property, or a list and the position in it, to remove.
    #[arg(long, num_args = 1..=2, value_names = ["PATH", "INDEX"])]
    pub(crate) remove: Option<Vec<String>>,
    /// A value of --set or --add that looks like a number or truth value stays text.
    #[arg(long)]
    pub(crate) force_string: bool,
}

impl ChangeArgs {
    /// What is no change is told before anything is asked.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.set.iter().find(|setting| !setting.contains('=')) {
            Some(setting) => Err(Failure::Usage(format!("--set wants PATH=VALUE, not '{setting}'"))),
            None => Ok(()),
        }
    }

    /// Puts the change into `members`.
    pub(crate) fn apply(&self, members: &mut Map<String, Value>, present: &Value) -> Result<(), Failure> {
        for setting in &self.set {
            let (path, value) = setting
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--set wants PATH=VALUE, not '{setting}'")))?;
            self.set_one(members, present, path.trim(), value)?;
        }
        if let Some([path, added @ ..]) = self.add.as_deref() {
            let mut items = list(members, present, path)?;
            items.extend(self.added(added));
            values::put(members, path, items.into());
        }
        match self.remove.as_deref() {
            Some([path, index]) => {
                let mut items = list(members, present, path)?;
                let index = index.parse().ok().filter(|at| *at < items.len());
                let at: usize =
                    index.ok_or_else(|| Failure::Usage(format!("--remove: {path} has no such position")))?;
                items.remove(at);
                values::put(members, path, items.into());
            }
            Some([path]) => values::put(members, path, Value::Null),
            _ => {}
        }
        Ok(())
    }

    fn value(&self, text: &str) -> Value {
        match values::loose(text) {
            Value::Number(_) | Value::Bool(_) if self.force_string => text.into(),
            value => value,
        }
    }

    fn set_one(
        &self,
        members: &mut Map<String, Value>,
        present: &Value,
        path: &str,
        value: &str,
    ) -> Result<(), Failure> {
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(Failure::Usage(format!("--set: '{path}' is no path of a property")));
        }
        let Some((outer, rest)) = path.split_once('[') else {
            values::put(members, path, self.value(value));
            return Ok(());
        };
        // The list is sent whole: Graph has no way to change one of its items.
        let wrong = || Failure::Usage(format!("--set: '{path}' is no position in a list"));
        let (index, inner) = rest.split_once(']').ok_or_else(wrong)?;
        let at = index.parse().ok().filter(|at| *at < INDEX_MAX).ok_or_else(wrong)?;
        let mut items = list(members, present, outer)?;
        let item: &mut Value = items.get_mut::<usize>(at).ok_or_else(wrong)?;
        match inner.strip_prefix('.') {
            Some(inner) if !inner.contains('[') => {
                let Value::Object(item) = item else { return Err(wrong()) };
                values::put(item, inner, self.value(value));
            }
            None if inner.is_empty() => *item = self.value(value),
            _ => return Err(wrong()),
        }
        values::put(members, outer, items.into());
        Ok(())
    }

    /// Pairs of key=value become one object; everything else is an item of its own.
    fn added(&self, texts: &[String]) -> Vec<Value> {
        let mut items = Vec::new();
        let mut object = Map::new();
        for text in texts {
            match text.split_once('=').filter(|(key, _)| is_name(key)) {
                Some((key, value)) => {
                    object.insert(key.to_owned(), self.value(value));
                }
                None => items.push(self.value(text)),
            }
        }
        if !object.is_empty() {
            items.push(Value::Object(object));
        }
        items
    }
}

/// A URL with a query is no pair.
fn is_name(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A list as it is to become so far: as changed already, else as it is.
fn list(changed: &Map<String, Value>, present: &Value, path: &str) -> Result<Vec<Value>, Failure> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let first = path.split('.').next().unwrap_or(path);
    let changed = changed
        .get(first)
        .and_then(|top| top.pointer(pointer.strip_prefix(&format!("/{first}")).unwrap_or_default()));
    match changed.or_else(|| present.pointer(&pointer)) {
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(_) => Err(Failure::Usage(format!("{path} is no list"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ChangeArgs,
    }

    fn change(words: &[&str]) -> Result<Value, Failure> {
        let present = json!({
            "tags": ["a", "b"],
            "web": {"redirectUris": ["https://x"], "homePageUrl": "h"},
            "appRoles": [{"id": "1", "isEnabled": true}],
        });
        let line = Line::try_parse_from([&["update"], words].concat()).unwrap();
        let mut members = Map::new();
        line.arguments.apply(&mut members, &present)?;
        Ok(Value::Object(members))
    }

    #[test]
    fn the_grammar_of_az() {
        for (words, wanted) in [
            (
                &["--set", "notes=x=y", "web.homePageUrl=https://n"][..],
                json!({"notes": "x=y", "web": {"homePageUrl": "https://n"}}),
            ),
            (
                &["--set", "n=3", "t=true", "o={\"a\":[1]}", "z=null"],
                json!({"n": 3, "t": true, "o": {"a": [1]}, "z": null}),
            ),
            (&["--force-string", "--set", "n=3"], json!({"n": "3"})),
            (&["--set", "tags[1]=c"], json!({"tags": ["a", "c"]})),
            (
                &["--set", "appRoles[0].isEnabled=false"],
                json!({"appRoles": [{"id": "1", "isEnabled": false}]}),
            ),
            (&["--set", "tags[0]=x", "--add", "tags", "y"], json!({"tags": ["x", "b", "y"]})),
            (
                &["--add", "web.redirectUris", "https://y?a=b"],
                json!({"web": {"redirectUris": ["https://x", "https://y?a=b"]}}),
            ),
            (
                &["--add", "appRoles", "id=x2", "isEnabled=false"],
                json!({"appRoles": [{"id": "1", "isEnabled": true}, {"id": "x2", "isEnabled": false}]}),
            ),
            (
                &["--add", "appRoles", r#"{"id": "3"}"#],
                json!({"appRoles": [{"id": "1", "isEnabled": true}, {"id": "3"}]}),
            ),
            (&["--remove", "tags", "0"], json!({"tags": ["b"]})),
            (&["--remove", "web.homePageUrl"], json!({"web": {"homePageUrl": null}})),
        ] {
            assert_eq!(change(words).unwrap(), wanted, "{words:?}");
        }
    }

    #[test]
    fn what_is_no_change_is_wrong_usage() {
        for words in [
            &["--set", "nonsense"][..],
            &["--set", "=x"],
            &["--set", "a..b=x"],
            &["--set", "tags[9]=x"],
            &["--set", "tags[x]=x"],
            &["--set", "tags[0].a=x"],
            &["--set", "web[0]=x"],
            &["--remove", "tags", "2"],
            &["--remove", "tags", "-1"],
            &["--add", "web", "x"],
        ] {
            let arguments = Line::try_parse_from([&["update"], words].concat());
            let Ok(line) = arguments else { continue };
            let mut members = Map::new();
            let present = json!({"tags": ["a", "b"], "web": {"homePageUrl": "h"}});
            assert_eq!(line.arguments.apply(&mut members, &present).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
