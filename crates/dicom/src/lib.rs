//! The DICOM service: DICOMweb as the Azure Health Data Services DICOM service speaks it (PS3.18).
//!
//! [`Archive`] is the handle; [`Archive::router`] its HTTP routes. Datasets ([`dataset`]), media types and multipart
//! bodies are read and written here as streams. Nouns own tables (`index`, `change_feed`, `extended_query_tags`),
//! verbs own stories (`store`, `retrieve`, `search`, `delete`).
//!
//! Invariants: nothing read from outside is trusted, every length and count has a limit, and no bulk
//! value (pixel data) is held in memory by the reader. Nothing here knows who issues tokens.

pub mod dataset;
pub mod index;
pub mod media_type;
pub mod multipart;
pub mod search;
pub mod transcode;

mod archive;
mod change_feed;
mod delete;
mod error;
mod extended_query_tags;
mod openapi;
mod operations;
mod query_string;
mod request;
mod retrieve;
mod router;
mod store;

#[cfg(test)]
mod router_tests;
#[cfg(test)]
mod testing;

pub use archive::{Archive, ArchiveParts, ArchiveSettings};
pub use error::{DicomError, Missing};
pub use openapi::openapi;
pub use request::ApiVersion;

/// This crate's tables.
pub const MIGRATIONS: hilum_storage::db::Migrations = hilum_storage::db::Migrations {
    owner: "dicom",
    steps: &[
        index::schema::INDEX,
        index::schema::NAME_SUFFIXES,
        extended_query_tags::schema::EXTENDED_QUERY_TAGS,
    ],
};
