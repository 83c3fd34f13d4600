//! What is wrong with a search, in the words of the wire (Azure: conformance statement; the archived server's texts).

use std::fmt;

use dicom_core::Tag;
use hilum_storage::db::DbError;
use thiserror::Error;

use crate::index::{metadata::MetadataError, query::QueryError};

/// Where a client finds what it may ask for.
macro_rules! see_statement {
    ($text:literal) => {
        concat!(
            $text,
            " If the parameter is an attribute keyword, check the casing as they are case-sensitive. The conformance ",
            "statement has a list of supported query parameters, attributes and the levels."
        )
    };
}

/// What an attribute is called in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeName {
    /// Its keyword, or the path of keywords.
    Keyword(&'static str),
    /// `GGGGEEEE`, for attributes without a keyword.
    Tag(Tag),
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(keyword) => f.write_str(keyword),
            Self::Tag(tag) => write!(f, "{:04X}{:04X}", tag.group(), tag.element()),
        }
    }
}

/// Why a search has no answer. `Display` is the body of the response for all but the last two.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the texts say it, the fields are their parts")]
pub enum SearchError {
    #[error("The query string included invalid characters.")]
    InvalidCharacters,
    #[error("The query string is not encoded as UTF-8.")]
    NotUtf8,
    #[error("The query string exceeded the allowed limit of {max} bytes.")]
    QueryTooLong { max: usize },
    #[error("The query string exceeded the allowed limit of {max} parameters.")]
    TooManyParameters { max: usize },
    #[error("The query parameter '{name}' is invalid. {detail}")]
    Parameter { name: &'static str, detail: String },
    #[error("{}", unknown(name))]
    UnknownParameter { name: String },
    // Two spaces, as in the original.
    #[error("{}", not_queryable(name))]
    NotQueryable { name: String },
    #[error("Query is disabled on specified attribute '{name}'.")]
    Disabled { name: AttributeName },
    #[error(
        "Invalid query: duplicate AttributeId '{name}'. Each attribute is only allowed to be specified once."
    )]
    Duplicate { name: String },
    #[error("Invalid query: AttributeId '{name}' has empty string value that is not supported.")]
    EmptyValue { name: String },
    // A space at the end, as in the original.
    #[error("Invalid query: cannot specify attribute '{keyword}' for the given resource. ")]
    InPath { keyword: &'static str },
    #[error("Invalid query: AttributeId '{name}' is the path of a sequence item that is not supported.")]
    SequencePath { name: String },
    #[error("Invalid query: cannot specify included fields in addition to 'all'.")]
    FieldsBesideAll,
    #[error("{}", unknown_field(name))]
    UnknownField { name: String },
    #[error("Invalid query: more than {max} included fields.")]
    TooManyFields { max: usize },
    #[error(
        "Invalid query: specified Date value '{value}' is invalid for attribute '{keyword}'. Date should be valid and formatted as yyyyMMdd."
    )]
    InvalidDate { value: String, keyword: AttributeName },
    #[error(
        "Invalid query: specified Time value '{value}' is invalid for attribute '{keyword}'. Time should be valid and formatted as HHmmss.FFFFFF, where all but the hours may be left out."
    )]
    InvalidTime { value: String, keyword: AttributeName },
    #[error(
        "Invalid query: specified {kind} range '{value}' is invalid for attribute '{keyword}'. Its start should not be after its end."
    )]
    ReversedRange { kind: &'static str, value: String, keyword: AttributeName },
    #[error(
        "Invalid query: specified value '{value}' is invalid for attribute '{keyword}'. It should be a whole number."
    )]
    InvalidNumber { value: String, keyword: AttributeName },
    #[error(
        "Invalid query: specified DateTime value '{value}' is invalid for attribute '{keyword}'. DateTime should be valid and formatted as yyyyMMddHHmmss.FFFFFF where yyyy is mandatory."
    )]
    InvalidDateTime { value: String, keyword: AttributeName },
    #[error(
        "Invalid query: attribute '{keyword}' is an extended query tag, which takes no wildcard but one '*' at the end of known characters."
    )]
    Wildcard { keyword: AttributeName },
    #[error("Invalid query: specified value '{value}' is invalid for attribute '{keyword}'.")]
    InvalidValue { value: String, keyword: AttributeName },
    #[error("Invalid query: the value of attribute '{keyword}' has more than {max} characters.")]
    ValueTooLong { keyword: AttributeName, max: usize },
    #[error("Invalid query: the value of attribute '{keyword}' has more than {max} UIDs.")]
    TooManyUids { keyword: AttributeName, max: usize },
    #[error("Invalid query: the value of attribute '{keyword}' has more than {max} words.")]
    TooManyWords { keyword: AttributeName, max: usize },
    #[error(
        "Invalid query: the value of attribute '{keyword}' has quotes, which fuzzy matching does not support."
    )]
    Quotes { keyword: AttributeName },
    #[error(
        "Invalid query: the wildcards match too little of too many values. Begin the value with known characters, or add a condition."
    )]
    TooBroad,
    /// 500 or 503, as the database's error says.
    #[error("the search failed in the database")]
    Db(#[source] DbError),
    /// 500: stored metadata cannot be read.
    #[error("stored metadata cannot be read")]
    Metadata(#[from] MetadataError),
}

impl From<QueryError> for SearchError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::TooBroad => Self::TooBroad,
            QueryError::Db(error) => Self::Db(error),
        }
    }
}

impl From<DbError> for SearchError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

fn unknown(name: &str) -> String {
    format!(see_statement!("Invalid query: unknown query parameter '{}'."), name)
}

fn not_queryable(name: &str) -> String {
    format!(see_statement!("Invalid query: AttributeId {} is not queryable. "), name)
}

fn unknown_field(name: &str) -> String {
    format!(see_statement!("Invalid query: includefield has unknown attribute '{}'."), name)
}
