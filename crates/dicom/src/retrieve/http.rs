//! The retrieve transactions on the wire: Accept, multipart, ETag.

use axum::{
    body::Body,
    extract::{RawPathParams, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use hilum_access::{Caller, Read};
use hilum_audit::{Action, Outcome};
use hilum_web::RequestContext;

use super::{
    body::Chunks,
    frames,
    instances::{self, Content, InstanceBytes, Retrieved},
    metadata::{self, Array},
};
use crate::{
    archive::{Archive, event},
    error::DicomError,
    index::lookup::Target,
    media_type::{DICOM, DICOM_JSON, Form, Resource, admits_dicom_json, select},
    multipart::write::Writer,
    request::{Authorized, PathUids, accepts},
};

pub(crate) async fn retrieve_instances(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    uids: PathUids,
    headers: HeaderMap,
) -> Result<Response, DicomError> {
    let target = uids.target()?;
    let resource = match &target {
        Target::Study(_) => Resource::Study,
        Target::Series(..) => Resource::Series,
        Target::Instance(..) => Resource::Instance,
    };
    let selected = select(&accepts(&headers), resource).map_err(|_| DicomError::NotAcceptable)?;
    let retrieved = instances::retrieve(&archive, &request.permit, &target, selected).await?;
    record(&archive, Action::InstancesRetrieved, request.permit.caller(), &request.context, &target).await?;
    match (retrieved, selected.form) {
        (Retrieved::One(instance), Form::SinglePart) => Ok(single_part(DICOM, *instance)),
        (Retrieved::One(instance), Form::Multipart) => Ok(one_part(&archive, *instance)),
        (Retrieved::Many(instances), _) => Ok(many_parts(&archive, instances)),
    }
}

fn part_type(media_type: &str, transfer_syntax: &str) -> String {
    format!("{media_type}; transfer-syntax={transfer_syntax}")
}

fn single_part(media_type: &str, instance: InstanceBytes) -> Response {
    let content_type = part_type(media_type, &instance.transfer_syntax);
    match instance.content {
        Content::Whole(bytes) => answer(&content_type, Chunks::body([bytes])),
        Content::Stream { bytes, chunks } => sized(&content_type, bytes, chunks),
    }
}

fn one_part(archive: &Archive, instance: InstanceBytes) -> Response {
    let mut writer = Writer::new(archive.0.random.as_ref());
    let content_type = writer.content_type(DICOM);
    let head = writer.head(&[("Content-Type", &part_type(DICOM, &instance.transfer_syntax))]);
    let close = writer.close();
    match instance.content {
        Content::Whole(bytes) => answer(&content_type, Chunks::body([head, bytes, close])),
        Content::Stream { bytes, chunks } => {
            let around = u64::try_from(head.len() + close.len()).unwrap_or(u64::MAX);
            let all = stream::iter([Ok(head)]).chain(chunks).chain(stream::iter([Ok(close)]));
            sized(&content_type, bytes.saturating_add(around), all.boxed())
        }
    }
}

/// Several instances: their sizes add up only as they are opened, so the answer is chunked.
fn many_parts(
    archive: &Archive,
    instances: BoxStream<'static, Result<InstanceBytes, DicomError>>,
) -> Response {
    let opened = instances.map_ok(|instance| {
        let content = match instance.content {
            Content::Whole(bytes) => stream::iter([Ok(bytes)]).boxed(),
            Content::Stream { chunks, .. } => chunks,
        };
        (part_type(DICOM, &instance.transfer_syntax), content)
    });
    parts(Writer::new(archive.0.random.as_ref()), DICOM, opened.boxed())
}

/// A part on its way: its type and its bytes.
type OpenPart = (String, BoxStream<'static, Result<Bytes, DicomError>>);

/// A multipart answer whose parts are opened one after the other.
fn parts(
    writer: Writer,
    media_type: &str,
    opened: BoxStream<'static, Result<OpenPart, DicomError>>,
) -> Response {
    let content_type = writer.content_type(media_type);
    let body = stream::try_unfold(Some((writer, opened)), |state| async move {
        let Some((mut writer, mut opened)) = state else { return Ok(None) };
        let Some((part_type, content)) = opened.try_next().await? else {
            let close = stream::iter([Ok(writer.close())]).boxed();
            return Ok::<_, DicomError>(Some((close, None)));
        };
        let head = writer.head(&[("Content-Type", &part_type)]);
        Ok(Some((stream::iter([Ok(head)]).chain(content).boxed(), Some((writer, opened)))))
    });
    answer(&content_type, Body::from_stream(logged(body.try_flatten().boxed())))
}

pub(crate) async fn retrieve_frames(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    uids: PathUids,
    parameters: RawPathParams,
    headers: HeaderMap,
) -> Result<Response, DicomError> {
    let target = uids.target()?;
    let list = parameters.iter().find(|(name, _)| *name == "frames").map_or("", |(_, list)| list);
    let numbers = frames::parse_list(list)?;
    let selected = select(&accepts(&headers), Resource::Frames).map_err(|_| DicomError::NotAcceptable)?;
    if selected.form == Form::SinglePart && numbers.len() > 1 {
        return Err(DicomError::Invalid(
            "The accept header is supported for single frame retrieval, use multi-part accept header instead."
                .to_owned(),
        ));
    }
    let retrieved = frames::retrieve(&archive, &request.permit, &target, &numbers, selected).await?;
    record(&archive, Action::FramesRetrieved, request.permit.caller(), &request.context, &target).await?;
    let part_type = part_type(selected.media_type, &retrieved.transfer_syntax);
    match (selected.form, retrieved.content) {
        (Form::SinglePart, frames::Content::Whole(frames)) => Ok(answer(&part_type, Chunks::body(frames))),
        (Form::SinglePart, frames::Content::Stream(mut frames)) => {
            let only = frames.try_next().await?.ok_or(DicomError::Bug("a request for no frame"))?;
            Ok(sized(&part_type, only.bytes, only.chunks))
        }
        (Form::Multipart, content) => Ok(frame_parts(&archive, selected.media_type, &part_type, content)),
    }
}

fn frame_parts(archive: &Archive, media_type: &str, part_type: &str, content: frames::Content) -> Response {
    let mut writer = Writer::new(archive.0.random.as_ref());
    let content_type = writer.content_type(media_type);
    match content {
        frames::Content::Whole(frames) => {
            let mut chunks: Vec<Bytes> = Vec::with_capacity(frames.len() * 2 + 1);
            for frame in frames {
                chunks.push(writer.head(&[("Content-Type", part_type)]));
                chunks.push(frame);
            }
            chunks.push(writer.close());
            answer(&content_type, Chunks::body(chunks))
        }
        frames::Content::Stream(frames) => {
            let part_type = part_type.to_owned();
            parts(writer, media_type, frames.map_ok(move |frame| (part_type.clone(), frame.chunks)).boxed())
        }
    }
}

pub(crate) async fn retrieve_metadata(
    State(archive): State<Archive>,
    request: Authorized<Read>,
    uids: PathUids,
    headers: HeaderMap,
) -> Result<Response, DicomError> {
    let target = uids.target()?;
    if !admits_dicom_json(&accepts(&headers)) {
        return Err(DicomError::NotAcceptable);
    }
    let found = metadata::find(&archive, &request.permit, &target).await?;
    record(&archive, Action::MetadataRetrieved, request.permit.caller(), &request.context, &target).await?;
    let etag = HeaderValue::try_from(format!("\"{}\"", found.etag))
        .map_err(|_| DicomError::Bug("an ETag that is no header value"))?;
    if is_known(&headers, &found.etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let body = match metadata::read(&archive, found).await? {
        Array::Whole(chunks) => Chunks::body(chunks),
        Array::Stream(chunks) => Body::from_stream(logged(chunks)),
    };
    let mut response = answer(DICOM_JSON, body);
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}

/// RFC 9110 §13.1.2; the archived server's clients send the ETag without quotes.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|one| one.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|one| one == "*" || one == etag)
}

async fn record(
    archive: &Archive,
    action: Action,
    caller: &Caller,
    context: &RequestContext,
    target: &Target,
) -> Result<(), DicomError> {
    let mut event = event(action, Outcome::Success, caller, context);
    event.target = Some(target.path());
    Ok(archive.audit(event).await?)
}

fn answer(content_type: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    // Media types and UIDs are header-safe; should one not be, the client gets the bytes without a type.
    if let Ok(value) = HeaderValue::try_from(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn sized(content_type: &str, bytes: u64, chunks: BoxStream<'static, Result<Bytes, DicomError>>) -> Response {
    let mut response = answer(content_type, Body::from_stream(logged(chunks)));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    response
}

/// A failure after the answer has started can only cut it off; the log says why.
fn logged(
    chunks: BoxStream<'static, Result<Bytes, DicomError>>,
) -> impl futures::Stream<Item = Result<Bytes, DicomError>> + Send + 'static {
    chunks.inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error, "an answer was cut off");
    })
}
