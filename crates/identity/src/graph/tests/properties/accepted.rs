//! The other direction: what the server takes has a row. Candidates are the members of the types that bodies are read
//! into, every name in the sources that read the others, and every name on the page.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    nouns::{Bench, Noun},
    page::{Rule, Section, sections},
};
use crate::{
    AddIn, Api, AppRole, ApplicationProperties, ImplicitGrantSettings, KeyCredential, KeyValue, Links,
    OptionalClaim, OptionalClaims, ParentalControl, PermissionScope, PreAuthorizedApplication, PrincipalLock,
    RedirectUriSetting, Redirects, RequiredResourceAccess, ResourceAccess, SamlSettings,
    ServicePrincipalDetails, TokenLifetimeProperties, UserDetails, Web, testing::fixtures,
};

/// What reads the bodies whose members are no type's.
const SOURCES: &[&str] = &[
    include_str!("../../../applications/merge.rs"),
    include_str!("../../../service_principals/details.rs"),
    include_str!("../../../users/details.rs"),
    include_str!("../../../users/passwords.rs"),
    include_str!("../../../groups/details.rs"),
    include_str!("../../grants.rs"),
    include_str!("../../app_role_assignments.rs"),
];

/// The members of a type: serde lists them when it meets one that is not among them.
fn members<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_value::<T>(json!({"?": 1})).err().expect("unknown members are refused");
    let text = error.to_string();
    let (_, list) = text.split_once("expected ").unwrap_or_else(|| panic!("{text}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn assert_rows(section: &str, prefix: &str, members: &[String]) {
    assert!(!members.is_empty(), "{section} {prefix}");
    let section = Section::of(section);
    for member in members {
        let name = format!("{prefix}{member}");
        let row = section.row(&name).unwrap_or_else(|| panic!("{name} is taken and has no row"));
        assert!(!row.is(&Rule::Refused), "{name} is taken");
    }
}

#[test]
fn every_member_of_the_types_has_a_row() {
    let application = |prefix: &str, members: Vec<String>| assert_rows("application", prefix, &members);
    application("", members::<ApplicationProperties>());
    application("api.", members::<Api>());
    application("api.oauth2PermissionScopes[].", members::<PermissionScope>());
    application("api.preAuthorizedApplications[].", members::<PreAuthorizedApplication>());
    application("appRoles[].", members::<AppRole>());
    application("requiredResourceAccess[].", members::<RequiredResourceAccess>());
    application("requiredResourceAccess[].resourceAccess[].", members::<ResourceAccess>());
    application("web.", members::<Web>());
    application("web.redirectUriSettings[].", members::<RedirectUriSetting>());
    application("web.implicitGrantSettings.", members::<ImplicitGrantSettings>());
    application("spa.", members::<Redirects>());
    application("publicClient.", members::<Redirects>());
    application("info.", members::<Links>());
    application("optionalClaims.", members::<OptionalClaims>());
    application("optionalClaims.accessToken[].", members::<OptionalClaim>());
    application("addIns[].", members::<AddIn>());
    application("addIns[].properties[].", members::<KeyValue>());
    application("parentalControlSettings.", members::<ParentalControl>());
    application("servicePrincipalLockConfiguration.", members::<PrincipalLock>());
    assert_rows("keyCredential", "", &members::<KeyCredential>());
    assert_rows("servicePrincipal", "", &members::<ServicePrincipalDetails>());
    assert_rows("servicePrincipal", "samlSingleSignOnSettings.", &members::<SamlSettings>());
    assert_rows("user", "", &members::<UserDetails>());
    assert_rows("tokenLifetimePolicy", "", &members::<TokenLifetimeProperties>());
}

/// Texts that look like a property's name.
fn names_in(source: &str) -> impl Iterator<Item = String> + '_ {
    let is_name = |text: &&str| {
        text.len() > 1
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_alphanumeric())
    };
    source.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).filter(is_name).map(str::to_owned)
}

fn candidates() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = SOURCES.iter().flat_map(|source| names_in(source)).collect();
    for section in sections() {
        all.extend(section.rows.iter().filter(|row| row.is_top()).map(|row| row.name.clone()));
        all.extend(section.relationships.into_iter().map(|(name, _)| name));
    }
    all.insert("nonsense".to_owned());
    all
}

#[tokio::test]
async fn what_has_no_row_is_refused() {
    // No rule about names differs between databases.
    let fixture = fixtures().await.remove(0);
    let bench = Bench::new(&fixture).await;
    let all = candidates();
    assert!(all.len() > 250, "{} names", all.len());
    for noun in [Noun::Application, Noun::ServicePrincipal, Noun::User, Noun::Group, Noun::Grant] {
        let section = Section::of(noun.section());
        let path = bench.make(noun, &json!({})).await.path;
        for name in all.iter().filter(|name| section.row(name).is_none()) {
            for value in [json!("x"), json!(true), json!([])] {
                let answer = bench.session.patch(&path, json!({ name: value })).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{noun:?} takes {name}: {value}");
            }
        }
    }
    // Null says what is so, but for grants.
    for noun in [Noun::Application, Noun::ServicePrincipal, Noun::User, Noun::Group, Noun::Grant] {
        let path = bench.make(noun, &json!({})).await.path;
        let answer = bench.session.patch(&path, json!({"nonsense": null})).await;
        let wanted = if noun == Noun::Grant { StatusCode::BAD_REQUEST } else { StatusCode::NO_CONTENT };
        assert_eq!(answer.status, wanted, "{noun:?}: {}", answer.text);
    }
    for noun in [Noun::Assignment, Noun::PasswordCredential] {
        let section = Section::of(noun.section());
        let made = bench.make(noun, &json!({})).await;
        let path = match noun {
            Noun::Assignment => made.path.rsplit_once('/').unwrap().0.to_owned(),
            _ => format!("{}/addPassword", made.path),
        };
        for name in all.iter().filter(|name| section.row(name).is_none()) {
            for value in [json!("x"), Value::Null] {
                let mut body = made.sent.clone();
                body[name] = value;
                let body =
                    if noun == Noun::Assignment { body } else { json!({ "passwordCredential": body }) };
                let answer = bench.session.post(&path, body).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{noun:?} takes {name}");
            }
        }
    }
}
