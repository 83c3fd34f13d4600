//! The benchmark: a seeded corpus of DICOM files, an efficient load generator, and the scenarios that run
//! side by side against Hilum and against Orthanc with its DICOMweb plugin.
//!
//! And the directory at the size of a large organisation, through the Graph-compatible API of Hilum alone.
//!
//! Invariants: speaks only DICOMweb (PS3.18) and Graph with bearer tokens over HTTP/1.1, and uses no server code, so
//! that both servers meet exactly the same client. Everything it sends follows from a seed.

mod chance;
mod directory;
mod growth;
mod limits;
mod load;
mod multipart;
mod report;
mod run;
mod scenario;
mod server;
mod stats;

pub mod corpus;

pub use directory::{DirectoryOptions, directory};
pub use growth::{GrowthOptions, growth};
pub use run::{RunOptions, ServerKind, run};
