//! Operations on registrations, on every database.

use futures::FutureExt as _;
use hilum_kernel::AppId;

use crate::{
    ApplicationFilter, IdentityError, NewSecret, Permission, PermissionKind, Target, Upserted, json,
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
async fn changes_at_the_same_time_all_count() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let made = identity.create_application(&actor(), &members(r#"{"displayName":"a"}"#)).await.unwrap();
        let target = || Target::from(made.object_id);
        let changes = (0..8).map(|number| {
            let resource = AppId::new(uuid::Uuid::from_u128(number + 1));
            let permission = Permission { id: uuid::Uuid::from_u128(7), kind: PermissionKind::Role };
            async move { identity.add_permissions(&actor(), target(), resource, &[permission]).await }
        });
        futures::future::try_join_all(changes).await.unwrap();
        let found = identity.find_application(target()).await.unwrap();
        assert_eq!(found.properties.required_resource_access.len(), 8);
        assert_eq!(found.version, made.version + 8);

        // Of two that read the same version one is told.
        let notes = |text: &str| members(&format!(r#"{{"notes":"{text}"}}"#));
        let read = target().if_match(Some(found.version));
        identity.update_application(&actor(), read.clone(), &notes("first")).await.unwrap();
        let second = identity.update_application(&actor(), read.clone(), &notes("second")).await;
        assert!(matches!(second, Err(IdentityError::Changed)), "{second:?}");
        let gone = identity.delete_application(&actor(), read).await;
        assert!(matches!(gone, Err(IdentityError::Changed)), "{gone:?}");
        let found = identity.find_application(target()).await.unwrap();
        assert_eq!(found.properties.notes.as_deref(), Some("first"));
    }
}

#[tokio::test]
async fn a_unique_name_makes_or_changes() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let named = |name: &str| members(&format!(r#"{{"displayName":"{name}"}}"#));
        let (first, how) =
            identity.upsert_application(&actor(), "Imaging/1", &named("one"), None).await.unwrap();
        assert_eq!(how, Upserted::Created);
        let (second, how) =
            identity.upsert_application(&actor(), "imaging/1", &named("two"), None).await.unwrap();
        assert_eq!(how, Upserted::Updated);
        assert_eq!((second.object_id, second.properties.display_name.as_str()), (first.object_id, "two"));
        let other = members(r#"{"uniqueName":"other"}"#);
        let refused = identity.update_application(&actor(), first.object_id, &other).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn rows_from_before_are_indexed_at_the_next_start() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let tagged =
            members(r#"{"displayName":"a","tags":["HideApp"],"signInAudience":"AzureADMultipleOrgs"}"#);
        let made = identity.create_application(&actor(), &tagged).await.unwrap();
        let old = fixture.test_db.db.write((), |tx, ()| {
            async move {
                for statement in [
                    "UPDATE application SET version = 0, sign_in_audience = 'AzureADMyOrg'",
                    "DELETE FROM application_tag",
                ] {
                    tx.execute(statement, &[]).await?;
                }
                Ok::<_, IdentityError>(())
            }
            .boxed()
        });
        old.await.unwrap();
        identity.init(crate::testing::request()).await.unwrap();
        let mut tx = fixture.test_db.db.read().await.unwrap();
        let row = tx
            .fetch_optional(
                "SELECT a.sign_in_audience, t.tag_folded FROM application a
                JOIN application_tag t ON t.application_id = a.object_id WHERE a.object_id = $1 AND a.version = 1",
                &[made.object_id.into()],
            )
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (row.text(0).unwrap().as_str(), row.text(1).unwrap().as_str()),
            ("AzureADMultipleOrgs", "hideapp")
        );
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
