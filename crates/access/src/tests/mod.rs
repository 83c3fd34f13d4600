//! Tokens from outside: what gets in, what does not, and what is asked of an issuer meanwhile.

pub(crate) mod fixtures;
mod remote_keys;
mod tokens;
