//! Users, groups, roles and `/me` on the wire, on every database.

use http::StatusCode;
use serde_json::{Value, json};

use super::tests::Session;
use crate::{
    User,
    testing::{Fixture, GUID, SID, fixtures},
};

const PASSWORD: &str = "a rather long passphrase";

async fn user(session: &Session<'_>, name: &str) -> Value {
    let body = json!({
        "@odata.type": "#microsoft.graph.user",
        "accountEnabled": true, "displayName": name, "mailNickname": name,
        "userPrincipalName": format!("{name}@contoso.local"), "passwordProfile": { "password": PASSWORD },
    });
    let made = session.post("/users", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    made.json()
}

async fn group(session: &Session<'_>, name: &str, more: Value) -> Value {
    let mut body = json!({
        "displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = session.post("/groups", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    made.json()
}

fn reference(object: &Value) -> Value {
    json!({ "@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{}", id(object)) })
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = list["value"].as_array().unwrap().iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn message(answer: &crate::oauth::tests::Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

impl Fixture {
    async fn found(&self, object: &Value) -> User {
        self.identity.find_user(id(object)).await.unwrap()
    }
}

#[tokio::test]
async fn users_are_made_found_changed_and_deleted() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let ada = user(&session, "ada").await;
        insta::with_settings!({ filters => vec![(GUID, "[guid]")] }, {
            insta::assert_json_snapshot!("created_user", ada);
        });
        for path in [
            format!("/users/{}", id(&ada)),
            "/users/ada@contoso.local".to_owned(),
            "/users/ADA@contoso.local".to_owned(),
            "/users('ada@contoso.local')".to_owned(),
            "/users(%27ada@contoso.local%27)".to_owned(),
        ] {
            assert_eq!(session.get(&path).await.json()["id"], ada["id"], "{path}");
        }
        let selected =
            session.get("/users/ada@contoso.local?$select=id,accountEnabled,userType").await.json();
        assert_eq!(selected["accountEnabled"], true);
        assert_eq!(selected["userType"], "Member");
        assert_eq!(selected.get("displayName"), None);

        let path = format!("/users/{}", id(&ada));
        let changed = session.patch(&path, json!({"jobTitle": "Countess", "mail": "ada@x.org"})).await;
        assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
        assert_eq!(session.get(&path).await.json()["jobTitle"], "Countess");
        let twice = session
            .post(
                "/users",
                json!({
                    "accountEnabled": true, "displayName": "x", "mailNickname": "x",
                    "userPrincipalName": "ada@CONTOSO.local", "passwordProfile": { "password": PASSWORD },
                }),
            )
            .await;
        assert_eq!(twice.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            message(&twice),
            "Another object with the same value for property userPrincipalName already exists."
        );

        for filter in [
            "userPrincipalName eq 'ADA@contoso.local'".to_owned(),
            "startswith(displayName,'AD') and startswith(displayName,'ada')".to_owned(),
            "mail eq 'ada@x.org'".to_owned(),
            format!("id in ('{}')", id(&ada)),
            "displayName eq 'ada' and mailNickname eq 'ada'".to_owned(),
            "displayName eq 'ada' and accountEnabled eq true and userType eq 'Member'".to_owned(),
            "jobTitle eq 'countess' and startswith(jobTitle,'Count')".to_owned(),
            "jobTitle ne null and department eq null".to_owned(),
            "contains(displayName,'DA') and not contains(displayName,'%')".to_owned(),
        ] {
            let list = session.get(&format!("/users?$filter={}", filter.replace(' ', "%20"))).await;
            assert_eq!(list.status, StatusCode::OK, "{filter}: {}", list.text);
            assert_eq!(ids(&list.json()), [id(&ada)], "{filter}");
        }
        let search = session.get("/users?$search=%22displayName:ada%22&$count=true").await.json();
        assert_eq!(search["@odata.count"], 1);
        assert_eq!(session.get("/users/$count").await.text, "2");
        let refused = session.get("/users?$filter=passwordProfile%20eq%20'x'").await;
        assert_eq!(refused.json()["error"]["code"], "Request_UnsupportedQuery");

        let revoked = session.post(&format!("{path}/revokeSignInSessions"), json!({})).await.json();
        assert_eq!(revoked["value"], true);
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&path).await.status, StatusCode::NOT_FOUND);
        // The name is free again.
        user(&session, "ada").await;
    }
}

