//! Grants, assignments of application roles, and Azure's roles on the wire; and that none of them is a way up.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Session;
use crate::{
    DICOM_APP_ID, Holder, IdentityError, NewRoleAssignment, PrincipalRef, RoleAssignmentFilter,
    oauth::tests::Answer,
    seed::GRAPH_APP_ID,
    testing::{Client, Fixture, actor, fixtures, members},
};

const OWNER: &str = "58a3b984-7adf-4c20-983a-32417c86fbc8";
const READER: &str = "e89c7a3c-2f64-4fa1-a847-3e4c9ba4283a";
const APPLICATION_READ_WRITE: &str = "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9";
const ASSIGN: &str = "06b708a9-e830-4db3-a914-8e69da51d44f";
const ZEROS: &str = "00000000-0000-0000-0000-000000000000";

impl Fixture {
    async fn principal(&self, app_id: impl ToString) -> String {
        self.identity.find_service_principal(app_id.to_string().as_str()).await.unwrap().id.to_string()
    }

    /// An administrator gives a role of Microsoft Graph.
    async fn consented(&self, client: &Client, role: &str) {
        let graph = self.principal(GRAPH_APP_ID).await;
        let body =
            json!({"principalId": client.principal.id.to_string(), "resourceId": graph, "appRoleId": role});
        let path = format!("/servicePrincipals/{}/appRoleAssignments", client.principal.id);
        let given = self.as_admin_with_all_scopes().await.post(&path, body).await;
        assert_eq!(given.status, StatusCode::CREATED, "{}", given.text);
    }
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

async fn arm(session: &Session<'_>, method: Method, path: &str, body: Option<Value>) -> Answer {
    let builder = session.request(method, path).header("content-type", "application/json");
    let body = body.map_or_else(axum::body::Body::empty, |body| body.to_string().into());
    session.send(builder.body(body).unwrap()).await
}

#[tokio::test]
async fn delegated_permissions_are_granted_changed_and_taken_back() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let id = client.principal.id.to_string();
        let body = json!({"clientId": id, "consentType": "AllPrincipals", "principalId": null, "resourceId": dicom,
            "scope": " Dicom.Read", "@odata.type": "#microsoft.graph.oAuth2PermissionGrant"});
        let made = session.post("/oauth2PermissionGrants", body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let grant = made.json();
        assert_eq!((&grant["scope"], grant["id"].as_str().unwrap().len()), (&json!("Dicom.Read"), 43));
        let path = format!("/oauth2PermissionGrants/{}", grant["id"].as_str().unwrap());
        let twice = session.post("/oauth2PermissionGrants", body.clone()).await;
        assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.text);

