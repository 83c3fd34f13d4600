//! Operations on registrations, on every database.

use crate::{
    ApplicationFilter, IdentityError, NewSecret, Permission, PermissionKind, json,
    testing::{actor, fixtures, members},
};

#[tokio::test]
async fn a_registration_lives() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let new = members(
            r#"{"displayName":"Imaging client","web":{"redirectUris":["https://app.example/cb"]},
                "api":{"requestedAccessTokenVersion":2}}"#,
        );
        let made = identity.create_application(&actor(), &new).await.unwrap();
        let id = made.app_id.to_string();
        let uri = format!("api://{id}");
        let change = members(&format!(r#"{{"identifierUris":["{uri}"],"isFallbackPublicClient":true}}"#));
        identity.update_application(&actor(), &made.object_id.to_string(), &change).await.unwrap();

        for name in [id.clone(), id.to_uppercase(), made.object_id.to_string(), uri.to_uppercase()] {
            let found = identity.find_application(&name).await.unwrap();
            assert_eq!(found.app_id, made.app_id, "{name}");
            assert_eq!(found.properties.is_fallback_public_client, Some(true));
            assert_eq!(found.properties.web.redirect_uris, ["https://app.example/cb"]);
        }
        let found = identity
            .list_applications(&ApplicationFilter::DisplayNamePrefix("imaging".to_owned()), None)
            .await;
        assert_eq!(found.unwrap().len(), 1);
        let none =
            identity.list_applications(&ApplicationFilter::DisplayName("imaging".to_owned()), None).await;
        assert!(none.unwrap().is_empty());
        assert_eq!(identity.list_applications(&ApplicationFilter::All, Some(2)).await.unwrap().len(), 2);

        identity.create_service_principal(&actor(), &id).await.unwrap();
        identity.add_secret(&actor(), &id, NewSecret::default()).await.unwrap();
        identity.delete_application(&actor(), &id).await.unwrap();
        for gone in [
            identity.find_application(&id).await.map(drop),
            identity.find_service_principal(&id).await.map(drop),
        ] {
            assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{gone:?}");
        }
        let trail = fixture.trail().await;
        assert!(trail.iter().any(|line| line.contains(&id) && line.ends_with("deleted")), "{trail:?}");
    }
}

#[tokio::test]
async fn names_of_resources_are_unique_and_seeded_ones_stay() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let tenant = identity.tenant().await.unwrap().clone();
        let uri = format!("api://{}/imaging", tenant.id);
        let with = |name: &str| members(&format!(r#"{{"displayName":"{name}","identifierUris":["{uri}"]}}"#));
        identity.create_application(&actor(), &with("one")).await.unwrap();
        let second = identity.create_application(&actor(), &with("two")).await;
        assert!(matches!(second, Err(IdentityError::Conflict { property: "identifierUris" })), "{second:?}");
        assert!(
            identity
                .list_applications(&ApplicationFilter::DisplayName("two".to_owned()), None)
                .await
                .unwrap()
                .is_empty()
        );

        let dicom = crate::DICOM_APP_ID.to_string();
        for refused in [
            identity.delete_application(&actor(), &dicom).await,
            identity.delete_service_principal(&actor(), &dicom).await,
        ] {
            assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn permissions_are_asked_for_once_and_taken_back() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let scope = Permission {
            id: "e69ab058-b8ae-4c0f-b687-5d97888ddccb".parse().unwrap(),
            kind: PermissionKind::Scope,
        };
        for _ in 0..2 {
            let changed = identity
                .add_permissions(&actor(), &client.id(), crate::DICOM_APP_ID, &[scope])
                .await
                .unwrap();
            assert_eq!(changed.properties.required_resource_access[0].resource_access.len(), 1);
        }
        let changed = identity
            .remove_permissions(&actor(), &client.id(), crate::DICOM_APP_ID, &[scope.id])
            .await
            .unwrap();
        assert!(changed.properties.required_resource_access.is_empty());
    }
}

#[tokio::test]
async fn an_enabled_role_cannot_be_removed() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let role = |enabled| {
            members(&format!(
                r#"{{"displayName":"resource","appRoles":[{{"id":"11111111-1111-1111-1111-111111111111","value":"globalReader",
                    "displayName":"r","description":"d","allowedMemberTypes":["Application"],"isEnabled":{enabled}}}]}}"#
            ))
        };
        let made = identity.create_application(&actor(), &role(true)).await.unwrap();
        let id = made.app_id.to_string();
        let none = members(r#"{"appRoles":[]}"#);
        let refused = identity.update_application(&actor(), &id, &none).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        identity.update_application(&actor(), &id, &role(false)).await.unwrap();
        identity.update_application(&actor(), &id, &none).await.unwrap();
    }
}

#[tokio::test]
async fn the_shape_of_an_application_and_its_principal() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("Imaging client").await;
    let application = fixture.identity.find_application(&client.id()).await.unwrap();
    let redacted = |value| {
        insta::with_settings!({filters => vec![
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[guid]"),
            (r#""hint": "[^"]{3}""#, r#""hint": "[hint]""#),
        ]}, {
            insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
        });
    };
    redacted(json::application(&application, "contoso.local"));
    let principal = fixture.identity.find_service_principal(&client.id()).await.unwrap();
    redacted(json::service_principal(&principal, fixture.identity.tenant().await.unwrap().id));
}
