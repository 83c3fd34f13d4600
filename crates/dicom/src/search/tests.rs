//! Query strings and their errors; what they find on both databases; what comes back.

use std::sync::Arc;

use hilum_access::{Actions, Caller, authorize};
use hilum_storage::contract::TestDb;
use proptest::prelude::*;

use super::{parse::parse, *};
use crate::index::query::tests::{SeriesRow, StudyRow, filled};

fn studies(query: &str) -> Result<SearchRequest, SearchError> {
    parse(Resource::Studies, ApiVersion::V2, Some(query))
}

fn study() -> StudyUid {
    StudyUid::parse("1.1").unwrap()
}

fn series() -> SeriesUid {
    SeriesUid::parse("1.1.1").unwrap()
}

fn text(result: Result<SearchRequest, SearchError>) -> String {
    result.map(|request| format!("{request:?}")).unwrap_err().to_string()
}

const SEE: &str = " If the parameter is an attribute keyword, check the casing as they are case-sensitive. The \
    conformance statement has a list of supported query parameters, attributes and the levels.";

#[expect(clippy::too_many_lines, reason = "a table of cases")]
#[test]
fn errors_in_azures_words() {
    for (query, expected) in [
        ("limit=0", "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 200."),
        ("limit=201", "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 200."),
        ("LIMIT=-1", "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 200."),
        (
            "limit=99999999999999999999",
            "The query parameter 'Limit' is invalid. The field Limit must be between 1 and 200.",
        ),
        ("limit=many", "The query parameter 'Limit' is invalid. The value 'many' is not valid for Limit."),
        ("limit=1&Limit=2", "The query parameter 'Limit' is invalid. It is given more than once."),
        (
            "offset=-1",
            "The query parameter 'Offset' is invalid. The field Offset must be between 0 and 2147483647.",
        ),
        (
            "offset=2147483648",
            "The query parameter 'Offset' is invalid. The field Offset must be between 0 and 2147483647.",
        ),
        (
            "fuzzymatching=perhaps",
            "The query parameter 'FuzzyMatching' is invalid. The value 'perhaps' is not valid for FuzzyMatching.",
        ),
        (
            "PatientID=",
            "Invalid query: AttributeId 'PatientID' has empty string value that is not supported.",
        ),
        (
            "PatientID=%20+",
            "Invalid query: AttributeId 'PatientID' has empty string value that is not supported.",
        ),
        ("PatientID", "Invalid query: AttributeId 'PatientID' has empty string value that is not supported."),
        (
            "PatientID=1&00100020=1",
            "Invalid query: duplicate AttributeId '00100020'. Each attribute is only allowed to be specified once.",
        ),
        ("includefield=all,PatientID", "Invalid query: cannot specify included fields in addition to 'all'."),
        (
            "includefield=PatientID&includefield=all",
            "Invalid query: cannot specify included fields in addition to 'all'.",
        ),
        (
            "StudyDate=20200230",
            "Invalid query: specified Date value '20200230' is invalid for attribute 'StudyDate'. Date should be valid and formatted as yyyyMMdd.",
        ),
        (
            "StudyDate=-",
            "Invalid query: specified Date value '-' is invalid for attribute 'StudyDate'. Date should be valid and formatted as yyyyMMdd.",
        ),
        (
            "00080020=20200101-2020",
            "Invalid query: specified Date value '2020' is invalid for attribute 'StudyDate'. Date should be valid and formatted as yyyyMMdd.",
        ),
        (
            "StudyDate=2020*",
            "Invalid query: specified Date value '2020*' is invalid for attribute 'StudyDate'. Date should be valid and formatted as yyyyMMdd.",
        ),
        (
            "StudyDate=20200102-20200101",
            "Invalid query: specified Date range '20200102-20200101' is invalid for attribute 'StudyDate'. Its start should not be after its end.",
        ),
        ("PatientID=a%3Cb", "The query string included invalid characters."),
        ("PatientID=a<b", "The query string included invalid characters."),
        ("PatientID=%ff", "The query string is not encoded as UTF-8."),
        (
            "StudyInstanceUID=1.2.*",
            "Invalid query: specified value '1.2.*' is invalid for attribute 'StudyInstanceUID'.",
        ),
        ("PatientID=a%00b", "Invalid query: specified value 'ab' is invalid for attribute 'PatientID'."),
        (
            "PatientName=%22a%22&fuzzymatching=TRUE",
            "Invalid query: the value of attribute 'PatientName' has quotes, which fuzzy matching does not support.",
        ),
        (
            "RequestAttributesSequence.StudyID=1",
            "Invalid query: AttributeId 'RequestAttributesSequence.StudyID' is the path of a sequence item that is not supported.",
        ),
    ] {
        assert_eq!(text(studies(query)), expected, "{query}");
    }
    for (query, name) in [
        ("Modality=CT", "Modality"),
        ("00100040=M", "00100040"),
        ("Manufacturer=x", "Manufacturer"),
        ("00091010=1", "00091010"),
    ] {
        assert_eq!(
            text(studies(query)),
            format!("Invalid query: AttributeId {name} is not queryable. {SEE}")
        );
    }
    for name in ["patientid", "Unknown", "0010002", "00100000", "GenericGroupLength", "78787876"] {
        assert_eq!(
            text(studies(&format!("{name}=1"))),
            format!("Invalid query: unknown query parameter '{name}'.{SEE}")
        );
        let field = format!("includefield={name}");
        assert_eq!(
            text(studies(&field)),
            format!("Invalid query: includefield has unknown attribute '{name}'.{SEE}")
        );
    }
    assert!(text(studies(&format!("{}=1", "x".repeat(5_000)))).len() < 400);
}

