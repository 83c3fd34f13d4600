//! Groups, on every database.

use futures::FutureExt as _;
use hilum_kernel::{GroupId, ObjectId};
use serde_json::json;

use super::{BoundObjects, Group, Relation};
use crate::{
    GroupList, Identity, IdentityError, NewRoleAssignment, PrincipalRef,
    testing::{Fixture, actor, fixtures, members},
};

impl Fixture {
    async fn group(&self, name: &str) -> Group {
        self.group_of(name, r#""isAssignableToRole":false"#).await
    }

    async fn group_of(&self, name: &str, more: &str) -> Group {
        let body = format!(
            r#"{{"displayName":"{name}","mailNickname":"{name}","mailEnabled":false,"securityEnabled":true,{more}}}"#
        );
        self.identity.create_group(&actor(), &members(&body), &BoundObjects::default()).await.unwrap()
    }

    pub(crate) async fn person(&self, name: &str) -> ObjectId {
        let body = json!({
            "accountEnabled": true, "displayName": name, "mailNickname": name,
            "userPrincipalName": format!("{name}@contoso.local"),
            "passwordProfile": { "password": "a rather long passphrase" },
        });
        let user = self.identity.create_user_of(&actor(), body.as_object().unwrap()).await.unwrap();
        ObjectId::new(user.id.uuid())
    }
}

fn object(group: &Group) -> ObjectId {
    ObjectId::new(group.id.uuid())
}

async fn join(identity: &Identity, group: &Group, one: ObjectId) -> Result<(), IdentityError> {
    identity.add_to_group(&actor(), group.id, Relation::Members, &[one]).await
}

async fn names(identity: &Identity, group: GroupId, list: GroupList) -> Vec<ObjectId> {
    let all = identity.list_group(group, list, None, 100).await.unwrap();
    all.iter().map(crate::DirectoryObject::id).collect()
}

fn sorted<const N: usize>(mut ids: [ObjectId; N]) -> Vec<ObjectId> {
    ids.sort();
    ids.to_vec()
}

#[tokio::test]
async fn a_group_lives_with_members_of_every_kind() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let (ada, client) = (fixture.person("ada").await, fixture.client("client").await.principal.id);
        let (outer, inner) = (fixture.group("outer").await, fixture.group("inner").await);
        for one in [ada, client, object(&inner)] {
            join(identity, &outer, one).await.unwrap();
        }
        let again = join(identity, &outer, ada).await;
        assert!(matches!(again, Err(IdentityError::Referenced { property: "members" })), "{again:?}");
        let nobody = join(identity, &outer, ObjectId::new(uuid::Uuid::from_u128(5))).await;
        assert!(matches!(nobody, Err(IdentityError::NotFound { .. })), "{nobody:?}");
        let expected = sorted([ada, client, object(&inner)]);
        assert_eq!(names(identity, outer.id, GroupList::Members).await, expected);
        let first = identity.list_group(outer.id, GroupList::Members, None, 2).await.unwrap();
        let rest = identity.list_group(outer.id, GroupList::Members, Some(first[1].id()), 2).await.unwrap();
        assert_eq!(rest.iter().map(crate::DirectoryObject::id).collect::<Vec<_>>(), expected[2..]);

        identity.remove_from_group(&actor(), outer.id, Relation::Members, client).await.unwrap();
        let gone = identity.remove_from_group(&actor(), outer.id, Relation::Members, client).await;
        assert!(matches!(gone, Err(IdentityError::NotFound { .. })), "{gone:?}");
        assert!(identity.is_member(outer.id, ada).await.unwrap());
        assert!(!identity.is_member(outer.id, client).await.unwrap());

        identity.add_to_group(&actor(), outer.id, Relation::Owners, &[ada]).await.unwrap();
        assert_eq!(names(identity, outer.id, GroupList::Owners).await, [ada]);
        let owner = identity.add_to_group(&actor(), outer.id, Relation::Owners, &[object(&inner)]).await;
        assert!(matches!(owner, Err(IdentityError::Invalid { .. })), "{owner:?}");

