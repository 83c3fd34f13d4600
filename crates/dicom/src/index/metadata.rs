//! How an instance's metadata is kept: its DICOM JSON (PS3.18 Annex F, without bulk values), compressed.
//!
//! One instance's JSON is small and alike from instance to instance, so it is compressed against a fixed text of
//! common members: about a tenth of the size remains. The first byte names that text; texts never change, new ones get
//! new numbers.

use std::{cell::RefCell, sync::LazyLock};

use thiserror::Error;
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

/// Fast, and hardly larger than slower levels make it.
const LEVEL: i32 = 1;
/// The largest metadata of one instance that is kept. The reader's own limits keep real ones far below.
const JSON_BYTES_MAX: usize = 256 * 1024 * 1024;

const FORMAT: u8 = 1;
const TEXT: &[u8] = include_bytes!("metadata_dictionary_1.txt");

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(TEXT, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(TEXT));

thread_local! {
    // Contexts are some hundred kilobytes and costly to make: one of each kind per thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Stored metadata that cannot be read: the database was damaged or written by a newer program.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// The first byte names no text this program knows.
    #[error("stored metadata has the unknown format {0}")]
    Format(u8),
    /// Nothing there.
    #[error("stored metadata is empty")]
    Empty,
    /// The compressed bytes are damaged.
    #[error("stored metadata cannot be decompressed")]
    Damaged(#[source] std::io::Error),
}

/// Compresses one instance's DICOM JSON object.
pub fn compress(json: &[u8]) -> Result<Vec<u8>, MetadataError> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => {
                slot.insert(Compressor::with_prepared_dictionary(&ENCODER).map_err(MetadataError::Damaged)?)
            }
        };
        let mut stored = Vec::with_capacity(1 + zstd::zstd_safe::compress_bound(json.len()));
        stored.push(FORMAT);
        let body = compressor.compress(json).map_err(MetadataError::Damaged)?;
        stored.extend_from_slice(&body);
        stored.shrink_to_fit();
        Ok(stored)
    })
}

/// The DICOM JSON object again.
pub fn decompress(stored: &[u8]) -> Result<Vec<u8>, MetadataError> {
    let mut json = Vec::new();
    decompress_into(stored, &mut json)?;
    Ok(json)
}

/// Appends the DICOM JSON object to `json`.
pub(crate) fn decompress_into(stored: &[u8], json: &mut Vec<u8>) -> Result<(), MetadataError> {
    let body = match stored.split_first() {
        Some((&FORMAT, body)) => body,
        Some((&other, _)) => return Err(MetadataError::Format(other)),
        None => return Err(MetadataError::Empty),
    };
    let size = zstd::zstd_safe::get_frame_content_size(body).ok().flatten().unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(JSON_BYTES_MAX);
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => {
                slot.insert(Decompressor::with_prepared_dictionary(&DECODER).map_err(MetadataError::Damaged)?)
            }
        };
        let object = decompressor.decompress(body, size).map_err(MetadataError::Damaged)?;
        json.extend_from_slice(&object);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_is_small() {
        let json =
            br#"{"00080005":{"vr":"CS","Value":["ISO_IR 100"]},"00080060":{"vr":"CS","Value":["CT"]}}"#;
        let stored = compress(json).unwrap();
        assert!(stored.len() < json.len() / 2, "{} of {}", stored.len(), json.len());
        assert_eq!(decompress(&stored).unwrap(), json);
    }

    #[test]
    fn damage_is_an_error() {
        let mut stored = compress(b"{}").unwrap();
        assert!(matches!(decompress(&[]), Err(MetadataError::Empty)));
        stored.truncate(3);
        assert!(matches!(decompress(&stored), Err(MetadataError::Damaged(_))));
        assert!(matches!(decompress(&[9, 0]), Err(MetadataError::Format(9))));
    }
}
