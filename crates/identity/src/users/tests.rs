//! Users, on every database.

use futures::FutureExt as _;
use hilum_kernel::Secret;

use crate::{
    IdentityError, MustChange, NewUser, UserChange, UserFilter,
    query::{Comparison, Expr, ListQuery, Literal},
    testing::{actor, fixtures, members},
};

fn ada(name: &str) -> NewUser {
    NewUser {
        user_principal_name: name.to_owned(),
        display_name: "Ada".to_owned(),
        mail_nickname: None,
        password: Secret::new("a long password".to_owned()),
        force_change_password_next_sign_in: false,
    }
}

#[tokio::test]
async fn a_user_lives() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let made = identity.create_user(&actor(), ada("Ada@contoso.local")).await.unwrap();
        assert_eq!(made.mail_nickname, "Ada");
        let again = identity.create_user(&actor(), ada("ada@CONTOSO.local")).await;
        assert!(matches!(again, Err(IdentityError::Conflict { property: "userPrincipalName" })), "{again:?}");

        let check =
            |password: &str| identity.check_password("ada@contoso.local", Secret::new(password.to_owned()));
        assert_eq!(check("a long password").await.unwrap(), Some(MustChange::No));
        assert_eq!(check("another password").await.unwrap(), None);

        let change = UserChange {
            password: Some(Secret::new("another password".to_owned())),
            account_enabled: Some(false),
            ..UserChange::default()
        };
        let changed = identity.update_user(&actor(), &made.id.to_string(), change).await.unwrap();
        assert!(!changed.account_enabled);
        assert_eq!(check("another password").await.unwrap(), Some(MustChange::No));
        assert_eq!(
            identity.list_users(&UserFilter::DisplayNamePrefix("AD".to_owned()), None).await.unwrap().len(),
            2
        );

        identity.delete_user(&actor(), "ada@contoso.local").await.unwrap();
        assert!(matches!(identity.find_user("ada@contoso.local").await, Err(IdentityError::NotFound { .. })));
    }
}

#[tokio::test]
async fn users_of_before_are_found_by_what_became_searchable() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let made = identity.create_user(&actor(), ada("ada@contoso.local")).await.unwrap();
        let change = members(r#"{"department": "Radiology"}"#);
        identity.change_user_of(&actor(), &made.id.to_string(), &change).await.unwrap();
        fixture
            .test_db
            .db
            .write((), |tx, ()| {
                let forget = "UPDATE directory_user SET searchable = 0, department_folded = NULL";
                async move { tx.execute(forget, &[]).await.map(drop) }.boxed()
            })
            .await
            .unwrap();
        let found = async || {
            let filter = Some(Expr::Compare {
                path: "department".to_owned(),
                operator: Comparison::Equal,
                value: Literal::Text("radiology".to_owned()),
            });
            identity.page_users(&ListQuery { filter, ..ListQuery::default() }).await.unwrap().items.len()
        };
        assert_eq!(found().await, 0);
        identity.index_old_users().await.unwrap();
        assert_eq!(found().await, 1);
    }
}

#[tokio::test]
async fn names_and_passwords_follow_the_rules() {
    let fixture = fixtures().await.remove(0);
    for name in ["ada", "ada@other.local", "@contoso.local", "a b@contoso.local", "a.@contoso.local"] {
        let refused = fixture.identity.create_user(&actor(), ada(name)).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{name}: {refused:?}");
    }
    let short = NewUser { password: Secret::new("short".to_owned()), ..ada("eve@contoso.local") };
    assert!(fixture.identity.create_user(&actor(), short).await.is_err());
}

