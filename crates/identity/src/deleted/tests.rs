//! Deleted objects, on every database.

use hilum_storage::jobs::JobHandler as _;
use jiff::SignedDuration;

use super::{DeletedKind, PurgeDeleted};
use crate::{
    ApplicationFilter, ClientCredential, Holder, IdentityError, NewSecret,
    testing::{actor, fixtures, members},
};

#[tokio::test]
async fn a_deleted_application_is_gone_reserved_and_comes_back_without_grants() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        let id = client.application.object_id;
        let uri = format!("api://{}", client.id());
        let change = members(&format!(r#"{{"identifierUris":["{uri}"],"uniqueName":"imaging"}}"#));
        identity.update_application(&actor(), &client.id(), &change).await.unwrap();
        let grant = crate::NewPermissionGrant {
            client: client.id(),
            resource: crate::DICOM_APP_ID.to_string(),
            scopes: vec!["Dicom.Read".to_owned()],
            principal: None,
        };
        identity.grant_permissions(&actor(), grant).await.unwrap();
        identity.delete_application(&actor(), &client.id()).await.unwrap();

        for name in [client.id(), id.to_string(), uri.clone()] {
            let gone = identity.find_application(&name).await;
            assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{name}: {gone:?}");
        }
        assert!(identity.find_service_principal(&client.id()).await.is_err());
        let named = ApplicationFilter::DisplayName("Imaging".to_owned());
        assert!(identity.list_applications(&named, None).await.unwrap().is_empty());
        let secret = ClientCredential::Secret(client.secret.value.clone());
        let scope = "https://dicom.healthcareapis.azure.com/.default";
        let token = identity.acquire_token_for_client(client.application.app_id, secret, scope).await;
        assert!(token.is_err(), "{token:?}");
        // What it was called stays taken.
        let second = members(r#"{"displayName":"x","uniqueName":"Imaging"}"#);
        let second = identity.create_application(&actor(), &second).await;
        assert!(matches!(second, Err(IdentityError::Conflict { property: "uniqueName" })), "{second:?}");

        let kept = identity.list_deleted(DeletedKind::Application).await.unwrap();
        assert_eq!(kept.iter().map(|object| object.id).collect::<Vec<_>>(), [id]);
        let shown = identity.show_deleted(&kept[0]).await.unwrap();
        assert_eq!(shown["deletedDateTime"], "2026-01-31T12:34:56Z");
        assert_eq!(shown["appId"], client.id());
        assert_eq!(shown["passwordCredentials"].as_array().unwrap().len(), 1);
        assert_eq!(identity.list_deleted(DeletedKind::ServicePrincipal).await.unwrap().len(), 1);

        assert_eq!(identity.restore_deleted(&actor(), id).await.unwrap(), DeletedKind::Application);
        let back = identity.find_application(&uri).await.unwrap();
        assert_eq!(back.secrets, std::slice::from_ref(&client.secret.info));
        assert_eq!(identity.find_service_principal(&client.id()).await.unwrap().id, client.principal.id);
        assert!(identity.list_grants(Some(&client.id())).await.unwrap().is_empty());
        assert!(identity.list_deleted(DeletedKind::ServicePrincipal).await.unwrap().is_empty());
        let again = identity.restore_deleted(&actor(), id).await;
        assert!(matches!(again, Err(IdentityError::NotFound { .. })), "{again:?}");
    }
}

#[tokio::test]
async fn thirty_days_later_it_is_gone_for_good() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        let name = members(r#"{"uniqueName":"imaging"}"#);
        identity.update_application(&actor(), &client.id(), &name).await.unwrap();
        identity.delete_application(&actor(), &client.id()).await.unwrap();
        fixture.clock.advance(SignedDuration::from_hours(30 * 24) - SignedDuration::from_millis(1));
        assert_eq!(identity.purge_deleted().await.unwrap(), 0);
        fixture.clock.advance(SignedDuration::from_millis(1));
        assert_eq!(PurgeDeleted(identity.clone()).kind(), PurgeDeleted::SCHEDULE.kind);
        assert!(identity.purge_deleted().await.unwrap() > 0);
        assert_eq!(identity.purge_deleted().await.unwrap(), 0);
        assert!(identity.find_deleted(client.application.object_id).await.is_err());
        assert!(identity.find_deleted(client.principal.id).await.is_err());
        let free = members(r#"{"displayName":"x","uniqueName":"imaging"}"#);
        identity.create_application(&actor(), &free).await.unwrap();
        let mut tx = fixture.test_db.db.read().await.unwrap();
        assert!(tx.fetch_all("SELECT key_id FROM client_secret LIMIT 1", &[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_deleted_can_be_deleted_for_good_at_once() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        let id = client.application.object_id;
        let present = identity.delete_permanently(&actor(), id).await;
        assert!(matches!(present, Err(IdentityError::NotFound { .. })), "{present:?}");
        identity.delete_application(&actor(), &client.id()).await.unwrap();
        identity.delete_permanently(&actor(), id).await.unwrap();
        assert!(identity.restore_deleted(&actor(), id).await.is_err());
        assert!(fixture.trail().await.iter().any(|line| line.ends_with("deleted permanently")));
    }
}

#[tokio::test]
async fn a_principal_comes_back_only_to_its_application() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        identity.delete_service_principal(&actor(), &client.id()).await.unwrap();
        identity.delete_application(&actor(), &client.id()).await.unwrap();
        let orphan = identity.restore_deleted(&actor(), client.principal.id).await;
        assert!(matches!(orphan, Err(IdentityError::Invalid { .. })), "{orphan:?}");
        identity.restore_deleted(&actor(), client.application.object_id).await.unwrap();
        // It was deleted by itself, so it does not come with the application.
        assert!(identity.find_service_principal(&client.id()).await.is_err());
        identity.create_service_principal(&actor(), &client.id()).await.unwrap();
        let second = identity.restore_deleted(&actor(), client.principal.id).await;
        assert!(matches!(second, Err(IdentityError::Conflict { .. })), "{second:?}");
    }
}

#[tokio::test]
async fn an_application_does_not_bring_back_what_it_may_not_control() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        let other = fixture.client("Other").await;
        identity.add_secret(&actor(), &client.id(), NewSecret::default()).await.unwrap();
        identity.delete_application(&actor(), &client.id()).await.unwrap();
        // Nothing comes back that it would hold, so this one may.
        let acting = identity.acting(Holder::Application(other.principal.id));
        acting.restore_deleted(&actor(), client.application.object_id).await.unwrap();
    }
}
