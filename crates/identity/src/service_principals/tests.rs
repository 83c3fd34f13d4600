//! Service principals, on every database.

use futures::FutureExt as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::{actor, fixtures, members};

const HEALTHCARE: &str = "4f6778d8-5aef-43dc-a1ff-b073724b9495";

#[tokio::test]
async fn a_principal_lives_on_the_wire() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let text =
            r#"{"displayName":"Viewer","tags":["team-a"],"web":{"homePageUrl":"https://viewer.example"}}"#;
        let application = fixture.identity.create_application(&actor(), &members(text)).await.unwrap();
        let app_id = application.app_id.to_string();
        let made = session.post("/servicePrincipals", json!({"appId": app_id, "tags": ["HideApp"]})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let first = made.json();
        assert_eq!(first["displayName"], "Viewer");
        assert_eq!(first["tags"], json!(["HideApp", "team-a"]));
        assert_eq!(first["homepage"], "https://viewer.example");
        let twice = session.post("/servicePrincipals", json!({"appId": app_id})).await;
        assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.text);

        let by_app = format!("/servicePrincipals(appId='{app_id}')");
        let by_id = format!("/servicePrincipals/{}", first["id"].as_str().unwrap());
        assert_eq!(session.get(&by_app).await.json()["id"], first["id"]);
        for (change, member, after) in [
            (json!({"accountEnabled": false}), "accountEnabled", json!(false)),
            (json!({"accountEnabled": null}), "accountEnabled", json!(true)),
            (json!({"appRoleAssignmentRequired": true}), "appRoleAssignmentRequired", json!(true)),
            (json!({"notes": "n"}), "notes", json!("n")),
            (json!({"notes": null}), "notes", Value::Null),
            (json!({"description": "d"}), "description", json!("d")),
            (json!({"homepage": "https://h.example"}), "homepage", json!("https://h.example")),
            (json!({"loginUrl": "https://l.example"}), "loginUrl", json!("https://l.example")),
            (json!({"logoutUrl": "https://o.example"}), "logoutUrl", json!("https://o.example")),
            (json!({"preferredSingleSignOnMode": "oidc"}), "preferredSingleSignOnMode", json!("oidc")),
            (json!({"alternativeNames": ["a"]}), "alternativeNames", json!(["a"])),
            (
                json!({"notificationEmailAddresses": ["a@b.c"]}),
                "notificationEmailAddresses",
                json!(["a@b.c"]),
            ),
            (json!({"tags": ["x"]}), "tags", json!(["x", "team-a"])),
            (json!({"displayName": "Viewer"}), "displayName", json!("Viewer")),
            (
                json!({"samlSingleSignOnSettings": {"@odata.type": "y", "relayState": "z"}}),
                "samlSingleSignOnSettings",
                json!({"relayState": "z"}),
            ),
        ] {
            let changed = session.patch(&by_id, change).await;
            assert_eq!(changed.status, StatusCode::NO_CONTENT, "{member}: {}", changed.text);
            assert_eq!(session.get(&by_id).await.json()[member], after, "{member}");
        }
        assert_eq!(session.delete(&by_app).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&by_id).await.status, StatusCode::NOT_FOUND);
        let restored = session
            .post(&format!("/directory/deletedItems/{}/restore", first["id"].as_str().unwrap()), json!({}))
            .await;
        assert_eq!(restored.status, StatusCode::OK, "{}", restored.text);
        let back = session.get(&by_id).await.json();
        assert_eq!((&back["alternativeNames"], &back["tags"]), (&json!(["a"]), &json!(["x", "team-a"])));
        let found = session.get("/servicePrincipals?$filter=tags/any(t:t%20eq%20'x')").await.json();
        assert_eq!(found["value"].as_array().unwrap().len(), 1, "{found}");
    }
}

