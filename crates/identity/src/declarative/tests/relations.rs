//! What a plan says of service principals, credentials, owners, members, assignments and grants.

use super::*;

/// Beside [`SITE`]: a principal with all it can say, and a trusted pipeline.
const WHOLE: &str = "
servicePrincipals:
- application: Sender
  owners: [ada@contoso.local, 'servicePrincipal:Viewer']
  accountEnabled: false
  appRoleAssignmentRequired: true
  alternativeNames: [ct-1]
  description: Sends from the CT room
  homepage: https://sender.example
  loginUrl: https://sender.example/login
  logoutUrl: https://sender.example/logout
  notes: Ask radiology
  notificationEmailAddresses: [radiology@contoso.local]
  preferredSingleSignOnMode: oidc
  preferredTokenSigningKeyThumbprint: AB12
  samlSingleSignOnSettings: {relayState: /start}
  tags: [ct, sender]
  tokenEncryptionKeyId: 6e0e8cd3-4b0b-4a2e-8a80-0b0ef9e1b7a1
  secrets: [{displayName: pipeline, lifetime: P30D, writeTo: 'file:sp.txt'}]
  certificates: [{displayName: pipeline, file: cert.pem}]
applications:
- displayName: Viewer
  federatedIdentityCredentials:
  - {name: main, issuer: 'https://ci.example', subject: 'repo:viewer:main', audiences: ['api://AzureADTokenExchange']}
  - {name: tags, issuer: 'https://ci.example', subject: 'repo:viewer:tags', audiences: ['api://AzureADTokenExchange'], description: Releases}
";

/// Each change as JSON, without what differs from run to run.
fn snapshot(name: &str, plan: &ConfigurationPlan) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(crate::testing::GUID, "[guid]");
    settings.add_filter("[0-9A-F]{40}", "[thumbprint]");
    settings.bind(|| insta::assert_snapshot!(name, serde_json::to_string_pretty(&plan.to_json()).unwrap()));
}

#[tokio::test]
async fn a_principal_says_all_that_the_api_lets_one_write() {
    for fixture in fixtures().await {
        apply(&fixture, SITE).await;
        let (plan_of_apply, secrets) = apply(&fixture, WHOLE).await;
        snapshot("principal", &plan_of_apply);
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets[0].target, SecretTarget::File("sp.txt".to_owned()));
        let principal =
            fixture.identity.find_service_principal(secrets[0].app_id.to_string().as_str()).await.unwrap();
        assert_eq!((principal.secrets.len(), principal.certificates.len()), (1, 1));
        assert_eq!(principal.secrets[0].key_id, secrets[0].key_id);
        assert_eq!(principal.details.tags, ["ct", "sender"]);
        assert!(principal.version > 1, "others see that it changed");

        let (_, again) = plan(&fixture, WHOLE).await.unwrap();
        assert!(again.changes.is_empty(), "{:?}", lines(&again));
        let text = to_yaml(&exported(&fixture, PAGE).await);
        let (_, same) = plan(&fixture, &text).await.unwrap();
        assert!(same.changes.is_empty(), "{:?}", lines(&same));

        // A secret that could not be handed over is taken back from the principal.
        fixture.identity.remove_secret(&actor(), secrets[0].owner(), secrets[0].key_id).await.unwrap();
    }
}

#[tokio::test]
async fn a_principal_moves_to_another_installation() {
    let full = fixtures().await;
    for (fixture, other) in full.iter().zip(empty().await) {
        apply(fixture, SITE).await;
        apply(fixture, WHOLE).await;
        let text = to_yaml(&exported(fixture, PAGE).await);
        other.identity.init(request()).await.unwrap();
        apply(&other, &text).await;
        assert_eq!(to_yaml(&exported(&other, PAGE).await), text);
    }
}

#[tokio::test]
async fn a_plan_names_who_comes_and_goes() {
    for fixture in fixtures().await {
        apply(&fixture, SITE).await;
        apply(&fixture, WHOLE).await;
        let changed = "
groups:
- {displayName: Everybody, members: [ada@contoso.local, 'servicePrincipal:Viewer']}
- {displayName: Readers, uniqueName: readers, owners: []}
applications:
- displayName: Viewer
  owners: [bob@contoso.local]
  federatedIdentityCredentials:
  - {name: tags, issuer: 'https://ci.example', subject: 'repo:viewer:main', audiences: ['api://AzureADTokenExchange']}
servicePrincipals:
- {application: Sender, owners: [bob@contoso.local], tags: [ct], loginUrl: null, accountEnabled: true}
roleAssignments:
- {principal: Sender, role: DICOM Data Writer}
- {principal: Viewer, role: DICOM Data Reader}
appRoleAssignments:
- {principal: 'servicePrincipal:Sender', resource: Imaging API, appRole: Images.Read}
- {principal: ada@contoso.local, resource: Imaging API, appRole: Images.Read}
- {principal: 'group:readers', resource: Imaging API}
oauth2PermissionGrants:
- {client: Viewer, resource: imaging-api, scope: Images.Use}
- {client: Sender, resource: imaging-api, scope: Images.Use, principal: ada@contoso.local}
";
        let (made, _) = apply(&fixture, changed).await;
        snapshot("who_comes_and_goes", &made);
        let (_, again) = plan(&fixture, changed).await.unwrap();
        assert!(again.changes.is_empty(), "{:?}", lines(&again));
    }
}

