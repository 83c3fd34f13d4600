//! How results are printed: `--query` picks, `--output` shapes, as `az` does.

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::Failure;

/// The formats of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Indented JSON.
    Json,
    /// The same; colours are left to the terminal's own tools.
    Jsonc,
    /// A table for people.
    Table,
    /// Tab-separated values without header, for scripts.
    Tsv,
    /// YAML.
    Yaml,
    /// Nothing.
    None,
}

/// The columns of a command's table, where they are chosen: heading and member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) of: &'static [(&'static str, &'static str)],
    /// The member that the rows are sorted by.
    pub(crate) sorted_by: Option<&'static str>,
}

/// The text to print, if any: like `az`, a result of `null` prints nothing.
pub(crate) fn render(
    answer: Option<Value>,
    query: Option<&str>,
    (format, columns): (OutputFormat, Option<Columns>),
) -> Result<Option<String>, Failure> {
    let Some(mut value) = answer else { return Ok(None) };
    if let Some(query) = query {
        let expression = jmespath::compile(query)
            .map_err(|error| Failure::Usage(format!("--query: {}", first_line(&error.to_string()))))?;
        let found = expression
            .search(&value)
            .map_err(|error| Failure::Usage(format!("--query: {}", first_line(&error.to_string()))))?;
        value = serde_json::to_value(&*found).map_err(Failure::error)?;
    }
    if value.is_null() {
        return Ok(None);
    }
    let text = match format {
        OutputFormat::None => return Ok(None),
        OutputFormat::Json | OutputFormat::Jsonc => {
            serde_json::to_string_pretty(&value).map_err(Failure::error)?
        }
        OutputFormat::Tsv => tsv(&value),
        // As az: a query makes columns of its own.
        OutputFormat::Table => match columns.filter(|_| query.is_none()) {
            Some(columns) => chosen(&value, columns),
            None => table(&value),
        },
        OutputFormat::Yaml => {
            let mut text = String::new();
            yaml(&value, 0, &mut text);
            text.trim_end().to_owned()
        }
    };
    Ok(if text.is_empty() { None } else { Some(text) })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn tsv(value: &Value) -> String {
    match value {
        Value::Array(rows) => rows.iter().map(tsv_row).collect::<Vec<_>>().join("\n"),
        single => tsv_row(single),
    }
}

fn tsv_row(row: &Value) -> String {
    let cells: Vec<String> = match row {
        Value::Object(members) => members.values().map(cell).collect(),
        Value::Array(items) => items.iter().map(cell).collect(),
        scalar => vec![cell(scalar)],
    };
    cells.join("\t")
}

/// As `az` does: a nested list is its length, a nested object is empty. Tabs and line ends would break the row.
fn cell(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) => String::new(),
        Value::Array(items) => items.len().to_string(),
        Value::String(text) => text.replace(['\t', '\n', '\r'], " "),
        scalar => scalar.to_string(),
    }
}

fn table(value: &Value) -> String {
    lines_of(rows(value).into_iter().map(table_row).collect())
}

fn rows(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(rows) => rows.iter().collect(),
        single => vec![single],
    }
}

fn chosen(value: &Value, columns: Columns) -> String {
    let mut rows = rows(value);
    if let Some(member) = columns.sorted_by {
        rows.sort_by_key(|row| row.get(member).map(cell).unwrap_or_default());
    }
    let row = |row: &Value| {
        let cell = |(heading, member): &(&str, &str)| {
            ((*heading).to_owned(), row.get(*member).map(cell).unwrap_or_default())
        };
        columns.of.iter().map(cell).collect()
    };
    lines_of(rows.into_iter().map(row).collect())
}

fn lines_of(rows: Vec<Vec<(String, String)>>) -> String {
    let mut columns: Vec<String> = Vec::new();
    for (name, text) in rows.iter().flatten() {
        if !text.is_empty() && !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    if columns.is_empty() {
        return String::new();
    }
    let cells: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            let of =
                |column| row.iter().find(|(name, _)| name == column).map_or("", |(_, text)| text.as_str());
            columns.iter().map(of).collect()
        })
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cell = |row: &Vec<&str>| row.get(at).map_or(0, |text| text.chars().count());
            cells.iter().map(cell).max().unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines =
        vec![line(&mut columns.iter().cloned()), line(&mut widths.iter().map(|width| "-".repeat(*width)))];
    lines.extend(cells.iter().map(|row| line(&mut row.iter().map(|text| (*text).to_owned()))));
    lines.join("\n")
}

