//! Store instances (PS3.18 §10.5, Azure: STOW-RS).
//!
//! The story of one request: each part is received into memory or, when large, into a staging file; read and judged;
//! its file written and synced; and when all parts have arrived, one transaction makes the accepted ones visible
//! together with the change feed and the audit event. Nothing is acknowledged before that commit. What a crash leaves
//! before it is a file that no row names, which the sweep removes.

pub(crate) mod http;

mod index_row;
mod prepare;
mod received;
mod response;
mod validate;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt as _;
use hilum_access::{Permit, Write};
use hilum_audit::{Action, Event, Outcome};
use hilum_kernel::{Phi, StudyUid};
use hilum_storage::{
    blobs::BlobKey,
    db::{DbError, WriteTx},
};
use hilum_web::RequestContext;
use tokio::task::JoinSet;

use crate::{
    archive::{Archive, DEFAULT_PARTITION, event},
    error::DicomError,
    index::insert::{self, Inserted, Insertion, NewInstance, Occasion},
    request::ApiVersion,
};

pub(crate) use received::{Received, Receiver};
pub(crate) use response::StoreResponse;
pub(crate) use validate::INDEXED;

use prepare::{Prepared, prepare};

/// Parts of one request that are judged and written at the same time: hides the wait for the disk.
const PARTS_AT_ONCE: usize = 4;
/// Instances of one request that become visible together. A larger request is committed in portions of this size, so
/// that its rows stay a few megabytes.
const PORTION: usize = 2048;
/// The same in bytes, for instances with odd, huge headers.
const PORTION_BYTES: usize = 32 * 1024 * 1024;

/// Why an instance was not stored: values of FailureReason (0008,1197).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureReason {
    /// The file cannot be read.
    ProcessingFailure = 0x0110,
    /// Attributes are missing or invalid, or the study is another one.
    ValidationFailed = 0xA900,
    /// The archive has an instance with the same UIDs.
    AlreadyExists = 0xB00E,
}

/// What is odd about a stored instance: values of WarningReason (0008,1196).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WarningReason {
    /// v2: attributes failed validation and are left out of metadata and index.
    AttributesInvalid = 1,
    /// The file is in Implicit VR Little Endian.
    DataSetDoesNotMatchSopClass = 0xB007,
}

/// The UIDs of a part as far as they could be read, for the response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) class: Option<String>,
    pub(crate) instance: Option<String>,
}

/// What became of one part.
#[derive(Debug)]
pub(crate) enum Outcomes {
    Stored { study: String, series: String, warning: Option<WarningReason> },
    Failed(FailureReason),
}

/// One line of the response.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) named: Named,
    pub(crate) outcome: Outcomes,
    /// For FailedAttributesSequence (0074,1048).
    pub(crate) comments: Vec<String>,
    /// v1: an indexed attribute has several values.
    pub(crate) has_multiple_values: bool,
}

/// What a store request asks for besides its parts.
#[derive(Debug, Clone)]
pub(crate) struct StoreRequest {
    pub(crate) version: ApiVersion,
    /// The study in the path.
    pub(crate) study: Option<StudyUid>,
}

/// A store request in progress.
pub(crate) struct Store {
    archive: Archive,
    event: Event,
    request: Arc<StoreRequest>,
    working: JoinSet<(usize, Result<Prepared, DicomError>)>,
    /// By the number of the part; `None` while it is being worked on.
    parts: Vec<Option<Prepared>>,
    /// The size of what the index will take of `parts`.
    bytes: usize,
    items: Vec<Item>,
}

impl Store {
    /// Starts a request of a caller who may write.
    pub(crate) fn new(
        archive: &Archive,
        permit: &Permit<Write>,
        context: &RequestContext,
        request: StoreRequest,
    ) -> Self {
        Self {
            archive: archive.clone(),
            event: event(Action::InstancesStored, Outcome::Success, permit.caller(), context),
            request: Arc::new(request),
            working: JoinSet::new(),
            parts: Vec::new(),
            bytes: 0,
            items: Vec::new(),
        }
    }

    /// Takes a part that has arrived whole. Waits while too many parts are being worked on.
    pub(crate) async fn take(&mut self, received: Received) -> Result<(), DicomError> {
        while self.working.len() >= PARTS_AT_ONCE {
            self.finish_one().await?;
        }
        if self.parts.len() >= PORTION || self.bytes >= PORTION_BYTES {
            self.commit().await?;
        }
        let number = self.parts.len();
        self.parts.push(None);
        let (archive, request) = (self.archive.clone(), Arc::clone(&self.request));
        self.working.spawn(async move { (number, prepare(&archive, &request, received).await) });
        Ok(())
    }

    /// Commits what was accepted and tells what became of each part, in the order of the request.
    pub(crate) async fn finish(&mut self) -> Result<StoreResponse, DicomError> {
        self.commit().await?;
        let items = std::mem::take(&mut self.items);
        Ok(StoreResponse::new(&self.archive.0.settings.base_url, &self.request, items))
    }

