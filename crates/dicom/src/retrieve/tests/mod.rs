//! Retrieve through the router, on every database.

mod frames;
mod instances;
mod metadata;
