//! Making stored instances visible: rows, counters, words of names, change feed; one transaction for all.

use std::collections::BTreeMap;

use hilum_kernel::{
    InstanceKey, InstanceUid, PartitionKey, SeriesKey, SeriesUid, StudyKey, StudyUid, Watermark,
};
use hilum_storage::db::{self, DbError, Row, Value, WriteTx};

use super::{metadata, names, sql};
use crate::{
    change_feed::{self, Entry},
    extended_query_tags::{
        TagSet,
        values::{self, Extracted},
        write::{Gathered, Placed},
    },
};

/// DICOM JSON members by tag, each the text of one member's value.
pub(crate) type Members = BTreeMap<u32, Vec<u8>>;

/// What the index takes of one level of an instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct LevelRow {
    /// The level's matching columns in the order of its INSERT statement, NULL where the instance has no value.
    pub(crate) columns: Vec<Value>,
    /// What is returned by searches.
    pub(crate) members: Members,
}

/// A person name's folded words, for fuzzy matching.
#[derive(Debug, Clone)]
pub(crate) struct NameWords {
    /// The attribute's tag.
    pub(crate) attribute: u32,
    /// The words; empty where the instance has no such name.
    pub(crate) words: Vec<String>,
}

/// An instance whose file is stored, on its way into the index.
#[derive(Debug, Clone)]
pub(crate) struct NewInstance {
    pub(crate) study: StudyUid,
    pub(crate) series: SeriesUid,
    pub(crate) instance: InstanceUid,
    pub(crate) sop_class: String,
    pub(crate) instance_number: Option<i64>,
    /// For the audit trail.
    pub(crate) patient_id: Option<String>,
    pub(crate) study_row: LevelRow,
    pub(crate) name_words: Vec<NameWords>,
    pub(crate) series_row: LevelRow,
    pub(crate) instance_members: Members,
    pub(crate) transfer_syntax: String,
    pub(crate) blob_key: String,
    pub(crate) blob_bytes: i64,
    /// What it has under extended query tags, at the version for which it was prepared.
    pub(crate) extended: Extracted,
    /// Compressed DICOM JSON ([`super::metadata`]).
    pub(crate) metadata: Vec<u8>,
    /// The frame index ([`crate::dataset::frames::FrameIndex::to_bytes`]).
    pub(crate) frames: Vec<u8>,
}

impl NewInstance {
    /// How much memory the rows take, about.
    pub(crate) fn index_bytes(&self) -> usize {
        let members = |members: &Members| members.values().map(Vec::len).sum::<usize>();
        self.metadata.len()
            + self.frames.len()
            + members(&self.study_row.members)
            + members(&self.series_row.members)
            + members(&self.instance_members)
    }
}

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is visible from the commit on.
    Stored(Watermark),
    /// The partition has an instance with the same three UIDs: nothing was changed.
    Duplicate,
}

/// Where and when instances are inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion {
    pub(crate) partition: PartitionKey,
    pub(crate) at: jiff::Timestamp,
}

struct Parents {
    study: StudyKey,
    study_members: Members,
    series: SeriesKey,
    series_members: Members,
}

/// What became of instances.
#[derive(Debug, Default)]
pub(crate) struct Insertion {
    pub(crate) inserted: Vec<Inserted>,
    /// These end the work: the caller runs them, with its own added, in the same transaction.
    pub(crate) ending: db::Batch,
    /// The version of the extended query tags that was met.
    pub(crate) tags_version: i64,
}

/// Inserts instances in the order given, each judged on its own.
pub(crate) async fn insert(
    tx: &mut WriteTx,
    occasion: Occasion,
    instances: &[NewInstance],
) -> Result<Insertion, DbError> {
    let Some(first) = instances.first() else { return Ok(Insertion::default()) };
    let (mut next, mut found) = begin(tx, occasion, first).await?;
    let mut results = Vec::with_capacity(instances.len());
    let mut added: BTreeMap<SeriesKey, (StudyKey, i64, Watermark)> = BTreeMap::new();
    let mut known: Option<((StudyUid, SeriesUid), Parents)> = None;
    let mut extended = Extended::at(next.tags_version);
    for new in instances {
        let uids = (new.study.clone(), new.series.clone());
        // The instances of a request mostly share their series: its rows are looked up once.
        let mut parents = match known.take() {
            Some((of, parents)) if of == uids => parents,
            _ => {
                let found = match found.take() {
                    Some(found) => found,
                    None => tx.fetch_optional(sql::FIND_PARENTS, &parents_of(occasion, new)).await?,
                };
                read_or_create(tx, occasion.partition, new, found, &next).await?
            }
        };
        let result = insert_instance(tx, occasion, new, next.present(), &mut parents).await?;
        if let Inserted::Stored(watermark) = result {
            next.used();
            let counter = added.entry(parents.series).or_insert((parents.study, 0, watermark));
            counter.1 += 1;
            counter.2 = watermark;
            let placed = Placed {
                study: parents.study,
                series: parents.series,
                instance: InstanceKey::new(watermark.get()),
                watermark,
            };
            extended.take(tx, placed, new).await?;
        }
        results.push(result);
        known = Some((uids, parents));
    }
    extended.gathered.write(tx, occasion.at.as_millisecond()).await?;
    let mut ending = db::Batch::default();
    count(&mut ending, &added);
    let tags_version = next.tags_version;
    next.take(&mut ending);
    Ok(Insertion { inserted: results, ending, tags_version })
}

