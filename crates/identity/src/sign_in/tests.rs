//! Signing in: who gets in, who is told what.

use std::time::Duration;

use super::*;
use crate::{
    MustChange, NewUser, UserChange,
    testing::{Fixture, actor, fixtures},
};

pub(crate) const PASSWORD: &str = "a long enough password 1";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn origin() -> Origin {
    Origin {
        address: Some(IpAddr::from([192, 0, 2, 1])),
        correlation: CorrelationId::new(uuid::Uuid::nil()),
        app_id: AppId::new(uuid::Uuid::from_u128(9)),
    }
}

impl Fixture {
    /// An administrator gives another password, which need not be changed.
    async fn reset(&self, user: &User, password: &str) {
        let change = UserChange { password: Some(secret(password)), ..UserChange::default() };
        self.identity.update_user(&actor(), &user.id.to_string(), change).await.unwrap();
    }

    pub(crate) async fn signer(&self, name: &str, must_change: bool) -> User {
        let new = NewUser {
            user_principal_name: format!("{name}@contoso.local"),
            display_name: format!("{name} Example"),
            mail_nickname: None,
            password: secret(PASSWORD),
            force_change_password_next_sign_in: must_change,
        };
        self.identity.create_user(&actor(), new).await.unwrap()
    }

    /// Takes the turns of all who want to hash but so many.
    pub(crate) async fn busy_hashing(&self, but: usize) -> tokio::sync::OwnedSemaphorePermit {
        let turns = self.identity.0.sign_in.pool.turns();
        let taken = u32::try_from(turns.available_permits() - but).unwrap();
        turns.acquire_many_owned(taken).await.unwrap()
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, SignInError> {
        self.identity.sign_in_with_password(name, secret(password), origin()).await
    }
}

#[test]
fn what_stands_for_no_password_costs_what_a_password_costs() {
    use argon2::password_hash::phc::PasswordHash;
    let parsed = PasswordHash::new(NO_PASSWORD).unwrap();
    let default = argon2::Params::DEFAULT;
    let params = argon2::Params::try_from(&parsed).unwrap();
    assert_eq!(
        (params.m_cost(), params.t_cost(), params.p_cost()),
        (default.m_cost(), default.t_cost(), default.p_cost())
    );
}

#[tokio::test]
async fn names_and_passwords() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let signed_in = fixture.sign_in("ADA@contoso.local", PASSWORD).await.unwrap();
        assert_eq!(signed_in.user.id, ada.id);
        for (name, password) in [
            ("ada@contoso.local", "wrong"),
            ("nobody@contoso.local", PASSWORD),
            // An object ID is no name to sign in with.
            (ada.id.to_string().as_str(), PASSWORD),
            ("ada@contoso.local", ""),
            ("ada@contoso.local", &"x".repeat(100_000)),
        ] {
            let error = fixture.sign_in(name, password).await.unwrap_err();
            assert!(matches!(error, SignInError::WrongCredentials), "{name}: {error}");
        }
        let disable = UserChange { account_enabled: Some(false), ..UserChange::default() };
        fixture.identity.update_user(&actor(), "ada@contoso.local", disable).await.unwrap();
        let error = fixture.sign_in("ada@contoso.local", "wrong").await.unwrap_err();
        assert!(matches!(error, SignInError::WrongCredentials), "who guesses is not told: {error}");
        let error = fixture.sign_in("ada@contoso.local", PASSWORD).await.unwrap_err();
        assert!(matches!(error, SignInError::Disabled), "{error}");
    }
}

#[tokio::test]
async fn a_one_time_password_is_changed_first() {
    for fixture in fixtures().await {
        fixture.signer("bob", true).await;
        let name = "bob@contoso.local";
        let error = fixture.sign_in(name, PASSWORD).await.unwrap_err();
        assert!(matches!(error, SignInError::MustChangePassword), "{error}");
        let change = async |old: &str, new: &str| {
            fixture.identity.sign_in_with_new_password(name, (secret(old), secret(new)), origin()).await
        };
        for (old, new, code) in
            [("wrong", "Another one 22", 50_126), (PASSWORD, PASSWORD, 50_056), (PASSWORD, "short", 50_056)]
        {
            assert_eq!(change(old, new).await.unwrap_err().code(), code, "{new}");
        }
        change(PASSWORD, "Another one 22").await.unwrap();
        fixture.sign_in(name, "Another one 22").await.unwrap();
        let kept = fixture.identity.check_password(name, secret("Another one 22")).await.unwrap();
        assert_eq!(kept, Some(MustChange::No));
        assert!(fixture.sign_in(name, PASSWORD).await.is_err());
    }
}

#[tokio::test]
async fn guessing_locks_and_leaves_a_trail_without_names() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        for name in ["ada@contoso.local", "nobody@contoso.local"] {
            for _ in 0..10 {
                let error = fixture.sign_in(name, "wrong").await.unwrap_err();
                assert!(matches!(error, SignInError::WrongCredentials), "{error}");
            }
            let error = fixture.sign_in(name, PASSWORD).await.unwrap_err();
            assert!(matches!(error, SignInError::Locked { retry_after_s: 60 }), "{name}: {error}");
        }
        fixture.clock.advance(jiff::SignedDuration::from_secs(61));
        fixture.sign_in("ada@contoso.local", PASSWORD).await.unwrap();
        let trail = fixture.final_trail().await;
        let refused = format!("identity.sign-in refused {} AADSTS50126", ada.id);
        assert_eq!(trail.iter().filter(|line| **line == refused).count(), 10, "{trail:#?}");
        assert!(trail.contains(&format!("identity.sign-in success {} ", ada.id)), "{trail:#?}");
        assert!(!trail.iter().any(|line| line.contains("nobody")), "{trail:#?}");
    }
}

