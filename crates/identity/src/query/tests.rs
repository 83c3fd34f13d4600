//! Lists, on every database, over a table of their own.

use futures::FutureExt as _;
use hilum_jose::MasterKey;
use hilum_kernel::{SeededRandom, TenantId};
use hilum_storage::db::{Db, Row, Sql};
use uuid::Uuid;

use super::{
    Child, Collection, Column, Comparison, Cursor, CursorKey, Expr, Field, Function, ListQuery, Literal,
    OrderBy, Page, compile, count, page,
};
use crate::{
    IdentityError,
    graph::parse_filter,
    testing::{Fixture, empty},
};

const TABLES: &[Sql] = &[
    "CREATE TABLE thing (id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, name_folded TEXT NOT NULL,
        mail TEXT, enabled BIGINT NOT NULL, made_at_ms BIGINT NOT NULL, gone BIGINT NOT NULL)",
    "CREATE INDEX thing_name ON thing (tenant_id, name_folded, id)",
    "CREATE INDEX thing_mail ON thing (tenant_id, mail)",
    "CREATE INDEX thing_made ON thing (tenant_id, made_at_ms, id)",
    "CREATE TABLE thing_tag (tenant_id TEXT NOT NULL, thing_id TEXT NOT NULL, tag TEXT NOT NULL)",
    "CREATE INDEX thing_tag_tag ON thing_tag (tenant_id, tag, thing_id)",
];
const INSERT: Sql = "INSERT INTO thing (id, tenant_id, name, name_folded, mail, enabled, made_at_ms, gone)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_TAG: Sql = "INSERT INTO thing_tag (tenant_id, thing_id, tag) VALUES ($1, $2, $3)";

const TAGS: Child = Child {
    table: "thing_tag",
    parent: "thing_id",
    tenant: Some("tenant_id"),
    only: None,
    fields: &[Field::new("", Column::Text("tag")).indexed(), Field::new("id", Column::Text("tag"))],
};

static THINGS: Collection = Collection {
    table: "thing",
    id: "id",
    tenant: "tenant_id",
    only: Some("gone = 0"),
    default_order: "displayName",
    orders: &["displayName", "createdDateTime"],
    fields: &[
        Field::new("id", Column::Guid("id")).indexed(),
        Field::new("displayName", Column::Folded("name_folded")).indexed(),
        Field::new("mail", Column::Text("mail")).indexed(),
        Field::new("accountEnabled", Column::Bool("enabled")),
        Field::new("createdDateTime", Column::Time("made_at_ms")),
        Field::new("tags", Column::Child(&TAGS)).indexed(),
    ],
    search: &["displayName"],
};

/// Name, mail, enabled, tags. The number of a thing is its minute of creation.
const ROWS: &[(&str, Option<&str>, bool, &[&str])] = &[
    ("Äpfel 50%_", Some("a@x"), true, &["red", "round"]),
    ("banana", None, true, &["long"]),
    ("Banana Split", Some("b@x"), false, &[]),
    ("cherry", Some("B@x"), true, &["red"]),
];

fn tenant() -> TenantId {
    TenantId::new(Uuid::from_u128(7))
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(0xA000 + u128::try_from(number).unwrap())
}

async fn fill(db: &Db) {
    db.write((), |tx, ()| {
        async move {
            for sql in TABLES {
                tx.execute(sql, &[]).await?;
            }
            for (number, (name, mail, enabled, tags)) in ROWS.iter().enumerate() {
                let at_ms = i64::try_from(number).unwrap() * 60_000;
                for (tenant, shift, gone) in
                    [(tenant(), 0, false), (tenant(), 100, true), (other(), 200, false)]
                {
                    let key = id(number + shift).to_string();
                    let row = [
                        (&key).into(),
                        tenant.into(),
                        (*name).into(),
                        crate::folded(name).into(),
                        (*mail).into(),
                        (*enabled).into(),
                        at_ms.into(),
                        gone.into(),
                    ];
                    tx.execute(INSERT, &row).await?;
                    for tag in *tags {
                        tx.execute(INSERT_TAG, &[tenant.into(), (&key).into(), (*tag).into()]).await?;
                    }
                }
            }
            Ok::<_, IdentityError>(())
        }
        .boxed()
    })
    .await
    .unwrap();
}

