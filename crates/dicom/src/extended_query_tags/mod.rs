//! Extended query tags: attributes that somebody wants to search by beyond those the index knows (Azure: Extended query
//! tags; fact sheet §10).
//!
//! A noun: it owns the tags, the values found under them and the list of values that could not be taken.
//!
//! # Why no instance is missed
//!
//! Adding a tag takes the row that all writers of the index lock (`index::sql::TAKE`), raises its `tags_version` and reads
//! its number *n*. Instances up to *n* were committed before, without the tag; the re-index goes through exactly these. Later
//! writers read the new version with the number they get anyhow, see that the tags they had prepared for are not those of
//! now, and take the values again, in their own transaction. So each instance is indexed by one of the two, and a store
//! pays nothing for tags that nobody changed.
//!
//! A value carries the number of the version it comes from, and only a later version replaces it: the re-index may run
//! again over what it did, and never overwrites what a newer instance of a study says.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod http;
pub(crate) mod list;
pub(crate) mod reindex;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod values;
pub(crate) mod write;

mod entry;
mod error;
mod json;

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use dicom_core::{Tag, VR};
use hilum_kernel::JobId;
use hilum_storage::db::{Db, DbError, ReadTx, Row};

pub(crate) use error::TagError;

use crate::{
    dataset::vr,
    index::{Level, insert::tag_number},
};

/// Tags at most (Azure). Beyond: 400.
pub(crate) const TAGS_MAX: i64 = 128;

/// Whether a tag can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Stored instances are being gone through.
    Adding = 0,
    /// All instances are indexed.
    Ready = 1,
}

/// Whether searches by the tag are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryStatus {
    Disabled = 0,
    Enabled = 1,
}

/// A tag as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExtendedTag {
    pub(crate) key: i64,
    /// As it was asked for: of a private attribute only group and low byte of the element count.
    pub(crate) tag: Tag,
    pub(crate) vr: VR,
    /// Who the block of a private attribute belongs to (PS3.5 §7.8.1).
    pub(crate) private_creator: Option<String>,
    pub(crate) level: Level,
    pub(crate) status: Status,
    pub(crate) query_status: QueryStatus,
    /// Instances whose value could not be taken.
    pub(crate) errors: i64,
    /// The re-index, while it runs.
    pub(crate) operation: Option<JobId>,
}

impl ExtendedTag {
    /// `GGGGEEEE`.
    pub(crate) fn path(&self) -> String {
        path(self.tag)
    }

    fn of(row: &Row) -> Result<Self, DbError> {
        let text = row.text(1)?;
        let number = u32::from_str_radix(&text, 16).map_err(|_| DbError::Corrupt { column: 1 })?;
        let code = row.text(2)?;
        Ok(Self {
            key: row.int(0)?,
            tag: tag(number),
            vr: code
                .as_bytes()
                .first_chunk()
                .and_then(|&code| vr::from_code(code))
                .ok_or(DbError::Corrupt { column: 2 })?,
            private_creator: row.opt_text(3)?,
            level: match row.int(4)? {
                0 => Level::Study,
                1 => Level::Series,
                2 => Level::Instance,
                _ => return Err(DbError::Corrupt { column: 4 }),
            },
            status: if row.int(5)? == Status::Ready as i64 { Status::Ready } else { Status::Adding },
            query_status: if row.truth(6)? { QueryStatus::Enabled } else { QueryStatus::Disabled },
            errors: row.int(7)?,
            operation: row.opt_id(8)?,
        })
    }
}

/// A tag of its number `ggggeeee`.
fn tag(number: u32) -> Tag {
    let [g0, g1, e0, e1] = number.to_be_bytes();
    Tag(u16::from_be_bytes([g0, g1]), u16::from_be_bytes([e0, e1]))
}

/// `GGGGEEEE`.
pub(crate) fn path(tag: Tag) -> String {
    format!("{:08X}", tag_number(tag))
}

/// All tags, at one version.
#[derive(Debug, Default)]
pub(crate) struct TagSet {
    /// Raised with each tag that comes or goes; 0 where there never was one.
    pub(crate) version: i64,
    pub(crate) tags: Vec<ExtendedTag>,
}

impl TagSet {
    /// Reads the tags of now. Within a transaction that has locked the index's row: the tags of that transaction.
    pub(crate) async fn load(tx: &mut ReadTx) -> Result<Self, DbError> {
        let rows = tx.fetch_all(sql::ALL_TAGS, &[]).await?;
        let version = match tx.fetch_optional(sql::VERSION, &[]).await? {
            Some(row) => row.int(0)?,
            None => 0,
        };
        Ok(Self { version, tags: rows.iter().map(ExtendedTag::of).collect::<Result<_, _>>()? })
    }
}

/// The tags that this process knows, for preparing what is stored. May be old: the transaction of a store finds out.
#[derive(Default)]
pub(crate) struct TagCache(RwLock<Option<Arc<TagSet>>>);

impl TagCache {
    /// The tags to prepare for. Read once after the start, then when somebody finds out that they changed.
    pub(crate) async fn get(&self, db: &Db) -> Arc<TagSet> {
        if let Some(known) = self.known() {
            return known;
        }
        self.refresh(db).await;
        self.known().unwrap_or_default()
    }

    /// Whether the tags are known at this version.
    pub(crate) fn is_at(&self, version: i64) -> bool {
        self.known().is_some_and(|known| known.version == version)
    }

    fn known(&self) -> Option<Arc<TagSet>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the tags anew. A failure does no harm: what is old is found out again.
    pub(crate) async fn refresh(&self, db: &Db) {
        let loaded = match db.snapshot().await {
            Ok(mut tx) => TagSet::load(&mut tx).await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(set) => {
                let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
                if known.as_ref().is_none_or(|known| set.version >= known.version) {
                    *known = Some(Arc::new(set));
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "extended query tags could not be read"
            ),
        }
    }
}
