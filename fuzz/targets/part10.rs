//! The Part 10 reader and all that is made of what it reads: JSON, frame index, value rules, transcoding.

#![no_main]

use std::io::Cursor;

use bytes::Bytes;
use dicom::{
    dataset::{
        Instance,
        frames::FrameIndex,
        json::{members, to_json},
        read::{Limits, read_instance},
        validate::{self, NulPadding, Rules},
    },
    transcode::{
        Segment, TranscodeError, frame_bytes, is_deflated, is_uncompressed, plan, to_explicit, word_bits,
    },
};
use hilum_dicom as dicom;
use libfuzzer_sys::fuzz_target;

/// Frames of one file that are looked at.
const FRAMES_MAX: u32 = 64;

fuzz_target!(|file: &[u8]| {
    if let Ok(index) = FrameIndex::from_bytes(file) {
        assert_eq!(FrameIndex::from_bytes(&index.to_bytes()).as_ref(), Ok(&index), "a frame index changes");
    }
    let limits = Limits { inflated_bytes_max: 8 << 20, ..Limits::default() };
    let Ok(instance) = read_instance(Cursor::new(file), &limits) else { return };
    json(&instance);
    rules(&instance);
    frames(&instance, file);
    transcode(&instance, file);
});

fn json(instance: &Instance) {
    let json = to_json(&instance.dataset(), &[]);
    // Does not recurse, so nesting has no limit here.
    serde_json::from_slice::<serde::de::IgnoredAny>(&json).expect("the JSON is malformed");
    let tags = instance.dataset().elements().iter().map(|element| element.tag);
    let named: Vec<_> = members(&json).map(|member| member.tag).collect();
    assert!(named.iter().all(|tag| tags.clone().any(|own| own == *tag)), "the JSON has other attributes");
}

fn rules(instance: &Instance) {
    let dataset = instance.dataset();
    for element in dataset.elements() {
        let first = validate::element(&dataset, element, Rules::V1, NulPadding::Kept);
        let text = first.err().map(|invalid| invalid.to_string());
        assert_ne!(text.as_deref(), Some(""), "a reason says nothing");
    }
    let problems = validate::problems(&dataset, |tag| tag.element() % 2 == 0);
    assert!(problems.len() <= dataset.elements().len(), "an attribute has two problems");
}

fn frames(instance: &Instance, file: &[u8]) {
    let index = &instance.frames;
    assert_eq!(FrameIndex::from_bytes(&index.to_bytes()).as_ref(), Ok(index), "a frame index changes");
    for number in 1..=index.number_of_frames().min(FRAMES_MAX) {
        let Ok(frame) = index.frame(number) else { continue };
        let pieces: Vec<Bytes> =
            frame.ranges.iter().map(|range| Bytes::copy_from_slice(slice(file, range))).collect();
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let out = frame_bytes(&frame, pieces, word_bits(instance));
        let expected = frame.bits.map_or(length_of(length), |bits| bits.div_ceil(8));
        assert_eq!(length_of(out.len()), expected, "a frame has another length");
    }
    assert!(index.frame(0).is_err() && index.frame(index.number_of_frames().saturating_add(1)).is_err());
}

fn transcode(instance: &Instance, file: &[u8]) {
    let planned = plan(instance, length_of(file.len()));
    if !is_uncompressed(&instance.transfer_syntax) {
        assert!(matches!(planned, Err(TranscodeError::Unsupported)));
        return;
    }
    for segment in planned.iter().flatten() {
        if let Segment::Copy { range, .. } = segment {
            slice(file, range);
        }
    }
    let Ok(out) = to_explicit(Bytes::copy_from_slice(file)) else { return };
    let out = out.concat();
    if !is_deflated(&instance.transfer_syntax) {
        let length: u64 = planned.iter().flatten().map(Segment::length).sum();
        assert_eq!(length_of(out.len()), length, "the plan states another length");
    }
    let limits = Limits { value_bytes_max: 256 << 20, ..Limits::default() };
    let again = read_instance(Cursor::new(&out), &limits).expect("what was written cannot be read");
    assert_eq!(&*again.transfer_syntax, "1.2.840.10008.1.2.1");
    let kept = |instance: &Instance| -> Vec<_> {
        let tags = instance.dataset().elements().iter().map(|element| element.tag);
        tags.filter(|tag| tag.element() != 0 && tag.group() != 2).collect()
    };
    assert_eq!(kept(&again), kept(instance), "attributes are lost");
}

fn slice<'a>(file: &'a [u8], range: &std::ops::Range<u64>) -> &'a [u8] {
    let at = |offset| usize::try_from(offset).expect("beyond memory");
    file.get(at(range.start)..at(range.end)).expect("a range reaches beyond the file")
}

fn length_of(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("usize has at most 64 bits")
}
