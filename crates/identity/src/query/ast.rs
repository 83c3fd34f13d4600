//! What to look for, as a tree. Made by the parser of `$filter`, whose limits bound its depth and size.

use jiff::Timestamp;
use uuid::Uuid;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// All of them hold.
    And(Vec<Expr>),
    /// One of them holds.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// `displayName eq 'x'`.
    Compare {
        /// The property, parts joined by `/`. Empty for the variable of an `any` itself.
        path: String,
        /// How.
        operator: Comparison,
        /// With what.
        value: Literal,
    },
    /// `id in ('x','y')`.
    In {
        /// The property.
        path: String,
        /// One of these.
        values: Vec<Literal>,
    },
    /// `startsWith(displayName,'x')`.
    Match {
        /// Where in the property.
        function: Function,
        /// The property.
        path: String,
        /// What.
        text: String,
    },
    /// `tags/any(t:t eq 'x')`; paths within are relative to the variable. Without condition: is not empty.
    Any {
        /// The collection property.
        collection: String,
        /// What must hold for one of its items.
        condition: Option<Box<Expr>>,
    },
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `eq`.
    Equal,
    /// `ne`.
    NotEqual,
    /// `lt`.
    Less,
    /// `le`.
    LessOrEqual,
    /// `gt`.
    Greater,
    /// `ge`.
    GreaterOrEqual,
}

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// At the start.
    StartsWith,
    /// At the end.
    EndsWith,
    /// Anywhere.
    Contains,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// `'x'`.
    Text(String),
    /// A GUID without quotes.
    Guid(Uuid),
    /// A whole number.
    Number(i64),
    /// A date and time.
    Time(Timestamp),
}
