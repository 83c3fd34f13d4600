//! Verdicts and the table.

use super::*;

fn row(goal: Goal, rates: &[(ServerKind, f64)]) -> Row {
    let figures = |&(kind, rate)| (kind, Figures { units_per_second: rate, ..Figures::default() });
    Row {
        id: "store/ct/c1",
        title: "t",
        concurrency: 1,
        stores: true,
        goal,
        rounds: rates.iter().map(figures).collect(),
        wrong: BTreeMap::new(),
    }
}

#[test]
fn ratios_are_of_medians() {
    use ServerKind::{Hilum, HilumTls, Orthanc};
    let rates = [(Hilum, 10.0), (Orthanc, 4.0), (Hilum, 30.0), (Hilum, 500.0), (HilumTls, 15.0)];
    let row = row(Goal::Ratio(7.5), &rates);
    assert_eq!(row.verdict(Hilum), Verdict { ratio: Some(7.5), target: "7.5 ×".into(), met: Some(true) });
    assert_eq!(
        row.verdict(HilumTls),
        Verdict { ratio: Some(0.5), target: "0.6 × plain".into(), met: Some(false) }
    );
    assert_eq!(row.verdict(Orthanc).met, None);
}

#[test]
fn a_wrong_answer_meets_nothing() {
    let mut row = row(Goal::Ratio(2.0), &[(ServerKind::Hilum, 10.0), (ServerKind::Orthanc, 1.0)]);
    row.wrong.insert("hilum".into(), "another file".into());
    assert_eq!(row.verdict(ServerKind::Hilum).met, Some(false));
}

#[test]
fn without_orthanc_there_is_no_ratio() {
    let alone = row(Goal::Ratio(2.0), &[(ServerKind::Hilum, 10.0)]);
    assert_eq!(alone.verdict(ServerKind::Hilum), Verdict { ratio: None, target: "2 ×".into(), met: None });
    let tokens = row(Goal::PerSecond(9.0), &[(ServerKind::Hilum, 10.0)]);
    assert_eq!(tokens.verdict(ServerKind::Hilum).met, Some(true));
}

#[test]
fn a_report_is_printed_and_kept() {
    let mut report = Report::new(1, 2);
    report.limits.durable_writes_one_thread = 20.0;
    report.rows.push(row(Goal::Ratio(2.0), &[(ServerKind::Hilum, 10.0), (ServerKind::Orthanc, 1.0)]));
    let folder = tempfile::tempdir().unwrap();
    let path = publish(&report, folder.path()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("| t        | hilum   |"), "{text}");
    assert!(text.contains("50 % (aim 70 %)"), "{text}");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
    assert_eq!(json["rows"][0]["rounds"][1][0], "orthanc");
}
