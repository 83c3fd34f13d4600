//! Nouns that every part of Hilum needs.
//!
//! Invariants: no I/O besides the operating system's clock and random source, no async, no web,
//! no database. Everything above depends on this crate and it depends on nothing of ours.

mod ids;
mod phi;
mod random;
mod secret;
mod time;
mod uid;

pub mod limits;

pub use ids::{
    AppId, AppRoleId, CorrelationId, CredentialId, GroupId, InstanceKey, JobId, ObjectId, PartitionKey,
    PolicyId, ScopeId, SeriesKey, StudyKey, TenantId, UserId, Watermark,
};
pub use phi::Phi;
pub use random::{Random, SeededRandom, SystemRandom};
pub use secret::Secret;
pub use time::{Clock, SystemClock, TestClock};
pub use uid::{InstanceUid, InvalidUid, SeriesUid, StudyUid, Uid};
