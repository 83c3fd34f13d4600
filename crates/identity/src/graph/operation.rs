//! One row of the table that drives routing, authorization, `$batch`, the OpenAPI document and the authorization matrix.

use futures::future::BoxFuture;
use http::Method;

use super::{access::Access, answer::Answer, call::Call, error::GraphError};

/// What an operation does with its call.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Result<Answer, GraphError>>;

/// An operation of the API.
pub(crate) struct Operation {
    /// The method.
    pub(crate) method: Method,
    /// Template over Graph's names: `/applications/{application}/addPassword`.
    pub(crate) path: &'static str,
    /// One sentence for the description.
    pub(crate) summary: &'static str,
    /// Who may.
    pub(crate) access: Access,
    /// What it does.
    pub(crate) handler: Handler,
}

impl Operation {
    /// The navigation properties that its body may bind (`owners@odata.bind`). What is bound to anything else is refused:
    /// a caller that believes it named owners must not find out later that it did not.
    pub(super) fn bindable(&self) -> &'static [&'static str] {
        match (&self.method, self.path) {
            (&Method::POST, "/applications" | "/servicePrincipals") => &["owners"],
            (&Method::POST, "/groups") => &["members", "owners"],
            (&Method::PATCH, "/groups/{group}") => &["members"],
            _ => &[],
        }
    }
}

/// A row, in one line where it fits.
macro_rules! row {
    ($method:ident, $path:literal, $access:expr, $summary:literal, $handler:expr) => {
        $crate::graph::Operation {
            method: http::Method::$method,
            path: $path,
            summary: $summary,
            access: $access,
            handler: $handler,
        }
    };
}
pub(super) use row;
