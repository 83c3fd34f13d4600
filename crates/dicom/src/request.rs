//! What all handlers need of a request: the right to ask, the version, what the path names.

use axum::{
    extract::{FromRequestParts, OriginalUri, RawPathParams},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hilum_access::{AccessError, Action, NONCE_HEADER, Permit, ProvenRequest, Scheme, TokenError, authorize};
use hilum_audit::{Event, Outcome};
use hilum_kernel::{InstanceUid, InvalidUid, SeriesUid, StudyUid};
use hilum_web::RequestContext;

use crate::{
    archive::Archive,
    error::DicomError,
    index::lookup::Target,
    media_type::{self, Accept},
};

/// The media type of what is no dataset.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The version segment of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// `/v1`.
    V1,
    /// `/v2`.
    V2,
}

impl ApiVersion {
    /// The path's segment.
    pub const fn segment(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A request whose caller has the right `A`. Whoever extracts it is behind the gate.
pub(crate) struct Authorized<A> {
    pub(crate) permit: Permit<A>,
    pub(crate) version: ApiVersion,
    pub(crate) context: RequestContext,
}

impl<A: Action> FromRequestParts<Archive> for Authorized<A> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, archive: &Archive) -> Result<Self, Response> {
        let context = parts.extensions.get::<RequestContext>().cloned().unwrap_or_default();
        let version = parts.extensions.get::<ApiVersion>().copied().unwrap_or(ApiVersion::V2);
        match permit(archive, parts).await {
            Ok(permit) => Ok(Self { permit, version, context }),
            Err(error) => Err(refuse(archive, error, (&context, Scheme::tried(&parts.headers))).await),
        }
    }
}

async fn permit<A: Action>(archive: &Archive, parts: &Parts) -> Result<Permit<A>, AccessError> {
    // The router has taken the service's own path away.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let origin = archive.0.settings.origin();
    let request = ProvenRequest { method: &parts.method, origin, path: uri.path() };
    let caller = archive.0.validator.authenticate(&parts.headers, request).await?;
    Ok(authorize::<A>(&caller)?)
}

async fn refuse(
    archive: &Archive,
    error: AccessError,
    (context, tried): (&RequestContext, Scheme),
) -> Response {
    // Who sends nothing is told how to ask; that is no event, and must not make the database grow.
    if error != AccessError::Token(TokenError::Missing) {
        let actor = hilum_audit::Actor::default();
        let event = Event {
            detail: Some(error.to_string()),
            ..Event::new(hilum_audit::Action::AccessRefused, Outcome::Refused, actor)
                .of_request(context.client_address, context.correlation)
        };
        if let Err(lost) = archive.audit(event).await {
            return DicomError::from(lost).into_response();
        }
    }
    let refusal = archive.0.settings.challenge.refuse(&error, tried);
    let mut response = (refusal.status, refusal.body).into_response();
    for challenge in refusal.www_authenticate {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    if refusal.brings_nonce {
        response.headers_mut().insert(NONCE_HEADER, archive.0.validator.proofs().nonce());
    }
    if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The UIDs in the path, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathUids {
    pub(crate) study: Option<StudyUid>,
    pub(crate) series: Option<SeriesUid>,
    pub(crate) instance: Option<InstanceUid>,
}

impl PathUids {
    /// What the path names; `None` where it names no study.
    pub(crate) fn target(self) -> Result<Target, DicomError> {
        match (self.study, self.series, self.instance) {
            (Some(study), None, None) => Ok(Target::Study(study)),
            (Some(study), Some(series), None) => Ok(Target::Series(study, series)),
            (Some(study), Some(series), Some(instance)) => Ok(Target::Instance(study, series, instance)),
            _ => Err(DicomError::Bug("a route without a study")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathUids {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Ok(parameters) = RawPathParams::from_request_parts(parts, state).await else {
            return Err(DicomError::Invalid("The path is not valid.".to_owned()).into_response());
        };
        let mut uids = Self::default();
        for (name, value) in &parameters {
            let read = match name {
                "study" => StudyUid::parse(value).map(|uid| uids.study = Some(uid)),
                "series" => SeriesUid::parse(value).map(|uid| uids.series = Some(uid)),
                "instance" => InstanceUid::parse(value).map(|uid| uids.instance = Some(uid)),
                _ => Ok(()),
            };
            read.map_err(|reason| invalid_uid(name, reason).into_response())?;
        }
        Ok(uids)
    }
}

fn invalid_uid(name: &str, reason: InvalidUid) -> DicomError {
    let keyword = match name {
        "study" => "StudyInstanceUID",
        "series" => "SeriesInstanceUID",
        _ => "SOPInstanceUID",
    };
    DicomError::Invalid(format!("The {keyword} in the path is invalid: {reason}."))
}

/// The elements of all Accept headers.
pub(crate) fn accepts(headers: &HeaderMap) -> Vec<Accept> {
    media_type::accepts(headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()))
}
