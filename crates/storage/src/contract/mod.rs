//! What tests of this crate and of those above it need: fresh databases of every kind that is at hand.

mod databases;

pub mod blobs;
pub mod jobs;

pub use databases::{TestDb, databases, postgres_url, sqlite};