        for list in [
            "/oauth2PermissionGrants".to_owned(),
            format!(
                "/oauth2PermissionGrants?$filter=clientId%20eq%20'{id}'%20and%20consentType%20eq%20'AllPrincipals'"
            ),
            format!("/oauth2PermissionGrants?$filter=resourceId%20eq%20{dicom}"),
            format!("/servicePrincipals/{id}/oauth2PermissionGrants"),
            format!("/servicePrincipals(appId='{}')/oauth2PermissionGrants", client.id()),
        ] {
            let listed = session.get(&list).await.json();
            assert_eq!(listed["value"].as_array().unwrap().len(), 1, "{list}: {listed}");
        }
        let changed = session.patch(&path, json!({"scope": "Dicom.Read Dicom.ReadWrite Dicom.Read"})).await;
        assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
        assert_eq!(session.get(&path).await.json()["scope"], "Dicom.Read Dicom.ReadWrite");
        let emptied = session.patch(&path, json!({"scope": ""})).await;
        assert_eq!(emptied.status, StatusCode::NO_CONTENT, "{}", emptied.text);
        assert_eq!(session.get(&path).await.status, StatusCode::NOT_FOUND);

        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let mut one = body.clone();
        one["consentType"] = "Principal".into();
        one["principalId"] = admin.as_str().into();
        let made = session.post("/oauth2PermissionGrants", one).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let of_user = session.get("/users/admin@contoso.local/oauth2PermissionGrants").await.json();
        assert_eq!(of_user["value"].as_array().unwrap().len(), 1);
        let path = format!("/oauth2PermissionGrants/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(session.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.delete(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_grant_is_said() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let good = json!({"clientId": client.principal.id.to_string(), "consentType": "AllPrincipals",
            "resourceId": dicom, "scope": "Dicom.Read"});
        for (member, value, named) in [
            ("clientId", json!(client.id()), "clientId"),
            ("clientId", json!("x"), "clientId"),
            ("clientId", Value::Null, "clientId"),
            ("resourceId", json!(DICOM_APP_ID.to_string()), "resourceId"),
            ("consentType", json!("Everybody"), "consentType"),
            ("consentType", json!("Principal"), "principalId"),
            ("principalId", json!(client.principal.id.to_string()), "principalId"),
            ("scope", json!(""), "scope"),
            ("scope", json!(7), "scope"),
            ("scope", json!("Dicom.Delete"), "Dicom.Delete"),
            ("scope", json!("x".repeat(3851)), "3850"),
            ("nonsense", json!(1), "nonsense"),
        ] {
            let mut body = good.clone();
            body[member] = value;
            let refused = session.post("/oauth2PermissionGrants", body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{member}: {}", refused.text);
            assert!(message(&refused).contains(named), "{member}: {}", refused.text);
        }
        let made = session.post("/oauth2PermissionGrants", good).await.json();
        let path = format!("/oauth2PermissionGrants/{}", made["id"].as_str().unwrap());
        for (body, named) in [
            (json!({"clientId": ZEROS}), "clientId"),
            (json!({"scope": "Dicom.Delete"}), "Dicom.Delete"),
            (json!({}), "scope"),
        ] {
            let refused = session.patch(&path, body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{named}: {}", refused.text);
            assert!(message(&refused).contains(named), "{}", refused.text);
        }
        let filter = session.get("/oauth2PermissionGrants?$filter=startTime%20eq%20'x'").await;
        assert_eq!(
            (filter.status, code(&filter).as_str()),
            (StatusCode::BAD_REQUEST, "Request_UnsupportedQuery")
        );
    }
}

