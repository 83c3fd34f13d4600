//! How SQLite finds what is listed: no list reads a whole table, and none sorts one.

use crate::{
    applications, groups,
    query::{Collection, Column, Comparison, Expr, Function, ListQuery, Literal, OrderBy, statement},
    testing::{Fixture, empty},
    users,
};

const ID: &str = "11111111-2222-3333-4444-555555555555";

/// Views and joins are left out: their plans are those of their parts.
fn collections() -> [&'static Collection; 3] {
    [&users::COLLECTION, &groups::COLLECTION, &applications::COLLECTION]
}

async fn plan(fixture: &Fixture, collection: &'static Collection, query: &ListQuery) -> String {
    let tenant = ID.parse().unwrap();
    let statement = statement(collection, tenant, query, "1").unwrap();
    format!("{}\n{}", statement.text(), fixture.plan(&statement).await)
}

#[tokio::test]
async fn pages_come_in_the_order_of_an_index() {
    let fixture = empty().await.remove(0);
    for collection in collections() {
        for property in collection.orders {
            for descending in [false, true] {
                let order = Some(OrderBy { property: (*property).to_owned(), descending });
                let plan = plan(&fixture, collection, &ListQuery { order, ..ListQuery::default() }).await;
                assert!(plan.contains("USING INDEX") || plan.contains("USING COVERING INDEX"), "{plan}");
                assert!(
                    !plan.contains("TEMP B-TREE"),
                    "{property} has no index that gives the order: {plan}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_said_to_be_indexed_is() {
    let fixture = empty().await.remove(0);
    for collection in collections() {
        for field in collection.fields.iter().filter(|field| field.indexed) {
            let path = field.property.to_owned();
            let equal = |path: String| Expr::Compare {
                path,
                operator: Comparison::Equal,
                value: Literal::Text(ID.to_owned()),
            };
            let mut filters = Vec::new();
            match field.column {
                Column::Child(child) => {
                    for inner in child.fields.iter().filter(|inner| inner.indexed) {
                        let condition = Some(Box::new(equal(inner.property.to_owned())));
                        filters.push(Expr::Any { collection: path.clone(), condition });
                    }
                }
                Column::Text(_) | Column::Folded(_) => {
                    filters.push(equal(path.clone()));
                    let function = Function::StartsWith;
                    filters.push(Expr::Match { function, path, text: "x".to_owned() });
                }
                _ => filters.push(equal(path)),
            }
            for filter in filters {
                let query = ListQuery { filter: Some(filter), ..ListQuery::default() };
                let plan = plan(&fixture, collection, &query).await;
                assert!(!plan.contains("SCAN "), "{plan}");
                let by_tenant_alone = plan.lines().any(|line| line.ends_with("(tenant_id=?)"));
                assert!(!by_tenant_alone, "all of the tenant is read: {plan}");
            }
        }
    }
}