fn other() -> TenantId {
    TenantId::new(Uuid::from_u128(8))
}

async fn list(fixture: &Fixture, query: &ListQuery) -> Result<Page<String>, IdentityError> {
    let mut tx = fixture.test_db.db.snapshot().await.unwrap();
    let page = page(&mut tx, &THINGS, tenant(), query, "name").await?;
    page.try_map(|row: Row| Ok(row.text(0)?))
}

fn filtered(filter: &str) -> ListQuery {
    ListQuery { filter: Some(parse_filter(filter).unwrap()), ..ListQuery::default() }
}

#[tokio::test]
async fn filters_find_what_odata_says_also_where_values_are_absent() {
    let (apple, banana, split, cherry) = ("Äpfel 50%_", "banana", "Banana Split", "cherry");
    let in_set = format!("id in ('{}',{})", id(1), id(2).to_string().to_uppercase());
    let out_set = format!("not (id in ('{}','{}'))", id(1), id(2));
    let cases: &[(&str, &[&str])] = &[
        ("displayName eq 'BANANA'", &[banana]),
        ("displayName ne 'BANANA'", &[split, cherry, apple]),
        ("not (displayName eq 'BANANA')", &[split, cherry, apple]),
        ("startsWith(displayName,'BAN')", &[banana, split]),
        ("not startsWith(displayName,'BAN')", &[cherry, apple]),
        ("startsWith(displayName,'ä')", &[apple]),
        ("startsWith(displayName,'')", &[banana, split, cherry, apple]),
        ("contains(displayName,'AN')", &[banana, split]),
        ("not contains(displayName,'an')", &[cherry, apple]),
        ("contains(displayName,'%')", &[apple]),
        ("contains(displayName,'_')", &[apple]),
        ("endsWith(displayName,'SPLIT')", &[split]),
        ("endsWith(displayName,'0%_')", &[apple]),
        ("endsWith(displayName,'a much longer text than any name is')", &[]),
        ("not endsWith(displayName,'y')", &[banana, split, apple]),
        ("mail eq 'b@x'", &[split]),
        ("mail ne 'b@x'", &[banana, cherry, apple]),
        ("not (mail ne 'b@x')", &[split]),
        ("mail eq null", &[banana]),
        ("mail ne null", &[split, cherry, apple]),
        ("not (mail eq null)", &[split, cherry, apple]),
        ("mail in ('a@x','b@x')", &[split, apple]),
        ("not (mail in ('a@x','b@x'))", &[banana, cherry]),
        ("startsWith(mail,'b')", &[split]),
        ("not startsWith(mail,'b')", &[banana, cherry, apple]),
        ("not contains(mail,'x')", &[banana]),
        ("contains(mail,'B')", &[cherry]),
        ("mail ge 'a@x'", &[split, apple]),
        ("not (mail ge 'a@x')", &[banana, cherry]),
        ("accountEnabled eq false", &[split]),
        ("accountEnabled ne false", &[banana, cherry, apple]),
        ("createdDateTime le 1970-01-01T00:01:00Z", &[banana, apple]),
        ("createdDateTime gt '1970-01-01T00:01:00Z'", &[split, cherry]),
        ("not (createdDateTime lt 1970-01-01T00:03:00Z)", &[cherry]),
        (&in_set, &[banana, split]),
        (&out_set, &[cherry, apple]),
        ("tags/any(t:t eq 'red')", &[cherry, apple]),
        ("not tags/any(t:t eq 'red')", &[banana, split]),
        ("tags/any(t:t/id eq 'long')", &[banana]),
        ("tags/any(t:t ne 'red')", &[banana, apple]),
        ("tags/any(t:startsWith(t,'ro') or t eq 'long')", &[banana, apple]),
        ("tags/any()", &[banana, cherry, apple]),
        ("not tags/any()", &[split]),
        ("tags/any(t:t eq 'red') and tags/any(t:t eq 'round')", &[apple]),
        ("(mail eq null or mail eq 'b@x') and not (displayName eq 'banana')", &[split]),
        ("not (mail eq null or accountEnabled eq false)", &[cherry, apple]),
        ("not (mail ne null and accountEnabled eq true)", &[banana, split]),
        ("displayName eq 'x'' OR 1=1 --'", &[]),
    ];
    for fixture in empty().await {
        fill(&fixture.test_db.db).await;
        for (filter, expected) in cases {
            let found = list(&fixture, &ListQuery { count: true, ..filtered(filter) }).await.unwrap();
            assert_eq!(found.items, *expected, "{filter}");
            assert_eq!(found.total, Some(u64::try_from(expected.len()).unwrap()), "{filter}");
        }
    }
}

