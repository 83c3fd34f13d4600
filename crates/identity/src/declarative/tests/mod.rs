//! Declarations applied to directories, on every database.

mod export;
mod policies;
mod relations;
mod round_trip;

use std::sync::LazyLock;

use hilum_audit::Actor;
use hilum_jose::{SigningKey, Validity};
use hilum_kernel::{Secret, SystemRandom};
use serde_json::Value;

use super::*;
use crate::testing::{Fixture, NOW, actor, empty, fixtures, request};

/// A certificate for all tests, loaded as the file `cert.pem`.
static CERTIFICATE: LazyLock<String> = LazyLock::new(|| {
    let not_before: jiff::Timestamp = NOW.parse().unwrap();
    let validity =
        Validity { not_before, not_after: not_before + jiff::SignedDuration::from_hours(24 * 100) };
    SigningKey::generate("ci", validity, &SystemRandom).unwrap().certificate().pem()
});

fn load(input: &Input, _file: &str) -> Result<Secret<Vec<u8>>, String> {
    match input {
        Input::File(name) if name == "cert.pem" => Ok(Secret::new(CERTIFICATE.clone().into_bytes())),
        Input::File(name) if name == "ada.txt" => Ok(Secret::new(b"Analytical-Engine-1\n".to_vec())),
        Input::Env(name) if name == "BOB_PASSWORD" => Ok(Secret::new(b"short".to_vec())),
        other => Err(format!("{other:?} cannot be read")),
    }
}

fn read(text: &str) -> Result<Desired, Vec<Problem>> {
    Desired::read(&[ConfigurationFile { name: "a.yaml".to_owned(), text: text.to_owned() }], &load)
}

async fn plan(fixture: &Fixture, text: &str) -> Result<(Declaration, ConfigurationPlan), Vec<String>> {
    pruned(fixture, text, None).await
}

async fn pruned(
    fixture: &Fixture,
    text: &str,
    prune: Option<LabelSelector>,
) -> Result<(Declaration, ConfigurationPlan), Vec<String>> {
    let shown = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let declaration = fixture.identity.declare(read(text).map_err(shown)?, prune);
    match fixture.identity.plan_configuration(&actor(), &declaration).await {
        Ok(plan) => Ok((declaration, plan)),
        Err(ConfigurationError::Problems(problems)) => Err(shown(problems)),
        Err(other) => panic!("{other:?}"),
    }
}

async fn apply(fixture: &Fixture, text: &str) -> (ConfigurationPlan, Vec<MadeSecret>) {
    let (declaration, plan) = plan(fixture, text).await.unwrap();
    let secrets = fixture.identity.apply_configuration(&actor(), &declaration, &plan).await.unwrap();
    (plan, secrets)
}

/// The whole directory as documents, read in pages.
async fn exported(fixture: &Fixture, page: usize) -> Vec<Value> {
    let mut export = ConfigurationExport::start(&fixture.identity, page).await.unwrap();
    let mut all = Vec::new();
    while let Some(documents) = export.next().await.unwrap() {
        assert!(documents.len() <= page && !documents.is_empty());
        all.extend(documents);
    }
    all
}

/// One line for each change: what, which, the paths.
fn lines(plan: &ConfigurationPlan) -> Vec<String> {
    let line = |change: &PlannedChange| {
        let paths: Vec<_> = change.properties.iter().map(|property| property.path.as_str()).collect();
        format!("{} {} {} [{}]", change.action.as_str(), change.kind, change.name, paths.join(" "))
    };
    plan.changes.iter().map(line).collect()
}

const SITE: &str = "
users:
- {userPrincipalName: ada@contoso.local, displayName: Ada, jobTitle: Analyst, password: {file: ada.txt}}
- {userPrincipalName: bob@contoso.local, displayName: Bob, accountEnabled: false}
groups:
- {displayName: Everybody, members: ['group:Readers', 'servicePrincipal:Sender', bob@contoso.local]}
- {displayName: Readers, uniqueName: readers, description: Read images, owners: [ada@contoso.local], members: [ada@contoso.local]}
labels: {site: north}
---
kind: Application
displayName: Imaging API
uniqueName: imaging-api
labels: {site: north}
identifierUris: ['api://{appId}']
appRoles:
- {value: Images.Read, displayName: Read images, description: Reads images., allowedMemberTypes: [Application, User]}
api:
  requestedAccessTokenVersion: 2
  oauth2PermissionScopes:
  - {value: Images.Use, adminConsentDisplayName: Use, adminConsentDescription: Use images., type: User}
  preAuthorizedApplications:
  - {appId: Viewer, delegatedPermissionIds: [Images.Use]}
