//! `[access]`: how tokens are presented, at every service of the server.

use serde::{Deserialize, Serialize};

/// What is wanted besides the token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Whether proofs of possession (RFC 9449) must carry a nonce of the server; otherwise their time will do.
    pub dpop_nonce_required: bool,
}
