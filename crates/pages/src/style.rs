//! The only style sheet, and how policies name it.

use std::sync::LazyLock;

use crate::answer::hash_source;

/// Light and dark by what the person prefers, from 320 pixels on.
pub(crate) const SHEET: &str = include_str!("../style/pages.css");

static SOURCE: LazyLock<String> = LazyLock::new(|| hash_source(SHEET));

/// The sheet as a policy names it, so that nothing else can style a page.
pub(crate) fn source() -> String {
    SOURCE.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of one scheme, by name.
    fn colours(scheme: &str) -> Vec<(&str, [f64; 3])> {
        let read = |line: &'static str| -> Option<(&'static str, [f64; 3])> {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(':')?;
            let value = value.trim().strip_prefix('#')?.trim_end_matches(';');
            let channel = |at: usize| f64::from(u8::from_str_radix(&value[at..at + 2], 16).unwrap()) / 255.0;
            Some((name, [channel(0), channel(2), channel(4)]))
        };
        let dark = SHEET.find("prefers-color-scheme: dark").unwrap();
        let part = if scheme == "dark" { &SHEET[dark..] } else { &SHEET[..dark] };
        part.lines().filter_map(read).collect()
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: [f64; 3]) -> f64 {
        let linear = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn colours_can_be_told_apart() {
        for scheme in ["light", "dark"] {
            let colours = colours(scheme);
            let of = |name: &str| {
                let found = colours.iter().find(|(known, _)| *known == name);
                luminance(found.unwrap_or_else(|| panic!("{scheme} has no {name}")).1)
            };
            // SC 1.4.3 for text, SC 1.4.11 for what shows where a field or the focus is.
            for (front, back, least) in [
                ("text", "page", 7.0),
                ("quiet", "page", 4.5),
                ("link", "page", 4.5),
                ("text", "alert", 7.0),
                ("quiet", "alert", 4.5),
                ("text", "note", 7.0),
                ("quiet", "note", 4.5),
                ("on-button", "button", 4.5),
                ("line", "page", 3.0),
                ("button", "page", 3.0),
                ("focus", "page", 3.0),
                ("alert-line", "page", 3.0),
                ("note-line", "page", 3.0),
            ] {
                let (front_light, back_light) = (of(front), of(back));
                let (more, less) = (front_light.max(back_light), front_light.min(back_light));
                let ratio = (more + 0.05) / (less + 0.05);
                assert!(ratio >= least, "{scheme}: {front} on {back} has {ratio:.2}, needs {least}");
            }
        }
    }

    #[test]
    fn the_sheet_is_small_and_loads_nothing() {
        assert!(SHEET.len() < 5 * 1024, "{} bytes in every page", SHEET.len());
        for outside in ["url(", "@import", "http", "</", "expression"] {
            assert!(!SHEET.contains(outside), "{outside}");
        }
        for needed in ["prefers-color-scheme", "prefers-reduced-motion", ":focus-visible", "forced-colors"] {
            assert!(SHEET.contains(needed), "{needed}");
        }
    }
}
