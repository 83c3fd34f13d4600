//! The only room that knows databases, disks and buckets.
//!
//! [`db`] holds the database behind two transaction types and a closed set of values; [`blobs`] the files
//! behind [`blobs::BlobKey`]; [`jobs`] the durable queue. Invariant: no other crate names `sqlx` or `object_store`.

pub mod blobs;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod db;
pub mod jobs;
