//! Declared token lifetime policies, and whom they are assigned to.

use super::*;

const POLICIES: &str = "
applications: [{displayName: Sender}, {displayName: Reader}]
tokenLifetimePolicies:
- displayName: Everybody
  isOrganizationDefault: true
  definition: ['{\"TokenLifetimePolicy\":{\"Version\":1,\"AccessTokenLifetime\":\"2:00:00\"}}']
- displayName: Long shifts
  description: For the night
  definition: ['{\"TokenLifetimePolicy\":{\"Version\":1,\"AccessTokenLifetime\":\"8:00:00\"}}']
  applications: [Sender, Reader]
";

/// The organisation's is another one, and an application has moved.
const MOVED: &str = "
tokenLifetimePolicies:
- displayName: Long shifts
  isOrganizationDefault: true
  applications: [Sender]
- displayName: Everybody
  isOrganizationDefault: false
  applications: [Reader]
";

async fn of(fixture: &Fixture, name: &str) -> Option<String> {
    let tenant = fixture.identity.tenant().await.unwrap().id;
    let mut tx = fixture.test_db.db.read().await.unwrap();
    let application = crate::applications::by_display_name(&mut tx, tenant, name).await.unwrap().remove(0);
    let policy = crate::token_lifetimes::of_application(&mut tx, application.object_id).await.unwrap();
    policy.map(|policy| policy.properties.display_name)
}

#[tokio::test]
async fn policies_are_made_true_and_move() {
    for fixture in fixtures().await {
        let (made, _) = apply(&fixture, POLICIES).await;
        let policies: Vec<&str> = made.changes.iter().skip(2).map(|change| change.name.as_str()).collect();
        assert_eq!(policies, ["Long shifts", "Everybody"], "the organisation's comes last");
        assert_eq!(of(&fixture, "Sender").await.as_deref(), Some("Long shifts"));
        let (_, same) = plan(&fixture, POLICIES).await.unwrap();
        assert!(same.changes.is_empty(), "{:?}", lines(&same));

        let (moved, _) = apply(&fixture, MOVED).await;
        assert_eq!(
            lines(&moved),
            [
                "update TokenLifetimePolicy Everybody [applications isOrganizationDefault]",
                "update TokenLifetimePolicy Long shifts [isOrganizationDefault]",
            ]
        );
        assert_eq!(of(&fixture, "Sender").await.as_deref(), Some("Long shifts"));
        assert_eq!(of(&fixture, "Reader").await.as_deref(), Some("Everybody"));
        let text = to_yaml(&exported(&fixture, PAGE).await);
        assert!(
            text.contains("AccessTokenLifetime") && text.contains("isOrganizationDefault: true"),
            "{text}"
        );
        let (_, same) = plan(&fixture, &text).await.unwrap();
        assert!(same.changes.is_empty(), "{:?}", lines(&same));
        let trail = fixture.trail().await;
        assert!(
            trail
                .iter()
                .any(|line| line.starts_with("identity.policy.changed") && line.contains("taken from"))
        );
    }
}

#[tokio::test]
async fn what_cannot_be_is_told_with_its_place() {
    for fixture in fixtures().await {
        apply(&fixture, POLICIES).await;
        for (text, wanted) in [
            ("kind: TokenLifetimePolicy\ndisplayName: x\ndefinition: ['{}']\n", "a.yaml:3:"),
            ("kind: TokenLifetimePolicy\ndisplayName: x\n", "definition"),
            (
                "kind: TokenLifetimePolicy\ndisplayName: x\nlifetime: 1\n",
                "lifetime is no member of TokenLifetimePolicy",
            ),
            (
                "kind: TokenLifetimePolicy\ndisplayName: Everybody\napplications: [Nobody]\n",
                "there is no application 'Nobody'",
            ),
            (
                "kind: TokenLifetimePolicy\ndisplayName: Long shifts\nisOrganizationDefault: true\n",
                "isOrganizationDefault",
            ),
            (
                "tokenLifetimePolicies:\n- {displayName: Everybody, applications: [Sender]}\n\
                 - {displayName: Long shifts, applications: [Sender]}\n",
                "'Sender' stands in two policies",
            ),
        ] {
            let problems = plan(&fixture, text).await.unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(wanted)), "{text}: {problems:?}");
        }
    }
}
