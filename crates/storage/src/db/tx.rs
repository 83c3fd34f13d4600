//! The two transaction types: what may read, and what may write.

use std::ops::{Deref, DerefMut};

use sqlx::SqlSafeStr as _;

use super::{Answer, Batch, DbError, Row, Sql, Statement, Value, connection::Connection};

/// Something that can read: a plain connection ([`super::Db::read`]), a snapshot ([`super::Db::snapshot`])
/// or, through [`WriteTx`], an open write transaction.
pub struct ReadTx {
    pub(super) connection: Connection,
    /// Whether a statement failed because of another transaction, so that the whole work should run again.
    pub(super) conflicted: bool,
}

impl ReadTx {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, conflicted: false }
    }

    fn noted<T>(&mut self, result: Result<T, DbError>) -> Result<T, DbError> {
        self.conflicted |= result.as_ref().is_err_and(DbError::is_conflict);
        result
    }

    /// All rows of a fixed statement. The statement must bound their number itself.
    pub async fn fetch_all(&mut self, sql: Sql, arguments: &[Value]) -> Result<Vec<Row>, DbError> {
        let rows = self.connection.fetch_all(sql.into_sql_str(), arguments).await;
        self.noted(rows)
    }

    /// The first row of a fixed statement, if there is one.
    pub async fn fetch_optional(&mut self, sql: Sql, arguments: &[Value]) -> Result<Option<Row>, DbError> {
        let row = self.connection.fetch_optional(sql.into_sql_str(), arguments).await;
        self.noted(row)
    }

    /// All rows of a statement joined from fragments.
    pub async fn fetch_all_of(&mut self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        let (sql, arguments) = statement.parts();
        let rows = self.connection.fetch_all(sql, arguments).await;
        self.noted(rows)
    }

    /// The first row of a statement joined from fragments.
    pub async fn fetch_optional_of(&mut self, statement: &Statement) -> Result<Option<Row>, DbError> {
        let (sql, arguments) = statement.parts();
        let row = self.connection.fetch_optional(sql, arguments).await;
        self.noted(row)
    }

    /// Lets the database parse a statement without running it: for the test that prepares every constant.
    pub async fn prepare(&mut self, sql: Sql) -> Result<(), DbError> {
        self.connection.prepare(sql).await
    }
}

/// An open write transaction. It commits when the work given to [`super::Db::write`] returns `Ok`.
pub struct WriteTx(pub(super) ReadTx);

impl WriteTx {
    /// Runs a fixed statement and tells how many rows it changed.
    pub async fn execute(&mut self, sql: Sql, arguments: &[Value]) -> Result<u64, DbError> {
        let changed = self.0.connection.execute(sql.into_sql_str(), arguments).await;
        self.0.noted(changed)
    }

    /// Runs a statement joined from fragments and tells how many rows it changed.
    pub async fn execute_of(&mut self, statement: &Statement) -> Result<u64, DbError> {
        let (sql, arguments) = statement.parts();
        let changed = self.0.connection.execute(sql, arguments).await;
        self.0.noted(changed)
    }

    /// Runs statements that need nothing of each other's answers; one answer for each.
    pub async fn run(&mut self, batch: &Batch) -> Result<Vec<Answer>, DbError> {
        let answers = self.0.connection.run(batch).await;
        self.0.noted(answers)
    }

    pub(super) async fn script(&mut self, sql: Sql) -> Result<(), DbError> {
        self.0.connection.script(sql.into_sql_str()).await
    }

    pub(super) async fn owned_script(&mut self, sql: String) -> Result<(), DbError> {
        self.0.connection.script(sqlx::AssertSqlSafe(sql).into_sql_str()).await
    }
}

// A writer may read: functions that take `&mut ReadTx` work inside both.
impl Deref for WriteTx {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.0
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.0
    }
}