/// Values of extended query tags, for the tags of this transaction.
struct Extended {
    version: i64,
    /// Read where instances were prepared for other tags than those of now.
    now: Option<TagSet>,
    gathered: Gathered,
}

impl Extended {
    fn at(version: i64) -> Self {
        Self { version, now: None, gathered: Gathered::default() }
    }

    async fn take(&mut self, tx: &mut WriteTx, placed: Placed, new: &NewInstance) -> Result<(), DbError> {
        if new.extended.version == self.version {
            self.gathered.add(placed, new.extended.clone());
            return Ok(());
        }
        if self.now.is_none() {
            self.now = Some(TagSet::load(tx).await?);
        }
        let Some(set) = self.now.as_ref().filter(|set| !set.tags.is_empty()) else { return Ok(()) };
        let extracted = match metadata::decompress(&new.metadata) {
            Ok(json) => values::extract(set, &json),
            Err(_) => values::unreadable(set),
        };
        self.gathered.add(placed, extracted);
        Ok(())
    }
}

/// Locks the sequence, and looks up the first instance's parents on the same way.
async fn begin(
    tx: &mut WriteTx,
    occasion: Occasion,
    first: &NewInstance,
) -> Result<(Numbers, Option<Option<Row>>), DbError> {
    let mut batch = db::Batch::default();
    batch.push(sql::TAKE, [0_i64.into(), change_feed::ticks(occasion.at).into()]);
    batch.push(sql::FIND_PARENTS, parents_of(occasion, first));
    let mut answers = tx.run(&batch).await?.into_iter();
    let numbers = Numbers::read(answers.next())?;
    Ok((numbers, answers.next().map(|answer| answer.rows.into_iter().next())))
}

fn parents_of(occasion: Occasion, new: &NewInstance) -> [Value; 3] {
    [occasion.partition.into(), (&new.study).into(), (&new.series).into()]
}

/// Numbers of the sequence. Its row is locked first; only what was used is taken, and new parents have the number of their
/// first instance, so that the change feed has no gaps: a reader that asks for the next five numbers gets five entries.
struct Numbers {
    first: i64,
    last: i64,
    /// When: for the change feed.
    at_ticks: i64,
    tags_version: i64,
}

impl Numbers {
    fn read(answer: Option<db::Answer>) -> Result<Self, DbError> {
        let row = answer.and_then(|answer| answer.rows.into_iter().next());
        let row = row.ok_or_else(|| DbError::Schema("the watermark sequence is missing".to_owned()))?;
        let last = row.int(0)?;
        Ok(Self { first: last, last, at_ticks: row.int(1)?, tags_version: row.int(2)? })
    }

    fn take(self, ending: &mut db::Batch) {
        let used = self.last - self.first;
        ending.push(sql::TAKE, [used.into(), self.at_ticks.into()]);
    }

    /// Uses up the next number.
    fn used(&mut self) {
        self.last += 1;
    }

    /// The next number, which a duplicate leaves to the one after it.
    fn present(&self) -> Number {
        Number { watermark: Watermark::new(self.last + 1), at_ticks: self.at_ticks }
    }
}

/// An instance's own number.
#[derive(Clone, Copy)]
struct Number {
    watermark: Watermark,
    at_ticks: i64,
}

async fn read_or_create(
    tx: &mut WriteTx,
    partition: PartitionKey,
    new: &NewInstance,
    found: Option<Row>,
    next: &Numbers,
) -> Result<Parents, DbError> {
    let (study, study_members, series) = if let Some(row) = &found {
        let series = row.opt_int(2)?.map(SeriesKey::new);
        let series = series.map(|key| Ok::<_, DbError>((key, read_members(&row.blob(3)?)))).transpose()?;
        (StudyKey::new(row.int(0)?), read_members(&row.blob(1)?), series)
    } else {
        let key = StudyKey::new(next.present().watermark.get());
        let members = write_members(&new.study_row.members);
        let mut values: Vec<Value> = vec![key.into(), partition.into(), (&new.study).into(), members.into()];
        values.extend(new.study_row.columns.iter().cloned());
        tx.execute(sql::INSERT_STUDY, &values).await?;
        names::insert(tx, partition, key, &new.name_words).await?;
        (key, new.study_row.members.clone(), None)
    };
    let (series, series_members) = if let Some(known) = series {
        known
    } else {
        let key = SeriesKey::new(next.present().watermark.get());
        let members = write_members(&new.series_row.members);
        let mut values: Vec<Value> =
            vec![key.into(), study.into(), partition.into(), (&new.series).into(), members.into()];
        values.extend(new.series_row.columns.iter().cloned());
        tx.execute(sql::INSERT_SERIES, &values).await?;
        (key, new.series_row.members.clone())
    };
    Ok(Parents { study, study_members, series, series_members })
}

