//! A buffered source of bytes that knows its position and skips without reading where it can.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::read::ReadError;

/// Enough for the header of an ordinary image in one read.
const BUFFER_BYTES: usize = 16 * 1024;
/// After a long skip only an element's header is sure to be wanted.
const BUFFER_BYTES_AFTER_SKIP: usize = 2 * 1024;
/// A value is taken in steps of this size, so that a lying length costs no memory.
const STEP_BYTES: usize = 256 * 1024;

/// Where bytes come from.
pub(super) trait Input {
    /// Reads some bytes; 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;
    /// Moves forward without delivering the bytes.
    fn advance(&mut self, bytes: u64) -> Result<(), ReadError>;
    /// The position of the end, where it is known beforehand.
    fn end(&self) -> Option<u64>;
}

/// A file, or bytes in memory.
pub(super) struct Seekable<R> {
    inner: R,
    position: u64,
    len: u64,
}

impl<R: Read + Seek> Seekable<R> {
    pub(super) fn new(mut inner: R) -> io::Result<Self> {
        let len = inner.seek(SeekFrom::End(0))?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Self { inner, position: 0, len })
    }
}

impl<R: Read + Seek> Input for Seekable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let n = read_some(&mut self.inner, buffer).map_err(ReadError::Source)?;
        self.position = self.position.saturating_add(widen(n));
        Ok(n)
    }

    fn advance(&mut self, bytes: u64) -> Result<(), ReadError> {
        let target = self.position.checked_add(bytes).filter(|&to| to <= self.len);
        let Some(target) = target else {
            return Err(ReadError::Truncated { offset: self.len });
        };
        self.inner.seek(SeekFrom::Start(target)).map_err(ReadError::Source)?;
        self.position = target;
        Ok(())
    }

    fn end(&self) -> Option<u64> {
        Some(self.len)
    }
}

/// The inflated stream of a deflated dataset (PS3.5 §A.5).
pub(super) struct Inflating<R> {
    decoder: DeflateDecoder<R>,
    produced: u64,
    produced_max: u64,
}

impl<R: Read> Inflating<R> {
    pub(super) fn new(deflated: R, produced_max: u64) -> Self {
        Self { decoder: DeflateDecoder::new(deflated), produced: 0, produced_max }
    }
}

impl<R: Read> Input for Inflating<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let n = read_some(&mut self.decoder, buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                ReadError::CorruptDeflate
            }
            _ => ReadError::Source(error),
        })?;
        self.produced = self.produced.saturating_add(widen(n));
        if self.produced > self.produced_max {
            return Err(ReadError::TooLarge { limit: self.produced_max });
        }
        Ok(n)
    }

    fn advance(&mut self, mut bytes: u64) -> Result<(), ReadError> {
        let mut scratch = vec![0; BUFFER_BYTES];
        while bytes > 0 {
            let step = usize::try_from(bytes).unwrap_or(usize::MAX).min(scratch.len());
            let n = self.read(scratch.get_mut(..step).unwrap_or_default())?;
            if n == 0 {
                return Err(ReadError::Truncated { offset: self.produced });
            }
            bytes = bytes.saturating_sub(widen(n));
        }
        Ok(())
    }

    fn end(&self) -> Option<u64> {
        None
    }
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A length as a position; exact wherever `usize` has at most 64 bits.
pub(super) fn widen(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The buffer over an input.
pub(super) struct Source<I> {
    input: I,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
    refill: usize,
}

impl<I: Input> Source<I> {
    pub(super) fn new(input: I) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { input, buffer, start: 0, end: 0, position: 0, refill: BUFFER_BYTES }
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The offset of the end, where it is known.
    pub(super) fn end(&self) -> Option<u64> {
        self.input.end()
    }

    /// Whether no byte is left.
    pub(super) fn at_end(&mut self) -> Result<bool, ReadError> {
        if self.start < self.end {
            return Ok(false);
        }
        self.fill(1)?;
        Ok(self.start == self.end)
    }

    /// Takes the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let bytes = self.peek::<N>()?;
        self.consume(N);
        Ok(bytes)
    }

    /// Looks at the next `N` bytes.
    pub(super) fn peek<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        if self.end - self.start < N {
            self.fill(N)?;
        }
        let held = self.buffer.get(self.start..self.end).unwrap_or_default();
        held.first_chunk::<N>().copied().ok_or_else(|| self.truncated())
    }

    /// Appends the next `len` bytes to `out`.
    pub(super) fn read_into(&mut self, out: &mut Vec<u8>, len: usize) -> Result<(), ReadError> {
        let held = self.buffer.get(self.start..self.end).unwrap_or_default();
        let at_hand = held.len().min(len);
        out.extend_from_slice(held.get(..at_hand).unwrap_or_default());
        self.consume(at_hand);
        let mut missing = len - at_hand;
        while missing > 0 {
            if missing < BUFFER_BYTES {
                self.refill = BUFFER_BYTES;
                self.fill(missing)?;
                let held = self.buffer.get(self.start..self.end).unwrap_or_default();
                let bytes = held.get(..missing).ok_or_else(|| self.truncated())?;
                out.extend_from_slice(bytes);
                self.consume(missing);
                return Ok(());
            }
            missing -= self.step_into(out, missing.min(STEP_BYTES))?;
        }
        Ok(())
    }

    /// Reads past the buffer, which is empty, straight into `out`.
    fn step_into(&mut self, out: &mut Vec<u8>, step: usize) -> Result<usize, ReadError> {
        let before = out.len();
        out.resize(before.saturating_add(step), 0);
        let n = self.input.read(out.get_mut(before..).unwrap_or_default())?;
        out.truncate(before + n);
        if n == 0 {
            return Err(self.truncated());
        }
        self.position = self.position.saturating_add(widen(n));
        Ok(n)
    }

    /// Moves past the next `len` bytes, which must exist.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), ReadError> {
        let held = widen(self.end - self.start);
        if len <= held {
            self.consume(usize::try_from(len).unwrap_or(0));
            return Ok(());
        }
        self.consume(self.end - self.start);
        self.input.advance(len - held)?;
        self.position = self.position.saturating_add(len - held);
        self.refill = BUFFER_BYTES_AFTER_SKIP;
        Ok(())
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        self.position = self.position.saturating_add(widen(n));
    }

    /// Reads until `wanted` bytes are held or the input ends.
    fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.refill.max(wanted).min(self.buffer.len());
        self.refill = BUFFER_BYTES;
        while self.end < wanted {
            let n = self.input.read(self.buffer.get_mut(self.end..room).unwrap_or_default())?;
            if n == 0 {
                break;
            }
            self.end += n;
        }
        Ok(())
    }

    fn truncated(&self) -> ReadError {
        let held = widen(self.end - self.start);
        ReadError::Truncated { offset: self.position.saturating_add(held) }
    }
}
