//! Second factors in the way from request to tokens: who is asked, what lets in, what does not.

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::{
    SecondFactorChange, SecondFactorFor, User, UserChange,
    authentication_methods::{passkeys::tests::Authenticator, totp::TotpSecret},
    directory_roles::DirectoryRole,
};

/// A user's authenticator app.
pub(in crate::oauth) struct App {
    secret: TotpSecret,
}

impl App {
    /// Reads the key from the page.
    pub(in crate::oauth) fn set_up(page: &str) -> Self {
        let begin = "into the app: <code>";
        let at = page.find(begin).unwrap_or_else(|| panic!("no key in {page}")) + begin.len();
        let key = page[at..].split('<').next().unwrap().replace(' ', "");
        Self { secret: TotpSecret::from_base32(&key) }
    }

    pub(in crate::oauth) fn code(&self, fixture: &Fixture) -> String {
        self.secret.shown(fixture.now_ms())
    }

    pub(in crate::oauth) fn wrong_code(&self, fixture: &Fixture) -> String {
        format!("{:06}", (self.code(fixture).parse::<u32>().unwrap() + 1) % 1_000_000)
    }
}

impl Fixture {
    fn now_ms(&self) -> i64 {
        self.identity.0.clock.now_ms()
    }

    /// Another code shows.
    pub(in crate::oauth) fn wait(&self) {
        self.clock.advance(SignedDuration::from_secs(30));
    }

    async fn require(&self, change: SecondFactorChange) {
        self.identity.change_second_factor_policy(&actor(), vec![change]).await.unwrap();
    }

    async fn require_for(&self, client: &Registered) {
        self.require(SecondFactorChange::Application(client.application.app_id, true)).await;
    }

    /// A user with an authenticator app, and the client for which it had to be set up.
    async fn enrolled(&self, client: &Registered) -> (User, App, Vec<String>) {
        let ada = self.signer("ada", false).await;
        self.consented_to_all(&client.id, &ada).await;
        self.require_for(client).await;
        let mut browser = Browser::new(self);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        let app = App::set_up(&page.text);
        let codes = browser.step("enrol", &[("code", &app.code(self))]).await;
        (ada, app, recovery_codes(&codes.text))
    }
}

pub(in crate::oauth) fn recovery_codes(page: &str) -> Vec<String> {
    let parts = page.split("<li><code>").skip(1);
    parts.map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

impl Browser<'_> {
    /// As far as the question for a second factor.
    async fn asked(&mut self, client: &Registered) {
        self.get(&client.asking(WEB, &[])).await;
        let page = self.sign_in(ADA, PASSWORD).await;
        assert!(page.text.contains("Show that it is you"), "{}", page.text);
    }

    async fn code(&mut self, code: &str) -> Answer {
        self.step("code", &[("code", code)]).await
    }
}

#[tokio::test]
async fn who_needs_one_and_has_none_registers_it_and_shows_it_from_then_on() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.require_for(&client).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        assert!(
            page.text.contains("<svg role=\"img\"") && page.text.contains("otpauth://totp/"),
            "{}",
            page.text
        );
        assert!(browser.session().is_none(), "a password alone is no session");
        let app = App::set_up(&page.text);
        let wrong = browser.step("enrol", &[("code", &app.wrong_code(&fixture))]).await;
        assert_eq!(wrong.status, 400);
        assert_eq!(app.secret.base32().expose(), App::set_up(&wrong.text).secret.base32().expose());
        assert!(browser.session().is_none());
        let codes = browser.step("enrol", &[("code", &app.code(&fixture))]).await;
        assert_eq!(recovery_codes(&codes.text).len(), 10, "{}", codes.text);
        assert!(browser.session().is_some());
        browser.step("continue", &[]).await;
        let found = fields(&browser.accept().await);
        let tokens = fixture.redeem_web(&client, &found["code"]).await;
        assert_eq!(fixture.claims(&tokens).await["amr"], json!(["pwd", "otp", "mfa"]));
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let secret = ("client_secret", client.secret.as_str());
        let again =
            [("grant_type", "refresh_token"), ("client_id", &client.id), secret, ("refresh_token", &refresh)];
        assert_eq!(fixture.claims(&fixture.v2(&again).await).await["amr"], json!(["pwd", "otp", "mfa"]));
        // The same session is not asked again.
        assert_eq!(browser.get(&client.asking(WEB, &[("prompt", "none")])).await.status, 303);

        let mut elsewhere = Browser::new(&fixture);
        elsewhere.asked(&client).await;
        assert!(!elsewhere.page.contains("otpauth") && elsewhere.session().is_none());
        let used = elsewhere.code(&app.code(&fixture)).await;
        assert_eq!(used.status, 400, "the code that was registered with is used up");
        fixture.wait();
        let found = fields(&elsewhere.code(&app.code(&fixture)).await);
        assert!(found.contains_key("code"), "{found:?}");
        let mut third = Browser::new(&fixture);
        third.asked(&client).await;
        assert_eq!(third.code(&app.code(&fixture)).await.status, 400, "each code once");
        assert!(third.session().is_none());
        let trail = fixture.final_trail().await;
        for (line, times) in [
            ("identity.authentication-method.changed success", 1),
            ("identity.second-factor success", 1),
            ("identity.second-factor refused", 3),
        ] {
            let count = trail.iter().filter(|entry| entry.starts_with(line)).count();
            assert_eq!(count, times, "{line}: {trail:#?}");
        }
    }
}

