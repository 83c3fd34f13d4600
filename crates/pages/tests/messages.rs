//! Every text that is used is there, every text that is there is used, and what is put in fits.
//!
//! Reads the templates and sources of all crates. A text is found by `text("name")` or `rich("name")`, with what is chained to it:
//! `.with("argument", …)`, `.attribute("name")`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its files has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fluent_syntax::ast::{CallArguments, Entry, Expression, InlineExpression, Pattern, PatternElement};

/// Texts whose names are made, by their beginning, and the test that knows them all.
const MADE: [(&str, &str); 1] = [("error-", "crates/identity/src/oauth/failure/tests.rs")];

/// What may stand in a text besides words.
const MARKUP: [&str; 6] = ["<strong>", "</strong>", "<small>", "</small>", "<code>", "</code>"];

/// A value or an attribute: `name` or `name.attribute`.
#[derive(Debug, Default)]
struct Text {
    arguments: BTreeSet<String>,
    words: String,
}

#[derive(Debug)]
struct Use {
    name: String,
    arguments: BTreeSet<String>,
    rich: bool,
    place: String,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The texts of one language, by name.
fn catalogue(language: &Path) -> BTreeMap<String, Text> {
    let mut found = BTreeMap::new();
    let mut paths = Vec::new();
    files(language, &mut paths);
    for path in paths {
        let area = path.file_stem().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let resource = fluent_syntax::parser::parse(source.as_str())
            .unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", path.display()));
        for entry in resource.body {
            let Entry::Message(message) = entry else { continue };
            let id = message.id.name;
            assert!(
                id.starts_with(&format!("{area}-")) || area == "layout",
                "{id} does not belong into {area}.ftl"
            );
            let attributes = message
                .attributes
                .iter()
                .map(|attribute| (format!("{id}.{}", attribute.id.name), &attribute.value));
            let value = message.value.as_ref().map(|value| (id.to_owned(), value));
            for (name, pattern) in value.into_iter().chain(attributes) {
                let mut text = Text::default();
                read(pattern, &mut text);
                assert!(found.insert(name.clone(), text).is_none(), "twice {name}");
            }
        }
    }
    found
}

fn read(pattern: &Pattern<&str>, text: &mut Text) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { value } => text.words.push_str(value),
            PatternElement::Placeable { expression: Expression::Inline(inline) } => inner(inline, text),
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                inner(selector, text);
                for variant in variants {
                    read(&variant.value, text);
                }
            }
        }
    }
}

fn inner(inline: &InlineExpression<&str>, text: &mut Text) {
    match inline {
        InlineExpression::VariableReference { id } => drop(text.arguments.insert(id.name.to_owned())),
        InlineExpression::StringLiteral { .. } | InlineExpression::NumberLiteral { .. } => {}
        InlineExpression::FunctionReference { arguments: CallArguments { positional, .. }, .. } => {
            for argument in positional {
                inner(argument, text);
            }
        }
        other => panic!("a text refers to another, which this test does not follow: {other:?}"),
    }
}

/// Every use in templates and sources.
fn uses() -> Vec<Use> {
    let mut found = Vec::new();
    for owner in fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap().path()) {
        for folder in
            ["src", "templates"].map(|folder| owner.join(folder)).into_iter().filter(|folder| folder.is_dir())
        {
            let mut paths = Vec::new();
            files(&folder, &mut paths);
            for path in paths {
                let place = path.strip_prefix(crates()).unwrap().display().to_string();
                let is_test =
                    place.contains("/tests/") || place.ends_with("tests.rs") || place.contains("/contract/");
                let kind = path.extension().and_then(|kind| kind.to_str());
                if is_test || !matches!(kind, Some("rs" | "html")) {
                    continue;
                }
                let source = fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
                used(&without_comments(source, kind == Some("rs")), &place, &mut found);
            }
        }
    }
    found
}

fn without_comments(source: &str, rust: bool) -> String {
    let line = |line: &&str| !(rust && line.trim_start().starts_with("//"));
    source.lines().filter(line).collect::<Vec<_>>().join("\n")
}

