//! A synthetic head: nested ellipsoids in the manner of Shepp and Logan, cut into CT slices. Nobody's data.

use bytes::Bytes;
use hilum_kernel::Random;

use super::part10::Dataset;

/// CT Image Storage (PS3.4 §B.5).
const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(super) const PATIENT_ID: &str = "HILUM-DEMO-1";
const SIDE: u16 = 512;
const SLICES: u16 = 20;
/// Stored values are Hounsfield units plus this, so that they stay positive.
const AIR: i32 = 1024;

/// Description, kernel, noise in Hounsfield units, what the lesions gain by contrast medium.
const SERIES: [(&str, &str, u32, i32); 3] =
    [("Head soft tissue", "H30s", 6, 0), ("Head bone", "H60s", 24, 0), ("Head contrast", "H30s", 6, 60)];

/// Centre, half axes (of a cube from −1 to 1), and Hounsfield units over what is around.
struct Ellipsoid {
    centre: [f64; 3],
    axes: [f64; 3],
    hounsfield: i32,
    lesion: bool,
}

const fn ellipsoid(centre: [f64; 3], axes: [f64; 3], hounsfield: i32, lesion: bool) -> Ellipsoid {
    Ellipsoid { centre, axes, hounsfield, lesion }
}

/// Skin and skull, brain within it, ventricles, lesions.
const HEAD: [Ellipsoid; 8] = [
    ellipsoid([0.0, 0.0, 0.0], [0.72, 0.92, 0.95], 1900, false),
    ellipsoid([0.0, -0.01, 0.0], [0.67, 0.87, 0.90], -865, false),
    ellipsoid([0.20, 0.05, 0.05], [0.11, 0.31, 0.26], -28, false),
    ellipsoid([-0.20, 0.05, 0.05], [0.15, 0.38, 0.30], -28, false),
    ellipsoid([0.0, 0.35, -0.10], [0.21, 0.25, 0.35], 12, false),
    ellipsoid([0.0, -0.45, 0.10], [0.09, 0.07, 0.12], 22, true),
    ellipsoid([0.35, -0.30, -0.20], [0.06, 0.06, 0.09], 35, true),
    ellipsoid([-0.30, 0.55, 0.25], [0.05, 0.05, 0.06], -18, true),
];

/// A study as files.
pub(super) struct Study {
    pub(super) uid: String,
    pub(super) slices: Vec<Slice>,
    /// One slice more, which is left for people to store.
    pub(super) spare: Option<Slice>,
}

/// One file of it.
pub(super) struct Slice {
    pub(super) series_uid: String,
    pub(super) instance_uid: String,
    pub(super) file: Bytes,
}

impl Slice {
    /// The pixel data: the end of the file.
    pub(super) fn pixels(&self) -> Bytes {
        let bytes = usize::from(SIDE) * usize::from(SIDE) * 2;
        self.file.slice(self.file.len().saturating_sub(bytes)..)
    }
}

impl Study {
    pub(super) fn bytes(&self) -> usize {
        self.slices.iter().map(|slice| slice.file.len()).sum()
    }

    /// The files by series, in order.
    pub(super) fn series(&self) -> impl Iterator<Item = (usize, &[Slice])> {
        self.slices.chunks(usize::from(SLICES)).enumerate()
    }
}

/// Makes a new study of the same head.
pub(super) fn study(random: &dyn Random) -> Study {
    let uid = new_uid(random);
    let frame_of_reference = new_uid(random);
    let (mut slices, mut spare) = (Vec::new(), None);
    for (at, (description, kernel, noise, contrast)) in (1_u16..).zip(SERIES) {
        let series = Series {
            study_uid: &uid,
            uid: new_uid(random),
            frame_of_reference: &frame_of_reference,
            number: at,
            description,
            kernel,
        };
        let mut chance = Chance::new(random);
        let mut make = |number: u16| {
            let z = (f64::from(number) - 0.5) / f64::from(SLICES) * 1.8 - 0.9;
            series.slice(number, new_uid(random), &cut(z, noise, contrast, &mut chance))
        };
        slices.extend((1..=SLICES).map(&mut make));
        spare.get_or_insert_with(|| make(SLICES + 1));
    }
    Study { uid, slices, spare }
}

/// UIDs from random UUIDs (PS3.5 §B.2).
fn new_uid(random: &dyn Random) -> String {
    format!("2.25.{}", random.uuid().as_u128())
}

/// The stored values of one slice. Each ellipsoid is an interval on each row, so that rows are filled, not pixels asked.
fn cut(z: f64, noise: u32, contrast: i32, chance: &mut Chance) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(usize::from(SIDE) * usize::from(SIDE) * 2);
    for row in 0..SIDE {
        let y = position(row);
        let mut line = [-1000_i32; SIDE as usize];
        for body in &HEAD {
            let [dy, dz] = [(y - body.centre[1]) / body.axes[1], (z - body.centre[2]) / body.axes[2]];
            let left = 1.0 - dy * dy - dz * dz;
            if left <= 0.0 {
                continue;
            }
            let half = body.axes[0] * left.sqrt();
            let (from, to) = (column(body.centre[0] - half), column(body.centre[0] + half));
            let value = body.hounsfield + if body.lesion { contrast } else { 0 };
            line.iter_mut().take(to).skip(from).for_each(|pixel| *pixel += value);
        }
        for value in line {
            let stored = (value + AIR + chance.noise(noise)).clamp(0, 4095);
            pixels.extend_from_slice(&u16::try_from(stored).unwrap_or(0).to_le_bytes());
        }
    }
    pixels
}