#[tokio::test]
async fn what_the_collection_does_not_name_cannot_be_asked_for() {
    for fixture in empty().await {
        fill(&fixture.test_db.db).await;
        for filter in ["name eq 'x'", "tags eq 'x'", "displayName/any(t:t eq 'x')", "tags/any(t:t/x eq 'x')"]
        {
            let refused = list(&fixture, &filtered(filter)).await;
            assert!(matches!(refused, Err(IdentityError::UnsupportedQuery(_))), "{filter}: {refused:?}");
        }
        for filter in
            ["id gt '00000000-0000-0000-0000-000000000000'", "accountEnabled lt true", "mail gt null"]
        {
            let refused = list(&fixture, &filtered(filter)).await;
            assert!(matches!(refused, Err(IdentityError::UnsupportedQuery(_))), "{filter}: {refused:?}");
        }
        for filter in ["id eq 'x'", "accountEnabled eq 'true'", "createdDateTime eq 'x'", "displayName eq 1"]
        {
            let refused = list(&fixture, &filtered(filter)).await;
            assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{filter}: {refused:?}");
        }
        let order = OrderBy { property: "mail".to_owned(), descending: false };
        let refused = list(&fixture, &ListQuery { order: Some(order), ..ListQuery::default() }).await;
        assert!(matches!(refused, Err(IdentityError::UnsupportedQuery(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_either_order_also_when_items_come_and_go() {
    for fixture in empty().await {
        fill(&fixture.test_db.db).await;
        for (property, descending, expected) in [
            ("displayName", false, ["banana", "Banana Split", "cherry", "Äpfel 50%_"]),
            ("displayname", true, ["Äpfel 50%_", "cherry", "Banana Split", "banana"]),
            ("createdDateTime", false, ["Äpfel 50%_", "banana", "Banana Split", "cherry"]),
            ("createdDateTime", true, ["cherry", "Banana Split", "banana", "Äpfel 50%_"]),
        ] {
            for filter in [None, Some("mail eq null or mail ne null")] {
                let order = Some(OrderBy { property: property.to_owned(), descending });
                let filter = filter.map(|filter| parse_filter(filter).unwrap());
                let mut query = ListQuery { order, top: 1, filter, ..ListQuery::default() };
                let mut found = Vec::new();
                loop {
                    let page = list(&fixture, &query).await.unwrap();
                    found.extend(page.items);
                    query.after = page.next;
                    if query.after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{property} {descending}");
            }
        }
        // The item that a cursor stands on may be deleted meanwhile.
        let query = ListQuery { top: 2, ..ListQuery::default() };
        let first = list(&fixture, &query).await.unwrap();
        fixture
            .test_db
            .db
            .write((), |tx, ()| {
                tx.execute("UPDATE thing SET gone = 1 WHERE name = 'Banana Split'", &[]).boxed()
            })
            .await
            .unwrap();
        let rest = list(&fixture, &ListQuery { after: first.next, ..query }).await.unwrap();
        assert_eq!(rest.items, ["cherry", "Äpfel 50%_"]);
    }
}

#[tokio::test]
async fn restrictions_hold_with_any_filter() {
    const TAGGED: Sql = "SELECT thing_id FROM thing_tag WHERE tag = ";
    for fixture in empty().await {
        fill(&fixture.test_db.db).await;
        let query = filtered("displayName ne 'cherry' or displayName eq 'cherry'").within(TAGGED, "red");
        assert_eq!(list(&fixture, &query).await.unwrap().items, ["cherry", "Äpfel 50%_"]);
        let query = query.within(TAGGED, "round");
        assert_eq!(list(&fixture, &query).await.unwrap().items, ["Äpfel 50%_"]);
        let mut tx = fixture.test_db.db.snapshot().await.unwrap();
        assert_eq!(count(&mut tx, &THINGS, tenant(), &query).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn cursors_cannot_be_made_or_altered_or_used_elsewhere() {
    let key = |seed| CursorKey::derive(&MasterKey::generate(&SeededRandom::new(seed))).unwrap();
    for fixture in empty().await {
        fill(&fixture.test_db.db).await;
        let query = ListQuery { top: 1, ..ListQuery::default() };
        let cursor: Cursor = list(&fixture, &query).await.unwrap().next.unwrap();
        let sealed = key(1).seal(&cursor);
        assert_eq!(key(1).open(&sealed).unwrap(), cursor);
        assert!(key(2).open(&sealed).is_err());
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            // The last character may have spare bits that mean nothing.
            if key(1).open(&altered).is_ok() {
                assert_eq!(key(1).open(&altered).unwrap(), cursor);
            }
        }
        for wrong in ["", "A", "AAAA", &"A".repeat(10_000)] {
            assert!(key(1).open(wrong).is_err());
        }
        let order = OrderBy { property: "createdDateTime".to_owned(), descending: false };
        let elsewhere = ListQuery { order: Some(order), after: Some(cursor.clone()), ..ListQuery::default() };
        let refused = list(&fixture, &elsewhere).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let order = OrderBy { property: "displayName".to_owned(), descending: true };
        let backwards = ListQuery { order: Some(order), after: Some(cursor), ..ListQuery::default() };
        assert!(list(&fixture, &backwards).await.is_err());
    }
}

#[tokio::test]
async fn lists_use_an_index_on_sqlite() {
    let fixture = empty().await.remove(0);
    fill(&fixture.test_db.db).await;
    let after = {
        let query = ListQuery { top: 1, ..ListQuery::default() };
        list(&fixture, &query).await.unwrap().next
    };
    for (filter, index) in [
        (None, "thing_name"),
        (Some("startsWith(displayName,'b')"), "thing_name"),
        (Some("displayName eq 'b'"), "thing_name"),
        (Some("mail eq 'b@x'"), "thing_mail"),
        (Some("mail eq 'b@x' and accountEnabled eq true"), "thing_mail"),
        (Some("tags/any(t:t eq 'red')"), "thing_tag_tag"),
    ] {
        for after in [None, after.clone()] {
            let filter = filter.map(|filter| parse_filter(filter).unwrap());
            let query = ListQuery { filter, after, ..ListQuery::default() };
            let order = THINGS.order(None).unwrap();
            let statement = compile::select(&THINGS, tenant(), &query, &order, ("name", 101)).unwrap();
            let plan = fixture.plan(&statement).await;
            assert!(plan.contains(index), "{}\n{plan}", statement.text());
            assert!(!plan.contains("SCAN thing"), "{}\n{plan}", statement.text());
        }
    }
}

#[test]
fn a_tree_without_leaves_is_no_condition_of_its_own() {
    // The parser never makes one; should a caller, it must not widen anything.
    let query = ListQuery { filter: Some(Expr::Or(Vec::new())), ..ListQuery::default() };
    let refused = compile::count(&THINGS, tenant(), &query);
    assert!(refused.is_err(), "{refused:?}");
    let text = Expr::Match { function: Function::Contains, path: "tags".to_owned(), text: "x".to_owned() };
    let query = ListQuery { search: Some(text), ..ListQuery::default() };
    assert!(THINGS.check_search(query.search.as_ref()).is_err());
    let number =
        Expr::Compare { path: "id".to_owned(), operator: Comparison::Equal, value: Literal::Number(1) };
    assert!(
        compile::count(&THINGS, tenant(), &ListQuery { filter: Some(number), ..ListQuery::default() })
            .is_err()
    );
}
