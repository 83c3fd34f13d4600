//! Lists, on every database.