fn used(source: &str, place: &str, found: &mut Vec<Use>) {
    for (call, rich) in [("text(\"", false), ("rich(\"", true)] {
        for (at, _) in source.match_indices(call) {
            // `get_text("…")` is another's.
            if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                || !source[..at].ends_with('.')
            {
                continue;
            }
            let (id, mut rest) = source[at + call.len()..].split_once('"').unwrap();
            if !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                || !id.contains('-')
            {
                continue;
            }
            let mut one =
                Use { name: id.to_owned(), arguments: BTreeSet::new(), rich, place: place.to_owned() };
            let Some(after) = rest.strip_prefix(')') else { continue };
            rest = after.trim_start();
            loop {
                if let Some(argument) = rest.strip_prefix(".with(") {
                    let (name, value) = argument.trim_start()[1..].split_once('"').unwrap();
                    one.arguments.insert(name.to_owned());
                    rest = behind(value).trim_start();
                } else if let Some(attribute) = rest.strip_prefix(".attribute(\"") {
                    let (name, after) = attribute.split_once('"').unwrap();
                    one.name = format!("{id}.{name}");
                    rest = after[1..].trim_start();
                } else {
                    break;
                }
            }
            found.push(one);
        }
    }
}

/// What comes behind the parenthesis that closes.
fn behind(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    &text[end.unwrap() + 1..]
}

#[test]
fn texts_that_are_used_are_there_and_fit() {
    let english = catalogue(&crates().join("pages/messages/en"));
    let mut wrong = BTreeSet::new();
    let uses = uses();
    assert!(uses.len() > 50, "the test finds no texts any more: {uses:#?}");
    for one in &uses {
        let Some(text) = english.get(&one.name) else {
            wrong.insert(format!("{}: {} is missing", one.place, one.name));
            continue;
        };
        if text.arguments != one.arguments {
            wrong.insert(format!(
                "{}: {} takes {:?}, not {:?}",
                one.place, one.name, text.arguments, one.arguments
            ));
        }
        if text.words.contains('<') != one.rich {
            wrong.insert(format!("{}: {} has markup, or none, but is not used so", one.place, one.name));
        }
    }
    let names: BTreeSet<&str> = uses.iter().map(|one| one.name.as_str()).collect();
    for name in english.keys() {
        if !names.contains(name.as_str()) && !MADE.iter().any(|(beginning, _)| name.starts_with(beginning)) {
            wrong.insert(format!("nobody uses {name}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn markup_in_texts_is_emphasis_only() {
    for language in fs::read_dir(crates().join("pages/messages")).unwrap().map(|entry| entry.unwrap().path())
    {
        for (name, text) in catalogue(&language) {
            let rest = MARKUP.iter().fold(text.words, |words, tag| words.replace(tag, ""));
            assert!(!rest.contains(['<', '>']), "{}: {name}: {rest}", language.display());
        }
    }
}

#[test]
fn other_languages_have_no_texts_of_their_own() {
    let folder = crates().join("pages/messages");
    let english = catalogue(&folder.join("en"));
    for language in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        for (name, text) in catalogue(&language) {
            let known = english.get(&name);
            let known = known.unwrap_or_else(|| panic!("{}: {name} is not in English", language.display()));
            assert!(text.arguments.is_subset(&known.arguments), "{}: {name}: {text:?}", language.display());
        }
    }
}

#[test]
fn every_file_is_compiled_in() {
    let list = fs::read_to_string(crates().join("pages/src/catalogue.rs")).unwrap();
    let mut paths = Vec::new();
    files(&crates().join("pages/messages"), &mut paths);
    for path in paths {
        let path = path.strip_prefix(crates().join("pages")).unwrap().display().to_string();
        assert!(list.contains(&format!("include_str!(\"../{path}\")")), "{path} stands in no list");
    }
}

#[test]
fn names_that_are_made_have_a_test() {
    for (beginning, test) in MADE {
        let text = fs::read_to_string(crates().parent().unwrap().join(test)).unwrap();
        assert!(text.contains(beginning), "{test}");
    }
}