#[tokio::test]
async fn a_recovery_code_lets_in_once() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let (_, _, codes) = fixture.enrolled(&client).await;
        let mut browser = Browser::new(&fixture);
        browser.asked(&client).await;
        let typed = codes[3].to_lowercase().replace('-', " ");
        assert_eq!(browser.step("recovery", &[("code", "0000-0000-0000-0000")]).await.status, 400);
        assert_eq!(browser.step("recovery", &[("code", &typed)]).await.status, 303);
        let mut again = Browser::new(&fixture);
        again.asked(&client).await;
        assert_eq!(again.step("recovery", &[("code", &typed)]).await.status, 400);
        assert_eq!(again.step("recovery", &[("code", &codes[4])]).await.status, 303);
        let known = fixture.identity.list_authentication_methods(ADA).await.unwrap();
        assert_eq!((known.methods.len(), known.recovery_codes_left), (1, 8));
    }
}

#[tokio::test]
async fn a_session_that_will_not_do_is_proven_further() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consented_to_all(&client.id, &ada).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let before = fields(&browser.sign_in(ADA, PASSWORD).await);
        let token = browser.session().unwrap().to_owned();
        fixture.require_for(&client).await;
        let silent = client.asking(WEB, &[("prompt", "none")]);
        let refused = fields(&browser.get(&silent).await);
        assert_eq!(refused["error"], "interaction_required");
        assert!(refused["error_description"].starts_with("AADSTS50079"), "{refused:?}");
        let page = browser.get(&client.asking(WEB, &[])).await;
        let app = App::set_up(&page.text);
        browser.step("enrol", &[("code", &app.code(&fixture))]).await;
        assert_ne!(browser.session().unwrap(), token, "a new token");
        let after = fields(&browser.step("continue", &[]).await);
        assert_eq!(after["session_state"], before["session_state"], "the same session");

        // With one registered, the other number.
        fixture.require(SecondFactorChange::Application(client.application.app_id, false)).await;
        let mut other = Browser::new(&fixture);
        fixture.wait();
        other.get(&client.asking(WEB, &[])).await;
        other.sign_in(ADA, PASSWORD).await;
        assert!(other.page.contains("Show that it is you"), "who has one shows it at each sign-in");
        other.code(&app.code(&fixture)).await;
        assert_eq!(other.get(&silent).await.status, 303);
    }
}

#[tokio::test]
async fn a_password_session_of_before_is_asked_for_the_registered_factor() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consented_to_all(&client.id, &ada).await;
        let mut early = Browser::new(&fixture);
        early.get(&client.asking(WEB, &[])).await;
        let code = fields(&early.sign_in(ADA, PASSWORD).await)["code"].clone();
        let tokens = fixture.redeem_web(&client, &code).await;
        fixture.require_for(&client).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        let app = App::set_up(&page.text);
        browser.step("enrol", &[("code", &app.code(&fixture))]).await;

        let refused = fields(&early.get(&client.asking(WEB, &[("prompt", "none")])).await);
        assert!(refused["error_description"].starts_with("AADSTS50076"), "{refused:?}");
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let secret = ("client_secret", client.secret.as_str());
        let refreshing =
            [("grant_type", "refresh_token"), ("client_id", &client.id), secret, ("refresh_token", &refresh)];
        let refused = fixture.v2(&refreshing).await;
        assert_eq!(refused.json()["error"], "interaction_required");
        assert_eq!(
            (&refused.json()["error_codes"], &refused.json()["suberror"]),
            (&json!([50_076]), &json!("basic_action"))
        );
        // The session goes on as before once nothing is required any more.
        fixture.require(SecondFactorChange::Application(client.application.app_id, false)).await;
        assert_eq!(fixture.v2(&refreshing).await.status, 200);
        fixture.require_for(&client).await;
        fixture.wait();
        early.get(&client.asking(WEB, &[])).await;
        assert_eq!(early.code(&app.code(&fixture)).await.status, 303);
    }
}

