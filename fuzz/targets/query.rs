//! The query string of a search (PS3.18 §8.3.4).
//!
//! Input: a byte that chooses resource and version, then the query string.

#![no_main]

use hilum_dicom::{
    ApiVersion,
    search::{Resource, parse::parse},
};
use hilum_kernel::{SeriesUid, StudyUid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, query)) = input.split_first() else { return };
    let query = String::from_utf8_lossy(query);
    let study = StudyUid::parse("1.2.3").expect("a UID");
    let series = SeriesUid::parse("1.2.3.4").expect("a UID");
    let resource = match choice % 6 {
        0 => Resource::Studies,
        1 => Resource::Series,
        2 => Resource::Instances,
        3 => Resource::StudySeries(study),
        4 => Resource::StudyInstances(study),
        _ => Resource::SeriesInstances(study, series),
    };
    let version = if choice & 0x80 == 0 { ApiVersion::V2 } else { ApiVersion::V1 };
    if let Err(error) = parse(resource, version, Some(&query)) {
        assert!(!error.to_string().is_empty(), "an error says nothing");
    }
});
