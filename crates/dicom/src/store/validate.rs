//! Whether an instance may be stored, and what is odd about it (Azure: STOW-RS, v1 and v2; fact sheet §3.3).

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use hilum_kernel::{InstanceUid, SeriesUid, StudyUid, Uid};

use super::{FailureReason, Named, StoreRequest, WarningReason};
use crate::{
    dataset::{
        Dataset, Instance,
        validate::{NulPadding, Rules, element, problems},
    },
    request::ApiVersion,
};

/// Without these nothing is stored. Order: the order of the comments.
const REQUIRED: [Tag; 5] = [
    tags::PATIENT_ID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::SOP_CLASS_UID,
];

/// What Azure indexes (its conformance statement): v1 refuses invalid values of these only.
pub(crate) const INDEXED: [Tag; 13] = [
    tags::STUDY_DATE,
    tags::ACCESSION_NUMBER,
    tags::MODALITY,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::MANUFACTURER_MODEL_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::PERFORMED_PROCEDURE_STEP_START_DATE,
];

/// An instance that may be stored.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) study: StudyUid,
    pub(super) series: SeriesUid,
    pub(super) instance: InstanceUid,
    pub(super) class: String,
    /// v2: attributes that are left out of metadata and index.
    pub(super) omitted: Vec<Tag>,
    pub(super) comments: Vec<String>,
    pub(super) warning: Option<WarningReason>,
    pub(super) has_multiple_values: bool,
}

pub(super) enum Judged {
    Accepted(Box<Accepted>),
    Refused { reason: FailureReason, comments: Vec<String> },
}

/// The UIDs for the response, whether they are valid or not.
pub(super) fn named(instance: &Instance) -> Named {
    let dataset = instance.dataset();
    let text = |tag| {
        let text = dataset.first_text(tag)?;
        // What is no UID at all is not echoed.
        Uid::from_padded(&text).ok().map(|uid| uid.as_str().to_owned())
    };
    Named { class: text(tags::SOP_CLASS_UID), instance: text(tags::SOP_INSTANCE_UID) }
}

/// Judges an instance on its own.
pub(super) fn judge(instance: &Instance, request: &StoreRequest) -> Judged {
    let dataset = instance.dataset();
    let (refusals, mut comments) = required(&dataset, request.version);
    if !refusals.is_empty() {
        return refused(refusals);
    }
    let Some(uids) = identity(&dataset) else {
        return refused(vec!["DICOM100: a required UID is not valid.".to_owned()]);
    };
    let (study, series, sop_instance, class) = uids;
    if let Some(wanted) = &request.study
        && !wanted.as_str().eq_ignore_ascii_case(study.as_str())
    {
        return refused(vec![comment(
            tags::STUDY_INSTANCE_UID,
            "The StudyInstanceUID of the instance is not that of the request.",
        )]);
    }
    let mut omitted = Vec::new();
    match request.version {
        ApiVersion::V1 => {
            let invalid = invalid_indexed(&dataset);
            if !invalid.is_empty() {
                return refused(invalid);
            }
        }
        ApiVersion::V2 => {
            for problem in problems(&dataset, |tag| INDEXED.contains(&tag) || REQUIRED.contains(&tag)) {
                comments.push(comment(problem.tag(), &problem.to_string()));
                omitted.push(problem.tag());
            }
        }
    }
    let warning = if *instance.transfer_syntax == *uids::IMPLICIT_VR_LITTLE_ENDIAN {
        Some(WarningReason::DataSetDoesNotMatchSopClass)
    } else {
        (!comments.is_empty()).then_some(WarningReason::AttributesInvalid)
    };
    let has_multiple_values = INDEXED.iter().any(|&tag| dataset.multiplicity(tag) > 1);
    Judged::Accepted(Box::new(Accepted {
        study,
        series,
        instance: sop_instance,
        class,
        omitted,
        comments,
        warning,
        has_multiple_values,
    }))
}

fn refused(comments: Vec<String>) -> Judged {
    Judged::Refused { reason: FailureReason::ValidationFailed, comments }
}

pub(super) fn comment(tag: Tag, text: &str) -> String {
    format!("DICOM100: ({:04x},{:04x}) - {text}", tag.group(), tag.element())
}

/// The reasons to refuse, and the remarks that are none.
fn required(dataset: &Dataset<'_>, version: ApiVersion) -> (Vec<String>, Vec<String>) {
    let (mut refusals, mut remarks) = (Vec::new(), Vec::new());
    for tag in REQUIRED {
        let found = dataset.get(tag).map(|found| (found, dataset.text(tag).unwrap_or_default()));
        let missing = || {
            let name = format!("({:04x},{:04x})", tag.group(), tag.element());
            comment(tag, &format!("The required tag '{name}' is missing."))
        };
        match found {
            None => refusals.push(missing()),
            // v2 lets the patient's ID be empty, with a remark.
            Some((_, text)) if text.is_empty() => match (tag, version) {
                (tags::PATIENT_ID, ApiVersion::V2) => remarks.push(missing()),
                _ => refusals.push(missing()),
            },
            Some((found, _)) => {
                let (rules, padding) = match version {
                    ApiVersion::V1 => (Rules::V1, NulPadding::Kept),
                    ApiVersion::V2 => (Rules::V2, NulPadding::Trimmed),
                };
                if let Err(invalid) = element(dataset, found, rules, padding) {
                    refusals.push(comment(tag, &invalid.to_string()));
                }
            }
        }
    }
    (refusals, remarks)
}

fn invalid_indexed(dataset: &Dataset<'_>) -> Vec<String> {
    INDEXED
        .iter()
        .filter_map(|&tag| {
            let found = dataset.get(tag)?;
            let invalid = element(dataset, found, Rules::V1, NulPadding::Kept).err()?;
            Some(comment(tag, &invalid.to_string()))
        })
        .collect()
}

fn identity(dataset: &Dataset<'_>) -> Option<(StudyUid, SeriesUid, InstanceUid, String)> {
    let uid = |tag| Uid::from_padded(&dataset.first_text(tag)?).ok();
    Some((
        StudyUid::new(uid(tags::STUDY_INSTANCE_UID)?),
        SeriesUid::new(uid(tags::SERIES_INSTANCE_UID)?),
        InstanceUid::new(uid(tags::SOP_INSTANCE_UID)?),
        uid(tags::SOP_CLASS_UID)?.as_str().to_owned(),
    ))
}
