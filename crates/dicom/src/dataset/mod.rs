//! DICOM datasets (PS3.5 §7): a light tree over one buffer of values, read from a Part 10 file.
//!
//! [`read::read_instance`] makes an [`Instance`]; [`Dataset`] is a borrowed view of one level of it,
//! with typed accessors in [`attributes`], DICOM JSON in [`json`] and the value rules in [`validate`].

pub mod attributes;
pub mod character_set;
pub mod frames;
pub mod json;
pub mod read;
pub mod validate;
pub mod vr;

mod fold;
mod pixel_data;
mod source;
mod tree;

pub use fold::folded;
pub use tree::{Bulk, Dataset, Element, Instance, Item, Span, Value};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
