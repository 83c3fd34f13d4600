//! The rules of v2: those of the DICOM library behind the Azure service, ranges in dates and times included.

use dicom_core::VR;

use super::{all_digits, is_code_string, is_control_but_esc, length, two_digits};

type Checked = Result<(), &'static str>;

const EXCEEDS_16: &str = "value exceeds maximum length of 16 characters";
const EXCEEDS_64: &str = "value exceeds maximum length of 64 characters";
const CHARACTER: &str = "value contains invalid character";
const RANGES: &str = "value contains too many range separators '-'";

pub(super) fn check(vr: VR, value: &str) -> Checked {
    match vr {
        VR::AE => application_entity(value),
        VR::AS => {
            let is_age = value.len() == 4
                && value.get(..3).is_some_and(all_digits)
                && value.ends_with(['D', 'W', 'M', 'Y']);
            require(is_age, "value does not have pattern 000[DWMY]")
        }
        VR::CS => {
            at_most(value, 16, EXCEEDS_16)?;
            require(is_code_string(value), CHARACTER)
        }
        VR::DA => dates(value),
        VR::DS => {
            at_most(value, 16, EXCEEDS_16)?;
            require(is_decimal(value.trim()), "value is no decimal string")
        }
        VR::DT => date_times(value),
        VR::IS => integer(value.trim_matches(' ')),
        VR::LO => {
            at_most(value, 64, EXCEEDS_64)?;
            require(!value.contains(is_control_but_esc), CHARACTER)
        }
        VR::LT => at_most(value, 10240, "value exceeds maximum length of 10240 characters"),
        VR::PN => person_name(value),
        VR::SH => {
            require(!value.contains(is_control_but_esc), CHARACTER)?;
            at_most(value, 16, EXCEEDS_16)
        }
        VR::ST => at_most(value, 1024, "value exceeds maximum length of 1024 characters"),
        VR::TM => times(value),
        VR::UI => unique_identifier(value),
        _ => Ok(()),
    }
}

fn require(condition: bool, reason: &'static str) -> Checked {
    if condition { Ok(()) } else { Err(reason) }
}

fn at_most(value: &str, max: usize, reason: &'static str) -> Checked {
    require(length(value) <= max, reason)
}

fn application_entity(value: &str) -> Checked {
    at_most(value, 16, EXCEEDS_16)?;
    require(!value.trim().is_empty(), "value may not consist only of spaces")?;
    require(!value.contains(char::is_control), "value contains invalid control character")
}

fn integer(value: &str) -> Checked {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    require(all_digits(digits), "value is not an integer string")?;
    require(value.parse::<i32>().is_ok(), "value too large to fit 32 bit integer")
}

fn is_decimal(value: &str) -> bool {
    let value = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (mantissa, exponent) = match value.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (value, None),
    };
    let fits = |exponent: &str| all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    exponent.is_none_or(fits) && digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0
}

fn person_name(value: &str) -> Checked {
    require(value.split('=').count() <= 3, "value contains too many groups")?;
    for group in value.split('=') {
        at_most(group, 64, EXCEEDS_64)?;
        require(!group.contains(is_control_but_esc), "value contains invalid control character")?;
    }
    let fits = value.split('=').all(|group| group.split('^').count() <= 5);
    require(fits, "value contains too many components")
}

fn unique_identifier(value: &str) -> Checked {
    at_most(value, 64, EXCEEDS_64)?;
    let is_uid = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    require(is_uid, "value contains invalid characters other than '0'-'9' and '.'")?;
    let has_leading_zero = |(n, part): (usize, &str)| part.starts_with('0') && (n == 0 || part.len() > 1);
    require(!value.split('.').enumerate().any(has_leading_zero), "components must not have leading zeros")?;
    require(value.split('.').all(|part| !part.is_empty()), "a component can not be empty")
}

fn dates(value: &str) -> Checked {
    require(value.split('-').count() <= 2, RANGES)?;
    for date in value.split('-').map(|date| date.trim_end_matches(' ')).filter(|date| !date.is_empty()) {
        let has_shape = date.len() == 8 && all_digits(date);
        require(has_shape, "one of the date values does not match the pattern YYYYMMDD")?;
        require(
            two_digits(date, 4).is_some_and(|month| month <= 12),
            "month component exceeds the value 12",
        )?;
        require(two_digits(date, 6).is_some_and(|day| day <= 31), "day component exceeds the value 31")?;
    }
    Ok(())
}