#[test]
fn bounds() {
    let thousand = vec!["limit=1"; 1_000].join("&");
    assert_eq!(text(studies(&thousand)), "The query string exceeded the allowed limit of 256 parameters.");
    assert_eq!(
        text(studies(&"a".repeat(40_000))),
        "The query string exceeded the allowed limit of 32768 bytes."
    );
    assert!(
        text(studies(&format!("PatientID={}", "a".repeat(1_025))))
            .ends_with("has more than 1024 characters.")
    );
    assert!(
        text(studies(&format!("StudyInstanceUID={}", vec!["1"; 257].join(","))))
            .ends_with("more than 256 UIDs.")
    );
    let words = format!(
        "fuzzymatching=true&PatientName={}",
        ["a", "b", "c"]
            .map(|a| ["1", "2", "3", "4", "5", "6"].map(|b| format!("{a}{b}")).join("+"))
            .join("+")
    );
    assert!(text(studies(&words)).ends_with("more than 16 words."));
    assert!(studies(&format!("StudyInstanceUID={}", vec!["1.2.3"; 256].join("%5C"))).is_ok());
}

#[test]
fn levels_of_the_six_resources() {
    let queries = [
        "StudyDate=20200101",
        "Modality=CT",
        "SOPInstanceUID=1.2",
        "ModalitiesInStudy=CT",
        "00400275.00400009=x",
    ];
    let resources = [
        (Resource::Studies, [true, false, false, true, false]),
        (Resource::Series, [true, true, false, true, true]),
        (Resource::Instances, [true, true, true, true, true]),
        (Resource::StudySeries(study()), [false, true, false, false, true]),
        (Resource::StudyInstances(study()), [false, true, true, false, true]),
        (Resource::SeriesInstances(study(), series()), [false, false, true, false, false]),
    ];
    for (resource, allowed) in resources {
        for (query, allowed) in queries.into_iter().zip(allowed) {
            let result = parse(resource.clone(), ApiVersion::V1, Some(query));
            assert_eq!(result.is_ok(), allowed, "{resource:?} {query}");
            assert!(result.is_ok() || text(result).contains("is not queryable"));
        }
    }
    let in_path = |name| format!("Invalid query: cannot specify attribute '{name}' for the given resource. ");
    let result = parse(Resource::StudySeries(study()), ApiVersion::V2, Some("0020000D=1.2"));
    assert_eq!(text(result), in_path("StudyInstanceUID"));
    let result =
        parse(Resource::SeriesInstances(study(), series()), ApiVersion::V2, Some("SeriesInstanceUID=1.2"));
    assert_eq!(text(result), in_path("SeriesInstanceUID"));
}

