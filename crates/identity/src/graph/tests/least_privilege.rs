//! What the table lists is enough, each alone: one app role, or one delegated permission with one directory role, or
//! with ownership. Reading is done on objects that are there; writing from making an object to deleting it.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Session};
use crate::{
    NewRoleAssignment, NewUser, PrincipalRef, User,
    directory_roles::DirectoryRole,
    graph::{Operation, Surface, access::Access, access::Owned},
    testing::{Client, Fixture, actor, fixtures},
};

/// Directory roles as they are assigned.
fn title(role: DirectoryRole) -> String {
    let word = |text: String, letter: char| {
        let space = if letter.is_uppercase() && !text.is_empty() { " " } else { "" };
        format!("{text}{space}{letter}")
    };
    format!("{role:?}").chars().fold(String::new(), word)
}

/// A user for each directory role, one without any, and a client.
struct Holders {
    by_role: BTreeMap<String, User>,
    /// Has no directory role, and owns what there is to own.
    owner: User,
    client: Client,
}

async fn person(fixture: &Fixture, name: &str) -> User {
    let new = NewUser {
        user_principal_name: format!("{name}@contoso.local"),
        display_name: name.to_owned(),
        mail_nickname: None,
        password: hilum_kernel::Secret::new("correct horse battery".to_owned()),
        force_change_password_next_sign_in: false,
    };
    fixture.identity.create_user(&actor(), new).await.unwrap()
}

impl Holders {
    async fn of(fixture: &Fixture) -> Self {
        let mut by_role = BTreeMap::new();
        for role in DirectoryRole::ALL {
            let user = person(fixture, &format!("{role:?}")).await;
            let assignee = PrincipalRef::Assignee(user.user_principal_name.clone());
            let new = NewRoleAssignment { role: title(role), principal: assignee, scope: "/".to_owned() };
            fixture.identity.create_role_assignment(&actor(), new).await.unwrap();
            by_role.insert(format!("{role:?}"), user);
        }
        let client = fixture.client("client").await;
        Self { by_role, owner: person(fixture, "owner").await, client }
    }

    /// Everybody of whom the table says that they may, each with no more than that.
    async fn sessions<'f>(&self, fixture: &'f Fixture, access: &Access) -> Vec<(String, Session<'f>)> {
        let mut all = Vec::new();
        for role in access.application {
            all.push(((*role).to_owned(), fixture.as_app(&self.client, &[role]).await));
        }
        for scope in access.delegated {
            for role in access.roles {
                let user = &self.by_role[&format!("{role:?}")];
                all.push((format!("{scope} of {role:?}"), fixture.as_user(user, scope).await));
            }
            if !matches!(access.owned, Owned::Never | Owned::NewObjects) {
                let session = fixture.as_user(&self.owner, scope).await;
                all.push((format!("{scope} of an owner"), session));
            }
        }
        all
    }
}

/// Something of every noun, owned by the user without roles, and the keys of paths.
struct World {
    keys: BTreeMap<&'static str, String>,
    /// An application, a group and a user that can be restored.
    deleted: Vec<String>,
}

const DATA_ACTION: &str = "Microsoft.HealthcareApis/workspaces/dicomservices/resources/read";
const ARM: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/providers/Microsoft.Authorization";

fn id(answer: &Answer) -> String {
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.json()["id"].as_str().unwrap_or_default().to_owned()
}

/// Gives the name that the object got.
async fn arm(session: &Session<'_>, kind: &str, name: &str, properties: Value) -> String {
    let target = format!("{ARM}/{kind}/{name}?api-version=2022-04-01");
    let body = json!({"properties": properties}).to_string();
    let request = session.request(Method::PUT, &target).header("content-type", "application/json");
    let answer = session.send(request.body(body.into()).unwrap()).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.json()["name"].as_str().unwrap().to_owned()
}

/// A role that everybody can have.
const ROLE: &str = "00000000-0000-4000-8000-0000000000e1";

async fn make(admin: &Session<'_>, path: &str, body: Value) -> String {
    id(&admin.post(path, body).await)
}

async fn own(admin: &Session<'_>, path: &str, owner: &str) {
    let reference = json!({"@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{owner}")});
    let added = admin.post(&format!("{path}/owners/$ref"), reference).await;
    assert!(added.status.is_success(), "{}", added.text);
}