#[tokio::test]
async fn a_password_alone_gets_no_tokens_without_anybody_there() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", None).await;
        let asked = async |password: &str| {
            let fields = [
                ("grant_type", "password"),
                ("client_id", &id),
                ("username", ADA),
                ("password", password),
                ("scope", READ),
            ];
            fixture.v2(&fields).await.json()
        };
        assert!(asked(PASSWORD).await.get("access_token").is_some());
        fixture.require(SecondFactorChange::Users(SecondFactorFor::Everybody)).await;
        let refused = asked(PASSWORD).await;
        assert_eq!(
            (&refused["error"], &refused["error_codes"]),
            (&json!("interaction_required"), &json!([50_079]))
        );
        let client = fixture.registered().await;
        fixture.enrolled_again(&client).await;
        assert_eq!(asked(PASSWORD).await["error_codes"], json!([50_076]));
        // Registered, though not required.
        fixture.require(SecondFactorChange::Users(SecondFactorFor::Nobody)).await;
        assert_eq!(asked(PASSWORD).await["error_codes"], json!([50_076]));
        assert_eq!(
            asked("wrong").await["error_codes"],
            json!([50_126]),
            "nothing is told before the password is right"
        );
    }
}

impl Fixture {
    /// The same for a user that is there.
    async fn enrolled_again(&self, client: &Registered) -> App {
        let mut browser = Browser::new(self);
        browser.get(&client.asking(WEB, &[])).await;
        let app = App::set_up(&browser.sign_in(ADA, PASSWORD).await.text);
        browser.step("enrol", &[("code", &app.code(self))]).await;
        app
    }
}

#[tokio::test]
async fn codes_cannot_be_guessed() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let (_, app, codes) = fixture.enrolled(&client).await;
        fixture.wait();
        let mut browser = Browser::new(&fixture);
        browser.asked(&client).await;
        for n in 0..10 {
            // Signing in anew gives no new tries.
            if n == 5 {
                browser = Browser::new(&fixture);
                browser.asked(&client).await;
            }
            assert_eq!(browser.code(&app.wrong_code(&fixture)).await.status, 400, "{n}");
        }
        assert_eq!(browser.code(&app.code(&fixture)).await.status, 429);
        assert_eq!(browser.step("recovery", &[("code", &codes[0])]).await.status, 429);
        assert!(browser.session().is_none());
        fixture.clock.advance(SignedDuration::from_secs(61));
        assert_eq!(browser.code(&app.code(&fixture)).await.status, 303);
    }
}

#[tokio::test]
async fn what_was_proven_ends() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let (ada, app, _) = fixture.enrolled(&client).await;
        let id = ada.id.to_string();
        let disabled = UserChange { account_enabled: Some(false), ..UserChange::default() };
        let enabled = UserChange { account_enabled: Some(true), ..UserChange::default() };
        for what in ["time", "sessions", "disabled"] {
            let mut browser = Browser::new(&fixture);
            browser.asked(&client).await;
            let mut wait_s = 30;
            match what {
                "time" => wait_s = 601,
                "sessions" => fixture.identity.revoke_sign_in_sessions(&actor(), &id).await.unwrap(),
                _ => drop(fixture.identity.update_user(&actor(), &id, disabled.clone()).await.unwrap()),
            }
            fixture.clock.advance(SignedDuration::from_secs(wait_s));
            let answer = browser.code(&app.code(&fixture)).await;
            assert_eq!(answer.status, 403, "{what}: {}", answer.text);
            assert!(browser.session().is_none() && answer.text.contains("Sign in again"), "{what}");
        }
        fixture.identity.update_user(&actor(), &id, enabled).await.unwrap();
    }
}