#[tokio::test]
async fn what_a_principal_does_not_have_is_refused_with_its_line() {
    let text = "applications:\n- displayName: Sender\n- displayName: Other\n  federatedIdentityCredentials:\n  - name: ok-1\n    issuer: http://ci.example\n\
        servicePrincipals:\n- application: Sender\n  notes: fine\n  nonsense: 1\n";
    let more = "applications:\n- displayName: Sender\n- displayName: Other\n  federatedIdentityCredentials:\n  - {name: one, issuer: 'https://a.example', subject: s, audiences: [a]}\n\
        \u{20} - {name: two, issuer: 'https://a.example', subject: s, audiences: [a]}\n\
        servicePrincipals:\n- application: Sender\n  tags: 5\n- application: Other\n  appRoles: []\n";
    for fixture in fixtures().await {
        let problems = plan(&fixture, text).await.unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("a.yaml:6:13: Application 'Other': issuer must be"), "{problems:?}");
        assert!(problems[1].starts_with("a.yaml:10:13: ServicePrincipal 'Sender'"), "{problems:?}");
        assert!(problems[1].contains("unknown field `nonsense`"), "{problems:?}");
        let problems = plan(&fixture, more).await.unwrap_err();
        let starts: Vec<_> = problems.iter().map(|text| text.split(": ").next().unwrap()).collect();
        assert_eq!(starts, ["a.yaml:6:5", "a.yaml:9:9", "a.yaml:11:13"], "{problems:?}");
    }
    let twice = "kind: ServicePrincipal\napplication: a\nsecrets:\n- {displayName: x}\n";
    assert!(read(twice).unwrap_err()[0].to_string().starts_with("a.yaml:4"));
}

#[tokio::test]
async fn a_secret_whose_text_is_gone_is_warned_of() {
    let text = "applications: [{displayName: Sender, secrets: [{displayName: ci, writeTo: 'file:ci.txt'}]}]\n\
        servicePrincipals: [{application: Sender, secrets: [{displayName: own, writeTo: 'file:sp.txt'}]}]\n";
    for fixture in fixtures().await {
        let (first, made) = apply(&fixture, text).await;
        assert!(first.warnings.is_empty(), "there is nothing to lose yet: {:?}", first.warnings);
        let mut desired = read(text).unwrap();
        desired.look_for_secrets(|_, target| *target != SecretTarget::File("ci.txt".to_owned()));
        let declaration = fixture.identity.declare(desired, None);
        let plan = fixture.identity.plan_configuration(&actor(), &declaration).await.unwrap();
        assert!(plan.changes.is_empty(), "{:?}", lines(&plan));
        let warnings: Vec<_> = plan.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].starts_with("a.yaml:1:") && warnings[0].contains("Application 'Sender'"),
            "{warnings:?}"
        );
        for part in ["'ci'", "file ci.txt", "not recoverable", &made[0].key_id.to_string()] {
            assert!(warnings[0].contains(part), "{part}: {warnings:?}");
        }
        assert_eq!(plan.to_json()["warnings"][0], warnings[0]);
    }
}

#[tokio::test]
async fn two_at_the_same_time_come_one_after_the_other() {
    for fixture in fixtures().await {
        let (one, first) = plan(&fixture, SITE).await.unwrap();
        let (other, second) = plan(&fixture, SITE).await.unwrap();
        assert_eq!(lines(&first), lines(&second));
        let actor = actor();
        let (a, b) = tokio::join!(
            fixture.identity.apply_configuration(&actor, &one, &first),
            fixture.identity.apply_configuration(&actor, &other, &second),
        );
        // The second finds everything done, which is not what its plan said.
        let stale = [&a, &b].iter().filter(|end| matches!(end, Err(ConfigurationError::Stale))).count();
        assert_eq!((stale, usize::from(a.is_ok()) + usize::from(b.is_ok())), (1, 1), "{a:?} {b:?}");
        let named = crate::ApplicationFilter::DisplayName("Viewer".into());
        assert_eq!(fixture.identity.list_applications(&named, None).await.unwrap().len(), 1);
        let (_, again) = plan(&fixture, SITE).await.unwrap();
        assert!(again.changes.is_empty(), "{:?}", lines(&again));
    }
}

#[tokio::test]
async fn somebody_elses_change_of_a_principal_is_not_overwritten() {
    for fixture in fixtures().await {
        apply(&fixture, SITE).await;
        let text = "servicePrincipals: [{application: Sender, notes: Mine}]\n";
        let (declaration, shown) = plan(&fixture, text).await.unwrap();
        let named = crate::ServicePrincipalFilter::DisplayName("Sender".into());
        let found = fixture.identity.list_service_principals(&named, None).await.unwrap();
        let id = found[0].id.to_string();
        let change = crate::ServicePrincipalChange { notes: Some("Theirs".into()), ..Default::default() };
        fixture.identity.update_service_principal(&actor(), &id, &change).await.unwrap();
        let applied = fixture.identity.apply_configuration(&actor(), &declaration, &shown).await;
        assert!(matches!(applied, Err(ConfigurationError::Stale)), "{applied:?}");
        let now = fixture.identity.find_service_principal(id.as_str()).await.unwrap();
        assert_eq!(now.notes.as_deref(), Some("Theirs"));
    }
}
