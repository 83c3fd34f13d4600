//! Registrations on the wire: what scripts for Entra send, and what they get.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    oauth::tests::Answer,
    testing::{Client, Fixture, fixtures},
};

use super::tests::Session;

fn status(answer: &Answer, wanted: u16) -> Value {
    assert_eq!(answer.status.as_u16(), wanted, "{}", answer.text);
    if answer.text.is_empty() { Value::Null } else { answer.json() }
}

async fn preferring(
    session: &Session<'_>,
    (method, path): (Method, &str),
    header: (&str, &str),
    body: Value,
) -> Answer {
    let request = session
        .request(method, &format!("/v1.0{path}"))
        .header(header.0, header.1)
        .header("content-type", "application/json");
    session.send(request.body(axum::body::Body::from(body.to_string())).unwrap()).await
}

/// An administrator's application.
async fn manager(fixture: &Fixture) -> Client {
    fixture.client("manager").await
}

const ALL: &[&str] = &["Application.ReadWrite.All"];
const OWNED: &[&str] = &["Application.ReadWrite.OwnedBy"];

#[tokio::test]
async fn a_registration_over_the_wire() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        let body = json!({"@odata.type": "#microsoft.graph.application", "displayName": "Imaging",
            "web": {"@odata.type": "#microsoft.graph.webApplication", "redirectUris": ["https://app.example/cb"]},
            "tags": ["HideApp"], "signInAudience": "AzureADMyOrg"});
        let made = session.post("/applications", body).await;
        let etag = made.header("etag").to_owned();
        let made = status(&made, 201);
        let id = made["id"].as_str().unwrap();
        let app_id = made["appId"].as_str().unwrap();
        assert_eq!(
            made["web"]["redirectUriSettings"],
            json!([{"uri": "https://app.example/cb", "index": null}])
        );

        for path in [
            format!("/applications/{id}"),
            format!("/applications(appId='{app_id}')"),
            format!("/applications(appId=%27{}%27)", app_id.to_uppercase()),
        ] {
            assert_eq!(status(&session.get(&path).await, 200)["displayName"], "Imaging", "{path}");
        }
        let by_app_id = session.get(&format!("/applications/{app_id}")).await;
        assert_eq!(by_app_id.status, StatusCode::NOT_FOUND);

        for filter in [
            format!("id eq '{id}'"),
            format!("appId eq '{app_id}'"),
            "displayName eq 'imaging'".to_owned(),
            "startswith(displayName,'Imag')".to_owned(),
            "tags/any(t:t eq 'HideApp')".to_owned(),
            "signInAudience eq 'AzureADMyOrg' and startswith(displayName,'imag')".to_owned(),
            "publisherDomain eq 'contoso.local' and displayName eq 'Imaging'".to_owned(),
            format!("id in ('{id}','11111111-1111-1111-1111-111111111111')"),
        ] {
            let path = format!("/applications?$filter={}", filter.replace(' ', "%20"));
            let found = status(&session.get(&path).await, 200);
            assert_eq!(found["value"].as_array().unwrap().len(), 1, "{filter}: {found}");
        }
        let none =
            session.get(&format!("/applications?$filter=identifierUris/any(x:x%20eq%20'{app_id}')")).await;
        assert_eq!(status(&none, 200)["value"], json!([]));

        let path = format!("/applications/{id}");
        status(&session.patch(&path, json!({"notes": "n", "id": id, "appId": app_id})).await, 204);
        let stale =
            preferring(&session, (Method::PATCH, &path), ("if-match", &etag), json!({"notes": "o"})).await;
        assert_eq!(status(&stale, 412)["error"]["code"], "PreconditionFailed");
        let seen = preferring(
            &session,
            (Method::PATCH, &path),
            ("prefer", "return=representation"),
            json!({"notes": null}),
        )
        .await;
        assert_eq!(status(&seen, 200)["notes"], Value::Null);

        for (body, named) in [
            (json!({"appId": "11111111-1111-1111-1111-111111111111"}), "appId"),
            (json!({"publisherDomain": "x"}), "publisherDomain"),
            (json!({"web": {"redirectUri": "x"}}), "web.redirectUri"),
            (json!({"isFallbackPublicClient": "yes"}), "isFallbackPublicClient"),
        ] {
            let refused = status(&session.patch(&path, body).await, 400);
            assert_eq!(refused["error"]["code"], "Request_BadRequest");
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.contains(&format!("'{named}'")), "{message}");
        }
        status(&session.delete(&path).await, 204);
        assert_eq!(session.get(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn secrets_over_the_wire_are_shown_once() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        for noun in ["applications", "servicePrincipals"] {
            let owner = format!("/{noun}(appId='{}')", client.id());
            let body =
                json!({"passwordCredential": {"displayName": "CI", "endDateTime": "2026-07-31T00:00:00Z"}});
            let added = status(&session.post(&format!("{owner}/addPassword"), body).await, 200);
            let text = added["secretText"].as_str().unwrap();
            assert_eq!(added["hint"], text[..3]);
            assert_eq!(added["endDateTime"], "2026-07-31T00:00:00Z");
            // Without any body: two years.
            let empty = session.call(Method::POST, &format!("{owner}/addPassword"), None).await;
            assert_eq!(status(&empty, 200)["endDateTime"], "2028-01-31T12:34:56Z");
            if noun == "applications" {
                let shown = status(&session.get(&owner).await, 200);
                let listed = shown["passwordCredentials"].as_array().unwrap();
                assert!(
                    listed.iter().any(|one| one["keyId"] == added["keyId"] && one["secretText"].is_null())
                );
                assert!(!shown.to_string().contains(text));
                let key = added["keyId"].as_str().unwrap();
                let path = format!("/applications?$filter=passwordCredentials/any(p:p/keyId%20eq%20{key})");
                assert_eq!(status(&session.get(&path).await, 200)["value"][0]["appId"], client.id());
            }

            let gone = json!({"keyId": added["keyId"]});
            status(&session.post(&format!("{owner}/removePassword"), gone.clone()).await, 204);
            let again = status(&session.post(&format!("{owner}/removePassword"), gone).await, 400);
            let message = again["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("No password credential found with keyId"), "{message}");
            for wrong in [
                json!({"passwordCredential": {"secretText": "mine"}}),
                json!({"passwordCredential": {"endDateTime": "2040-01-01T00:00:00Z"}}),
                json!({"passwordCredential": {"endDateTime": "tomorrow"}}),
                json!({"passwordCredential": {"displayName": "x".repeat(121)}}),
                json!({"password": {}}),
            ] {
                status(&session.post(&format!("{owner}/addPassword"), wrong).await, 400);
            }
            status(&session.post(&format!("{owner}/removePassword"), json!({})).await, 400);
        }
    }
}

#[tokio::test]
async fn certificates_give_their_key_only_when_asked() {
    use hilum_jose::{SigningKey, Validity, base64_encode};
    let now: jiff::Timestamp = crate::testing::NOW.parse().unwrap();
    let validity = Validity { not_before: now, not_after: now + jiff::SignedDuration::from_hours(24) };
    let key = SigningKey::generate("client", validity, &hilum_kernel::SystemRandom).unwrap();
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        let path = format!("/applications(appId='{}')", client.id());
        let der = base64_encode(key.certificate().der());
        let body = json!({"keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": der}]});
        status(&session.patch(&path, body).await, 204);
        let shown = status(&session.get(&path).await, 200);
        assert_eq!(shown["keyCredentials"][0]["key"], Value::Null);
        let thumbprint = base64_encode(key.certificate().thumbprint_sha1());
        assert_eq!(shown["keyCredentials"][0]["customKeyIdentifier"], thumbprint);
        let selected = status(&session.get(&format!("{path}?$select=keyCredentials")).await, 200);
        assert_eq!(selected["keyCredentials"][0]["key"], der);
        let id = shown["keyCredentials"][0]["keyId"].as_str().unwrap();
        let found = format!("/applications?$filter=keyCredentials/any(k:k/keyId%20eq%20{id})&$select=appId");
        assert_eq!(status(&session.get(&found).await, 200)["value"], json!([{"appId": client.id()}]));
        let body = json!({"keyId": id, "proof": "x.y.z"});
        let refused = status(&session.post(&format!("{path}/removeKey"), body).await, 400);
        assert!(refused["error"]["message"].as_str().unwrap().contains("'proof'"), "{refused}");
    }
}

