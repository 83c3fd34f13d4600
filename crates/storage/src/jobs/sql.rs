//! The job table and its statements.

use crate::db::{Migration, Migrations, Sql};

/// The schema of the queue.
pub const MIGRATIONS: Migrations = Migrations {
    owner: "storage.jobs",
    steps: &[Migration {
        number: 1,
        name: "job",
        // A job's kind and dedup key are unique while it waits or runs; NULLs differ from each other.
        sql: "CREATE TABLE job (
                  id TEXT NOT NULL PRIMARY KEY,
                  kind TEXT NOT NULL,
                  dedup_key TEXT,
                  payload TEXT NOT NULL,
                  checkpoint TEXT,
                  state TEXT NOT NULL,
                  attempts BIGINT NOT NULL,
                  attempts_max BIGINT NOT NULL,
                  run_at_ms BIGINT NOT NULL,
                  lease_until_ms BIGINT,
                  lease_owner TEXT,
                  cancel_requested BIGINT NOT NULL,
                  progress BIGINT NOT NULL,
                  last_error TEXT,
                  result TEXT,
                  created_ms BIGINT NOT NULL,
                  updated_ms BIGINT NOT NULL);
              CREATE UNIQUE INDEX job_pending ON job (kind, dedup_key) WHERE state IN ('queued', 'running');
              CREATE INDEX job_due ON job (run_at_ms, id) WHERE state = 'queued';
              CREATE INDEX job_leased ON job (lease_until_ms) WHERE state = 'running';
              CREATE INDEX job_finished ON job (updated_ms) WHERE state IN ('succeeded', 'failed', 'cancelled')",
    }],
};

pub(super) const INSERT: Sql = "INSERT INTO job
    (id, kind, dedup_key, payload, state, attempts, attempts_max, run_at_ms, cancel_requested, progress, created_ms, updated_ms)
    VALUES ($1, $2, $3, $4, 'queued', 0, $5, $6, 0, 0, $7, $7)
    ON CONFLICT (kind, dedup_key) WHERE state IN ('queued', 'running') DO NOTHING";

pub(super) const PENDING: Sql =
    "SELECT id FROM job WHERE kind = $1 AND dedup_key = $2 AND state IN ('queued', 'running')";

pub(super) const BRING_FORWARD: Sql = "UPDATE job SET run_at_ms = $1 WHERE kind = $2 AND dedup_key = $3 AND state = 'queued' AND run_at_ms > $1";

/// Jobs whose node died. Run before each claim.
pub(super) const RELEASE_EXPIRED: Sql = "UPDATE job SET
    state = CASE WHEN cancel_requested = 1 THEN 'cancelled' WHEN attempts >= attempts_max THEN 'failed' ELSE 'queued' END,
    run_at_ms = $1, lease_owner = NULL, lease_until_ms = NULL, last_error = 'the node that ran it went away', updated_ms = $1
    WHERE state = 'running' AND lease_until_ms <= $1";

/// Fragments of the claim: the kinds and, on PostgreSQL, the locking clause vary.
pub(super) const CLAIM_UPDATE: Sql =
    "UPDATE job SET state = 'running', attempts = attempts + 1, lease_owner = ";
pub(super) const CLAIM_UNTIL: Sql = ", lease_until_ms = ";
pub(super) const CLAIM_UPDATED: Sql = ", updated_ms = ";
pub(super) const CLAIM_WHERE: Sql =
    " WHERE state = 'queued' AND id = (SELECT id FROM job WHERE state = 'queued' AND run_at_ms <= ";
pub(super) const AND_KIND_IN: Sql = " AND kind IN (";
pub(super) const CLAIM_ORDER: Sql = ") ORDER BY run_at_ms, id LIMIT 1";
pub(super) const CLAIM_RETURNING: Sql =
    ") RETURNING id, kind, dedup_key, payload, checkpoint, attempts, attempts_max";

/// When the next job of some kinds is due: the first of those that wait, and of leases that run out.
pub(super) const NEXT_QUEUED: Sql = "SELECT MIN(run_at_ms) FROM job WHERE state = 'queued' AND kind IN (";
pub(super) const NEXT_EXPIRED: Sql =
    "SELECT MIN(lease_until_ms) FROM job WHERE state = 'running' AND kind IN (";

pub(super) const HEARTBEAT: Sql = "UPDATE job SET lease_until_ms = $1, progress = $2, updated_ms = $3
    WHERE id = $4 AND lease_owner = $5 AND state = 'running' RETURNING cancel_requested";

pub(super) const CHECKPOINT: Sql = "UPDATE job SET checkpoint = $1, progress = $2, updated_ms = $3 WHERE id = $4 AND lease_owner = $5 AND state = 'running'";

pub(super) const FINISH: Sql = "UPDATE job SET state = $1, result = $2, last_error = $3, progress = $4,
    lease_owner = NULL, lease_until_ms = NULL, updated_ms = $5 WHERE id = $6 AND lease_owner = $7 AND state = 'running'";

pub(super) const REQUEUE: Sql = "UPDATE job SET state = 'queued', run_at_ms = $1, attempts = $2, last_error = $3,
    lease_owner = NULL, lease_until_ms = NULL, updated_ms = $4 WHERE id = $5 AND lease_owner = $6 AND state = 'running'";

pub(super) const CANCEL_QUEUED: Sql =
    "UPDATE job SET state = 'cancelled', updated_ms = $1 WHERE id = $2 AND state = 'queued'";
pub(super) const CANCEL_RUNNING: Sql =
    "UPDATE job SET cancel_requested = 1, updated_ms = $1 WHERE id = $2 AND state = 'running'";

pub(super) const STATUS: Sql =
    "SELECT kind, state, attempts, progress, last_error, result, run_at_ms, created_ms, updated_ms, payload
    FROM job WHERE id = $1";

pub(super) const DEPTH: Sql = "SELECT
    CAST(COALESCE(SUM(CASE WHEN state = 'queued' AND run_at_ms <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT),
    CAST(COALESCE(SUM(CASE WHEN state = 'queued' AND run_at_ms > $1 THEN 1 ELSE 0 END), 0) AS BIGINT),
    CAST(COALESCE(SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0) AS BIGINT)
    FROM job WHERE state IN ('queued', 'running')";

pub(super) const PURGE: Sql = "DELETE FROM job WHERE id IN (SELECT id FROM job
    WHERE state IN ('succeeded', 'failed', 'cancelled') AND updated_ms < $1 ORDER BY updated_ms LIMIT $2)";

/// All fixed statements, for the test that prepares them on both databases.
#[cfg(any(test, feature = "contract"))]
pub(crate) const ALL: &[Sql] = &[
    INSERT,
    PENDING,
    BRING_FORWARD,
    RELEASE_EXPIRED,
    HEARTBEAT,
    CHECKPOINT,
    FINISH,
    REQUEUE,
    CANCEL_QUEUED,
    CANCEL_RUNNING,
    STATUS,
    DEPTH,
    PURGE,
];
