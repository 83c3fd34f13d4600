//! The search fold: how text is reduced before it is compared, in the index and in queries alike.

use unicode_normalization::UnicodeNormalization;

/// Drops case, accents and compatibility forms: `Müller`, `MULLER` and `Ｍüller` fold to `muller`,
/// `Łukasz` to `lukasz`; `山田` stays.
///
/// Only marks of Latin, Greek, Cyrillic, Hebrew and Arabic writing go: in Thai or Japanese a mark makes
/// another letter.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|&c| !is_accent(c)).flat_map(char::to_lowercase) {
        match without_decomposition(c) {
            Some(plain) => out.push_str(plain),
            None => out.push(c),
        }
    }
    out.nfc().collect()
}

/// The words of a person name, all component groups together, folded; each word once.
///
/// Words of a query are made in the same way, so that `Smith-Jo` finds `Smith-Jones`.
pub(super) fn words(name: &str) -> Vec<String> {
    let folded = folded(name);
    let separates = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '^' | '=' | '\\' | ',' | ';' | '-' | '.' | '/' | '(' | ')')
    };
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(separates).filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05BD}' | '\u{05BF}'..='\u{05C7}' | '\u{064B}'..='\u{065F}'
        | '\u{0670}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}')
}

/// Letters that Unicode does not take apart although their readers do.
fn without_decomposition(c: char) -> Option<&'static str> {
    Some(match c {
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'ŋ' => "n",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_forms_fold_away() {
        for (from, to) in [
            ("Müller", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("MULLER", "muller"),
            ("Ｍüller", "muller"),
            ("Łukasz", "lukasz"),
            ("Groß", "gross"),
            ("SØREN Đorđe", "soren dorde"),
            ("İstanbul", "istanbul"),
            ("山田^太郎", "山田^太郎"),
            ("がガ", "がガ"),
            ("ﾔﾏﾀﾞ", "ヤマダ"),
            ("홍길동", "홍길동"),
            ("น้ำ", "น\u{e49}\u{e4d}า"),
        ] {
            assert_eq!(folded(from), to, "{from}");
            assert_eq!(folded(&folded(from)), folded(from), "{from} is stable");
        }
    }

    #[test]
    fn words_of_all_groups() {
        assert_eq!(
            words("Yamada^Tarou=山田^太郎=やまだ^たろう"),
            ["yamada", "tarou", "山田", "太郎", "やまだ", "たろう"]
        );
        assert_eq!(words("Smith-Jones^Mary Ann^^Dr."), ["smith", "jones", "mary", "ann", "dr"]);
        assert!(words(" ^^=").is_empty());
    }
}
