//! Asking which tags there are, and which values could not be taken.

use dicom_core::Tag;
use hilum_storage::db::{Db, DbError};
use jiff::Timestamp;

use super::{ExtendedTag, TagError, path, sql};

/// A page of the tags, in the order in which they were added.
pub(crate) async fn page(db: &Db, limit: i64, offset: i64) -> Result<Vec<ExtendedTag>, TagError> {
    let rows = db.read().await?.fetch_all(sql::PAGE, &[limit.into(), offset.into()]).await?;
    Ok(rows.iter().map(ExtendedTag::of).collect::<Result<_, _>>()?)
}

/// One tag.
pub(crate) async fn one(db: &Db, tag: Tag) -> Result<ExtendedTag, TagError> {
    let row = db.read().await?.fetch_optional(sql::FIND, &[path(tag).into()]).await?;
    match row {
        Some(row) => Ok(ExtendedTag::of(&row)?),
        None => Err(TagError::NotFound(path(tag))),
    }
}

/// The paths of those of the tags that are still there.
pub(crate) async fn paths(db: &Db, keys: &[i64]) -> Result<Vec<String>, DbError> {
    let mut tx = db.read().await?;
    let mut paths = Vec::with_capacity(keys.len());
    for key in keys {
        let row = tx.fetch_optional(sql::PATH_OF, &[(*key).into()]).await?;
        paths.extend(row.map(|row| row.text(0)).transpose()?);
    }
    Ok(paths)
}

/// A value that could not be taken.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) partition: String,
    pub(crate) study: String,
    pub(crate) series: String,
    pub(crate) instance: String,
    pub(crate) created: Timestamp,
    pub(crate) message: String,
}

/// A page of a tag's errors, in the order of the instances.
pub(crate) async fn errors(db: &Db, tag: Tag, limit: i64, offset: i64) -> Result<Vec<Noted>, TagError> {
    let known = one(db, tag).await?;
    let arguments = [known.key.into(), limit.into(), offset.into()];
    let rows = db.read().await?.fetch_all(sql::ERRORS, &arguments).await?;
    let read = |row: &hilum_storage::db::Row| {
        Ok::<_, DbError>(Noted {
            partition: row.text(0)?,
            study: row.text(1)?,
            series: row.text(2)?,
            instance: row.text(3)?,
            created: Timestamp::from_millisecond(row.int(4)?).map_err(|_| DbError::Corrupt { column: 4 })?,
            message: row.text(5)?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
