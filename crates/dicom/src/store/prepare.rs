//! One part on its way into the archive: read, judge, write the file.

use std::io::BufReader;

use hilum_kernel::Uid;
use hilum_storage::blobs::BlobKey;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    FailureReason, Item, Named, Outcomes, StoreRequest, WarningReason, index_row,
    received::{PREAMBLE, PiecesReader, Received},
    validate::{self, Accepted, Judged},
};
use crate::{
    archive::Archive,
    dataset::{
        Instance,
        read::{Limits, ReadError, read_instance},
    },
    error::DicomError,
    extended_query_tags::TagSet,
    index::insert::NewInstance,
    request::ApiVersion,
};

/// Values of a header larger than this are no honest header; real ones stay below 1 MiB.
const LIMITS: Limits = Limits {
    depth_max: 64,
    elements_max: 500_000,
    value_bytes_max: 16 * 1024 * 1024,
    fragments_max: 1_000_000,
    inflated_bytes_max: 4 * 1024 * 1024 * 1024,
};

/// A part that was judged and, if accepted, written.
pub(super) struct Prepared {
    pub(super) item: Item,
    /// What goes into the index; its file is durable.
    pub(super) new: Option<Box<NewInstance>>,
}

/// Does all that can be done for a part before the transaction.
pub(super) async fn prepare(
    archive: &Archive,
    request: &std::sync::Arc<StoreRequest>,
    received: Received,
) -> Result<Prepared, DicomError> {
    let key = BlobKey::instance(archive.0.clock.now(), archive.0.random.uuid());
    let judged_request = std::sync::Arc::clone(request);
    let tags = archive.0.tags.get(&archive.0.db).await;
    match received {
        Received::Memory(pieces) => {
            let turn = turn(archive).await?;
            let blob_key = key.as_str().to_owned();
            let work = move || {
                let judged =
                    judge(read_instance(PiecesReader::new(&pieces), &LIMITS), &judged_request, &tags);
                // Others may use the processor while this one waits for the disk.
                drop(turn);
                let Ok(Prepared { item, new: Some(mut new) }) = judged else {
                    return ((judged, pieces), None);
                };
                new.blob_bytes = i64::try_from(pieces.bytes).unwrap_or(i64::MAX);
                new.blob_key = blob_key;
                let parts = pieces.with_zeroed_preamble();
                ((Ok(Prepared { item, new: Some(new) }), pieces), Some(parts))
            };
            // The pieces come back, because their memory counts until the file is written.
            let (prepared, _pieces) = archive.0.blobs.put_made(&key, work).await?;
            prepared
        }
        Received::Staged(mut staged) => {
            let file = staged.reader().await?;
            let turn = turn(archive).await?;
            let judged = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                judge(
                    read_instance(BufReader::with_capacity(64 * 1024, file), &LIMITS),
                    &judged_request,
                    &tags,
                )
            });
            let mut prepared = judged.await.map_err(|_| DicomError::Bug("judging a part panicked"))??;
            if let Some(new) = &mut prepared.new {
                new.blob_bytes = i64::try_from(staged.len()).unwrap_or(i64::MAX);
                staged.patch(0, PREAMBLE).await?;
                archive.0.blobs.promote(*staged, &key).await?;
                key.as_str().clone_into(&mut new.blob_key);
            }
            Ok(prepared)
        }
    }
}

/// A turn on the processor: no more parts are judged at a time than there are turns.
async fn turn(archive: &Archive) -> Result<OwnedSemaphorePermit, DicomError> {
    std::sync::Arc::clone(&archive.0.judging).acquire_owned().await.map_err(|_| DicomError::Busy)
}

fn judge(
    read: Result<Instance, ReadError>,
    request: &StoreRequest,
    tags: &TagSet,
) -> Result<Prepared, DicomError> {
    let instance = match read {
        Ok(instance) => instance,
        // Our own disk failed, not the file.
        Err(ReadError::Source(error)) => {
            return Err(DicomError::Blob(hilum_storage::blobs::BlobError::Unavailable(Box::new(error))));
        }
        Err(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "a part is no readable DICOM file");
            let comments = vec![format!("DICOM100: the file cannot be read: {error}.")];
            return Ok(failed(Named::default(), FailureReason::ProcessingFailure, comments));
        }
    };
    if Uid::from_padded(&instance.transfer_syntax).is_err() {
        let comments = vec!["DICOM100: the file cannot be read: its transfer syntax is no UID.".to_owned()];
        return Ok(failed(Named::default(), FailureReason::ProcessingFailure, comments));
    }
    let named = validate::named(&instance);
    match validate::judge(&instance, request) {
        Judged::Refused { reason, comments } => Ok(failed(named, reason, comments)),
        Judged::Accepted(accepted) => accept(&instance, named, *accepted, request.version, tags),
    }
}

/// v1 refuses what extended query tags cannot take, v2 stores it with a warning (fact sheet §10).
fn accept(
    instance: &Instance,
    named: Named,
    accepted: Accepted,
    version: ApiVersion,
    tags: &TagSet,
) -> Result<Prepared, DicomError> {
    let (mut comments, mut warning) = (accepted.comments.clone(), accepted.warning);
    let has_multiple_values = accepted.has_multiple_values;
    let mut new = index_row::new_instance(instance, accepted, tags)?;
    let refused = std::mem::take(&mut new.extended.refused);
    if !refused.is_empty() {
        comments.extend(refused.iter().map(|refused| validate::comment(refused.tag, &refused.message)));
        if version == ApiVersion::V1 {
            return Ok(failed(named, FailureReason::ValidationFailed, comments));
        }
        warning = warning.or(Some(WarningReason::AttributesInvalid));
    }
    let outcome = Outcomes::Stored {
        study: new.study.as_str().to_owned(),
        series: new.series.as_str().to_owned(),
        warning,
    };
    let has_multiple_values = has_multiple_values || new.extended.has_multiple;
    let item = Item { named, outcome, comments, has_multiple_values };
    Ok(Prepared { item, new: Some(Box::new(new)) })
}

fn failed(named: Named, reason: FailureReason, comments: Vec<String>) -> Prepared {
    Prepared {
        item: Item { named, outcome: Outcomes::Failed(reason), comments, has_multiple_values: false },
        new: None,
    }
}
