//! The database: SQLite by default, PostgreSQL by URL, one text for both.
//!
//! Statements are constants ([`Sql`]) or joined from constants ([`Statement`]); parameters are [`Value`]s. Reads go
//! through [`Db::read`], writes through [`Db::write`], which is the only way to get a [`WriteTx`].

mod batch;
mod connection;
mod dialect;
mod error;
mod migrate;
mod statement;
mod tx;
mod value;
mod writer;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sqlx::{PgPool, SqlitePool};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use batch::{Answer, Batch};
pub use error::DbError;
pub use migrate::{Migration, Migrations};
pub use statement::{Sql, Statement};
pub use tx::{ReadTx, WriteTx};
pub use value::{Row, Value};

use connection::Connection;
use writer::{Job, TypedJob};

/// How long a write waits for room in the queue before it is refused.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction runs again after a conflict with another one.
const CONFLICT_RETRIES: u32 = 5;

/// Which database to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbConfig {
    /// A file; `-wal` and `-shm` files stand beside it.
    Sqlite {
        /// The database file. Its folder must exist.
        path: PathBuf,
    },
    /// A `postgres://` URL. May hold a password: never print it.
    Postgres {
        /// The URL.
        url: String,
    },
}

/// The kind of database behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, one file.
    Sqlite,
    /// PostgreSQL, or what speaks its protocol.
    Postgres,
}

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    pool: Pool,
    tasks: TaskTracker,
}

enum Pool {
    Sqlite { readers: SqlitePool, writer: mpsc::Sender<Box<dyn Job>> },
    Postgres { pool: PgPool, writers: Arc<Semaphore> },
}

/// How busy the database is, for metrics and health.
#[derive(Debug, Clone, Copy)]
pub struct DbStats {
    /// Open connections.
    pub connections: u32,
    /// Of these, how many wait for work.
    pub idle: usize,
    /// Writes that wait for their turn (SQLite).
    pub queued_writes: usize,
}

impl Db {
    /// Opens the database, creating an SQLite file that is not there. Does not migrate.
    ///
    /// # Errors
    /// [`DbError::Configuration`] for a URL that cannot be parsed or a PostgreSQL database whose collation is not `C`.
    pub async fn open(config: &DbConfig) -> Result<Self, DbError> {
        let tasks = TaskTracker::new();
        let pool = match config {
            DbConfig::Sqlite { path } => open_sqlite(path, &tasks).await?,
            DbConfig::Postgres { url } => open_postgres(url).await?,
        };
        Ok(Self(Arc::new(Inner { pool, tasks })))
    }

    /// Which kind of database this is.
    pub fn backend(&self) -> Backend {
        match self.0.pool {
            Pool::Sqlite { .. } => Backend::Sqlite,
            Pool::Postgres { .. } => Backend::Postgres,
        }
    }

