//! Entries as JSON: camelCase names, words of `action` and `state` with capitals, absent members left out.

use std::io::Write as _;

use super::{
    Action,
    parameters::shown_time,
    read::{Listed, State},
};
use crate::index::metadata::{self, MetadataError};

/// Bytes of an entry without its metadata, and of metadata, to size the answer.
const ENTRY_BYTES: usize = 512;
const METADATA_BYTES: usize = 4 * 1024;

/// Writes a page as an array.
pub(super) fn page(entries: &[Listed]) -> Result<Vec<u8>, MetadataError> {
    let with_metadata = entries.iter().filter(|entry| entry.metadata.is_some()).count();
    let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES + with_metadata * METADATA_BYTES + 2);
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&mut out, entry)?;
    }
    out.push(b']');
    Ok(out)
}

/// Writes one entry as an object. Metadata are taken over as they are kept, without parsing them.
pub(super) fn write(out: &mut Vec<u8>, entry: &Listed) -> Result<(), MetadataError> {
    let action = match entry.action {
        Action::Create => "Create",
        Action::Update => "Update",
        Action::Delete => "Delete",
    };
    let state = match entry.state {
        State::Current => "Current",
        State::Replaced => "Replaced",
        State::Deleted => "Deleted",
    };
    // Writing to a Vec cannot fail. None of these texts needs escaping: UIDs, a partition's name, our own words.
    let _ = write!(
        out,
        "{{\"sequence\":{},\"partitionName\":\"{}\",\"studyInstanceUid\":\"{}\",\"seriesInstanceUid\":\"{}\",\
         \"sopInstanceUid\":\"{}\",\"action\":\"{action}\",\"timestamp\":\"{}\",\"state\":\"{state}\"",
        entry.sequence,
        plain(&entry.partition),
        plain(&entry.study),
        plain(&entry.series),
        plain(&entry.instance),
        shown_time(entry.at_ticks),
    );
    if let Some(stored) = &entry.metadata {
        out.extend_from_slice(b",\"metadata\":");
        metadata::decompress_into(stored, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Whatever a damaged row holds, the JSON stays JSON.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}
