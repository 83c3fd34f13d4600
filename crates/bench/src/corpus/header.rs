//! The header of an instance: what is fixed for its kind plus what follows from study, series and place.

use super::{
    Address, Corpus, FRAMES, Kind, Patient, Place, attributes,
    part10::{self, Element},
    payload::{CINE_SIDE, CT_SIDE, JPEG_2000_SIDE, SMALL_SIDE},
    people,
};
use crate::chance::Chance;

const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const MULTI_FRAME_WORD_SC: &str = "1.2.840.10008.5.1.4.1.1.7.3";

/// Modality and storage class (PS3.4 Annex B.5) of the 10 KB instances; repeated ones are more frequent.
const MODALITIES: [(&str, &str); 8] = [
    ("MR", "1.2.840.10008.5.1.4.1.1.4"),
    ("MR", "1.2.840.10008.5.1.4.1.1.4"),
    ("CT", CT_IMAGE),
    ("CT", CT_IMAGE),
    ("DX", "1.2.840.10008.5.1.4.1.1.1.1"),
    ("CR", "1.2.840.10008.5.1.4.1.1.1"),
    ("MG", "1.2.840.10008.5.1.4.1.1.1.2"),
    ("PT", "1.2.840.10008.5.1.4.1.1.128"),
];

/// What all instances of a study have in common.
#[derive(Debug, Clone)]
pub struct StudyFacts {
    /// Study Instance UID.
    pub uid: String,
    /// Whose study it is.
    pub patient: Patient,
    /// StudyDate (0008,0020).
    pub date: String,
    /// StudyTime (0008,0030).
    pub time: String,
    /// AccessionNumber (0008,0050).
    pub accession: String,
    /// ReferringPhysicianName (0008,0090).
    pub referring: String,
}

/// What all instances of a series have in common.
#[derive(Debug, Clone)]
pub struct SeriesFacts {
    /// Series Instance UID.
    pub uid: String,
    /// Modality (0008,0060).
    pub modality: &'static str,
    /// SOP class of its instances.
    pub sop_class: &'static str,
}

impl Corpus {
    /// A study's facts. Two studies in a row are of the same patient.
    pub fn study(&self, kind: Kind, set: u64, study: u64) -> StudyFacts {
        let patient = study / 2;
        let id = format!("{}{set}-{patient:07}", prefix(kind));
        let mut of_patient = Chance::keyed(self.seed, &[4, kind.number(), set, patient]);
        let mut chance = Chance::keyed(self.seed, &[5, kind.number(), set, study]);
        StudyFacts {
            uid: self.study_uid(kind, set, study),
            patient: Patient::draw(id, &mut of_patient),
            date: people::date(&mut chance, 2018, 8),
            time: people::time(&mut chance),
            accession: format!("A{}{set}{study:07}", kind.number()),
            referring: people::staff(&mut chance),
        }
    }

    /// A series' facts.
    pub fn series(&self, kind: Kind, set: u64, study: u64, series: u64) -> SeriesFacts {
        let (modality, sop_class) = match kind {
            Kind::Ct | Kind::Jpeg2000 => ("CT", CT_IMAGE),
            Kind::MultiFrame | Kind::Cine => ("OT", MULTI_FRAME_WORD_SC),
            Kind::Small => Chance::keyed(self.seed, &[6, set, study, series]).pick(&MODALITIES),
        };
        SeriesFacts { uid: self.series_uid(kind, set, study, series), modality, sop_class }
    }

    /// Preamble, meta group and all elements before the pixel data.
    pub(super) fn header(&self, at: Address, place: Place) -> Vec<u8> {
        let study = self.study(at.kind, at.set, place.study);
        let series = self.series(at.kind, at.set, place.study, place.series);
        let instance = self.instance_uid(at);
        let transfer_syntax = match at.kind {
            Kind::Jpeg2000 => "1.2.840.10008.1.2.4.90",
            Kind::Ct | Kind::Small | Kind::MultiFrame | Kind::Cine => "1.2.840.10008.1.2.1",
        };
        let mut out = Vec::with_capacity(8 * 1024);
        part10::write_meta(&mut out, series.sop_class, instance.clone(), transfer_syntax);

        let mut elements = attributes::fixed(at.kind);
        study_elements(&mut elements, &study);
        series_elements(&mut elements, &series, place);
        image_elements(&mut elements, at, place, &study);
        elements.push(Element::text(0x0008_0018, "UI", instance));
        elements.push(Element::text(
            0x0020_0052,
            "UI",
            self.uid(&[7, at.kind.number(), at.set, place.study]),
        ));
        if matches!(at.kind, Kind::Ct | Kind::Jpeg2000) {
            self.ct_elements(&mut elements, at, place);
        }
        part10::write_elements(&mut out, elements);
        out
    }

