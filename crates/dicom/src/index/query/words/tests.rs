//! Merging gives what walking gives, and steps through indexes only.

use hilum_kernel::PartitionKey;

use super::*;
use crate::{
    dataset::folded,
    index::query::{
        Found, Pattern, Place, Wanted, run,
        tests::{StudyRow, filled, plan, query},
    },
};

const NAME: u32 = 0x0010_0010;
/// More words that begin with `z` than are merged.
const MANY: [&str; 40] = [
    "Za", "Zb", "Zc", "Zd", "Ze", "Zf", "Zg", "Zh", "Zi", "Zj", "Zk", "Zl", "Zm", "Zn", "Zo", "Zp", "Zq",
    "Zr", "Zs", "Zt", "Zu", "Zv", "Zw", "Zx", "Zy", "Zz", "Zaa", "Zab", "Zac", "Zad", "Zae", "Zaf", "Zag",
    "Zah", "Zai", "Zaj", "Zak", "Zal", "Zam", "Zan",
];

fn word(word: &str, place: Place) -> Condition {
    Condition::Word { attribute: NAME, word: word.to_owned(), place }
}

fn filter(pattern: &str) -> Condition {
    let matcher = Matcher::Whole(Pattern::parse(pattern, folded));
    Condition::Filter { column: Column::new(Level::Study, "patient_name"), matcher }
}

/// 1,200 studies; every third one has two words that begin with `ma`.
fn studies() -> Vec<StudyRow> {
    let names = ["Martin^Anna Maria", "Müller^Jan", "Mayr^Łukasz"];
    let name = |key: usize| names.get(key % 3).copied().unwrap_or_default();
    let many = (1_200..).zip(MANY);
    (1..1_200)
        .map(|key| (key, name(key)))
        .chain(many)
        .map(|(key, name)| StudyRow { key: i64::try_from(key).unwrap(), name, ..StudyRow::default() })
        .collect()
}

fn keys(found: &[Found]) -> Vec<i64> {
    found.iter().map(|found| found.study_uid.trim_start_matches("1.").parse().unwrap()).collect()
}

#[tokio::test]
async fn the_newest_studies_of_a_few_words_come_once_each_and_in_order() {
    let of = |wanted: fn(i64) -> bool| (1..1_200).rev().filter(move |key| wanted(*key));
    for test in filled(studies()).await {
        let mut tx = test.db.read().await.unwrap();
        let cases: [(Vec<Condition>, Vec<i64>); 7] = [
            // `martin` and `maria` of one study, `mayr` of another.
            (vec![word("ma", Place::Beginning)], of(|key| key % 3 != 1).collect()),
            (
                vec![Condition::Words { attribute: NAME, words: vec!["martin".to_owned()] }],
                of(|key| key % 3 == 0).collect(),
            ),
            (vec![word("uka", Place::Anywhere), filter("*uka*")], of(|key| key % 3 == 2).collect()),
            (vec![word("ma", Place::Beginning), filter("*maria")], of(|key| key % 3 == 0).collect()),
            (vec![word("ma", Place::Beginning), filter("*nobody")], Vec::new()),
            (vec![word("nobody", Place::Beginning)], Vec::new()),
            // Too many words: another way, the same answer.
            (vec![word("z", Place::Beginning)], (1_200..1_240).rev().collect()),
        ];
        for (conditions, expected) in cases {
            for (offset, limit) in [(0, 100), (1, 100), (99, 3), (200, 200), (790, 100), (2_000, 10)] {
                let asked = Query { limit, offset, ..query(Level::Study, conditions.clone()) };
                let page = expected.iter().skip(offset as usize).take(limit as usize).copied();
                let found = run(&mut tx, asked, Wanted::default()).await.unwrap();
                assert_eq!(keys(&found), page.collect::<Vec<_>>(), "{conditions:?} {offset} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn a_filter_that_little_passes_is_left_to_the_walk() {
    // Further back than the pages of candidates reach.
    let rare = (1..=3_000).map(|key| StudyRow {
        key,
        name: if key <= 3 { "Martin^Rare" } else { "Martin^Anna" },
        ..StudyRow::default()
    });
    for test in filled(rare.collect()).await {
        let mut tx = test.db.read().await.unwrap();
        let asked = query(Level::Study, vec![word("mart", Place::Beginning), filter("*rare")]);
        let mut asked = asked;
        assert!(resolve(&mut tx, &mut asked).await.unwrap());
        let way = newest(&mut tx, &asked, &filters(&asked)).await.unwrap();
        assert_eq!(way, None);
        assert_eq!(keys(&run(&mut tx, asked, Wanted::default()).await.unwrap()), [3, 2, 1]);
    }
}

fn filters(query: &Query) -> Vec<(Column, &Matcher)> {
    let filter = |condition| match condition {
        &Condition::Filter { column, ref matcher } => Some((column, matcher)),
        _ => None,
    };
    query.conditions.iter().filter_map(filter).collect()
}

#[tokio::test]
async fn words_and_their_studies_are_found_by_steps_into_indexes() {
    let tests = filled(Vec::new()).await;
    let partition = PartitionKey::new(1);
    let filtered = query(Level::Study, vec![filter("*a")]);
    let two = ["martin".to_owned(), "maier".to_owned()];
    let beginning = sql::words(partition, (NAME, "ma", Place::Beginning), WORDS_MAX);
    let anywhere = sql::words(partition, (NAME, "ma", Place::Anywhere), WORDS_MAX);
    for (statement, entrance) in [
        (
            &beginning,
            "w USING COVERING INDEX sqlite_autoindex_study_name_word_1 (partition_key=? AND attribute=? AND word>?",
        ),
        (
            &anywhere,
            "name_suffix USING COVERING INDEX sqlite_autoindex_name_suffix_1 (partition_key=? AND attribute=? AND suffix>?",
        ),
        (
            &sql::page(partition, (NAME, &two), (i64::MAX, 100)),
            "study_name_word USING COVERING INDEX sqlite_autoindex_study_name_word_1 (partition_key=? AND attribute=? AND word=? AND study_key<?)",
        ),
        (&sql::columns(&[1, 2, 3], &filters(&filtered)), "study USING INTEGER PRIMARY KEY (rowid=?)"),
    ] {
        let lines = plan(&tests[0].db, statement).await;
        assert!(lines.iter().any(|line| line.contains(entrance)), "{entrance}: {lines:#?}");
        let tables = ["w ", "w", "study_name_word", "name_suffix", "study"];
        let scans = |line: &String| tables.iter().any(|table| line == &format!("SCAN {table}"));
        assert!(!lines.iter().any(scans), "{lines:#?}");
    }
}
