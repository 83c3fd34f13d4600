//! `DELETE` on study, series and instance: 204 without a body.

use axum::{extract::State, http::StatusCode};
use hilum_access::Delete;

use crate::{
    archive::Archive,
    error::DicomError,
    request::{Authorized, PathUids},
};

pub(crate) async fn delete(
    State(archive): State<Archive>,
    request: Authorized<Delete>,
    uids: PathUids,
) -> Result<StatusCode, DicomError> {
    super::delete(&archive, &request.permit, &request.context, uids.target()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