    fn ct_elements(&self, elements: &mut Vec<Element>, at: Address, place: Place) {
        let mut chance = Chance::keyed(self.seed, &[8, at.kind.number(), at.set, place.study]);
        for tag in [0x0008_1048, 0x0008_1050, 0x0008_1060, 0x0008_1070, 0x0032_1032] {
            elements.push(Element::text(tag, "PN", people::staff(&mut chance)));
        }
        let slice = |offset| self.instance_uid(at.kind.at(at.set, at.index + offset));
        let procedure = self.uid(&[9, at.kind.number(), at.set, place.study]);
        elements.extend([
            attributes::code(0x0008_1032, "24627-2", "LN", "CT Chest"),
            attributes::code(0x0018_9346, "113691", "DCM", "IEC Body Dosimetry Phantom"),
            attributes::code(0x0032_1064, "24627-2", "LN", "CT Chest"),
            attributes::code(0x0040_0260, "24627-2", "LN", "CT Chest"),
            attributes::references(0x0008_1110, "1.2.840.10008.3.1.2.3.1", vec![procedure.clone()]),
            attributes::references(0x0008_1111, "1.2.840.10008.3.1.2.3.3", vec![procedure.clone()]),
            attributes::references(0x0008_1140, CT_IMAGE, vec![slice(1), slice(2)]),
            attributes::references(0x0008_2112, CT_IMAGE, vec![slice(3)]),
            Element::text(0x0008_3010, "UI", procedure),
            Element::items(
                0x0040_0275,
                vec![vec![
                    Element::text(0x0040_0007, "LO", "CT Chest"),
                    Element::text(0x0040_0009, "SH", "SPS1"),
                    Element::text(0x0040_1001, "SH", "RP1"),
                ]],
            ),
            Element::items(0x0040_0555, Vec::new()),
        ]);
    }
}

fn study_elements(elements: &mut Vec<Element>, study: &StudyFacts) {
    let date = |tag| Element::text(tag, "DA", study.date.clone());
    let time = |tag| Element::text(tag, "TM", study.time.clone());
    elements.extend([0x0008_0012, 0x0008_0020, 0x0008_0021, 0x0008_0022, 0x0008_0023, 0x0040_0244].map(date));
    elements.extend([0x0008_0013, 0x0008_0030, 0x0008_0031, 0x0008_0032, 0x0008_0033, 0x0040_0245].map(time));
    elements.extend([
        Element::text(0x0008_0050, "SH", study.accession.clone()),
        Element::text(0x0008_0090, "PN", study.referring.clone()),
        Element::text(0x0010_0010, "PN", study.patient.name.clone()),
        Element::text(0x0010_0020, "LO", study.patient.id.clone()),
        Element::text(0x0010_0030, "DA", study.patient.birth_date.clone()),
        Element::text(0x0010_0040, "CS", study.patient.sex),
        Element::text(0x0010_1010, "AS", "055Y"),
        Element::text(0x0020_000D, "UI", study.uid.clone()),
        Element::text(0x0020_0010, "SH", "1"),
        Element::text(0x0040_0253, "SH", "PPS1"),
    ]);
}

fn series_elements(elements: &mut Vec<Element>, series: &SeriesFacts, place: Place) {
    elements.extend([
        Element::text(0x0008_0016, "UI", series.sop_class),
        Element::text(0x0008_0060, "CS", series.modality),
        Element::text(0x0008_1030, "LO", format!("{} study", series.modality)),
        Element::text(0x0008_103E, "LO", format!("{} series {}", series.modality, place.series + 1)),
        Element::text(0x0018_0015, "CS", "CHEST"),
        Element::text(0x0018_1030, "LO", "Routine chest"),
        Element::text(0x0020_000E, "UI", series.uid.clone()),
        Element::text(0x0020_0011, "IS", (place.series + 1).to_string()),
        Element::text(0x0032_1060, "LO", "Chest, routine"),
        Element::text(0x0040_0254, "LO", "Chest, routine"),
    ]);
    if series.modality == "OT" {
        elements.push(Element::text(0x0008_0064, "CS", "WSD"));
    }
}

fn image_elements(elements: &mut Vec<Element>, at: Address, place: Place, study: &StudyFacts) {
    let side = match at.kind {
        Kind::Ct | Kind::MultiFrame => CT_SIDE,
        Kind::Small => SMALL_SIDE,
        Kind::Cine => CINE_SIDE,
        Kind::Jpeg2000 => JPEG_2000_SIDE,
    };
    // Slices are 1.25 mm apart.
    let (whole, hundredths) = (place.instance * 125 / 100, place.instance * 125 % 100);
    let position = format!("{whole}.{hundredths:02}");
    elements.extend([
        Element::text(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        Element::text(0x0020_0013, "IS", (place.instance + 1).to_string()),
        Element::text(0x0020_0032, "DS", format!("-180\\-180\\{position}")),
        Element::text(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0"),
        Element::text(0x0020_1041, "DS", position),
        Element::text(0x0028_0010, "US", side.to_string()),
        Element::text(0x0028_0011, "US", side.to_string()),
        Element::text(0x0028_0030, "DS", "0.703125\\0.703125"),
    ]);
    if matches!(at.kind, Kind::MultiFrame | Kind::Cine) {
        elements.push(Element::text(0x0028_0008, "IS", FRAMES.to_string()));
    }
    if at.kind == Kind::Ct {
        elements.push(Element::text(0x0018_9074, "DT", format!("{}{}", study.date, study.time)));
    }
}

fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Ct => "CT",
        Kind::Small => "SM",
        Kind::MultiFrame => "MF",
        Kind::Cine => "CI",
        Kind::Jpeg2000 => "J2",
    }
}
