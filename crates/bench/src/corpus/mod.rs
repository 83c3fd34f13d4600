//! The seeded corpus: valid Part 10 files in explicit VR little endian (or JPEG 2000), each made from its address alone.
//!
//! An [`Address`] is a kind, a set and an index. The layout of studies and series follows from the index, so that the
//! millionth instance costs as much as the first, and a checker knows what a server must answer without a database.

mod attributes;
mod header;
mod part10;
mod payload;
mod people;

use std::{fs, path::Path};

use anyhow::{Context, Result};
use bytes::Bytes;

pub use header::{SeriesFacts, StudyFacts};
pub use people::Patient;

use crate::chance::Chance;
use payload::Payloads;

/// Frames of a multi-frame object.
pub const FRAMES: u64 = 100;

/// What an instance looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A CT slice of 527 KB: 512×512 pixels of 16 bits and a header of a real scanner's weight.
    /// 100 slices in a series, two series in a study.
    Ct,
    /// A 10 KB instance of 64×64 pixels: 20 in a series, studies of one or two series, several modalities.
    Small,
    /// A multi-frame object of 100 frames of 512×512 pixels of 16 bits (52 MB), alone in its study.
    MultiFrame,
    /// A multi-frame object of 100 frames of 128×128 pixels of 16 bits (3.3 MB), alone in its study.
    Cine,
    /// A slice compressed with lossless JPEG 2000: 20 in a series, one series in a study.
    Jpeg2000,
}

/// Names one instance of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it looks like.
    pub kind: Kind,
    /// Which corpus it is of: 0 is what searches and retrievals run on, others are stored while measuring.
    pub set: u64,
    /// The how-manieth of its kind and set.
    pub index: u64,
}

/// Where an instance stands: study of the set, series of the study, instance of the series, all from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The how-manieth study of the set.
    pub study: u64,
    /// The how-manieth series of the study.
    pub series: u64,
    /// The how-manieth instance of the series.
    pub instance: u64,
}

impl Kind {
    /// The address of one instance of this kind.
    pub fn at(self, set: u64, index: u64) -> Address {
        Address { kind: self, set, index }
    }

    /// Instances in each series.
    pub fn series_instances(self) -> u64 {
        match self {
            Self::Ct => 100,
            Self::Small | Self::Jpeg2000 => 20,
            Self::MultiFrame | Self::Cine => 1,
        }
    }

    /// Series in a study.
    pub fn study_series(self, study: u64) -> u64 {
        match self {
            Self::Ct => 2,
            // Each third study of the small ones has a second series.
            Self::Small => 1 + u64::from(study.is_multiple_of(3)),
            Self::MultiFrame | Self::Cine | Self::Jpeg2000 => 1,
        }
    }

    /// The index of a study's first instance; also the number of instances in the studies before it.
    pub fn study_start(self, study: u64) -> u64 {
        let series = match self {
            Self::Ct => 2 * study,
            Self::Small => study + study.div_ceil(3),
            Self::MultiFrame | Self::Cine | Self::Jpeg2000 => study,
        };
        series * self.series_instances()
    }

    /// How many whole studies that many instances fill.
    pub fn whole_studies(self, instances: u64) -> u64 {
        self.place(instances).study
    }

    /// Where the instance of that index stands.
    pub fn place(self, index: u64) -> Place {
        let series = index / self.series_instances();
        let (study, series) = match self {
            Self::Ct => (series / 2, series % 2),
            Self::Small => match (series / 4, series % 4) {
                (group, 0) => (group * 3, 0),
                (group, 1) => (group * 3, 1),
                (group, rest) => (group * 3 + rest - 1, 0),
            },
            Self::MultiFrame | Self::Cine | Self::Jpeg2000 => (series, 0),
        };
        Place { study, series, instance: index % self.series_instances() }
    }

    fn number(self) -> u64 {
        match self {
            Self::Ct => 1,
            Self::Small => 2,
            Self::MultiFrame => 3,
            Self::Jpeg2000 => 4,
            Self::Cine => 5,
        }
    }
}

/// A Part 10 file in pieces, so that pixel data is shared between files and never copied.
#[derive(Debug, Clone)]
pub struct File {
    chunks: Vec<Bytes>,
}

