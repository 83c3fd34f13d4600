//! Statements whose filters vary: constant fragments joined in code, with every value bound.

use std::fmt::Write as _;

use sqlx::{SqlSafeStr as _, SqlStr};

use super::Value;

/// The text of a fixed statement. Only constants can be one, so nothing from outside gets into SQL.
pub type Sql = &'static str;

/// A statement in the making. Text comes only from constants, values only through [`Statement::bind`].
#[derive(Debug, Clone, Default)]
pub struct Statement {
    text: String,
    arguments: Vec<Value>,
}

impl Statement {
    /// Starts with a constant fragment.
    pub fn new(fragment: Sql) -> Self {
        Self { text: fragment.to_owned(), arguments: Vec::new() }
    }

    /// Appends a constant fragment. Spaces are the caller's.
    pub fn push(&mut self, fragment: Sql) -> &mut Self {
        self.text.push_str(fragment);
        self
    }

    /// Appends the placeholder of a value.
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.arguments.push(value.into());
        // Writing to a String cannot fail.
        let _ = write!(self.text, "${}", self.arguments.len());
        self
    }

    /// Appends the placeholders of a list, separated by commas. An empty list gives `NULL`, which matches nothing.
    pub fn bind_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        let before = self.arguments.len();
        for value in values {
            if self.arguments.len() > before {
                self.text.push(',');
            }
            self.bind(value);
        }
        if self.arguments.len() == before {
            self.text.push_str("NULL");
        }
        self
    }

    /// The statement's text, for tests and `EXPLAIN`.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn parts(&self) -> (SqlStr, &[Value]) {
        // The text was joined from constants and `$n` only: the type's whole purpose.
        (sqlx::AssertSqlSafe(self.text.as_str()).into_sql_str(), &self.arguments)
    }
}
