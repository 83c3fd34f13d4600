//! The values of a query: how each kind of attribute is matched (PS3.4 §C.2.2.2, Azure: conformance statement).

use dicom_core::VR;
use hilum_kernel::Uid;

use super::{AttributeName, SearchError, parse::Target};
use crate::{
    dataset::{attributes::name_words, folded},
    extended_query_tags::values,
    index::{
        Matching,
        query::{Column, Condition, Kept, Matcher, Pattern, Place, Test},
    },
    query_string::shown,
};

pub(super) use crate::dataset::attributes::trimmed;

/// Characters of one value that is no list: the longest text that is indexed (PN, five components in three groups)
/// has under 1,000. Beyond: 400.
const VALUE_CHARS_MAX: usize = 1_024;
/// UIDs of one list. Beyond: 400.
const UIDS_MAX: usize = 256;
/// Words of one fuzzy value. Beyond: 400.
const WORDS_MAX: usize = 16;
/// The index holds so much of what words end with.
const SUFFIX_CHARS_MAX: usize = 64;

/// Adds the conditions that the value means. None where it matches everything.
pub(super) fn conditions(
    out: &mut Vec<Condition>,
    target: &Target,
    value: &str,
    fuzzy: bool,
) -> Result<(), SearchError> {
    let value = trimmed(value);
    // No value in the index has a NUL, and PostgreSQL cannot be asked for one.
    if value.contains('\0') {
        return Err(invalid(target, value));
    }
    let is_uid = matches!(target, Target::Column { matching: Matching::Uid, .. });
    if !is_uid && value.chars().nth(VALUE_CHARS_MAX).is_some() {
        return Err(SearchError::ValueTooLong { keyword: target.keyword(), max: VALUE_CHARS_MAX });
    }
    match *target {
        Target::ModalitiesInStudy => {
            if !has_wildcard(value) {
                out.push(Condition::ModalityInStudy(vec![folded(value)]));
                return Ok(());
            }
            let pattern = Pattern::parse(value, folded);
            if !pattern.is_universal() {
                out.push(Condition::ModalityLike(pattern));
            }
        }
        Target::Item { column, .. } => text(out, column, value),
        Target::Extended { key, level, vr, .. } => {
            let (kept, test) = extended(target, vr, value, fuzzy)?;
            let words = match (kept, &test) {
                (Kept::Words, Test::OneOf(words)) => words.clone(),
                _ => Vec::new(),
            };
            if kept == Kept::Words {
                let each = |word| Condition::Extended { tag: key, level, kept, test: Test::Prefix(word) };
                out.extend(words.into_iter().map(each));
            } else {
                out.push(Condition::Extended { tag: key, level, kept, test });
            }
        }
        Target::Column { column, matching, tag, .. } => match matching {
            Matching::Uid => out.push(Condition::Column { column, test: uids(target, value)? }),
            Matching::Text => text(out, column, value),
            Matching::PersonName if fuzzy => {
                let attribute = u32::from(tag.group()) << 16 | u32::from(tag.element());
                words(out, target, attribute, value)?;
            }
            Matching::PersonName => {
                let attribute = u32::from(tag.group()) << 16 | u32::from(tag.element());
                person_name(out, column, attribute, value);
            }
            Matching::Date => out.push(Condition::Column { column, test: range(target, value, &DATE)? }),
            Matching::Time => out.push(Condition::Column { column, test: range(target, value, &TIME)? }),
            Matching::Integer => {
                let number = value.parse().map_err(|_| SearchError::InvalidNumber {
                    value: shown(value),
                    keyword: target.keyword(),
                })?;
                out.push(Condition::Column { column, test: Test::Integer(number) });
            }
        },
    }
    Ok(())
}