---
applications:
- displayName: Viewer
  owners: [ada@contoso.local, 'servicePrincipal:Sender']
  isFallbackPublicClient: true
  publicClient: {redirectUris: ['http://localhost']}
  requiredResourceAccess:
  - resourceAppId: imaging-api
    resourceAccess: [{id: Images.Use, type: Scope}]
- displayName: Sender
  secrets: [{displayName: ci, lifetime: P90D, writeTo: 'file:ci.txt'}]
  certificates: [{file: cert.pem}]
servicePrincipals:
- {application: imaging-api, appRoleAssignmentRequired: true}
- {application: Viewer}
- {application: Sender, notes: Sends from the CT room}
roleAssignments:
- {principal: Sender, role: DICOM Data Writer}
- {principal: admin@contoso.local, role: DICOM Data Owner}
- {principal: 'group:readers', role: DICOM Data Reader}
appRoleAssignments:
- {principal: 'servicePrincipal:Sender', resource: Imaging API, appRole: Images.Read}
oauth2PermissionGrants:
- {client: Viewer, resource: imaging-api, scope: Images.Use}
- {client: Viewer, resource: imaging-api, scope: Images.Use, principal: admin@contoso.local}
labels: {site: north}
";

#[tokio::test]
async fn a_declaration_is_made_true_once() {
    for fixture in fixtures().await {
        let trail = fixture.trail().await.len();
        let (_, first) = plan(&fixture, SITE).await.unwrap();
        assert_eq!(fixture.trail().await.len(), trail, "a plan leaves nothing behind");
        insta::assert_snapshot!("first_plan", lines(&first).join("\n"));

        let (plan_of_apply, secrets) = apply(&fixture, SITE).await;
        assert_eq!(lines(&plan_of_apply), lines(&first));
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets[0].target, SecretTarget::File("ci.txt".to_owned()));
        let sender = fixture.identity.find_application(&secrets[0].app_id.to_string()).await.unwrap();
        assert_eq!(sender.secrets.len(), 1);
        assert_eq!(sender.secrets[0].key_id, secrets[0].key_id);
        assert_eq!(sender.secrets[0].ends_at.to_string(), "2026-05-01T12:34:56Z");
        assert_eq!(sender.certificates.len(), 1);
        let named = crate::ApplicationFilter::DisplayName("Imaging API".into());
        let api = fixture.identity.list_applications(&named, None).await.unwrap().pop().unwrap();
        assert_eq!(api.properties.identifier_uris, [format!("api://{}", api.app_id)]);
        assert_eq!(
            api.properties.api.pre_authorized_applications[0].delegated_permission_ids,
            [api.properties.api.oauth2_permission_scopes[0].id]
        );
        let trail = fixture.trail().await;
        assert!(trail.iter().any(|line| line.contains("credential.added")), "{trail:?}");

        let (_, second) = plan(&fixture, SITE).await.unwrap();
        assert!(second.changes.is_empty(), "{:?}", lines(&second));
    }
}

