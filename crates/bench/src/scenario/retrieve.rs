//! Retrievals (WADO-RS, PS3.18 §10.4): metadata, instances, frames, whole studies, as they are stored.

use super::{Amount, Expected, Goal, Scenario, Work, library::Shared, nth};
use crate::{
    corpus::{Address, FRAMES, Kind},
    load::Request,
    server::Server,
};

const JSON: &str = "application/dicom+json";
const DICOM: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
const OCTETS: &str = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";

/// Different resources of one row.
const RESOURCES: u64 = 512;

/// One retrieval.
struct Resource {
    path: String,
    accept: &'static str,
    expected: Expected,
}

/// Retrievals, cycled through.
struct Retrieve(Vec<Resource>);

impl Work for Retrieve {
    fn request(&self, server: &Server, _: u64, n: u64) -> Option<Request> {
        nth(&self.0, n).map(|resource| Request::get(server.path(&resource.path), resource.accept))
    }

    fn checks(&self, server: &Server, _: u64) -> Vec<(Request, Expected)> {
        // One from the beginning, one from the middle, the last one.
        let middle = self.0.get(self.0.len() / 2);
        let sample =
            [self.0.first(), middle.filter(|_| self.0.len() > 2), self.0.last().filter(|_| self.0.len() > 1)];
        let check = |resource: &Resource| {
            (Request::get(server.path(&resource.path), resource.accept), resource.expected.clone())
        };
        sample.into_iter().flatten().map(check).collect()
    }
}

/// The rows of retrievals, those without a resource in the archive left out.
pub(super) fn scenarios(library: &Shared) -> Vec<Scenario> {
    let row = |id, title, goal, resources: Vec<Resource>| {
        let work = Box::new(Retrieve(resources));
        Scenario { id, title, concurrency: 4, units_per_request: 1, amount: Amount::Time, goal, work }
    };
    let rows = [
        (
            "retrieve/series-metadata",
            "metadata of a 100-slice series",
            Goal::Ratio(20.0),
            metadata(library, Level::Series),
        ),
        (
            "retrieve/study-metadata",
            "metadata of a 200-slice study",
            Goal::Ratio(25.0),
            metadata(library, Level::Study),
        ),
        ("retrieve/ct", "retrieve one 527 KB instance", Goal::Ratio(13.0), instances(library, Kind::Ct)),
        ("retrieve/small", "retrieve one 10 KB instance", Goal::Ratio(30.0), instances(library, Kind::Small)),
        ("retrieve/j2k", "retrieve one JPEG 2000 instance", Goal::None, instances(library, Kind::Jpeg2000)),
        (
            "retrieve/ct-frame",
            "retrieve one frame of a CT slice",
            Goal::Ratio(13.0),
            frames(library, Kind::Ct),
        ),
        (
            "retrieve/cine",
            "retrieve one frame of a 100-frame object (3.3 MB)",
            Goal::Ratio(15.0),
            frames(library, Kind::Cine),
        ),
        (
            "retrieve/multi-frame",
            "retrieve one frame of a 100-frame object (52 MB)",
            Goal::Ratio(15.0),
            frames(library, Kind::MultiFrame),
        ),
        ("retrieve/study", "retrieve a whole study (200 slices)", Goal::Ratio(1.3), studies(library)),
    ];
    rows.into_iter()
        .filter(|(_, _, _, resources)| !resources.is_empty())
        .map(|(id, title, goal, resources)| row(id, title, goal, resources))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Study,
    Series,
}

fn metadata(library: &Shared, level: Level) -> Vec<Resource> {
    let json = |path, datasets| Resource { path, accept: JSON, expected: Expected::Datasets(datasets) };
    let of_study = |study: &super::library::Study| match level {
        Level::Study => vec![json(format!("/studies/{}/metadata", study.facts.uid), 200)],
        Level::Series => [0, 1]
            .map(|series| library.corpus.series_uid(Kind::Ct, 0, study.number, series))
            .map(|series| json(format!("/studies/{}/series/{series}/metadata", study.facts.uid), 100))
            .into(),
    };
    library.of_kind(Kind::Ct).flat_map(of_study).collect()
}

/// Instances spread evenly over all of a kind.
fn spread(library: &Shared, kind: Kind) -> impl Iterator<Item = Address> + use<> {
    let count = library.count(kind);
    let wanted = RESOURCES.min(count);
    (0..wanted).map(move |n| kind.at(0, n * count / wanted.max(1)))
}

fn path(library: &Shared, at: Address) -> String {
    let place = at.kind.place(at.index);
    format!(
        "/studies/{}/series/{}/instances/{}",
        library.corpus.study_uid(at.kind, at.set, place.study),
        library.corpus.series_uid(at.kind, at.set, place.study, place.series),
        library.corpus.instance_uid(at)
    )
}

/// One instance as it is stored.
pub(super) fn instance(library: &Shared, at: Address) -> (String, &'static str, Expected) {
    (path(library, at), DICOM, Expected::Files(vec![at]))
}

fn instances(library: &Shared, kind: Kind) -> Vec<Resource> {
    spread(library, kind)
        .map(|at| instance(library, at))
        .map(|(path, accept, expected)| Resource { path, accept, expected })
        .collect()
}

fn frames(library: &Shared, kind: Kind) -> Vec<Resource> {
    let count = if kind == Kind::Ct { 1 } else { FRAMES };
    // 37 has no factor in common with 100: all frames are asked for, never neighbours one after the other.
    let all = spread(library, kind).flat_map(|at| (0..count).map(move |frame| (at, frame * 37 % count)));
    all.map(|(at, frame)| Resource {
        path: format!("{}/frames/{}", path(library, at), frame + 1),
        accept: OCTETS,
        expected: Expected::Frame(at, frame),
    })
    .collect()
}

fn studies(library: &Shared) -> Vec<Resource> {
    let files = |study| {
        (Kind::Ct.study_start(study)..Kind::Ct.study_start(study + 1)).map(|index| Kind::Ct.at(0, index))
    };
    library
        .of_kind(Kind::Ct)
        .map(|study| Resource {
            path: format!("/studies/{}", study.facts.uid),
            accept: DICOM,
            expected: Expected::Files(files(study.number).collect()),
        })
        .collect()
}
