//! The texts of all pages: one catalogue for each language, compiled in, read once.

use std::sync::LazyLock;

use fluent_bundle::{FluentResource, concurrent::FluentBundle};
use http::{HeaderMap, header};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use crate::{
    language::{self, Wish},
    message::{Message, Rich},
};

/// The language that has every text, and that everybody gets whose own is not there.
const FALLBACK: &str = "en";

/// Languages and their files. A language may lack files and texts: English ones take their place.
const SOURCES: &[(&str, &[&str])] = &[(
    FALLBACK,
    &[
        include_str!("../messages/en/layout.ftl"),
        include_str!("../messages/en/sign-in.ftl"),
        include_str!("../messages/en/second-factor.ftl"),
        include_str!("../messages/en/consent.ftl"),
        include_str!("../messages/en/elsewhere.ftl"),
        include_str!("../messages/en/device.ftl"),
        include_str!("../messages/en/sign-out.ftl"),
        include_str!("../messages/en/account.ftl"),
        include_str!("../messages/en/failed.ftl"),
        include_str!("../messages/en/error.ftl"),
    ],
)];

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| read(SOURCES));

/// The texts of one language.
pub(crate) struct Catalogue {
    pub(crate) language: LanguageIdentifier,
    /// As `lang` and `Content-Language` have it (BCP 47).
    tag: String,
    bundle: FluentBundle<FluentResource>,
}

/// Reads catalogues. What does not parse is left out, which a test finds.
fn read(sources: &[(&str, &[&str])]) -> Vec<Catalogue> {
    let catalogue = |(tag, files): &(&str, &[&str])| {
        let language: LanguageIdentifier = tag.parse().ok()?;
        let mut bundle = FluentBundle::new_concurrent(vec![language.clone()]);
        // The marks would be copied along with codes and names. In markup, style isolates what is put in.
        bundle.set_use_isolating(false);
        for file in *files {
            let resource = FluentResource::try_new((*file).to_owned()).unwrap_or_else(|(partly, _)| partly);
            // A text twice: the first counts, and a test fails.
            let _ = bundle.add_resource(resource);
        }
        Some(Catalogue { tag: language.to_string(), language, bundle })
    };
    sources.iter().filter_map(catalogue).collect()
}

/// The texts in the language of one page. A handle, copied freely.
#[derive(Clone, Copy)]
pub struct Texts(&'static [Catalogue], usize);

impl Texts {
    /// In English, for nobody in particular.
    pub fn english() -> Self {
        Self(&CATALOGUES, 0)
    }

    /// In the language of the browser (`Accept-Language`, RFC 9110 §12.5.4), English where there is none of its.
    pub fn accepted(headers: &HeaderMap) -> Self {
        let english = Self::english();
        let values = headers.get_all(header::ACCEPT_LANGUAGE);
        let mut wishes = values.iter().filter_map(|value| value.to_str().ok()).map(language::accepted);
        wishes.find_map(|wish| english.named_by(&wish)).unwrap_or(english)
    }

    /// In a language that a client names: `ui_locales` (OIDC Core §3.1.2.1), Entra's `mkt`. Nothing where there is none
    /// of them.
    pub fn named(words: &str) -> Option<Self> {
        Self::english().named_by(&language::named(words))
    }

    fn named_by(self, wish: &Wish) -> Option<Self> {
        let best = language::best(wish, self.0.iter().map(|catalogue| &catalogue.language))?;
        Some(Self(self.0, best))
    }

    /// The language's tag (BCP 47), for `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        self.catalogue().map_or(FALLBACK, |catalogue| &catalogue.tag)
    }

    /// `ltr` or `rtl`, for `dir`.
    pub fn direction(self) -> &'static str {
        match self.catalogue().map(|catalogue| catalogue.language.character_direction()) {
            Some(CharacterDirection::RTL) => "rtl",
            _ => "ltr",
        }
    }

    /// A text.
    pub fn text(self, id: &str) -> Message<'_> {
        Message::new(self, id)
    }

    /// A text with markup in it.
    pub fn rich(self, id: &str) -> Rich<'_> {
        Rich::new(Message::new(self, id))
    }

    /// How long ago something was, roughly.
    pub fn ago(self, ms: i64) -> Message<'static> {
        let minutes = ms.max(0) / 60_000;
        match minutes {
            0 => self.text("ago-now"),
            1..60 => self.text("ago-minutes").with("minutes", minutes),
            60..1440 => self.text("ago-hours").with("hours", minutes / 60),
            _ => self.text("ago-days").with("days", minutes / 1440),
        }
    }

    fn catalogue(self) -> Option<&'static Catalogue> {
        self.0.get(self.1)
    }

    /// The bundles to ask, in order: the language's own, then English.
    pub(crate) fn bundles(self) -> impl Iterator<Item = &'static FluentBundle<FluentResource>> {
        let english = self.0.first().filter(|_| self.1 != 0);
        self.catalogue().into_iter().chain(english).map(|catalogue| &catalogue.bundle)
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Texts({})", self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GERMAN: &str = "
greeting = Guten Tag, { $name }!
minutes = { $minutes ->
    [one] vor einer Minute
   *[other] vor { $minutes } Minuten
}
";
    const ENGLISH: &str = "