/// The same for an extended query tag, by its VR.
fn extended(target: &Target, vr: VR, value: &str, fuzzy: bool) -> Result<(Kept, Test), SearchError> {
    let keyword = target.keyword();
    Ok(match vr {
        VR::FL | VR::FD | VR::IS | VR::SL | VR::SS | VR::UL | VR::US => {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.filter(|number| matches!(vr, VR::FL | VR::FD) || number.fract() == 0.0);
            let number = number.ok_or_else(|| SearchError::InvalidNumber { value: shown(value), keyword })?;
            (Kept::Number, Test::Number(number))
        }
        VR::DA => (Kept::Text, range(target, value, &DATE)?),
        VR::TM => (Kept::Text, range(target, value, &TIME)?),
        VR::DT => (Kept::Text, range(target, value, &DATE_TIME)?),
        VR::UI => (Kept::Text, uids(target, value)?),
        VR::PN if fuzzy => (Kept::Words, Test::OneOf(prefixes(target, value)?)),
        _ => {
            let folded = folded(value);
            let test = match folded.strip_suffix('*') {
                Some(prefix) if !prefix.is_empty() && !has_wildcard(prefix) => {
                    Test::Prefix(prefix.to_owned())
                }
                None if !has_wildcard(&folded) && vr == VR::PN => Test::Name(folded),
                None if !has_wildcard(&folded) => Test::Equals(folded),
                _ => return Err(SearchError::Wildcard { keyword }),
            };
            (Kept::Text, test)
        }
    })
}

fn has_wildcard(value: &str) -> bool {
    value.contains(['*', '?'])
}

fn invalid(target: &Target, value: &str) -> SearchError {
    SearchError::InvalidValue { value: shown(value), keyword: target.keyword() }
}

/// PS3.4 §C.2.2.2.1 and §C.2.2.2.4, without regard to case and accents.
fn text(out: &mut Vec<Condition>, column: Column, value: &str) {
    if !has_wildcard(value) {
        out.push(Condition::Column { column, test: Test::Equals(folded(value)) });
        return;
    }
    let pattern = Pattern::parse(value, folded);
    if pattern.is_universal() {
        return;
    }
    // The characters before the first wildcard lead into the index; the rest is tried on what they find.
    let prefix = pattern.literal_prefix();
    let prefix_only = pattern.is_prefix_only();
    if !prefix.is_empty() {
        out.push(Condition::Column { column, test: Test::Prefix(prefix) });
    }
    if !prefix_only {
        out.push(Condition::Filter { column, matcher: Matcher::Whole(pattern) });
    }
}

/// A person name may have three component groups (PS3.5 §6.2.1.1). The value may be the whole of it or one group.
fn person_name(out: &mut Vec<Condition>, column: Column, attribute: u32, value: &str) {
    let whole = folded(value);
    // The first group is alphabetic, so that ASCII is found at the beginning of the value.
    if whole.is_ascii() || whole.contains('=') {
        if has_wildcard(value) || whole.contains('=') {
            let pattern = Pattern::parse(value, folded);
            if pattern.literal_prefix().is_empty() {
                contained(out, attribute, &pattern);
            }
            return text(out, column, value);
        }
        out.push(Condition::Column { column, test: Test::Name(whole) });
        return;
    }
    let pattern = Pattern::parse(value, folded);
    // Whatever group matches, the words before the first wildcard are in it.
    let found = |word: String| {
        if has_wildcard(value) {
            Condition::Word { attribute, word, place: Place::Beginning }
        } else {
            Condition::Words { attribute, words: vec![word] }
        }
    };
    let words = name_words(&pattern.literal_prefix());
    if words.is_empty() {
        contained(out, attribute, &pattern);
    }
    out.extend(words.into_iter().map(found));
    out.push(Condition::Filter { column, matcher: Matcher::Groups(pattern) });
}

/// A pattern that begins with a wildcard: what it says most of must be in one of the name's words.
fn contained(out: &mut Vec<Condition>, attribute: u32, pattern: &Pattern) {
    let words = pattern.literals().into_iter().flat_map(|literal| name_words(&literal));
    if let Some(longest) = words.max_by_key(|word| word.chars().count()) {
        let word = longest.chars().take(SUFFIX_CHARS_MAX).collect();
        out.push(Condition::Word { attribute, word, place: Place::Anywhere });
    }
}

/// Azure: each word begins a word of the name.
fn words(out: &mut Vec<Condition>, target: &Target, attribute: u32, value: &str) -> Result<(), SearchError> {
    let words = prefixes(target, value)?;
    out.extend(words.into_iter().map(|word| Condition::Word { attribute, word, place: Place::Beginning }));
    Ok(())
}