#[tokio::test]
async fn a_form_proves_nothing_for_anybody_else() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let (_, app, _) = fixture.enrolled(&client).await;
        fixture.signer("eve", false).await;
        fixture.wait();
        // Eve knows the password, and waits with a page of another browser.
        let mut eve = Browser::new(&fixture);
        eve.asked(&client).await;
        let flow = eve.flow();
        let mut ada = Browser::new(&fixture);
        ada.get(&client.asking(WEB, &[])).await;
        let foreign = ada.post(&[("flow", &flow), ("step", "code"), ("code", &app.code(&fixture))]).await;
        assert_eq!((foreign.status.as_u16(), ada.session()), (403, None));
        // A page offers what it shows: no step is skipped.
        for step in ["enrol", "consent", "account", "continue", "sign-in", "password"] {
            assert_eq!(
                eve.post(&[("flow", &flow), ("step", step), ("code", "1")]).await.status,
                400,
                "{step}"
            );
        }
        // Eve's own page registers for eve, whatever she says.
        let mut eve = Browser::new(&fixture);
        eve.get(&client.asking(WEB, &[])).await;
        let page = eve.sign_in("eve@contoso.local", PASSWORD).await;
        let own = App::set_up(&page.text);
        let fields = [("code", &*own.code(&fixture)), ("username", ADA), ("user", ADA)];
        assert_eq!(eve.step("enrol", &fields).await.status, 200);
        let known = fixture.identity.list_authentication_methods(ADA).await.unwrap();
        assert_eq!(known.methods.len(), 1, "{known:?}");
    }
}

#[tokio::test]
async fn a_page_left_open_registers_nothing_beside_what_came_since() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.require_for(&client).await;
        let mut thief = Browser::new(&fixture);
        thief.get(&client.asking(WEB, &[])).await;
        let stolen = App::set_up(&thief.sign_in(ADA, PASSWORD).await.text);
        fixture.enrolled_again(&client).await;
        let answer = thief.step("enrol", &[("code", &stolen.code(&fixture))]).await;
        assert_eq!((answer.status.as_u16(), thief.session()), (403, None), "{}", answer.text);
        let known = fixture.identity.list_authentication_methods(ADA).await.unwrap();
        assert_eq!(known.methods.len(), 1);
    }
}

#[tokio::test]
async fn who_needs_one_by_what_they_are() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let asked = async |name: &str, password: &str| {
            let mut browser = Browser::new(&fixture);
            browser.get(&client.asking(WEB, &[])).await;
            browser.sign_in(name, password).await.text.contains("Add an authenticator app")
        };
        assert!(!asked(ADA, PASSWORD).await && !asked(ADMIN, ADMIN_PASSWORD).await);
        fixture.require(SecondFactorChange::Users(SecondFactorFor::Administrators)).await;
        assert!(!asked(ADA, PASSWORD).await && asked(ADMIN, ADMIN_PASSWORD).await);
        fixture.require(SecondFactorChange::Users(SecondFactorFor::Nobody)).await;
        let owner = crate::seed::DICOM_DATA_OWNER;
        fixture.require(SecondFactorChange::Role(owner, true)).await;
        fixture.require(SecondFactorChange::Role(DirectoryRole::GlobalReader.id(), true)).await;
        assert!(!asked(ADA, PASSWORD).await && !asked(ADMIN, ADMIN_PASSWORD).await);
        fixture.give(&ada, "DICOM Data Owner").await;
        assert!(asked(ADA, PASSWORD).await);
        // The resource, too, not only the client.
        fixture.require(SecondFactorChange::Role(owner, false)).await;
        assert!(!asked(ADA, PASSWORD).await);
        let dicom = crate::DICOM_APP_ID;
        fixture.require(SecondFactorChange::Application(dicom, true)).await;
        assert!(asked(ADA, PASSWORD).await);
        let policy = fixture.identity.second_factor_policy().await.unwrap();
        assert_eq!(
            (policy.applications, policy.roles),
            (vec![dicom], vec![DirectoryRole::GlobalReader.id()])
        );
    }
}

#[tokio::test]
async fn an_administrator_helps_who_has_lost_everything() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        let (ada, app, codes) = fixture.enrolled(&client).await;
        fixture.wait();
        let mut browser = Browser::new(&fixture);
        browser.asked(&client).await;
        assert_eq!(browser.code(&app.code(&fixture)).await.status, 303);
        fixture.clock.advance(SignedDuration::from_secs(1));
        let identity = &fixture.identity;
        assert!(identity.delete_authentication_method(&actor(), ADA, uuid::Uuid::nil()).await.is_err());
        identity.reset_authentication_methods(&actor(), ADA).await.unwrap();
        let page = browser.get(&client.asking(WEB, &[])).await;
        assert!(page.text.contains("<h1>Sign in</h1>"), "the session has ended");
        fixture.clock.advance(SignedDuration::from_secs(1));
        let page = browser.sign_in(ADA, PASSWORD).await;
        let new = App::set_up(&page.text);
        browser.step("enrol", &[("code", &new.code(&fixture))]).await;
        let mut again = Browser::new(&fixture);
        again.asked(&client).await;
        assert_eq!(again.step("recovery", &[("code", &codes[0])]).await.status, 400, "a set of before");
        // One that is removed, with the codes that go with it.
        let known = identity.list_authentication_methods(ADA).await.unwrap();
        identity.delete_authentication_method(&actor(), ADA, known.methods[0].id).await.unwrap();
        let known = identity.list_authentication_methods(&ada.id.to_string()).await.unwrap();
        assert_eq!(known, crate::AuthenticationMethods::default());
    }
}