fn position(index: u16) -> f64 {
    (f64::from(index) + 0.5) / f64::from(SIDE) * 2.0 - 1.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=512"
)]
fn column(x: f64) -> usize {
    (f64::midpoint(x, 1.0) * f64::from(SIDE)).round().clamp(0.0, f64::from(SIDE)) as usize
}

/// Cheap noise: xorshift from a seed. Not for secrets.
struct Chance(u64);

impl Chance {
    fn new(random: &dyn Random) -> Self {
        let mut seed = [0; 8];
        random.fill(&mut seed);
        Self(u64::from_le_bytes(seed) | 1)
    }

    /// About normal: the sum of two even ones.
    fn noise(&mut self, amplitude: u32) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let span = u64::from(2 * amplitude + 1);
        let sum = (self.0 >> 8) % span + (self.0 >> 36) % span;
        i32::try_from(sum / 2).unwrap_or(0) - i32::try_from(amplitude).unwrap_or(0)
    }
}

struct Series<'s> {
    study_uid: &'s str,
    uid: String,
    frame_of_reference: &'s str,
    number: u16,
    description: &'s str,
    kernel: &'s str,
}

impl Series<'_> {
    fn slice(&self, number: u16, instance_uid: String, pixels: &[u8]) -> Slice {
        let mut set = Dataset::default();
        let z = f64::from(number) * 5.0 - 50.0;
        let (index, series) = (number.to_string(), self.number.to_string());
        set.text((0x0008, 0x0005), "CS", "ISO_IR 192")
            .text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY\\AXIAL")
            .text((0x0008, 0x0016), "UI", CT_IMAGE_STORAGE)
            .text((0x0008, 0x0018), "UI", &instance_uid)
            .text((0x0008, 0x0020), "DA", "20260131")
            .text((0x0008, 0x0021), "DA", "20260131")
            .text((0x0008, 0x0030), "TM", "101500")
            .text((0x0008, 0x0050), "SH", "DEMO-1")
            .text((0x0008, 0x0060), "CS", "CT")
            .text((0x0008, 0x0070), "LO", "Hilum")
            .text((0x0008, 0x0090), "PN", "Nobody^Refers")
            .text((0x0008, 0x1030), "LO", "Phantom head")
            .text((0x0008, 0x103E), "LO", self.description)
            .text((0x0010, 0x0010), "PN", "Phantom^Ellipsoid")
            .text((0x0010, 0x0020), "LO", PATIENT_ID)
            .text((0x0010, 0x0030), "DA", "")
            .text((0x0010, 0x0040), "CS", "O")
            .text((0x0018, 0x0050), "DS", "5")
            .text((0x0018, 0x0060), "DS", "120")
            .text((0x0018, 0x1210), "SH", self.kernel)
            .text((0x0020, 0x000D), "UI", self.study_uid)
            .text((0x0020, 0x000E), "UI", &self.uid)
            .text((0x0020, 0x0010), "SH", "DEMO")
            .text((0x0020, 0x0011), "IS", &series)
            .text((0x0020, 0x0012), "IS", "1")
            .text((0x0020, 0x0013), "IS", &index)
            .text((0x0020, 0x0032), "DS", &format!("-125\\-125\\{z}"))
            .text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0")
            .text((0x0020, 0x0052), "UI", self.frame_of_reference)
            .text((0x0020, 0x1040), "LO", "");
        image(&mut set, pixels);
        let file = set.into_file(CT_IMAGE_STORAGE, &instance_uid);
        Slice { series_uid: self.uid.clone(), instance_uid, file }
    }
}

/// The image pixel and CT image modules (PS3.3 §C.7.6.3, §C.8.2.1).
fn image(set: &mut Dataset, pixels: &[u8]) {
    set.number((0x0028, 0x0002), 1)
        .text((0x0028, 0x0004), "CS", "MONOCHROME2")
        .number((0x0028, 0x0010), SIDE)
        .number((0x0028, 0x0011), SIDE)
        .text((0x0028, 0x0030), "DS", "0.48828125\\0.48828125")
        .number((0x0028, 0x0100), 16)
        .number((0x0028, 0x0101), 12)
        .number((0x0028, 0x0102), 11)
        .number((0x0028, 0x0103), 0)
        .text((0x0028, 0x1050), "DS", "40")
        .text((0x0028, 0x1051), "DS", "80")
        .text((0x0028, 0x1052), "DS", "-1024")
        .text((0x0028, 0x1053), "DS", "1")
        .text((0x0028, 0x1054), "LO", "HU")
        .element((0x7FE0, 0x0010), "OW", pixels);
}

#[cfg(test)]
mod tests {
    use hilum_kernel::SeededRandom;

    use super::*;

    #[test]
    fn the_study_has_a_skull_around_a_brain() {
        let study = study(&SeededRandom::new(1));
        assert_eq!(study.slices.len(), 60);
        assert_eq!(study.series().count(), 3);
        let middle = study.slices[10].pixels();
        let at = |row: usize, column: usize| {
            let at = (row * 512 + column) * 2;
            i32::from(u16::from_le_bytes([middle[at], middle[at + 1]])) - AIR
        };
        assert!(at(5, 5) < -900, "air around it: {}", at(5, 5));
        assert!((10..80).contains(&at(256, 256)), "brain: {}", at(256, 256));
        assert!(at(256, 77) > 800, "skull: {}", at(256, 77));
        let file = &study.slices[0].file;
        assert_eq!(&file[128..132], b"DICM");
        assert_eq!(file.len() % 2, 0);
    }
}
