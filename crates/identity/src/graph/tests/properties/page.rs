//! Reads the tables of `docs/src/reference/properties.md`. A word that is not in the page's own lists is a failure.

use serde_json::Value;

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/reference/properties.md"));

/// What the column *Hilum* says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Writable,
    Required,
    OnCreateOnly,
    Once,
    Fixed,
    OwnValue,
    ReadOnly,
    WriteOnly,
    Removable,
    Ignored,
    IgnoredOnCreate,
    OtherName(String),
    Refused,
}

/// The words of [`Rule`], but for what stands behind `other name`.
const RULES: &[(&str, Rule)] = &[
    ("writable", Rule::Writable),
    ("required", Rule::Required),
    ("on create only", Rule::OnCreateOnly),
    ("once", Rule::Once),
    ("fixed", Rule::Fixed),
    ("own value", Rule::OwnValue),
    ("read-only", Rule::ReadOnly),
    ("write-only", Rule::WriteOnly),
    ("removable", Rule::Removable),
    ("ignored", Rule::Ignored),
    ("ignored on create", Rule::IgnoredOnCreate),
    ("refused", Rule::Refused),
];

/// What the column *Shown* says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Always,
    Select,
    NullWithoutSelect,
    WhenSet,
    Never,
}

const SHOWN: &[(&str, Shown)] = &[
    ("always", Shown::Always),
    ("$select", Shown::Select),
    ("null without $select", Shown::NullWithoutSelect),
    ("when set", Shown::WhenSet),
    ("never", Shown::Never),
];

/// What the column *Default* says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Initial {
    Json(Value),
    Server,
    Given,
    Members,
    Nothing,
}

/// A property.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// `web.redirectUris`, `appRoles[].value`.
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) rules: Vec<Rule>,
    pub(super) shown: Shown,
    pub(super) default: Initial,
}

impl Row {
    pub(super) fn is(&self, rule: &Rule) -> bool {
        self.rules.contains(rule)
    }

    /// The property of the object itself.
    pub(super) fn top(&self) -> &str {
        self.name.split(['.', '[']).next().unwrap()
    }

    /// Whether it is the object's own and no member of one of its properties.
    pub(super) fn is_top(&self) -> bool {
        self.top() == self.name
    }
}

/// How a relationship is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    OwnPath,
    OwnPathAndExpand,
    Absent,
}

/// A type of object.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
    pub(super) relationships: Vec<(String, Reached)>,
}

impl Section {
    /// The section with this name.
    pub(super) fn of(name: &str) -> Self {
        sections().into_iter().find(|section| section.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// All sections with tables of properties.
pub(super) fn sections() -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in PAGE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            all.push(Section { name: name.to_owned(), ..Section::default() });
        }
        let Some(section) = all.last_mut() else { continue };
        let Some(cells) = line.strip_prefix("| `").map(|_| cells(line)) else { continue };
        match cells.as_slice() {
            [name, kind, _entra, rules, shown, default, _difference] => {
                let row = Row {
                    name: word(name),
                    kind: kind.clone(),
                    rules: rules.split(", ").map(rule).collect(),
                    shown: known(SHOWN, &word(shown)),
                    default: initial(default),
                };
                assert!(section.row(&row.name).is_none(), "{} is there twice", row.name);
                section.rows.push(row);
            }
            [name, reached, _difference] => section.relationships.push((word(name), reach(reached))),
            // The lists of words.
            [_, _] => {}
            other => panic!("{} cells: {line}", other.len()),
        }
    }
    all.retain(|section| !section.rows.is_empty());
    all
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap();
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between backticks.
fn word(cell: &str) -> String {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.unwrap_or_else(|| panic!("no word: {cell}")).to_owned()
}

fn known<T: Clone>(words: &[(&str, T)], word: &str) -> T {
    let found = words.iter().find(|(known, _)| *known == word);
    found.unwrap_or_else(|| panic!("the page does not define '{word}'")).1.clone()
}

fn rule(cell: &str) -> Rule {
    match cell.strip_prefix("`other name` of ") {
        Some(name) => Rule::OtherName(word(name)),
        None => known(RULES, &word(cell)),
    }
}

fn reach(cell: &str) -> Reached {
    match cell {
        "`own path`" => Reached::OwnPath,
        "`own path`, `$expand`" => Reached::OwnPathAndExpand,
        "`absent`" => Reached::Absent,
        other => panic!("the page does not define {other}"),
    }
}

fn initial(cell: &str) -> Initial {
    if cell == "—" {
        return Initial::Nothing;
    }
    match word(cell).as_str() {
        "server" => Initial::Server,
        "given" => Initial::Given,
        "members" => Initial::Members,
        json => Initial::Json(serde_json::from_str(json).unwrap_or_else(|_| panic!("no JSON: {cell}"))),
    }
}

#[test]
fn the_page_defines_the_words_it_uses_and_uses_those_it_defines() {
    let top = PAGE.split("\n## application").next().unwrap();
    let defined: Vec<String> = top
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| word(cells(line).first().unwrap()))
        .collect();
    let mut known: Vec<&str> = RULES.iter().map(|(word, _)| *word).collect();
    // Stands with the name of another property.
    known.insert(known.len() - 1, "other name");
    known.extend(SHOWN.iter().map(|(word, _)| *word));
    assert_eq!(defined, known);
    let sections = sections();
    let rows: Vec<&Row> = sections.iter().flat_map(|section| &section.rows).collect();
    for (word, rule) in RULES {
        assert!(rows.iter().any(|row| row.is(rule)), "nothing is '{word}'");
    }
    for (word, shown) in SHOWN {
        assert!(rows.iter().any(|row| row.shown == *shown), "nothing is shown '{word}'");
    }
    for row in rows {
        assert_eq!(row.default == Initial::Nothing, row.shown == Shown::Never, "{}", row.name);
    }
}