#[tokio::test]
async fn principals_are_found_as_real_tools_look_for_them() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("ima'ging").await;
        fixture
            .identity
            .update_application(&actor(), &client.id(), &members(r#"{"tags":["Radiology"]}"#))
            .await
            .unwrap();
        let id = client.principal.id;
        for (filter, found) in [
            (format!("appId%20eq%20'{}'", client.id()), 1),
            (format!("id%20eq%20'{id}'"), 1),
            (format!("id%20in%20('{id}','{}')", client.id()), 1),
            ("displayName%20eq%20'IMA''ging'".to_owned(), 1),
            ("startswith(displayName,'ima')".to_owned(), 1),
            (format!("servicePrincipalNames/any(c:c%20eq%20'{}')", client.id()), 1),
            ("servicePrincipalNames/any(c:c%20eq%20'https://graph.microsoft.com')".to_owned(), 1),
            ("servicePrincipalNames/any(c:c%20eq%20'https://nobody.example')".to_owned(), 0),
            ("tags/any(t:t%20eq%20'radiology')".to_owned(), 1),
            ("servicePrincipalType%20eq%20'Application'".to_owned(), 5),
            ("servicePrincipalType%20eq%20'ManagedIdentity'".to_owned(), 0),
            ("accountEnabled%20eq%20false".to_owned(), 0),
        ] {
            let listed = session.get(&format!("/servicePrincipals?$filter={filter}")).await;
            assert_eq!(listed.status, StatusCode::OK, "{filter}: {}", listed.text);
            assert_eq!(listed.json()["value"].as_array().unwrap().len(), found, "{filter}: {}", listed.text);
        }
        let first = session.get("/servicePrincipals?$top=2&$count=true&$select=id").await.json();
        assert_eq!(first["@odata.count"], 5, "{first}");
        let refused = session.get("/servicePrincipals?$filter=notes%20eq%20'x'").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    }
}

