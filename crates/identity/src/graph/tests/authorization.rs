//! Who may do what: the whole matrix as snapshots, and the same on the wire.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::Session;
use crate::directory_roles::DirectoryRole;
use crate::{
    Application,
    graph::{
        Operation, Surface,
        access::{Denied, Owned, Reach},
        caller::{AppCaller, Caller, UserCaller},
    },
    seed,
    testing::{Fixture, fixtures},
};

fn operations() -> impl Iterator<Item = &'static Operation> {
    [Surface::Graph, Surface::Arm].into_iter().flat_map(Surface::operations)
}

async fn graph(fixture: &Fixture) -> Application {
    fixture.identity.find_application(&seed::GRAPH_APP_ID.to_string()).await.unwrap()
}

fn app(roles: &[&str], directory_roles: &[DirectoryRole]) -> Caller {
    Caller::App(AppCaller {
        principal: hilum_kernel::ObjectId::new(Uuid::from_u128(1)),
        app_id: seed::AZURE_CLI_APP_ID,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        directory_roles: directory_roles.iter().copied().collect(),
    })
}

fn user(scopes: &[&str], directory_roles: &[DirectoryRole]) -> Caller {
    Caller::User(UserCaller {
        id: hilum_kernel::UserId::new(Uuid::from_u128(2)),
        app_id: seed::AZURE_CLI_APP_ID,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        directory_roles: directory_roles.iter().copied().collect(),
        display: None,
    })
}

fn outcome(operation: &Operation, caller: &Caller) -> &'static str {
    match operation.access.reach(caller) {
        Ok(Reach::All) => "all",
        Ok(Reach::Owned(_)) => "owned",
        Ok(Reach::Own(_)) => "own",
        Err(Denied::NeedsUser) => "needs a user",
        Err(Denied::Privileges) => "-",
    }
}

/// Which of several callers are let in, and how far: `all: A, B; owned: C`.
fn grouped(outcomes: impl IntoIterator<Item = (String, &'static str)>) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, outcome) in outcomes {
        groups.entry(outcome).or_default().push(name);
    }
    groups.remove("-");
    groups.remove("needs a user");
    let groups: Vec<String> =
        groups.into_iter().map(|(outcome, names)| format!("{outcome}: {}", names.join(", "))).collect();
    if groups.is_empty() { "nobody".to_owned() } else { groups.join("; ") }
}

/// One operation's rows: applications by app role, by directory role; users by permission and directory role.
fn rows(operation: &Operation, roles: &[&str], scopes: &[&str]) -> String {
    let with_nothing = outcome(operation, &app(&[], &[]));
    let by_role = roles.iter().map(|role| ((*role).to_owned(), outcome(operation, &app(&[role], &[]))));
    let by_directory_role = DirectoryRole::ALL
        .into_iter()
        .map(|role| (format!("{role:?}"), outcome(operation, &app(&[], &[role]))));
    let mut by_scope: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for scope in scopes {
        let without = ("no role".to_owned(), outcome(operation, &user(&[scope], &[])));
        let with = DirectoryRole::ALL
            .into_iter()
            .map(|role| (format!("{role:?}"), outcome(operation, &user(&[scope], &[role]))));
        by_scope.entry(grouped(with.chain([without]))).or_default().push(scope);
    }
    by_scope.remove("nobody");
    let mut lines = vec![
        format!("{} {}", operation.method, operation.path),
        format!("  app without roles  {with_nothing}"),
        format!("  app role           {}", grouped(by_role)),
        format!("  app, directory     {}", grouped(by_directory_role)),
    ];
    for (outcome, scopes) in by_scope {
        lines.push(format!("  user with {}", scopes.join(", ")));
        lines.push(format!("    {outcome}"));
    }
    lines.join("\n") + "\n"
}

/// One snapshot for each noun, so that a change shows where it belongs.
#[tokio::test]
async fn the_authorization_matrix() {
    for fixture in fixtures().await {
        let graph = graph(&fixture).await.properties;
        let roles: Vec<&str> = graph.app_roles.iter().filter_map(|role| role.value.as_deref()).collect();
        let scopes: Vec<&str> =
            graph.api.oauth2_permission_scopes.iter().filter_map(|scope| scope.value.as_deref()).collect();
        let mut nouns: BTreeMap<&str, String> = BTreeMap::new();
        for surface in [Surface::Graph, Surface::Arm] {
            for operation in surface.operations() {
                let first = operation.path.split('/').nth(1).unwrap();
                let noun = if surface == Surface::Arm { "arm" } else { first.trim_start_matches('$') };
                *nouns.entry(noun).or_default() += &rows(operation, &roles, &scopes);
            }
        }
        for (noun, text) in nouns {
            insta::assert_snapshot!(format!("authorization_{noun}"), text);
        }
    }
}

/// Permissions that nobody can be given would be doors painted on a wall.
#[tokio::test]
async fn every_permission_in_the_table_exists() {
    for fixture in fixtures().await {
        let graph = graph(&fixture).await.properties;
        let roles: BTreeSet<&str> = graph.app_roles.iter().filter_map(|role| role.value.as_deref()).collect();
        let scopes: BTreeSet<&str> =
            graph.api.oauth2_permission_scopes.iter().filter_map(|scope| scope.value.as_deref()).collect();
        for operation in operations() {
            for role in operation.access.application {
                assert!(roles.contains(role), "{} {}: {role}", operation.method, operation.path);
            }
            for scope in operation.access.delegated {
                assert!(scopes.contains(scope), "{} {}: {scope}", operation.method, operation.path);
            }
        }
    }
}

