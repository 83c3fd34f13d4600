//! How each type of object on the page is made, read and changed, with as little as is required.

use std::sync::atomic::{AtomicU32, Ordering};

use hilum_jose::{SigningKey, Validity, base64_encode};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::Session;
use crate::{
    DICOM_APP_ID,
    oauth::tests::Answer,
    testing::{Fixture, NOW},
    token_lifetime_definition,
};

const SAMPLES: &str = include_str!("samples.json");
const DICOM_DATA_OWNER: &str = "58a3b984-7adf-4c20-983a-32417c86fbc8";
/// Grows with every use: what must be unique is.
static NUMBER: AtomicU32 = AtomicU32::new(1000);

/// A type of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noun {
    Application,
    PasswordCredential,
    KeyCredential,
    ServicePrincipal,
    User,
    Group,
    Grant,
    Assignment,
    TokenLifetimePolicy,
}

impl Noun {
    pub(super) const ALL: &[Self] = &[
        Self::Application,
        Self::PasswordCredential,
        Self::KeyCredential,
        Self::ServicePrincipal,
        Self::User,
        Self::Group,
        Self::Grant,
        Self::Assignment,
        Self::TokenLifetimePolicy,
    ];

    /// The heading on the page.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::PasswordCredential => "passwordCredential",
            Self::KeyCredential => "keyCredential",
            Self::ServicePrincipal => "servicePrincipal",
            Self::User => "user",
            Self::Group => "group",
            Self::Grant => "oauth2PermissionGrant",
            Self::Assignment => "appRoleAssignment",
            Self::TokenLifetimePolicy => "tokenLifetimePolicy",
        }
    }

    /// Whether there is a `PATCH` for such objects.
    pub(super) const fn can_change(self) -> bool {
        !matches!(self, Self::PasswordCredential | Self::KeyCredential | Self::Assignment)
    }

    /// The property of an application that holds such objects, where they have no path of their own.
    pub(super) const fn collection(self) -> Option<&'static str> {
        match self {
            Self::PasswordCredential => Some("passwordCredentials"),
            Self::KeyCredential => Some("keyCredentials"),
            _ => None,
        }
    }

    /// The items that the collections of such an object take at least.
    fn item(path: &str) -> Value {
        let id = "99999999-0000-4000-8000-00000000000a";
        match path {
            "appRoles[]" => json!({"id": id, "allowedMemberTypes": ["User"]}),
            "api.oauth2PermissionScopes[]" => json!({"id": id}),
            "api.preAuthorizedApplications[]" => json!({"appId": "04b07795-8ddb-461a-bbee-02f9e1bf7b46"}),
            "addIns[]" => json!({"id": id, "type": "x"}),
            "addIns[].properties[]" => json!({"key": "k"}),
            "optionalClaims.accessToken[]" => json!({"name": "email"}),
            "requiredResourceAccess[]" => json!({"resourceAppId": id, "resourceAccess": []}),
            "requiredResourceAccess[].resourceAccess[]" => json!({"id": id, "type": "Scope"}),
            "web.redirectUriSettings[]" => json!({"uri": "https://app.example/callback"}),
            other => panic!("how do items of {other} look?"),
        }
    }

    /// What a value needs beside itself.
    fn beside(self, name: &str) -> Value {
        let scope = json!({"id": "99999999-0000-4000-8000-00000000000a", "value": "Read"});
        match (self, name) {
            (
                Self::Application,
                "api.preAuthorizedApplications[].delegatedPermissionIds"
                | "api.preAuthorizedApplications[].permissionIds",
            ) => json!({"api": {"oauth2PermissionScopes": [scope]}}),
            (Self::Grant, "consentType") => json!({"principalId": "{administrator}"}),
            (Self::Grant, "principalId") => json!({"consentType": "Principal"}),
            _ => json!({}),
        }
    }

    /// A body that gives one property, however deep, a value.
    pub(super) fn body(self, name: &str, value: &Value) -> Value {
        let mut body = build("", name, value);
        merge(&mut body, &self.beside(name));
        body
    }
}

fn build(prefix: &str, name: &str, value: &Value) -> Value {
    let (segment, rest) = name.split_once('.').map_or((name, None), |(segment, rest)| (segment, Some(rest)));
    let Some(rest) = rest else { return json!({ segment: value }) };
    let path = format!("{prefix}{segment}");
    let inner = build(&format!("{path}."), rest, value);
    match segment.strip_suffix("[]") {
        Some(collection) => {
            let mut item = Noun::item(&path);
            merge(&mut item, &inner);
            json!({ collection: [item] })
        }
        None => json!({ segment: inner }),
    }
}

/// Objects are merged, anything else is replaced.
pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The member that a name means, the first item of each collection.
pub(super) fn at<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    name.split('.').try_fold(value, |value, segment| match segment.strip_suffix("[]") {
        Some(collection) => value.get(collection)?.get(0),
        None => value.get(segment),
    })
}

/// Takes the member that a name means out.
pub(super) fn without(mut body: Value, name: &str) -> Value {
    let (parent, member) = name.rsplit_once('.').unwrap_or(("", name));
    let mut place = &mut body;
    for segment in parent.split('.').filter(|segment| !segment.is_empty()) {
        place = match segment.strip_suffix("[]") {
            Some(collection) => &mut place[collection][0],
            None => &mut place[segment],
        };
    }
    place.as_object_mut().unwrap().remove(member);
    body
}

/// An object that was made: where it is, and what was sent to make it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) path: String,
    pub(super) sent: Value,
}

/// A directory with somebody who may do everything.
pub(super) struct Bench<'f> {
    pub(super) fixture: &'f Fixture,
    pub(super) session: Session<'f>,
    administrator: String,
    certificate: String,
    samples: Value,
}