#[tokio::test]
async fn what_a_principal_may_not_say() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let path = format!("/servicePrincipals/{}", client.principal.id);
        for (change, named) in [
            (json!({"appId": client.id()}), "appId"),
            (json!({"servicePrincipalNames": []}), "servicePrincipalNames"),
            (json!({"appRoles": []}), "appRoles"),
            (json!({"nonsense": 1}), "nonsense"),
            (json!({"displayName": "other"}), "displayName"),
            (json!({"accountEnabled": "yes"}), "accountEnabled"),
            (json!({"notes": 7}), "notes"),
            (json!({"notes": "x".repeat(1025)}), "notes"),
            (json!({"tags": "x"}), "tags"),
            (json!({"tags": [""]}), "tags"),
            (json!({"tags": vec!["t"; 101]}), "tags"),
            (json!({"loginUrl": "ftp://x"}), "loginUrl"),
            (json!({"logoutUrl": "http://x.example"}), "logoutUrl"),
            (json!({"preferredSingleSignOnMode": "magic"}), "preferredSingleSignOnMode"),
            (json!({"notificationEmailAddresses": ["nobody"]}), "notificationEmailAddresses"),
            (json!({"samlSingleSignOnSettings": {"x": 1}}), "x"),
        ] {
            let refused = session.patch(&path, change).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{named}: {}", refused.text);
            assert!(refused.json()["error"]["message"].as_str().unwrap().contains(named), "{}", refused.text);
        }
        for (body, status) in [
            (json!({}), StatusCode::BAD_REQUEST),
            (json!({"appId": 1}), StatusCode::BAD_REQUEST),
            (json!({"appId": "x"}), StatusCode::BAD_REQUEST),
            (json!({"appId": "11111111-1111-1111-1111-111111111111"}), StatusCode::BAD_REQUEST),
            (json!({"appId": HEALTHCARE}), StatusCode::CREATED),
        ] {
            let answer = session.post("/servicePrincipals", body.clone()).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.text);
        }
        let graph =
            session.get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')").await.json();
        let seeded = format!("/servicePrincipals/{}", graph["id"].as_str().unwrap());
        assert_eq!(session.delete(&seeded).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn changes_at_the_same_time_are_not_lost() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let path = format!("/servicePrincipals/{}", client.principal.id);
        let tag = session.get(&path).await.json()["@odata.etag"].as_str().unwrap().to_owned();
        let with_tag = |body: Value| {
            let request = session.request(http::Method::PATCH, &format!("/v1.0{path}"));
            let request = request.header("if-match", &tag).header("content-type", "application/json");
            session.send(request.body(body.to_string().into()).unwrap()).boxed()
        };
        assert_eq!(with_tag(json!({"notes": "a"})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(with_tag(json!({"notes": "b"})).await.status, StatusCode::PRECONDITION_FAILED);
        let (one, two) = tokio::join!(
            session.patch(&path, json!({"description": "d"})),
            session.patch(&path, json!({"alternativeNames": ["n"]}))
        );
        assert_eq!((one.status, two.status), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
        let after = session.get(&path).await.json();
        assert_eq!((&after["description"], &after["alternativeNames"]), (&json!("d"), &json!(["n"])));
    }
}

#[tokio::test]
async fn a_principal_is_made_with_its_owners() {
    for fixture in fixtures().await {
        let client = fixture.client("terraform").await;
        let session = fixture.as_app(&client, &["Application.ReadWrite.OwnedBy"]).await;
        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let own = client.principal.id.to_string();
        let bound = |ids: &[&str]| {
            let urls = ids.iter().map(|id| format!("https://localhost:8443/v1.0/directoryObjects/{id}"));
            urls.collect::<Vec<_>>()
        };
        let made = session.post("/applications", json!({"displayName": "mine"})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let app_id = made.json()["appId"].clone();
        let nobody = "11111111-1111-1111-1111-111111111111";
        let refused = session
            .post("/servicePrincipals", json!({"appId": app_id, "owners@odata.bind": bound(&[nobody])}))
            .await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.text);
        // The creator, named again, is an owner once.
        let made = session
            .post("/servicePrincipals", json!({"appId": app_id, "owners@odata.bind": bound(&[&own, &admin])}))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let path = format!("/servicePrincipals/{}", made.json()["id"].as_str().unwrap());
        let owners = session.get(&format!("{path}/owners?$select=id")).await.json();
        let mut ids: Vec<&str> =
            owners["value"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        let mut expected = vec![own.as_str(), admin.as_str()];
        expected.sort_unstable();
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn owners_are_bound_only_by_who_may_add_them() {
    for fixture in fixtures().await {
        // Somebody else's application, whose principal an administrator removed, is not taken over by making it anew.
        let client = fixture.client("manager").await;
        let session = fixture.as_app(&client, &["Application.ReadWrite.OwnedBy"]).await;
        let text = r#"{"displayName":"not mine"}"#;
        let other = fixture.identity.create_application(&actor(), &members(text)).await.unwrap();
        let link = format!("https://localhost:8443/v1.0/directoryObjects/{}", client.principal.id);
        let body = json!({"appId": other.app_id.to_string(), "owners@odata.bind": [link]});
        let refused = session.post("/servicePrincipals", body.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        let session = fixture.as_app(&client, &["Application.ReadWrite.All"]).await;
        let made = session.post("/servicePrincipals", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
}

#[tokio::test]
async fn what_is_bound_to_anything_else_is_refused() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let text = r#"{"displayName":"plain"}"#;
        let plain = fixture.identity.create_application(&actor(), &members(text)).await.unwrap();
        let url = "https://localhost:8443/v1.0/directoryObjects/11111111-1111-1111-1111-111111111111";
        let user = json!({"displayName": "u", "userPrincipalName": "u@contoso.local", "mailNickname": "u",
            "accountEnabled": true, "passwordProfile": {"password": "correct horse battery"}});
        let group =
            json!({"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true});
        for (path, mut body, bind) in [
            ("/applications", json!({"displayName": "a"}), "members@odata.bind"),
            ("/servicePrincipals", json!({"appId": plain.app_id.to_string()}), "memberOf@odata.bind"),
            ("/groups", group, "acceptedSenders@odata.bind"),
            ("/users", user, "manager@odata.bind"),
        ] {
            body[bind] = json!([url]);
            let refused = session.post(path, body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.text);
            assert!(refused.text.contains(bind), "{path}: {}", refused.text);
        }
        let path = format!("/applications(appId='{}')", client.id());
        for body in [json!({"owners@odata.bind": [url]}), json!({"web": {"owners@odata.bind": [url]}})] {
            let refused = session.patch(&path, body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        }
    }
}