#[test]
fn names_without_case_and_empty_parts() {
    let request =
        studies("&Limit=7&&OFFSET=3&FuzzyMatching=True&IncludeField=,00091010,PatientSex,PatientSex&")
            .unwrap();
    assert_eq!((request.limit, request.offset), (7, 3));
    assert_eq!(request.include, Include::Fields(vec![Tag(0x0009, 0x1010), Tag(0x0010, 0x0040)]));
    let request = parse(Resource::Studies, ApiVersion::V2, None).unwrap();
    assert_eq!((request.limit, request.offset), (100, 0));
    assert_eq!(studies("includefield=ALL&includefield=all").unwrap().include, Include::All);
    // Universal matching is no condition, but the attribute comes back.
    let request = studies("PatientSex=*").unwrap_err().to_string();
    assert!(request.contains("PatientSex is not queryable"));
    let request = studies("StudyID=**").unwrap();
    assert!(request.conditions.is_empty() && request.filtered == [Tag(0x0020, 0x0010)]);
    assert_eq!(studies("PatientID=Ab").unwrap().patient_id(), Some("ab"));
}

#[test]
fn times_are_filled_up_as_the_index_keeps_them() {
    let of = |value: &str| {
        let request = studies(&format!("StudyTime={value}"))?;
        let [Condition::Column { test, .. }] = request.conditions.as_slice() else { panic!("{request:?}") };
        Ok::<_, SearchError>(test.clone())
    };
    assert_eq!(of("10").unwrap(), Test::Equals("100000.000000".to_owned()));
    assert_eq!(of("101112.5").unwrap(), Test::Equals("101112.500000".to_owned()));
    let range = Test::Range { from: Some("093000.000000".to_owned()), to: None };
    assert_eq!(of("0930-").unwrap(), range);
    for value in ["24", "1060", "1", "101112.", "10.5", "101112.1234567", "12-11", "-", "aa", "1٠"] {
        assert!(of(value).is_err(), "{value}");
    }
}