fn new_group(name: &str) -> Value {
    json!({"displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true})
}

impl World {
    async fn of(fixture: &Fixture, holders: &Holders) -> Self {
        let admin = fixture.as_admin_with_all_scopes().await;
        let owner = holders.owner.id.to_string();
        let roles = json!([{"id": ROLE, "value": "Go", "displayName": "Go", "description": "Goes.",
            "isEnabled": true, "allowedMemberTypes": ["User", "Application"]}]);
        let made = admin.post("/applications", json!({"displayName": "world", "appRoles": roles})).await;
        let (application, app_id) = (id(&made), made.json()["appId"].clone());
        let principal = make(&admin, "/servicePrincipals", json!({"appId": app_id})).await;
        let group = make(&admin, "/groups", new_group("world")).await;
        let path = format!("/applications/{application}");
        own(&admin, &path, &owner).await;
        own(&admin, &format!("/servicePrincipals/{principal}"), &owner).await;
        own(&admin, &format!("/groups/{group}"), &owner).await;
        let trust =
            json!({"name": "ci-main", "issuer": "https://ci.example", "subject": "s", "audiences": ["a"]});
        let credential = make(&admin, &format!("{path}/federatedIdentityCredentials"), trust).await;
        let resource = crate::seed::GRAPH_APP_ID.to_string();
        let resource = fixture.identity.find_service_principal(resource.as_str()).await.unwrap().id;
        let grant = json!({"clientId": principal, "consentType": "AllPrincipals", "scope": "User.Read",
            "resourceId": resource});
        let keys = BTreeMap::from([
            ("application", application),
            ("credential", credential),
            ("domain", "contoso.local".to_owned()),
            ("grant", make(&admin, "/oauth2PermissionGrants", grant).await),
            ("group", group),
            ("object", owner.clone()),
            ("organization", fixture.tid().await),
            ("principal", principal.clone()),
            ("servicePrincipal", principal),
            ("user", owner),
        ]);
        let mut world = Self { keys, deleted: Vec::new() };
        world.assignments(&admin).await;
        world.definitions(&admin).await;
        world.deleted(fixture, &admin).await;
        world
    }

    async fn assignments(&mut self, admin: &Session<'_>) {
        for (key, of, path) in [
            ("assignment of user", "user", "users"),
            ("assignment of group", "group", "groups"),
            ("assignment of servicePrincipal", "servicePrincipal", "servicePrincipals"),
        ] {
            let to = &self.keys[of];
            let role = json!({"principalId": to, "resourceId": self.keys["principal"], "appRoleId": ROLE});
            let given = make(admin, &format!("/{path}/{to}/appRoleAssignments"), role).await;
            self.keys.insert(key, given);
        }
        let all = admin.get("/roleManagement/directory/roleAssignments").await.json();
        let first = all["value"][0]["id"].as_str().unwrap().to_owned();
        self.keys.insert("assignment of roleManagement", first);
    }

    async fn definitions(&mut self, admin: &Session<'_>) {
        let definition = "00000000-0000-4000-8000-0000000000d1";
        let permissions = json!([{"dataActions": [DATA_ACTION], "notDataActions": []}]);
        let role = json!({"roleName": "World", "assignableScopes": ["/"], "permissions": permissions});
        let definition = arm(admin, "roleDefinitions", definition, role).await;
        let assignment = "00000000-0000-4000-8000-0000000000d2";
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{definition}");
        let given =
            json!({"principalId": self.keys["user"], "principalType": "User", "roleDefinitionId": role});
        let assignment = arm(admin, "roleAssignments", assignment, given).await;
        let body = json!({"displayName": "World", "definition": ["{\"TokenLifetimePolicy\":{}}"]});
        let policy = make(admin, "/policies/tokenLifetimePolicies", body).await;
        self.keys.extend([("definition", definition), ("assignment of arm", assignment), ("policy", policy)]);
        let templates = admin.get("/directoryRoleTemplates").await.json();
        let wanted = title(DirectoryRole::GlobalAdministrator);
        let is_wanted = |one: &&Value| one["displayName"] == *wanted;
        let template = templates["value"].as_array().unwrap().iter().find(is_wanted).unwrap();
        self.keys.insert("role", template["id"].as_str().unwrap().to_owned());
    }

    async fn deleted(&mut self, fixture: &Fixture, admin: &Session<'_>) {
        let application = json!({"displayName": "gone"});
        for (path, body) in [("/applications", application), ("/groups", new_group("gone"))] {
            let gone = make(admin, path, body).await;
            own(admin, &format!("{path}/{gone}"), &self.keys["user"]).await;
            admin.delete(&format!("{path}/{gone}")).await;
            self.deleted.push(gone);
        }
        let gone = person(fixture, "gone").await.id.to_string();
        admin.delete(&format!("/users/{gone}")).await;
        self.deleted.push(gone);
    }

    /// The paths with the keys of what is there: one, but where the kind of the object decides who may.
    fn paths(&self, operation: &Operation, surface: Surface) -> Vec<String> {
        let path = self.path(operation, surface);
        if path.contains("{item}") {
            self.deleted.iter().map(|id| path.replace("{item}", id)).collect()
        } else {
            vec![path]
        }
    }

    fn path(&self, operation: &Operation, surface: Surface) -> String {
        let noun = match operation.path.split('/').nth(1).unwrap() {
            "users" => "user",
            "groups" => "group",
            "servicePrincipals" => "servicePrincipal",
            noun if noun.starts_with('{') => "arm",
            noun => noun,
        };
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some("*scope") => "subscriptions/00000000-0000-0000-0000-00000000000a".to_owned(),
            Some(key) if key != "item" => {
                match self.keys.get(key).or_else(|| self.keys.get(format!("{key} of {noun}").as_str())) {
                    Some(value) => value.clone(),
                    None => panic!("{}: nothing is known of {{{key}}}", operation.path),
                }
            }
            _ => part.to_owned(),
        };
        let path = operation.path.split('/').map(part).collect::<Vec<_>>().join("/");
        if surface == Surface::Arm {
            format!("{path}?api-version=2022-04-01")
        } else {
            format!("/v1.0{path}")
        }
    }
}

#[tokio::test]
async fn each_permission_of_the_table_is_enough_to_read() {
    for fixture in fixtures().await {
        let holders = Holders::of(&fixture).await;
        let world = World::of(&fixture, &holders).await;
        let mut tried = 0;
        for surface in [Surface::Graph, Surface::Arm] {
            for operation in surface.operations().filter(|operation| operation.method == Method::GET) {
                let paths = world.paths(operation, surface);
                for (who, session) in holders.sessions(&fixture, &operation.access).await {
                    // The row is that of all kinds; nobody owns a user.
                    if paths.len() > 1 && who.ends_with("of an owner") {
                        continue;
                    }
                    let mut let_in = false;
                    for path in &paths {
                        let request =
                            session.request(Method::GET, path).body(axum::body::Body::empty()).unwrap();
                        let answer = session.send(request).await;
                        assert!(
                            paths.len() > 1 || answer.status == StatusCode::OK,
                            "{path} with {who}: {}",
                            answer.text
                        );
                        let_in |= answer.status == StatusCode::OK;
                    }
                    assert!(let_in, "{} with {who}", operation.path);
                    tried += 1;
                }
            }
        }
        assert!(tried > 500, "{tried}");
    }
}

/// A step in the life of an object: method, path (`{id}` is what the first step made), body.
type Step = (Method, &'static str, Value);

/// Who may do all of it: whom the table lists for every step.
fn may_do_all(steps: &[Step]) -> Access {
    let access = |(method, path, _): &Step| {
        let template = |operation: &&Operation| {
            let same = |(a, b): (&str, &str)| a == b || (a.starts_with('{') && b.starts_with('{'));
            operation.method == *method
                && operation.path.split('/').count() == path.split('/').count()
                && operation.path.split('/').zip(path.split('/')).all(same)
        };
        Surface::Graph.operations().find(template).unwrap_or_else(|| panic!("{method} {path}")).access
    };
    let all: Vec<Access> = steps.iter().map(access).collect();
    let names = |of: fn(&Access) -> &'static [&'static str]| -> &'static [&'static str] {
        let common = of(&all[0]).iter().filter(|name| all.iter().all(|access| of(access).contains(name)));
        Box::leak(common.copied().collect())
    };
    let roles = all[0].roles.iter().filter(|role| all.iter().all(|access| access.roles.contains(role)));
    Access {
        application: names(|access| access.application),
        delegated: names(|access| access.delegated),
        roles: Box::leak(roles.copied().collect()),
        owned: Owned::Never,
    }
}