async fn insert_instance(
    tx: &mut WriteTx,
    occasion: Occasion,
    new: &NewInstance,
    Number { watermark, at_ticks }: Number,
    parents: &mut Parents,
) -> Result<Inserted, DbError> {
    let mut batch = db::Batch::default();
    batch.push(
        sql::INSERT_INSTANCE,
        [
            watermark.into(),
            parents.series.into(),
            parents.study.into(),
            occasion.partition.into(),
            (&new.instance).into(),
            new.sop_class.as_str().into(),
            new.instance_number.into(),
            occasion.at.as_millisecond().into(),
            new.transfer_syntax.as_str().into(),
            new.blob_key.as_str().into(),
            new.blob_bytes.into(),
            write_members(&new.instance_members).into(),
        ],
    );
    batch.push(
        sql::INSERT_DETAIL,
        [watermark.into(), new.metadata.as_slice().into(), new.frames.as_slice().into()],
    );
    let (sql, entry) = change_feed::creation(&Entry {
        sequence: watermark,
        at_ticks,
        action: change_feed::Action::Create,
        partition: occasion.partition,
        study: new.study.as_str(),
        series: new.series.as_str(),
        instance: new.instance.as_str(),
        watermark,
    });
    batch.push(sql, entry);
    // The second and third statement do nothing where the first did nothing.
    if tx.run(&batch).await?.first().is_none_or(|inserted| inserted.changed == 0) {
        return Ok(Inserted::Duplicate);
    }
    merge_parents(tx, occasion.partition, new, parents).await?;
    Ok(Inserted::Stored(watermark))
}

/// The newest instance's values win at study and series level, but only where it has any (Azure: STOW, "Indexing").
async fn merge_parents(
    tx: &mut WriteTx,
    partition: PartitionKey,
    new: &NewInstance,
    parents: &mut Parents,
) -> Result<(), DbError> {
    if merge(&mut parents.study_members, &new.study_row.members) {
        let mut values: Vec<Value> = vec![parents.study.into(), write_members(&parents.study_members).into()];
        values.extend(new.study_row.columns.iter().cloned());
        tx.execute(sql::MERGE_STUDY, &values).await?;
        names::replace(tx, partition, parents.study, &new.name_words).await?;
    }
    if merge(&mut parents.series_members, &new.series_row.members) {
        let mut values: Vec<Value> =
            vec![parents.series.into(), write_members(&parents.series_members).into()];
        values.extend(new.series_row.columns.iter().cloned());
        tx.execute(sql::MERGE_SERIES, &values).await?;
    }
    Ok(())
}

fn count(ending: &mut db::Batch, added: &BTreeMap<SeriesKey, (StudyKey, i64, Watermark)>) {
    let mut studies: BTreeMap<StudyKey, (i64, Watermark)> = BTreeMap::new();
    for (series, (study, instances, watermark)) in added {
        ending.push(sql::COUNT_SERIES, [(*series).into(), (*instances).into(), (*watermark).into()]);
        let total = studies.entry(*study).or_insert((0, *watermark));
        total.0 += instances;
        total.1 = total.1.max(*watermark);
    }
    for (study, (instances, watermark)) in studies {
        ending.push(sql::COUNT_STUDY, [study.into(), instances.into(), watermark.into()]);
    }
}

/// Overwrites `old` with what `new` has a value for; tells whether anything changed.
fn merge(old: &mut Members, new: &Members) -> bool {
    let mut changed = false;
    for (tag, member) in new.iter().filter(|(_, member)| has_value(member)) {
        if old.get(tag) != Some(member) {
            old.insert(*tag, member.clone());
            changed = true;
        }
    }
    changed
}

fn has_value(member: &[u8]) -> bool {
    memchr::memmem::find(member, b"\"Value\"").is_some()
}

fn read_members(json: &[u8]) -> Members {
    crate::dataset::json::members(json)
        .map(|member| (tag_number(member.tag), member.value().to_vec()))
        .collect()
}

/// A tag as one number, `ggggeeee`.
pub(crate) fn tag_number(tag: dicom_core::Tag) -> u32 {
    (u32::from(tag.0) << 16) | u32::from(tag.1)
}

fn write_members(members: &Members) -> Vec<u8> {
    use std::io::Write as _;
    let mut json = Vec::with_capacity(members.values().map(|member| member.len() + 12).sum::<usize>() + 2);
    json.push(b'{');
    for (index, (tag, member)) in members.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        // Writing to a Vec cannot fail.
        let _ = write!(json, "\"{tag:08X}\":");
        json.extend_from_slice(member);
    }
    json.push(b'}');
    json
}
