//! `GET /changefeed` and `GET /changefeed/latest`.

use axum::{
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hilum_access::Read;
use hilum_audit::{Action, Outcome};

use super::{
    json,
    parameters::{self, Asked, Selection},
    read::{self, Listed},
    ticks,
};
use crate::{
    archive::{Archive, event},
    error::DicomError,
    index::metadata::MetadataError,
    request::{Authorized, JSON},
};

/// 200 and a page, which may be empty.
pub(crate) async fn change_feed(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, DicomError> {
    let mut asked = Asked::parse(request.version, query.as_deref())?;
    let db = &archive.0.db;
    if let Selection::Time { end, .. } = asked.selection
        && end != i64::MAX
    {
        let now = ticks(archive.0.clock.now());
        read::close(db, end, now).await?;
        if end <= now {
            // Nothing can come into a window that is over.
            asked.wait = std::time::Duration::ZERO;
        }
    }
    let entries = archive.0.feed.read(db, asked).await?;
    record(&archive, &request, entries.len()).await?;
    answer(entries, json::page).await
}

/// 200 and the latest entry, or 204 where nothing has happened yet.
pub(crate) async fn latest(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, DicomError> {
    let metadata = parameters::latest(query.as_deref())?;
    let entry = read::latest(&archive.0.db, metadata).await?;
    record(&archive, &request, usize::from(entry.is_some())).await?;
    let Some(entry) = entry else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    answer(vec![entry], |entries| {
        let mut out = Vec::new();
        entries.first().map_or(Ok(()), |entry| json::write(&mut out, entry))?;
        Ok(out)
    })
    .await
}

/// Metadata of a whole page are decompressed: too much for a thread that others wait for.
async fn answer(
    entries: Vec<Listed>,
    write: impl FnOnce(&[Listed]) -> Result<Vec<u8>, MetadataError> + Send + 'static,
) -> Result<Response, DicomError> {
    let body = tokio::task::spawn_blocking(move || write(&entries)).await;
    let body = body.map_err(|_| DicomError::Bug("writing a page panicked"))??;
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}

/// The feed names patients' studies: each look at it leaves an event.
async fn record(archive: &Archive, request: &Authorized<Read>, entries: usize) -> Result<(), DicomError> {
    let caller = request.permit.caller();
    let mut event = event(Action::ChangeFeedRead, Outcome::Success, caller, &request.context);
    event.detail = Some(format!("entries={entries}"));
    Ok(archive.audit(event).await?)
}
