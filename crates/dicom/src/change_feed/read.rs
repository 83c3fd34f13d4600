//! Reading the feed: a page, the latest entry; and what each entry is worth now.

use futures::FutureExt as _;
use hilum_storage::db::{Db, DbError, Row};

use super::{Action, parameters::Selection, sql};

/// Whether an entry tells of what there is now (Azure: Change feed overview, "States").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The entry's version is the present one.
    Current,
    /// The instance exists, in a newer version.
    Replaced,
    /// There is no such instance.
    Deleted,
}

/// An entry as readers get it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) sequence: i64,
    pub(super) at_ticks: i64,
    pub(super) action: Action,
    pub(super) partition: String,
    pub(super) study: String,
    pub(super) series: String,
    pub(super) instance: String,
    pub(super) state: State,
    /// Of the present version, compressed; where it was asked for and there is one.
    pub(super) metadata: Option<Vec<u8>>,
}

/// A page of the feed, in its order.
pub(super) async fn page(db: &Db, selection: Selection, metadata: bool) -> Result<Vec<Listed>, DbError> {
    let wanted = i64::from(metadata).into();
    let mut tx = db.read().await?;
    let rows = match selection {
        Selection::Sequence { after, limit } => {
            let last = after.saturating_add(limit);
            tx.fetch_all(sql::BY_SEQUENCE, &[wanted, after.into(), last.into()]).await?
        }
        Selection::Time { start, end, offset, limit } => {
            let arguments = [wanted, start.into(), end.into(), limit.into(), offset.into()];
            tx.fetch_all(sql::BY_TIME, &arguments).await?
        }
    };
    rows.iter().map(listed).collect()
}

/// The latest entry; `None` where nothing has happened yet.
pub(super) async fn latest(db: &Db, metadata: bool) -> Result<Option<Listed>, DbError> {
    let row = db.read().await?.fetch_optional(sql::LATEST, &[i64::from(metadata).into()]).await?;
    row.as_ref().map(listed).transpose()
}

/// Makes a window final as far as it lies in the past: no entry written later gets a time before the window's end.
/// Writes only where the feed's own time has not passed that end yet.
pub(super) async fn close(db: &Db, end_ticks: i64, now_ticks: i64) -> Result<(), DbError> {
    let end = end_ticks.min(now_ticks);
    let time = db.read().await?.fetch_optional(sql::TIME, &[]).await?.map(|row| row.int(0)).transpose()?;
    if time.is_some_and(|time| time >= end) {
        return Ok(());
    }
    db.write(end, |tx, end| async move { tx.execute(sql::CLOSE, &[(*end).into()]).await.map(drop) }.boxed())
        .await
}

fn listed(row: &Row) -> Result<Listed, DbError> {
    let action = match row.int(2)? {
        0 => Action::Create,
        1 => Action::Update,
        2 => Action::Delete,
        _ => return Err(DbError::Corrupt { column: 2 }),
    };
    let state = match row.opt_int(8)? {
        Some(present) if present == row.int(7)? => State::Current,
        Some(_) => State::Replaced,
        None => State::Deleted,
    };
    Ok(Listed {
        sequence: row.int(0)?,
        at_ticks: row.int(1)?,
        action,
        partition: row.opt_text(3)?.unwrap_or_default(),
        study: row.text(4)?,
        series: row.text(5)?,
        instance: row.text(6)?,
        state,
        metadata: row.opt_blob(9)?,
    })
}
