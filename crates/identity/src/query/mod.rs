//! Lists: what to look for as a tree, pages by key, and the SQL of both (Graph's `$filter`, `$search`, `$orderby`,
//! `$top`, `$skiptoken`, `$count`; sheet §5.5). Knows no HTTP and no tables: a noun describes its own as a
//! [`Collection`] and asks for a [`page`].
//!
//! Invariants: pages are found by key, never by offset. A cursor cannot be made or altered outside. SQL text comes from
//! the collection's constants, values are bound. What a collection does not name cannot be asked for.

#![expect(dead_code, reason = "offers what the nouns' operations take up one by one")]

mod ast;
mod collection;
mod compile;
mod cursor;

#[cfg(test)]
mod tests;

use hilum_kernel::TenantId;
use hilum_storage::db::{ReadTx, Row, Sql, Statement, Value};

use crate::IdentityError;

pub(crate) use ast::{Comparison, Expr, Function, Literal};
pub(crate) use collection::{Child, Collection, Column, Field};
pub(crate) use cursor::{Cursor, CursorKey};

/// How many items a page has when nobody says.
pub(crate) const TOP_DEFAULT: usize = 100;
/// The most items of a page, as in Graph.
pub(crate) const TOP_MAX: usize = 999;

/// What to list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListQuery {
    /// Which items.
    pub(crate) filter: Option<Expr>,
    /// Which items, too: words in names.
    pub(crate) search: Option<Expr>,
    /// In which order; the collection's own if absent.
    pub(crate) order: Option<OrderBy>,
    /// How many at most.
    pub(crate) top: usize,
    /// Behind which item.
    pub(crate) after: Option<Cursor>,
    /// Whether to count all of them.
    pub(crate) count: bool,
    /// Restrictions that the operation makes: the caller's own objects, the members of a group.
    pub(crate) within: Vec<Within>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: None,
            search: None,
            order: None,
            top: TOP_DEFAULT,
            after: None,
            count: false,
            within: Vec::new(),
        }
    }
}

/// A property to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderBy {
    /// In Graph's spelling.
    pub(crate) property: String,
    /// Last first.
    pub(crate) descending: bool,
}

/// Only items whose ID is among those that a constant statement selects: `SELECT object_id FROM owner WHERE owner_id = `
/// and the value that follows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Within {
    /// The statement up to its one parameter.
    pub(crate) select: Sql,
    /// The parameter.
    pub(crate) value: Value,
}

impl ListQuery {
    /// Everything, `top` items at a time, in the order of a property.
    pub(crate) fn all(top: usize, property: &str, after: Option<Cursor>) -> Self {
        let order = OrderBy { property: property.to_owned(), descending: false };
        Self { top, order: Some(order), after, ..Self::default() }
    }

    /// Only items whose ID is among those that `select`, followed by `value`, selects.
    pub(crate) fn within(mut self, select: Sql, value: impl Into<Value>) -> Self {
        self.within.push(Within { select, value: value.into() });
        self
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page starts, if there is one.
    pub(crate) next: Option<Cursor>,
    /// How many items there are on all pages, if that was asked.
    pub(crate) total: Option<u64>,
}

impl<T> Page<T> {
    /// A list that is whole.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        let total = u64::try_from(items.len()).ok();
        Self { items, next: None, total }
    }

    /// The same page of other items.
    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, total: self.total }
    }

    /// The same page of other items, unless one cannot be made.
    pub(crate) fn try_map<U, E>(self, f: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(f).collect::<Result<_, _>>()?;
        Ok(Page { items, next: self.next, total: self.total })
    }
}

/// A page of rows with the given columns, all of the collection's own table.
///
/// # Errors
/// [`IdentityError::UnsupportedQuery`] for a property that the collection does not name, or a comparison that its type
/// does not have.
pub(crate) async fn page(
    tx: &mut ReadTx,
    collection: &'static Collection,
    tenant: TenantId,
    query: &ListQuery,
    columns: Sql,
) -> Result<Page<Row>, IdentityError> {
    let order = collection.order(query.order.as_ref())?;
    let top = query.top.clamp(1, TOP_MAX);
    let statement = compile::select(collection, tenant, query, &order, (columns, top + 1))?;
    let mut items = tx.fetch_all_of(&statement).await?;
    let more = items.len() > top;
    items.truncate(top);
    let next = match items.last() {
        Some(last) if more => Some(Cursor::after(collection, &order, last)?),
        _ => None,
    };
    let total = if query.count { Some(count(tx, collection, tenant, query).await?) } else { None };
    Ok(Page { items, next, total })
}

/// The statement of a page, to be looked at.
#[cfg(test)]
pub(crate) fn statement(
    collection: &'static Collection,
    tenant: TenantId,
    query: &ListQuery,
    columns: Sql,
) -> Result<Statement, IdentityError> {
    let order = collection.order(query.order.as_ref())?;
    compile::select(collection, tenant, query, &order, (columns, 101))
}

/// How many items there are.
pub(crate) async fn count(
    tx: &mut ReadTx,
    collection: &'static Collection,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<u64, IdentityError> {
    let statement: Statement = compile::count(collection, tenant, query)?;
    let row = tx.fetch_optional_of(&statement).await?;
    let count = row.map(|row| row.int(0)).transpose()?.unwrap_or(0);
    Ok(u64::try_from(count).unwrap_or(0))
}
