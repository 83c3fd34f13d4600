//! The closed set of values that go into statements and come out of rows.

use std::fmt;

use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use super::DbError;

/// A bound parameter. `None` inside is a typed NULL, which PostgreSQL wants.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `BIGINT`: keys, times in milliseconds, 0/1 for truth.
    Int(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `BLOB`.
    Blob(Option<Vec<u8>>),
    /// `DOUBLE PRECISION`.
    Double(Option<f64>),
}

// Values hold patients' names and hashed secrets: only their kind may reach a log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int(_) => "Int",
            Self::Text(_) => "Text",
            Self::Blob(_) => "Blob",
            Self::Double(_) => "Double",
        })
    }
}

macro_rules! from {
    ($($kind:ident($source:ty): $value:ident => $convert:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($value: $source) -> Self {
                Self::$kind(Some($convert))
            }
        }

        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                Self::$kind(value.map(|$value| $convert))
            }
        }
    )*};
}

from! {
    Int(i64): v => v;
    Int(i32): v => i64::from(v);
    Int(u32): v => i64::from(v);
    Int(u16): v => i64::from(v);
    Int(bool): v => i64::from(v);
    Text(String): v => v;
    Text(&str): v => v.to_owned();
    Text(&String): v => v.clone();
    Blob(Vec<u8>): v => v;
    Blob(&[u8]): v => v.to_vec();
    Double(f64): v => v;
    Int(hilum_kernel::PartitionKey): v => v.get();
    Int(hilum_kernel::StudyKey): v => v.get();
    Int(hilum_kernel::SeriesKey): v => v.get();
    Int(hilum_kernel::InstanceKey): v => v.get();
    Int(hilum_kernel::Watermark): v => v.get();
    Text(hilum_kernel::TenantId): v => v.to_string();
    Text(hilum_kernel::AppId): v => v.to_string();
    Text(hilum_kernel::ObjectId): v => v.to_string();
    Text(hilum_kernel::UserId): v => v.to_string();
    Text(hilum_kernel::GroupId): v => v.to_string();
    Text(hilum_kernel::CredentialId): v => v.to_string();
    Text(hilum_kernel::ScopeId): v => v.to_string();
    Text(hilum_kernel::AppRoleId): v => v.to_string();
    Text(hilum_kernel::PolicyId): v => v.to_string();
    Text(hilum_kernel::JobId): v => v.to_string();
    Text(hilum_kernel::CorrelationId): v => v.to_string();
    Text(&hilum_kernel::StudyUid): v => v.as_str().to_owned();
    Text(&hilum_kernel::SeriesUid): v => v.as_str().to_owned();
    Text(&hilum_kernel::InstanceUid): v => v.as_str().to_owned();
}

/// One row of an answer; columns are read by their position in the statement.
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
}

macro_rules! read {
    ($row:expr, $column:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($column),
            Row::Postgres(row) => row.try_get($column),
        }
        .map_err(|source| DbError::Column { column: $column, source })
    };
}

impl Row {
    /// How many columns it has.
    pub fn width(&self) -> usize {
        match self {
            Self::Sqlite(row) => row.len(),
            Self::Postgres(row) => row.len(),
        }
    }

    /// A `BIGINT` that cannot be NULL.
    pub fn int(&self, column: usize) -> Result<i64, DbError> {
        read!(self, column)
    }

    /// A `BIGINT` that can be NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        read!(self, column)
    }

    /// A 0/1 column.
    pub fn truth(&self, column: usize) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    /// A `TEXT` that cannot be NULL.
    pub fn text(&self, column: usize) -> Result<String, DbError> {
        read!(self, column)
    }

    /// A `TEXT` that can be NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>, DbError> {
        read!(self, column)
    }

    /// A `BLOB` that cannot be NULL.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>, DbError> {
        read!(self, column)
    }

    /// A `BLOB` that can be NULL.
    pub fn opt_blob(&self, column: usize) -> Result<Option<Vec<u8>>, DbError> {
        read!(self, column)
    }

    /// A `DOUBLE PRECISION` that can be NULL.
    pub fn opt_double(&self, column: usize) -> Result<Option<f64>, DbError> {
        read!(self, column)
    }

    /// A `TEXT` column parsed into a typed identifier.
    pub fn id<T: std::str::FromStr>(&self, column: usize) -> Result<T, DbError> {
        self.text(column)?.parse().map_err(|_| DbError::Corrupt { column })
    }

    /// A `TEXT` column that can be NULL, parsed into a typed identifier.
    pub fn opt_id<T: std::str::FromStr>(&self, column: usize) -> Result<Option<T>, DbError> {
        self.opt_text(column)?.map(|text| text.parse().map_err(|_| DbError::Corrupt { column })).transpose()
    }
}
