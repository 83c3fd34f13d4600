//! Content-Type and Accept (RFC 9110 §8.3, §12.5.1), and the choice of an answer's form (PS3.18 §8.7).
//!
//! Input: header values, one per line.

#![no_main]

use hilum_dicom::media_type::{MediaType, Resource, accepts, admits_dicom_json, select};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Ok(media_type) = MediaType::parse(&text) {
        assert!(media_type.essence().contains('/'), "an essence without a subtype");
        let _ = (media_type.parameter("boundary"), media_type.parameter("TYPE"));
    }
    let all = accepts(text.lines());
    assert!(all.iter().all(|accept| accept.quality <= 1000), "a quality above 1");
    let _ = admits_dicom_json(&all);
    for resource in [Resource::Study, Resource::Series, Resource::Instance, Resource::Frames] {
        let first = select(&all, resource);
        assert_eq!(first, select(&all, resource), "the choice is not stable");
    }
});
