//! *Security info* in a browser: to whom it opens, what it changes, and for whom.

use jiff::SignedDuration;

use super::SECURITY_INFO;
use crate::{
    SecondFactorChange, SecondFactorFor,
    authentication_methods::passkeys::tests::Authenticator,
    oauth::{
        authorize::tests::{
            ADA, Browser, hidden,
            second_factor::{App, challenge_of, recovery_codes},
        },
        tests::Answer,
    },
    sign_in::tests::PASSWORD,
    testing::{Fixture, actor, fixtures},
};

const BOB: &str = "bob@contoso.local";
const NEW_PASSWORD: &str = "another horse battery";
/// Nobody's method.
const UNKNOWN: &str = "11111111-2222-3333-4444-555555555555";

impl Browser<'_> {
    async fn info(&mut self) -> Answer {
        self.get(SECURITY_INFO).await
    }

    async fn change(&mut self, step: &str, fields: &[(&str, &str)]) -> Answer {
        self.press(SECURITY_INFO, step, fields).await
    }

    /// Adds an authenticator app; the page that comes then.
    async fn add_app(&mut self, fixture: &Fixture) -> (App, Answer) {
        let app = App::set_up(&self.change("add", &[]).await.text);
        let done = self.change("enrol", &[("code", &app.code(fixture))]).await;
        (app, done)
    }
}

async fn names_and_codes(fixture: &Fixture, user: &str) -> (Vec<String>, i64) {
    let known = fixture.identity.list_authentication_methods(user).await.unwrap();
    (known.methods.into_iter().map(|method| method.display_name).collect(), known.recovery_codes_left)
}

fn is_sent_back(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, SECURITY_INFO));
}

#[tokio::test]
async fn second_factors_come_are_renamed_and_go() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let mut browser = Browser::new(&fixture);
        let page = browser.open(SECURITY_INFO, ADA).await;
        assert!(page.text.contains("There are none") && !page.text.contains("recovery"), "{}", page.text);
        let token = browser.cookies["__Host-hilum-session"].clone();
        let offer = browser.change("add", &[]).await;
        let app = App::set_up(&offer.text);
        let wrong = browser.change("enrol", &[("code", &app.wrong_code(&fixture))]).await;
        assert_eq!(wrong.status, 400);
        assert!(wrong.text.contains("The code is wrong"), "{}", wrong.text);
        assert_eq!(App::set_up(&wrong.text).code(&fixture), app.code(&fixture), "the same key");
        let codes = browser.change("enrol", &[("code", &app.code(&fixture))]).await;
        assert_eq!((codes.status.as_u16(), recovery_codes(&codes.text).len()), (200, 10));
        assert_ne!(browser.cookies["__Host-hilum-session"], token, "more was proven: a new token");
        assert!(browser.info().await.text.contains("(authenticator app)"), "the session is good as it is");

        let offer = browser.change("add", &[]).await;
        let key = Authenticator::new();
        let answer = key.create(&challenge_of(&offer.text));
        let done = browser.change("passkey", &[("answer", &answer)]).await;
        is_sent_back(&done);
        assert_eq!(
            names_and_codes(&fixture, ADA).await,
            (vec!["Authenticator app".to_owned(), "Passkey".to_owned()], 10)
        );
        browser.info().await;
        let offer = browser.change("add", &[]).await;
        let same = key.create(&challenge_of(&offer.text));
        is_sent_back(&browser.change("passkey", &[("answer", &same)]).await);
        assert_eq!(names_and_codes(&fixture, ADA).await.0.len(), 2, "the same key once");

        let page = browser.info().await;
        let first = hidden(&page.text, "method");
        is_sent_back(&browser.change("rename", &[("method", &first), ("name", " Phone <b>1</b> ")]).await);
        let page = browser.info().await;
        assert!(page.text.contains("<strong>Phone &#60;b&#62;1&#60;/b&#62;</strong>"), "{}", page.text);
        for wrong in ["", "  ", &"x".repeat(65), "a\u{7}b"] {
            browser.info().await;
            assert_eq!(browser.change("rename", &[("method", &first), ("name", wrong)]).await.status, 400);
        }
        browser.info().await;
        let renewed = browser.change("new-codes", &[]).await;
        assert_eq!(recovery_codes(&renewed.text).len(), 10);
        assert_ne!(recovery_codes(&renewed.text), recovery_codes(&codes.text));

        browser.info().await;
        let asked = browser.change("ask-remove", &[("method", &first)]).await;
        assert!(asked.text.contains("?</h1>") && !asked.text.contains("the only one"), "{}", asked.text);
        is_sent_back(&browser.change("remove", &[("method", &first)]).await);
        assert_eq!(names_and_codes(&fixture, ADA).await, (vec!["Passkey".to_owned()], 10));
        let last = hidden(&browser.info().await.text, "method");
        assert!(browser.change("ask-remove", &[("method", &last)]).await.text.contains("the only one"));
        is_sent_back(&browser.change("remove", &[("method", &last)]).await);
        assert_eq!(names_and_codes(&fixture, ADA).await, (Vec::new(), 0));
        let trail = fixture.final_trail().await;
        let changes =
            trail.iter().filter(|line| line.starts_with("identity.authentication-method.changed success"));
        assert_eq!(changes.count(), 6, "{trail:#?}");
    }
}

