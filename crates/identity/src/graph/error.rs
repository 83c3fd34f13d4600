//! Every failure as Microsoft Graph tells it (sheet §3.3): status, code, sentence. The one table from the directory's
//! errors to the wire is [`GraphError::from`].

use hilum_access::TokenError;
use hilum_storage::db::DbError;
use http::StatusCode;
use serde_json::{Value, json};

use crate::IdentityError;

/// A refusal or failure.
#[derive(Debug)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// For people: which rule, and how to mend it. Never holds a secret or anything internal.
    pub(crate) message: String,
    /// The property that is in the way, for `details`.
    pub(crate) target: Option<&'static str>,
    /// When to try again.
    pub(crate) retry_after_s: Option<u64>,
    /// Methods that would be allowed.
    pub(crate) allow: Option<String>,
    /// What is wrong with the token, for the challenge (RFC 9449 §7.1).
    pub(crate) token: Option<TokenError>,
    /// What went wrong inside: for the log only.
    pub(crate) source: Option<Box<IdentityError>>,
}

/// What ties an error to its request.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// `2026-01-31T12:34:56`.
    pub(crate) date: String,
    pub(crate) request_id: String,
    pub(crate) client_request_id: String,
}

impl GraphError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            target: None,
            retry_after_s: None,
            allow: None,
            token: None,
            source: None,
        }
    }

    /// 400: the request as such is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 400: a property or value is wrong.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// 400: a query that cannot be answered.
    pub(crate) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// 400: more than an object may hold.
    pub(crate) fn size_exceeded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Directory_ResourceSizeExceeded", message)
    }

    /// 401: no token that can be used.
    pub(crate) fn token(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// 403.
    pub(crate) fn forbidden() -> Self {
        Self::forbidden_because("Insufficient privileges to complete the operation.")
    }

    /// 403, with the reason.
    pub(crate) fn forbidden_because(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    /// 404, also for what is not the caller's.
    pub(crate) fn not_found(name: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{name}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// 400: no operation is there.
    pub(crate) fn no_segment(segment: &str) -> Self {
        let segment: String = segment.chars().take(100).collect();
        Self::bad_request(format!("Resource not found for the segment '{segment}'."))
    }

    /// 405.
    pub(crate) fn method(allowed: String) -> Self {
        let message = "Specified HTTP method is not allowed for the request target.";
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message);
        Self { allow: Some(allowed), ..error }
    }

    /// 409: something else has what must be unique.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message)
    }

    /// 412: the object is no longer what the caller read.
    pub(crate) fn precondition() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "The object was changed since it was read. Read it again, and send its ETag in If-Match.",
        )
    }

    /// 413.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// 429.
    pub(crate) fn throttled(retry_after_s: u64) -> Self {
        let message = "Too many requests; try again after the time in Retry-After.";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        Self { retry_after_s: Some(retry_after_s), ..error }
    }

    /// 503.
    pub(crate) fn unavailable() -> Self {
        let message = "The service is temporarily unavailable; try again in a moment.";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        Self { retry_after_s: Some(2), ..error }
    }

    fn internal() -> Self {
        let message = "The server met an error of its own; its log tells more under this request's ID.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }

    /// The body.
    pub(crate) fn body(&self, envelope: &Envelope) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": envelope.date,
                "request-id": envelope.request_id,
                "client-request-id": envelope.client_request_id,
            }
        });
        if let (Some(target), Value::Object(members)) = (self.target, &mut error) {
            let detail = json!({ "code": "ObjectConflict", "message": self.message, "target": target });
            members.insert("details".to_owned(), json!([detail]));
        }
        json!({ "error": error })
    }
}

