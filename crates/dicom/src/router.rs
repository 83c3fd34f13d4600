//! The service's routes, the same under `/v1` and `/v2` (fact sheet §1).

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use hilum_access::{NONCE_HEADER, Read};

use crate::{
    archive::Archive,
    change_feed::http::{change_feed, latest},
    delete::http::delete,
    error::DicomError,
    extended_query_tags::http::{add_tags, delete_tag, get_errors, get_tag, list_tags, patch_tag},
    operations::http::operation,
    request::{ApiVersion, Authorized},
    retrieve::http::{retrieve_frames, retrieve_instances, retrieve_metadata},
    search::http as search,
    store::http::store,
};

/// What every answer tells (Azure: API versioning).
const SUPPORTED_VERSIONS: HeaderValue = HeaderValue::from_static("1.0, 2.0");

impl Archive {
    /// All routes, relative to the service's base URL.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/v1", routes(ApiVersion::V1))
            .nest("/v2", routes(ApiVersion::V2))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(middleware::from_fn(tell_versions))
            .layer(middleware::from_fn_with_state(self.clone(), bring_nonce))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }
}

fn routes(version: ApiVersion) -> Router<Archive> {
    Router::new()
        .route("/studies", get(search::studies).post(store))
        .route("/series", get(search::series))
        .route("/instances", get(search::instances))
        .route("/studies/{study}", get(retrieve_instances).post(store).delete(delete))
        .route("/studies/{study}/metadata", get(retrieve_metadata))
        .route("/studies/{study}/series", get(search::study_series))
        .route("/studies/{study}/instances", get(search::study_instances))
        .route("/studies/{study}/series/{series}", get(retrieve_instances).delete(delete))
        .route("/studies/{study}/series/{series}/metadata", get(retrieve_metadata))
        .route("/studies/{study}/series/{series}/instances", get(search::series_instances))
        .route(
            "/studies/{study}/series/{series}/instances/{instance}",
            get(retrieve_instances).delete(delete),
        )
        .route("/studies/{study}/series/{series}/instances/{instance}/metadata", get(retrieve_metadata))
        .route("/studies/{study}/series/{series}/instances/{instance}/frames/{frames}", get(retrieve_frames))
        .route("/changefeed", get(change_feed))
        .route("/changefeed/latest", get(latest))
        .route("/extendedquerytags", get(list_tags).post(add_tags))
        .route("/extendedquerytags/{tag}", get(get_tag).patch(patch_tag).delete(delete_tag))
        .route("/extendedquerytags/{tag}/errors", get(get_errors))
        .route("/operations/{id}", get(operation))
        .route("/partitions", any(partitions_disabled))
        .route("/partitions/{*rest}", any(partitions_disabled))
        .layer(Extension(version))
}

async fn partitions_disabled(_: Authorized<Read>) -> DicomError {
    DicomError::Invalid("Data partitions feature is disabled.".to_owned())
}

/// Brings the next nonce to who sends proofs of possession, where they have to carry one (RFC 9449 §8.2).
async fn bring_nonce(State(archive): State<Archive>, request: Request, next: Next) -> Response {
    let nonce = archive.0.validator.proofs().next_nonce(request.headers());
    let mut response = next.run(request).await;
    if let Some(nonce) = nonce {
        response.headers_mut().insert(NONCE_HEADER, nonce);
    }
    response
}

/// Refuses what Azure refuses of any query, and tells the versions.
async fn tell_versions(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let mut response = if query.contains('<') || query.contains("%3c") || query.contains("%3C") {
        DicomError::Invalid("The query string included invalid characters.".to_owned()).into_response()
    } else {
        next.run(request).await
    };
    response.headers_mut().insert("api-supported-versions", SUPPORTED_VERSIONS);
    response
}
