//! Store through the router, on every database.

mod bodies;
mod failures;
mod index;
mod outcomes;
mod validation;
