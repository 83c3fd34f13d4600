//! Which language a person gets (RFC 9110 §12.5.4, RFC 4647 §3.4).

use unic_langid::LanguageIdentifier;

/// So many of what is wished for are looked at.
const WISHES_MAX: usize = 20;
/// A tag has 35 characters at most in practice (RFC 5646 §4.4.1).
const TAG_BYTES_MAX: usize = 35;

/// Languages, the best first.
pub(crate) type Wish = Vec<LanguageIdentifier>;

/// Reads `Accept-Language`. What is no tag is passed over; so is `*`, which any language satisfies.
pub(crate) fn accepted(header: &str) -> Wish {
    let mut weighed: Vec<(u16, LanguageIdentifier)> =
        header.split(',').take(WISHES_MAX).filter_map(weighed).filter(|(weight, _)| *weight > 0).collect();
    // Stable: of equals the first counts.
    weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    weighed.into_iter().map(|(_, language)| language).collect()
}

/// Reads tags with spaces between them (`ui_locales`).
pub(crate) fn named(words: &str) -> Wish {
    words.split(' ').take(WISHES_MAX).filter_map(tag).collect()
}

/// Which of the languages there are is wished for most.
pub(crate) fn best<'a>(
    wish: &Wish,
    there: impl Iterator<Item = &'a LanguageIdentifier> + Clone,
) -> Option<usize> {
    wish.iter().find_map(|wanted| {
        let wanted = whole(wanted);
        let close = |at_region: bool| {
            there.clone().position(|language| {
                let language = whole(language);
                language.language == wanted.language
                    && language.script == wanted.script
                    && (!at_region || language.region == wanted.region)
            })
        };
        close(true).or_else(|| close(false))
    })
}

/// With the script and region that are meant when they are not said: `zh-CN` is `zh-Hans-CN`, `zh-TW` is not.
fn whole(language: &LanguageIdentifier) -> LanguageIdentifier {
    let mut whole = language.clone();
    whole.maximize();
    whole
}

/// RFC 9110 §12.4.2: a weight in thousandths, 1000 where none is said.
fn weighed(item: &str) -> Option<(u16, LanguageIdentifier)> {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = match parameters.trim().strip_prefix("q=") {
        Some(quality) => {
            let quality: f32 = quality.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            let thousandths = (quality * 1000.0) as u16;
            thousandths
        }
        None => 1000,
    };
    Some((weight, tag(name)?))
}

fn tag(text: &str) -> Option<LanguageIdentifier> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= TAG_BYTES_MAX;
    // `und` is nobody's language.
    text.parse().ok().filter(|language: &LanguageIdentifier| fits && !language.language.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(wish: &Wish) -> Vec<String> {
        wish.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn headers_are_read_by_weight() {
        assert_eq!(tags(&accepted("da, en-gb;q=0.8, en;q=0.7")), ["da", "en-GB", "en"]);
        assert_eq!(tags(&accepted("en;q=0.1,fr ; q=0.5 , *;q=0.9, ko;q=0")), ["fr", "en"]);
        for nothing in ["", ",,;", "*", "en;q=2", "en;q=x", "<script>", "und", "a"] {
            assert_eq!(tags(&accepted(nothing)), [""; 0], "{nothing}");
        }
        assert!(accepted(&"en,".repeat(5000)).len() <= WISHES_MAX);
        assert!(accepted(&format!("en-{}", "x".repeat(40))).is_empty());
    }

    #[test]
    fn the_closest_language_there_is() {
        let there: Vec<LanguageIdentifier> = ["en", "fr-CA", "fr", "ko", "zh-Hans", "zh-Hant"]
            .iter()
            .map(|tag| tag.parse().unwrap())
            .collect();
        let found = |words: &str| best(&named(words), there.iter()).map(|at| there[at].to_string());
        for (words, expected) in [
            ("fr-CH", Some("fr-CA")),
            ("fr-FR", Some("fr")),
            ("fr-CA", Some("fr-CA")),
            ("zh-CN", Some("zh-Hans")),
            ("zh-TW", Some("zh-Hant")),
            ("zh", Some("zh-Hans")),
            ("de ko-KR en", Some("ko")),
            ("de", None),
            ("", None),
        ] {
            assert_eq!(found(words).as_deref(), expected, "{words}");
        }
    }
}
