//! Role assignments, on every database.

use crate::{
    Identity, IdentityError, NewRoleAssignment, PrincipalKind, PrincipalRef, RoleAssignmentFilter,
    testing::{actor, fixtures},
};

fn new(role: &str, principal: &str, scope: &str) -> NewRoleAssignment {
    NewRoleAssignment {
        role: role.to_owned(),
        principal: PrincipalRef::Assignee(principal.to_owned()),
        scope: scope.to_owned(),
    }
}

#[tokio::test]
async fn a_data_role_comes_and_goes_with_its_last_assignment() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let sp = client.principal.id;
        let here = "subscriptions/s/resourceGroups/g/providers/Microsoft.HealthcareApis/workspaces/w/dicomservices/d";
        let made = identity
            .create_role_assignment(&actor(), new("DICOM Data Owner", &client.id(), here))
            .await
            .unwrap();
        assert_eq!((made.principal_id, made.principal_kind), (sp, PrincipalKind::ServicePrincipal));
        let same = identity
            .create_role_assignment(
                &actor(),
                new("58A3B984-7ADF-4C20-983A-32417C86FBC8", &sp.to_string(), here),
            )
            .await
            .unwrap();
        assert_eq!(same.id, made.id);
        identity.create_role_assignment(&actor(), new("DICOM Data Owner", &client.id(), "/")).await.unwrap();
        assert_eq!(identity.list_app_role_assignments(sp).await.unwrap().len(), 1);

        let all = RoleAssignmentFilter {
            principal: Some(PrincipalRef::Assignee(client.id())),
            ..RoleAssignmentFilter::default()
        };
        let listed = identity.list_role_assignments(&all).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].principal_name, client.id());

        let one = RoleAssignmentFilter { ids: Some(vec![made.id]), ..RoleAssignmentFilter::default() };
        assert_eq!(identity.delete_role_assignments(&actor(), &one).await.unwrap(), 1);
        assert_eq!(identity.list_app_role_assignments(sp).await.unwrap().len(), 1);
        assert_eq!(identity.delete_role_assignments(&actor(), &all).await.unwrap(), 1);
        assert!(identity.list_app_role_assignments(sp).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn unknown_roles_and_principals_are_not_found_and_nothing_is_removed_by_default() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        for wrong in [
            new("DICOM Data Emperor", "admin@contoso.local", "/"),
            new("DICOM Data Owner", "nobody@contoso.local", "/"),
            new("DICOM Data Owner", "11111111-1111-1111-1111-111111111111", "/"),
        ] {
            let refused = identity.create_role_assignment(&actor(), wrong).await;
            assert!(matches!(refused, Err(IdentityError::NotFound { .. })), "{refused:?}");
        }
        let refused = identity.delete_role_assignments(&actor(), &RoleAssignmentFilter::default()).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let user = identity
            .create_role_assignment(&actor(), new("DICOM Data Reader", "admin@contoso.local", "/"))
            .await;
        assert_eq!(user.unwrap().principal_kind, PrincipalKind::User);
    }
    assert_eq!(Identity::role_definitions(None).len(), 10);
    assert_eq!(Identity::role_definitions(Some("dicom data reader")).len(), 1);
}