#[tokio::test]
async fn a_passkey_instead_of_a_code() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        fixture.consented_to_all(&client.id, &ada).await;
        fixture.require_for(&client).await;
        let mut browser = Browser::new(&fixture);
        browser.get(&client.asking(WEB, &[])).await;
        let page = browser.sign_in(ADA, PASSWORD).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("; script-src 'sha256-"), "{policy}");
        let mut device = Authenticator::new();
        let options = options(&page.text);
        assert_eq!((&options["rp"]["id"], &options["user"]["name"]), (&json!("localhost"), &json!(ADA)));
        device.user_handle = Some(options["user"]["id"].as_str().unwrap().to_owned());
        let made = device.create(options["challenge"].as_str().unwrap());
        let codes = browser.step("passkey", &[("answer", &made)]).await;
        assert_eq!(recovery_codes(&codes.text).len(), 10, "{}", codes.text);
        assert_eq!(browser.step("continue", &[]).await.status, 303);

        let mut again = Browser::new(&fixture);
        again.asked(&client).await;
        assert!(!again.page.contains("Code of your authenticator app"), "there is none");
        let (page, challenge) = (again.page.clone(), challenge_of(&again.page));
        assert_eq!(again.step("passkey", &[("answer", &device.get("another"))]).await.status, 400);
        let stranger = Authenticator::new().get(&challenge_of(&again.page));
        assert_eq!(again.step("passkey", &[("answer", &stranger)]).await.status, 400);
        assert_ne!(challenge_of(&again.page), challenge, "each page asks for another");
        let (flow, answer) = (hidden(&page, "flow"), device.get(&challenge));
        let fields = [("flow", flow.as_str()), ("step", "passkey"), ("answer", answer.as_str())];
        let found = super::fields(&again.post(&fields).await);
        let tokens = fixture.redeem_web(&client, &found["code"]).await;
        assert_eq!(fixture.claims(&tokens).await["amr"], json!(["pwd", "fido", "mfa"]));
        // The same page again, though the authenticator would sign: its challenge is spent.
        let answer = device.get(&challenge);
        let fields = [("flow", flow.as_str()), ("step", "passkey"), ("answer", answer.as_str())];
        assert_eq!(again.post(&fields).await.status, 400);
        // A copy of the authenticator, whose counter is behind.
        let mut third = Browser::new(&fixture);
        third.asked(&client).await;
        device.counter = 1;
        let answer = device.get(&challenge_of(&third.page));
        assert_eq!(third.step("passkey", &[("answer", &answer)]).await.status, 400);
        assert!(third.session().is_none());
    }
}

/// What the script is told.
fn options(page: &str) -> Value {
    let at = page.find("data-options=\"").unwrap_or_else(|| panic!("no options in {page}")) + 14;
    let text = page[at..].split('"').next().unwrap();
    serde_json::from_str(&text.replace("&#34;", "\"").replace("&quot;", "\"")).unwrap()
}

pub(in crate::oauth) fn challenge_of(page: &str) -> String {
    options(page)["challenge"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_passkey_belongs_to_one_user() {
    for fixture in fixtures().await {
        let client = fixture.registered().await;
        fixture.require_for(&client).await;
        let mut devices = Vec::new();
        for name in ["ada", "eve"] {
            fixture.signer(name, false).await;
            let mut browser = Browser::new(&fixture);
            browser.get(&client.asking(WEB, &[])).await;
            let page = browser.sign_in(&format!("{name}@contoso.local"), PASSWORD).await;
            let device = Authenticator::new();
            let made = device.create(&challenge_of(&page.text));
            assert_eq!(browser.step("passkey", &[("answer", &made)]).await.status, 200);
            devices.push(device);
        }
        let mut browser = Browser::new(&fixture);
        browser.asked(&client).await;
        let of_eve = devices[1].get(&challenge_of(&browser.page));
        assert_eq!(browser.step("passkey", &[("answer", &of_eve)]).await.status, 400);
        assert!(browser.session().is_none());
    }
}
