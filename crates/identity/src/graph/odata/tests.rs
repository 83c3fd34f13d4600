//! Query options, above all `$filter`.

use super::{FilterError, Options, filter::parse, parse_filter};
use crate::query::{Comparison, Expr, Function, Literal, OrderBy};

fn eq(path: &str, value: Literal) -> Expr {
    Expr::Compare { path: path.to_owned(), operator: Comparison::Equal, value }
}

fn text(path: &str, value: &str) -> Expr {
    eq(path, Literal::Text(value.to_owned()))
}

const ID: &str = "75e725bf-66ce-4cea-9b9a-5c4caae57f33";

#[test]
fn filters_of_real_tools() {
    let any = |collection: &str, condition: Expr| Expr::Any {
        collection: collection.to_owned(),
        condition: Some(Box::new(condition)),
    };
    let id = Literal::Guid(ID.parse().unwrap());
    let starts =
        Expr::Match { function: Function::StartsWith, path: "displayName".to_owned(), text: "x".to_owned() };
    for (filter, expected) in [
        (format!("appId eq '{ID}'"), text("appId", ID)),
        (format!("appId eq {ID}"), eq("appId", id.clone())),
        ("displayName eq 'it''s'".to_owned(), text("displayName", "it's")),
        ("displayName eq ''''".to_owned(), text("displayName", "'")),
        ("startswith(displayName,'x')".to_owned(), starts.clone()),
        ("startsWith( displayName , 'x' ) eq true".to_owned(), starts.clone()),
        ("startswith(displayName,'x') eq false".to_owned(), Expr::Not(Box::new(starts.clone()))),
        ("not startswith(displayName,'x')".to_owned(), Expr::Not(Box::new(starts.clone()))),
        ("NOT(startswith(displayName,'x'))".to_owned(), Expr::Not(Box::new(starts))),
        ("identifierUris/any(s:s eq 'u')".to_owned(), any("identifierUris", text("", "u"))),
        ("identifierUris/any(Uri: Uri eq 'u')".to_owned(), any("identifierUris", text("", "u"))),
        (format!("passwordCredentials/any(p:p/keyId eq {ID})"), any("passwordCredentials", eq("keyId", id))),
        ("tags/any()".to_owned(), Expr::Any { collection: "tags".to_owned(), condition: None }),
        (
            "clientId eq 'c' and consentType eq 'AllPrincipals'".to_owned(),
            Expr::And(vec![text("clientId", "c"), text("consentType", "AllPrincipals")]),
        ),
        (
            "id in ('a','b')".to_owned(),
            Expr::In {
                path: "id".to_owned(),
                values: vec![Literal::Text("a".to_owned()), Literal::Text("b".to_owned())],
            },
        ),
        (
            // `and` binds closer than `or`.
            "a eq 1 or b eq 2 and c eq 3".to_owned(),
            Expr::Or(vec![
                eq("a", Literal::Number(1)),
                Expr::And(vec![eq("b", Literal::Number(2)), eq("c", Literal::Number(3))]),
            ]),
        ),
        (
            "(a eq 1 or b eq 2)and(c eq 3)".to_owned(),
            Expr::And(vec![
                Expr::Or(vec![eq("a", Literal::Number(1)), eq("b", Literal::Number(2))]),
                eq("c", Literal::Number(3)),
            ]),
        ),
        ("onPremises/enabled eq null".to_owned(), eq("onPremises/enabled", Literal::Null)),
        ("accountEnabled eq true".to_owned(), eq("accountEnabled", Literal::Bool(true))),
        ("nothing eq 'x'".to_owned(), text("nothing", "x")),
        ("android eq 'order or and'".to_owned(), text("android", "order or and")),
        (
            "createdDateTime ge 2026-01-31T12:00:00Z".to_owned(),
            Expr::Compare {
                path: "createdDateTime".to_owned(),
                operator: Comparison::GreaterOrEqual,
                value: Literal::Time("2026-01-31T12:00:00Z".parse().unwrap()),
            },
        ),
        (
            "createdDateTime lt 2026-01-31".to_owned(),
            Expr::Compare {
                path: "createdDateTime".to_owned(),
                operator: Comparison::Less,
                value: Literal::Time("2026-01-31T00:00:00Z".parse().unwrap()),
            },
        ),
    ] {
        assert_eq!(parse(&filter), Ok(expected), "{filter}");
    }
}

