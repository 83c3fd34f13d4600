//! Exports: whole in whatever pages, and the same again where they are applied.

use std::fmt::Write as _;

use super::*;

#[tokio::test]
async fn an_export_applied_to_an_empty_installation_gives_the_same() {
    let full = fixtures().await;
    for (fixture, other) in full.iter().zip(empty().await) {
        apply(fixture, SITE).await;
        let graph = "kind: Application\nappId: 75e725bf-66ce-4cea-9b9a-5c4caae57f33\nnotes: Ours\n";
        apply(fixture, graph).await;
        let text = to_yaml(&exported(fixture, PAGE).await);
        assert!(!text.contains("secret"), "{text}");
        assert!(!text.contains("Microsoft Graph"), "what every installation has is left out: {text}");
        let (_, same) = plan(fixture, &text).await.unwrap();
        assert!(same.changes.is_empty(), "{:?}", lines(&same));

        other.identity.init(request()).await.unwrap();
        apply(&other, &text).await;
        assert_eq!(to_yaml(&exported(&other, PAGE).await), text);
    }
}

/// More of everything than a page holds, and names that occur twice.
fn many() -> String {
    let mut text = SITE.to_owned();
    for at in 0..7 {
        write!(
            text,
            "---\nlabels: {{site: north, row: '{at}'}}\n\
             roleDefinitions: [{{roleName: Role {at}, dataActions: [Microsoft.HealthcareApis/workspaces/dicomservices/resources/read]}}]\n\
             users: [{{userPrincipalName: u{at}@contoso.local, displayName: Same}}]\n\
             groups: [{{displayName: Group {at}, members: [u{at}@contoso.local]}},\n\
             \u{20} {{id: 2000000{at}-0000-4000-8000-000000000000, displayName: Twin, members: [u{at}@contoso.local]}}]\n\
             applications: [{{displayName: App {at}, owners: [u{at}@contoso.local]}},\n\
             \u{20} {{appId: 1000000{at}-0000-4000-8000-000000000000, displayName: Twice}}]\n\
             servicePrincipals: [{{application: App {at}}}]\n\
             tokenLifetimePolicies: [{{displayName: Policy {at}, applications: [App {at}],\n\
             \u{20} definition: ['{{\"TokenLifetimePolicy\":{{\"AccessTokenLifetime\":\"{at}:30:00\"}}}}']}}]\n\
             roleAssignments: [{{principal: App {at}, role: Role {at}}}]\n\
             appRoleAssignments: [{{principal: u{at}@contoso.local, resource: imaging-api}}]\n\
             oauth2PermissionGrants: [{{client: App {at}, resource: imaging-api, scope: Images.Use}}]\n"
        )
        .unwrap();
    }
    text
}

#[tokio::test]
async fn an_export_is_whole_however_small_its_pages() {
    let full = fixtures().await;
    for (fixture, other) in full.iter().zip(empty().await) {
        let (plan, _) = apply(fixture, &many()).await;
        let whole = exported(fixture, PAGE).await;
        for page in [1, 2, 3] {
            assert_eq!(exported(fixture, page).await, whole, "pages of {page}");
        }
        for kind in DeclaredKind::ALL {
            let made = plan.changes.iter().filter(|change| change.kind == *kind).count();
            let labelled =
                |document: &&Value| document["kind"] == kind.as_str() && document["labels"].is_object();
            assert_eq!(whole.iter().filter(labelled).count(), made, "{kind}");
        }
        other.identity.init(request()).await.unwrap();
        apply(&other, &to_yaml(&whole)).await;
        assert_eq!(exported(&other, 2).await, whole);
    }
}

#[tokio::test]
async fn a_prune_sees_all_objects_of_a_label() {
    for fixture in fixtures().await {
        let (made, _) = apply(&fixture, &many()).await;
        let selector: LabelSelector = [("site".to_owned(), "north".to_owned())].into();
        let kept = read("kind: Application\ndisplayName: Left\n").unwrap();
        let mut declaration = fixture.identity.declare(kept, Some(selector));
        declaration.page = 2;
        let plan = fixture.identity.plan_configuration(&actor(), &declaration).await.unwrap();
        let (create, update, delete) = plan.counts();
        // A deleted application takes its principal, and a deleted principal its grants, along.
        let own = |kind: DeclaredKind, plan: &ConfigurationPlan| {
            plan.changes.iter().filter(|change| change.kind == kind).count()
        };
        assert_eq!((create, update), (1, 0), "{:?}", lines(&plan));
        for kind in DeclaredKind::ALL.iter().filter(|kind| **kind != DeclaredKind::Application) {
            assert_eq!(own(*kind, &plan), own(*kind, &made), "{kind}");
        }
        assert_eq!(own(DeclaredKind::Application, &plan), own(DeclaredKind::Application, &made) + 1);
        assert!(delete > 60, "{delete}");
        fixture.identity.apply_configuration(&actor(), &declaration, &plan).await.unwrap();
        let left = exported(&fixture, 2).await;
        assert!(left.iter().all(|document| document.get("labels").is_none()), "{left:?}");
    }
}
