//! Documents as YAML: block style, names first, texts quoted where they would be read as something else.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What people look for first.
const FIRST: &[&str] = &[
    "kind",
    "displayName",
    "userPrincipalName",
    "uniqueName",
    "appId",
    "application",
    "roleName",
    "principal",
    "client",
    "resource",
];

/// Several documents, each as `---` and a block.
pub fn to_yaml(documents: &[Value]) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        match document {
            Value::Object(members) if !members.is_empty() => object(members, 0, &mut out),
            other => {
                flow(other, &mut out);
                out.push('\n');
            }
        }
    }
    out
}

fn object(members: &Map<String, Value>, indent: usize, out: &mut String) {
    let first = FIRST.iter().filter_map(|name| members.get_key_value(*name));
    let rest = members.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (at, (name, value)) in first.chain(rest).enumerate() {
        if at > 0 {
            pad(indent, out);
        }
        text(name, out);
        out.push(':');
        nested(value, indent, out);
    }
}

/// A value after `name:` or `-`.
fn nested(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            pad(indent + 2, out);
            object(members, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                pad(indent, out);
                out.push_str("- ");
                match item {
                    Value::Object(members) if !members.is_empty() => object(members, indent + 2, out),
                    other => {
                        flow(other, out);
                        out.push('\n');
                    }
                }
            }
        }
        other => {
            out.push(' ');
            flow(other, out);
            out.push('\n');
        }
    }
}

/// On one line. Lists within lists do not occur in the directory; they stay readable JSON.
fn flow(value: &Value, out: &mut String) {
    match value {
        Value::String(string) => text(string, out),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Plain where that cannot be misread, else with JSON's quotes and escapes, which YAML shares.
fn text(string: &str, out: &mut String) {
    let starts_well = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-/@+()".contains(c);
    let colons_inside = string.replace("://", "").chars().all(plain);
    let word = matches!(
        string.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if starts_well && colons_inside && !word && !string.ends_with(' ') {
        out.push_str(string);
    } else {
        let _ = write!(out, "{}", Value::String(string.to_owned()));
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::yaml, *};

    #[test]
    fn blocks_are_readable() {
        insta::assert_snapshot!(to_yaml(&[
            json!({"appId": "00000003-0000-0000-c000-000000000000", "kind": "Application", "displayName": "Imaging: client",
                "tags": ["a", "no", "007", ""], "web": {"redirectUris": ["https://app.example/cb?x=1"], "empty": {}},
                "appRoles": [{"value": "A", "isEnabled": false, "allowedMemberTypes": ["User"]}], "api": {"version": 2}}),
            json!({"kind": "User", "userPrincipalName": "ada@contoso.local"}),
        ]), @r#"
        ---
        kind: Application
        displayName: "Imaging: client"
        appId: "00000003-0000-0000-c000-000000000000"
        api:
          version: 2
        appRoles:
        - allowedMemberTypes:
          - User
          isEnabled: false
          value: A
        tags:
        - a
        - "no"
        - "007"
        - ""
        web:
          empty: {}
          redirectUris:
          - "https://app.example/cb?x=1"
        ---
        kind: User
        userPrincipalName: ada@contoso.local
        "#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[-:#& a-z0-9~'\"{}\\[\\],\n\t]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{1,6}", inner, 0..4)
                    .prop_filter("merge keys", |map| !map.contains_key("<<"))
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in prop::collection::vec(value(), 1..3)) {
            let documents: Vec<Value> = value.into_iter().map(|value| json!({"kind": "X", "value": value})).collect();
            let text = to_yaml(&documents);
            let read: Vec<Value> = yaml::read(&text, 10).unwrap().iter().map(yaml::Node::to_value).collect();
            prop_assert_eq!(read, documents, "{}", text);
        }
    }
}
