//! A Markdown table that also reads well on a terminal.

use std::fmt;

/// Rows of text below a head.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    columns: usize,
}

impl Table {
    /// A table with only a head.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()], columns: head.len() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width =
            |column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.columns).map(|column| width(column).max(3)).collect();
        for (at, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                // The first two columns are names, the others numbers.
                if column < 2 {
                    write!(f, "| {:<width$} ", cell(row, column))?;
                } else {
                    write!(f, "| {:>width$} ", cell(row, column))?;
                }
            }
            writeln!(f, "|")?;
            if at == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let colon = if column < 2 { "-" } else { ":" };
                    write!(f, "| {}{colon} ", "-".repeat(width.saturating_sub(1)))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