#[tokio::test]
async fn graphs_body_makes_a_user_and_changes_it() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let body = members(
            r##"{"@odata.type":"#microsoft.graph.user","accountEnabled":true,"displayName":"Grace Hopper",
                "mailNickname":"grace","userPrincipalName":"grace@contoso.local","jobTitle":"Rear admiral",
                "businessPhones":["+1 555"],"usageLocation":"US","employeeId":"E7",
                "passwordProfile":{"@odata.type":"x","password":"xWwvJ]6NMw+bWH-d","forceChangePasswordNextSignIn":false}}"##,
        );
        let grace = identity.create_user_of(&actor(), &body).await.unwrap();
        let id = grace.id.to_string();
        assert_eq!(identity.find_user(&id).await.unwrap(), grace);
        let password = Secret::new("xWwvJ]6NMw+bWH-d".to_owned());
        assert_eq!(identity.check_password(&id, password.clone()).await.unwrap(), Some(MustChange::No));
        let shape = crate::users::shape(&grace, "contoso.local");
        insta::with_settings!({ filters => vec![(crate::testing::GUID, "[guid]")] }, {
            insta::assert_json_snapshot!("user", shape);
        });

        fixture.clock.advance(jiff::SignedDuration::from_secs(60));
        let new = Secret::new("Another-long-1".to_owned());
        for (current, wanted, property) in [
            ("wrong", "Another-long-1", "currentPassword"),
            ("xWwvJ]6NMw+bWH-d", "short", "passwordProfile.password"),
            ("xWwvJ]6NMw+bWH-d", "xWwvJ]6NMw+bWH-d", "newPassword"),
            ("xWwvJ]6NMw+bWH-d", "Grace-of-1906", "passwordProfile.password"),
        ] {
            let (current, wanted) = (Secret::new(current.to_owned()), Secret::new(wanted.to_owned()));
            match identity.change_password(&actor(), grace.id, current, wanted).await {
                Err(IdentityError::Invalid { property: named, .. }) => assert_eq!(named, property),
                other => panic!("{property}: {other:?}"),
            }
        }
        identity.change_password(&actor(), grace.id, password, new.clone()).await.unwrap();
        assert_eq!(identity.check_password(&id, new).await.unwrap(), Some(MustChange::No));
        let changed = identity.find_user(&id).await.unwrap();
        assert!(changed.sessions_valid_from > grace.sessions_valid_from);

        fixture.clock.advance(jiff::SignedDuration::from_secs(60));
        identity.revoke_sign_in_sessions(&actor(), &id).await.unwrap();
        assert!(identity.find_user(&id).await.unwrap().sessions_valid_from > changed.sessions_valid_from);
    }
}

