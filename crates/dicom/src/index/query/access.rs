//! How the index is entered: through which condition, or newest first.

use hilum_storage::db::{DbError, ReadTx};

use super::{Condition, Index, Place, Query, sql};

/// Up to this many matches are sorted rather than walked to: well under a millisecond.
const FEW: u32 = 1_000;
/// The same where each match has a whole series or study of results below it.
const FEW_PARENTS: u32 = 20;
/// A walk looks at this many times the rows it must find: it pays where a twentieth matches.
const WALK_FACTOR: u32 = 20;
/// The longest walk, about 10 ms. Deep pages are sorted instead.
const WALK_MAX: u32 = 20_000;

/// How a statement finds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Through the study or series of the path.
    Scope,
    /// Through the index of the condition of that number.
    Drive(usize),
    /// Down the keys, the newest so many rows or all.
    Walk { newest: Option<u32> },
    /// Much matches: down the newest keys, then through the index if they do not fill the page.
    Broad { drive: usize, newest: u32 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fitness {
    /// No index.
    None,
    /// An index, but its matches must be counted and sorted.
    Counted,
    /// An index in the order of the keys.
    Ordered,
    /// An index with hardly more than one match.
    Unique,
}

/// Decides how to enter; `None` where a condition matches nothing at all.
pub(super) async fn choose(tx: &mut ReadTx, query: &Query) -> Result<Option<Access>, DbError> {
    if query.study.is_some() {
        return Ok(Some(Access::Scope));
    }
    let mut indexed = Vec::new();
    for (number, condition) in query.conditions.iter().enumerate() {
        match fitness(query, condition) {
            Fitness::None => {}
            Fitness::Unique => return Ok(Some(Access::Drive(number))),
            fitness => indexed.push((number, fitness)),
        }
    }
    match indexed.as_slice() {
        [] => return Ok(Some(Access::Walk { newest: None })),
        [(number, Fitness::Ordered)] => return Ok(Some(Access::Drive(*number))),
        _ => {}
    }
    let mut fewest = (u32::MAX, 0);
    for (number, _) in indexed {
        let few = if query.conditions.get(number).is_some_and(|condition| condition.level() == query.level) {
            FEW
        } else {
            FEW_PARENTS
        };
        let Some(statement) = sql::count(query, number, few) else { continue };
        let row = tx.fetch_optional_of(&statement).await?;
        let count = row.map_or(Ok(0), |row| row.int(0))?;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(None);
        }
        if count < few {
            return Ok(Some(Access::Drive(number)));
        }
        fewest = fewest.min((count, number));
    }
    let rows = query.limit.saturating_add(query.offset).saturating_mul(WALK_FACTOR).max(FEW);
    Ok(Some(match rows {
        0..=WALK_MAX => Access::Broad { drive: fewest.1, newest: rows },
        _ => Access::Drive(fewest.1),
    }))
}

fn fitness(query: &Query, condition: &Condition) -> Fitness {
    match condition {
        Condition::Column { .. } if condition.is_ordered_at(query.level) => Fitness::Ordered,
        Condition::Column { column, .. } => match column.index {
            Index::None => Fitness::None,
            Index::Unique => Fitness::Unique,
            Index::Ordered | Index::Plain => Fitness::Counted,
        },
        Condition::ModalityLike(_)
        | Condition::Filter { .. }
        | Condition::Word { place: Place::Anywhere, .. } => Fitness::None,
        Condition::Word { .. }
        | Condition::Words { .. }
        | Condition::ModalityInStudy(_)
        | Condition::Extended { .. } => Fitness::Counted,
    }
}