        let change = members(r#"{"displayName":"renamed","description":"d"}"#);
        let changed = identity.update_group(&actor(), outer.id, &change).await.unwrap();
        assert_eq!((changed.display_name.as_str(), changed.description.as_deref()), ("renamed", Some("d")));
        identity.delete_group(&actor(), outer.id).await.unwrap();
        assert!(matches!(identity.find_group(outer.id).await, Err(IdentityError::NotFound { .. })));
        assert!(identity.groups_of(ada, true).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn nesting_goes_over_several_levels_and_circles_end() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let ada = fixture.person("ada").await;
        let (a, b, c) = (fixture.group("a").await, fixture.group("b").await, fixture.group("c").await);
        join(identity, &a, object(&b)).await.unwrap();
        join(identity, &b, object(&c)).await.unwrap();
        join(identity, &c, ada).await.unwrap();
        join(identity, &c, object(&a)).await.unwrap();
        let itself = join(identity, &a, object(&a)).await;
        assert!(matches!(itself, Err(IdentityError::Invalid { .. })), "{itself:?}");

        let all = sorted([ada, object(&a), object(&b), object(&c)]);
        assert_eq!(names(identity, a.id, GroupList::TransitiveMembers).await, all);
        assert_eq!(names(identity, a.id, GroupList::Members).await, [object(&b)]);
        let groups = async |transitive| {
            let found = identity.groups_of(ada, transitive).await.unwrap();
            found.iter().map(object).collect::<Vec<_>>()
        };
        assert_eq!(groups(true).await, sorted([object(&a), object(&b), object(&c)]));
        assert_eq!(groups(false).await, [object(&c)]);
        // A group that is deleted holds nothing together.
        identity.delete_group(&actor(), b.id).await.unwrap();
        assert_eq!(groups(true).await, sorted([object(&c)]));
    }
}

#[tokio::test]
async fn nesting_has_a_bottom() {
    let fixture = fixtures().await.remove(0);
    let mut above = fixture.group("g0").await;
    for level in 1..=21 {
        let below = fixture.group(&format!("g{level}")).await;
        let joined = join(&fixture.identity, &above, object(&below)).await;
        match level {
            1..=20 => joined.unwrap(),
            _ => assert!(matches!(joined, Err(IdentityError::Invalid { .. })), "{joined:?}"),
        }
        above = below;
    }
}

#[tokio::test]
async fn roles_come_through_role_assignable_groups_only_and_not_through_groups_in_them() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let tenant = identity.tenant().await.unwrap().id;
        let ada = fixture.person("ada").await;
        let plain = fixture.group("plain").await;
        let roles = fixture.group_of("roles", r#""isAssignableToRole":true"#).await;
        let give = async |group: &Group| {
            let principal = PrincipalRef::Assignee(group.id.to_string());
            let role = "Global Reader".to_owned();
            let new = NewRoleAssignment { role, principal, scope: "/".to_owned() };
            identity.create_role_assignment(&actor(), new).await
        };
        let refused = give(&plain).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        give(&roles).await.unwrap();
        let nested = join(identity, &roles, object(&plain)).await;
        assert!(matches!(nested, Err(IdentityError::Invalid { .. })), "{nested:?}");
        let held = async || {
            let mut tx = fixture.test_db.db.read().await.unwrap();
            crate::directory_roles::of_principal(&mut tx, tenant, ada).await.unwrap().len()
        };
        join(identity, &plain, ada).await.unwrap();
        assert_eq!(held().await, 0);
        join(identity, &roles, ada).await.unwrap();
        assert_eq!(held().await, 1);
    }
}