/// Nested values have no place in a table; `id` is left out where a nicer name is, as `az` does.
fn table_row(row: &Value) -> Vec<(String, String)> {
    match row {
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| !hidden(members, name) && !value.is_object() && !value.is_array())
            .map(|(name, value)| (capitalised(name), cell(value)))
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (format!("Column{}", at + 1), cell(value))).collect()
        }
        scalar => vec![("Result".to_owned(), cell(scalar))],
    }
}

fn hidden(members: &Map<String, Value>, name: &str) -> bool {
    matches!(name, "type" | "etag") || (matches!(name, "id" | "objectId") && members.len() > 3)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn yaml(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let entry = |lead: String, value: &Value, out: &mut String| {
        let nested = match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        out.push_str(&pad);
        out.push_str(&lead);
        if nested {
            out.push('\n');
            yaml(value, indent + 2, out);
        } else {
            // JSON scalars and empty collections are YAML, too.
            out.push(' ');
            out.push_str(&value.to_string());
            out.push('\n');
        }
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| entry(format!("{name}:"), value, out));
        }
        Value::Array(items) => items.iter().for_each(|value| entry("-".to_owned(), value, out)),
        scalar => {
            out.push_str(&pad);
            out.push_str(&scalar.to_string());
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(value: Value, query: Option<&str>, format: OutputFormat) -> String {
        render(Some(value), query, (format, None)).unwrap().unwrap_or_default()
    }

    #[test]
    fn scripts_get_bare_text() {
        let app = json!({"appId": "a-1", "tags": ["x", "y"], "web": {}, "ok": true, "none": null});
        assert_eq!(show(app.clone(), Some("appId"), OutputFormat::Tsv), "a-1");
        assert_eq!(show(app.clone(), Some("absent"), OutputFormat::Tsv), "");
        assert_eq!(show(app.clone(), None, OutputFormat::Tsv), "a-1\t\ttrue\t2\t");
        assert_eq!(show(app, None, OutputFormat::None), "");
        let list = json!([{"n": "a\tb"}, {"n": "c"}]);
        assert_eq!(show(list.clone(), Some("[].n"), OutputFormat::Tsv), "a b\nc");
        assert_eq!(show(list, Some("length(@)"), OutputFormat::Tsv), "2");
    }

    #[test]
    fn people_get_tables() {
        let list = json!([{"displayName": "Müller", "n": 1, "x": []}, {"displayName": "B", "n": null}]);
        insta::assert_snapshot!(show(list, None, OutputFormat::Table), @r"
        DisplayName  N
        -----------  -
        Müller       1
        B
        ");
    }

    #[test]
    fn chosen_columns_are_sorted_and_give_way_to_a_query() {
        let columns =
            Columns { of: &[("Name", "displayName"), ("Id", "id")], sorted_by: Some("displayName") };
        let list = json!([{"displayName": "b", "id": "2", "x": 1}, {"displayName": "a", "id": "1"}]);
        let shown =
            |query| render(Some(list.clone()), query, (OutputFormat::Table, Some(columns))).unwrap().unwrap();
        insta::assert_snapshot!(shown(None), @r"
        Name  Id
        ----  --
        a     1
        b     2
        ");
        insta::assert_snapshot!(shown(Some("[].x")), @r"
        Result
        ------
        1
        ");
    }

    #[test]
    fn yaml_nests() {
        let value = json!({"a": {"b": [1, {"c": "d"}]}, "e": []});
        insta::assert_snapshot!(show(value, None, OutputFormat::Yaml), @r#"
        a:
          b:
            - 1
            -
              c: "d"
        e: []
        "#);
    }

    #[test]
    fn a_wrong_query_is_wrong_usage() {
        let failure = render(Some(json!({})), Some("a["), (OutputFormat::Json, None)).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
    }
}