    /// The request failed: removes the files of what no transaction has seen yet. What was given to one that failed
    /// stays for the sweep, as nobody knows how its commit ended.
    pub(crate) async fn abandon(mut self) {
        while !self.working.is_empty() {
            if let Err(error) = self.finish_one().await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a part of a failed request failed too"
                );
            }
        }
        for new in self.parts.drain(..).flatten().filter_map(|prepared| prepared.new).collect::<Vec<_>>() {
            self.discard(&new.blob_key).await;
        }
    }

    async fn finish_one(&mut self) -> Result<(), DicomError> {
        if let Some(joined) = self.working.join_next().await {
            let (number, prepared) = joined.map_err(|_| DicomError::Bug("preparing a part panicked"))?;
            let prepared = prepared?;
            self.bytes += prepared.new.as_ref().map_or(0, |new| new.index_bytes());
            if let Some(slot) = self.parts.get_mut(number) {
                *slot = Some(prepared);
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), DicomError> {
        while !self.working.is_empty() {
            self.finish_one().await?;
        }
        self.bytes = 0;
        let mut items = Vec::with_capacity(self.parts.len());
        let mut instances = Vec::new();
        let mut at = Vec::new();
        for prepared in self.parts.drain(..).flatten() {
            if let Some(new) = prepared.new {
                at.push(items.len());
                instances.push(*new);
            }
            items.push(prepared.item);
        }
        let keys: Vec<String> = instances.iter().map(|new| new.blob_key.clone()).collect();
        let results = match self.insert(instances, &items).await {
            Ok(results) => {
                self.archive.0.feed.tell();
                results
            }
            Err(error) => {
                // Retries against a database that is away must not fill the disk.
                if matches!(&error, DicomError::Db(failed) if failed.is_undone()) {
                    for key in keys {
                        self.discard(&key).await;
                    }
                }
                return Err(error);
            }
        };
        for (at, (result, blob_key)) in at.into_iter().zip(results.into_iter().zip(&keys)) {
            if let (Inserted::Duplicate, Some(item)) = (result, items.get_mut(at)) {
                item.outcome = Outcomes::Failed(FailureReason::AlreadyExists);
                self.discard(blob_key).await;
            }
        }
        self.items.append(&mut items);
        Ok(())
    }

    async fn insert(&self, instances: Vec<NewInstance>, items: &[Item]) -> Result<Vec<Inserted>, DicomError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let occasion = Occasion { partition: DEFAULT_PARTITION, at: self.archive.0.clock.now() };
        let event = self.described(&instances, items);
        let (inserted, tags_version) = self
            .archive
            .0
            .db
            .write((occasion, instances, event), |tx, (occasion, instances, event)| {
                insert_and_record(tx, *occasion, instances, event).boxed()
            })
            .await?;
        // Somebody changed the extended query tags meanwhile: the next instances are prepared for those of now.
        if !inserted.is_empty() && !self.archive.0.tags.is_at(tags_version) {
            self.archive.0.tags.refresh(&self.archive.0.db).await;
        }
        Ok(inserted)
    }

    /// The audit event of a portion: whose data, how much.
    fn described(&self, instances: &[NewInstance], items: &[Item]) -> Event {
        let mut event = self.event.clone();
        let refused = items.len() - instances.len();
        event.outcome = match (instances.is_empty(), refused) {
            (true, _) => Outcome::Refused,
            (false, 0) => Outcome::Success,
            (false, _) => Outcome::Partial,
        };
        let mut studies: Vec<&str> = instances.iter().map(|new| new.study.as_str()).collect();
        studies.sort_unstable();
        studies.dedup();
        event.target = (!studies.is_empty()).then(|| studies.join(" "));
        event.patient = instances.iter().find_map(|new| new.patient_id.clone()).map(Phi::new);
        event.detail = Some(format!("accepted={} refused={refused}", instances.len()));
        event
    }

    /// Removes the file of an instance that no row names. The sweep would do it too, only later.
    async fn discard(&self, blob_key: &str) {
        let Ok(key) = BlobKey::parse(blob_key) else { return };
        if let Err(error) = self.archive.0.blobs.delete(&key).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a file is left to the sweep");
        }
    }
}

async fn insert_and_record(
    tx: &mut WriteTx,
    occasion: Occasion,
    instances: &[NewInstance],
    event: &Event,
) -> Result<(Vec<Inserted>, i64), DbError> {
    let Insertion { inserted, mut ending, tags_version } = insert::insert(tx, occasion, instances).await?;
    let duplicates = inserted.iter().filter(|result| **result == Inserted::Duplicate).count();
    let mut event = event.clone();
    if duplicates > 0 {
        let stored = inserted.len() - duplicates;
        event.outcome = if stored == 0 { Outcome::Refused } else { Outcome::Partial };
        event.detail = event.detail.map(|detail| format!("{detail} duplicates={duplicates}"));
    }
    let (sql, row) = hilum_audit::recording(occasion.at.as_millisecond(), &event);
    ending.push(sql, row);
    tx.run(&ending).await?;
    Ok((inserted, tags_version))
}
