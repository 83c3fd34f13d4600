//! multipart/related bodies (RFC 2046 §5.1, RFC 2387), read and written as streams.

pub mod read;
pub mod write;

#[cfg(test)]
mod tests;
