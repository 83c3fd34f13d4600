//! What a request asks of the feed (fact sheet §9).

use std::time::Duration;

use jiff::{civil, fmt::temporal::Pieces, tz::Offset};

use crate::{
    error::DicomError,
    query_string::{Parameters, invalid, not_valid},
    request::ApiVersion,
};

/// Ticks of one second.
const PER_SECOND: i128 = 10_000_000;
/// The longest wait for news. Beyond: 400. Proxies commonly cut what is silent for a minute.
const WAIT_SECONDS_MAX: i64 = 30;

/// Which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// Those with the next numbers.
    Sequence {
        /// The last number that the reader knows.
        after: i64,
        /// How many numbers to look at.
        limit: i64,
    },
    /// Those of a window of time, in ticks.
    Time {
        /// Included.
        start: i64,
        /// Not included.
        end: i64,
        /// Rows of the window to leave out.
        offset: i64,
        limit: i64,
    },
}

/// A checked request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) selection: Selection,
    pub(super) metadata: bool,
    /// How long to wait where there is nothing yet.
    pub(super) wait: Duration,
}

impl Asked {
    /// Reads the query string of `GET /changefeed`.
    pub(super) fn parse(version: ApiVersion, query: Option<&str>) -> Result<Self, DicomError> {
        let parameters = Parameters::parse(query)?;
        let offset = parameters.integer("Offset", &(0..=i64::MAX))?.unwrap_or(0);
        let selection = match version {
            ApiVersion::V1 => {
                let limit = parameters.integer("Limit", &(1..=100))?.unwrap_or(10);
                Selection::Sequence { after: offset, limit }
            }
            ApiVersion::V2 => {
                let limit = parameters.integer("Limit", &(1..=200))?.unwrap_or(100);
                let start = time(&parameters, "StartTime")?.unwrap_or(i64::MIN);
                let end = time(&parameters, "EndTime")?.unwrap_or(i64::MAX);
                if start >= end {
                    let text = format!(
                        "The start time '{}' must occur strictly before the end time '{}'.",
                        shown_time(start),
                        shown_time(end)
                    );
                    return Err(invalid("StartTime", &text));
                }
                Selection::Time { start, end, offset, limit }
            }
        };
        let seconds = parameters.integer("Wait", &(0..=WAIT_SECONDS_MAX))?.unwrap_or(0);
        let wait = Duration::from_secs(seconds.unsigned_abs());
        Ok(Self { selection, metadata: metadata(&parameters)?, wait })
    }
}

/// Whether the latest entry is wanted with metadata.
pub(super) fn latest(query: Option<&str>) -> Result<bool, DicomError> {
    metadata(&Parameters::parse(query)?)
}

fn metadata(parameters: &Parameters) -> Result<bool, DicomError> {
    Ok(parameters.truth("IncludeMetadata")?.unwrap_or(true))
}

/// A time of RFC 3339, which must say its offset, in ticks. A fraction beyond a tick is rounded up: no entry lies between.
fn time(parameters: &Parameters, name: &str) -> Result<Option<i64>, DicomError> {
    let Some(text) = parameters.text(name)? else { return Ok(None) };
    let bad = || not_valid(name, text);
    let pieces = Pieces::parse(text.trim()).map_err(|_| bad())?;
    let Some(offset) = pieces.to_numeric_offset() else {
        return Err(invalid(name, "Date and time value must specify a time zone."));
    };
    let time = pieces.time().ok_or_else(bad)?;
    ticks(pieces.date().to_datetime(time), offset).map(Some).ok_or_else(bad)
}

