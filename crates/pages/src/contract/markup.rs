//! Reads our own markup: elements with their attributes and text. Stricter than HTML, so that what it takes is well formed.

/// Elements that have no end.
const VOID: [&str; 8] = ["meta", "input", "br", "hr", "img", "link", "base", "wbr"];
/// What cannot stand in a paragraph.
const BLOCKS: [&str; 12] = ["p", "div", "form", "ul", "ol", "dl", "table", "h1", "h2", "h3", "pre", "main"];

/// One element.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    pub(super) attributes: Vec<(&'a str, &'a str)>,
    /// All text within.
    pub(super) text: String,
    pub(super) within_label: bool,
}

impl<'a> Element<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Whether a person fills it.
    pub(super) fn is_field(&self) -> bool {
        match self.name {
            "input" => self.get("type") != Some("hidden"),
            "select" | "textarea" => true,
            _ => false,
        }
    }

    pub(super) fn heading(&self) -> Option<u8> {
        self.name.strip_prefix('h').and_then(|level| level.parse().ok())
    }
}

/// All elements in order, and what is not well formed.
pub(super) fn elements(page: &str) -> (Vec<Element<'_>>, Vec<String>) {
    let mut reader = Reader::default();
    let rest = page.strip_prefix("<!doctype html>");
    if rest.is_none() {
        reader.faults.push("no doctype".to_owned());
    }
    reader.read(rest.unwrap_or(page));
    (reader.all, reader.faults)
}

#[derive(Default)]
struct Reader<'a> {
    all: Vec<Element<'a>>,
    /// Where the open elements are in `all`.
    open: Vec<usize>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, mut rest: &'a str) {
        while let Some((text, tag)) = rest.split_once('<') {
            self.text(text);
            if !tag.starts_with(|c: char| c.is_ascii_lowercase() || c == '/') {
                self.faults.push(format!("a bare < before {:?}", tag.chars().take(20).collect::<String>()));
                rest = tag;
                continue;
            }
            let Some((inside, after)) = split_tag(tag) else {
                self.faults.push("a tag has no end".to_owned());
                return;
            };
            rest = after;
            match inside.strip_prefix('/') {
                Some(name) => self.close(name),
                None => rest = self.begin(inside, after),
            }
        }
        self.text(rest);
        for at in std::mem::take(&mut self.open) {
            let name = self.all.get(at).map_or("?", |element| element.name);
            self.faults.push(format!("<{name}> is not closed"));
        }
    }

    /// Notes an element, and returns what comes after it; for style and script after their content.
    fn begin(&mut self, inside: &'a str, after: &'a str) -> &'a str {
        let (name, attributes) = inside.split_once(|c: char| c.is_whitespace()).unwrap_or((inside, ""));
        let attributes = self.attributes(name, attributes);
        let names: Vec<&str> =
            self.open.iter().filter_map(|at| self.all.get(*at)).map(|open| open.name).collect();
        if names.contains(&"p") && BLOCKS.contains(&name) {
            self.faults.push(format!("<{name}> within <p>"));
        }
        let within_label = names.contains(&"label");
        self.all.push(Element { name, attributes, text: String::new(), within_label });
        if VOID.contains(&name) {
            return after;
        }
        if matches!(name, "style" | "script") {
            let end = format!("</{name}>");
            return after.split_once(end.as_str()).map_or(after, |(_, rest)| rest);
        }
        self.open.push(self.all.len() - 1);
        after
    }

    fn attributes(&mut self, element: &str, text: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let mut value = "";
            rest = after;
            if let Some(quoted) = after.strip_prefix('=') {
                let Some((inside, after)) =
                    quoted.strip_prefix('"').and_then(|quoted| quoted.split_once('"'))
                else {
                    self.faults.push(format!("<{element} {name}> without quotes"));
                    return found;
                };
                (value, rest) = (inside, after);
            }
            if found.iter().any(|(known, _)| *known == name) {
                self.faults.push(format!("<{element}> has twice the attribute {name}"));
            }
            found.push((name, value));
            rest = rest.trim_start();
        }
        found
    }

    fn close(&mut self, name: &str) {
        let open = self.open.pop().and_then(|at| self.all.get(at)).map_or("nothing", |element| element.name);
        if open != name {
            self.faults.push(format!("</{name}> closes <{open}>"));
        }
    }

    fn text(&mut self, text: &str) {
        for (at, _) in text.match_indices('&') {
            let after = text.get(at + 1..).unwrap_or_default();
            let name = after.split_once(';').map_or("", |(name, _)| name);
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#') {
                self.faults.push(format!("a bare & before {:?}", after.chars().take(20).collect::<String>()));
            }
        }
        for at in &self.open {
            if let Some(element) = self.all.get_mut(*at) {
                element.text.push_str(text);
            }
        }
    }
}

/// Splits behind the `>` that ends a tag, which is not one within quotes.
fn split_tag(tag: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = tag.find(|c| {
        quoted ^= c == '"';
        c == '>' && !quoted
    })?;
    Some((tag.get(..end)?, tag.get(end + 1..)?))
}
