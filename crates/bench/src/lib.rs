//! The benchmark: a seeded corpus of DICOM files, an efficient load generator, and the scenarios that run
//! side by side against Hilum and against Orthanc with its DICOMweb plugin.
//!
//! And the directory at the size of a large organisation, through the Graph-compatible API of Hilum alone; and
//! OAuth 2.0's grants, side by side with npm's `oidc-provider`.
//!
//! Invariants: speaks only DICOMweb (PS3.18), Graph and OAuth 2.0 over HTTP/1.1, and uses no server code, so
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
mod sign_in;
mod stats;

pub mod corpus;

pub use directory::{DirectoryOptions, directory};
pub use growth::{GrowthOptions, growth};
pub use run::{RunOptions, ServerKind, run};
pub use sign_in::{SignInOptions, sign_in};
