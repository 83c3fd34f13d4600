//! From the tree to SQL that both databases understand.
//!
//! SQL has three truths and OData two: a comparison with an absent value is false there, and its opposite true. So `not`
//! is carried down to the comparisons, each of which says what it makes of NULL.

use hilum_kernel::TenantId;
use hilum_storage::db::{Sql, Statement, Value};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Collection, Comparison, Expr, Function, ListQuery, Literal,
    collection::{Child, Column, Field, Order, field, shortened},
};
use crate::{IdentityError, folded};

/// Nested `any` inside `any` has no meaning in the directory.
const IN_ITEM: bool = true;

pub(super) fn select(
    collection: &Collection,
    tenant: TenantId,
    query: &ListQuery,
    order: &Order,
    (columns, rows): (Sql, usize),
) -> Result<Statement, IdentityError> {
    let by = order.column.name().unwrap_or(collection.id);
    let mut statement = Statement::new("SELECT ");
    statement.push(columns).push(", ").push(by).push(", ").push(collection.id);
    conditions(&mut statement, collection, tenant, query)?;
    // Where another index finds the few items in question, the order's must not tempt the planner: an expression is no
    // column to it. Without statistics SQLite takes any tenant to be small and would read all of it in order.
    let plain = match (lead(collection, query, by), order.column.is_number()) {
        (Lead::Order, _) => "",
        (Lead::Column | Lead::Key, true) => " + 0",
        (Lead::Column | Lead::Key, false) => " || ''",
    };
    if let Some(cursor) = &query.after {
        let (place, id) = cursor.values(collection, order)?;
        statement.push(" AND (").push(by).push(plain).push(", ").push(collection.id);
        statement.push(if order.descending { ") < (" } else { ") > (" });
        statement.bind(place).push(", ").bind(id).push(")");
    }
    let direction = if order.descending { " DESC" } else { "" };
    statement.push(" ORDER BY ").push(by).push(plain).push(direction);
    statement.push(", ").push(collection.id).push(direction).push(" LIMIT ");
    statement.bind(i64::try_from(rows).unwrap_or(i64::MAX));
    Ok(statement)
}

pub(super) fn count(
    collection: &Collection,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<Statement, IdentityError> {
    let mut statement = Statement::new("SELECT COUNT(*)");
    conditions(&mut statement, collection, tenant, query)?;
    Ok(statement)
}

fn conditions(
    statement: &mut Statement,
    collection: &Collection,
    tenant: TenantId,
    query: &ListQuery,
) -> Result<(), IdentityError> {
    statement.push(" FROM ").push(collection.table).push(" WHERE ").push(collection.tenant);
    let order = collection.order(query.order.as_ref())?.column.name().unwrap_or(collection.id);
    if lead(collection, query, order) == Lead::Key {
        // For the same reason: keys from another table are found by the key, not by reading the tenant.
        statement.push(" || ''");
    }
    statement.push(" = ");
    statement.bind(tenant);
    if let Some(only) = collection.only {
        statement.push(" AND ").push(only);
    }
    for within in &query.within {
        statement.push(" AND ").push(collection.id).push(" IN (").push(within.select);
        statement.bind(within.value.clone()).push(")");
    }
    for expr in query.filter.iter().chain(&query.search) {
        statement.push(" AND ");
        let mut compiler = Compiler { statement, fields: collection.fields, id: collection.id, tenant };
        compiler.expr(expr, Sense::Holds, !IN_ITEM)?;
    }
    Ok(())
}

/// What leads to the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// The order's index, from its start or from the cursor on.
    Order,
    /// An index of tenant and another column.
    Column,
    /// The key, which another table or a list names.
    Key,
}

fn lead(collection: &Collection, query: &ListQuery, order: Sql) -> Lead {
    let by_filter = query.filter.as_ref().map_or(Lead::Order, |filter| of_filter(collection, filter, order));
    if by_filter == Lead::Order && !query.within.is_empty() { Lead::Key } else { by_filter }
}

fn of_filter(collection: &Collection, filter: &Expr, order: Sql) -> Lead {
    let by = |path: &str, lead: Lead| {
        let found = field(collection.fields, path).filter(|field| field.indexed);
        match found.map(|field| field.column.name()) {
            Some(name) if name != Some(order) => lead,
            _ => Lead::Order,
        }
    };
    let of = |expr: &Expr| of_filter(collection, expr, order);
    match filter {
        Expr::And(all) if all.iter().any(|expr| of(expr) == Lead::Column) => Lead::Column,
        Expr::And(all) if all.iter().any(|expr| of(expr) == Lead::Key) => Lead::Key,
        Expr::Or(all) if all.iter().all(|expr| of(expr) == Lead::Key) => Lead::Key,
        Expr::Or(all) if all.iter().all(|expr| of(expr) != Lead::Order) => Lead::Column,
        Expr::In { path, .. }
            if field(collection.fields, path)
                .is_some_and(|field| field.column.name() == Some(collection.id)) =>
        {
            by(path, Lead::Key)
        }
        Expr::Compare { path, operator: Comparison::Equal, .. }
        | Expr::In { path, .. }
        | Expr::Match { path, function: Function::StartsWith, .. } => by(path, Lead::Column),
        Expr::Any { collection: path, condition: Some(_) } => by(path, Lead::Key),
        _ => Lead::Order,
    }
}