/// Each of those who may lives through it with an object of their own.
async fn live(fixture: &Fixture, holders: &Holders, steps: &[Step]) -> usize {
    let access = may_do_all(steps);
    let sessions = holders.sessions(fixture, &access).await;
    for (at, (who, session)) in sessions.iter().enumerate() {
        let mut made = String::new();
        for (method, path, body) in steps {
            let path = path.replace("{id}", &made);
            let body = body
                .to_string()
                .replace("{at}", &at.to_string())
                .replace("{owner}", &holders.owner.id.to_string());
            let body = (!matches!(*method, Method::DELETE)).then(|| serde_json::from_str(&body).unwrap());
            let answer = session.call(method.clone(), &path, body).await;
            assert!(answer.status.is_success(), "{method} {path} with {who}: {}", answer.text);
            if made.is_empty() {
                made = id(&answer);
            }
        }
    }
    sessions.len()
}

#[tokio::test]
async fn each_permission_of_the_table_is_enough_to_write() {
    for fixture in fixtures().await {
        let holders = Holders::of(&fixture).await;
        let none = || json!({});
        let owner = || json!({"@odata.id": "https://localhost:8443/v1.0/directoryObjects/{owner}"});
        let trust =
            json!({"name": "ci-main", "issuer": "https://ci.example", "subject": "s", "audiences": ["a"]});
        let applications = [
            (Method::POST, "/applications", json!({"displayName": "life"})),
            (Method::PATCH, "/applications/{id}", json!({"notes": "n"})),
            (
                Method::POST,
                "/applications/{id}/addPassword",
                json!({"passwordCredential": {"displayName": "p"}}),
            ),
            (Method::POST, "/applications/{id}/owners/$ref", owner()),
            (Method::POST, "/applications/{id}/federatedIdentityCredentials", trust),
            (Method::DELETE, "/applications/{id}", none()),
        ];
        let group = json!({"displayName": "life {at}", "mailNickname": "life", "mailEnabled": false, "securityEnabled": true});
        let groups = [
            (Method::POST, "/groups", group),
            (Method::PATCH, "/groups/{id}", json!({"description": "d"})),
            (Method::POST, "/groups/{id}/members/$ref", owner()),
            (Method::POST, "/groups/{id}/owners/$ref", owner()),
            (Method::DELETE, "/groups/{id}", none()),
        ];
        let profile = json!({"password": "correct horse battery", "forceChangePasswordNextSignIn": false});
        let user = json!({"displayName": "life", "userPrincipalName": "life{at}@contoso.local", "mailNickname": "life{at}",
        "accountEnabled": true, "passwordProfile": profile});
        let users = [
            (Method::POST, "/users", user),
            (Method::PATCH, "/users/{id}", json!({"jobTitle": "t"})),
            (Method::POST, "/users/{id}/revokeSignInSessions", none()),
            (Method::DELETE, "/users/{id}", none()),
        ];
        let mut tried = Vec::new();
        for steps in [&applications[..], &groups[..], &users[..]] {
            tried.push(live(&fixture, &holders, steps).await);
        }
        assert!(tried.iter().all(|count| *count >= 3), "{tried:?}");
    }
}

/// The rest of the table: no permission it lists is refused, whatever is wrong with the request besides.
#[tokio::test]
async fn no_permission_of_the_table_is_refused() {
    for fixture in fixtures().await {
        let holders = Holders::of(&fixture).await;
        for surface in [Surface::Graph, Surface::Arm] {
            for operation in surface.operations().filter(|operation| operation.method != Method::GET) {
                for (who, session) in holders.sessions(&fixture, &operation.access).await {
                    // Whether an owner may depends on the object, and here is none.
                    if who.ends_with("of an owner")
                        && matches!(operation.access.owned, Owned::Objects | Owned::Groups)
                    {
                        continue;
                    }
                    let (status, text) = super::authorization::status(&session, operation).await;
                    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                    assert!(!refused, "{who}: {text}");
                }
            }
        }
    }
}
