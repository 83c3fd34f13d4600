//! Rows put into the tables directly; the plans of the hot queries; walks and drives agree.

use futures::FutureExt as _;
use hilum_storage::{
    contract::{TestDb, databases},
    db::{Db, DbError, Sql, Statement, Value, WriteTx},
};

use super::*;
use crate::dataset::{attributes::name_words, folded};

const STUDY: Sql = "INSERT INTO study (study_key, partition_key, study_uid, instance_count, watermark_max,
    study_date, study_time, accession_number, referring_physician_name, study_description, patient_name, patient_id,
    patient_birth_date, study_id, attributes)
    VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const WORD: Sql =
    "INSERT INTO study_name_word (partition_key, attribute, word, study_key) VALUES ($1, $2, $3, $4)";
const SERIES: Sql =
    "INSERT INTO series (series_key, study_key, partition_key, series_uid, instance_count, watermark_max,
    modality, manufacturer_model_name, series_number, step_start_date, step_start_time, scheduled_step_id,
    requested_procedure_id, attributes) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11, $12, $13)";
const INSTANCE: Sql =
    "INSERT INTO instance (instance_key, series_key, study_key, partition_key, sop_instance_uid,
    sop_class_uid, instance_number, watermark, created_ms, transfer_syntax, blob_key, blob_bytes, attributes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $1, 0, '1.2.840.10008.1.2.1', $8, 1, $9)";
const DETAIL: Sql = "INSERT INTO instance_detail (instance_key, metadata, frames) VALUES ($1, $2, $3)";

/// A study with its series; what is empty is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct StudyRow {
    pub(crate) key: i64,
    pub(crate) partition: i64,
    pub(crate) date: &'static str,
    pub(crate) time: &'static str,
    pub(crate) accession: &'static str,
    pub(crate) referring: &'static str,
    pub(crate) description: &'static str,
    pub(crate) name: &'static str,
    pub(crate) patient_id: String,
    pub(crate) birth_date: &'static str,
    pub(crate) id: &'static str,
    pub(crate) series: Vec<SeriesRow>,
}

/// A series with its instances.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeriesRow {
    pub(crate) modality: &'static str,
    pub(crate) model: &'static str,
    pub(crate) number: i64,
    pub(crate) step_date: &'static str,
    pub(crate) step_id: &'static str,
    pub(crate) procedure_id: &'static str,
    pub(crate) instances: i64,
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| folded(text))
}