/// Whether a condition must hold or must not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    Holds,
    Fails,
}

impl Sense {
    const fn opposite(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
        }
    }
}

struct Compiler<'s> {
    statement: &'s mut Statement,
    fields: &'static [Field],
    id: Sql,
    tenant: TenantId,
}

impl Compiler<'_> {
    fn expr(&mut self, expr: &Expr, sense: Sense, in_item: bool) -> Result<(), IdentityError> {
        match expr {
            Expr::Not(inner) => self.expr(inner, sense.opposite(), in_item),
            // De Morgan: not (a and b) = not a or not b.
            Expr::And(all) => self.joined(all, sense, sense == Sense::Holds, in_item),
            Expr::Or(all) => self.joined(all, sense, sense == Sense::Fails, in_item),
            Expr::Compare { path, operator, value } => {
                let field = self.field(path)?;
                self.compare(field, *operator, value, sense)
            }
            Expr::In { path, values } => {
                let field = self.field(path)?;
                self.one_of(field, values, sense)
            }
            Expr::Match { function, path, text } => {
                let field = self.field(path)?;
                self.matches(field, *function, text, sense)
            }
            Expr::Any { .. } if in_item => Err(unsupported("any within any")),
            Expr::Any { collection, condition } => {
                let field = self.field(collection)?;
                let Column::Child(child) = field.column else { return Err(unsupported(field.property)) };
                self.any(child, condition.as_deref(), sense)
            }
        }
    }

    fn joined(&mut self, all: &[Expr], sense: Sense, and: bool, in_item: bool) -> Result<(), IdentityError> {
        if all.is_empty() {
            return Err(unsupported("an empty condition"));
        }
        self.statement.push("(");
        for (index, expr) in all.iter().enumerate() {
            if index > 0 {
                self.statement.push(if and { " AND " } else { " OR " });
            }
            self.expr(expr, sense, in_item)?;
        }
        self.statement.push(")");
        Ok(())
    }

    fn field(&self, path: &str) -> Result<&'static Field, IdentityError> {
        field(self.fields, path).ok_or_else(|| unsupported(path))
    }

    fn compare(
        &mut self,
        field: &Field,
        operator: Comparison,
        value: &Literal,
        sense: Sense,
    ) -> Result<(), IdentityError> {
        let name = field.column.name().ok_or_else(|| unsupported(field.property))?;
        let equal = match operator {
            Comparison::Equal => Some(sense == Sense::Holds),
            Comparison::NotEqual => Some(sense == Sense::Fails),
            _ => None,
        };
        if *value == Literal::Null {
            let equal = equal.ok_or_else(|| unsupported(field.property))?;
            self.statement.push(name).push(if equal { " IS NULL" } else { " IS NOT NULL" });
            return Ok(());
        }
        let value = value_of(field, value)?;
        match equal {
            Some(true) => {
                self.statement.push(name).push(" = ").bind(value);
            }
            Some(false) => {
                self.statement.push("(").push(name).push(" IS NULL OR ").push(name).push(" <> ");
                self.statement.bind(value).push(")");
            }
            None => {
                if matches!(field.column, Column::Guid(_) | Column::Bool(_)) {
                    return Err(unsupported(field.property));
                }
                self.unless_null(name, sense, |statement, sense| {
                    statement.push(name).push(relation(operator, sense)).bind(value);
                });
            }
        }
        Ok(())
    }

    /// What holds only of values that are there; its opposite holds of absent ones, too.
    fn unless_null(&mut self, name: Sql, sense: Sense, condition: impl FnOnce(&mut Statement, Sense)) {
        match sense {
            Sense::Holds => condition(self.statement, sense),
            Sense::Fails => {
                self.statement.push("(").push(name).push(" IS NULL OR ");
                condition(self.statement, sense);
                self.statement.push(")");
            }
        }
    }

    fn one_of(&mut self, field: &Field, values: &[Literal], sense: Sense) -> Result<(), IdentityError> {
        let name = field.column.name().ok_or_else(|| unsupported(field.property))?;
        let values: Vec<Value> =
            values.iter().map(|value| value_of(field, value)).collect::<Result<_, _>>()?;
        self.unless_null(name, sense, |statement, sense| {
            statement.push(name).push(if sense == Sense::Holds { " IN (" } else { " NOT IN (" });
            statement.bind_list(values).push(")");
        });
        Ok(())
    }

    fn matches(
        &mut self,
        field: &Field,
        function: Function,
        text: &str,
        sense: Sense,
    ) -> Result<(), IdentityError> {
        let (name, text) = match field.column {
            Column::Text(name) => (name, text.to_owned()),
            Column::Folded(name) => (name, folded(text)),
            _ => return Err(unsupported(field.property)),
        };
        if text.is_empty() {
            // Every text starts and ends with nothing.
            self.statement.push(name);
            self.statement.push(if sense == Sense::Holds { " IS NOT NULL" } else { " IS NULL" });
            return Ok(());
        }
        self.unless_null(name, sense, |statement, sense| match function {
            // A range, so that an index serves. No text holds the last code point.
            Function::StartsWith => {
                let end = format!("{text}{}", char::MAX);
                let (from, to) = if sense == Sense::Holds { (" >= ", " AND ") } else { (" < ", " OR ") };
                statement.push("(").push(name).push(from).bind(text).push(to).push(name);
                statement.push(if sense == Sense::Holds { " < " } else { " >= " }).bind(end).push(")");
            }
            // On SQLite, LIKE ignores ASCII case, which folded text has none of.
            Function::Contains if matches!(field.column, Column::Folded(_)) => {
                statement.push(name).push(if sense == Sense::Holds { " LIKE " } else { " NOT LIKE " });
                statement.bind(like_pattern(&text)).push(" ESCAPE '!'");
            }
            Function::Contains => {
                statement.push("REPLACE(").push(name).push(", ").bind(text).push(", '')");
                statement.push(if sense == Sense::Holds { " <> " } else { " = " }).push(name);
            }
            Function::EndsWith => {
                let chars = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                statement.push("SUBSTR(").push(name).push(", CAST(LENGTH(").push(name).push(") - ");
                statement.bind(chars - 1).push(" AS INTEGER))");
                statement.push(if sense == Sense::Holds { " = " } else { " <> " }).bind(text);
            }
        });
        Ok(())
    }

    fn any(
        &mut self,
        child: &'static Child,
        condition: Option<&Expr>,
        sense: Sense,
    ) -> Result<(), IdentityError> {
        self.statement.push(self.id);
        self.statement.push(if sense == Sense::Holds { " IN (SELECT " } else { " NOT IN (SELECT " });
        self.statement.push(child.parent).push(" FROM ").push(child.table).push(" WHERE ");
        match child.tenant {
            Some(column) => self.statement.push(column).push(" = ").bind(self.tenant),
            None => self.statement.push("1 = 1"),
        };
        if let Some(only) = child.only {
            self.statement.push(" AND ").push(only);
        }
        if let Some(condition) = condition {
            self.statement.push(" AND ");
            let mut inner = Compiler {
                statement: &mut *self.statement,
                fields: child.fields,
                id: child.parent,
                tenant: self.tenant,
            };
            inner.expr(condition, Sense::Holds, IN_ITEM)?;
        }
        self.statement.push(")");
        Ok(())
    }
}

