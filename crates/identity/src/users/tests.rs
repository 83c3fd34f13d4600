//! Users, on every database.

use hilum_kernel::Secret;

use crate::{
    IdentityError, MustChange, NewUser, UserChange, UserFilter,
    testing::{actor, fixtures},
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
async fn names_and_passwords_follow_the_rules() {
    let fixture = fixtures().await.remove(0);
    for name in ["ada", "ada@other.local", "@contoso.local", "a b@contoso.local", "a.@contoso.local"] {
        let refused = fixture.identity.create_user(&actor(), ada(name)).await;
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{name}: {refused:?}");
    }
    let short = NewUser { password: Secret::new("short".to_owned()), ..ada("eve@contoso.local") };
    assert!(fixture.identity.create_user(&actor(), short).await.is_err());
}
