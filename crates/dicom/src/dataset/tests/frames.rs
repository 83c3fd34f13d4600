use std::ops::Range;

use proptest::prelude::*;

use crate::dataset::{
    Instance,
    frames::{Damaged, FrameError, FrameIndex, Layout, Unindexable},
    samples::*,
};

fn native(bits: u16, samples: u16, frames: &str, photometric: &str, pixels: usize) -> Instance {
    explicit(&[
        us(0x0028_0002, samples),
        text(0x0028_0004, *b"CS", photometric),
        text(0x0028_0008, *b"IS", frames),
        us(0x0028_0010, 3),
        us(0x0028_0011, 5),
        us(0x0028_0100, bits),
        element(0x7FE0_0010, *b"OW", &vec![0; pixels]),
    ])
}

/// The bytes of frame `n` in a file with these fragments.
fn frames_of(frames: &str, offsets: &[u32], parts: &[&[u8]]) -> Vec<Result<Vec<u8>, FrameError>> {
    let dataset = [text(0x0028_0008, *b"IS", frames), fragments(offsets, parts)].concat();
    let file = file(JPEG, &dataset);
    let index = read(JPEG, &dataset).unwrap().frames;
    let back = FrameIndex::from_bytes(&index.to_bytes()).unwrap();
    assert_eq!(back, index);
    let at = |n: u64| usize::try_from(n).unwrap();
    let bytes = |range: &Range<u64>| file[at(range.start)..at(range.end)].to_vec();
    (1..=index.number_of_frames())
        .map(|n| Ok(index.frame(n)?.ranges.iter().flat_map(bytes).collect()))
        .collect()
}

#[test]
fn native_frames_have_equal_lengths() {
    let index = native(16, 1, "2", "MONOCHROME2", 60).frames;
    let (first, second) = (index.frame(1).unwrap(), index.frame(2).unwrap());
    assert_eq!(first.ranges[0].end - first.ranges[0].start, 30);
    assert_eq!(first.ranges[0].end, second.ranges[0].start);
    assert_eq!(index.frame(0), Err(FrameError::NoSuchFrame));
    assert_eq!(index.frame(3), Err(FrameError::NoSuchFrame));

    let colour = native(8, 3, "1", "RGB", 46).frames;
    assert_eq!(colour.frame(1).unwrap().ranges[0].end - colour.frame(1).unwrap().ranges[0].start, 45);
    let halved = native(8, 3, "1", "YBR_FULL_422", 30).frames;
    assert_eq!(halved.frame(1).unwrap().ranges[0].end - halved.frame(1).unwrap().ranges[0].start, 30);
    let short = native(16, 1, "3", "MONOCHROME2", 60).frames;
    assert_eq!(short.frame(1), Err(FrameError::Unindexable(Unindexable::Geometry)));
    let none = explicit(&[us(0x0028_0010, 3)]).frames;
    assert_eq!((none.number_of_frames(), none.frame(1)), (0, Err(FrameError::NoPixelData)));
}

#[test]
fn one_bit_frames_may_start_within_a_byte() {
    let index = native(1, 1, "3", "MONOCHROME2", 6).frames;
    let Layout::Bits { offset, frame_bits: 15 } = *index.layout() else { panic!("{index:?}") };
    let second = index.frame(2).unwrap();
    assert_eq!(
        (second.ranges[0].clone(), second.first_bit, second.bits),
        (offset + 1..offset + 4, 7, Some(15))
    );
    assert_eq!(FrameIndex::from_bytes(&index.to_bytes()), Ok(index));
    let single = native(1, 1, "1", "MONOCHROME2", 2).frames;
    assert!(matches!(single.layout(), Layout::Native { frame_bytes: 2, .. }));
}

#[test]
fn fragments_become_frames_by_the_first_rule_that_fits() {
    let ok = |bytes: &[u8]| Ok(bytes.to_vec());
    // One frame: all fragments.
    assert_eq!(frames_of("1", &[], &[b"ab", b"cd"]), [ok(b"abcd")]);
    // As many fragments as frames.
    assert_eq!(frames_of("2", &[], &[b"ab", b"cd"]), [ok(b"ab"), ok(b"cd")]);
    // The basic offset table.
    assert_eq!(frames_of("2", &[0, 20], &[b"ab", b"cd", b"ef"]), [ok(b"abcd"), ok(b"ef")]);
    // Starts of JPEG code streams.
    let jpeg: &[&[u8]] = &[b"\xFF\xD8\xFF\xE0", b"ab", b"\xFF\xD8\xFF\xDB", b"cd"];
    assert_eq!(frames_of("2", &[], jpeg), [ok(b"\xFF\xD8\xFF\xE0ab"), ok(b"\xFF\xD8\xFF\xDBcd")]);
    // A table that points between fragments is not believed.
    assert_eq!(frames_of("2", &[0, 11], &[b"ab", b"cd"]), [ok(b"ab"), ok(b"cd")]);
    // Nothing fits (video).
    let unindexable = Err(FrameError::Unindexable(Unindexable::Fragments));
    assert_eq!(frames_of("2", &[0], &[b"ab", b"cd", b"ef"]), [unindexable.clone(), unindexable.clone()]);
    assert_eq!(frames_of("2", &[], &[b"ab"]), [unindexable.clone(), unindexable]);
}

#[test]
fn the_extended_offset_table_goes_first() {
    let table: Vec<u8> = [0_u64, 10].iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let dataset = [
        text(0x0028_0008, *b"IS", "2"),
        element(0x7FE0_0001, *b"OV", &table),
        element(0x7FE0_0002, *b"OV", &[0; 16]),
        fragments(&[0, 20], &[b"ab", b"cd", b"ef"]),
    ]
    .concat();
    let index = read(JPEG, &dataset).unwrap().frames;
    assert_eq!((index.frame(1).unwrap().ranges.len(), index.frame(2).unwrap().ranges.len()), (1, 2));
}

#[test]
fn a_hundred_thousand_fragments_are_small_and_quick() {
    let part = [7_u8; 2];
    let parts = vec![&part[..]; 100_000];
    let dataset = [text(0x0028_0008, *b"IS", "100000"), fragments(&[], &parts)].concat();
    let index = read(JPEG, &dataset).unwrap().frames;
    let bytes = index.to_bytes();
    assert!(bytes.len() < 100_020, "{}", bytes.len());
    let back = FrameIndex::from_bytes(&bytes).unwrap();
    assert_eq!(back.frame(100_000), index.frame(100_000));
}

#[test]
fn a_damaged_index_is_told() {
    let good =
        read(JPEG, &[text(0x0028_0008, *b"IS", "2"), fragments(&[0, 20], &[b"ab", b"cd", b"ef"])].concat())
            .unwrap()
            .frames
            .to_bytes();
    assert!(FrameIndex::from_bytes(&good).is_ok());
    for cut in 0..good.len() {
        assert_eq!(FrameIndex::from_bytes(&good[..cut]), Err(Damaged), "{cut}");
    }
    assert_eq!(FrameIndex::from_bytes(&[good.clone(), vec![0]].concat()), Err(Damaged));
}

proptest! {
    #[test]
    fn any_bytes_are_an_index_or_damage(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(index) = FrameIndex::from_bytes(&bytes) {
            let _ = index.frame(1);
            prop_assert_eq!(FrameIndex::from_bytes(&index.to_bytes()), Ok(index));
        }
    }
}
