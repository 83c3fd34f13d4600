//! The minimum rules of v1, for the VRs that can be indexed.

use std::borrow::Cow;

use dicom_core::VR;

use super::{all_digits, is_code_string, is_control_but_esc, length, two_digits};

type Reason = Cow<'static, str>;

const CHARACTER: Reason = Cow::Borrowed("Value contains invalid character.");

pub(super) fn check(vr: VR, value: &str) -> Result<(), Reason> {
    match vr {
        VR::AE | VR::DS | VR::SH => at_most(value, 16),
        VR::AS => age(value),
        VR::CS => {
            at_most(value, 16)?;
            if is_code_string(value) { Ok(()) } else { Err(CHARACTER) }
        }
        VR::DA => parsed(is_date(value), "Value cannot be parsed as a valid date."),
        VR::DT => parsed(is_date_time(value), "Value cannot be parsed as a valid date time."),
        VR::IS => {
            at_most(value, 12)?;
            parsed(value.trim().parse::<i32>().is_ok(), "Value cannot be parsed as a valid integer.")
        }
        VR::LO => {
            at_most(value, 64)?;
            if value.contains('\\') || value.contains(is_control_but_esc) { Err(CHARACTER) } else { Ok(()) }
        }
        VR::PN => person_name(value),
        VR::TM => parsed(is_time(value), "Value cannot be parsed as a valid time."),
        VR::UI => unique_identifier(value),
        _ => Ok(()),
    }
}

fn at_most(value: &str, max: usize) -> Result<(), Reason> {
    if length(value) > max {
        return Err(format!("Value length exceeds maximum length of {max}.").into());
    }
    Ok(())
}

fn parsed(is_valid: bool, reason: &'static str) -> Result<(), Reason> {
    if is_valid { Ok(()) } else { Err(Cow::Borrowed(reason)) }
}

fn age(value: &str) -> Result<(), Reason> {
    if length(value) != 4 {
        return Err(Cow::Borrowed("Value length is not 4."));
    }
    let is_age = value.get(..3).is_some_and(all_digits) && value.ends_with(['D', 'W', 'M', 'Y']);
    if is_age { Ok(()) } else { Err(CHARACTER) }
}

fn person_name(value: &str) -> Result<(), Reason> {
    if value.split('=').count() > 3 {
        return Err(Cow::Borrowed("Value contains more than 3 groups."));
    }
    for group in value.split('=') {
        at_most(group, 64)?;
        if group.contains(is_control_but_esc) {
            return Err(CHARACTER);
        }
        if group.split('^').count() > 5 {
            return Err(Cow::Borrowed("Value contains more than 5 components."));
        }
    }
    Ok(())
}

fn unique_identifier(value: &str) -> Result<(), Reason> {
    at_most(value, 64)?;
    let is_uid = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !value.ends_with('.');
    if is_uid { Ok(()) } else { Err(CHARACTER) }
}

/// A date that the calendar has.
pub(super) fn is_date(value: &str) -> bool {
    let (Some(year), true) = (value.get(..4), value.len() == 8 && all_digits(value)) else { return false };
    let Ok(year) = year.parse::<u16>() else { return false };
    let (Some(month), Some(day)) = (two_digits(value, 4), two_digits(value, 6)) else { return false };
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    year >= 1 && (1..=days).contains(&day)
}

/// HH, HHMM, HHMMSS or HHMMSS.F up to six digits.
fn is_time(value: &str) -> bool {
    let (whole, fraction) = match value.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (value, None),
    };
    let has_shape = match fraction {
        Some(fraction) => whole.len() == 6 && all_digits(fraction) && fraction.len() <= 6,
        None => matches!(whole.len(), 2 | 4 | 6),
    };
    let within = |at, max| two_digits(whole, at).is_none_or(|part| part <= max);
    has_shape && all_digits(whole) && within(0, 23) && within(2, 59) && within(4, 60)
}

/// YYYY[MM[DD[HH[MM[SS[.F{1-6}]]]]]][&ZZXX].
fn is_date_time(value: &str) -> bool {
    let local = match value.rfind(['+', '-']) {
        Some(at) => {
            let offset = value.get(at + 1..).unwrap_or_default();
            let fits = offset.len() == 4
                && all_digits(offset)
                && two_digits(offset, 0).is_some_and(|hours| hours <= 14)
                && two_digits(offset, 2).is_some_and(|minutes| minutes <= 59);
            if !fits {
                return false;
            }
            value.get(..at).unwrap_or_default()
        }
        None => value,
    };
    match (local.get(..8), local.get(8..)) {
        (Some(date), Some(time)) if is_date(date) => time.is_empty() || is_time(time),
        (Some(_), _) => false,
        (None, _) => {
            matches!(local.len(), 4 | 6)
                && all_digits(local)
                && two_digits(local, 4).is_none_or(|month| (1..=12).contains(&month))
        }
    }
}
