//! What is in the archives before the first measurement, so that every expected answer can be told.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::StatusCode;

use crate::{
    corpus::{Address, Corpus, File, Kind, StudyFacts},
    load::{self, Outcome, Request, Shape},
    multipart,
    server::Server,
};

/// Instances in one request of the filling.
const FILL_INSTANCES: u64 = 20;

/// A study that the archive holds.
#[derive(Debug)]
pub(crate) struct Study {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) facts: StudyFacts,
    pub(crate) modalities: Vec<&'static str>,
}

/// What the archives hold.
#[derive(Debug)]
pub(crate) struct Library {
    /// Where the instances come from.
    pub(crate) corpus: Corpus,
    /// Every study with all of its instances.
    pub(crate) studies: Vec<Study>,
    /// The first set of the corpus that measured stores take from. An archive that was measured before needs another.
    pub(crate) first_store_set: u64,
    /// How many instances of each kind; whole studies all.
    counts: Vec<(Kind, u64)>,
}

impl Library {
    /// A mixture of all kinds of about so many instances: some CT studies and multi-frame objects, the rest small.
    pub(crate) fn mixed(seed: u64, instances: u64) -> Self {
        let ct_studies = (instances / 5_000).clamp(1, 4);
        let multi_frames = (instances / 10_000).clamp(1, 2);
        let ct = Kind::Ct.study_start(ct_studies);
        let small = instances.saturating_sub(ct + multi_frames + 24).max(400);
        let small_studies = Kind::Small.whole_studies(small);
        let rest = [
            (Kind::MultiFrame, multi_frames),
            (Kind::Cine, 4),
            (Kind::Jpeg2000, 1),
            (Kind::Small, small_studies),
        ];
        Self::of(seed, &[&[(Kind::Ct, ct_studies)], rest.as_slice()].concat())
    }

    /// Only 10 KB instances, about so many.
    pub(crate) fn small(seed: u64, instances: u64) -> Self {
        Self::of(seed, &[(Kind::Small, Kind::Small.whole_studies(instances).max(1))])
    }

    fn of(seed: u64, studies: &[(Kind, u64)]) -> Self {
        let corpus = Corpus::new(seed);
        let study = |kind: Kind, number| Study {
            kind,
            number,
            facts: corpus.study(kind, 0, number),
            modalities: (0..kind.study_series(number))
                .map(|series| corpus.series(kind, 0, number, series).modality)
                .collect(),
        };
        let all = studies.iter().flat_map(|&(kind, count)| (0..count).map(move |number| (kind, number)));
        let list = all.map(|(kind, number)| study(kind, number)).collect();
        let counts = studies.iter().map(|&(kind, count)| (kind, kind.study_start(count))).collect();
        Self { corpus, studies: list, first_store_set: 1, counts }
    }

    /// How many instances there are.
    pub(crate) fn instances(&self) -> u64 {
        self.counts.iter().map(|&(_, count)| count).sum()
    }

    /// How many of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts.iter().filter(|(of, _)| *of == kind).map(|&(_, count)| count).sum()
    }

    /// The studies of a kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Study> {
        self.studies.iter().filter(move |study| study.kind == kind)
    }

    /// Stores everything, and fails where anything is refused.
    pub(crate) fn fill(&self, server: &Server, threads: usize) -> Result<Vec<Outcome>> {
        let shape = Shape { concurrency: 4, threads, duration: std::time::Duration::from_hours(1) };
        let mut outcomes = Vec::new();
        for &(kind, count) in &self.counts {
            let per_request = if matches!(kind, Kind::MultiFrame | Kind::Cine) { 1 } else { FILL_INSTANCES };
            let feed = |n: u64| {
                let addresses =
                    (n * per_request..count.min((n + 1) * per_request)).map(|index| kind.at(0, index));
                Some(addresses.collect::<Vec<_>>())
                    .filter(|addresses| !addresses.is_empty())
                    .map(|addresses| store_request(server, &self.corpus, &addresses))
            };
            let outcome = load::run(server.target(), shape, &feed)?;
            ensure!(outcome.failures.is_empty(), "filling {}: {:?}", server.kind, outcome.failures);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// A store request of whole instances (PS3.18 §10.5).
pub(crate) fn store_request(server: &Server, corpus: &Corpus, addresses: &[Address]) -> Request {
    let files: Vec<File> = addresses.iter().map(|&at| corpus.file(at)).collect();
    let body: Vec<Bytes> = multipart::store_body(&files);
    let path = server.path("/studies");
    Request::post(path, &multipart::store_content_type(), "application/dicom+json", body)
        .expecting(StatusCode::OK)
}

/// Shared by all scenarios of a run.
pub(crate) type Shared = Arc<Library>;
