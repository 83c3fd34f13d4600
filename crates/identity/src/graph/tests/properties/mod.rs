//! The page of properties is what the server does: each row of `docs/src/reference/properties.md` is tried, on every
//! database, and what the server shows or takes has a row.

mod accepted;
mod nouns;
mod page;
mod rows;

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use self::{
    nouns::{Bench, Made, Noun},
    page::{Reached, Row, Section, Shown},
    rows::Trial,
};
use crate::testing::fixtures;

/// Tries all rows of a section.
async fn try_section(noun: Noun) {
    let section = Section::of(noun.section());
    for fixture in fixtures().await {
        let bench = Bench::new(&fixture).await;
        let blank = bench.make(noun, &json!({})).await;
        let mut trial =
            Trial { bench: &bench, noun, section: &section, blank: &blank, seen: BTreeSet::new() };
        for row in &section.rows {
            trial.row(row).await;
        }
        what_is_shown(&mut trial, &blank).await;
        for name in bench.sampled(noun) {
            assert!(section.row(&name).is_some(), "the sample {name} has no row");
        }
    }
}

/// One answer with everything and one with nothing selected hold what the page says, no more and no less.
async fn what_is_shown(trial: &mut Trial<'_>, blank: &Made) {
    let (section, noun) = (trial.section, trial.noun);
    let names = |wanted: fn(&Row) -> bool| -> BTreeSet<&str> {
        section.rows.iter().filter(|row| row.is_top() && wanted(row)).map(|row| row.name.as_str()).collect()
    };
    let plain = trial.bench.read(noun, &blank.path, "").await;
    let shown: BTreeSet<&str> = plain.as_object().unwrap().keys().map(String::as_str).collect();
    let listed = names(|row| matches!(row.shown, Shown::Always | Shown::NullWithoutSelect));
    assert_eq!(shown, listed, "what {noun:?} shows without $select");
    if noun.collection().is_none() {
        let all = trial.bench.read(noun, &blank.path, "?$select=*").await;
        let shown: BTreeSet<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
        let selected = names(|row| !matches!(row.shown, Shown::Never | Shown::WhenSet));
        assert_eq!(shown, selected, "what {noun:?} shows with $select=*");
    }
    for name in &trial.seen {
        assert!(documented(section, name), "{noun:?} shows {name}, which has no row");
    }
}

/// Whether a member has a row: in its own section, or in the one where its type is described.
fn documented(section: &Section, name: &str) -> bool {
    if section.row(name).is_some() {
        return true;
    }
    let described = [
        ("passwordCredentials[].", "passwordCredential", ""),
        ("keyCredentials[].", "keyCredential", ""),
        ("optionalClaims.idToken[].", "application", "optionalClaims.accessToken[]."),
        ("optionalClaims.saml2Token[].", "application", "optionalClaims.accessToken[]."),
        ("appRoles[].", "application", "appRoles[]."),
        ("oauth2PermissionScopes[].", "application", "api.oauth2PermissionScopes[]."),
    ];
    described.iter().any(|(start, other, instead)| {
        name.strip_prefix(start)
            .is_some_and(|rest| Section::of(other).row(&format!("{instead}{rest}")).is_some())
    })
}

#[tokio::test]
async fn applications_are_as_the_page_says() {
    try_section(Noun::Application).await;
}

#[tokio::test]
async fn credentials_are_as_the_page_says() {
    try_section(Noun::PasswordCredential).await;
    try_section(Noun::KeyCredential).await;
}

#[tokio::test]
async fn service_principals_are_as_the_page_says() {
    try_section(Noun::ServicePrincipal).await;
}

#[tokio::test]
async fn users_are_as_the_page_says() {
    try_section(Noun::User).await;
}

#[tokio::test]
async fn groups_are_as_the_page_says() {
    try_section(Noun::Group).await;
}

#[tokio::test]
async fn grants_are_as_the_page_says() {
    try_section(Noun::Grant).await;
    try_section(Noun::Assignment).await;
}

#[tokio::test]
async fn policies_are_as_the_page_says() {
    try_section(Noun::TokenLifetimePolicy).await;
}