#[tokio::test]
async fn groups_take_members_by_reference_and_by_binding() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let (ada, bob) = (user(&session, "ada").await, user(&session, "bob").await);
        let bound =
            json!({ "members@odata.bind": [format!("https://localhost:8443/v1.0/users/{}", id(&bob))] });
        let readers = group(&session, "readers", bound).await;
        insta::with_settings!({ filters => vec![(GUID, "[guid]"), (SID, "[sid]")] }, {
            insta::assert_json_snapshot!("created_group", readers);
        });
        let path = format!("/groups/{}", id(&readers));
        let added = session.post(&format!("{path}/members/$ref"), reference(&ada)).await;
        assert_eq!(added.status, StatusCode::NO_CONTENT, "{}", added.text);
        let again = session.post(&format!("{path}/members/$ref"), reference(&ada)).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            message(&again),
            "One or more added object references already exist for the following modified properties: 'members'."
        );
        let list = session.get(&format!("{path}/members?$count=true")).await.json();
        let mut both = [id(&ada), id(&bob)];
        both.sort_unstable();
        assert_eq!(ids(&list), both);
        assert_eq!(list["value"][0]["@odata.type"], "#microsoft.graph.user");
        assert_eq!(list["@odata.count"], 2);
        let first = session.get(&format!("{path}/members?$top=1")).await.json();
        let next = first["@odata.nextLink"].as_str().unwrap();
        let rest = session.get(next.strip_prefix("https://localhost:8443/v1.0").unwrap()).await.json();
        assert_eq!([ids(&first)[0], ids(&rest)[0]], both);
        let users = session.get(&format!("{path}/members/microsoft.graph.user?$select=id,mail")).await.json();
        assert_eq!(ids(&users), both);

        // Nested, and what that means.
        let outer = group(&session, "outer", json!({})).await;
        let outer_path = format!("/groups/{}", id(&outer));
        session.post(&format!("{outer_path}/members/$ref"), reference(&readers)).await;
        let mixed =
            session.get(&format!("{outer_path}/transitiveMembers?$select=id,userPrincipalName")).await;
        let mut all = vec![id(&ada), id(&bob), id(&readers)];
        all.sort_unstable();
        assert_eq!(ids(&mixed.json()), all, "{}", mixed.text);
        let direct = session.get(&format!("/users/{}/memberOf", id(&ada))).await.json();
        assert_eq!(ids(&direct), [id(&readers)]);
        let mut groups = [id(&readers), id(&outer)];
        groups.sort_unstable();
        let over = session.get(&format!("/users/{}/transitiveMemberOf", id(&ada))).await.json();
        assert_eq!(ids(&over), groups);
        let asked =
            session.post("/users/ada@contoso.local/getMemberGroups", json!({"securityEnabledOnly": true}));
        assert_eq!(asked.await.json()["value"], json!(groups));
        let body = json!({ "groupIds": [id(&outer), fixture.tid().await] });
        let checked = session.post("/users/ada@contoso.local/checkMemberGroups", body).await.json();
        assert_eq!(checked["value"], json!([id(&outer)]));
        let any = format!("/groups?$filter=members/any(m:m/id%20eq%20'{}')", id(&readers));
        assert_eq!(ids(&session.get(&any).await.json()), [id(&outer)]);

        let removed = session.delete(&format!("{path}/members/{}/$ref", id(&ada))).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);
        let removed = session.delete(&format!("{path}/members/{}/$ref", id(&ada))).await;
        assert_eq!(removed.status, StatusCode::NOT_FOUND);
        let bind = json!({ "members@odata.bind": [reference(&ada)["@odata.id"]], "description": "d" });
        assert_eq!(session.patch(&path, bind).await.status, StatusCode::NO_CONTENT);
        assert_eq!(ids(&session.get(&format!("{path}/members")).await.json()), both);
        assert_eq!(session.get(&path).await.json()["description"], "d");

        let body = json!({ "ids": [id(&ada), id(&outer), fixture.tid().await], "types": ["user", "group"] });
        let found = session.post("/directoryObjects/getByIds", body).await.json();
        assert_eq!(found["value"][0]["@odata.type"], "#microsoft.graph.user");
        assert_eq!(found["value"][1]["displayName"], "outer");
        assert_eq!(found["value"].as_array().unwrap().len(), 2);
        let one = session.get(&format!("/directoryObjects/{}", id(&outer))).await.json();
        assert_eq!(one["@odata.type"], "#microsoft.graph.group");
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn owners_manage_their_groups_and_no_others() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let (ada, bob) = (user(&session, "ada").await, user(&session, "bob").await);
        let (hers, other) =
            (group(&session, "hers", json!({})).await, group(&session, "other", json!({})).await);
        session.post(&format!("/groups/{}/owners/$ref", id(&hers)), reference(&ada)).await;
        let owner = fixture.as_user(&fixture.found(&ada).await, "Group.ReadWrite.All").await;
        assert_eq!(ids(&owner.get("/groups").await.json()), [id(&hers)]);
        let added = owner.post(&format!("/groups/{}/members/$ref", id(&hers)), reference(&bob)).await;
        assert_eq!(added.status, StatusCode::NO_CONTENT, "{}", added.text);
        let limited = owner.get(&format!("/groups/{}/members", id(&hers))).await.json();
        // She may see who is in her group, not what the directory knows of them.
        assert_eq!(limited["value"], json!([{"@odata.type": "#microsoft.graph.user", "id": id(&bob)}]));
        for (path, body) in [
            (format!("/groups/{}/members/$ref", id(&other)), reference(&ada)),
            ("/groups".to_owned(), json!({})),
        ] {
            assert_eq!(owner.post(&path, body).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(owner.get(&format!("/groups/{}", id(&other))).await.status, StatusCode::FORBIDDEN);
        assert_eq!(owner.get("/users").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn directory_roles_are_given_and_taken_and_one_administrator_stays() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let ada = user(&session, "ada").await;
        let roles = session.get("/directoryRoles").await.json();
        assert_eq!(roles["value"].as_array().unwrap().len(), 7);
        let reader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
        let path = format!("/directoryRoles/roleTemplateId={reader}/members");
        let added = session.post(&format!("{path}/$ref"), reference(&ada)).await;
        assert_eq!(added.status, StatusCode::NO_CONTENT, "{}", added.text);
        let again = session.post(&format!("{path}/$ref"), reference(&ada)).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert_eq!(ids(&session.get(&path).await.json()), [id(&ada)]);
        let held = session.get(&format!("/users/{}/memberOf", id(&ada))).await.json();
        assert_eq!(held["value"][0]["@odata.type"], "#microsoft.graph.directoryRole");
        assert_eq!(held["value"][0]["displayName"], "Global Reader");
        let objects = session.post(&format!("/users/{}/getMemberObjects", id(&ada)), json!({})).await.json();
        assert_eq!(objects["value"], json!([reader]));

        let list =
            format!("/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{}'", id(&ada));
        let list = session.get(&list).await.json();
        assert_eq!(list["value"][0]["roleDefinitionId"], reader);
        let definitions = session
            .get("/roleManagement/directory/roleDefinitions?$filter=displayName%20eq%20'Global%20Reader'");
        assert_eq!(ids(&definitions.await.json()), [reader]);
        let body = json!({ "principalId": id(&ada), "roleDefinitionId": reader, "directoryScopeId": "/" });
        let conflict = session.post("/roleManagement/directory/roleAssignments", body.clone()).await;
        assert_eq!(conflict.status, StatusCode::BAD_REQUEST, "{}", conflict.text);
        let one = format!("/roleManagement/directory/roleAssignments/{}", id(&list["value"][0]));
        assert_eq!(session.get(&one).await.json()["principalId"], ada["id"]);
        assert_eq!(session.delete(&one).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&one).await.status, StatusCode::NOT_FOUND);
        let made = session.post("/roleManagement/directory/roleAssignments", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let removed = session.delete(&format!("{path}/{}/$ref", id(&ada))).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);

        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap();
        let path = format!("/directoryRoles/62e90394-69f5-4237-9190-012177145e10/members/{}/$ref", admin.id);
        let refused = session.delete(&path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        let refused = session.delete("/users/admin@contoso.local").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    }
}

#[tokio::test]
async fn a_user_administrator_stays_below_administrators() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let (helper, plain) = (user(&session, "helper").await, user(&session, "plain").await);
        let role = "/directoryRoles/roleTemplateId=fe930be7-5e62-47db-91af-98c3a49a38b1/members/$ref";
        session.post(role, reference(&helper)).await;
        let roles = group(&session, "roles", json!({ "isAssignableToRole": true })).await;
        let body = json!({
            "principalId": id(&roles), "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
        });
        let made = session.post("/roleManagement/directory/roleAssignments", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);

        let helper_session =
            fixture.as_user(&fixture.found(&helper).await, "Directory.AccessAsUser.All").await;
        let reset = json!({ "passwordProfile": { "password": "another long passphrase" } });
        let allowed = helper_session.patch("/users/plain@contoso.local", reset.clone()).await;
        assert_eq!(allowed.status, StatusCode::NO_CONTENT, "{}", allowed.text);
        let members = format!("/groups/{}/members/$ref", id(&roles));
        let global = "/directoryRoles/roleTemplateId=62e90394-69f5-4237-9190-012177145e10/members/$ref";
        let new_group = json!({
            "displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true,
            "isAssignableToRole": true,
        });
        for (what, refused) in [
            ("password", helper_session.patch("/users/admin@contoso.local", reset).await),
            (
                "disable",
                helper_session.patch("/users/admin@contoso.local", json!({"accountEnabled": false})).await,
            ),
            ("delete", helper_session.delete("/users/admin@contoso.local").await),
            (
                "sessions",
                helper_session.post("/users/admin@contoso.local/revokeSignInSessions", json!({})).await,
            ),
            ("group", helper_session.post(&members, reference(&helper)).await),
            ("owner", helper_session.post(&members.replace("members", "owners"), reference(&helper)).await),
            ("role", helper_session.post(global, reference(&helper)).await),
            ("other", helper_session.post(global, reference(&plain)).await),
            ("role group", helper_session.post("/groups", new_group).await),
            ("group's end", helper_session.delete(&format!("/groups/{}", id(&roles))).await),
        ] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what}: {}", refused.text);
        }
    }
}

