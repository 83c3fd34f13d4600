//! Which attributes the index knows: at which level, in which column, and in which answers they appear.
//!
//! Azure: conformance statement, "Searchable attributes" and "Attribute details" (v1 and v2); PS3.18 Tables 10.6.1-5
//! and 10.6.3-3 to -5 for those the standard requires beyond them.

use dicom_core::Tag;

/// The level of the information model an attribute belongs to (PS3.4 §C.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Study (and patient).
    Study,
    /// Series.
    Series,
    /// Instance.
    Instance,
}

/// How values of an attribute are compared (PS3.4 §C.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matching {
    /// Exact UID, or a list of them.
    Uid,
    /// Whole value after folding, with `*` and `?`.
    Text,
    /// As `Text`, and word by word when fuzzy matching is asked for.
    PersonName,
    /// Single value or range of `YYYYMMDD`.
    Date,
    /// Single value or range of `HHMMSS.FFFFFF`.
    Time,
    /// Whole number, compared as a number.
    Integer,
}

/// One attribute the index knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its tag.
    pub tag: Tag,
    /// Its keyword (PS3.6).
    pub keyword: &'static str,
    /// Its value representation.
    pub vr: &'static str,
    /// Where it belongs.
    pub level: Level,
    /// The column that holds its value for matching, and how; `None` where it is only returned.
    pub column: Option<(&'static str, Matching)>,
    /// Whether a v1 search returns it unasked.
    pub v1_default: bool,
    /// Whether a v2 search returns it unasked.
    pub v2_default: bool,
}