/// What LIKE takes for this text anywhere.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for char in text.chars() {
        if matches!(char, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

const fn relation(operator: Comparison, sense: Sense) -> Sql {
    match (operator, sense) {
        (Comparison::Less, Sense::Holds) | (Comparison::GreaterOrEqual, Sense::Fails) => " < ",
        (Comparison::LessOrEqual, Sense::Holds) | (Comparison::Greater, Sense::Fails) => " <= ",
        (Comparison::Greater, Sense::Holds) | (Comparison::LessOrEqual, Sense::Fails) => " > ",
        (Comparison::GreaterOrEqual, Sense::Holds) | (Comparison::Less, Sense::Fails) => " >= ",
        (Comparison::Equal, Sense::Holds) | (Comparison::NotEqual, Sense::Fails) => " = ",
        (Comparison::NotEqual, Sense::Holds) | (Comparison::Equal, Sense::Fails) => " <> ",
    }
}

/// The literal as the column holds it.
fn value_of(field: &Field, literal: &Literal) -> Result<Value, IdentityError> {
    let mismatch = || {
        IdentityError::invalid("$filter", format!("the value for '{}' has the wrong type", field.property))
    };
    match (field.column, literal) {
        (Column::Text(_), Literal::Text(text)) => Ok(Value::from(text)),
        (Column::Folded(_), Literal::Text(text)) => Ok(Value::from(folded(text))),
        (Column::Text(_) | Column::Folded(_) | Column::Guid(_), Literal::Guid(id)) => {
            Ok(Value::from(id.to_string()))
        }
        (Column::Guid(_), Literal::Text(text)) => {
            let id: Uuid = text.trim().parse().map_err(|_| {
                let reason = format!("the value for '{}' is not a GUID", field.property);
                IdentityError::invalid("$filter", reason)
            })?;
            Ok(Value::from(id.to_string()))
        }
        (Column::Bool(_), Literal::Bool(truth)) => Ok(Value::from(*truth)),
        (Column::Number(_), Literal::Number(number)) => Ok(Value::from(*number)),
        (Column::Time(_), Literal::Time(time)) => Ok(Value::from(time.as_millisecond())),
        (Column::Time(_), Literal::Text(text)) => {
            let time: Timestamp = text.parse().map_err(|_| mismatch())?;
            Ok(Value::from(time.as_millisecond()))
        }
        _ => Err(mismatch()),
    }
}

fn unsupported(property: &str) -> IdentityError {
    let name = shortened(property);
    IdentityError::UnsupportedQuery(format!(
        "Unsupported or invalid query filter clause specified for property '{name}' of this resource."
    ))
}