#[tokio::test]
async fn what_is_shown_is_done_or_nothing() {
    for fixture in fixtures().await {
        let (declaration, plan) = plan(&fixture, SITE).await.unwrap();
        fixture
            .identity
            .create_application(&actor(), &crate::testing::members(r#"{"displayName":"Viewer"}"#))
            .await
            .unwrap();
        let applied = fixture.identity.apply_configuration(&actor(), &declaration, &plan).await;
        assert!(matches!(applied, Err(ConfigurationError::Stale)), "{applied:?}");
        let left = fixture
            .identity
            .list_applications(&crate::ApplicationFilter::DisplayName("Imaging API".into()), None)
            .await
            .unwrap();
        assert!(left.is_empty(), "all or nothing");
    }
}

#[tokio::test]
async fn all_mistakes_are_told_together_with_their_lines() {
    let text = "kind: Application\ndisplayName: ''\n---\nkind: Application\ndisplayName: a\nweb:\n  redirectUris:\n  - http://evil.example\n\
        ---\nkind: Application\ndisplayName: b\nnonsense: 1\n---\nkind: ServicePrincipal\napplication: absent\n\
        ---\nkind: RoleAssignment\nprincipal: nobody@contoso.local\nrole: DICOM Data Owner\n\
        ---\nkind: RoleAssignment\nprincipal: admin@contoso.local\nrole: Emperor\n\
        ---\nkind: Application\ndisplayName: c\nidentifierUris:\n- https://dicom.healthcareapis.azure.com\n\
        ---\nkind: Application\ndisplayName: d\nrequiredResourceAccess:\n- resourceAppId: 75e725bf-66ce-4cea-9b9a-5c4caae57f33\n  resourceAccess: [{id: Dicom.Fly, type: Scope}]\n\
        ---\nkind: Application\ndisplayName: e\n---\nkind: Application\ndisplayName: E\nappId: x\n";
    for fixture in fixtures().await {
        let trail = fixture.trail().await.len();
        let problems = plan(&fixture, text).await.unwrap_err();
        insta::assert_snapshot!("problems", problems.join("\n"));
        assert_eq!(fixture.trail().await.len(), trail);
    }
}

#[test]
fn mistakes_that_need_no_directory() {
    let text = "kind: Robot\n---\nkind: Application\nlabels: [a]\n---\nkind: Application\ndisplayName: x\n\
        secrets: [{displayName: a, writeTo: stdout}]\n---\nkind: Application\ndisplayName: y\nsecrets:\n- displayName: a\n  writeTo: 'file:x'\n\
        - {displayName: a, writeTo: 'file:x'}\n---\nkind: Application\ndisplayName: z\ncertificates: [{file: absent.pem}]\n\
        ---\nkind: User\npassword: hunter2\n---\nrobots: []\n---\n5\n";
    let problems: Vec<_> = read(text).unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("mistakes", problems.join("\n"));
    let broken = read("a: [").unwrap_err();
    assert_eq!(broken.len(), 1);
    assert!(broken[0].to_string().starts_with("a.yaml:"), "{}", broken[0]);
}

#[tokio::test]
async fn changes_name_their_properties() {
    for fixture in fixtures().await {
        apply(&fixture, SITE).await;
        let (_, plan) = plan(
            &fixture,
            "applications:\n- {displayName: Viewer, notes: New, web: {redirectUris: ['https://v.example/cb']}, labels: {site: south}}\n\
             servicePrincipals: [{application: Sender, accountEnabled: false, notes: null}]\n\
             oauth2PermissionGrants: [{client: Viewer, resource: imaging-api, scope: Images.Use}]\n",
        )
        .await
        .unwrap();
        insta::assert_snapshot!("changes", serde_json::to_string_pretty(&plan.to_json()).unwrap());
    }
}

#[tokio::test]
async fn a_prune_takes_what_carries_the_label_and_nothing_else() {
    for fixture in fixtures().await {
        apply(&fixture, SITE).await;
        let other = "kind: Application\ndisplayName: Other\nlabels: {site: south}\n";
        apply(&fixture, other).await;
        let selector = || Some([("site".to_owned(), "north".to_owned())].into());
        let kept = "kind: Application\ndisplayName: Viewer\nlabels: {site: north}\n";
        let (declaration, plan) = pruned(&fixture, kept, selector()).await.unwrap();
        {
            let mut kinds: Vec<_> = lines(&plan)
                .iter()
                .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
                .collect();
            kinds.dedup();
            insta::assert_snapshot!("prune", kinds.join("\n"));
        }
        fixture.identity.apply_configuration(&actor(), &declaration, &plan).await.unwrap();
        let left = fixture.identity.list_applications(&crate::ApplicationFilter::All, None).await.unwrap();
        let left: Vec<_> =
            left.iter().filter(|a| !a.seeded).map(|a| a.properties.display_name.as_str()).collect();
        assert_eq!(left, ["Other", "Viewer"]);
        let (_, again) = pruned(&fixture, kept, selector()).await.unwrap();
        assert!(again.changes.is_empty(), "{:?}", lines(&again));
    }
}

#[tokio::test]
async fn the_plan_and_the_problems_hold_no_secret() {
    for fixture in fixtures().await {
        let (declaration, plan) = plan(&fixture, SITE).await.unwrap();
        let actor = Actor::operator();
        let secrets = fixture.identity.apply_configuration(&actor, &declaration, &plan).await.unwrap();
        let secret = secrets[0].value.expose().clone();
        let shown =
            format!("{plan:?} {} {declaration:?} {secrets:?} {:?}", plan.to_json(), fixture.trail().await);
        assert!(!shown.contains(&secret));
    }
}

#[tokio::test]
async fn first_passwords_wait_for_their_turn_to_be_hashed() {
    let fixture = fixtures().await.remove(0);
    let text =
        "kind: User\nuserPrincipalName: ada@contoso.local\ndisplayName: Ada\npassword: {file: ada.txt}\n";
    let (declaration, plan) = plan(&fixture, text).await.unwrap();
    let busy = fixture.busy_hashing(0).await;
    let declared = actor();
    let apply = fixture.identity.apply_configuration(&declared, &declaration, &plan);
    let waited = tokio::time::timeout(std::time::Duration::from_secs(1), apply).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(busy);
    fixture.identity.apply_configuration(&actor(), &declaration, &plan).await.unwrap();
}