#[test]
fn filters_that_are_none_are_told_where() {
    for (filter, words) in [
        ("", "a property expected at position 0"),
        ("displayName", "an operator (eq, ne, lt, le, gt, ge, in) expected at position 11"),
        ("displayName eqq 'x'", "an operator"),
        ("displayName eq", "a value"),
        ("displayName eq x", "a value"),
        ("displayName eq 'x", "a closing quote"),
        ("displayName eq 'x' or", "a property expected at position 21"),
        ("displayName eq 'x' displayName eq 'y'", "'and', 'or' or the end of the filter expected"),
        ("(displayName eq 'x'", "')' expected"),
        ("displayName eq 'x')", "'and', 'or' or the end"),
        ("startswith(displayName)", "',' expected"),
        ("startswith(displayName, 1)", "a text in quotes expected"),
        ("id in ()", "a value"),
        ("id in ('a'", "',' or ')' expected"),
        ("tags/any(t t eq 'x')", "':' expected"),
        ("tags/any(t:x eq 'x')", "the outer object within any() is not supported"),
        ("tags/any(t:t/any(u:u eq 'x'))", "any() within any() is not supported"),
        ("tags/all(t:t eq 'x')", "all() is not supported"),
        ("tolower(displayName) eq 'x'", "a function other than"),
    ] {
        let error = parse(filter).unwrap_err();
        assert!(error.to_string().contains(words), "{filter}: {error}");
    }
}

#[test]
fn filters_are_bounded() {
    let nested = |depth: usize| format!("{}a eq 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(19)).is_ok());
    assert!(matches!(parse(&nested(20)), Err(FilterError::Limit(_))));
    assert!(matches!(parse(&nested(3_000)), Err(FilterError::Limit(_))));
    assert!(matches!(parse(&format!("{}a eq 1", "not ".repeat(1_000))), Err(FilterError::Limit(_))));
    let joined = |count: usize| vec!["a eq 1"; count].join(" or ");
    assert!(parse(&joined(100)).is_ok());
    assert!(matches!(parse(&joined(101)), Err(FilterError::Limit(_))));
    let list = |count: usize| format!("a in ({})", vec!["'x'"; count].join(","));
    assert!(parse(&list(100)).is_ok());
    assert!(matches!(parse(&list(101)), Err(FilterError::Limit(_))));
    assert!(parse(&format!("a eq '{}'", "x".repeat(1_024))).is_ok());
    assert!(matches!(parse(&format!("a eq '{}'", "x".repeat(1_025))), Err(FilterError::Limit(_))));
    assert!(matches!(parse(&" ".repeat(9_000)), Err(FilterError::Limit(_))));
}

#[test]
fn options_are_read_with_or_without_dollar_in_any_case() {
    let options = Options::parse(
        "$Filter=displayName+eq+'a%26b'&select=id,%20displayName&$TOP=5&$orderby=displayName%20DESC&$count=True\
         &$expand=owners($select=id,displayName),members&utm=x",
    )
    .unwrap();
    assert_eq!(options.filter, Some(text("displayName", "a&b")));
    assert_eq!(options.select, ["id", "displayName"]);
    assert_eq!(options.top, Some(5));
    assert_eq!(options.order, Some(OrderBy { property: "displayName".to_owned(), descending: true }));
    assert!(options.count);
    assert_eq!(options.expand("OWNERS").unwrap().select, ["id", "displayName"]);
    assert!(options.expand("members").unwrap().select.is_empty());
    // The next page keeps everything, so that following the link is enough.
    let next = Options::parse(&options.next("token")).unwrap();
    assert_eq!((&next.filter, &next.select, next.top), (&options.filter, &options.select, options.top));
    assert_eq!(next.skip_token.as_deref(), Some("token"));
    assert_eq!(Options::parse(&next.next("other")).unwrap().skip_token.as_deref(), Some("other"));
}

#[test]
fn searches() {
    let has = |path: &str, words: &str| Expr::Match {
        function: Function::Contains,
        path: path.to_owned(),
        text: words.to_owned(),
    };
    let search =
        |text: &str| Options::parse(&format!("$search={text}")).map(|options| options.search.unwrap());
    assert_eq!(
        search("%22displayName:two words%22").unwrap(),
        Expr::Or(vec![Expr::And(vec![has("displayName", "two words")])])
    );
    assert_eq!(
        search("%22a:x%22 AND %22b:y%22 OR %22c:\\%22z\\%22%22").unwrap(),
        Expr::Or(vec![Expr::And(vec![has("a", "x"), has("b", "y")]), Expr::And(vec![has("c", "\"z\"")])])
    );
    for wrong in ["x", "%22x%22", "%22a:%22", "%22a:x", "%22a:x%22 XOR %22a:y%22", "%22a:x%22 AND"] {
        assert!(search(wrong).is_err(), "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn no_filter_makes_the_parser_panic(text in "[ -~äß🦀]{0,200}") {
        let _ = parse_filter(&text);
    }

    #[test]
    fn what_looks_like_a_filter_does_not_either(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "eq", "'x'", "(", ")", "and", "or", "not", "in", ",", "any", "/", "x:x", "null", "1", "'", " ",
                "startswith(", "2026-01-31T00:00:00Z", "75e725bf-66ce-4cea-9b9a-5c4caae57f33", "a/any(", ":",
            ]),
            0..40,
        ),
    ) {
        let _ = parse_filter(&words.join(" "));
        let _ = parse_filter(&words.concat());
    }

    #[test]
    fn no_query_string_makes_the_options_panic(text in "[ -~]{0,200}") {
        let _ = Options::parse(&text);
    }
}
