//! `GET /operations/{id}`: 202 while it runs, 200 when it is over.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hilum_access::Read;
use hilum_audit::{Action, Outcome};

use super::{find, href};
use crate::{
    archive::{Archive, event},
    error::{DicomError, Missing},
    request::{Authorized, JSON},
};

pub(crate) async fn operation(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    Path(id): Path<String>,
) -> Result<Response, DicomError> {
    // With dashes or without; what is no GUID is nothing that there is.
    let missing = || DicomError::NotFound(Missing::Operation);
    let id = id.parse().map_err(|_| missing())?;
    let operation = find(&archive.0.db, id).await?.ok_or_else(missing)?;
    let caller = request.permit.caller();
    let mut event = event(Action::OperationRead, Outcome::Success, caller, &request.context);
    event.target = Some(id.to_string());
    archive.audit(event).await?;
    let base = format!("{}/{}", archive.0.settings.base_url, request.version.segment());
    let body = operation.json(&base, request.version).to_string();
    if operation.is_over() {
        return Ok(([(header::CONTENT_TYPE, JSON)], body).into_response());
    }
    let location = HeaderValue::try_from(href(&base, id))
        .map_err(|_| DicomError::Bug("a base URL that is no header"))?;
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::LOCATION, location),
        (header::RETRY_AFTER, HeaderValue::from_static("1")),
    ];
    Ok((StatusCode::ACCEPTED, headers, body).into_response())
}