#[tokio::test]
async fn every_rule_of_a_user_is_held() {
    use serde_json::json;
    let fixture = fixtures().await.remove(0);
    let good = json!({
        "accountEnabled": true, "displayName": "d", "mailNickname": "n", "userPrincipalName": "n@contoso.local",
        "passwordProfile": {"password": "a rather long passphrase"},
    });
    let good = good.as_object().unwrap();
    for (member, value, named) in [
        ("displayName", json!(""), "displayName"),
        ("displayName", json!("x".repeat(257)), "displayName"),
        ("displayName", json!(7), "displayName"),
        ("accountEnabled", json!("true"), "accountEnabled"),
        ("mailNickname", json!("a@b"), "mailNickname"),
        ("userPrincipalName", json!("n@fabrikam.com"), "userPrincipalName"),
        ("userPrincipalName", json!("n..n@contoso.local"), "userPrincipalName"),
        ("userPrincipalName", json!(format!("{}@contoso.local", "x".repeat(65))), "userPrincipalName"),
        ("mail", json!("no address"), "mail"),
        ("otherMails", json!(["x"]), "otherMails"),
        ("employeeHireDate", json!("yesterday"), "employeeHireDate"),
        ("otherMails", json!("x@y.z"), "otherMails"),
        ("businessPhones", json!(["1", "2"]), "businessPhones"),
        ("jobTitle", json!("x".repeat(129)), "jobTitle"),
        ("department", json!("x".repeat(65)), "department"),
        ("usageLocation", json!("Germany"), "usageLocation"),
        ("ageGroup", json!("Old"), "ageGroup"),
        ("passwordPolicies", json!("NoPassword"), "passwordPolicies"),
        ("employeeId", json!("x".repeat(17)), "employeeId"),
        ("employeeOrgData", json!({"nonsense": "x"}), "employeeOrgData"),
        ("userType", json!("Alien"), "userType"),
        ("passwordProfile", json!({"password": "short"}), "passwordProfile.password"),
        ("passwordProfile", json!({"password": 7}), "passwordProfile.password"),
        ("passwordProfile", json!({"nonsense": 7}), "passwordProfile.nonsense"),
        ("passwordProfile", json!({}), "passwordProfile"),
        ("createdDateTime", json!("2026-01-01T00:00:00Z"), "createdDateTime"),
        ("nonsense", json!(1), "nonsense"),
    ] {
        let mut body = good.clone();
        body.insert(member.to_owned(), value.clone());
        match fixture.identity.create_user_of(&actor(), &body).await {
            Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, named, "{value}"),
            other => panic!("{member} {value}: {other:?}"),
        }
    }
    for missing in good.keys() {
        let mut body = good.clone();
        body.remove(missing);
        match fixture.identity.create_user_of(&actor(), &body).await {
            Err(IdentityError::Invalid { property, .. }) => assert_eq!(property, *missing),
            other => panic!("{missing}: {other:?}"),
        }
    }
    let mut body = good.clone();
    body.insert("onPremisesImmutableId".to_owned(), json!("one"));
    fixture.identity.create_user_of(&actor(), &body).await.unwrap();
    body.insert("userPrincipalName".to_owned(), json!("other@contoso.local"));
    let twice = fixture.identity.create_user_of(&actor(), &body).await;
    assert!(matches!(twice, Err(IdentityError::Conflict { property: "onPremisesImmutableId" })), "{twice:?}");
}

#[tokio::test]
async fn a_global_administrator_remains() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let refused = identity.delete_user(&actor(), "admin@contoso.local").await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let off = UserChange { account_enabled: Some(false), ..UserChange::default() };
        let refused = identity.update_user(&actor(), "admin@contoso.local", off.clone()).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");
        let role = crate::RoleAssignmentFilter {
            role: Some("Global Administrator".to_owned()),
            ..crate::RoleAssignmentFilter::default()
        };
        let refused = identity.delete_role_assignments(&actor(), &role).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{refused:?}");

        // Two of them, who delete each other at the same time: one stays.
        let second = identity.create_user(&actor(), ada("second@contoso.local")).await.unwrap();
        let new = crate::NewRoleAssignment {
            role: "Global Administrator".to_owned(),
            principal: crate::PrincipalRef::Assignee(second.id.to_string()),
            scope: "/".to_owned(),
        };
        identity.create_role_assignment(&actor(), new).await.unwrap();
        let actor = actor();
        let (one, two) = tokio::join!(
            identity.delete_user(&actor, "admin@contoso.local"),
            identity.delete_user(&actor, "second@contoso.local"),
        );
        assert!(one.is_ok() ^ two.is_ok(), "{one:?} {two:?}");
    }
}

#[tokio::test]
async fn changes_at_once_lose_nothing() {
    for fixture in fixtures().await {
        let identity = &fixture.identity;
        let made = identity.create_user(&actor(), ada("ada@contoso.local")).await.unwrap();
        let (id, actor) = (made.id.to_string(), actor());
        let set = |property: &str| {
            let change = members(&format!(r#"{{"{property}":"x"}}"#));
            let (identity, id, actor) = (identity.clone(), id.clone(), actor.clone());
            async move { identity.change_user_of(&actor, &id, &change).await.unwrap() }
        };
        tokio::join!(set("jobTitle"), set("department"), set("city"), set("surname"));
        let after = identity.find_user(&id).await.unwrap();
        let details = after.details;
        assert!(
            [details.job_title, details.department, details.city, after.surname]
                .iter()
                .all(|text| text.as_deref() == Some("x"))
        );
    }
}
