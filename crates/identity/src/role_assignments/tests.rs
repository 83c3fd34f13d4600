//! Role assignments, on every database.

use crate::{
    ConfiguredRole, Holder, Identity, IdentityError, NewRoleAssignment, NewRoleDefinition, PrincipalKind,
    PrincipalRef, RoleAssignmentFilter, RoleOrigin,
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

fn ingest() -> NewRoleDefinition {
    NewRoleDefinition {
        name: "DICOM Ingest".to_owned(),
        description: "Stores and reads.".to_owned(),
        data_actions: vec![
            "Microsoft.HealthcareApis/workspaces/dicomservices/resources/write".to_owned(),
            "read".to_owned(),
        ],
        ..NewRoleDefinition::default()
    }
}

#[tokio::test]
async fn a_role_of_ones_own_is_defined_assigned_and_removed() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let id = uuid::Uuid::from_u128(77);
        let made = identity.put_role_definition(&actor(), id, ingest()).await.unwrap();
        assert_eq!(
            (made.origin, made.assignable_scopes.as_slice()),
            (RoleOrigin::Custom, &["/".to_owned()][..])
        );
        let named = identity.list_role_definitions(Some("dicom ingest")).await.unwrap();
        assert_eq!(named.as_slice(), std::slice::from_ref(&made));
        let by_id = identity.list_role_definitions(Some(&id.to_string())).await.unwrap();
        assert_eq!(by_id, named);
        assert_eq!(identity.list_role_definitions(None).await.unwrap().len(), 11);
        assert_eq!(identity.data_roles().await.unwrap(), [made]);

        let client = fixture.client("client").await;
        let assigned =
            identity.create_role_assignment(&actor(), new("DICOM Ingest", &client.id(), "/")).await.unwrap();
        assert_eq!(assigned.role.id, id);
        let roles = identity.list_app_role_assignments(client.principal.id).await.unwrap();
        assert_eq!(roles[0].app_role_id.uuid(), id);

        // Changing it keeps its assignments.
        let fewer = NewRoleDefinition { not_data_actions: vec!["read".to_owned()], ..ingest() };
        identity.put_role_definition(&actor(), id, fewer).await.unwrap();
        let listed = identity.list_role_assignments(&RoleAssignmentFilter::default()).await.unwrap();
        let assignment = listed.iter().find(|one| one.id == assigned.id).unwrap();
        assert_eq!(assignment.role.not_data_actions, ["read"]);

        let refused = identity.delete_role_definition(&actor(), "DICOM Ingest").await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let filter = RoleAssignmentFilter { ids: Some(vec![assigned.id]), ..RoleAssignmentFilter::default() };
        identity.delete_role_assignments(&actor(), &filter).await.unwrap();
        identity.delete_role_definition(&actor(), "DICOM Ingest").await.unwrap();
        let gone = identity.delete_role_definition(&actor(), "DICOM Ingest").await;
        assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{gone:?}");
        let dicom = identity.find_application(&crate::DICOM_APP_ID.to_string()).await.unwrap();
        assert_eq!(dicom.properties.app_roles.len(), 3);
    }
}

