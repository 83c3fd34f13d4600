//! Pixel data: a few phantoms, made once and shared by all instances.

use bytes::Bytes;

use crate::chance::Chance;

/// How many different slices there are: enough that a frame mistaken for its neighbour is noticed.
const VARIANTS: u64 = 8;

/// A 256×256 12-bit phantom as a lossless JPEG 2000 codestream (ISO/IEC 15444-1), made with OpenJPEG.
const JPEG_2000: &[u8] = include_bytes!("../../assets/phantom-256.j2k");

/// Rows and columns of a CT slice and of a frame of a multi-frame object.
pub(super) const CT_SIDE: u32 = 512;
/// Rows and columns of a frame of a small multi-frame object.
pub(super) const CINE_SIDE: u32 = 128;
/// Rows and columns of a 10 KB instance.
pub(super) const SMALL_SIDE: u32 = 64;
/// Rows and columns of the compressed phantom.
pub(super) const JPEG_2000_SIDE: u32 = 256;

/// The pixel data of every kind.
#[derive(Debug)]
pub(super) struct Payloads {
    ct: Vec<Bytes>,
    small: Vec<Bytes>,
    cine: Vec<Bytes>,
    jpeg_2000: Bytes,
}

impl Payloads {
    pub(super) fn new(seed: u64) -> Self {
        let variants = |side| (0..VARIANTS).map(|variant| phantom(seed, side, variant)).collect();
        Self {
            ct: variants(CT_SIDE),
            small: variants(SMALL_SIDE),
            cine: variants(CINE_SIDE),
            jpeg_2000: Bytes::from_static(JPEG_2000),
        }
    }

    pub(super) fn ct(&self, index: u64) -> Bytes {
        variant(&self.ct, index)
    }

    pub(super) fn small(&self, index: u64) -> Bytes {
        variant(&self.small, index)
    }

    pub(super) fn cine(&self, index: u64) -> Bytes {
        variant(&self.cine, index)
    }

    pub(super) fn jpeg_2000(&self) -> Bytes {
        self.jpeg_2000.clone()
    }
}

fn variant(of: &[Bytes], index: u64) -> Bytes {
    usize::try_from(index % VARIANTS).ok().and_then(|at| of.get(at)).cloned().unwrap_or_default()
}

/// A disc of tissue with noise in air, 12 bits in 16: compresses as real slices do, by about half.
fn phantom(seed: u64, side: u32, variant: u64) -> Bytes {
    let mut chance = Chance::keyed(seed, &[0x7069_7865, u64::from(side), variant]);
    let centre = i64::from(side / 2);
    let radius = centre * (60 + i64::try_from(variant).unwrap_or_default() * 4) / 100;
    let mut bytes = Vec::new();
    for y in 0..i64::from(side) {
        for x in 0..i64::from(side) {
            let (dx, dy) = (x - centre, y - centre);
            let inside = dx * dx + dy * dy < radius * radius;
            let base: u16 = if inside { 1060 } else { 20 };
            let noise = u16::try_from(chance.below(64)).unwrap_or_default();
            bytes.extend_from_slice(&(base + noise).to_le_bytes());
        }
    }
    Bytes::from(bytes)
}
