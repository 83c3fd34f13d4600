//! What is wrong with a page's markup, for the tests of those who draw pages: cheap, and far from a validator, but it reads every
//! page that a test draws. WCAG 2.2 success criteria stand beside what they ask for.

mod markup;

use http::HeaderMap;
use markup::{Element, elements};

/// Holds a page that was answered, headers and all, against what every page owes.
///
/// # Panics
/// Where it falls short. For tests only.
pub fn check(headers: &HeaderMap, page: &str) {
    let mut faults = faults(page);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (name, expected) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("vary", "accept-language"),
    ] {
        if header(name) != expected {
            faults.push(format!("{name}: {:?}", header(name)));
        }
    }
    let policy = header("content-security-policy");
    for needed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'sha256-"] {
        if !policy.contains(needed) {
            faults.push(format!("the policy lacks {needed}: {policy}"));
        }
    }
    if policy.contains("unsafe") || policy.contains('*') {
        faults.push(format!("the policy is weak: {policy}"));
    }
    // Where forms lead to a client, neither can be said; where they do not, both are.
    if policy.contains("form-action 'self'") != (header("cross-origin-opener-policy") == "same-origin") {
        faults.push(format!("form-action without opener policy, or the other way round: {policy}"));
    }
    if header("permissions-policy").is_empty() {
        faults.push("no permissions policy".to_owned());
    }
    let language = header("content-language");
    if language.is_empty() || !page.contains(&format!("<html lang=\"{language}\"")) {
        faults.push(format!("content-language {language:?} is not the page's"));
    }
    assert!(faults.is_empty(), "{faults:#?} in\n{page}");
}

/// Everything that is wrong, in words for who draws pages. Empty for a good page.
pub fn faults(page: &str) -> Vec<String> {
    let (all, mut faults) = elements(page);
    let page = Page { all };
    page.skeleton(&mut faults);
    page.fields(&mut faults);
    page.references(&mut faults);
    page.outside(&mut faults);
    faults
}

struct Page<'a> {
    all: Vec<Element<'a>>,
}

