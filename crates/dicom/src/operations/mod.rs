//! Operations: what takes longer than a request, as its client may watch it (fact sheet §11).
//!
//! An operation is a job of the durable queue whose kind has a line in [`KINDS`]; clean-ups and sweeps are nobody's to see.

pub(crate) mod http;

use hilum_kernel::JobId;
use hilum_storage::{
    db::{Db, DbError},
    jobs::{self, JobState, JobStatus},
};
use serde_json::{Map, Value as Json, json};

use crate::{
    extended_query_tags::{self, reindex},
    request::ApiVersion,
};

/// The kinds of jobs that are operations, and their `type`.
const KINDS: [(&str, &str); 1] = [(reindex::KIND, "reindex")];

/// The URL of an operation, in the version that `base` names.
pub(crate) fn href(base: &str, operation: JobId) -> String {
    format!("{base}/operations/{}", operation.uuid().simple())
}

/// An operation as it stands.
#[derive(Debug)]
pub(crate) struct Operation {
    job: JobStatus,
    kind: &'static str,
    /// Paths below the version.
    resources: Vec<String>,
}

/// Finds an operation.
pub(crate) async fn find(db: &Db, id: JobId) -> Result<Option<Operation>, DbError> {
    let Some(job) = jobs::status(&mut db.read().await?, id).await? else { return Ok(None) };
    let Some((_, kind)) = KINDS.iter().find(|(of, _)| *of == job.kind) else { return Ok(None) };
    let tags =
        serde_json::from_str::<reindex::Order>(&job.payload).map(|order| order.tags).unwrap_or_default();
    let paths = extended_query_tags::list::paths(db, &tags).await?;
    let resources = paths.iter().map(|path| format!("extendedquerytags/{path}")).collect();
    Ok(Some(Operation { job, kind, resources }))
}

impl Operation {
    /// Whether nothing more will happen.
    pub(crate) fn is_over(&self) -> bool {
        self.job.state.is_final()
    }

    /// The document of a version.
    pub(crate) fn json(&self, base: &str, version: ApiVersion) -> Json {
        let job = &self.job;
        let status = match (job.state, version) {
            (JobState::Queued, _) if job.attempts == 0 => "notStarted",
            (JobState::Queued | JobState::Running, _) => "running",
            (JobState::Succeeded, ApiVersion::V1) => "completed",
            (JobState::Succeeded, ApiVersion::V2) => "succeeded",
            (JobState::Failed, _) => "failed",
            (JobState::Cancelled, _) => "canceled",
        };
        let mut out = Map::new();
        out.insert("operationId".to_owned(), json!(job.id.uuid().simple().to_string()));
        out.insert("type".to_owned(), json!(self.kind));
        out.insert("createdTime".to_owned(), json!(job.created.to_string()));
        out.insert("lastUpdatedTime".to_owned(), json!(job.updated.to_string()));
        out.insert("status".to_owned(), json!(status));
        out.insert("percentComplete".to_owned(), json!(job.progress));
        let resources: Vec<String> = self.resources.iter().map(|path| format!("{base}/{path}")).collect();
        if !resources.is_empty() {
            out.insert("resources".to_owned(), json!(resources));
        }
        Json::Object(out)
    }
}
