//! What a handler answers, before it becomes a response.

use http::StatusCode;
use serde_json::Value;

use crate::query::Page;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
    /// What `@odata.context` says behind `$metadata#`, e.g. `applications/$entity`.
    pub(super) context: &'static str,
    /// The object's version, for `ETag`.
    pub(super) version: Option<i64>,
}

/// The body.
#[derive(Debug)]
pub(super) enum Content {
    /// None.
    Empty,
    /// One object.
    Object(Value),
    /// A part of a list.
    Page(Page<Value>),
    /// JSON that stays as it is.
    Bare(Value),
    /// Plain text.
    Text(String),
}

impl Answer {
    /// 200 with an object that has all its members; `$select` is applied to it afterwards.
    pub(crate) fn object(context: &'static str, value: Value) -> Self {
        Self::new(StatusCode::OK, context, Content::Object(value))
    }

    /// 201 with the new object.
    pub(crate) fn created(context: &'static str, value: Value) -> Self {
        Self::new(StatusCode::CREATED, context, Content::Object(value))
    }

    /// 200 with a page of objects that have all their members.
    pub(crate) fn page(context: &'static str, page: Page<Value>) -> Self {
        Self::new(StatusCode::OK, context, Content::Page(page))
    }

    /// 200 with a list that is whole.
    pub(crate) fn list(context: &'static str, items: Vec<Value>) -> Self {
        Self::page(context, Page::whole(items))
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, "", Content::Empty)
    }

    /// 200 with plain text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, "", Content::Text(text.into()))
    }

    /// With the object's version as `ETag`.
    pub(crate) fn with_version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }

    fn new(status: StatusCode, noun: &'static str, content: Content) -> Self {
        Self { status, content, context: noun, version: None }
    }
}

impl Answer {
    /// 200 with JSON that is no directory object: as it is, without context and selection.
    pub(crate) fn bare(value: Value) -> Self {
        Self::new(StatusCode::OK, "", Content::Bare(value))
    }
}
