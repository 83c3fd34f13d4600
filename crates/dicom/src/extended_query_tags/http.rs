//! `/extendedquerytags` and what is below it.

use axum::{
    body::{Body, to_bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hilum_access::{Manage, Read};
use hilum_audit::{Action, Outcome};
use serde_json::Value as Json;

use super::{TagError, add, change, entry, json, list};
use crate::{
    archive::{Archive, event},
    error::DicomError,
    media_type::MediaType,
    query_string::Parameters,
    request::{ApiVersion, Authorized, JSON},
};

/// The largest body: 128 tags with the longest creators are a fraction of it. Beyond: 413.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// `POST /extendedquerytags`: 202 and a reference to the operation.
pub(crate) async fn add_tags(
    State(archive): State<Archive>,
    request: Authorized<Manage>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, DicomError> {
    let tags = entry::new_tags(&read(&headers, body).await?)?;
    let base = base(&archive, request.version);
    match add::add(&archive, &request.permit, &request.context, tags).await {
        Ok(operation) => {
            let location = location(&crate::operations::href(&base, operation))?;
            let reference = json::reference(&base, operation).to_string();
            let headers = [(header::LOCATION, location), (header::CONTENT_TYPE, JSON)];
            Ok((StatusCode::ACCEPTED, headers, reference).into_response())
        }
        Err(TagError::Reindexing { operation }) => {
            let location = location(&crate::operations::href(&base, operation))?;
            let mut response = DicomError::from(TagError::Reindexing { operation }).into_response();
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /extendedquerytags`
pub(crate) async fn list_tags(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, DicomError> {
    let (limit, offset) = page(query.as_deref())?;
    let base = base(&archive, request.version);
    let tags = list::page(&archive.0.db, limit, offset).await?;
    record(&archive, &request, "").await?;
    Ok(answer(&tags.iter().map(|tag| json::tag(&base, tag)).collect()))
}

/// `GET /extendedquerytags/{tag}`
pub(crate) async fn get_tag(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    Path(path): Path<String>,
) -> Result<Response, DicomError> {
    let tag = list::one(&archive.0.db, entry::tag_of(&path)?).await?;
    record(&archive, &request, &tag.path()).await?;
    Ok(answer(&json::tag(&base(&archive, request.version), &tag)))
}

/// `GET /extendedquerytags/{tag}/errors`
pub(crate) async fn get_errors(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, DicomError> {
    let (limit, offset) = page(query.as_deref())?;
    let tag = entry::tag_of(&path)?;
    let errors = list::errors(&archive.0.db, tag, limit, offset).await?;
    record(&archive, &request, &format!("{}/errors", super::path(tag))).await?;
    Ok(answer(&errors.iter().map(json::noted).collect()))
}

/// `PATCH /extendedquerytags/{tag}`: 200 and the tag.
pub(crate) async fn patch_tag(
    State(archive): State<Archive>,
    request: Authorized<Manage>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, DicomError> {
    let status = entry::query_status(&read(&headers, body).await?)?;
    let wanted = (entry::tag_of(&path)?, status);
    let tag = change::set_query_status(&archive, &request.permit, &request.context, wanted).await?;
    Ok(answer(&json::tag(&base(&archive, request.version), &tag)))
}

/// `DELETE /extendedquerytags/{tag}`: 204.
pub(crate) async fn delete_tag(
    State(archive): State<Archive>,
    request: Authorized<Manage>,
    Path(path): Path<String>,
) -> Result<StatusCode, DicomError> {
    change::remove(&archive, &request.permit, &request.context, entry::tag_of(&path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn base(archive: &Archive, version: ApiVersion) -> String {
    format!("{}/{}", archive.0.settings.base_url, version.segment())
}

fn page(query: Option<&str>) -> Result<(i64, i64), DicomError> {
    let parameters = Parameters::parse(query)?;
    let limit = parameters.integer("Limit", &(1..=200))?.unwrap_or(100);
    let offset = parameters.integer("Offset", &(0..=i64::MAX))?.unwrap_or(0);
    Ok((limit, offset))
}

fn answer(json: &Json) -> Response {
    ([(header::CONTENT_TYPE, JSON)], json.to_string()).into_response()
}

fn location(href: &str) -> Result<HeaderValue, DicomError> {
    HeaderValue::try_from(href).map_err(|_| DicomError::Bug("a base URL that is no header"))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, DicomError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type
        .and_then(|text| MediaType::parse(text).ok())
        .is_some_and(|media_type| matches!(media_type.essence(), "application/json" | "text/json"));
    if !is_json {
        return Err(DicomError::UnsupportedMediaType("The body must be application/json.".to_owned()));
    }
    let body = to_bytes(body, BODY_BYTES_MAX).await;
    let body = body.map_err(|_| DicomError::TooLarge { limit: BODY_BYTES_MAX as u64 })?;
    Ok(body.to_vec())
}

/// Errors name studies: each look leaves an event.
async fn record(archive: &Archive, request: &Authorized<Read>, path: &str) -> Result<(), DicomError> {
    let caller = request.permit.caller();
    let mut event = event(Action::ExtendedQueryTagsRead, Outcome::Success, caller, &request.context);
    event.target = (!path.is_empty()).then(|| path.to_owned());
    Ok(archive.audit(event).await?)
}
