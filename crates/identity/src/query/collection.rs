//! What a noun tells about its table so that it can be listed.

use hilum_storage::db::Sql;

use super::{Expr, OrderBy};
use crate::IdentityError;

/// A table, and what it may be asked for. All names are constants; the default order's column may not hold NULL.
pub(crate) struct Collection {
    /// The table.
    pub(crate) table: Sql,
    /// Its key, unique within the tenant.
    pub(crate) id: Sql,
    /// The column with the tenant.
    pub(crate) tenant: Sql,
    /// A constant condition, e.g. `deleted_at_ms IS NULL`.
    pub(crate) only: Option<Sql>,
    /// The property by which pages are ordered when nobody says otherwise. One of the fields.
    pub(crate) default_order: &'static str,
    /// The properties that `$orderby` may name. Their columns may not hold NULL.
    pub(crate) orders: &'static [&'static str],
    /// What `$filter` may name.
    pub(crate) fields: &'static [Field],
    /// What `$search` looks into.
    pub(crate) search: &'static [&'static str],
}

/// A property and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// In Graph's spelling, parts joined by `/`. Empty: the item of a collection of plain values itself.
    pub(crate) property: &'static str,
    /// Where it is.
    pub(crate) column: Column,
    /// Whether an index leads to it (with the tenant before it), so that the order need not.
    pub(crate) indexed: bool,
}

/// A column and how it is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Text, compared as it is.
    Text(Sql),
    /// Text that was folded when it was stored ([`crate::folded`]); what it is compared with is folded, too.
    Folded(Sql),
    /// A GUID as text in lower case.
    Guid(Sql),
    /// 0 or 1.
    Bool(Sql),
    /// Milliseconds since 1970.
    Time(Sql),
    /// A whole number.
    Number(Sql),
    /// A table with one row for each item of a collection: `any(…)` only.
    Child(&'static Child),
}

/// A table of the items of a collection property.
#[derive(Debug)]
pub(crate) struct Child {
    /// The table.
    pub(crate) table: Sql,
    /// The column that names the parent's key. May not hold NULL.
    pub(crate) parent: Sql,
    /// The column with the tenant, where the table has one.
    pub(crate) tenant: Option<Sql>,
    /// A constant condition.
    pub(crate) only: Option<Sql>,
    /// What can be asked of an item.
    pub(crate) fields: &'static [Field],
}

impl Field {
    /// A property in a column.
    pub(crate) const fn new(property: &'static str, column: Column) -> Self {
        Self { property, column, indexed: false }
    }

    /// Says that an index leads to it.
    pub(crate) const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }
}

/// An order that was found to be possible.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) property: &'static str,
    pub(crate) column: Column,
    pub(crate) descending: bool,
}

impl Column {
    /// The column's name; nothing for a table of items.
    pub(crate) const fn name(self) -> Option<Sql> {
        match self {
            Self::Text(name)
            | Self::Folded(name)
            | Self::Guid(name)
            | Self::Bool(name)
            | Self::Time(name)
            | Self::Number(name) => Some(name),
            Self::Child(_) => None,
        }
    }

    /// Whether its values are whole numbers to the database.
    pub(crate) const fn is_number(self) -> bool {
        matches!(self, Self::Bool(_) | Self::Time(_) | Self::Number(_))
    }
}

impl Collection {
    pub(super) fn order(&self, wanted: Option<&OrderBy>) -> Result<Order, IdentityError> {
        let (property, descending) =
            wanted.map_or((self.default_order, false), |order| (order.property.as_str(), order.descending));
        let may = self.orders.iter().chain([&self.default_order]);
        may.into_iter()
            .find(|known| known.eq_ignore_ascii_case(property))
            .and_then(|known| field(self.fields, known))
            .map(|field| Order { property: field.property, column: field.column, descending })
            .ok_or_else(|| {
                IdentityError::UnsupportedQuery(format!(
                    "Sorting by property '{}' is not supported; use one of: {}.",
                    shortened(property),
                    self.orders.join(", ")
                ))
            })
    }
}

impl Collection {
    /// Whether `$search` looks into properties that it may look into.
    ///
    /// # Errors
    /// [`IdentityError::UnsupportedQuery`], naming the one that it may not.
    pub(crate) fn check_search(&self, search: Option<&Expr>) -> Result<(), IdentityError> {
        match search {
            Some(Expr::And(all) | Expr::Or(all)) => {
                all.iter().try_for_each(|expr| self.check_search(Some(expr)))
            }
            Some(Expr::Match { path, .. })
                if !self.search.iter().any(|may| may.eq_ignore_ascii_case(path)) =>
            {
                Err(IdentityError::UnsupportedQuery(format!(
                    "Search by property '{}' is not supported; use one of: {}.",
                    shortened(path),
                    self.search.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The field of a property, in any case.
pub(super) fn field<'f>(fields: &'f [Field], property: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.property.eq_ignore_ascii_case(property))
}

/// What is repeated to the caller stays short.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
