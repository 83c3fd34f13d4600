//! The API as a resource server: it takes access tokens of this installation, v1.0 and v2.0, whose audience is one of
//! Microsoft Graph's names (sheet §5.6), and no others.
//!
//! Tokens are checked by `hilum-access`, as every service checks them; that is why this crate knows that one. What it
//! does with the caller afterwards is its own: data actions mean nothing here, Graph's permissions do.

use std::sync::{Arc, Weak};

use futures::{FutureExt as _, future::BoxFuture};
use hilum_access::{
    Authority, ClaimNames, KeyHint, KeySource, KeysUnavailable, ProofError, ProvenRequest, Rights,
    RightsFrom, TokenError, Validator, ValidatorOptions,
};
use hilum_jose::VerifyingKey;
use http::{HeaderMap, Method};

use super::{caller::Caller, error::GraphError};
use crate::{Holder, Identity, Inner, applications, seed};

impl Identity {
    /// Whom the request's token stands for.
    pub(super) async fn graph_caller(
        &self,
        headers: &HeaderMap,
        (method, path): (&Method, &str),
    ) -> Result<Caller, GraphError> {
        let request = ProvenRequest { method, origin: &self.0.origin, path };
        let validator = self.0.graph_validator.get_or_try_init(|| self.new_validator()).await?;
        let token = validator.authenticate(headers, request).await.map_err(refusal)?;
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        Caller::of_token(&mut tx, tenant, &token).await
    }

    async fn new_validator(&self) -> Result<Validator, GraphError> {
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.snapshot().await?;
        let application = applications::by_app_id(&mut tx, tenant.id, seed::GRAPH_APP_ID).await?;
        let mut audiences = vec![seed::GRAPH_APP_ID.to_string()];
        audiences.extend(application.into_iter().flat_map(|known| known.properties.identifier_uris));
        let authority = Authority {
            issuers: vec![self.v1_issuer(tenant), self.v2_issuer(tenant)],
            audiences,
            tenant: Some(tenant.id.to_string()),
            keys: Arc::new(OwnKeys(Arc::downgrade(&self.0))),
            claims: ClaimNames::default(),
            rights: Arc::new(Rights::default()),
            rights_from: RightsFrom::ScopesAndRoles,
        };
        Ok(Validator::new(
            [authority],
            self.proof_options(),
            Arc::clone(&self.0.clock),
            ValidatorOptions::default(),
        ))
    }
}

/// Our own keys, without a detour over HTTP. Weak, because the platform owns the validator.
struct OwnKeys(Weak<Inner>);

impl KeySource for OwnKeys {
    fn find<'a>(
        &'a self,
        hint: KeyHint<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<VerifyingKey>>, KeysUnavailable>> {
        async move {
            let identity = Identity(self.0.upgrade().ok_or(KeysUnavailable)?, Holder::Operator, None);
            let keys = identity.public_keys().await.map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the signing keys cannot be read");
                KeysUnavailable
            })?;
            let keys: Vec<Arc<VerifyingKey>> = keys.into_iter().map(Arc::new).collect();
            Ok(hint.select(&keys))
        }
        .boxed()
    }
}

/// Graph's sentences for tokens that cannot be used.
fn refusal(error: TokenError) -> GraphError {
    let text = match error {
        TokenError::Missing => "Access token is empty.",
        TokenError::Repeated => "More than one access token was sent.",
        TokenError::Malformed | TokenError::TooLong => "IDX14100: JWT is not well formed.",
        TokenError::Expired => "Lifetime validation failed, the token is expired.",
        TokenError::NotYetValid => "Lifetime validation failed, the token is not yet valid.",
        TokenError::Audience => "Access token validation failure. Invalid audience.",
        TokenError::Issuer | TokenError::Tenant => "Access token validation failure. Invalid issuer.",
        TokenError::Bound => {
            "Access token validation failure. The token needs the DPoP scheme and a proof of its key."
        }
        TokenError::NotBound => "Access token validation failure. The token is not bound to a key.",
        TokenError::Proof(ProofError::TooMany) | TokenError::KeysUnavailable => {
            return GraphError::unavailable();
        }
        TokenError::Proof(_) => "Access token validation failure. Invalid proof of possession.",
        _ => "Access token validation failure. Invalid signature or claims.",
    };
    GraphError { token: Some(error), ..GraphError::token(text) }
}
