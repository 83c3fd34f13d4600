//! Grants, on every database.

use crate::{
    ConsentKind, DICOM_APP_ID, IdentityError, NewPermissionGrant, Permission, PermissionKind,
    testing::{actor, fixtures},
};

const READ_WRITE: &str = "e69ab058-b8ae-4c0f-b687-5d97888ddccb";
const OWNER: &str = "58a3b984-7adf-4c20-983a-32417c86fbc8";

#[tokio::test]
async fn admin_consent_grants_what_is_asked_for_once() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let asked = [
            Permission { id: READ_WRITE.parse().unwrap(), kind: PermissionKind::Scope },
            Permission { id: OWNER.parse().unwrap(), kind: PermissionKind::Role },
            Permission { id: uuid::Uuid::from_u128(1), kind: PermissionKind::Role },
        ];
        identity.add_permissions(&actor(), &client.id(), DICOM_APP_ID, &asked).await.unwrap();
        for _ in 0..2 {
            identity.admin_consent(&actor(), &client.id()).await.unwrap();
        }
        let grants = identity.list_grants(Some(&client.id())).await.unwrap();
        assert_eq!(grants.len(), 1);
        assert_eq!(
            (grants[0].scope.as_str(), grants[0].consent),
            ("Dicom.ReadWrite", ConsentKind::AllPrincipals)
        );
        let roles = identity.list_app_role_assignments(client.principal.id).await.unwrap();
        assert_eq!(roles.len(), 1);
        assert_eq!(roles[0].app_role_id.to_string(), OWNER);

        identity.delete_grant(&actor(), &grants[0].id).await.unwrap();
        assert!(identity.list_grants(None).await.unwrap().is_empty());
        identity.delete_service_principal(&actor(), &client.id()).await.unwrap();
        assert!(identity.list_app_role_assignments(client.principal.id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn delegated_permissions_are_the_resources_own() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let new = |scopes: &[&str]| NewPermissionGrant {
            client: client.id(),
            resource: "https://dicom.healthcareapis.azure.com".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            principal: None,
        };
        let one = identity.grant_permissions(&actor(), new(&["Dicom.Read"])).await.unwrap();
        let two =
            identity.grant_permissions(&actor(), new(&["Dicom.Read", "Dicom.ReadWrite"])).await.unwrap();
        assert_eq!(one.id, two.id);
        assert_eq!(identity.list_grants(Some(&client.id())).await.unwrap(), [two]);
        for wrong in [new(&["Dicom.Delete"]), new(&[])] {
            let refused = identity.grant_permissions(&actor(), wrong).await;
            assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        }
    }
}