fn json(members: &[(&str, &str, &str)]) -> Vec<u8> {
    let members: Vec<String> = members
        .iter()
        .filter(|(.., value)| !value.is_empty())
        .map(|(tag, vr, value)| match *vr {
            "PN" => format!(r#""{tag}":{{"vr":"PN","Value":[{{"Alphabetic":"{value}"}}]}}"#),
            "IS" => format!(r#""{tag}":{{"vr":"IS","Value":[{value}]}}"#),
            _ => format!(r#""{tag}":{{"vr":"{vr}","Value":["{value}"]}}"#),
        })
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// Puts a study into the tables. Keys below it are `key * 1000 + n`; UIDs are `1.{key}`, `1.{key}.{n}`, `1.{key}.{n}.{m}`.
pub(crate) async fn insert(tx: &mut WriteTx, row: &StudyRow) -> Result<(), DbError> {
    let partition = row.partition.max(1);
    let uid = format!("1.{}", row.key);
    let instances: i64 = row.series.iter().map(|series| series.instances).sum();
    let attributes = json(&[
        ("00080005", "CS", "ISO_IR 192"),
        ("00080020", "DA", row.date),
        ("00080030", "TM", row.time),
        ("00080050", "SH", row.accession),
        ("00080090", "PN", row.referring),
        ("00081030", "LO", row.description),
        ("00100010", "PN", row.name),
        ("00100020", "LO", &row.patient_id),
        ("00100030", "DA", row.birth_date),
        ("0020000D", "UI", &uid),
        ("00200010", "SH", row.id),
    ]);
    let time = (!row.time.is_empty()).then(|| format!("{:0<6}.000000", row.time));
    tx.execute(
        STUDY,
        &[
            row.key.into(),
            partition.into(),
            uid.as_str().into(),
            instances.into(),
            some(row.date).into(),
            time.into(),
            some(row.accession).into(),
            some(row.referring).into(),
            some(row.description).into(),
            some(row.name).into(),
            some(&row.patient_id).into(),
            some(row.birth_date).into(),
            some(row.id).into(),
            attributes.into(),
        ],
    )
    .await?;
    for (attribute, name) in [(0x0010_0010, row.name), (0x0008_0090, row.referring)] {
        for word in name_words(name) {
            let known = [partition.into(), attribute.into(), word.as_str().into()];
            tx.execute(crate::index::sql::INSERT_SUFFIXES, &known).await?;
            tx.execute(WORD, &[partition.into(), attribute.into(), word.into(), row.key.into()]).await?;
        }
    }
    for (index, series) in (1..).zip(&row.series) {
        insert_series(tx, row, partition, index, series).await?;
    }
    Ok(())
}

async fn insert_series(
    tx: &mut WriteTx,
    study: &StudyRow,
    partition: i64,
    index: i64,
    row: &SeriesRow,
) -> Result<(), DbError> {
    let (key, uid) = (study.key * 1000 + index, format!("1.{}.{index}", study.key));
    let attributes = json(&[
        ("00080060", "CS", row.modality),
        ("0008103E", "LO", "axial"),
        ("00081090", "LO", row.model),
        ("0020000E", "UI", &uid),
        ("00200011", "IS", &row.number.to_string()),
        ("00400244", "DA", row.step_date),
    ]);
    let number = (row.number != 0).then_some(row.number);
    tx.execute(
        SERIES,
        &[
            key.into(),
            study.key.into(),
            partition.into(),
            uid.as_str().into(),
            row.instances.into(),
            some(row.modality).into(),
            some(row.model).into(),
            number.into(),
            some(row.step_date).into(),
            Value::Text(None),
            some(row.step_id).into(),
            some(row.procedure_id).into(),
            attributes.into(),
        ],
    )
    .await?;
    for number in 1..=row.instances {
        let instance = key * 1000 + number;
        let uid = format!("{uid}.{number}");
        let attributes = json(&[
            ("00080016", "UI", "1.2.840.10008.5.1.4.1.1.2"),
            ("00080018", "UI", &uid),
            ("00200013", "IS", &number.to_string()),
        ]);
        tx.execute(
            INSTANCE,
            &[
                instance.into(),
                key.into(),
                study.key.into(),
                partition.into(),
                uid.as_str().into(),
                "1.2.840.10008.5.1.4.1.1.2".into(),
                number.into(),
                format!("b{instance}").into(),
                attributes.into(),
            ],
        )
        .await?;
        let detail = json(&[
            ("00080060", "CS", row.modality),
            ("00081090", "LO", "all of it"),
            ("00091010", "LO", "private"),
            ("00180050", "DS", &number.to_string()),
        ]);
        let detail = crate::index::metadata::compress(&detail).unwrap();
        tx.execute(DETAIL, &[instance.into(), detail.into(), Vec::new().into()]).await?;
    }
    Ok(())
}

pub(crate) async fn filled(studies: Vec<StudyRow>) -> Vec<TestDb> {
    let tests = databases().await;
    for test in &tests {
        fill(&test.db, studies.clone()).await;
    }
    tests
}

async fn fill(db: &Db, studies: Vec<StudyRow>) {
    db.migrate(&[crate::MIGRATIONS]).await.unwrap();
    db.write(studies, |tx, studies| {
        async move {
            for study in studies {
                insert(tx, study).await?;
            }
            Ok::<_, DbError>(())
        }
        .boxed()
    })
    .await
    .unwrap();
}

pub(super) fn query(level: Level, conditions: Vec<Condition>) -> Query {
    Query {
        partition: PartitionKey::new(1),
        level,
        study: None,
        series: None,
        conditions,
        limit: 100,
        offset: 0,
    }
}

fn column(level: Level, name: &'static str, test: Test) -> Condition {
    Condition::Column { column: Column::new(level, name), test }
}

fn dates(from: &str, to: &str) -> Condition {
    let test = Test::Range { from: Some(from.to_owned()), to: Some(to.to_owned()) };
    column(Level::Study, "study_date", test)
}

/// The lines of SQLite's plan.
pub(super) async fn plan(db: &Db, statement: &Statement) -> Vec<String> {
    let sql: Sql = Box::leak(format!("EXPLAIN QUERY PLAN {}", statement.text()).into_boxed_str());
    let rows = db.read().await.unwrap().fetch_all(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.text(3).unwrap()).collect()
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
#[tokio::test]
async fn hot_queries_enter_through_an_index() {
    let tests = filled(Vec::new()).await;
    let equals = |level, name, value: &str| column(level, name, Test::Equals(value.to_owned()));
    let of_study = |level, series: bool| Query {
        study: Some(StudyUid::parse("1.2").unwrap()),
        series: series.then(|| SeriesUid::parse("1.2.3").unwrap()),
        ..query(level, Vec::new())
    };
    let word = Condition::Word { attribute: 0x0010_0010, word: "ma".to_owned(), place: Place::Beginning };
    let words = Condition::Words { attribute: 0x0010_0010, words: vec!["ma".to_owned(), "mb".to_owned()] };
    let modality = Condition::ModalityInStudy(vec!["ct".to_owned()]);
    let broad = Access::Walk { newest: Some(2_000) };
    let cases = [
        (
            "patient",
            query(Level::Study, vec![equals(Level::Study, "patient_id", "1")]),
            Access::Drive(0),
            "study_by_patient_id (partition_key=? AND patient_id=?)",
        ),
        (
            "date",
            query(Level::Study, vec![dates("20200101", "20200131")]),
            Access::Drive(0),
            "COVERING INDEX study_by_date (partition_key=? AND study_date>? AND study_date<?)",
        ),
        (
            "date, walking",
            query(Level::Study, vec![dates("20200101", "20200131")]),
            broad,
            "study_by_partition (partition_key=? AND study_key>?)",
        ),
        (
            "fuzzy",
            query(Level::Study, vec![word.clone()]),
            Access::Drive(0),
            "(partition_key=? AND attribute=? AND word>? AND word<?)",
        ),
        (
            "words",
            query(Level::Study, vec![words.clone()]),
            Access::Drive(0),
            "study_name_word USING COVERING INDEX sqlite_autoindex_study_name_word_1 (partition_key=? AND attribute=? AND word=?)",
        ),
        (
            "words, walking",
            query(Level::Study, vec![words]),
            broad,
            "study_by_partition (partition_key=? AND study_key>?)",
        ),
        (
            "fuzzy, walking",
            query(Level::Study, vec![word]),
            broad,
            "study_by_partition (partition_key=? AND study_key>?)",
        ),
        (
            "modality",
            query(Level::Study, vec![modality.clone()]),
            Access::Drive(0),
            "COVERING INDEX series_by_modality (partition_key=? AND modality=?)",
        ),
        (
            "modality, walking",
            query(Level::Study, vec![modality]),
            broad,
            "study_by_partition (partition_key=? AND study_key>?)",
        ),
        (
            "all studies",
            query(Level::Study, Vec::new()),
            Access::Walk { newest: None },
            "study_by_partition (partition_key=?)",
        ),
        ("series of a study", of_study(Level::Series, false), Access::Scope, "series USING COVERING INDEX"),
        (
            "instances of a study",
            of_study(Level::Instance, false),
            Access::Scope,
            "instance_by_study (study_key=?)",
        ),
        ("instances of a series", of_study(Level::Instance, true), Access::Scope, "(series_key=?)"),
        (
            "series of a patient",
            query(Level::Series, vec![equals(Level::Study, "patient_id", "1")]),
            Access::Drive(0),
            "study_by_patient_id (partition_key=? AND patient_id=?)",
        ),
        (
            "instances of a patient",
            query(Level::Instance, vec![equals(Level::Study, "patient_id", "1")]),
            Access::Drive(0),
            "instance_by_study (study_key=?)",
        ),
        (
            "an instance",
            query(
                Level::Instance,
                vec![column(Level::Instance, "sop_instance_uid", Test::OneOf(vec!["1.2".to_owned()]))],
            ),
            Access::Drive(0),
            "instance_by_uid (partition_key=? AND sop_instance_uid=?)",
        ),
        (
            "a list of studies",
            query(
                Level::Study,
                vec![column(
                    Level::Study,
                    "study_uid",
                    Test::OneOf(vec!["1.2".to_owned(), "1.3".to_owned()]),
                )],
            ),
            Access::Drive(0),
            "(partition_key=? AND study_uid=?)",
        ),
        (
            "a series",
            query(
                Level::Series,
                vec![column(Level::Series, "series_uid", Test::OneOf(vec!["1.2".to_owned()]))],
            ),
            Access::Drive(0),
            "series_by_uid (partition_key=? AND series_uid=?)",
        ),
        (
            "series of a modality",
            query(Level::Series, vec![equals(Level::Series, "modality", "ct")]),
            Access::Drive(0),
            "series_by_modality (partition_key=? AND modality=?)",
        ),
        (
            "a prefix",
            query(Level::Study, vec![column(Level::Study, "patient_id", Test::Prefix("1".to_owned()))]),
            Access::Drive(0),
            "study_by_patient_id (partition_key=? AND patient_id>? AND patient_id<?)",
        ),
        (
            "a name",
            query(Level::Study, vec![column(Level::Study, "patient_name", Test::Name("a^b".to_owned()))]),
            Access::Drive(0),
            "study_by_patient_name (partition_key=? AND patient_name>? AND patient_name<?)",
        ),
    ];
    for (name, query, access, entrance) in cases {
        let wanted = Wanted {
            study: true,
            series: true,
            instance: true,
            modalities: true,
            detail: true,
            ..Wanted::default()
        };
        let (statement, _) = sql::rows(&query, access, wanted);
        let lines = plan(&tests[0].db, &statement).await;
        assert!(lines.iter().any(|line| line.contains(entrance)), "{name}: {lines:#?}");
        // The windows of subqueries may be read from end to end, tables may not.
        let scans = |line: &String| line.starts_with("SCAN") && !line.starts_with("SCAN n ");
        assert!(!lines.iter().any(scans), "{name}: {lines:#?}");
        let ordered = matches!(
            name,
            "patient" | "all studies" | "instances of a study" | "fuzzy, walking" | "date, walking"
        );
        let sorts = lines.iter().any(|line| line.contains("TEMP B-TREE FOR ORDER BY"));
        assert!(!(ordered && sorts), "{name}: {lines:#?}");
    }
    for test in &tests {
        test.db.read().await.unwrap().prepare(sql::MODALITIES).await.unwrap();
    }
}

/// 3,000 studies, the date of each in the order of keys, every second one a CT.
fn many() -> Vec<StudyRow> {
    (1..=3_000)
        .map(|key| StudyRow {
            key,
            date: if key <= 1_500 { "20200101" } else { "20210101" },
            name: if key % 2 == 0 { "Martin^Anna" } else { "Kim^Jan" },
            // Two of them: a study must count once.
            series: vec![
                SeriesRow {
                    modality: if key % 2 == 0 { "CT" } else { "MR" },
                    ..SeriesRow::default()
                };
                2
            ],
            ..StudyRow::default()
        })
        .collect()
}

#[tokio::test]
async fn broad_conditions_are_walked_to_and_driven_to_alike() {
    for test in filled(many()).await {
        let mut tx = test.db.read().await.unwrap();
        let martin =
            Condition::Word { attribute: 0x0010_0010, word: "mart".to_owned(), place: Place::Beginning };
        let ct = Condition::ModalityInStudy(vec!["ct".to_owned()]);
        let like = Condition::ModalityLike(Pattern::parse("?t", folded));
        let filter = Condition::Filter {
            column: Column::new(Level::Study, "patient_name"),
            matcher: Matcher::Whole(Pattern::parse("*ti*", folded)),
        };
        for (conditions, first, last) in [
            // The newest rows fill the page.
            (vec![martin.clone()], 3_000, 2_802),
            (vec![ct.clone()], 3_000, 2_802),
            (vec![like], 3_000, 2_802),
            (vec![dates("20210101", "20211231")], 3_000, 2_901),
            // They do not: all matches are old.
            (vec![dates("20200101", "20201231")], 1_500, 1_401),
            (vec![dates("20200101", "20201231"), martin.clone(), ct], 1_500, 1_302),
            (vec![filter.clone()], 3_000, 2_802),
            (vec![filter, dates("20200101", "20201231")], 1_500, 1_302),
        ] {
            let query = query(Level::Study, conditions);
            let found = run(&mut tx, query.clone(), Wanted::default()).await.unwrap();
            let uids: Vec<&str> = found.iter().map(|found| found.study_uid.as_str()).collect();
            assert_eq!(found.len(), 100, "{query:?}");
            assert_eq!(
                (uids[0], uids[99]),
                (format!("1.{first}").as_str(), format!("1.{last}").as_str()),
                "{query:?}"
            );
            let next =
                run(&mut tx, Query { offset: 99, limit: 1, ..query }, Wanted::default()).await.unwrap();
            assert_eq!(next[0].study_uid, uids[99]);
        }
    }
}

#[tokio::test]
async fn each_page_of_broad_conditions_goes_on_where_the_last_one_ended() {
    for test in filled(many()).await {
        let mut tx = test.db.read().await.unwrap();
        let mut seen = Vec::new();
        for offset in (0..1_600).step_by(200) {
            let query =
                Query { limit: 200, offset, ..query(Level::Study, vec![dates("20200101", "20201231")]) };
            seen.extend(
                run(&mut tx, query, Wanted::default()).await.unwrap().into_iter().map(|one| one.study_uid),
            );
        }
        let all: Vec<String> = (1..=1_500).rev().map(|key| format!("1.{key}")).collect();
        assert_eq!(seen, all);
    }
}