proptest! {
    #[test]
    fn no_query_string_panics(query in "([A-Za-z0-9%=&.,*?+<\\-\\\\\"é]|PatientName=|StudyDate=|limit=|includefield=|fuzzymatching=true&|%C3){0,60}") {
        for resource in [Resource::Studies, Resource::Instances, Resource::SeriesInstances(study(), series())] {
            let _ = parse(resource, ApiVersion::V1, Some(&query)).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn no_bytes_as_text_panic(query in any::<String>()) {
        let _ = studies(&query);
    }
}

fn row(key: i64, name: &'static str) -> StudyRow {
    StudyRow { key, name, patient_id: format!("Pat-{key}"), ..StudyRow::default() }
}

fn archive() -> Vec<StudyRow> {
    let ct = |number| SeriesRow {
        modality: "CT",
        model: "Scanner X",
        number,
        step_date: "20200101",
        step_id: "Step 1",
        procedure_id: "Proc",
        instances: 3,
    };
    let mr = SeriesRow { modality: "MR", instances: 1, ..SeriesRow::default() };
    vec![
        StudyRow {
            date: "20200115",
            time: "1011",
            accession: "A-1",
            referring: "O'Brien^Mary",
            description: "Head CT",
            birth_date: "19700101",
            id: "S1",
            series: vec![ct(1), ct(2), mr.clone()],
            ..row(1, "Müller^Jürgen")
        },
        StudyRow { date: "20200131", time: "101100", series: vec![mr], ..row(2, "Łukasz Nowak") },
        StudyRow {
            date: "20210301",
            description: "head ct",
            ..row(3, "Yamada^Tarou=山田^太郎=やまだ^たろう")
        },
        StudyRow { series: vec![ct(0)], ..row(4, "John^Doe") },
        StudyRow { partition: 2, date: "20200115", series: vec![ct(1)], ..row(5, "Müller^Jürgen") },
        row(6, "山田^花子"),
    ]
}

async fn answer(test: &TestDb, resource: Resource, version: ApiVersion, query: &str) -> SearchAnswer {
    let permit = authorize::<Read>(&Arc::new(Caller::system("test", Actions::ALL))).unwrap();
    let request = parse(resource, version, Some(query)).unwrap();
    let place = Place { partition: PartitionKey::new(1), base: "https://h/dicom/v2" };
    search(&test.db, &permit, place, &request).await.unwrap()
}

fn values(answer: &SearchAnswer) -> Vec<serde_json::Value> {
    let serde_json::Value::Array(array) = serde_json::from_slice(&answer.body).unwrap() else { panic!() };
    assert_eq!(array.len(), answer.results);
    array
}

/// The UIDs of one tag in the answer's order.
async fn uids(test: &TestDb, resource: Resource, tag: &str, query: &str) -> Vec<String> {
    let answer = answer(test, resource, ApiVersion::V2, query).await;
    values(&answer).iter().map(|one| one[tag]["Value"][0].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn studies_are_matched_in_every_way() {
    let all = filled(archive()).await;
    for test in &all {
        for (query, expected) in [
            ("", &["1.6", "1.4", "1.3", "1.2", "1.1"][..]),
            ("PatientID=pat-1", &["1.1"]),
            ("PatientID=Pat-1%20", &["1.1"]),
            ("PatientID=Pat", &[]),
            ("PatientID=Pat*", &["1.6", "1.4", "1.3", "1.2", "1.1"]),
            ("PatientID=*-1", &["1.1"]),
            ("PatientID=P?t-*&limit=2&offset=1", &["1.4", "1.3"]),
            ("PatientID=Pat-?&limit=1&offset=4", &["1.1"]),
            ("PatientID=?at-&limit=1", &[]),
            ("StudyInstanceUID=1.1,1.3", &["1.3", "1.1"]),
            ("StudyInstanceUID=1.1%5C1.2%5C1.5", &["1.2", "1.1"]),
            ("StudyDate=20200115", &["1.1"]),
            ("StudyDate=20200115-20200131", &["1.2", "1.1"]),
            ("StudyDate=20200131-", &["1.3", "1.2"]),
            ("StudyDate=-20200131", &["1.2", "1.1"]),
            ("StudyTime=101100", &["1.2", "1.1"]),
            ("StudyTime=1012-", &[]),
            ("PatientBirthDate=19700101", &["1.1"]),
            ("StudyDescription=HEAD+ct", &["1.3", "1.1"]),
            ("AccessionNumber=a-1&StudyID=s1", &["1.1"]),
            ("AccessionNumber=a-1&StudyID=s2", &[]),
            ("ModalitiesInStudy=MR", &["1.2", "1.1"]),
            ("ModalitiesInStudy=mr&PatientID=Pat-2", &["1.2"]),
            ("ModalitiesInStudy=?R", &["1.2", "1.1"]),
            ("ModalitiesInStudy=C*", &["1.4", "1.1"]),
            ("ModalitiesInStudy=X*", &[]),
            ("ReferringPhysicianName=O'Brien&fuzzymatching=true", &["1.1"]),
        ] {
            assert_eq!(uids(test, Resource::Studies, "0020000D", query).await, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn names_are_found_without_accents_and_in_every_writing() {
    let all = filled(archive()).await;
    for test in &all {
        for (query, expected) in [
            ("PatientName=MULLER^JURGEN", &["1.1"][..]),
            ("PatientName=M%C3%BCller%5EJ%C3%BCrgen", &["1.1"]),
            ("PatientName=Müller", &[]),
            ("PatientName=Müll*", &["1.1"]),
            ("PatientName=*jürgen", &["1.1"]),
            ("PatientName=*ürg*", &["1.1"]),
            ("PatientName=*UKAS*wa?", &["1.2"]),
            ("PatientName=?ukas*", &["1.2"]),
            ("PatientName=?uller*", &["1.1"]),
            ("PatientName=*郎*", &["1.3"]),
            ("PatientName=*nobody*", &[]),
            ("PatientName=*^*", &["1.6", "1.4", "1.3", "1.1"]),
            ("PatientName=Yamada^Tarou", &["1.3"]),
            ("PatientName=Yamada", &[]),
            ("PatientName=山田^太郎", &["1.3"]),
            ("PatientName=山田^花子", &["1.6"]),
            ("PatientName=山田*", &["1.6", "1.3"]),
            ("PatientName=?田*", &["1.6", "1.3"]),
            ("PatientName=*田^花?", &["1.6"]),
            ("PatientName=山田", &[]),
            ("PatientName=Yamada^Tarou=山田^太郎=やまだ^たろう", &["1.3"]),
            ("PatientName=Muller&fuzzymatching=true", &["1.1"]),
            ("PatientName=lukasz&fuzzymatching=true", &["1.2"]),
            ("PatientName=Łuk+now&fuzzymatching=true", &["1.2"]),
            ("PatientName=Łuk+nix&fuzzymatching=true", &[]),
            ("PatientName=山&fuzzymatching=true", &["1.6", "1.3"]),
            ("PatientName=やまだ&fuzzymatching=true", &["1.3"]),
            ("PatientName=joh&fuzzymatching=true", &["1.4"]),
            ("PatientName=doe*&fuzzymatching=true", &["1.4"]),
            ("PatientName=hn&fuzzymatching=true", &[]),
        ] {
            let encoded = query.replace('^', "%5E");
            assert_eq!(uids(test, Resource::Studies, "0020000D", &encoded).await, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn series_and_instances_are_matched_at_their_levels() {
    let all = filled(archive()).await;
    for test in &all {
        for (resource, query, expected) in [
            (Resource::Series, "", &["1.4.1", "1.2.1", "1.1.3", "1.1.2", "1.1.1"][..]),
            (Resource::Series, "Modality=ct", &["1.4.1", "1.1.2", "1.1.1"]),
            (Resource::Series, "Modality=MR&PatientID=Pat-1", &["1.1.3"]),
            (Resource::Series, "StudyDate=20200101-20200131&SeriesNumber=02", &["1.1.2"]),
            (Resource::Series, "PatientName=mul&fuzzymatching=true&limit=2", &["1.1.3", "1.1.2"]),
            (Resource::Series, "ManufacturerModelName=scanner*", &["1.4.1", "1.1.2", "1.1.1"]),
            (Resource::Series, "ManufacturerModelName=*x&StudyID=S1", &["1.1.2", "1.1.1"]),
            (
                Resource::Series,
                "PerformedProcedureStepStartDate=20200101-&SeriesInstanceUID=1.1.1,1.2.1",
                &["1.1.1"],
            ),
            (
                Resource::Series,
                "RequestAttributesSequence.ScheduledProcedureStepID=step+1&StudyID=S1",
                &["1.1.2", "1.1.1"],
            ),
            (Resource::Series, "00400275.00401001=proc&limit=1", &["1.4.1"]),
            (Resource::StudySeries(study()), "", &["1.1.3", "1.1.2", "1.1.1"]),
            (Resource::StudySeries(study()), "Modality=CT&offset=1", &["1.1.1"]),
            (Resource::StudySeries(StudyUid::parse("1.5").unwrap()), "", &[]),
        ] {
            assert_eq!(
                uids(test, resource.clone(), "0020000E", query).await,
                expected,
                "{resource:?} {query}"
            );
        }
        for (resource, query, expected) in [
            (Resource::Instances, "limit=3", &["1.4.1.3", "1.4.1.2", "1.4.1.1"][..]),
            (Resource::Instances, "SOPInstanceUID=1.1.1.2,1.4.1.1", &["1.4.1.1", "1.1.1.2"]),
            (Resource::Instances, "PatientID=Pat-1&Modality=MR", &["1.1.3.1"]),
            (Resource::Instances, "Modality=MR", &["1.2.1.1", "1.1.3.1"]),
            (Resource::Instances, "InstanceNumber=3&PatientID=Pat-*", &["1.4.1.3", "1.1.2.3", "1.1.1.3"]),
            (
                Resource::Instances,
                "SOPClassUID=1.2.840.10008.5.1.4.1.1.2&ModalitiesInStudy=CT&limit=1&offset=3",
                &["1.1.3.1"],
            ),
            (Resource::StudyInstances(study()), "Modality=MR", &["1.1.3.1"]),
            (Resource::StudyInstances(study()), "InstanceNumber=1", &["1.1.3.1", "1.1.2.1", "1.1.1.1"]),
            (Resource::SeriesInstances(study(), series()), "", &["1.1.1.3", "1.1.1.2", "1.1.1.1"]),
            (Resource::SeriesInstances(study(), series()), "SOPInstanceUID=1.1.1.2", &["1.1.1.2"]),
        ] {
            assert_eq!(
                uids(test, resource.clone(), "00080018", query).await,
                expected,
                "{resource:?} {query}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_result_holds() {
    let all = filled(archive()).await;
    for test in &all {
        let body = |answer: SearchAnswer| String::from_utf8(answer.body).unwrap();
        let v2 = answer(test, Resource::StudySeries(study()), ApiVersion::V2, "Modality=MR").await;
        assert_eq!(
            body(v2),
            r#"[{"00080060":{"vr":"CS","Value":["MR"]},"00081190":{"vr":"UR","Value":["https://h/dicom/v2/studies/1.1/series/1.1.3"]},"0020000D":{"vr":"UI","Value":["1.1"]},"0020000E":{"vr":"UI","Value":["1.1.3"]}}]"#
        );
        let v1 = answer(test, Resource::SeriesInstances(study(), series()), ApiVersion::V1, "limit=1").await;
        assert_eq!(
            body(v1),
            r#"[{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00080016":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]},"00080018":{"vr":"UI","Value":["1.1.1.3"]},"00080056":{"vr":"CS","Value":["ONLINE"]},"00081190":{"vr":"UR","Value":["https://h/dicom/v2/studies/1.1/series/1.1.1/instances/1.1.1.3"]},"0020000D":{"vr":"UI","Value":["1.1"]},"0020000E":{"vr":"UI","Value":["1.1.1"]},"00200013":{"vr":"IS","Value":[3]}}]"#
        );
        let counts =
            "PatientID=Pat-1&ModalitiesInStudy=MR&includefield=00201206,NumberOfStudyRelatedInstances";
        let one = &values(&answer(test, Resource::Studies, ApiVersion::V2, counts).await)[0];
        assert_eq!(one["00080061"], serde_json::json!({"vr": "CS", "Value": ["CT", "MR"]}));
        assert_eq!(one["00201206"]["Value"][0], 3);
        assert_eq!(one["00201208"]["Value"][0], 7);
        let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
        assert!(keys.is_sorted());
        // v1 has StudyID unasked, v2 StudyDescription; `all` both.
        for (version, query, id, description) in [
            (ApiVersion::V1, "", true, false),
            (ApiVersion::V2, "", false, true),
            (ApiVersion::V2, "&includefield=all", true, true),
            (ApiVersion::V2, "&StudyID=S1", true, true),
        ] {
            let query = format!("PatientID=Pat-1{query}");
            let one = &values(&answer(test, Resource::Studies, version, &query).await)[0];
            assert_eq!(
                (one.get("00200010").is_some(), one.get("00081030").is_some()),
                (id, description),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn other_attributes_come_from_the_newest_instance() {
    let all = filled(archive()).await;
    for test in &all {
        let query = "PatientID=Pat-1&includefield=SliceThickness,00091010,Modality,PixelData";
        let one = &values(&answer(test, Resource::Studies, ApiVersion::V2, query).await)[0];
        // The MR series' only instance is the newest.
        assert_eq!(one["00180050"]["Value"][0], "1");
        assert_eq!(one["00080060"]["Value"][0], "MR");
        assert_eq!(one["00091010"]["Value"][0], "private");
        assert!(one.get("7FE00010").is_none());
        let two = values(
            &answer(
                test,
                Resource::StudySeries(study()),
                ApiVersion::V2,
                "includefield=00180050,PatientName,00201209",
            )
            .await,
        );
        assert_eq!(two[1]["00180050"]["Value"][0], "3");
        assert_eq!(two[1]["00201209"]["Value"][0], 3);
        assert_eq!(two[1]["00100010"]["Value"][0]["Alphabetic"], "Müller^Jürgen");
        // What is kept beside the rows is taken from there.
        let each = values(
            &answer(
                test,
                Resource::Instances,
                ApiVersion::V2,
                "Modality=CT&limit=2&includefield=SliceThickness",
            )
            .await,
        );
        assert_eq!(each[1]["00180050"]["Value"][0], "2");
        assert_eq!(each[1]["00081090"]["Value"][0], "Scanner X");
        assert_eq!(
            each[1]["00081190"]["Value"][0],
            "https://h/dicom/v2/studies/1.4/series/1.4.1/instances/1.4.1.2"
        );
        // A study without instances has no such attribute.
        let none = &values(
            &answer(test, Resource::Studies, ApiVersion::V2, "PatientID=Pat-6&includefield=SliceThickness")
                .await,
        )[0];
        assert!(none.get("00180050").is_none());
    }
}