#[tokio::test]
async fn guesses_behind_an_address_keep_nobody_out_who_belongs_there() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        fixture.signer("bob", false).await;
        fixture.sign_in("ada@contoso.local", PASSWORD).await.unwrap();
        for n in 0..21 {
            let error = fixture.sign_in(&format!("nobody{n}@contoso.local"), "wrong").await.unwrap_err();
            assert!(matches!(error, SignInError::WrongCredentials), "{n}: {error}");
        }
        let error = fixture.sign_in("bob@contoso.local", PASSWORD).await.unwrap_err();
        assert!(matches!(error, SignInError::TooManyAttempts { .. }), "new to the address: {error}");
        fixture.sign_in("ADA@contoso.local", PASSWORD).await.unwrap();
        for n in 0..10 {
            let error = fixture.sign_in("ada@contoso.local", "wrong").await.unwrap_err();
            assert!(matches!(error, SignInError::WrongCredentials), "{n}: {error}");
        }
        let error = fixture.sign_in("ada@contoso.local", PASSWORD).await.unwrap_err();
        assert!(matches!(error, SignInError::Locked { retry_after_s: 60 }), "their own lock: {error}");
    }
}

#[tokio::test]
async fn the_present_password_cannot_be_guessed_with_a_token_either() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let change = async |old: &str| {
            fixture.identity.change_password(&actor(), ada.id, secret(old), secret("Another one 22")).await
        };
        for _ in 0..10 {
            assert!(change("wrong").await.is_err());
        }
        let locked = change(PASSWORD).await.unwrap_err().to_string();
        assert!(locked.contains("too often"), "{locked}");
        fixture.clock.advance(jiff::SignedDuration::from_secs(61));
        change(PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn guesses_of_the_present_password_at_once_are_counted() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let _busy = fixture.busy_hashing(1).await;
        let operator = actor();
        let guesses = (0..15).map(|_| {
            fixture.identity.change_password(&operator, ada.id, secret("wrong"), secret("Another one 22"))
        });
        let answers = futures::future::join_all(guesses).await;
        let locked = |answer: &Result<(), IdentityError>| {
            answer.as_ref().is_err_and(|error| error.to_string().contains("too often"))
        };
        assert_eq!(answers.iter().filter(|answer| locked(answer)).count(), 5, "{answers:?}");
    }
}

#[tokio::test]
async fn sessions_ended_while_a_password_is_hashed_stay_ended() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let busy = fixture.busy_hashing(0).await;
        let end = async {
            // The sign-in has read the hash and waits.
            tokio::time::sleep(Duration::from_millis(100)).await;
            fixture.clock.advance(jiff::SignedDuration::from_secs(1));
            fixture.identity.revoke_sign_in_sessions(&actor(), &ada.id.to_string()).await.unwrap();
            fixture.clock.advance(jiff::SignedDuration::from_secs(1));
            drop(busy);
        };
        let (signed_in, ()) = futures::join!(fixture.sign_in("ada@contoso.local", PASSWORD), end);
        let user = fixture.identity.find_user("ada@contoso.local").await.unwrap();
        assert!(signed_in.unwrap().at_ms < user.sessions_valid_from.as_millisecond());
    }
}

#[tokio::test]
async fn a_reset_wins_over_a_change_that_verified_the_old_password() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let (identity, name) = (&fixture.identity, "ada@contoso.local");
        let replace = async |verified: String, new: &str| {
            let hashed = identity.hash_password(secret(new), false).await.unwrap();
            let tenant = identity.tenant().await.unwrap().id;
            let input = (tenant, ada.id.to_string(), (verified, hashed), identity.stamp(&actor()));
            let replaced = identity.0.db.write(input, |tx, (tenant, id, (verified, hashed), stamp)| {
                users::replace_own_password(tx, *tenant, id, (verified, hashed), stamp).boxed()
            });
            replaced.await.unwrap()
        };
        let (_, verified, _) = identity.user_with_password(name).await.unwrap().unwrap();
        assert!(replace(verified.clone(), "Another one 22").await.is_some());
        assert_eq!(replace(verified, "A third one 333").await, None, "it is not the user's any more");
        fixture.sign_in(name, "Another one 22").await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_wins_over_a_sign_in_that_verified_the_old_password() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let (identity, name) = (&fixture.identity, "ada@contoso.local");
        let (user, verified, _) = identity.user_with_password(name).await.unwrap().unwrap();
        fixture.reset(&ada, "Another one 22").await;
        let at_ms = identity.0.clock.now_ms();
        let checked = Checked { user, must_change: false, hash: verified, at_ms };
        let refused = identity.confirmed(checked).await;
        assert!(matches!(refused, Err((Some(_), SignInError::WrongCredentials))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_reset_that_began_before_a_sign_in_and_ends_after_it_ends_its_session() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let later = jiff::SignedDuration::from_millis(5);
        // The reset's time was taken 5 ms before the sign-in, by a node whose clock is behind or that had to wait.
        fixture.clock.advance(later);
        let signed_in = fixture.sign_in("ada@contoso.local", PASSWORD).await.unwrap();
        fixture.clock.advance(-later);
        fixture.reset(&ada, "Another one 22").await;
        fixture.clock.advance(later);
        let user = fixture.identity.find_user("ada@contoso.local").await.unwrap();
        assert!(signed_in.at_ms < user.sessions_valid_from.as_millisecond(), "{signed_in:?}");
        // Who signs in with the new password, at the same millisecond, stays.
        let signed_in = fixture.sign_in("ada@contoso.local", "Another one 22").await.unwrap();
        assert!(signed_in.at_ms >= user.sessions_valid_from.as_millisecond(), "{signed_in:?}");
    }
}