const fn attribute(
    tag: (u16, u16),
    keyword: &'static str,
    vr: &'static str,
    level: Level,
    column: Option<(&'static str, Matching)>,
    defaults: &'static str,
) -> Attribute {
    let (v1_default, v2_default) = match defaults.as_bytes() {
        b"1" => (true, false),
        b"2" => (false, true),
        b"12" => (true, true),
        _ => (false, false),
    };
    Attribute { tag: Tag(tag.0, tag.1), keyword, vr, level, column, v1_default, v2_default }
}

use Level::{Instance, Series, Study};
use Matching::{Date, Integer, PersonName, Text, Time, Uid};

/// Every attribute that is kept beside the rows, sorted by level, then tag. What is in neither default comes
/// with `includefield=all` or by its own name.
#[rustfmt::skip]
pub const ATTRIBUTES: &[Attribute] = &[
    attribute((0x0008, 0x0005), "SpecificCharacterSet", "CS", Study, None, "1"),
    attribute((0x0008, 0x0020), "StudyDate", "DA", Study, Some(("study_date", Date)), "12"),
    attribute((0x0008, 0x0030), "StudyTime", "TM", Study, Some(("study_time", Time)), "1"),
    attribute((0x0008, 0x0050), "AccessionNumber", "SH", Study, Some(("accession_number", Text)), "12"),
    attribute((0x0008, 0x0056), "InstanceAvailability", "CS", Study, None, "1"),
    attribute((0x0008, 0x0063), "AnatomicRegionsInStudyCodeSequence", "SQ", Study, None, ""),
    attribute((0x0008, 0x0090), "ReferringPhysicianName", "PN", Study, Some(("referring_physician_name", PersonName)), "12"),
    attribute((0x0008, 0x0201), "TimezoneOffsetFromUTC", "SH", Study, None, "1"),
    attribute((0x0008, 0x1030), "StudyDescription", "LO", Study, Some(("study_description", Text)), "2"),
    attribute((0x0008, 0x1032), "ProcedureCodeSequence", "SQ", Study, None, ""),
    attribute((0x0008, 0x1060), "NameOfPhysiciansReadingStudy", "PN", Study, None, ""),
    attribute((0x0008, 0x1080), "AdmittingDiagnosesDescription", "LO", Study, None, ""),
    attribute((0x0008, 0x1110), "ReferencedStudySequence", "SQ", Study, None, ""),
    attribute((0x0010, 0x0010), "PatientName", "PN", Study, Some(("patient_name", PersonName)), "12"),
    attribute((0x0010, 0x0020), "PatientID", "LO", Study, Some(("patient_id", Text)), "12"),
    attribute((0x0010, 0x0030), "PatientBirthDate", "DA", Study, Some(("patient_birth_date", Date)), "12"),
    attribute((0x0010, 0x0040), "PatientSex", "CS", Study, None, "1"),
    attribute((0x0010, 0x1010), "PatientAge", "AS", Study, None, ""),
    attribute((0x0010, 0x1020), "PatientSize", "DS", Study, None, ""),
    attribute((0x0010, 0x1030), "PatientWeight", "DS", Study, None, ""),
    attribute((0x0010, 0x2180), "Occupation", "SH", Study, None, ""),
    attribute((0x0010, 0x21B0), "AdditionalPatientHistory", "LT", Study, None, ""),
    attribute((0x0020, 0x000D), "StudyInstanceUID", "UI", Study, Some(("study_uid", Uid)), "12"),
    attribute((0x0020, 0x0010), "StudyID", "SH", Study, Some(("study_id", Text)), "1"),

    attribute((0x0008, 0x0021), "SeriesDate", "DA", Series, None, ""),
    attribute((0x0008, 0x0031), "SeriesTime", "TM", Series, None, ""),
    attribute((0x0008, 0x0060), "Modality", "CS", Series, Some(("modality", Text)), "12"),
    attribute((0x0008, 0x103E), "SeriesDescription", "LO", Series, None, "1"),
    attribute((0x0008, 0x1090), "ManufacturerModelName", "LO", Series, Some(("manufacturer_model_name", Text)), "2"),
    attribute((0x0020, 0x000E), "SeriesInstanceUID", "UI", Series, Some(("series_uid", Uid)), "12"),
    attribute((0x0020, 0x0011), "SeriesNumber", "IS", Series, Some(("series_number", Integer)), ""),
    attribute((0x0020, 0x0060), "Laterality", "CS", Series, None, ""),
    attribute((0x0040, 0x0244), "PerformedProcedureStepStartDate", "DA", Series, Some(("step_start_date", Date)), "12"),
    attribute((0x0040, 0x0245), "PerformedProcedureStepStartTime", "TM", Series, Some(("step_start_time", Time)), "1"),
    attribute((0x0040, 0x0275), "RequestAttributesSequence", "SQ", Series, None, "1"),

    attribute((0x0008, 0x0016), "SOPClassUID", "UI", Instance, Some(("sop_class_uid", Uid)), "1"),
    attribute((0x0008, 0x0018), "SOPInstanceUID", "UI", Instance, Some(("sop_instance_uid", Uid)), "12"),
    attribute((0x0020, 0x0013), "InstanceNumber", "IS", Instance, Some(("instance_number", Integer)), "1"),
    attribute((0x0028, 0x0008), "NumberOfFrames", "IS", Instance, None, "1"),
    attribute((0x0028, 0x0010), "Rows", "US", Instance, None, "1"),
    attribute((0x0028, 0x0011), "Columns", "US", Instance, None, "1"),
    attribute((0x0028, 0x0100), "BitsAllocated", "US", Instance, None, "1"),
];

/// Modalities in Study (0008,0061): computed from the series.
pub const MODALITIES_IN_STUDY: Tag = Tag(0x0008, 0x0061);
/// Number of Study Related Series (0020,1206): computed.
pub const NUMBER_OF_STUDY_RELATED_SERIES: Tag = Tag(0x0020, 0x1206);
/// Number of Study Related Instances (0020,1208): computed.
pub const NUMBER_OF_STUDY_RELATED_INSTANCES: Tag = Tag(0x0020, 0x1208);
/// Number of Series Related Instances (0020,1209): computed.
pub const NUMBER_OF_SERIES_RELATED_INSTANCES: Tag = Tag(0x0020, 0x1209);

/// The attributes of one level, in the order of their tags.
pub fn of_level(level: Level) -> impl Iterator<Item = &'static Attribute> {
    ATTRIBUTES.iter().filter(move |attribute| attribute.level == level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_each_tag_once() {
        for pair in ATTRIBUTES.windows(2) {
            assert!((pair[0].level, pair[0].tag) < (pair[1].level, pair[1].tag), "{}", pair[1].keyword);
        }
    }
}