greeting = Hello, { $name }!
only-english = Only <strong>{ $name }</strong>
    .hint = A hint for { $name }
";

    fn texts() -> Texts {
        let sources: &[(&str, &[&str])] =
            &[("en", &[ENGLISH]), ("de", &[GERMAN]), ("zh-Hans", &[]), ("ar", &[])];
        Texts(Box::leak(read(sources).into_boxed_slice()), 0)
    }

    #[test]
    fn each_language_has_its_own_texts_and_english_ones_where_they_lack() {
        let german = texts().named_by(&language::named("fr de-AT")).unwrap();
        assert_eq!((german.tag(), german.direction()), ("de", "ltr"));
        assert_eq!(german.text("greeting").with("name", "Ada").to_string(), "Guten Tag, Ada!");
        assert_eq!(german.text("minutes").with("minutes", 1_i64).to_string(), "vor einer Minute");
        assert_eq!(german.text("minutes").with("minutes", 5_i64).to_string(), "vor 5 Minuten");
        assert_eq!(
            german.text("only-english").attribute("hint").with("name", "x").to_string(),
            "A hint for x"
        );
        assert_eq!(texts().text("greeting").with("name", "Ada").to_string(), "Hello, Ada!");
        assert!(texts().named_by(&language::named("fr ko")).is_none());
        let arabic = texts().named_by(&language::named("ar-EG")).unwrap();
        assert_eq!(arabic.direction(), "rtl");
        assert_eq!(texts().named_by(&language::named("zh-CN")).unwrap().tag(), "zh-Hans");
    }

    #[derive(askama::Template)]
    #[template(source = "{{ plain }}|{{ rich }}", ext = "html")]
    struct Both<'a> {
        plain: Message<'a>,
        rich: Rich<'a>,
    }

    #[test]
    fn what_is_put_into_markup_is_escaped() {
        let rich = texts().rich("only-english").with("name", "<b>\"x\"");
        assert_eq!(rich.to_string(), "Only <strong>&#60;b&#62;&#34;x&#34;</strong>");
        // The same by askama: plain texts are escaped by it, rich ones not twice.
        let (plain, rich) =
            (texts().text("greeting").with("name", "<b>"), texts().rich("only-english").with("name", "<i>"));
        let drawn = askama::Template::render(&Both { plain, rich }).unwrap();
        assert_eq!(drawn, "Hello, &#60;b&#62;!|Only <strong>&#60;i&#62;</strong>");
    }

    #[test]
    fn a_missing_text_is_its_own_name_and_no_panic() {
        assert_eq!(texts().text("nothing-of-the-sort").to_string(), "nothing-of-the-sort");
        assert_eq!(texts().text("greeting").attribute("nothing").to_string(), "greeting.nothing");
    }

    #[test]
    fn browsers_get_their_language_or_english() {
        let mut headers = HeaderMap::new();
        assert_eq!(Texts::accepted(&headers).tag(), "en");
        headers.insert("accept-language", "xx;q=1, fr-CH, en;q=0.1".parse().unwrap());
        assert_eq!(Texts::accepted(&headers).tag(), "en");
        assert_eq!(Texts::named("en-GB de").map(Texts::tag), Some("en"));
        assert!(Texts::named("tlh").is_none() && Texts::named("<script>").is_none());
    }

    #[test]
    fn times_are_told_roughly() {
        let english = Texts::english();
        for (ms, expected) in [
            (-5, "less than a minute ago"),
            (59_999, "less than a minute ago"),
            (60_000, "1 minute ago"),
            (59 * 60_000, "59 minutes ago"),
            (3_600_000, "1 hour ago"),
            (47 * 3_600_000, "1 day ago"),
            (72 * 3_600_000, "3 days ago"),
        ] {
            assert_eq!(english.ago(ms).to_string(), expected);
        }
    }
}