/// The path with keys that look right and name nothing.
fn target(operation: &Operation) -> String {
    let parts = operation.path.split('/').map(|part| match part {
        "{*scope}" => "subscriptions/00000000-0000-0000-0000-00000000000a".to_owned(),
        part if part.starts_with('{') => "99999999-9999-4999-8999-999999999999".to_owned(),
        part => part.to_owned(),
    });
    let path = parts.collect::<Vec<_>>().join("/").replace("//", "/");
    let arm = Surface::Arm.operations().any(|other| std::ptr::eq(other, operation));
    if arm { path } else { format!("/v1.0{path}") }
}

pub(super) async fn status(session: &Session<'_>, operation: &Operation) -> (StatusCode, String) {
    let builder = session.request(operation.method.clone(), &target(operation));
    let has_body = matches!(operation.method, Method::POST | Method::PATCH | Method::PUT);
    let request = if has_body {
        builder.header("content-type", "application/json").body("{}".into())
    } else {
        builder.body(axum::body::Body::empty())
    };
    let answer = session.send(request.unwrap()).await;
    (answer.status, format!("{} {}: {} {}", operation.method, operation.path, answer.status, answer.text))
}

#[tokio::test]
async fn nobody_gets_past_without_a_token_that_is_meant_for_this() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let principal = client.principal.id.to_string();
        let all = graph(&fixture).await.properties;
        let roles: Vec<&str> = all.app_roles.iter().filter_map(|role| role.value.as_deref()).collect();
        let now = fixture.identity.0.clock.now().as_second();
        let app =
            json!({"azp": client.id(), "oid": principal, "sub": principal, "idtyp": "app", "roles": roles});
        let with = |claims: serde_json::Value| {
            let mut all = app.clone();
            all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
            all
        };
        let sessions = [
            fixture.anonymous(),
            Session { fixture: &fixture, token: Some("nonsense".to_owned()) },
            Session {
                fixture: &fixture,
                token: Some(
                    fixture.signed(with(json!({"aud": "https://dicom.healthcareapis.azure.com"}))).await,
                ),
            },
            Session { fixture: &fixture, token: Some(fixture.signed(with(json!({"exp": now - 600}))).await) },
            Session { fixture: &fixture, token: Some(fixture.signed(with(json!({"tid": principal}))).await) },
            Session {
                fixture: &fixture,
                token: Some(fixture.signed(with(json!({"iss": "https://sts.example/"}))).await),
            },
        ];
        for operation in operations() {
            for session in &sessions {
                let (status, text) = status(session, operation).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
            }
        }
    }
}

#[tokio::test]
async fn on_the_wire_the_matrix_holds() {
    for fixture in fixtures().await {
        let client = fixture.client("client").await;
        let nothing = fixture.as_app(&client, &[]).await;
        let all = graph(&fixture).await.properties;
        let every_role: Vec<&str> = all.app_roles.iter().filter_map(|role| role.value.as_deref()).collect();
        let everything = fixture.as_app(&client, &every_role).await;
        let admin = fixture.as_admin_with_all_scopes().await;
        for operation in operations() {
            let (refused, text) = status(&nothing, operation).await;
            match operation.access.owned {
                Owned::AnyCaller | Owned::Own => assert_eq!(refused, StatusCode::BAD_REQUEST, "{text}"),
                _ => assert_eq!(refused, StatusCode::FORBIDDEN, "{text}"),
            }
            let let_in = |status| status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN;
            if !operation.access.application.is_empty() {
                let (status, text) = status(&everything, operation).await;
                assert!(let_in(status), "{text}");
            }
            if !operation.access.delegated.is_empty() {
                let (status, text) = status(&admin, operation).await;
                assert!(let_in(status), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn who_is_disabled_or_gone_is_out_at_once_and_refusals_leave_a_trace() {
    for fixture in fixtures().await {
        let (admin, actor) = (fixture.as_admin().await, crate::testing::actor());
        assert_eq!(admin.get("/applications").await.status, StatusCode::OK);
        let client = fixture.client("client").await;
        let session = fixture.as_app(&client, &["Application.Read.All"]).await;
        assert_eq!(session.get("/applications").await.status, StatusCode::OK);
        let refused = session.post("/applications", json!({"displayName": "x"})).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let off = crate::ServicePrincipalChange { account_enabled: Some(false), ..Default::default() };
        fixture.identity.update_service_principal(&actor, &client.id(), &off).await.unwrap();
        let refused = session.get("/applications").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text);

        // The log writes what waits when the last handle goes.
        let Fixture { identity, test_db, tasks, .. } = fixture;
        drop(identity);
        tasks.close();
        tasks.wait().await;
        let mut tx = test_db.db.read().await.unwrap();
        let select = "SELECT target, outcome, subject, app_id FROM audit_event WHERE action = 'access.refused' LIMIT 9";
        let rows = tx.fetch_all(select, &[]).await.unwrap();
        let texts: Vec<Vec<String>> =
            rows.iter().map(|row| (0..4).map(|column| row.text(column).unwrap()).collect()).collect();
        let subject = client.principal.id.to_string();
        assert_eq!(texts, [["POST /applications", "refused", &subject, &client.id()]]);
    }
}
