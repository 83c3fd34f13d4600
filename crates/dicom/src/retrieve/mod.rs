//! Retrieve instances, frames and metadata (PS3.18 §10.4, Azure: WADO-RS).
//!
//! Operations here say what an answer holds and where its bytes come from; [`http`] puts them on the wire.

pub(crate) mod http;

mod body;
mod frames;
mod instances;
mod metadata;
mod metadata_cache;

#[cfg(test)]
mod tests;

pub(crate) use metadata_cache::MetadataCache;

use crate::{error::Missing, index::lookup::Target};

/// The largest file that is transcoded (Azure: 100 MB). Beyond: 406.
const TRANSCODE_BYTES_MAX: u64 = 100 * 1024 * 1024;

const TOO_LARGE_TO_TRANSCODE: &str = "The file is too large to be transcoded. It can be retrieved with its original \
    transfer syntax by specifying 'transfer-syntax=*' in the Accept header.";
const NOT_SUPPORTED: &str = "The specified transcoding is not supported.";

/// What to say when nothing matches: the thing the path names last.
fn missing(target: &Target) -> Missing {
    match target {
        Target::Study(_) => Missing::Study,
        Target::Series(..) => Missing::Series,
        Target::Instance(..) => Missing::Instance,
    }
}