    /// A connection for reading; each statement sees the latest committed state.
    pub async fn read(&self) -> Result<ReadTx, DbError> {
        Ok(ReadTx::new(match &self.0.pool {
            Pool::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?),
            Pool::Postgres { pool, .. } => Connection::Postgres(pool.acquire().await?),
        }))
    }

    /// A connection for reading on which all statements see one and the same state.
    pub async fn snapshot(&self) -> Result<ReadTx, DbError> {
        Ok(ReadTx::new(match &self.0.pool {
            Pool::Sqlite { readers, .. } => {
                Connection::SqliteTransaction(readers.begin_with("BEGIN DEFERRED").await?)
            }
            Pool::Postgres { pool, .. } => Connection::PostgresTransaction(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
        }))
    }

    /// Runs `work` in a write transaction and commits it when it returns `Ok`; an `Err` rolls it back.
    ///
    /// The work must await nothing but the transaction, be quick, and be fit to run twice: a conflict with another
    /// transaction starts it anew. It runs to its end even when the caller hangs up meanwhile.
    ///
    /// # Errors
    /// The work's own, or a [`DbError`] turned into it: [`DbError::Busy`] when too many writes wait.
    pub async fn write<I, T, E, F>(&self, input: I, work: F) -> Result<T, E>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'t> Fn(&'t mut WriteTx, &'t I) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        match &self.0.pool {
            Pool::Sqlite { writer, .. } => {
                let (reply, answer) = oneshot::channel();
                let job = TypedJob { input, work: Box::new(work), outcome: None, reply };
                match tokio::time::timeout(QUEUE_TIMEOUT, writer.send(Box::new(job))).await {
                    Ok(Ok(())) => answer.await.unwrap_or_else(|_| Err(DbError::Panicked.into())),
                    Ok(Err(_)) => Err(DbError::Unavailable(sqlx::Error::PoolClosed).into()),
                    Err(_) => Err(DbError::Busy.into()),
                }
            }
            Pool::Postgres { pool, writers } => {
                let turn = tokio::time::timeout(QUEUE_TIMEOUT, Arc::clone(writers).acquire_owned()).await;
                let Ok(Ok(turn)) = turn else { return Err(DbError::Busy.into()) };
                let pool = pool.clone();
                let task = self.0.tasks.spawn(async move {
                    let outcome = write_postgres(&pool, &input, &work).await;
                    drop(turn);
                    outcome
                });
                task.await.unwrap_or_else(|_| Err(DbError::Panicked.into()))
            }
        }
    }

    /// Whether the database answers, within two seconds.
    pub async fn ping(&self) -> Result<(), DbError> {
        let ask =
            async { self.read().await?.fetch_optional("SELECT CAST(1 AS BIGINT)", &[]).await.map(drop) };
        tokio::time::timeout(Duration::from_secs(2), ask).await.unwrap_or(Err(DbError::Busy))
    }

    /// How busy the database is.
    pub fn stats(&self) -> DbStats {
        match &self.0.pool {
            Pool::Sqlite { readers, writer } => DbStats {
                connections: readers.size(),
                idle: readers.num_idle(),
                queued_writes: writer.max_capacity() - writer.capacity(),
            },
            Pool::Postgres { pool, .. } => {
                DbStats { connections: pool.size(), idle: pool.num_idle(), queued_writes: 0 }
            }
        }
    }

    /// Waits for running writes and closes the connections. Other handles fail from now on.
    pub async fn close(&self) {
        self.0.tasks.close();
        match &self.0.pool {
            Pool::Sqlite { readers, .. } => readers.close().await,
            Pool::Postgres { pool, .. } => {
                self.0.tasks.wait().await;
                pool.close().await;
            }
        }
    }
}

async fn open_sqlite(path: &std::path::Path, tasks: &TaskTracker) -> Result<Pool, DbError> {
    dialect::make_private(path);
    let options = dialect::sqlite_options(path);
    let readers = dialect::sqlite_pool().connect_with(options.clone()).await?;
    // A pool of one, so that a connection that breaks can be opened anew by the driver's own means.
    let writer_pool = dialect::sqlite_pool().max_connections(1).connect_with(options).await?;
    let connection = writer_pool.acquire().await?;
    let (writer, queue) = mpsc::channel(writer::QUEUE_MAX);
    tasks.spawn(writer::run(WriteTx(ReadTx::new(Connection::Sqlite(connection))), queue));
    Ok(Pool::Sqlite { readers, writer })
}

async fn open_postgres(url: &str) -> Result<Pool, DbError> {
    let pool = dialect::postgres_pool().connect_with(dialect::postgres_options(url)?).await?;
    let mut tx = ReadTx::new(Connection::Postgres(pool.acquire().await?));
    if let Some(row) = tx.fetch_optional(dialect::POSTGRES_COLLATION, &[]).await? {
        let (collation, encoding) = (row.text(0)?, row.text(1)?);
        let by_code_point = matches!(collation.as_str(), "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "ucs_basic");
        if !by_code_point || encoding != "UTF8" {
            return Err(DbError::Configuration(format!(
                "it has collation {collation} and encoding {encoding}; create it with: \
                 CREATE DATABASE hilum TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            )));
        }
    }
    drop(tx);
    Ok(Pool::Postgres { pool, writers: Arc::new(Semaphore::new(dialect::POSTGRES_WRITERS_MAX)) })
}

async fn write_postgres<I, T, E, F>(pool: &PgPool, input: &I, work: &F) -> Result<T, E>
where
    I: Sync,
    E: From<DbError>,
    F: for<'t> Fn(&'t mut WriteTx, &'t I) -> BoxFuture<'t, Result<T, E>>,
{
    for _ in 0..CONFLICT_RETRIES {
        let transaction = pool.begin().await.map_err(DbError::NotBegun)?;
        let mut tx = WriteTx(ReadTx::new(Connection::PostgresTransaction(transaction)));
        let value = match work(&mut tx, input).await {
            Err(_) if tx.conflicted => continue,
            outcome => outcome?,
        };
        let Connection::PostgresTransaction(transaction) = tx.0.connection else {
            return Err(DbError::Panicked.into());
        };
        match transaction.commit().await.map_err(DbError::from) {
            Ok(()) => return Ok(value),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DbError::Busy.into())
}