#[tokio::test]
async fn it_opens_to_who_has_just_proven_everything() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let (mut early, mut browser) = (Browser::new(&fixture), Browser::new(&fixture));
        early.open(SECURITY_INFO, ADA).await;
        browser.open(SECURITY_INFO, ADA).await;
        let (app, _) = browser.add_app(&fixture).await;
        // A form of before: the password alone adds nothing any more.
        is_sent_back(&early.change("add", &[]).await);
        let asked = early.info().await;
        assert!(asked.text.contains("Show that it is you"), "{}", asked.text);
        fixture.wait();
        is_sent_back(&early.step("code", &[("code", &app.code(&fixture))]).await);
        assert!(early.info().await.text.contains("(authenticator app)"));

        // Ten minutes later: both factors again, though the session goes on.
        fixture.clock.advance(SignedDuration::from_secs(600));
        let slip = hidden(&early.page, "flow");
        for step in ["add", "ask-password", "new-codes", "remove", "password"] {
            let sent = [("flow", slip.as_str()), ("step", step)];
            is_sent_back(&early.send_form(SECURITY_INFO, &sent).await);
        }
        assert!(early.info().await.text.contains("current-password"));
        let second = early.sign_in(ADA, PASSWORD).await;
        assert!(second.text.contains("Show that it is you"), "{}", second.text);
        fixture.wait();
        is_sent_back(&early.step("code", &[("code", &app.code(&fixture))]).await);
        assert!(early.info().await.text.contains("(authenticator app)"));
    }
}

#[tokio::test]
async fn where_one_is_required_the_way_in_registers_it() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let change = SecondFactorChange::Users(SecondFactorFor::Everybody);
    fixture.identity.change_second_factor_policy(&actor(), vec![change]).await.unwrap();
    let mut browser = Browser::new(&fixture);
    browser.info().await;
    let app = App::set_up(&browser.sign_in(ADA, PASSWORD).await.text);
    browser.step("enrol", &[("code", &app.code(&fixture))]).await;
    is_sent_back(&browser.step("continue", &[]).await);
    assert!(browser.info().await.text.contains("(authenticator app)"));
}

#[tokio::test]
async fn forms_are_good_for_their_own_person_alone() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        fixture.signer("bob", false).await;
        let mut adas = Browser::new(&fixture);
        adas.open(SECURITY_INFO, ADA).await;
        adas.add_app(&fixture).await;
        let method = hidden(&adas.info().await.text, "method");
        let adas_slip = hidden(&adas.page, "flow");

        let mut bobs = Browser::new(&fixture);
        bobs.open(SECURITY_INFO, BOB).await;
        for (step, name) in [("remove", "x"), ("rename", "stolen"), ("ask-remove", "x")] {
            bobs.change(step, &[("method", &method), ("name", name)]).await;
            bobs.info().await;
        }
        bobs.change("new-codes", &[]).await;
        assert_eq!(names_and_codes(&fixture, ADA).await, (vec!["Authenticator app".to_owned()], 10));
        bobs.info().await;
        let bobs_slip = hidden(&bobs.page, "flow");
        for (why, browser, slip) in [
            ("another browser's form", &mut bobs, adas_slip.as_str()),
            ("another person's form", &mut adas, bobs_slip.as_str()),
            ("no form of ours", &mut Browser::new(&fixture), ""),
            ("nobody", &mut Browser::new(&fixture), &adas_slip),
        ] {
            for step in ["add", "enrol", "passkey", "remove", "rename", "new-codes", "password"] {
                let sent = [("flow", slip), ("step", step), ("method", &method), ("name", "stolen")];
                assert_eq!(browser.send_form(SECURITY_INFO, &sent).await.status, 403, "{why}: {step}");
            }
        }
        assert_eq!(names_and_codes(&fixture, ADA).await, (vec!["Authenticator app".to_owned()], 10));
        // Steps that the page does not have, and things that are not there.
        for (step, method, status) in [
            ("enrol", &*method, 400),
            ("passkey", &method, 400),
            ("end-all", &method, 400),
            ("remove", "", 400),
            ("remove", "x", 400),
            ("remove", UNKNOWN, 303),
            ("rename", UNKNOWN, 303),
            ("ask-remove", UNKNOWN, 303),
        ] {
            adas.info().await;
            let answer = adas.change(step, &[("method", method), ("name", "a name")]).await;
            assert_eq!(answer.status, status, "{step} {method}");
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let (mut browser, mut other) = (Browser::new(&fixture), Browser::new(&fixture));
        browser.open(SECURITY_INFO, ADA).await;
        browser.add_app(&fixture).await;
        let mut asked = async |old: &str, new: &str, again: &str| {
            browser.info().await;
            browser.change("ask-password", &[]).await;
            let fields = [("password", old), ("new_password", new), ("new_password_again", again)];
            // The name on the form is for password managers.
            let named = [("username", BOB), fields[0], fields[1], fields[2]];
            let answer = browser.change("password", &named).await;
            (answer.status.as_u16(), answer.text)
        };
        for (old, new, again, why) in [
            ("wrong", NEW_PASSWORD, NEW_PASSWORD, "The user name or the password is wrong."),
            (PASSWORD, NEW_PASSWORD, "another", "The two new passwords differ."),
            (PASSWORD, "short", "short", "must have 8 to 256 characters"),
            (PASSWORD, PASSWORD, PASSWORD, "must differ from the old one"),
        ] {
            let (status, text) = asked(old, new, again).await;
            assert!(status == 400 && text.contains(why), "{why}: {text}");
        }
        fixture.clock.advance(SignedDuration::from_secs(1));
        assert_eq!(asked(PASSWORD, NEW_PASSWORD, NEW_PASSWORD).await.0, 303);
        assert!(browser.info().await.text.contains("(authenticator app)"), "this browser goes on");
        other.info().await;
        assert_eq!(other.sign_in(ADA, PASSWORD).await.status, 400);
        assert!(other.sign_in(ADA, NEW_PASSWORD).await.text.contains("Show that it is you"));
    }
}
