//! Whatever valid configuration is applied: the export says it again, and applying either once more changes nothing.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, json};

use super::*;

/// Each is applied, exported, applied twice more and pruned on every database.
const CASES: u32 = 32;
const ISSUER: &str = "https://ci.example";

/// What is chosen at random of a configuration of two users, two groups and three applications.
#[derive(Debug, Clone)]
struct Chosen {
    users: [Map<String, Value>; 2],
    applications: [Map<String, Value>; 3],
    principals: [Map<String, Value>; 3],
    /// Bits: who is a member, an owner, assigned, granted.
    relations: u16,
    scopes: bool,
}

/// Texts that YAML could misread, too.
fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[A-Za-z][A-Za-z0-9 ]{0,10}[a-z]",
        "[a-z:#'\"{}é&*!|>%@0-9-][ -~é]{0,10}[a-z]",
        Just("no".to_owned()),
        Just("007".to_owned()),
        Just("null".to_owned()),
    ]
    .prop_map(Value::from)
}

fn texts() -> impl Strategy<Value = Value> {
    prop::collection::btree_set("[a-z0-9][a-z0-9:.-]{0,8}", 1..4).prop_map(|set| set.into_iter().collect())
}

/// Some of these members.
fn some(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Map<String, Value>> {
    let each: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            prop::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    each.prop_map(|members| members.into_iter().flatten().collect())
}

fn user() -> impl Strategy<Value = Map<String, Value>> {
    some(vec![
        ("jobTitle", text().boxed()),
        ("department", text().boxed()),
        ("city", text().boxed()),
        ("accountEnabled", Just(json!(false)).boxed()),
    ])
}

fn principal() -> impl Strategy<Value = Map<String, Value>> {
    some(vec![
        ("accountEnabled", Just(json!(false)).boxed()),
        ("appRoleAssignmentRequired", Just(json!(true)).boxed()),
        ("notes", text().boxed()),
        ("description", text().boxed()),
        ("tags", texts().boxed()),
        ("alternativeNames", texts().boxed()),
        ("loginUrl", "https://[a-z]{1,8}\\.example/[a-z]{0,5}".prop_map(Value::from).boxed()),
        ("notificationEmailAddresses", Just(json!(["a@contoso.local"])).boxed()),
    ])
}

fn application() -> impl Strategy<Value = Map<String, Value>> {
    let subjects = prop::collection::btree_set("[a-z]{3,6}", 1..4).prop_map(|names| {
        let one = |name: String| json!({"name": name, "issuer": ISSUER, "subject": format!("repo:{name}"), "audiences": ["x"]});
        names.into_iter().map(one).collect::<Value>()
    });
    let scopes = prop::collection::btree_set("[A-Z][a-z]{2,6}\\.[A-Z][a-z]{2,6}", 1..3).prop_map(|values| {
        let one = |value: String| json!({"value": value, "type": "User", "isEnabled": true,
            "adminConsentDisplayName": "Use", "adminConsentDescription": "Uses it."});
        json!({"oauth2PermissionScopes": values.into_iter().map(one).collect::<Value>(), "requestedAccessTokenVersion": 2})
    });
    let redirects = prop::collection::btree_set("https://[a-z]{1,8}\\.example/[a-z]{0,5}", 1..3)
        .prop_map(|uris| json!({"redirectUris": uris}));
    some(vec![
        ("notes", text().boxed()),
        ("description", text().boxed()),
        ("tags", texts().boxed()),
        ("isFallbackPublicClient", Just(json!(true)).boxed()),
        ("web", redirects.boxed()),
        ("api", scopes.boxed()),
        ("federatedIdentityCredentials", subjects.boxed()),
    ])
}

fn chosen() -> impl Strategy<Value = Chosen> {
    (
        prop::array::uniform2(user()),
        prop::array::uniform3(application()),
        prop::array::uniform3(principal()),
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(|(users, applications, principals, relations, scopes)| Chosen {
            users,
            applications,
            principals,
            relations,
            scopes,
        })
}

impl Chosen {
    fn bit(&self, at: u32) -> bool {
        self.relations.checked_shr(at).unwrap_or(0) & 1 == 1
    }

    /// Those of these names whose bits are set, from `first` on.
    fn of(&self, first: u32, names: &[String]) -> Vec<String> {
        names.iter().zip(first..).filter(|(_, at)| self.bit(*at)).map(|(name, _)| name.clone()).collect()
    }

    /// In the form of an export: names as it chooses them, lists in its order. `case` keeps cases apart.
    fn documents(&self, case: u32) -> Vec<Value> {
        let people = people(case);
        let (inner, outer) = (format!("Inner {case}"), [format!("group:Inner {case}"), upn(1, case)]);
        let (owners, members) = (self.of(3, &people[1..]), self.of(5, &outer));
        let mut all = vec![
            plain("Group", json!({"displayName": inner, "members": self.of(0, &people)})),
            plain(
                "Group",
                json!({"displayName": format!("Outer {case}"), "owners": owners, "members": members}),
            ),
        ];
        for (at, user) in self.users.iter().enumerate() {
            let name = json!({"userPrincipalName": upn(at, case), "displayName": format!("U{at}")});
            all.push(document("User", user.clone(), name));
        }
        let role = json!({"value": "Go", "isEnabled": true, "displayName": "Go", "description": "Goes.",
            "allowedMemberTypes": ["User", "Application"]});
        for (at, application) in self.applications.iter().enumerate() {
            let owners = self.of(7, &people);
            let more = json!({"displayName": app(at, case), "owners": owners, "appRoles": [role]});
            all.push(document("Application", application.clone(), more));
        }
        for (at, principal) in self.principals.iter().enumerate() {
            let more = json!({"application": app(at, case), "owners": self.of(10, &people)});
            all.push(document("ServicePrincipal", principal.clone(), more));
        }
        all.extend(self.relations(case));
        for document in &mut all {
            document["labels"] = json!({"case": case.to_string()});
        }
        all
    }

    fn relations(&self, case: u32) -> Vec<Value> {
        let mut all = Vec::new();
        let roles = ["DICOM Data Reader", "DICOM Data Writer", "DICOM Data Owner"];
        for (at, (name, role)) in people(case).iter().zip(roles).enumerate() {
            if self.bit(13) {
                all.push(plain("RoleAssignment", json!({"principal": name, "role": role, "scope": "/"})));
            }
            if self.bit(14) {
                let given = json!({"principal": name, "resource": app(at, case), "appRole": "Go"});
                all.push(plain("AppRoleAssignment", given));
            }
        }
        let api = self.applications[1].get("api").filter(|_| self.scopes);
        if let Some(scope) = api.map(|api| api["oauth2PermissionScopes"][0]["value"].clone()) {
            let grant = json!({"client": app(0, case), "resource": app(1, case), "scope": scope});
            all.push(plain("OAuth2PermissionGrant", grant.clone()));
            if self.bit(15) {
                let own = grant.as_object().unwrap().clone();
                all.push(document("OAuth2PermissionGrant", own, json!({"principal": upn(0, case)})));
            }
        }
        all
    }
}

fn upn(at: usize, case: u32) -> String {
    format!("u{at}-{case}@contoso.local")
}

fn app(at: usize, case: u32) -> String {
    format!("App {at} of {case}")
}

fn people(case: u32) -> [String; 3] {
    [format!("servicePrincipal:{}", app(0, case)), upn(0, case), upn(1, case)]
}

fn document(kind: &str, mut members: Map<String, Value>, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more}") };
    members.extend(more);
    members.insert("kind".to_owned(), kind.into());
    Value::Object(members)
}

fn plain(kind: &str, members: Value) -> Value {
    document(kind, Map::new(), members)
}

/// Whether a document is said again: all that it says, and beside that only what the directory adds by itself.
fn says(exported: &Value, declared: &Value) -> bool {
    const ADDED: &[&str] = &["appId", "id", "mailNickname", "signInAudience", "publisherDomain", "userType"];
    match (exported, declared) {
        (Value::Object(exported), Value::Object(declared)) => {
            let said = |(name, value): (&String, &Value)| match exported.get(name) {
                Some(found) => says(found, value),
                None => plan::is_empty(value),
            };
            declared.iter().all(said)
                && exported.iter().all(|(name, value)| {
                    declared.contains_key(name) || ADDED.contains(&name.as_str()) || plan::is_empty(value)
                })
        }
        (Value::Array(exported), Value::Array(declared)) => {
            exported.len() == declared.len() && exported.iter().zip(declared).all(|(a, b)| says(a, b))
        }
        (exported, declared) => exported == declared,
    }
}

async fn check(fixture: &Fixture, case: u32, chosen: &Chosen) -> Result<(), TestCaseError> {
    let declared = chosen.documents(case);
    let text = to_yaml(&declared);
    let (declaration, shown) = match plan(fixture, &text).await {
        Ok(planned) => planned,
        Err(problems) => return Err(TestCaseError::fail(format!("{problems:?}\n{text}"))),
    };
    prop_assert_eq!(shown.counts(), (declared.len(), 0, 0));
    fixture.identity.apply_configuration(&actor(), &declaration, &shown).await.unwrap();

    let label = |document: &Value| document["labels"]["case"] == case.to_string().as_str();
    let export = exported(fixture, 3).await;
    let mine: Vec<Value> = export.iter().filter(|document| label(document)).cloned().collect();
    prop_assert_eq!(mine.len(), declared.len());
    for document in &declared {
        let again = mine.iter().any(|exported| says(exported, document));
        let same: Vec<_> = mine.iter().filter(|exported| exported["kind"] == document["kind"]).collect();
        prop_assert!(again, "{document}\nis not among {}", json!(same));
    }
    for text in [text, to_yaml(&export)] {
        match plan(fixture, &text).await {
            Ok((_, again)) => prop_assert!(again.changes.is_empty(), "{:?}", again.changes),
            Err(problems) => return Err(TestCaseError::fail(format!("{problems:?}\n{text}"))),
        }
    }

    // Everything goes, so that the next case finds what this one found.
    let selector: LabelSelector = [("case".to_owned(), case.to_string())].into();
    let (declaration, gone) = pruned(fixture, "", Some(selector)).await.unwrap();
    prop_assert_eq!(gone.counts(), (0, 0, declared.len()));
    fixture.identity.apply_configuration(&actor(), &declaration, &gone).await.unwrap();
    Ok(())
}

#[test]
fn what_is_applied_is_exported_and_applies_to_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixtures = runtime.block_on(fixtures());
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let case = std::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&chosen(), |chosen| {
            case.set(case.get() + 1);
            for fixture in &fixtures {
                runtime.block_on(check(fixture, case.get(), &chosen))?;
            }
            Ok(())
        })
        .unwrap();
}