/// The words of a fuzzy value.
fn prefixes(target: &Target, value: &str) -> Result<Vec<String>, SearchError> {
    if value.contains('"') {
        return Err(SearchError::Quotes { keyword: target.keyword() });
    }
    // Each word is a prefix anyhow: a star at its end says nothing more.
    let words = name_words(&value.replace(['*', '?'], " "));
    if words.is_empty() {
        return Err(invalid(target, value));
    }
    if words.len() > WORDS_MAX {
        return Err(SearchError::TooManyWords { keyword: target.keyword(), max: WORDS_MAX });
    }
    Ok(words)
}

/// PS3.4 §C.2.2.2.2, separated by comma (PS3.18 §8.3.4.1) or backslash.
fn uids(target: &Target, value: &str) -> Result<Test, SearchError> {
    let mut uids = Vec::new();
    for one in value.split([',', '\\']) {
        let uid = Uid::parse(one.trim_start()).map_err(|_| invalid(target, one))?;
        uids.push(uid.as_str().to_owned());
        if uids.len() > UIDS_MAX {
            return Err(SearchError::TooManyUids { keyword: target.keyword(), max: UIDS_MAX });
        }
    }
    Ok(Test::OneOf(uids))
}

/// Dates and times differ in their form only.
struct Temporal {
    read: fn(&str) -> Option<String>,
    error: fn(value: String, keyword: AttributeName) -> SearchError,
    kind: &'static str,
}

const DATE: Temporal = Temporal {
    read: date,
    error: |value, keyword| SearchError::InvalidDate { value, keyword },
    kind: "Date",
};
const TIME: Temporal = Temporal {
    read: time,
    error: |value, keyword| SearchError::InvalidTime { value, keyword },
    kind: "Time",
};

const DATE_TIME: Temporal = Temporal {
    read: date_time,
    error: |value, keyword| SearchError::InvalidDateTime { value, keyword },
    kind: "DateTime",
};

/// PS3.4 §C.2.2.2.5: one value or a range, its ends included.
fn range(target: &Target, value: &str, temporal: &Temporal) -> Result<Test, SearchError> {
    let keyword = target.keyword();
    let read = |text: &str| {
        let text = text.trim();
        (temporal.read)(text).ok_or_else(|| (temporal.error)(shown(text), keyword))
    };
    let Some((from, to)) = value.split_once('-') else { return read(value).map(Test::Equals) };
    let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { read(text).map(Some) };
    match (end(from)?, end(to)?) {
        (None, None) => Err((temporal.error)(shown(value), keyword)),
        (Some(from), Some(to)) if from > to => {
            Err(SearchError::ReversedRange { kind: temporal.kind, value: shown(value), keyword })
        }
        (from, to) => Ok(Test::Range { from, to }),
    }
}

/// PS3.5 §6.2, DA: `YYYYMMDD`, a day that was.
fn date(text: &str) -> Option<String> {
    if text.len() != 8 || !is_digits(text) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    (year > 0 && (1..=days).contains(&day)).then(|| text.to_owned())
}

/// PS3.5 §6.2, TM: `HH[MM[SS[.F]]]`, filled up to the form in which the index keeps it.
fn time(text: &str) -> Option<String> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) if clock.len() == 6 && (1..=6).contains(&fraction.len()) => (clock, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    if !matches!(clock.len(), 2 | 4 | 6) || !is_digits(clock) || !is_digits(fraction) {
        return None;
    }
    let within = |range: std::ops::Range<usize>, max: u32| {
        clock.get(range).is_none_or(|part| part.parse::<u32>().is_ok_and(|part| part <= max))
    };
    // 60 is a leap second.
    (within(0..2, 23) && within(2..4, 59) && within(4..6, 60)).then(|| format!("{clock:0<6}.{fraction:0<6}"))
}

/// PS3.5 §6.2, DT without an offset from UTC, filled up to the form in which the index keeps it.
fn date_time(text: &str) -> Option<String> {
    // Azure: a query cannot give an offset.
    let whole = values::date_time(text).filter(|_| !text.contains(['+', '-']))?;
    let (day, clock) = whole.split_at_checked(8)?;
    date(day).and(time(clock)).map(|_| whole)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