#[tokio::test]
async fn what_a_role_of_ones_own_may_not_be() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let id = uuid::Uuid::from_u128(77);
        identity.put_role_definition(&actor(), id, ingest()).await.unwrap();
        let other = uuid::Uuid::from_u128(78);
        let with = |change: fn(&mut NewRoleDefinition)| {
            let mut new = NewRoleDefinition { name: "Another".to_owned(), ..ingest() };
            change(&mut new);
            new
        };
        for (wrong, named) in [
            (with(|new| new.name.clear()), "roleName"),
            (with(|new| new.name = " x".to_owned()), "roleName"),
            (with(|new| new.name = "x".repeat(121)), "roleName"),
            (with(|new| new.name = "dicom data owner".to_owned()), "roleName"),
            (with(|new| new.name = "58a3b984-7adf-4c20-983a-32417c86fbc8".to_owned()), "roleName"),
            (with(|new| new.description = "x".repeat(1025)), "description"),
            (with(|new| new.data_actions.clear()), "dataActions"),
            (with(|new| new.data_actions.push("reed".to_owned())), "dataActions"),
            (with(|new| new.not_data_actions.push("Microsoft.Storage/read".to_owned())), "notDataActions"),
            (with(|new| new.assignable_scopes = vec!["/".to_owned(); 101]), "assignableScopes"),
        ] {
            match identity.put_role_definition(&actor(), other, wrong).await {
                Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, named),
                made => panic!("{named}: {made:?}"),
            }
        }
        let taken = NewRoleDefinition { name: "dicom INGEST".to_owned(), ..ingest() };
        let refused = identity.put_role_definition(&actor(), other, taken).await;
        assert!(matches!(refused, Err(IdentityError::Conflict { property: "roleName" })), "{refused:?}");
        let built_in = "e89c7a3c-2f64-4fa1-a847-3e4c9ba4283a".parse().unwrap();
        let refused = identity.put_role_definition(&actor(), built_in, with(|_| ())).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");

        // Who does not own the data defines nothing, not even with the right to manage the directory.
        let client = fixture.client("client").await;
        let acting = identity.acting(Holder::Application(client.principal.id));
        let refused = acting.put_role_definition(&actor(), id, ingest()).await;
        assert!(matches!(refused, Err(IdentityError::Denied(_))), "{refused:?}");
        let refused = acting.delete_role_definition(&actor(), "DICOM Ingest").await;
        assert!(matches!(refused, Err(IdentityError::Denied(_))), "{refused:?}");
        identity.create_role_assignment(&actor(), new("DICOM Data Owner", &client.id(), "/")).await.unwrap();
        acting.put_role_definition(&actor(), id, ingest()).await.unwrap();
    }
}

#[tokio::test]
async fn roles_of_the_configuration_come_and_go_with_it() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let role = |name: &str| ConfiguredRole {
            name: name.to_owned(),
            data_actions: vec!["*".to_owned()],
            not_data_actions: vec!["delete".to_owned()],
        };
        identity.configure_roles(&[role("globalReader"), role("globalAdmin")]).await.unwrap();
        let before = fixture.trail().await;
        identity.configure_roles(&[role("globalReader"), role("globalAdmin")]).await.unwrap();
        assert_eq!(fixture.trail().await, before);
        let client = fixture.client("client").await;
        identity.create_role_assignment(&actor(), new("globalAdmin", &client.id(), "/")).await.unwrap();

        let [first, ..] = &identity.list_role_definitions(Some("globalAdmin")).await.unwrap()[..] else {
            panic!("not defined")
        };
        assert_eq!(first.origin, RoleOrigin::Configured);
        for refused in [
            identity.delete_role_definition(&actor(), "globalAdmin").await.map(drop),
            identity
                .put_role_definition(
                    &actor(),
                    first.id,
                    NewRoleDefinition { name: "x".to_owned(), ..ingest() },
                )
                .await
                .map(drop),
        ] {
            assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        }
        // No longer configured: gone, with whoever had it.
        identity.configure_roles(&[role("globalReader")]).await.unwrap();
        assert!(identity.list_role_definitions(Some("globalAdmin")).await.unwrap().is_empty());
        assert!(identity.list_app_role_assignments(client.principal.id).await.unwrap().is_empty());
        // The configuration may repeat a built-in name; the data service then gives what it says.
        identity.configure_roles(&[role("DICOM Data Reader")]).await.unwrap();
        assert!(identity.data_roles().await.unwrap().is_empty());

        identity.put_role_definition(&actor(), uuid::Uuid::from_u128(1), ingest()).await.unwrap();
        let refused = identity.configure_roles(&[role("DICOM Ingest")]).await;
        assert!(matches!(refused, Err(IdentityError::Conflict { .. })), "{refused:?}");
    }
}
