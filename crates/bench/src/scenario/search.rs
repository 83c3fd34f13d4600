//! Searches (QIDO-RS, PS3.18 §10.6): the rows of the table, each cycling through several different queries.

use percent_encoding::{AsciiSet, CONTROLS};

use super::{Amount, Expected, Goal, Scenario, Work, library::Shared, library::Study, nth};
use crate::{
    corpus::Kind,
    load::Request,
    server::{Server, ServerKind},
};

const JSON: &str = "application/dicom+json";

/// The most results asked for where many match.
const LIMIT: usize = 100;

/// Different queries of one row.
const QUERIES: usize = 64;

/// What must be encoded in a query's value. `*` stays: the plugin of Debian 12 does not decode values, so that an
/// encoded wildcard would not be one there, and accented letters are never found.
const QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>').add(b'^');

/// One search.
struct Query {
    hilum: String,
    /// Where Orthanc is to be asked otherwise for the same studies.
    orthanc: Option<String>,
    results_hilum: usize,
    results_orthanc: usize,
}

impl Query {
    fn same(resource: String, results: usize) -> Self {
        Self { hilum: resource, orthanc: None, results_hilum: results, results_orthanc: results }
    }

    fn resource(&self, server: &Server) -> &str {
        match server.kind {
            ServerKind::Orthanc => self.orthanc.as_deref().unwrap_or(&self.hilum),
            ServerKind::Hilum | ServerKind::HilumTls => &self.hilum,
        }
    }
}

/// Searches, cycled through.
struct Search(Vec<Query>);

impl Work for Search {
    fn request(&self, server: &Server, _: u64, n: u64) -> Option<Request> {
        nth(&self.0, n).map(|query| Request::get(server.path(query.resource(server)), JSON))
    }

    fn checks(&self, server: &Server, _: u64) -> Vec<(Request, Expected)> {
        let results = |query: &Query| match server.kind {
            ServerKind::Orthanc => query.results_orthanc,
            ServerKind::Hilum | ServerKind::HilumTls => query.results_hilum,
        };
        let check = |query: &Query| {
            (Request::get(server.path(query.resource(server)), JSON), Expected::Datasets(results(query)))
        };
        self.0.iter().take(5).map(check).collect()
    }
}

/// The rows of searches.
pub(super) fn scenarios(library: &Shared) -> Vec<Scenario> {
    let row = |id, title, goal, queries: Vec<Query>| Scenario {
        id,
        title,
        concurrency: 4,
        units_per_request: 1,
        amount: Amount::Time,
        goal,
        work: Box::new(Search(queries)),
    };
    let mut rows = vec![
        row("search/patient-id", "search studies by PatientID", Goal::Ratio(25.0), by_patient(library)),
        row(
            "search/date-range",
            "search studies by date range (100 results)",
            Goal::Ratio(25.0),
            by_date(library),
        ),
        row(
            "search/fuzzy-name",
            "search studies by fuzzy name (100 results)",
            Goal::Ratio(25.0),
            by_name(library),
        ),
        row(
            "search/modality",
            "search studies by modality (100 results)",
            Goal::Ratio(25.0),
            by_modality(library),
        ),
        row("search/accented", "search studies by accented name", Goal::Correct, by_accented_name(library)),
        row("search/series", "search series of a study", Goal::Ratio(20.0), series(library)),
    ];
    let instances = instances(library);
    if !instances.is_empty() {
        let title = "search instances of a 100-slice series";
        rows.push(row("search/instances", title, Goal::Ratio(40.0), instances));
    }
    rows
}

fn matching(library: &Shared, matches: impl Fn(&Study) -> bool) -> usize {
    library.studies.iter().filter(|study| matches(study)).count().min(LIMIT)
}

fn encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, QUERY).to_string()
}

fn by_patient(library: &Shared) -> Vec<Query> {
    // Spread over the whole archive, so that no cache of the latest helps.
    let step = (library.studies.len() / QUERIES).max(1);
    let patients = library.studies.iter().step_by(step).map(|study| &study.facts.patient.id);
    patients
        .map(|id| {
            let results = matching(library, |study| study.facts.patient.id == *id);
            Query::same(format!("/studies?PatientID={}", encoded(id)), results)
        })
        .collect()
}

fn by_date(library: &Shared) -> Vec<Query> {
    (2018..2026)
        .map(|year| {
            let (from, to) = (format!("{year}0101"), format!("{}1231", year + 1));
            let results =
                matching(library, |study| (from.as_str()..=to.as_str()).contains(&study.facts.date.as_str()));
            Query::same(format!("/studies?StudyDate={from}-{to}&limit={LIMIT}"), results)
        })
        .collect()
}

/// Fuzzy matching finds any word of the name by its beginning. The plugin has none: there the wildcard at the family
/// name's end does nearly the same.
fn by_name(library: &Shared) -> Vec<Query> {
    let word = |name: &str, start: &str| name.split('^').any(|word| word.to_lowercase().starts_with(start));
    let queries = ["ma", "mar", "no", "ha"].map(|start| Query {
        hilum: format!("/studies?PatientName={start}&fuzzymatching=true&limit={LIMIT}"),
        orthanc: Some(format!("/studies?PatientName={start}*&limit={LIMIT}")),
        results_hilum: matching(library, |study| word(&study.facts.patient.name, start)),
        results_orthanc: matching(library, |study| {
            study.facts.patient.name.to_lowercase().starts_with(start)
        }),
    });
    // As with accented names: where a small archive has none, the right answer is 204.
    queries.into_iter().filter(|query| query.results_hilum > 0).collect()
}

fn by_modality(library: &Shared) -> Vec<Query> {
    ["MR", "CT"]
        .map(|modality| {
            let results = matching(library, |study| study.modalities.contains(&modality));
            Query::same(format!("/studies?ModalitiesInStudy={modality}&limit={LIMIT}"), results)
        })
        .into()
}

fn by_accented_name(library: &Shared) -> Vec<Query> {
    let query = |text: &str, matches: fn(&str, &str) -> bool, pattern: String| {
        let results = matching(library, |study| matches(&study.facts.patient.name, text));
        Query::same(format!("/studies?PatientName={}&limit={LIMIT}", encoded(&pattern)), results)
    };
    let mut queries = vec![
        query("Müller", |name, text| name.starts_with(text), "Müller*".to_owned()),
        query("Łukasz", |name, text| name.contains(text), "*Łukasz*".to_owned()),
        query("山田", |name, text| name.starts_with(text), "山田*".to_owned()),
    ];
    // A small archive may lack one of them; 204 would then be right, which a measured run does not expect.
    queries.retain(|query| query.results_hilum > 0);
    queries
}

fn series(library: &Shared) -> Vec<Query> {
    let step = (library.studies.len() / QUERIES).max(1);
    let studies = library.studies.iter().step_by(step);
    studies
        .map(|study| Query::same(format!("/studies/{}/series", study.facts.uid), study.modalities.len()))
        .collect()
}

fn instances(library: &Shared) -> Vec<Query> {
    let corpus = &library.corpus;
    let series = library
        .of_kind(Kind::Ct)
        .flat_map(|study| [0, 1].map(|series| (study, corpus.series_uid(Kind::Ct, 0, study.number, series))));
    series
        .map(|(study, series)| {
            Query::same(format!("/studies/{}/series/{series}/instances?limit=200", study.facts.uid), 100)
        })
        .collect()
}