/// The table.
impl From<IdentityError> for GraphError {
    fn from(error: IdentityError) -> Self {
        use IdentityError as E;
        let row = match &error {
            E::NotFound { name, .. } => Self::not_found(name),
            E::Ambiguous { .. } => Self::request(format!("{error}; use its id.")),
            // Entra answers duplicates of most properties with 400 and says the rest in `details` (sheet §3.3).
            E::Conflict { property } => {
                let message =
                    format!("Another object with the same value for property {property} already exists.");
                let row = match *property {
                    "appId" | "servicePrincipal" | "oauth2PermissionGrant" => Self::conflict(message),
                    _ => Self::request(message),
                };
                Self { target: Some(property), ..row }
            }
            E::Invalid { property, reason } => {
                Self::request(format!("Invalid value specified for property '{property}': {reason}."))
            }
            E::UnsupportedQuery(message) => Self::unsupported_query(message.clone()),
            E::Denied(reason) => Self::forbidden_because(format!(
                "Insufficient privileges to complete the operation: {reason}."
            )),
            E::Referenced { property } => Self::request(format!(
                "One or more added object references already exist for the following modified properties: \
                 '{property}'."
            )),
            E::Changed => Self::precondition(),
            E::SizeExceeded(message) => Self::size_exceeded(message.clone()),
            E::Certificate(reason) => Self::request(format!("The certificate cannot be used: {reason}.")),
            E::Refused(message) => Self::request(message.clone()),
            E::KeyTooFresh => Self::request(error.to_string()),
            E::Db(db) if db.is_transient() => Self::unavailable(),
            E::NotInitialised | E::Interrupted => Self::unavailable(),
            E::Key(_) | E::WrongMasterKey | E::Seal(_) | E::Password | E::Db(_) => Self::internal(),
        };
        Self { source: row.status.is_server_error().then(|| Box::new(error)), ..row }
    }
}

impl From<DbError> for GraphError {
    fn from(error: DbError) -> Self {
        IdentityError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use hilum_jose::{CertificateError, KeyError, SealError};

    use super::*;

    #[test]
    fn the_whole_table() {
        use IdentityError as E;
        let rows: Vec<GraphError> = [
            E::not_found("application", "x"),
            E::Ambiguous { kind: "application", name: "x".to_owned() },
            E::Conflict { property: "userPrincipalName" },
            E::Conflict { property: "appId" },
            E::invalid("displayName", "must have 1 to 120 characters"),
            E::UnsupportedQuery("Sorting by property 'x' is not supported.".to_owned()),
            E::Denied("only a Global Administrator may".to_owned()),
            E::Referenced { property: "owners" },
            E::Changed,
            E::SizeExceeded("there may be at most 100 owners".to_owned()),
            E::Certificate(CertificateError::Malformed),
            E::Refused("AADSTS50001: x".to_owned()),
            E::KeyTooFresh,
            E::Db(DbError::Busy),
            E::NotInitialised,
            E::Interrupted,
            E::Key(KeyError::Sign),
            E::WrongMasterKey,
            E::Seal(SealError::Open),
            E::Password,
            E::Db(DbError::Corrupt { column: 1 }),
        ]
        .into_iter()
        .map(GraphError::from)
        .collect();
        let line = |row: &GraphError| {
            let logged = if row.source.is_some() { " (logged)" } else { "" };
            format!("{} {}{logged}\n    {}", row.status.as_u16(), row.code, row.message)
        };
        insta::assert_snapshot!("errors", rows.iter().map(line).collect::<Vec<_>>().join("\n"));
        for row in rows.iter().filter(|row| row.status.is_server_error()) {
            assert!(row.source.is_some(), "{}: what went wrong is for the log", row.code);
            assert!(!row.message.contains("column"), "{}", row.message);
        }
    }

    #[test]
    fn a_duplicate_names_the_property_in_its_details() {
        let envelope = Envelope {
            date: "2026-01-31T12:34:56".to_owned(),
            request_id: "r".to_owned(),
            client_request_id: "c".to_owned(),
        };
        let error = GraphError::from(IdentityError::Conflict { property: "identifierUris" });
        let message = "Another object with the same value for property identifierUris already exists.";
        assert_eq!(
            error.body(&envelope),
            json!({"error": {
                "code": "Request_BadRequest",
                "message": message,
                "details": [{"code": "ObjectConflict", "message": message, "target": "identifierUris"}],
                "innerError": {"date": "2026-01-31T12:34:56", "request-id": "r", "client-request-id": "c"}
            }})
        );
    }
}
