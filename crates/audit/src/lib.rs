//! The audit trail: who did what to which object, from where, with what outcome.
//!
//! Two ways in. A change is recorded with [`record`] inside the transaction that makes it: both happen or neither.
//! What changes nothing (a search, a retrieval, a token) goes through [`AuditLog`], which writes many events with one
//! commit, so that a read does not wait for the disk (docs/adr/0005). Events are never updated or deleted by this program.

mod event;
mod log;
mod sql;

#[cfg(test)]
mod tests;

pub use event::{Action, Actor, Event, Outcome};
pub use log::{AuditLog, AuditLost};
pub use sql::{MIGRATIONS, record, recording};
