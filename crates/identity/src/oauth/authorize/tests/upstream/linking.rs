//! Whose identity elsewhere belongs to which user here.

use super::*;
use crate::{UserChange, UserType};

impl Place {
    async fn user(&self, name: &str) -> User {
        self.fixture.identity.find_user(name).await.unwrap()
    }

    async fn disable(&self, name: &str, disabled: bool) {
        let change = UserChange { account_enabled: Some(!disabled), ..UserChange::default() };
        self.fixture.identity.update_user(&actor(), name, change).await.unwrap();
    }

    async fn mail(&self, name: &str, mail: &str) {
        let change = UserChange { mail: Some(mail.to_owned()), ..UserChange::default() };
        self.fixture.identity.update_user(&actor(), name, change).await.unwrap();
    }
}

#[tokio::test]
async fn only_linked_ones_where_the_rule_says_so() {
    for place in places(Linking::Existing).await {
        place.fixture.signer("ada", false).await;
        place.mail(ADA, "ada@hospital.example").await;
        let mut browser = place.browser();
        let answer = place.sign_in(&mut browser, Value::Null).await;
        assert_eq!(answer.status, 403);
        is_out(&browser, &answer, 50_020);
        // What the administrator needs to know.
        assert!(answer.text.contains(SUBJECT) && answer.text.contains(&place.elsewhere.url));
        // The page goes on: who has a password gets in.
        assert!(is_in(&browser.sign_in(ADA, PASSWORD).await));

        place.link(ADA, SUBJECT).await;
        let mut browser = place.browser();
        assert!(is_in(&place.sign_in(&mut browser, json!({ "email": null })).await));
        is_out_for(&place, json!({ "sub": "subject-2" }), 50_020).await;
        // A session ends with the link.
        place.link(ADA, "subject-3").await;
        let page = browser.get(&place.client.asking(WEB, &[])).await;
        assert!(page.text.contains("name=\"password\""), "{}", page.text);
        is_out_for(&place, Value::Null, 50_020).await;
        let trail = place.fixture.final_trail().await;
        for line in ["identity added (administrator)", "identity removed (administrator)"] {
            assert!(trail.iter().any(|event| event.contains(line)), "{line}: {trail:#?}");
        }
        assert!(
            trail
                .iter()
                .any(|event| event.starts_with("identity.sign-in refused  AADSTS50020 through hospital"))
        );
    }
}

async fn is_out_for(place: &Place, changes: Value, code: u32) {
    let mut browser = place.browser();
    let answer = place.sign_in(&mut browser, changes).await;
    is_out(&browser, &answer, code);
}

#[tokio::test]
async fn an_identity_is_one_user_s() {
    for place in places(Linking::Existing).await {
        place.fixture.signer("ada", false).await;
        place.fixture.signer("bob", false).await;
        place.link(ADA, SUBJECT).await;
        let members = json!({ "identities": [
            { "signInType": "federated", "issuer": place.elsewhere.url, "issuerAssignedId": SUBJECT } ] });
        let taken = place.fixture.identity;
        let taken = taken.change_user_of(&actor(), "bob@contoso.local", members.as_object().unwrap()).await;
        assert!(matches!(taken, Err(crate::IdentityError::Conflict { property: "identities" })), "{taken:?}");
    }
}

#[tokio::test]
async fn a_verified_address_finds_the_user_once() {
    for place in places(Linking::Email).await {
        let ada = place.fixture.signer("ada", false).await;
        place.mail(ADA, "Ada@hospital.example").await;
        for (why, changes) in [
            ("not verified", json!({ "email_verified": false })),
            ("not said to be verified", json!({ "email_verified": null })),
            ("a text", json!({ "email_verified": "true" })),
            ("another domain", json!({ "email": "ada@contoso.local" })),
            ("a domain below", json!({ "email": "ada@x.hospital.example" })),
            ("a domain that ends so", json!({ "email": "ada@evil-hospital.example" })),
            ("two addresses", json!({ "email": "ada@hospital.example@hospital.example" })),
            ("quoted", json!({ "email": "\"ada@hospital.example\"@hospital.example" })),
            ("letters that look alike", json!({ "email": "аda@hospital.example" })),
            ("nobody's", json!({ "email": "eve@hospital.example" })),
        ] {
            let mut browser = place.browser();
            let answer = place.sign_in(&mut browser, changes).await;
            assert!(answer.text.contains("AADSTS50020"), "{why}: {}", answer.text);
        }
        let mut browser = place.browser();
        assert!(is_in(&place.sign_in(&mut browser, Value::Null).await));
        // The link holds, whatever becomes of the address; the address leads nobody else here.
        assert!(is_in(
            &place.sign_in(&mut place.browser(), json!({ "email": "eve@hospital.example" })).await
        ));
        assert!(is_in(&place.sign_in(&mut place.browser(), json!({ "email": null })).await));
        is_out_for(&place, json!({ "sub": "subject-2" }), 50_020).await;
        place.mail(ADA, "other@hospital.example").await;
        assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
        let found = fields(&browser.accept().await);
        let tokens = place.fixture.redeem_web(&place.client, &found["code"]).await;
        assert_eq!(place.fixture.claims(&tokens).await["oid"], ada.id.to_string());
    }
}

#[tokio::test]
async fn an_address_of_two_is_nobody_s() {
    for place in places(Linking::Email).await {
        for name in ["ada", "bob"] {
            place.fixture.signer(name, false).await;
            place.mail(&format!("{name}@contoso.local"), "ada@hospital.example").await;
        }
        is_out_for(&place, Value::Null, 50_020).await;
    }
}

