//! Every number has its words, and the pages tell nothing else.

use std::collections::BTreeSet;

use hilum_pages::Texts;

use super::Meaning;
use crate::{
    oauth::error_tests::all,
    testing::{Fixture, fixtures},
};

/// Numbers that no client hears: a new password that will not do, and sign-ins through another provider.
const OF_PEOPLE: [u32; 5] = [50_056, 50_020, 50_088, 50_107, 70_044];

fn in_use() -> BTreeSet<u32> {
    all().iter().map(|error| error.row().code).chain(OF_PEOPLE).collect()
}

async fn fixture() -> Fixture {
    fixtures().await.remove(0)
}

#[test]
fn every_number_has_its_words() {
    for code in in_use() {
        let meaning = Meaning::of(code, Texts::english());
        let meaning = meaning.unwrap_or_else(|| panic!("error-{code} is missing in error.ftl"));
        assert!(!meaning.administrator.contains("error-"), "error-{code}.administrator is missing");
        for words in [&meaning.what, &meaning.user, &meaning.administrator] {
            assert!(words.ends_with('.') || words.ends_with(')'), "error-{code}: no sentence: {words}");
        }
    }
}

#[test]
fn no_words_for_numbers_that_are_not_in_use() {
    let source = include_str!("../../../../pages/messages/en/error.ftl");
    let ids = source.lines().filter_map(|line| line.strip_prefix("error-")?.split_once(' '));
    let written: BTreeSet<u32> = ids.map(|(code, _)| code.parse().unwrap()).collect();
    assert_eq!(written.difference(&in_use()).collect::<Vec<_>>(), Vec::<&u32>::new());
}

#[tokio::test]
async fn a_number_is_explained_to_everybody() {
    let fixture = fixture().await;
    for code in in_use() {
        let answer = fixture.get(&format!("/error?code={code}")).await;
        assert_eq!(answer.status, 200, "{code}");
        assert!(answer.text.contains(&format!("<h1>Error AADSTS{code}</h1>")), "{}", answer.text);
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    let answer = fixture.get("/error/?code=50011&mkt=en-US").await;
    insta::assert_snapshot!(answer.text.split("</head>").nth(1).unwrap());
}

#[tokio::test]
async fn of_the_request_only_digits_come_back() {
    let fixture = fixture().await;
    let long = "5".repeat(5000);
    for query in [
        "",
        "?code=",
        "?code=1",
        "?code=%3Cscript%3E",
        "?code=50011%3Cb%3E",
        "?code=%2B50011",
        "?code=0000050011",
        "?code=50011&code=50012",
        "?code=-50011",
        &format!("?code={long}"),
        &format!("?code=50011&x={long}"),
        "?code=50011%00&x=script",
    ] {
        let answer = fixture.get(&format!("/error{query}")).await;
        assert_eq!(answer.status, 404, "{query}");
        assert!(answer.text.contains("<h1>There is no such error</h1>"), "{}", answer.text);
        let body = answer.text.split("</head>").nth(1).unwrap();
        assert!(!body.contains("script") && !body.contains('5'), "{body}");
    }
}

#[tokio::test]
async fn a_page_says_what_happened_what_to_do_and_what_to_quote() {
    let fixture = fixture().await;
    let asking = "/contoso.local/oauth2/v2.0/authorize?client_id=00000000-0000-0000-0000-000000000001\
        &response_type=code&redirect_uri=https://a.example/%3Cb%3E&scope=openid";
    let answer = fixture.get(asking).await;
    assert_eq!(answer.status, 400);
    let trace = answer.headers["x-ms-request-id"].to_str().unwrap();
    assert!(answer.text.contains(&format!("Trace ID: {trace}")), "{}", answer.text);
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[guid]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "[time]"),
        (r"\r", ""),
    ]}, {
        insta::assert_snapshot!(answer.text.split("</head>").nth(1).unwrap());
    });
}
