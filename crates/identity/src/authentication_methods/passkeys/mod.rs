//! Passkeys (WebAuthn Level 3): the relying party's checks, over the house's one cryptographic library (docs/adr/0013).

mod cbor;
mod ceremony;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use ceremony::{ALGORITHMS, Answer, CeremonyError, Place};