#[tokio::test]
async fn no_address_makes_an_administrator() {
    for place in places(Linking::Email).await {
        place.mail(ADMIN, "ada@hospital.example").await;
        let mut browser = place.browser();
        let answer = place.sign_in(&mut browser, Value::Null).await;
        is_out(&browser, &answer, 50_020);
        assert!(answer.text.contains("only be linked by an administrator"), "{}", answer.text);
        place.link(ADMIN, SUBJECT).await;
        assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
    }
}

#[tokio::test]
async fn who_becomes_an_administrator_needs_a_link_that_somebody_made() {
    for place in places(Linking::Email).await {
        let ada = place.fixture.signer("ada", false).await;
        place.mail(ADA, "ada@hospital.example").await;
        assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
        let role = crate::NewRoleAssignment {
            role: "User Administrator".to_owned(),
            principal: crate::PrincipalRef::Assignee(ada.id.to_string()),
            scope: "/".to_owned(),
        };
        place.fixture.identity.create_role_assignment(&actor(), role).await.unwrap();
        is_out_for(&place, Value::Null, 50_020).await;
        place.link(ADA, SUBJECT).await;
        assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
    }
}

#[tokio::test]
async fn a_guest_is_made_at_the_first_sign_in() {
    for place in places(Linking::Create).await {
        is_out_for(&place, json!({ "email": "ada@elsewhere.example" }), 50_020).await;
        is_out_for(&place, json!({ "email_verified": false }), 50_020).await;
        let mut browser = place.browser();
        assert!(is_in(&place.sign_in(&mut browser, Value::Null).await));
        let name = "ada_hospital.example#EXT#@contoso.local";
        let guest = place.user(name).await;
        assert_eq!(guest.details.user_type, UserType::Guest);
        assert_eq!(guest.mail.as_deref(), Some("ada@hospital.example"));
        assert_eq!(guest.display_name, "Ada of the hospital");
        // The same one, next time.
        assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
        // Somebody else with the same address is not, and gets no account beside it.
        is_out_for(&place, json!({ "sub": "subject-2" }), 50_020).await;
        // No password lets a guest in: there is none.
        let mut other = place.browser();
        other.get(&place.client.asking(WEB, &[])).await;
        let refused = other.sign_in(name, "").await;
        assert_eq!(refused.status, 400);
        assert!(other.session().is_none());

        // Out with the account, whatever the provider says.
        place.disable(name, true).await;
        is_out_for(&place, Value::Null, 50_057).await;
        place.disable(name, false).await;
        let page = browser.get(&place.client.asking(WEB, &[])).await;
        assert!(page.text.contains("name=\"password\""), "its sessions ended: {}", page.text);
        place.fixture.identity.delete_user(&actor(), name).await.unwrap();
        is_out_for(&place, Value::Null, 50_020).await;
        assert!(place.fixture.identity.find_user(name).await.is_err(), "not made again either");
    }
}

#[tokio::test]
async fn a_guest_never_takes_the_place_of_a_user() {
    for place in places(Linking::Create).await {
        place.fixture.signer("ada", false).await;
        place.mail(ADA, "ada@hospital.example").await;
        is_out_for(&place, Value::Null, 50_020).await;
    }
}

#[tokio::test]
async fn guests_without_address_or_name() {
    let place = places_with(Linking::Create, |settings| settings.domains.clear()).await.remove(0);
    let nothing = json!({ "email": null, "name": "\u{7}" });
    place.elsewhere.change(|mock| mock.userinfo = json!({ "sub": SUBJECT }));
    assert!(is_in(&place.sign_in(&mut place.browser(), nothing.clone()).await));
    assert!(is_in(&place.sign_in(&mut place.browser(), nothing).await), "the same one again");
    let all = place.fixture.identity.list_users(&crate::UserFilter::All, None).await.unwrap();
    let guests: Vec<&User> = all.iter().filter(|user| user.details.user_type == UserType::Guest).collect();
    assert_eq!(guests.len(), 1);
    assert!(guests[0].user_principal_name.starts_with("hospital_"), "{:?}", guests[0]);
    assert_eq!(
        (guests[0].display_name.as_str(), guests[0].mail.is_none()),
        ("Guest of Hospital <sign-in>", true)
    );
}

#[tokio::test]
async fn userinfo_says_what_the_token_does_not() {
    for place in places(Linking::Email).await {
        place.fixture.signer("ada", false).await;
        place.mail(ADA, "ada@hospital.example").await;
        let without = || json!({ "email": null, "email_verified": null });
        let info = |sub: &str| json!({ "sub": sub, "email": "ada@hospital.example", "email_verified": true });
        place.elsewhere.change(|mock| mock.userinfo = info("somebody else"));
        is_out_for(&place, without(), 50_027).await;
        place.elsewhere.change(|mock| mock.userinfo = json!([]));
        is_out_for(&place, without(), 50_027).await;
        place.elsewhere.change(|mock| mock.userinfo = info(SUBJECT));
        assert!(is_in(&place.sign_in(&mut place.browser(), without()).await));
    }
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_guest() {
    for place in places(Linking::Create).await {
        let (mut one, mut other) = (place.browser(), place.browser());
        // The same nonce would do for neither: each has its own token, and the provider gives one of them.
        let sent = place.leave(&mut one).await;
        let again = place.leave(&mut other).await;
        let token = place.id_token(&sent, Value::Null);
        let first = place.back(&mut one, &sent, &token).await;
        let token = place.id_token(&again, Value::Null);
        let second = place.back(&mut other, &again, &token).await;
        assert!(is_in(&first) && is_in(&second));
        let guests = place.fixture.identity.list_users(&crate::UserFilter::All, None).await.unwrap();
        assert_eq!(guests.iter().filter(|user| user.details.user_type == UserType::Guest).count(), 1);
    }
}