#[tokio::test]
async fn application_roles_are_seen_from_both_ends() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let id = client.principal.id.to_string();
        let body = json!({"principalId": id, "resourceId": dicom, "appRoleId": READER});
        let of_principal = format!("/servicePrincipals/{id}/appRoleAssignments");
        let of_resource = format!("/servicePrincipals/{dicom}/appRoleAssignedTo");
        let made = session.post(&of_principal, body.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        assert_eq!(made["principalDisplayName"], "client");
        assert_eq!(made["resourceDisplayName"], "Azure API for DICOM");
        assert_eq!(made["principalType"], "ServicePrincipal");
        let other = json!({"principalId": id, "resourceId": dicom, "appRoleId": ZEROS});
        assert_eq!(session.post(&of_resource, other).await.status, StatusCode::CREATED);
        for list in [&of_principal, &of_resource] {
            let first = session.get(&format!("{list}?$top=1&$count=true")).await.json();
            assert_eq!((first["value"].as_array().unwrap().len(), &first["@odata.count"]), (1, &json!(2)));
            let next = first["@odata.nextLink"].as_str().unwrap().split("/v1.0").nth(1).unwrap().to_owned();
            let second = session.get(&next).await.json();
            assert_eq!(second["value"].as_array().unwrap().len(), 1, "{second}");
            assert!(second.get("@odata.nextLink").is_none());
        }
        let token_roles = fixture.identity.list_app_role_assignments(client.principal.id).await.unwrap();
        assert_eq!(token_roles.len(), 2);

        let tail = made["id"].as_str().unwrap();
        assert_eq!(session.get(&format!("{of_resource}/{tail}")).await.status, StatusCode::OK);
        // Another's assignment is not found there.
        let elsewhere = format!("/users/admin@contoso.local/appRoleAssignments/{tail}");
        assert_eq!(session.delete(&elsewhere).await.status, StatusCode::NOT_FOUND);
        assert_eq!(session.delete(&format!("{of_principal}/{tail}")).await.status, StatusCode::NO_CONTENT);
        assert_eq!(session.get(&format!("{of_principal}/{tail}")).await.status, StatusCode::NOT_FOUND);

        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let user = json!({"principalId": admin, "resourceId": dicom, "appRoleId": READER});
        let made = session.post("/users/admin@contoso.local/appRoleAssignments", user).await;
        assert_eq!(made.json()["principalType"], "User", "{}", made.text);
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_assignment_is_said() {
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let graph = fixture.principal(GRAPH_APP_ID).await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let id = client.principal.id.to_string();
        let resource = fixture.client("resource").await;
        let text = r#"{"appRoles":[{"id":"00000000-0000-0000-0000-000000000007","value":"off","displayName":"o",
            "allowedMemberTypes":["Application"],"isEnabled":false},{"id":"00000000-0000-0000-0000-000000000008",
            "value":"people","displayName":"p","allowedMemberTypes":["User"]}]}"#;
        fixture.identity.update_application(&actor(), &resource.id(), &members(text)).await.unwrap();
        let own = resource.principal.id.to_string();
        let path = format!("/servicePrincipals/{id}/appRoleAssignments");
        let role = |number: u8| format!("00000000-0000-0000-0000-00000000000{number}");
        session.post(&path, json!({"principalId": id, "resourceId": dicom, "appRoleId": READER})).await;
        for (body, named) in [
            (json!({"principalId": id, "resourceId": dicom, "appRoleId": READER}), "already"),
            (
                json!({"principalId": id, "resourceId": graph, "appRoleId": READER}),
                "no role of Microsoft Graph",
            ),
            (json!({"principalId": id, "resourceId": own, "appRoleId": role(7)}), "switched off"),
            (json!({"principalId": id, "resourceId": own, "appRoleId": role(8)}), "users and groups only"),
            (json!({"principalId": own, "resourceId": dicom, "appRoleId": READER}), "principalId"),
            (json!({"principalId": id, "resourceId": ZEROS, "appRoleId": READER}), "resourceId"),
            (json!({"principalId": id, "resourceId": dicom}), "appRoleId"),
            (json!({"principalId": id, "resourceId": dicom, "appRoleId": "x"}), "appRoleId"),
            (json!({"principalId": id, "resourceId": dicom, "appRoleId": READER, "more": 1}), "more"),
        ] {
            let refused = session.post(&path, body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{named}: {}", refused.text);
            assert!(message(&refused).contains(named), "{named}: {}", refused.text);
        }
        let users = "/users/admin@contoso.local/appRoleAssignments";
        let admin = fixture.identity.find_user("admin@contoso.local").await.unwrap().id.to_string();
        let body = json!({"principalId": admin, "resourceId": graph, "appRoleId": APPLICATION_READ_WRITE});
        let refused = session.post(users, body).await;
        assert!(message(&refused).contains("applications only"), "{}", refused.text);
    }
}

