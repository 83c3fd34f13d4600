//! `POST /studies` and `POST /studies/{study}`: one instance or multipart/related, streamed.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use hilum_access::Write;

use super::{Receiver, Store, StoreRequest, StoreResponse, response::StoreStatus};
use crate::{
    archive::Archive,
    error::DicomError,
    media_type::{DICOM, DICOM_JSON, MULTIPART_RELATED, MediaType, admits_dicom_json},
    multipart::read::{Limits, Multipart, MultipartError},
    request::{Authorized, PathUids, accepts},
};

const MULTIPLE_VALUES: &str =
    "One or more indexed Dicom tag(s) have multiple values, only first value is indexed.";

/// How long a request may take. Well below the age at which the sweep takes a file that no row names yet for an orphan.
const TIME_MAX: Duration = Duration::from_hours(6);

pub(crate) async fn store(
    State(archive): State<Archive>,
    request: Authorized<Write>,
    uids: PathUids,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, DicomError> {
    if !admits_dicom_json(&accepts(&headers)) {
        return Err(DicomError::NotAcceptableEmpty);
    }
    let form = form(&headers)?;
    let limit = archive.0.settings.store_body_bytes_max;
    if declared_length(&headers).is_some_and(|length| length > limit) {
        return Err(DicomError::TooLarge { limit });
    }
    let _turn = archive.0.stores.try_acquire().map_err(|_| DicomError::Busy)?;
    let asked = StoreRequest { version: request.version, study: uids.study };
    let mut store = Store::new(&archive, &request.permit, &request.context, asked);
    let received = tokio::time::timeout(TIME_MAX, receive(&archive, &mut store, form, body)).await;
    match received.unwrap_or_else(|_| Err(too_slow())) {
        Ok(response) => Ok(answer(response, &headers, &archive.0.settings.base_url)),
        Err(error) => {
            store.abandon().await;
            Err(error)
        }
    }
}

async fn receive(
    archive: &Archive,
    store: &mut Store,
    form: Form,
    body: Body,
) -> Result<StoreResponse, DicomError> {
    let limit = archive.0.settings.store_body_bytes_max;
    let body = body.into_data_stream();
    match form {
        Form::Single => receive_single(archive, store, body, limit).await?,
        Form::Multipart { boundary } => receive_parts(archive, store, body, &boundary, limit).await?,
    }
    store.finish().await
}

enum Form {
    Single,
    Multipart { boundary: String },
}

fn unsupported(text: &str) -> DicomError {
    DicomError::UnsupportedMediaType(text.to_owned())
}

fn form(headers: &HeaderMap) -> Result<Form, DicomError> {
    let refused = || unsupported("The specified content type is not supported.");
    let value =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
    let media_type = MediaType::parse(value).map_err(|_| refused())?;
    match media_type.essence() {
        DICOM => Ok(Form::Single),
        MULTIPART_RELATED => {
            if media_type.parameter("type").is_some_and(|kind| !kind.eq_ignore_ascii_case(DICOM)) {
                return Err(refused());
            }
            if media_type.parameter("start").is_some() {
                return Err(DicomError::Invalid("The 'start' parameter is not supported.".to_owned()));
            }
            let boundary = media_type
                .parameter("boundary")
                .ok_or_else(|| unsupported("The multipart content type has no boundary."))?;
            Ok(Form::Multipart { boundary: boundary.to_owned() })
        }
        _ => Err(refused()),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_slow() -> DicomError {
    DicomError::Invalid("The request took too long.".to_owned())
}

fn cut_off() -> DicomError {
    DicomError::Invalid("The request body could not be read to its end.".to_owned())
}

async fn receive_single(
    archive: &Archive,
    store: &mut Store,
    mut body: BodyDataStream,
    limit: u64,
) -> Result<(), DicomError> {
    let mut receiver = Receiver::new(&archive.0.blobs, &archive.0.memory);
    let mut bytes = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| cut_off())?;
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if bytes > limit {
            return Err(DicomError::TooLarge { limit });
        }
        receiver.push(chunk).await?;
    }
    store.take(receiver.finish()).await
}

async fn receive_parts(
    archive: &Archive,
    store: &mut Store,
    body: BodyDataStream,
    boundary: &str,
    limit: u64,
) -> Result<(), DicomError> {
    let limits = Limits { body_bytes_max: limit, ..Limits::default() };
    let mut parts = Multipart::new(body, boundary, limits)
        .map_err(|_| unsupported("The boundary of the multipart content type is not valid."))?;
    let mut first = true;
    while let Some(mut part) = parts.next_part().await.map_err(of_multipart)? {
        // Only the first part may rely on the type of the whole (RFC 2387 §3.1).
        match part.headers().get("content-type").map(MediaType::parse) {
            Some(Ok(media_type)) if media_type.essence() == DICOM => {}
            None if first => {}
            _ => return Err(unsupported("A part is not of type application/dicom.")),
        }
        first = false;
        let mut receiver = Receiver::new(&archive.0.blobs, &archive.0.memory);
        while let Some(chunk) = part.chunk().await.map_err(of_multipart)? {
            receiver.push(chunk).await?;
        }
        store.take(receiver.finish()).await?;
    }
    Ok(())
}

fn of_multipart<E: std::error::Error>(error: MultipartError<E>) -> DicomError {
    match error {
        MultipartError::TooLarge { limit } => DicomError::TooLarge { limit },
        MultipartError::Body(_) => cut_off(),
        other => DicomError::Invalid(format!("The multipart body is not valid: {other}.")),
    }
}

fn answer(response: StoreResponse, headers: &HeaderMap, base_url: &str) -> Response {
    let status = match response.status {
        StoreStatus::NoContent => StatusCode::NO_CONTENT,
        StoreStatus::Success => StatusCode::OK,
        StoreStatus::Accepted => StatusCode::ACCEPTED,
        StoreStatus::Conflict => StatusCode::CONFLICT,
    };
    let mut answer = match response.dataset {
        Some(dataset) => (status, [(header::CONTENT_TYPE, DICOM_JSON)], dataset.to_string()).into_response(),
        None => status.into_response(),
    };
    if response.warns_of_multiple_values {
        // HTTP/2 has no Host header.
        let own = || base_url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("-");
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_else(own);
        if let Ok(warning) = HeaderValue::try_from(format!("299 {host}: \"{MULTIPLE_VALUES}\"")) {
            answer.headers_mut().insert(header::WARNING, warning);
        }
    }
    answer
}

/// The memory that parts may use while they are received, counted in units.
pub(crate) fn memory() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(super::received::UNITS))
}
