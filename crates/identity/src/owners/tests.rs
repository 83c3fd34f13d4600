//! Owners, on every database.

use hilum_kernel::ObjectId;

use super::{OwnedKind, owns};
use crate::{
    DirectoryObject, IdentityError, Owners, Target,
    testing::{actor, fixtures, members},
};

#[tokio::test]
async fn owners_come_once_and_go() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("Imaging").await;
        let keeper = fixture.client("Keeper").await;
        let user = identity.find_user("admin@contoso.local").await.unwrap();
        let user = ObjectId::new(user.id.uuid());
        for (kind, object) in [
            (OwnedKind::Application, client.application.object_id),
            (OwnedKind::ServicePrincipal, client.principal.id),
        ] {
            let name = object.to_string();
            for owner in [user, keeper.principal.id] {
                identity.add_owner(&actor(), kind, &name, owner).await.unwrap();
                let twice = identity.add_owner(&actor(), kind, &name, owner).await;
                assert!(matches!(twice, Err(IdentityError::Referenced { property: "owners" })), "{twice:?}");
            }
            let nobody = identity.add_owner(&actor(), kind, &name, client.application.object_id).await;
            assert!(matches!(nobody, Err(IdentityError::NotFound { .. })), "{nobody:?}");
            let all = identity.list_owners(kind, &name).await.unwrap();
            assert_eq!(all.len(), 2);
            assert!(all.iter().any(
                |owner| matches!(owner, DirectoryObject::User(found) if found.id.uuid() == user.uuid())
            ));
            assert!(all.iter().any(
                |owner| matches!(owner, DirectoryObject::ServicePrincipal(found) if found.id == keeper.principal.id)
            ));
            let mut tx = fixture.test_db.db.read().await.unwrap();
            assert!(owns(&mut tx, user, object).await.unwrap());
            assert!(!owns(&mut tx, user, keeper.application.object_id).await.unwrap());
            drop(tx);
            identity.remove_owner(&actor(), kind, &name, user).await.unwrap();
            let gone = identity.remove_owner(&actor(), kind, &name, user).await;
            assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{gone:?}");
        }
        // A deleted owner is not shown, and is there again when it comes back.
        identity.delete_service_principal(&actor(), &keeper.id()).await.unwrap();
        let name = client.id();
        assert!(identity.list_owners(OwnedKind::Application, &name).await.unwrap().is_empty());
        identity.restore_deleted(&actor(), keeper.principal.id).await.unwrap();
        assert_eq!(identity.list_owners(OwnedKind::Application, &name).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn only_owners_reach_what_only_owners_reach() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let keeper = fixture.client("Keeper").await;
        let owner = keeper.principal.id;
        let own = members(r#"{"displayName":"Own"}"#);
        let made = identity
            .create_application_for(&actor(), &own, Owners { creator: Some(owner), others: Vec::new() })
            .await
            .unwrap();
        let change = members(r#"{"notes":"mine"}"#);
        let target = |id: ObjectId| Target::from(id).owned_by(Some(owner));
        identity.update_application(&actor(), target(made.object_id), &change).await.unwrap();
        let strange = target(keeper.application.object_id);
        let denied = identity.update_application(&actor(), strange.clone(), &change).await;
        assert!(matches!(denied, Err(IdentityError::Denied(_))), "{denied:?}");
        let denied = identity.delete_application(&actor(), strange.clone()).await;
        assert!(matches!(denied, Err(IdentityError::Denied(_))), "{denied:?}");
        let denied = identity.find_application(strange).await;
        assert!(matches!(denied, Err(IdentityError::Denied(_))), "{denied:?}");
        identity.delete_application(&actor(), target(made.object_id)).await.unwrap();
    }
}
