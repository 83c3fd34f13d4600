//! HTTP plumbing that knows no domain: what every request gets, whichever service answers it.
//!
//! Invariants: no database, no tokens, no DICOM. A failure found here is answered in plain text, which every
//! protocol's client can stand.

pub mod cors;
pub mod layers;
pub mod openapi;
pub mod trace;

mod body;
mod context;

pub use context::{Peer, RequestContext};
