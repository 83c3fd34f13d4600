//! Protected health information: values about a patient.

use std::fmt;

/// A value about a patient. `Debug` prints `[phi]`, so that it cannot slip into a log or an error text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Marks a value as being about a patient.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The plain value, for the database and for answers to authorised callers.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}