fn times(value: &str) -> Checked {
    require(value.split('-').count() <= 2, RANGES)?;
    for time in value.split('-').map(|time| time.trim_end_matches(' ')).filter(|time| !time.is_empty()) {
        let has_shape = matches!(time.len(), 2 | 4 | 6) && all_digits(time) || has_fraction(time, 6);
        require(has_shape, "value does not mach pattern HH or HHMM or HHMMSS or HHMMSS.F{1-6}")?;
        let within = |at, max| two_digits(time, at).is_none_or(|part| part <= max);
        require(within(0, 23), "hour component exceeds 23")?;
        require(within(2, 59), "minutes component exceeds 59")?;
        require(within(4, 60), "seconds component exceeds 60")?;
    }
    Ok(())
}

/// `whole` digits, a dot, one to six digits.
fn has_fraction(value: &str, whole: usize) -> bool {
    value.split_once('.').is_some_and(|(seconds, fraction)| {
        seconds.len() == whole && all_digits(seconds) && all_digits(fraction) && fraction.len() <= 6
    })
}

/// A value, or a range of two; `-` also stands before an offset from UTC.
fn date_times(value: &str) -> Checked {
    require(!value.contains("-0000"), "negative UTC hours component with value -0000 is not allowed")?;
    require(value.trim() != "-", "both dateTime components in range cannot be empty")?;
    let parts: Vec<&str> = value.split('-').collect();
    let is_offset = |part: &str| {
        part.len() == 4 && all_digits(part) && part.parse::<u16>().is_ok_and(|offset| offset <= 1200)
    };
    let west = |date: &str, offset: &str| date_time(&format!("{date}-{offset}"));
    match *parts.as_slice() {
        [one] => date_time(one),
        [one, offset] if is_offset(offset) => west(one, offset),
        [from, to] => date_time(from).and_then(|()| date_time(to)),
        [from, offset, to] if is_offset(offset) => west(from, offset).and_then(|()| date_time(to)),
        [from, to, offset] if is_offset(offset) => date_time(from).and_then(|()| west(to, offset)),
        [_, _, _] => Err("value is in invalid range format"),
        [from, first, to, second] => west(from, first).and_then(|()| west(to, second)),
        _ => Err(RANGES),
    }
}

fn date_time(value: &str) -> Checked {
    let value = value.trim_end_matches(' ');
    if value.is_empty() {
        return Ok(());
    }
    let mut parts = value.split(['+', '-']);
    let local = parts.next().unwrap_or_default();
    if let Some(offset) = parts.next() {
        require(parts.next().is_none(), "value contains too many UTC separators '+' or '-'")?;
        offset_from_utc(offset, value.contains('+'))?;
    }
    let whole = matches!(local.len(), 4 | 6 | 8 | 10 | 12 | 14) && all_digits(local);
    require(
        whole || has_fraction(local, 14),
        "value does not mach pattern YYYY[MM[DD[HH[MM[SS[.F{1-6}]]]]]]",
    )?;
    let within = |at, max| two_digits(local, at).is_none_or(|part| part <= max);
    let is_zero = |at| two_digits(local, at) == Some(0);
    require(within(12, 60), "seconds component exceeds 60")?;
    require(within(10, 59), "minutes component exceeds 59")?;
    require(within(8, 23), "hours component exceeds 23")?;
    require(within(6, 31), "day component exceeds 31")?;
    require(!is_zero(6), "day component cannot be 0")?;
    require(within(4, 12), "month component exceeds 12")?;
    require(!is_zero(4), "month component cannot be 0")
}

fn offset_from_utc(offset: &str, is_east: bool) -> Checked {
    let has_shape = offset.len() == 4 && all_digits(offset);
    require(has_shape, "value does not match the UTC pattern &ZZXX")?;
    let hours = two_digits(offset, 0).unwrap_or(0);
    let east = "positive UTC hours component exceeds 14 (allowed range is -1200 to +1400)";
    let west = "negative UTC hours component exceeds 12 (allowed range is -1200 to +1400)";
    require(!is_east || hours <= 14, east)?;
    require(is_east || hours <= 12, west)?;
    require(two_digits(offset, 2).is_some_and(|minutes| minutes <= 59), "UTC minutes component exceeds 59")
}
