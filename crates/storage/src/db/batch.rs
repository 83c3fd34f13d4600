//! Several fixed statements in one go.

use std::fmt::Write as _;

use super::{Row, Sql, Value};

/// How many statements are joined at most.
const JOINED_MAX: usize = 8;

/// Fixed statements that need nothing of each other's answers.
///
/// On SQLite they run in one visit to the connection's thread, which costs more than most statements do; on PostgreSQL
/// one after the other. All of them run, or the first that fails ends the batch with its error.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    statements: Vec<Planned>,
    arguments: Vec<Value>,
}

#[derive(Debug, Clone, Copy)]
struct Planned {
    sql: Sql,
    first_argument: usize,
}

/// What one statement of a batch gave.
#[derive(Default)]
pub struct Answer {
    /// How many rows it changed.
    pub changed: u64,
    /// The rows it returned.
    pub rows: Vec<Row>,
}

impl Batch {
    /// Adds a statement; its `$1` is the first of `arguments`.
    pub fn push(&mut self, sql: Sql, arguments: impl IntoIterator<Item = Value>) {
        self.statements.push(Planned { sql, first_argument: self.arguments.len() });
        self.arguments.extend(arguments);
    }

    /// Whether the statements are worth joining: a long batch would be a text that is parsed once and never again.
    pub(super) fn is_short(&self) -> bool {
        self.statements.len() <= JOINED_MAX
    }

    /// All arguments, in the order in which [`Batch::joined`] numbers them.
    pub(super) fn arguments(&self) -> &[Value] {
        &self.arguments
    }

    /// The statements one by one, each with its own arguments.
    pub(super) fn each(&self) -> impl Iterator<Item = (Sql, &[Value])> {
        let ends = self.statements.iter().skip(1).map(|next| next.first_argument);
        let ends = ends.chain([self.arguments.len()]);
        self.statements.iter().zip(ends).map(|(planned, end)| {
            (planned.sql, self.arguments.get(planned.first_argument..end).unwrap_or_default())
        })
    }

    /// One text of all statements, their placeholders numbered through.
    pub(super) fn joined(&self) -> String {
        let mut text =
            String::with_capacity(self.statements.iter().map(|planned| planned.sql.len() + 16).sum());
        for planned in &self.statements {
            let mut pieces = planned.sql.split('$');
            text.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
                let (number, rest) = piece.split_at(digits);
                let number: usize = number.parse().unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = write!(text, "${}", number + planned.first_argument);
                text.push_str(rest);
            }
            text.push(';');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        let mut batch = Batch::default();
        batch.push("UPDATE a SET x = $1 WHERE y = $2 OR z = $1", [1.into(), 2.into()]);
        batch.push("DELETE FROM b", []);
        batch.push("INSERT INTO c VALUES ($1, $2)", ["p".into(), "q".into()]);
        assert_eq!(
            batch.joined(),
            "UPDATE a SET x = $1 WHERE y = $2 OR z = $1;DELETE FROM b;INSERT INTO c VALUES ($3, $4);"
        );
        let each: Vec<_> = batch.each().map(|(_, arguments)| arguments.len()).collect();
        assert_eq!(each, [2, 0, 2]);
    }
}