#[tokio::test]
async fn owners_over_the_wire() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let bound = json!({"displayName": "bound", "owners@odata.bind":
            [format!("https://localhost:8443/v1.0/users/{admin}")]});
        let made = status(&session.post("/applications", bound).await, 201);
        let expanded = format!("/applications/{}?$expand=owners($select=id)", made["id"].as_str().unwrap());
        let expanded = status(&session.get(&expanded).await, 200);
        assert_eq!(expanded["owners"], json!([{"@odata.type": "#microsoft.graph.user", "id": admin}]));
        for noun in ["applications", "servicePrincipals"] {
            let owner = format!("/{noun}(appId='{}')/owners", client.id());
            let reference =
                json!({"@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{admin}")});
            status(&session.post(&format!("{owner}/$ref"), reference.clone()).await, 204);
            let twice = status(&session.post(&format!("{owner}/$ref"), reference).await, 400);
            let message = twice["error"]["message"].as_str().unwrap();
            assert!(
                message.contains("references already exist") && message.contains("'owners'"),
                "{message}"
            );
            let listed = status(&session.get(&owner).await, 200);
            assert_eq!(listed["value"][0]["@odata.type"], "#microsoft.graph.user");
            assert_eq!(listed["value"][0]["id"], admin);
            let references = status(&session.get(&format!("{owner}/$ref")).await, 200);
            let link = format!("https://localhost:8443/v1.0/directoryObjects/{admin}");
            assert_eq!(references["value"], json!([{"@odata.id": link}]));
            let nobody = json!({"@odata.id": "https://localhost:8443/v1.0/directoryObjects/11111111-1111-1111-1111-111111111111"});
            status(&session.post(&format!("{owner}/$ref"), nobody).await, 404);
            status(&session.delete(&format!("{owner}/{admin}/$ref")).await, 204);
            status(&session.delete(&format!("{owner}/{admin}/$ref")).await, 404);
        }
    }
}