#[test]
fn every_section_is_tried() {
    let sections: Vec<String> = page::sections().into_iter().map(|section| section.name).collect();
    let tried: Vec<&str> = Noun::ALL.iter().map(|noun| noun.section()).collect();
    assert_eq!(sections, tried);
}

#[tokio::test]
async fn relationships_are_where_the_page_says() {
    for fixture in fixtures().await {
        let bench = Bench::new(&fixture).await;
        for noun in [Noun::Application, Noun::ServicePrincipal, Noun::User, Noun::Group] {
            let path = bench.make(noun, &json!({})).await.path;
            for (name, reached) in Section::of(noun.section()).relationships {
                let own = bench.session.get(&format!("{path}/{name}")).await;
                let expanded = bench.session.get(&format!("{path}?$expand={name}")).await;
                if reached == Reached::Absent {
                    assert_eq!(own.status, StatusCode::BAD_REQUEST, "{noun:?} {name}: {}", own.text);
                    assert_eq!(own.json()["error"]["code"], "BadRequest", "{noun:?} {name}");
                } else {
                    assert_eq!(own.status, StatusCode::OK, "{noun:?} {name}: {}", own.text);
                }
                if reached == Reached::OwnPathAndExpand {
                    assert!(expanded.json()[&name].is_array(), "{noun:?} {name}: {}", expanded.text);
                } else {
                    assert_eq!(expanded.status, StatusCode::BAD_REQUEST, "{noun:?} {name}");
                }
                let selected = bench.session.get(&format!("{path}?$select={name}")).await;
                assert_eq!(selected.status, StatusCode::BAD_REQUEST, "{noun:?} {name}");
                let sent = bench.session.patch(&path, json!({ &name: [{"id": "x"}] })).await;
                rows::assert_refused(&sent, &name);
            }
        }
    }
}

#[tokio::test]
async fn certificates_and_secrets_of_a_registration_are_as_the_page_says() {
    for fixture in fixtures().await {
        let bench = Bench::new(&fixture).await;
        // `removable`: two secrets, one stays, none comes.
        let path = bench.make(Noun::PasswordCredential, &json!({"displayName": "one"})).await.path;
        let added = bench.session.post(&format!("{path}/addPassword"), json!({})).await;
        let second = added.json()["keyId"].clone();
        for wrong in [json!([{"displayName": "x"}]), json!([{"keyId": second, "secretText": "x"}])] {
            let refused = bench.session.patch(&path, json!({ "passwordCredentials": wrong })).await;
            rows::assert_refused(&refused, "passwordCredentials");
        }
        let kept = json!({"passwordCredentials": [{"keyId": second}]});
        assert_eq!(bench.session.patch(&path, kept).await.status, StatusCode::NO_CONTENT);
        let shown = bench.read(Noun::Application, &path, "").await["passwordCredentials"].clone();
        let ids: Vec<&Value> = shown.as_array().unwrap().iter().map(|secret| &secret["keyId"]).collect();
        assert_eq!(ids, [&second]);
        // `null without $select`, in lists, too; a change replaces the whole collection.
        let made = bench.make(Noun::KeyCredential, &json!({})).await;
        let key = |object: &Value| object["keyCredentials"][0]["key"].clone();
        assert_eq!(key(&bench.read(Noun::Application, &made.path, "").await), Value::Null);
        let selected = bench.read(Noun::Application, &made.path, "?$select=keyCredentials").await;
        assert_eq!(key(&selected), made.sent["key"]);
        let list = bench.session.get("/applications?$select=keyCredentials").await.json();
        let in_list = list["value"].as_array().unwrap().iter().any(|object| key(object) == made.sent["key"]);
        assert!(in_list, "{list}");
        let none = bench.session.patch(&made.path, json!({"keyCredentials": null})).await;
        assert_eq!(none.status, StatusCode::NO_CONTENT, "{}", none.text);
        let shown = bench.read(Noun::Application, &made.path, "").await;
        assert_eq!(shown["keyCredentials"], json!([]));
    }
}
