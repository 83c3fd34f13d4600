//! Tests of the dataset's modules on small files made here.

mod attributes;
mod frames;
mod json;
mod read;