#[tokio::test]
async fn me_is_the_signed_in_user_about_himself() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let ada = user(&session, "ada").await;
        let me =
            fixture.as_user(&fixture.found(&ada).await, "User.ReadWrite Directory.AccessAsUser.All").await;
        for path in ["/me", "/users/me-token-to-replace"] {
            assert_eq!(me.get(path).await.json()["id"], ada["id"], "{path}");
        }
        assert_eq!(me.patch("/me", json!({"mobilePhone": "1"})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(me.get("/me?$select=mobilePhone").await.json()["mobilePhone"], "1");
        for change in [json!({"accountEnabled": true}), json!({"userPrincipalName": "x@contoso.local"})] {
            assert_eq!(me.patch("/me", change).await.status, StatusCode::FORBIDDEN);
        }
        let new = json!({ "currentPassword": PASSWORD, "newPassword": "yet another passphrase" });
        assert_eq!(me.post("/me/changePassword", new.clone()).await.status, StatusCode::NO_CONTENT);
        assert_eq!(me.post("/me/changePassword", new).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(me.get("/me/memberOf").await.json()["value"], json!([]));
        assert_eq!(me.get("/me/ownedObjects").await.json()["value"], json!([]));
        assert_eq!(me.get("/users").await.status, StatusCode::FORBIDDEN);
        let organization = me.get("/organization").await.json();
        assert_eq!(organization["value"][0]["id"], fixture.tid().await);
        assert_eq!(me.get("/domains").await.json()["value"][0]["id"], "contoso.local");
        assert_eq!(me.get("/subscribedSkus").await.json()["value"], json!([]));

        let client = fixture.client("client").await;
        let app = fixture.as_app(&client, &["User.Read.All"]).await;
        let refused = app.get("/me").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(message(&refused), "/me request is only valid with delegated authentication flow.");
        session.patch("/users/ada@contoso.local", json!({"accountEnabled": false})).await;
        assert_eq!(me.get("/me").await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn users_and_groups_come_back_with_their_memberships_and_without_roles() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let (ada, readers) = (user(&session, "ada").await, group(&session, "readers", json!({})).await);
        let outer = group(&session, "outer", json!({})).await;
        for (group, member) in [(&readers, &ada), (&outer, &readers)] {
            session.post(&format!("/groups/{}/members/$ref", id(group)), reference(member)).await;
        }
        let role = "/directoryRoles/roleTemplateId=f2ef992c-3afb-46b9-b7cf-a126ee74c451/members/$ref";
        session.post(role, reference(&ada)).await;
        let (user_path, group_path) = (format!("/users/{}", id(&ada)), format!("/groups/{}", id(&readers)));
        // The group goes first, then the user; they come back in the same order.
        for path in [&group_path, &user_path] {
            assert_eq!(session.delete(path).await.status, StatusCode::NO_CONTENT);
            assert_eq!(session.get(path).await.status, StatusCode::NOT_FOUND);
        }
        assert_eq!(session.get(&format!("/groups/{}/members", id(&outer))).await.json()["value"], json!([]));
        for (kind, object) in [("user", &ada), ("group", &readers)] {
            let listed = session.get(&format!("/directory/deletedItems/microsoft.graph.{kind}")).await;
            let listed = listed.json();
            assert_eq!(ids(&listed), [id(object)], "{listed}");
            assert_eq!(listed["value"][0]["displayName"], object["displayName"]);
            assert_eq!(listed["value"][0]["deletedDateTime"], "2026-01-31T12:34:56Z");
        }
        for object in [&readers, &ada] {
            let path = format!("/directory/deletedItems/{}/restore", id(object));
            let restored = session.post(&path, json!({})).await;
            assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
        }
        let held = session.get(&format!("{user_path}/transitiveMemberOf")).await.json();
        let mut groups = [id(&readers), id(&outer)];
        groups.sort_unstable();
        assert_eq!(ids(&held), groups, "the directory role does not come back: {held}");
        let password = hilum_kernel::Secret::new(PASSWORD.to_owned());
        assert!(fixture.identity.check_password(id(&ada), password).await.unwrap().is_some());

        // A name that was taken meanwhile is in the way.
        session.delete(&user_path).await;
        user(&session, "ada").await;
        let path = format!("/directory/deletedItems/{}", id(&ada));
        let refused = session.post(&format!("{path}/restore"), json!({})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(session.get(&format!("{group_path}/members")).await.json()["value"], json!([]));
    }
}

#[tokio::test]
async fn groups_that_may_have_roles_are_filled_by_global_administrators_before_they_have_any() {
    for fixture in fixtures().await {
        let session = fixture.as_admin().await;
        let (helper, plain) = (user(&session, "helper").await, user(&session, "plain").await);
        let role = "/directoryRoles/roleTemplateId=fe930be7-5e62-47db-91af-98c3a49a38b1/members/$ref";
        session.post(role, reference(&helper)).await;
        let waiting = group(&session, "waiting", json!({ "isAssignableToRole": true })).await;
        let path = format!("/groups/{}", id(&waiting));
        let (members, owners) = (format!("{path}/members/$ref"), format!("{path}/owners/$ref"));
        assert_eq!(session.post(&owners, reference(&helper)).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.post(&members, reference(&plain)).await.status, StatusCode::NO_CONTENT);
        let helping = fixture.as_user(&fixture.found(&helper).await, "Directory.AccessAsUser.All").await;
        let bound = json!({ "members@odata.bind": [reference(&helper)["@odata.id"]] });
        for (what, refused) in [
            ("member", helping.post(&members, reference(&helper)).await),
            ("owner", helping.post(&owners, reference(&plain)).await),
            ("bound", helping.patch(&path, bound).await),
            ("renamed", helping.patch(&path, json!({ "displayName": "other" })).await),
            ("left", helping.delete(&format!("{path}/members/{}/$ref", id(&plain))).await),
            ("disowned", helping.delete(&format!("{path}/owners/{}/$ref", id(&helper))).await),
            ("deleted", helping.delete(&path).await),
        ] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what}: {}", refused.text);
        }
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
        let deleted = format!("/directory/deletedItems/{}", id(&waiting));
        let restore = format!("{deleted}/restore");
        for (what, refused) in [
            ("restored", helping.post(&restore, json!({})).await),
            ("deleted for good", helping.delete(&deleted).await),
        ] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what}: {}", refused.text);
            assert!(refused.text.contains("Global Administrator"), "{what}: {}", refused.text);
        }
        // A group that may have no roles is theirs.
        let other = group(&session, "other", json!({})).await;
        session.delete(&format!("/groups/{}", id(&other))).await;
        let restored =
            helping.post(&format!("/directory/deletedItems/{}/restore", id(&other)), json!({})).await;
        assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
        assert_eq!(session.post(&restore, json!({})).await.status, StatusCode::OK);
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
    }
}