impl<'f> Bench<'f> {
    pub(super) async fn new(fixture: &'f Fixture) -> Self {
        let administrator = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let now: jiff::Timestamp = NOW.parse().unwrap();
        let validity = Validity { not_before: now, not_after: now + jiff::SignedDuration::from_hours(24) };
        let key = SigningKey::generate("client", validity, &hilum_kernel::SystemRandom).unwrap();
        Self {
            fixture,
            session: fixture.as_admin_with_all_scopes().await,
            administrator,
            certificate: base64_encode(key.certificate().der()),
            samples: serde_json::from_str(SAMPLES).unwrap(),
        }
    }

    /// A good value for a property, another one each time where it must be unique.
    pub(super) fn sample(&self, noun: Noun, name: &str) -> Option<Value> {
        let sample = self.samples.get(noun.section())?.get(name)?;
        Some(self.filled(sample))
    }

    /// The names of all properties with samples.
    pub(super) fn sampled(&self, noun: Noun) -> Vec<String> {
        self.samples[noun.section()].as_object().unwrap().keys().cloned().collect()
    }

    fn filled(&self, value: &Value) -> Value {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let text = value.to_string().replace("{n}", &number).replace("{administrator}", &self.administrator);
        serde_json::from_str(&text).unwrap()
    }

    async fn dicom(&self) -> String {
        let name = DICOM_APP_ID.to_string();
        self.fixture.identity.find_service_principal(name.as_str()).await.unwrap().id.to_string()
    }

    /// The least that makes an object, and where it is sent.
    async fn least(&self, noun: Noun) -> (String, Value) {
        let least = match noun {
            Noun::Application => ("/applications".to_owned(), json!({"displayName": "Gateway"})),
            Noun::PasswordCredential | Noun::KeyCredential => {
                let made = self.session.post("/applications", json!({"displayName": "Gateway"})).await;
                let path = format!("/applications/{}", made.json()["id"].as_str().unwrap());
                match noun {
                    Noun::KeyCredential => (path, json!({"key": self.certificate})),
                    _ => (format!("{path}/addPassword"), json!({})),
                }
            }
            Noun::ServicePrincipal => {
                let made = self.session.post("/applications", json!({"displayName": "Gateway"})).await;
                ("/servicePrincipals".to_owned(), json!({"appId": made.json()["appId"]}))
            }
            Noun::User => {
                let password = json!({"password": "a rather long passphrase"});
                let body = json!({"accountEnabled": true, "displayName": "New user",
                    "mailNickname": "user.{n}", "userPrincipalName": "user.{n}@contoso.local",
                    "passwordProfile": password});
                ("/users".to_owned(), body)
            }
            Noun::Group => {
                let body = json!({"displayName": "Readers", "mailNickname": "readers", "mailEnabled": false,
                    "securityEnabled": true});
                ("/groups".to_owned(), body)
            }
            Noun::TokenLifetimePolicy => {
                let definition = [token_lifetime_definition(Map::new())];
                let body = json!({"displayName": "Shifts", "definition": definition});
                ("/policies/tokenLifetimePolicies".to_owned(), body)
            }
            Noun::Grant | Noun::Assignment => {
                let client = self.fixture.client("Client").await.principal.id.to_string();
                let dicom = self.dicom().await;
                if noun == Noun::Grant {
                    let body = json!({"clientId": client, "consentType": "AllPrincipals",
                        "resourceId": dicom, "scope": "Dicom.Read"});
                    ("/oauth2PermissionGrants".to_owned(), body)
                } else {
                    let body = json!({"principalId": client, "resourceId": dicom,
                        "appRoleId": DICOM_DATA_OWNER});
                    (format!("/servicePrincipals/{client}/appRoleAssignments"), body)
                }
            }
        };
        (least.0, self.filled(&least.1))
    }

    /// Tries to make an object of the least and more, without one member.
    pub(super) async fn try_make(
        &self,
        noun: Noun,
        more: &Value,
        left_out: Option<&str>,
    ) -> (Answer, String, Value) {
        let (path, mut sent) = self.least(noun).await;
        merge(&mut sent, &self.filled(more));
        if let Some(name) = left_out {
            sent = without(sent, name);
        }
        let answer = match noun {
            Noun::PasswordCredential => self.session.post(&path, json!({ "passwordCredential": sent })).await,
            Noun::KeyCredential => self.session.patch(&path, json!({ "keyCredentials": [sent] })).await,
            _ => self.session.post(&path, sent.clone()).await,
        };
        (answer, path, sent)
    }

    /// Makes an object of the least and more.
    pub(super) async fn make(&self, noun: Noun, more: &Value) -> Made {
        let (answer, path, sent) = self.try_make(noun, more, None).await;
        assert!(answer.status.is_success(), "{noun:?} with {more}: {}", answer.text);
        let path = match noun {
            Noun::PasswordCredential => path.trim_end_matches("/addPassword").to_owned(),
            Noun::KeyCredential => path,
            _ => {
                assert_eq!(answer.status, StatusCode::CREATED);
                format!("{path}/{}", answer.json()["id"].as_str().unwrap())
            }
        };
        Made { path, sent }
    }

    /// Reads an object, without annotations.
    pub(super) async fn read(&self, noun: Noun, path: &str, options: &str) -> Value {
        let answer = self.session.get(&format!("{path}{options}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}{options}: {}", answer.text);
        let mut object = answer.json();
        if let Some(collection) = noun.collection() {
            object = object[collection][0].take();
        }
        let members: Map<String, Value> =
            object.as_object().unwrap().clone().into_iter().filter(|(name, _)| !name.contains('@')).collect();
        Value::Object(members)
    }
}