impl<'a> Page<'a> {
    fn named(&self, name: &'static str) -> impl Iterator<Item = &Element<'a>> {
        self.all.iter().filter(move |element| element.name == name)
    }

    /// SC 1.3.1, 2.4.2, 3.1.1: what every page has once.
    fn skeleton(&self, faults: &mut Vec<String>) {
        for name in ["html", "head", "title", "body", "main", "h1"] {
            let count = self.named(name).count();
            if count != 1 {
                faults.push(format!("{count} × <{name}>"));
            }
        }
        for name in ["title", "h1", "h2", "button", "a", "label", "dt"] {
            if self.named(name).any(|element| element.text.trim().trim_start_matches("– Hilum").is_empty())
            {
                faults.push(format!("a <{name}> says nothing"));
            }
        }
        if self.named("html").any(|html| html.get("lang").unwrap_or_default().is_empty()) {
            faults.push("no language".to_owned());
        }
        if !self.named("meta").any(|meta| meta.get("name") == Some("viewport")) {
            faults.push("no viewport: small screens would not do (SC 1.4.10)".to_owned());
        }
        let mut before = 1;
        for heading in self.all.iter().filter_map(Element::heading) {
            if heading > before + 1 {
                faults.push(format!("a heading of level {heading} below one of level {before}"));
            }
            before = heading;
        }
    }

    /// SC 1.3.1, 1.3.5, 3.3.1, 3.3.2: each field has a label, says what it takes, and is told apart from what went wrong.
    fn fields(&self, faults: &mut Vec<String>) {
        let alert = self.all.iter().any(|element| element.get("id") == Some("error"));
        for field in self.all.iter().filter(|element| element.is_field()) {
            let name = field.get("name").unwrap_or("?");
            let labelled = field.within_label
                || field.get("aria-label").is_some()
                || field.get("aria-labelledby").is_some()
                || self
                    .named("label")
                    .any(|label| label.get("for").is_some() && label.get("for") == field.get("id"));
            if !labelled {
                faults.push(format!("the field {name} has no label"));
            }
            let fills = field.get("autocomplete").unwrap_or_default();
            let expected: &[&str] = match (field.get("type"), name) {
                (Some("password"), _) => &["current-password", "new-password"],
                (_, "username") => &["username", "username webauthn"],
                (_, "otc") => &["one-time-code"],
                _ => &[],
            };
            if !expected.is_empty() && !expected.contains(&fills) {
                faults.push(format!("the field {name} has autocomplete={fills:?}"));
            }
            let described = field.get("aria-describedby").unwrap_or_default();
            let checked = matches!(field.get("type"), Some("checkbox" | "radio"));
            if alert && !checked && !described.split(' ').any(|id| id == "error") {
                faults.push(format!("the field {name} is not described by what went wrong"));
            }
        }
        for form in self.named("form").filter(|form| form.get("method") != Some("post")) {
            faults.push(format!("a form does not post: {:?}", form.get("action")));
        }
        for frame in self.named("iframe").filter(|frame| frame.get("title").is_none()) {
            faults.push(format!("a frame has no title: {:?}", frame.get("src")));
        }
    }

    /// Identifiers are there once, and what is pointed at is there.
    fn references(&self, faults: &mut Vec<String>) {
        let mut ids: Vec<&str> = self.all.iter().filter_map(|element| element.get("id")).collect();
        for name in ["for", "aria-describedby", "aria-labelledby"] {
            let pointing = self.all.iter().filter_map(|element| element.get(name));
            for id in pointing.flat_map(|text| text.split(' ')).filter(|id| !ids.contains(id)) {
                faults.push(format!("{name} points at {id}, which is not there"));
            }
        }
        ids.sort_unstable();
        for pair in ids.windows(2).filter(|pair| pair.first() == pair.last()) {
            faults.push(format!("twice the same id: {pair:?}"));
        }
    }

    /// What a policy forbids anyway: handlers and styles in attributes, and whatever is loaded from elsewhere.
    fn outside(&self, faults: &mut Vec<String>) {
        for element in &self.all {
            for (name, _) in
                element.attributes.iter().filter(|(name, _)| *name == "style" || name.starts_with("on"))
            {
                faults.push(format!("<{} {name}>", element.name));
            }
            let loads = match element.name {
                "link" | "object" | "embed" | "img" | "audio" | "video" | "base" => true,
                "script" => element.get("src").is_some(),
                "a" => element.get("target").is_some() && element.get("rel").is_none(),
                _ => false,
            };
            if loads {
                faults.push(format!("<{}> leads outside: {:?}", element.name, element.attributes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta name=\"viewport\" content=\"x\">\
        <title>Sign in – Hilum</title><style>a > b {}</style></head><body><main><h1>Sign in</h1>\
        <p id=\"error\" role=\"alert\">Wrong &amp; bad</p><form method=\"post\" action=\"/x\">\
        <input type=\"hidden\" name=\"flow\" value=\"a&#60;b\"><label for=\"u\">Name</label>\
        <input id=\"u\" name=\"username\" autocomplete=\"username\" aria-describedby=\"error\" required>\
        <label><input type=\"checkbox\" name=\"c\"> Yes</label><button>Go</button></form></main></body></html>";

    #[test]
    fn a_good_page_has_no_faults() {
        assert_eq!(faults(GOOD), [""; 0]);
    }

    #[test]
    fn each_fault_is_found() {
        for (from, to, fault) in [
            ("<h1>Sign in</h1>", "", "0 × <h1>"),
            ("<h1>Sign in</h1>", "<h1></h1>", "<h1> says nothing"),
            ("Sign in – Hilum", " – Hilum", "<title> says nothing"),
            (" lang=\"en\"", "", "no language"),
            ("<meta name=\"viewport\" content=\"x\">", "", "no viewport"),
            ("<label for=\"u\">Name</label>", "", "username has no label"),
            (" autocomplete=\"username\"", "", "username has autocomplete=\"\""),
            (" aria-describedby=\"error\"", "", "not described by what went wrong"),
            ("aria-describedby=\"error\"", "aria-describedby=\"error x\"", "points at x"),
            (" method=\"post\"", "", "does not post"),
            ("<button>", "<button onclick=\"x()\">", "<button onclick>"),
            ("<button>", "<button style=\"x\">", "<button style>"),
            ("<button>", "<img src=\"/x\"><button>", "<img> leads outside"),
            ("<button>", "<script src=\"/x\"></script><button>", "<script> leads outside"),
            ("<button>", "<h3>x</h3><button>", "level 3 below one of level 1"),
            ("<button>", "<p id=\"u\"></p><button>", "twice the same id"),
            ("<button>", "<button class=a>", "without quotes"),
            ("<button>", "<button class=\"a\" class=\"b\">", "twice the attribute class"),
            ("</form>", "", "</main> closes <form>"),
            ("<button>", "a < b<button>", "a bare <"),
            ("<!doctype html>", "", "no doctype"),
            ("bad", "& bad", "a bare &"),
            ("<button>", "<p><div>x</div></p><button>", "<div> within <p>"),
        ] {
            let page = GOOD.replacen(from, to, 1);
            assert_ne!(page, GOOD, "{from}");
            let found = faults(&page);
            assert!(found.iter().any(|found| found.contains(fault)), "{fault}: {found:?}");
        }
    }
}
