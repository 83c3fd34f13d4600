//! Where a part's bytes wait until they are judged: in memory as long as there is room, else in a staging file.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;
use hilum_storage::blobs::{Blobs, Staged};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::DicomError;

/// A part larger than this goes to disk.
const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The memory of all parts that are being received or judged is counted in units of this size.
const UNIT_BYTES: usize = 64 * 1024;
/// All of them together: 64 MiB. Beyond, parts go to disk however small they are.
pub(crate) const UNITS: usize = 1024;
/// What a piece costs besides its bytes: a body sent byte by byte must not fill the memory with bookkeeping.
const PIECE_BYTES: usize = 256;

/// The preamble (PS3.10 §7.1) may hold anything, even a program: it is stored as zeros.
pub(super) const PREAMBLE: Bytes = Bytes::from_static(&[0; 128]);

/// A part that has arrived.
pub(crate) enum Received {
    /// In memory, in the pieces in which it came.
    Memory(Pieces),
    /// On disk.
    Staged(Box<Staged>),
}

/// Bytes in pieces, with the permits for the memory they use.
pub(crate) struct Pieces {
    list: Vec<Bytes>,
    pub(super) bytes: usize,
    permits: Vec<OwnedSemaphorePermit>,
}

/// Takes a part's bytes as they come.
pub(crate) struct Receiver<'a> {
    blobs: &'a Blobs,
    memory: &'a Arc<Semaphore>,
    held: Pieces,
    staged: Option<Box<Staged>>,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(blobs: &'a Blobs, memory: &'a Arc<Semaphore>) -> Self {
        Self { blobs, memory, held: Pieces { list: Vec::new(), bytes: 0, permits: Vec::new() }, staged: None }
    }

    /// Takes the next bytes.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), DicomError> {
        if let Some(staged) = &mut self.staged {
            return Ok(staged.write(piece).await?);
        }
        self.held.bytes += piece.len();
        self.held.list.push(piece);
        if self.held.bytes > MEMORY_BYTES_MAX || !self.reserve() {
            let mut staged = Box::new(self.blobs.stage().await?);
            for piece in self.held.list.drain(..) {
                staged.write(piece).await?;
            }
            self.held.permits.clear();
            self.staged = Some(staged);
        }
        Ok(())
    }

    /// Reserves memory for what is held; tells whether there was room.
    fn reserve(&mut self) -> bool {
        let used = self.held.bytes + self.held.list.len() * PIECE_BYTES;
        while self.held.permits.len() * UNIT_BYTES < used {
            match Arc::clone(self.memory).try_acquire_owned() {
                Ok(permit) => self.held.permits.push(permit),
                Err(_) => return false,
            }
        }
        true
    }

    /// The part is complete.
    pub(crate) fn finish(self) -> Received {
        match self.staged {
            Some(staged) => Received::Staged(staged),
            None => Received::Memory(self.held),
        }
    }
}

/// Reads pieces as if they were one file.
pub(super) struct PiecesReader<'a> {
    pieces: &'a [Bytes],
    /// Where the present piece starts.
    piece_start: u64,
    index: usize,
    position: u64,
    length: u64,
}

impl<'a> PiecesReader<'a> {
    pub(super) fn new(pieces: &'a Pieces) -> Self {
        let length = u64::try_from(pieces.bytes).unwrap_or(u64::MAX);
        Self { pieces: &pieces.list, piece_start: 0, index: 0, position: 0, length }
    }

    /// The bytes from the present position to the end of its piece.
    fn present(&mut self) -> &'a [u8] {
        if self.position < self.piece_start {
            self.index = 0;
            self.piece_start = 0;
        }
        while let Some(piece) = self.pieces.get(self.index) {
            let end = self.piece_start + u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if self.position < end {
                let skip = usize::try_from(self.position - self.piece_start).unwrap_or(usize::MAX);
                return piece.get(skip..).unwrap_or_default();
            }
            self.piece_start = end;
            self.index += 1;
        }
        &[]
    }
}

impl Read for PiecesReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let present = self.present();
        let count = present.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), present.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

impl Seek for PiecesReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl Pieces {
    /// Replaces the preamble; what follows is shared, not copied.
    pub(super) fn with_zeroed_preamble(&self) -> Vec<Bytes> {
        let mut left = PREAMBLE.len();
        let mut pieces = vec![PREAMBLE];
        for piece in &self.list {
            let skip = left.min(piece.len());
            left -= skip;
            if skip < piece.len() {
                pieces.push(piece.slice(skip..));
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(all: &[&'static [u8]]) -> Pieces {
        let list: Vec<Bytes> = all.iter().map(|piece| Bytes::from_static(piece)).collect();
        Pieces { bytes: list.iter().map(Bytes::len).sum(), list, permits: Vec::new() }
    }

    #[test]
    fn pieces_read_like_one_file_also_backwards() {
        let pieces = pieces(&[b"ab", b"", b"cde", b"f"]);
        let mut reader = PiecesReader::new(&pieces);
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcdef");
        reader.seek(SeekFrom::Start(1)).unwrap();
        let mut two = [0; 2];
        reader.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"bc");
        assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), 5);
        assert!(reader.seek(SeekFrom::End(-7)).is_err());
        reader.seek(SeekFrom::Start(99)).unwrap();
        assert_eq!(reader.read(&mut two).unwrap(), 0);
    }

    #[test]
    fn the_preamble_is_replaced_and_nothing_else() {
        let mut file = vec![7_u8; 128];
        file.extend_from_slice(b"DICM");
        let (head, tail) = file.split_at(50);
        let pieces = Pieces {
            list: vec![Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail)],
            bytes: 132,
            permits: Vec::new(),
        };
        let zeroed = pieces.with_zeroed_preamble().concat();
        assert_eq!(zeroed.len(), 132);
        assert!(zeroed[..128].iter().all(|&b| b == 0));
        assert_eq!(&zeroed[128..], b"DICM");
    }
}