impl File {
    /// The file's bytes, in pieces.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter()
    }

    /// How long the file is.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it; no file of the corpus is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file's bytes in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// All instances that follow from one seed.
#[derive(Debug)]
pub struct Corpus {
    seed: u64,
    payloads: Payloads,
}

impl Corpus {
    /// The corpus of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, payloads: Payloads::new(seed) }
    }

    /// One instance's file.
    pub fn file(&self, at: Address) -> File {
        let place = at.kind.place(at.index);
        let mut head = self.header(at, place);
        let chunks = match at.kind {
            Kind::Ct | Kind::Small => {
                let pixels = self.frame(at, 0);
                part10::write_header(&mut head, 0x7FE0_0010, "OW", part10::length32(pixels.len()));
                vec![Bytes::from(head), pixels]
            }
            Kind::MultiFrame | Kind::Cine => {
                let frames = (0..FRAMES).map(|frame| self.frame(at, frame));
                let length =
                    part10::length32(self.frame(at, 0).len()) * u32::try_from(FRAMES).unwrap_or_default();
                part10::write_header(&mut head, 0x7FE0_0010, "OW", length);
                std::iter::once(Bytes::from(head)).chain(frames).collect()
            }
            Kind::Jpeg2000 => {
                let codestream = self.frame(at, 0);
                let padding = codestream.len() % 2;
                // PS3.5 §A.4: undefined length, an empty offset table, one fragment, the delimiter.
                part10::write_header(&mut head, 0x7FE0_0010, "OB", u32::MAX);
                part10::write_item_header(&mut head, 0xFFFE_E000, 0);
                part10::write_item_header(
                    &mut head,
                    0xFFFE_E000,
                    part10::length32(codestream.len() + padding),
                );
                let mut tail = vec![0; padding];
                part10::write_item_header(&mut tail, 0xFFFE_E0DD, 0);
                vec![Bytes::from(head), codestream, Bytes::from(tail)]
            }
        };
        File { chunks }
    }

    /// One frame of an instance, counted from 0, as a server gives it back in the stored transfer syntax.
    pub fn frame(&self, at: Address, frame: u64) -> Bytes {
        match at.kind {
            Kind::Ct => self.payloads.ct(at.index),
            Kind::Small => self.payloads.small(at.index),
            Kind::MultiFrame => self.payloads.ct(at.index + frame),
            Kind::Cine => self.payloads.cine(at.index + frame),
            Kind::Jpeg2000 => self.payloads.jpeg_2000(),
        }
    }

    /// Study Instance UID of a study.
    pub fn study_uid(&self, kind: Kind, set: u64, study: u64) -> String {
        self.uid(&[1, kind.number(), set, study])
    }

    /// Series Instance UID of a series of a study.
    pub fn series_uid(&self, kind: Kind, set: u64, study: u64, series: u64) -> String {
        self.uid(&[2, kind.number(), set, study, series])
    }

    /// SOP Instance UID of an instance.
    pub fn instance_uid(&self, at: Address) -> String {
        self.uid(&[3, at.kind.number(), at.set, at.index])
    }

    /// A UID made of a UUID (PS3.5 §B.2): "2.25." and the UUID as a decimal number.
    fn uid(&self, coordinates: &[u64]) -> String {
        let mut chance = Chance::keyed(self.seed, coordinates);
        let bits = (u128::from(chance.next()) << 64) | u128::from(chance.next());
        // RFC 9562 §5.8: version 8, made by one's own rule.
        let uuid = (bits & !(0xF << 76) & !(0b11 << 62)) | (0x8 << 76) | (0b10 << 62);
        format!("2.25.{uuid}")
    }
}

/// Writes the first instances of a kind into a folder, one folder for each study and series.
pub fn write(corpus: &Corpus, kind: Kind, instances: u64, folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for index in 0..instances {
        let at = kind.at(0, index);
        let place = kind.place(index);
        let series = folder.join(format!("{:06}/{:02}", place.study, place.series));
        fs::create_dir_all(&series).with_context(|| format!("cannot make {}", series.display()))?;
        let path = series.join(format!("{:04}.dcm", place.instance));
        let file = corpus.file(at).to_vec();
        fs::write(&path, &file).with_context(|| format!("cannot write {}", path.display()))?;
        bytes += u64::try_from(file.len()).unwrap_or_default();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
