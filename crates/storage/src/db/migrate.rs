//! Schema migrations: numbered per crate, append-only, checksummed, one text for both databases.

use futures::FutureExt as _;
use sha2::{Digest as _, Sha256};

use super::{Backend, Db, DbError, Sql, WriteTx, dialect};

/// One step of a schema. Released steps never change: a new need is a new step.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Counts from 1 within its owner.
    pub number: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Statements separated by semicolons. `{{identity}}` stands for the type of a self-numbering key column, `{{key}}`
    /// for that of an integer key whose numbers the program gives.
    pub sql: Sql,
}

/// All steps of one owner, in order.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// The crate whose tables these are.
    pub owner: &'static str,
    /// The steps.
    pub steps: &'static [Migration],
}

const CREATE: Sql = "CREATE TABLE IF NOT EXISTS schema_migration (
    owner TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (owner, number))";
const APPLIED: Sql = "SELECT number, checksum FROM schema_migration WHERE owner = $1 ORDER BY number";
const RECORD: Sql = "INSERT INTO schema_migration (owner, number, name, checksum) VALUES ($1, $2, $3, $4)";

impl Db {
    /// Brings the schema of these owners up to date, all or nothing.
    ///
    /// # Errors
    /// [`DbError::Schema`] where a recorded step is unknown to this program or has another text.
    pub async fn migrate(&self, all: &'static [Migrations]) -> Result<(), DbError> {
        let backend = self.backend();
        self.write((all, backend), |tx, (all, backend)| migrate(tx, all, *backend).boxed()).await
    }
}

async fn migrate(tx: &mut WriteTx, all: &[Migrations], backend: Backend) -> Result<(), DbError> {
    if backend == Backend::Postgres {
        tx.fetch_optional(dialect::POSTGRES_MIGRATION_LOCK, &[]).await?;
        tx.script(dialect::POSTGRES_PREPARE).await?;
    }
    tx.script(CREATE).await?;
    for owner in all {
        let mut applied = Vec::new();
        for row in tx.fetch_all(APPLIED, &[owner.owner.into()]).await? {
            applied.push((row.int(0)?, row.text(1)?));
        }
        if applied.len() > owner.steps.len() {
            return Err(DbError::Schema(format!(
                "{} is at step {}, this program knows {}: it was used by a newer version",
                owner.owner,
                applied.len(),
                owner.steps.len()
            )));
        }
        for (index, step) in owner.steps.iter().enumerate() {
            let checksum = checksum(step.sql);
            match applied.get(index) {
                Some((number, known)) if *number == step.number && *known == checksum => {}
                Some(_) => {
                    return Err(DbError::Schema(format!(
                        "step {} of {} was changed after it was applied",
                        step.number, owner.owner
                    )));
                }
                None => apply(tx, owner.owner, step, checksum, backend).await?,
            }
        }
    }
    Ok(())
}

async fn apply(
    tx: &mut WriteTx,
    owner: &'static str,
    step: &Migration,
    checksum: String,
    backend: Backend,
) -> Result<(), DbError> {
    tx.owned_script(dialect::ddl(step.sql, backend)).await?;
    tx.execute(RECORD, &[owner.into(), step.number.into(), step.name.into(), checksum.into()]).await?;
    tracing::info!(owner, step = step.number, name = step.name, "schema migrated");
    Ok(())
}

fn checksum(sql: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(sql.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
