//! The index: rows of studies, series and instances, their versions, and what may be asked of them.
//!
//! A noun (STYLE 2): it owns its tables, verbs call its functions. Every stored or removed version gets the next
//! number of one sequence, which is also the change feed's; the sequence's row is locked until the transaction ends,
//! so nobody can see number n + 1 before n.

pub mod attributes;
pub(crate) mod insert;
pub(crate) mod lookup;
pub mod metadata;
mod names;
pub(crate) mod query;
pub(crate) mod remove;
pub(crate) mod schema;
pub(crate) mod sql;

#[cfg(test)]
mod tests;

pub use attributes::{ATTRIBUTES, Attribute, Level, Matching};