#[tokio::test]
async fn no_way_up_through_roles_and_grants_not_even_in_a_batch() {
    for fixture in fixtures().await {
        let client = fixture.client("assigner").await;
        fixture.consented(&client, ASSIGN).await;
        let graph = fixture.principal(GRAPH_APP_ID).await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let id = client.principal.id.to_string();
        let roles = ["AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"];
        let session = fixture.as_app(&client, &roles).await;
        let path = format!("/servicePrincipals/{id}/appRoleAssignments");
        for (resource, role) in [(&graph, APPLICATION_READ_WRITE), (&dicom, OWNER)] {
            let body = json!({"principalId": id, "resourceId": resource, "appRoleId": role});
            let refused = session.post(&path, body.clone()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
            assert_eq!(code(&refused), "Authorization_RequestDenied");
            let batch = json!({"requests": [{"id": "1", "method": "POST", "url": path, "body": body,
                "headers": {"Content-Type": "application/json"}}]});
            let batch = session.post("/$batch", batch).await.json();
            assert_eq!(batch["responses"][0]["status"], 403, "{batch}");
        }
        let body = json!({"clientId": id, "consentType": "AllPrincipals", "resourceId": graph,
            "scope": "Directory.AccessAsUser.All"});
        assert_eq!(session.post("/oauth2PermissionGrants", body).await.status, StatusCode::FORBIDDEN);
        let assignment = json!({"properties": {"principalId": id,
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{OWNER}")}});
        let name = "/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-000000000001";
        let refused = arm(&session, Method::PUT, name, Some(assignment)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        // What it holds itself, it may give.
        let other = fixture.client("other").await.principal.id.to_string();
        let body = json!({"principalId": other, "resourceId": graph, "appRoleId": ASSIGN});
        let given = session.post(&format!("/servicePrincipals/{other}/appRoleAssignments"), body).await;
        assert_eq!(given.status, StatusCode::CREATED, "{}", given.text);
        let held = fixture.identity.list_app_role_assignments(client.principal.id).await.unwrap();
        assert_eq!(held.len(), 1);
    }
}

#[tokio::test]
async fn azures_roles_are_defined_and_assigned() {
    const ROLES: &str = "/providers/Microsoft.Authorization/roleDefinitions";
    const SCOPE: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.HealthcareApis/workspaces/w/dicomservices/d";
    for fixture in fixtures().await {
        let session = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        let built_in =
            arm(&session, Method::GET, &format!("{ROLES}?api-version=2022-04-01"), None).await.json();
        assert_eq!(built_in["value"].as_array().unwrap().len(), 3, "{built_in}");
        let id = "00000000-0000-0000-0000-0000000000aa";
        let body = json!({"properties": {"roleName": "DICOM Ingest", "description": "d", "type": "CustomRole",
            "assignableScopes": ["/"], "permissions": [{"actions": [], "notActions": [],
            "dataActions": ["Microsoft.HealthcareApis/workspaces/dicomservices/resources/write"],
            "notDataActions": []}]}});
        let path = format!("{ROLES}/{id}?api-version=2022-04-01");
        let made = arm(&session, Method::PUT, &path, Some(body.clone())).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(made.json()["properties"]["type"], "CustomRole");
        let mut wrong = body;
        wrong["properties"]["permissions"][0]["actions"] = json!(["*"]);
        let refused = arm(&session, Method::PUT, &path, Some(wrong)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        let named = format!("{ROLES}?$filter=roleName%20eq%20'DICOM%20Ingest'");
        assert_eq!(arm(&session, Method::GET, &named, None).await.json()["value"][0]["name"], id);
        let custom = format!("{ROLES}?$filter=type%20eq%20'CustomRole'");
        let custom = arm(&session, Method::GET, &custom, None).await.json();
        assert_eq!(custom["value"].as_array().unwrap().len(), 1, "{custom}");

        let name = "00000000-0000-0000-0000-0000000000bb";
        let principal = client.principal.id.to_string();
        let assignment = json!({"properties": {"principalId": principal, "principalType": "ServicePrincipal",
            "roleDefinitionId": format!("/subscriptions/s{ROLES}/{id}")}});
        let path = format!("{SCOPE}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let made = arm(&session, Method::PUT, &path, Some(assignment.clone())).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        assert_eq!(made["properties"]["roleDefinitionName"], "DICOM Ingest");
        // The name is the caller's: Terraform reads at the URL that it wrote to.
        assert_eq!((&made["id"], &made["name"]), (&json!(path), &json!(name)));
        // The same under another name is there already; another one under the same name is refused.
        let twice = path.replace("bb", "cc");
        let twice = arm(&session, Method::PUT, &twice, Some(assignment.clone())).await;
        assert_eq!((twice.status, &twice.json()["id"]), (StatusCode::OK, &made["id"]));
        let mut another = assignment;
        another["properties"]["principalId"] = json!(fixture.client("other").await.principal.id.to_string());
        let refused = arm(&session, Method::PUT, &path, Some(another)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        assert_eq!(refused.json()["error"]["details"][0]["code"], "ObjectConflict");
        let list = format!(
            "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'{principal}'"
        );
        let listed = arm(&session, Method::GET, &list, None).await.json();
        assert_eq!(listed["value"][0]["id"], made["id"], "{listed}");
        let path = made["id"].as_str().unwrap();
        assert_eq!(arm(&session, Method::GET, path, None).await.status, StatusCode::OK);
        let removed = arm(&session, Method::DELETE, path, None).await;
        assert_eq!((removed.status, removed.json()), (StatusCode::OK, made.clone()));
        assert_eq!(arm(&session, Method::DELETE, path, None).await.status, StatusCode::NO_CONTENT);
        let gone = arm(&session, Method::DELETE, &format!("{ROLES}/{id}"), None).await;
        assert_eq!((gone.status, &gone.json()["name"]), (StatusCode::OK, &json!(id)));
        let gone = arm(&session, Method::DELETE, &format!("{ROLES}/{id}"), None).await;
        assert_eq!((gone.status, gone.text.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(
            arm(&fixture.anonymous(), Method::GET, ROLES, None).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn an_application_grants_only_the_permissions_it_holds() {
    for fixture in fixtures().await {
        let granter = fixture.client("granter").await;
        let session = fixture.as_app(&granter, &["DelegatedPermissionGrant.ReadWrite.All"]).await;
        let client = fixture.client("client").await;
        let dicom = fixture.principal(DICOM_APP_ID).await;
        let body = json!({"clientId": client.principal.id.to_string(), "consentType": "AllPrincipals",
            "resourceId": dicom, "scope": "Dicom.Read"});
        let refused = session.post("/oauth2PermissionGrants", body.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert_eq!(code(&refused), "Authorization_RequestDenied");
        let reason =
            "an application grants only permissions it holds itself, and it does not hold Dicom.Read";
        assert!(message(&refused).contains(reason), "{}", refused.text);
        let new = NewRoleAssignment {
            role: "DICOM Data Reader".to_owned(),
            principal: PrincipalRef::Assignee(granter.id()),
            scope: "/".to_owned(),
        };
        fixture.identity.create_role_assignment(&actor(), new).await.unwrap();
        let made = session.post("/oauth2PermissionGrants", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        // What it may read, it does not let others write.
        let path = format!("/oauth2PermissionGrants/{}", made.json()["id"].as_str().unwrap());
        let refused = session.patch(&path, json!({"scope": "Dicom.Read Dicom.ReadWrite"})).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(message(&refused).contains("Dicom.ReadWrite"), "{}", refused.text);
    }
}

#[tokio::test]
async fn azures_paths_neither_show_nor_give_nor_take_directory_roles() {
    const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";
    const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";
    const DEFINITIONS: &str = "/providers/Microsoft.Authorization/roleDefinitions";
    for fixture in fixtures().await {
        let admin = fixture.as_admin_with_all_scopes().await;
        let client = fixture.client("client").await;
        fixture.consented(&client, ASSIGN).await;
        let app = fixture.as_app(&client, &["AppRoleAssignment.ReadWrite.All"]).await;
        let filter = RoleAssignmentFilter {
            role: Some("Global Administrator".to_owned()),
            ..RoleAssignmentFilter::default()
        };
        let held = fixture.identity.list_role_assignments(&filter).await.unwrap();
        let one = format!("{ASSIGNMENTS}/{}", held[0].id);
        let body = json!({"properties": {"principalId": client.principal.id.to_string(),
            "roleDefinitionId": format!("{DEFINITIONS}/{GLOBAL}")}});
        for session in [&admin, &app] {
            let path = format!("{ASSIGNMENTS}/00000000-0000-0000-0000-000000000001");
            let given = arm(session, Method::PUT, &path, Some(body.clone())).await;
            let taken = arm(session, Method::DELETE, &one, None).await;
            for refused in [given, taken] {
                assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
                assert!(message(&refused).contains("/roleManagement/directory"), "{}", refused.text);
            }
            assert_eq!(arm(session, Method::GET, &one, None).await.status, StatusCode::NOT_FOUND);
            let hidden = arm(session, Method::GET, &format!("{DEFINITIONS}/{GLOBAL}"), None).await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{}", hidden.text);
            let listed = arm(session, Method::GET, ASSIGNMENTS, None).await;
            assert!(!listed.text.contains(GLOBAL), "{}", listed.text);
        }
        // Nor does a wider operation take what its caller could not give.
        let acting = fixture.identity.acting(Holder::Application(client.principal.id));
        let second = fixture.person("second").await.to_string();
        let more = NewRoleAssignment {
            role: "Global Reader".to_owned(),
            principal: PrincipalRef::Assignee(second),
            scope: "/".to_owned(),
        };
        let more = fixture.identity.create_role_assignment(&actor(), more).await.unwrap();
        let filter = RoleAssignmentFilter { ids: Some(vec![more.id]), ..RoleAssignmentFilter::default() };
        let refused = acting.delete_role_assignments(&actor(), &filter).await;
        assert!(matches!(refused, Err(IdentityError::Denied(_))), "{refused:?}");
        assert_eq!(fixture.identity.delete_role_assignments(&actor(), &filter).await.unwrap(), 1);
    }
}