#[tokio::test]
async fn an_application_looks_after_its_own() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let other = fixture.client("other").await;
        let session = fixture.as_app(&client, OWNED).await;
        let made = status(&session.post("/applications", json!({"displayName": "own"})).await, 201);
        let own = format!("/applications/{}", made["id"].as_str().unwrap());
        let strange = format!("/applications/{}", other.application.object_id);
        let listed = status(&session.get("/applications?$count=true").await, 200);
        assert_eq!((listed["@odata.count"].as_u64(), &listed["value"][0]["id"]), (Some(1), &made["id"]));
        status(&session.get(&own).await, 200);
        status(&session.patch(&own, json!({"notes": "mine"})).await, 204);
        let added = status(&session.call(Method::POST, &format!("{own}/addPassword"), None).await, 200);
        for refused in [
            session.get(&strange).await,
            session.patch(&strange, json!({"notes": "mine"})).await,
            session.delete(&strange).await,
            session.call(Method::POST, &format!("{strange}/addPassword"), None).await,
            session.post(&format!("{strange}/removePassword"), json!({"keyId": added["keyId"]})).await,
            session.get(&format!("{strange}/owners")).await,
            session.get(&format!("{strange}/federatedIdentityCredentials")).await,
        ] {
            let told = status(&refused, 403);
            assert_eq!(told["error"]["code"], "Authorization_RequestDenied");
        }
        status(&session.delete(&own).await, 204);
        let deleted = status(&session.get("/directory/deletedItems/microsoft.graph.application").await, 200);
        assert_eq!(deleted["value"][0]["id"], made["id"]);
        let item = format!("/directory/deletedItems/{}", made["id"].as_str().unwrap());
        status(&session.call(Method::POST, &format!("{item}/restore"), None).await, 200);
        // Somebody else's, deleted.
        let all = fixture.as_app(&client, ALL).await;
        status(&all.delete(&strange).await, 204);
        let item = format!("/directory/deletedItems/{}", other.application.object_id);
        status(&session.get(&item).await, 403);
        status(&session.delete(&item).await, 403);
    }
}

#[tokio::test]
async fn federated_credentials_over_the_wire() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        let path = format!("/applications(appId='{}')/federatedIdentityCredentials", client.id());
        let body = json!({"name": "main", "issuer": "https://token.ci.example", "subject": "repo:a",
            "audiences": ["api://AzureADTokenExchange"]});
        let made = status(&session.post(&path, body.clone()).await, 201);
        status(&session.post(&path, body).await, 400);
        for key in ["main", made["id"].as_str().unwrap()] {
            assert_eq!(status(&session.get(&format!("{path}/{key}")).await, 200)["subject"], "repo:a");
        }
        status(&session.patch(&format!("{path}/main"), json!({"subject": "repo:b"})).await, 204);
        let upsert = format!("{path}(name='next')");
        let body = json!({"issuer": "https://token.ci.example", "subject": "repo:c", "audiences": ["a"]});
        status(&session.patch(&upsert, body.clone()).await, 404);
        let prefer = ("prefer", "create-if-missing");
        status(&preferring(&session, (Method::PATCH, &upsert), prefer, body.clone()).await, 201);
        status(&preferring(&session, (Method::PATCH, &upsert), prefer, body).await, 204);
        let listed = status(&session.get(&format!("{path}?$filter=name%20eq%20'next'")).await, 200);
        assert_eq!(listed["value"].as_array().unwrap().len(), 1);
        status(&session.delete(&format!("{path}/next")).await, 204);
        status(&session.delete(&format!("{path}/next")).await, 404);
    }
}