/// By hand: the last day that RFC 3339 can write, with any offset, is more than a timestamp takes.
fn ticks(local: civil::DateTime, offset: Offset) -> Option<i64> {
    let since = local.duration_since(civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let nanoseconds = since.as_nanos() - i128::from(offset.seconds()) * PER_SECOND * 100;
    i64::try_from((nanoseconds + 99).div_euclid(100)).ok()
}

/// A time as the feed tells it: seven decimals, so that it selects the very entry when it comes back.
pub(super) fn shown_time(ticks: i64) -> String {
    let seconds = ticks.div_euclid(10_000_000);
    let fraction = ticks.rem_euclid(10_000_000);
    match jiff::Timestamp::from_second(seconds) {
        Ok(whole) => format!("{}.{fraction:07}Z", whole.strftime("%Y-%m-%dT%H:%M:%S")),
        // Only as the end or beginning of all time.
        Err(_) if ticks > 0 => "9999-12-31T23:59:59.9999999Z".to_owned(),
        Err(_) => "0001-01-01T00:00:00.0000000Z".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(query: &str) -> Result<Asked, String> {
        Asked::parse(ApiVersion::V2, Some(query)).map_err(|error| error.to_string())
    }

    fn window(query: &str) -> (i64, i64) {
        match v2(query).unwrap().selection {
            Selection::Time { start, end, .. } => (start, end),
            Selection::Sequence { .. } => panic!("v2 selects by time"),
        }
    }

    #[test]
    fn times_keep_their_ticks_and_their_offsets() {
        let at = 16_000_000_001_234_567;
        assert_eq!(shown_time(at), "2020-09-13T12:26:40.1234567Z");
        assert_eq!(window("startTime=2020-09-13T12:26:40.1234567Z").0, at);
        assert_eq!(window("starttime=2020-09-13T14:26:40.1234567%2B02:00").0, at);
        assert_eq!(window("startTime=2020-09-13T12:26:40.12345661Z").0, at, "rounded up to a tick");
        assert_eq!(window("endTime=2020-09-13T12:26Z").1, 16_000_000_000_000_000 - 400_000_000);
        let all = window("startTime=0001-01-01T00:00:00Z&endTime=9999-12-31T23:59:59.9999999Z");
        assert!(all.0 < 0 && all.1 > at);
        assert_eq!(window(""), (i64::MIN, i64::MAX));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for (query, text) in [
            (
                "startTime=2020-09-13T12:26:40",
                "The query parameter 'StartTime' is invalid. Date and time value must specify a time zone.",
            ),
            (
                "endTime=2020-09-13",
                "The query parameter 'EndTime' is invalid. Date and time value must specify a time zone.",
            ),
            (
                "endTime=yesterday",
                "The query parameter 'EndTime' is invalid. The value 'yesterday' is not valid for EndTime.",
            ),
            (
                "startTime=",
                "The query parameter 'StartTime' is invalid. The value '' is not valid for StartTime.",
            ),
            (
                "startTime=2020-01-02T00:00:00Z&endTime=2020-01-02T01:00:00%2B01:00",
                "The query parameter 'StartTime' is invalid. The start time '2020-01-02T00:00:00.0000000Z' must occur strictly before the end time '2020-01-02T00:00:00.0000000Z'.",
            ),
            (
                "limit=201",
                "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 200.",
            ),
            ("wait=31", "The query parameter 'Wait' is invalid. The field Wait must be between 0 and 30."),
        ] {
            assert_eq!(v2(query).unwrap_err(), text, "{query}");
        }
    }

    #[test]
    fn v1_pages_by_number() {
        let asked = |query| Asked::parse(ApiVersion::V1, query);
        assert_eq!(asked(None).unwrap().selection, Selection::Sequence { after: 0, limit: 10 });
        let last = asked(Some("offset=9223372036854775807&limit=100&includeMetadata=FALSE")).unwrap();
        assert_eq!(last.selection, Selection::Sequence { after: i64::MAX, limit: 100 });
        assert!(!last.metadata);
        for bad in ["limit=101", "limit=0", "offset=-1", "offset=9223372036854775808"] {
            assert!(asked(Some(bad)).is_err(), "{bad}");
        }
        // v1 knows no windows; parameters that are none do no harm.
        assert!(asked(Some("startTime=yesterday")).is_ok());
    }
}
