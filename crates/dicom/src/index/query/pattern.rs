//! Wildcard matching (PS3.4 §C.2.2.2.4) and the bounds of a prefix.

use std::str::Chars;

/// A folded text with `*` (any number of characters, also none) and `?` (exactly one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

impl Token {
    fn takes(self, c: char) -> bool {
        match self {
            Self::Char(own) => own == c,
            Self::One | Self::Many => true,
        }
    }
}

impl Pattern {
    /// Reads a pattern; `fold` is applied to what stands between the wildcards, so that no folded character
    /// becomes a wildcard.
    pub(crate) fn parse(text: &str, fold: impl Fn(&str) -> String) -> Self {
        let mut tokens = Vec::with_capacity(text.len());
        for piece in text.split_inclusive(['*', '?']) {
            let (literal, wildcard) = match piece.strip_suffix('*') {
                Some(literal) => (literal, Some(Token::Many)),
                None => piece.strip_suffix('?').map_or((piece, None), |literal| (literal, Some(Token::One))),
            };
            tokens.extend(fold(literal).chars().map(Token::Char));
            // Two stars in a row say no more than one.
            if wildcard.is_some_and(|token| token != Token::Many || tokens.last() != Some(&Token::Many)) {
                tokens.extend(wildcard);
            }
        }
        Self { tokens }
    }

    /// The characters before the first wildcard.
    pub(crate) fn literal_prefix(&self) -> String {
        self.tokens
            .iter()
            .map_while(|token| if let Token::Char(c) = token { Some(*c) } else { None })
            .collect()
    }

    /// What stands between the wildcards, in order.
    pub(crate) fn literals(&self) -> Vec<String> {
        let runs = self.tokens.split(|token| !matches!(token, Token::Char(_)));
        let text = |run: &[Token]| {
            run.iter().filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
        };
        runs.filter(|run| !run.is_empty()).map(text).collect()
    }

    /// Whether it is a prefix and one star.
    pub(crate) fn is_prefix_only(&self) -> bool {
        let wildcards = |token: &Token| !matches!(token, Token::Char(_));
        self.tokens.last() == Some(&Token::Many)
            && self.tokens.iter().filter(|token| wildcards(token)).count() == 1
    }

    /// Whether it is nothing but a star, which is universal matching (PS3.4 §C.2.2.2.3).
    pub(crate) fn is_universal(&self) -> bool {
        self.tokens == [Token::Many]
    }

    /// Whether the whole text matches. Steps back only to the last star: at most text × pattern steps.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text.chars();
        let mut retry: Option<(&[Token], Chars<'_>)> = None;
        loop {
            match tokens.split_first() {
                Some((Token::Many, [])) => return true,
                Some((Token::Many, after)) => {
                    tokens = after;
                    retry = Some((after, rest.clone()));
                    continue;
                }
                Some((token, after)) => {
                    let mut next = rest.clone();
                    if next.next().is_some_and(|c| token.takes(c)) {
                        tokens = after;
                        rest = next;
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            // The last star takes one character more.
            let Some((after, mut from)) = retry.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            tokens = after;
            rest = from.clone();
            retry = Some((after, from));
        }
    }
}

/// The smallest text above all that begin with the prefix, in the order of code points; `None` where there is none.
pub(crate) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => u32::from(last).checked_add(1).and_then(char::from_u32),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, str::to_owned)
    }

    #[test]
    fn stars_and_question_marks() {
        for (text, yes, no) in [
            ("*smi*", "blacksmith", "blacksmoth"),
            ("a?b", "axb", "ab"),
            ("a*b*c", "a1b2b3c", "a1c2b"),
            ("*", "", "-"),
            ("?田*", "山田^太郎", "田^太郎"),
            ("a**b", "ab", "ba"),
            ("abc", "abc", "abcd"),
            ("*ab", "abab", "aba"),
        ] {
            assert!(pattern(text).matches(yes), "{text} {yes}");
            assert!(text == "*" || !pattern(text).matches(no), "{text} {no}");
        }
        assert!(pattern("ab*").is_prefix_only() && !pattern("a*b*").is_prefix_only());
        assert!(!pattern("a?*").is_prefix_only() && !pattern("ab").is_prefix_only());
        assert!(pattern("***").is_universal());
        assert_eq!(pattern("ab?c").literal_prefix(), "ab");
        assert_eq!(pattern("*ab?c**d e").literals(), ["ab", "c", "d e"]);
        assert!(pattern("*?").literals().is_empty());
    }

    #[test]
    fn a_folded_character_is_no_wildcard() {
        let folding = Pattern::parse("＊a", crate::dataset::folded);
        assert!(!folding.matches("xa") && folding.matches("*a"));
    }

    #[test]
    fn ends_of_prefixes() {
        assert_eq!(end_of_prefix("abc").as_deref(), Some("abd"));
        assert_eq!(end_of_prefix("a\u{D7FF}").as_deref(), Some("a\u{E000}"));
        assert_eq!(end_of_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{10FFFF}"), None);
        assert_eq!(end_of_prefix(""), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_recursion(text in "[ab]{0,8}", wild in "[ab*?]{0,6}") {
            fn obvious(pattern: &[char], text: &[char]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some(('*', rest)) => (0..=text.len()).any(|at| obvious(rest, &text[at..])),
                    Some(('?', rest)) => !text.is_empty() && obvious(rest, &text[1..]),
                    Some((c, rest)) => text.first() == Some(c) && obvious(rest, &text[1..]),
                }
            }
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(pattern(&wild).matches(&text), obvious(&chars(&wild), &chars(&text)));
        }

        #[test]
        fn the_end_is_above_all_continuations(prefix in ".{1,6}", more in ".{0,6}", other in ".{0,6}") {
            if let Some(end) = end_of_prefix(&prefix) {
                let whole = format!("{prefix}{more}");
                prop_assert!(whole >= prefix && whole < end);
                prop_assert_eq!(other >= prefix && other < end, other.starts_with(&prefix));
            }
        }
    }
}