#[tokio::test]
async fn every_rule_of_a_group_is_held() {
    let fixture = fixtures().await.remove(0);
    let good =
        json!({"displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true});
    for (member, value) in [
        ("displayName", json!("")),
        ("displayName", json!("x".repeat(257))),
        ("displayName", json!(null)),
        ("displayName", json!(1)),
        ("mailNickname", json!("a b")),
        ("mailNickname", json!("")),
        ("mailNickname", json!("x".repeat(65))),
        ("mailEnabled", json!(true)),
        ("mailEnabled", json!("false")),
        ("securityEnabled", json!(false)),
        ("groupTypes", json!(["Unified"])),
        ("description", json!("x".repeat(1025))),
        ("description", json!("")),
        ("visibility", json!("Secret")),
        ("membershipRule", json!("user.department -eq 'x'")),
        ("uniqueName", json!("")),
        ("id", json!("x")),
        ("nonsense", json!("x")),
    ] {
        let mut body = good.as_object().unwrap().clone();
        body.insert(member.to_owned(), value.clone());
        match fixture.identity.create_group(&actor(), &body, &BoundObjects::default()).await {
            Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, member),
            other => panic!("{member} {value}: {other:?}"),
        }
    }
    for missing in ["displayName", "mailNickname", "mailEnabled", "securityEnabled"] {
        let mut body = good.as_object().unwrap().clone();
        body.remove(missing);
        let refused = fixture.identity.create_group(&actor(), &body, &BoundObjects::default()).await;
        assert!(
            matches!(&refused, Err(IdentityError::Invalid { property, .. }) if property == missing),
            "{missing}: {refused:?}"
        );
    }
    let unique = r#""uniqueName":"Only""#;
    let group = fixture.group_of("unique", unique).await;
    let body = members(
        r#"{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true,"uniqueName":"ONLY"}"#,
    );
    let twice = fixture.identity.create_group(&actor(), &body, &BoundObjects::default()).await;
    assert!(matches!(twice, Err(IdentityError::Conflict { property: "uniqueName" })), "{twice:?}");
    for change in [r#"{"uniqueName":"Other"}"#, r#"{"isAssignableToRole":true}"#] {
        let refused = fixture.identity.update_group(&actor(), group.id, &members(change)).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{change}: {refused:?}");
    }
}

#[tokio::test]
async fn data_roles_come_over_several_groups_and_app_roles_over_one() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await;
        let (inner, outer) = (fixture.group("inner").await, fixture.group("outer").await);
        join(identity, &inner, client.principal.id).await.unwrap();
        join(identity, &outer, object(&inner)).await.unwrap();
        let role = NewRoleAssignment {
            role: "DICOM Data Reader".to_owned(),
            principal: PrincipalRef::Assignee(outer.id.to_string()),
            scope: "/".to_owned(),
        };
        identity.create_role_assignment(&actor(), role).await.unwrap();
        // An app role of the same resource, given to the outer group alone.
        let dicom = identity.find_service_principal(&crate::DICOM_APP_ID.to_string()).await.unwrap();
        let owner = "58a3b984-7adf-4c20-983a-32417c86fbc8".parse().unwrap();
        let tenant = identity.tenant().await.unwrap().id;
        let assignment = crate::AppRoleAssignment {
            id: "assignment".to_owned(),
            app_role_id: owner,
            principal_id: object(&outer),
            principal_kind: crate::PrincipalKind::Group,
            resource_id: dicom.id,
            created_at: crate::timestamp(0),
        };
        identity
            .0
            .db
            .write((tenant, assignment), |tx, (tenant, assignment)| {
                crate::grants::insert_assignment(tx, *tenant, assignment).boxed()
            })
            .await
            .unwrap();
        let roles = async || {
            let secret = hilum_kernel::Secret::new(client.secret().to_owned());
            let asked = "https://dicom.healthcareapis.azure.com";
            let app_id = client.application.app_id;
            let credential = crate::ClientCredential::Secret(secret);
            let token = identity.acquire_token_for_client(app_id, credential, asked).await.unwrap();
            let payload = token.token.expose().split('.').nth(1).unwrap();
            let payload = hilum_jose::base64url_decode(payload).unwrap();
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["roles"].clone()
        };
        assert_eq!(roles().await, json!(["DICOM Data Reader"]));
        join(identity, &outer, client.principal.id).await.unwrap();
        assert_eq!(roles().await, json!(["DICOM Data Owner", "DICOM Data Reader"]));
        identity.delete_group(&actor(), outer.id).await.unwrap();
        assert_eq!(roles().await, json!(null));
    }
}

#[tokio::test]
async fn a_deleted_service_principal_is_in_no_group_and_comes_back_into_none() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let client = fixture.client("client").await.principal.id;
        let roles = fixture.group_of("roles", r#""isAssignableToRole":true"#).await;
        join(identity, &roles, client).await.unwrap();
        identity.add_to_group(&actor(), roles.id, Relation::Owners, &[client]).await.unwrap();
        let related = async || {
            let mut tx = fixture.test_db.db.read().await.unwrap();
            let member = super::has_member(&mut tx, roles.id, client).await.unwrap();
            (member, super::owns(&mut tx, roles.id, client).await.unwrap())
        };
        assert_eq!(related().await, (true, true));
        identity.delete_service_principal(&actor(), client).await.unwrap();
        assert_eq!(related().await, (false, false));
        identity.restore_deleted(&actor(), client).await.unwrap();
        assert_eq!(related().await, (false, false));
    }
}
