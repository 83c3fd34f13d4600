//! What a data service needs of a token, whoever issued it: RFC 6750 on the wire, RFC 7519 and RFC 9068 inside,
//! Entra's v1.0 and v2.0 claims, and the data actions they give.
//!
//! Invariants: knows standards only, not Hilum's identity; no database, no web framework. A [`Permit`] can be had
//! from [`authorize`] alone, so an operation that takes one cannot be reached without a checked right. Nothing
//! out of a token ever reaches an answer. A token that is bound to a key (RFC 9449) lets nobody in without a proof of it.

mod actions;
mod authorities;
mod bearer;
mod caller;
mod dpop;
mod error;
mod issuer_client;
mod permit;
mod remote_keys;
mod validate;

#[cfg(test)]
mod tests;

pub use actions::{Actions, DataAction, InvalidRole, LiveRoles, Rights, RightsFrom, RoleDefinition};
pub use authorities::{Authority, ClaimNames, InProcessKeys, KeyHint, KeySource, KeysUnavailable};
pub use bearer::{Scheme, presented_token};
pub use caller::{Caller, CallerKind, key_of_token};
pub use dpop::{
    NONCE_HEADER, PROOF_ALGORITHMS, PROOF_HEADER, ProofError, ProofOptions, Proofs, ProvenRequest,
};
pub use error::{AccessError, Challenge, Forbidden, Refusal, TokenError};
pub use issuer_client::{BasicCredentials, IssuerClient, IssuerError, PlainHttp};
pub use permit::{Action, Delete, Export, Manage, Permit, Read, Write, authorize};
pub use remote_keys::{KeysAt, RemoteKeys, RemoteKeysError, RemoteKeysOptions};
pub use validate::{Validator, ValidatorOptions};
