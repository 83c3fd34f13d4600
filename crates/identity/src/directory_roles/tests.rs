//! Directory roles, on every database.

use hilum_kernel::Secret;

use super::{DirectoryRole, of_user};
use crate::{
    Identity, NewRoleAssignment, NewUser, PrincipalRef, RoleAssignmentFilter, RoleKind,
    testing::{actor, fixtures},
};

#[test]
fn every_directory_role_has_a_definition_and_the_other_way_round() {
    let mut defined: Vec<_> = Identity::role_definitions(None)
        .into_iter()
        .filter(|definition| definition.kind == RoleKind::Directory)
        .map(|definition| definition.id)
        .collect();
    let mut known: Vec<_> = DirectoryRole::ALL.into_iter().map(DirectoryRole::id).collect();
    defined.sort();
    known.sort();
    assert_eq!(defined, known);
    let only = super::ASSIGNMENTS.only.unwrap();
    assert!(
        known.iter().all(|id| only.contains(&format!("'{id}'"))),
        "the list's condition names all of them"
    );
}

#[tokio::test]
async fn a_users_roles_come_and_go_with_assignments() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let tenant = identity.tenant().await.unwrap().id;
        let new = NewUser {
            user_principal_name: "ada@contoso.local".to_owned(),
            display_name: "Ada".to_owned(),
            mail_nickname: None,
            password: Secret::new("a longer password".to_owned()),
            force_change_password_next_sign_in: false,
        };
        let ada = identity.create_user(&actor(), new).await.unwrap();
        let roles = async || {
            let mut tx = fixture.test_db.db.read().await.unwrap();
            of_user(&mut tx, tenant, ada.id).await.unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(roles().await, []);
        let principal = PrincipalRef::Assignee(ada.id.to_string());
        for role in ["Global Reader", "User Administrator", "DICOM Data Owner"] {
            let new = NewRoleAssignment {
                role: role.to_owned(),
                principal: principal.clone(),
                scope: "/".to_owned(),
            };
            identity.create_role_assignment(&actor(), new).await.unwrap();
        }
        assert_eq!(roles().await, [DirectoryRole::GlobalReader, DirectoryRole::UserAdministrator]);
        let all = RoleAssignmentFilter { principal: Some(principal), ..RoleAssignmentFilter::default() };
        identity.delete_role_assignments(&actor(), &all).await.unwrap();
        assert_eq!(roles().await, []);
    }
}
