//! One database connection of either kind, and the statements that run on it.

use futures::{TryStreamExt as _, stream::BoxStream};
use sqlx::{
    Database, Either, Encode, Executor as _, PgConnection, Postgres, SqlSafeStr as _, SqlStr, Sqlite,
    SqliteConnection, Transaction, Type, pool::PoolConnection, postgres::PgQueryResult, query::Query,
    sqlite::SqliteQueryResult,
};

use super::{Answer, Batch, DbError, Row, Sql, Value};

/// A connection in whatever state its owner wants: plain, or inside a transaction that rolls back when dropped.
pub(super) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

/// The two dialects, after taking the wrapping off.
enum Raw<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection {
    fn raw(&mut self) -> Raw<'_> {
        match self {
            Self::Sqlite(connection) => Raw::Sqlite(connection),
            Self::SqliteTransaction(transaction) => Raw::Sqlite(transaction),
            Self::Postgres(connection) => Raw::Postgres(connection),
            Self::PostgresTransaction(transaction) => Raw::Postgres(transaction),
        }
    }

    pub(super) async fn execute(&mut self, sql: SqlStr, arguments: &[Value]) -> Result<u64, DbError> {
        Ok(match self.raw() {
            Raw::Sqlite(c) => bind(sql, arguments).execute(c).await?.rows_affected(),
            Raw::Postgres(c) => bind(sql, arguments).execute(c).await?.rows_affected(),
        })
    }

    pub(super) async fn fetch_all(&mut self, sql: SqlStr, arguments: &[Value]) -> Result<Vec<Row>, DbError> {
        Ok(match self.raw() {
            Raw::Sqlite(c) => bind(sql, arguments).fetch_all(c).await?.into_iter().map(Row::Sqlite).collect(),
            Raw::Postgres(c) => {
                bind(sql, arguments).fetch_all(c).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub(super) async fn fetch_optional(
        &mut self,
        sql: SqlStr,
        arguments: &[Value],
    ) -> Result<Option<Row>, DbError> {
        Ok(match self.raw() {
            Raw::Sqlite(c) => bind(sql, arguments).fetch_optional(c).await?.map(Row::Sqlite),
            Raw::Postgres(c) => bind(sql, arguments).fetch_optional(c).await?.map(Row::Postgres),
        })
    }

    pub(super) async fn run(&mut self, batch: &Batch) -> Result<Vec<Answer>, DbError> {
        match self.raw() {
            Raw::Sqlite(c) if batch.is_short() => {
                // The text was joined from constants and `$n` only.
                let sql = sqlx::AssertSqlSafe(batch.joined()).into_sql_str();
                answers(c.fetch_many(bind::<Sqlite>(sql, batch.arguments())), Row::Sqlite).await
            }
            Raw::Sqlite(c) => {
                let mut all = Vec::new();
                for (sql, arguments) in batch.each() {
                    let steps = c.fetch_many(bind::<Sqlite>(sql.into_sql_str(), arguments));
                    all.append(&mut answers(steps, Row::Sqlite).await?);
                }
                Ok(all)
            }
            Raw::Postgres(c) => {
                let mut all = Vec::new();
                for (sql, arguments) in batch.each() {
                    let steps = c.fetch_many(bind::<Postgres>(sql.into_sql_str(), arguments));
                    all.append(&mut answers(steps, Row::Postgres).await?);
                }
                Ok(all)
            }
        }
    }

    /// Runs several statements without parameters: migrations, BEGIN and its kin.
    pub(super) async fn script(&mut self, sql: SqlStr) -> Result<(), DbError> {
        match self.raw() {
            Raw::Sqlite(c) => sqlx::raw_sql(sql).execute(c).await.map(drop)?,
            Raw::Postgres(c) => sqlx::raw_sql(sql).execute(c).await.map(drop)?,
        }
        Ok(())
    }

    pub(super) async fn prepare(&mut self, sql: Sql) -> Result<(), DbError> {
        match self.raw() {
            Raw::Sqlite(c) => c.prepare(sql.into_sql_str()).await.map(drop)?,
            Raw::Postgres(c) => c.prepare(sql.into_sql_str()).await.map(drop)?,
        }
        Ok(())
    }
}

/// Each statement's rows, and how many it changed.
async fn answers<R: RowsAffected, T>(
    mut steps: BoxStream<'_, Result<Either<R, T>, sqlx::Error>>,
    wrap: fn(T) -> Row,
) -> Result<Vec<Answer>, DbError> {
    let mut answers = Vec::new();
    let mut rows = Vec::new();
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => {
                answers.push(Answer { changed: done.rows_affected(), rows: std::mem::take(&mut rows) });
            }
            Either::Right(row) => rows.push(wrap(row)),
        }
    }
    Ok(answers)
}

/// What both drivers' results can tell.
trait RowsAffected {
    fn rows_affected(&self) -> u64;
}

impl RowsAffected for SqliteQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

impl RowsAffected for PgQueryResult {
    fn rows_affected(&self) -> u64 {
        self.rows_affected()
    }
}

fn bind<DB>(sql: SqlStr, arguments: &[Value]) -> Query<'_, DB, DB::Arguments>
where
    DB: Database,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> Option<f64>: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q str>: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q [u8]>: Encode<'q, DB> + Type<DB>,
{
    arguments.iter().fold(sqlx::query(sql), |query, argument| match argument {
        Value::Int(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.as_deref()),
        Value::Blob(value) => query.bind(value.as_deref()),
        Value::Double(value) => query.bind(*value),
    })
}