#[tokio::test]
async fn a_unique_name_is_a_key() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let session = fixture.as_app(&client, ALL).await;
        let path = "/applications(uniqueName='imaging-1')";
        let body = json!({"displayName": "Imaging"});
        assert_eq!(session.patch(path, body.clone()).await.status, StatusCode::NOT_FOUND);
        let prefer = ("prefer", "create-if-missing");
        let made = status(&preferring(&session, (Method::PATCH, path), prefer, body.clone()).await, 201);
        assert_eq!(made["uniqueName"], "imaging-1");
        status(&preferring(&session, (Method::PATCH, path), prefer, json!({"notes": "n"})).await, 204);
        let found = status(&session.get(path).await, 200);
        assert_eq!((&found["id"], &found["notes"]), (&made["id"], &json!("n")));
        let listed = session.get("/applications?$filter=uniqueName%20eq%20'imaging-1'").await;
        assert_eq!(status(&listed, 200)["value"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn deleted_items_over_the_wire() {
    for fixture in fixtures().await {
        let client = manager(&fixture).await;
        let gone = fixture.client("gone").await;
        let session = fixture.as_app(&client, ALL).await;
        let id = gone.application.object_id;
        status(&session.delete(&format!("/applications/{id}")).await, 204);
        let list = "/directory/deletedItems/microsoft.graph.application?$count=true";
        let listed = status(&session.get(list).await, 200);
        assert_eq!(
            (listed["@odata.count"].as_u64(), &listed["value"][0]["appId"]),
            (Some(1), &json!(gone.id()))
        );
        assert_eq!(listed["value"][0]["deletedDateTime"], "2026-01-31T12:34:56Z");
        let principals = session.get("/directory/deletedItems/microsoft.graph.servicePrincipal").await;
        assert_eq!(status(&principals, 200)["value"][0]["appId"], gone.id());
        let item = format!("/directory/deletedItems/{id}");
        assert_eq!(status(&session.get(&item).await, 200)["@odata.type"], "#microsoft.graph.application");
        let restored = status(&session.call(Method::POST, &format!("{item}/restore"), None).await, 200);
        assert_eq!(restored["deletedDateTime"], Value::Null);
        status(&session.get(&format!("/applications/{id}")).await, 200);
        status(&session.get(&item).await, 404);
        status(&session.delete(&format!("/applications/{id}")).await, 204);
        status(&session.delete(&item).await, 204);
        status(&session.call(Method::POST, &format!("{item}/restore"), None).await, 404);
        let readers = fixture.as_app(&client, &["User.Read.All"]).await;
        status(&readers.get("/directory/deletedItems/microsoft.graph.application").await, 403);
        status(&readers.get(&item).await, 404);
    }
}

#[tokio::test]
async fn what_a_service_principal_owns_is_listed() {
    for fixture in fixtures().await {
        let owner = manager(&fixture).await;
        let made =
            fixture.as_app(&owner, OWNED).await.post("/applications", json!({"displayName": "own"})).await;
        let own = status(&made, 201)["id"].clone();
        let path = format!("/servicePrincipals/{}/ownedObjects", owner.principal.id);
        let reader = fixture.as_app(&fixture.client("reader").await, &["Application.Read.All"]).await;
        let list = status(&reader.get(&path).await, 200)["value"].clone();
        let shown: Vec<_> =
            list.as_array().unwrap().iter().map(|one| (&one["@odata.type"], &one["id"])).collect();
        assert_eq!(shown, [(&json!("#microsoft.graph.application"), &own)]);
        let by_app_id = format!("/servicePrincipals(appId='{}')/ownedObjects", owner.id());
        assert_eq!(status(&reader.get(&by_app_id).await, 200)["value"], list);
        // Who may only look after what is its own does not list what others own.
        status(&fixture.as_app(&owner, OWNED).await.get(&path).await, 403);
    }
}
