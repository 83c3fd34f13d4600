//! The wire of a search: `Accept` and query string in, `application/dicom+json` out (PS3.18 §10.6.2, §10.6.3).

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hilum_access::Read;
use hilum_audit::{Action, Outcome};
use hilum_kernel::Phi;

use super::{Place, Resource, SearchError, SearchRequest, parse, search};
use crate::{
    archive::{Archive, DEFAULT_PARTITION, event},
    error::DicomError,
    extended_query_tags::TagSet,
    media_type::admits_dicom_json,
    request::{ApiVersion, Authorized, PathUids, accepts},
};

const DICOM_JSON: HeaderValue = HeaderValue::from_static("application/dicom+json");

macro_rules! handlers {
    ($($(#[$doc:meta])* $name:ident($uids:ident) => $resource:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(
            State(archive): State<Archive>,
            request: Authorized<Read>,
            $uids: PathUids,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
        ) -> Result<Response, DicomError> {
            answer(&archive, &request, $resource, query.as_deref(), &headers).await
        }
    )*};
}

handlers! {
    /// `GET /studies`
    studies(_uids) => Some(Resource::Studies);
    /// `GET /series`
    series(_uids) => Some(Resource::Series);
    /// `GET /instances`
    instances(_uids) => Some(Resource::Instances);
    /// `GET /studies/{study}/series`
    study_series(uids) => uids.study.map(Resource::StudySeries);
    /// `GET /studies/{study}/instances`
    study_instances(uids) => uids.study.map(Resource::StudyInstances);
    /// `GET /studies/{study}/series/{series}/instances`
    series_instances(uids) => uids.study.zip(uids.series).map(|(study, series)| Resource::SeriesInstances(study, series));
}

/// 200 and an array, or 204 when nothing matches.
async fn answer(
    archive: &Archive,
    request: &Authorized<Read>,
    resource: Option<Resource>,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, DicomError> {
    let resource = resource.ok_or(DicomError::Bug("a route without its UIDs"))?;
    if !admits_dicom_json(&accepts(headers)) {
        return Err(DicomError::NotAcceptable);
    }
    let asked = parsed(archive, resource, request.version, query).await?;
    let base = format!("{}/{}", archive.0.settings.base_url, request.version.segment());
    let place = Place { partition: DEFAULT_PARTITION, base: &base };
    let answer =
        search(&archive.0.db, &request.permit, place, &asked).await.map_err(|error| match error {
            SearchError::Metadata(error) => DicomError::Metadata(error),
            other => DicomError::Search(other),
        })?;
    record(archive, request, &asked, answer.results).await?;
    let mut response = match answer.results {
        0 => StatusCode::NO_CONTENT.into_response(),
        _ => ([(header::CONTENT_TYPE, DICOM_JSON)], answer.body).into_response(),
    };
    if let Some(names) = asked.erroneous_attributes() {
        let names = HeaderValue::try_from(names).map_err(|_| DicomError::Bug("a name that is no header"))?;
        response.headers_mut().insert("erroneous-dicom-attributes", names);
    }
    Ok(response)
}

/// Extended query tags are read only where the index by itself does not know what is asked for.
async fn parsed(
    archive: &Archive,
    resource: Resource,
    version: ApiVersion,
    query: Option<&str>,
) -> Result<SearchRequest, DicomError> {
    match parse::parse(resource.clone(), version, query) {
        Err(SearchError::NotQueryable { .. }) => {
            let set = TagSet::load(&mut archive.0.db.read().await?).await?;
            Ok(parse::parse_with(resource, version, query, &set.tags)?)
        }
        parsed => Ok(parsed?),
    }
}

/// Every access to patients' data leaves an event; what was asked for stands in it only as far as it names a patient.
async fn record(
    archive: &Archive,
    request: &Authorized<Read>,
    asked: &SearchRequest,
    results: usize,
) -> Result<(), DicomError> {
    let mut event = event(Action::Searched, Outcome::Success, request.permit.caller(), &request.context);
    event.target = Some(asked.path());
    event.patient = asked.patient_id().map(|id| Phi::new(id.to_owned()));
    event.detail = Some(format!("results={results}"));
    Ok(archive.audit(event).await?)
}
