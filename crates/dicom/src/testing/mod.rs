//! What tests through the router need: an archive of its own on each database, tokens, files, bodies.

mod archive;
mod body;
mod file;
mod request;
mod tokens;

pub(crate) use archive::{TestArchive, settings};
pub(crate) use body::{Body, Part, chunked, parts_of};
pub(crate) use file::{BIG_ENDIAN, DEFLATED, EXPLICIT, File, IMPLICIT, JPEG, JPEG_2000, encapsulated};
pub(crate) use request::{Answer, Request};
pub(crate) use tokens::{NOW, OWNER, READER, WRITER, bound_token, proof, token, token_for};
