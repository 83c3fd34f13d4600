//! *My account* in a browser: what it shows, what it ends, and for whom.

use http::Request;

use crate::{
    oauth::{
        authorize::tests::{ADA, Browser, Registered, WEB, fields, hidden},
        tests::Answer,
        token::tests::form,
    },
    sign_in::tests::PASSWORD,
    testing::{Fixture, fixtures},
};

const APPLICATIONS: &str = "/portal/account/applications";
const SESSIONS: &str = "/portal/account/sessions";
const BOB: &str = "bob@contoso.local";

impl Browser<'_> {
    /// Opens a page of *My account*, signing in if asked to.
    pub(super) async fn open(&mut self, path: &str, name: &str) -> Answer {
        let answer = self.get(path).await;
        if !answer.text.contains("current-password") {
            return answer;
        }
        let done = self.sign_in(name, PASSWORD).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, path));
        self.get(path).await
    }

    pub(super) async fn press(&mut self, path: &str, step: &str, fields: &[(&str, &str)]) -> Answer {
        let flow = hidden(&self.page, "flow");
        let mut all = vec![("flow", flow.as_str()), ("step", step)];
        all.extend_from_slice(fields);
        self.send_form(path, &all).await
    }

    pub(super) async fn send_form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.visit(request, form(fields)).await
    }
}

impl Fixture {
    async fn renewed(&self, client: &Registered, refresh: &str) -> Answer {
        self.v2(&[
            ("grant_type", "refresh_token"),
            ("client_id", &client.id),
            ("client_secret", &client.secret),
            ("refresh_token", refresh),
        ])
        .await
    }

    /// Somebody who lets a client act in his name; the browser and the refresh token.
    async fn with_session(&self, client: &Registered) -> (Browser<'_>, String) {
        let mut browser = Browser::new(self);
        let code = browser.through(&client.asking(WEB, &[])).await["code"].clone();
        let tokens = self.redeem_web(client, &code).await;
        (browser, tokens.json()["refresh_token"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn what_was_granted_is_shown_and_taken_back() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let (mut browser, refresh) = fixture.with_session(&client).await;
        let page = browser.open(APPLICATIONS, ADA).await;
        for shown in [
            "Reading room",
            &client.id,
            "unverified publisher",
            "Read images",
            "Sign users in",
            "granted by you, 20",
        ] {
            assert!(page.text.contains(shown), "{shown}: {}", page.text);
        }
        let unredeemed = fields(&browser.get(&client.asking(WEB, &[])).await)["code"].clone();
        browser.get(APPLICATIONS).await;
        let asked = browser.press(APPLICATIONS, "ask", &[("application", &client.id)]).await;
        assert!(asked.text.contains("Take access back from Reading room?"), "{}", asked.text);
        assert_eq!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().len(), 2, "asked first");
        let done = browser.press(APPLICATIONS, "take-back", &[("application", &client.id)]).await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, APPLICATIONS));
        assert!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().is_empty());
        assert_eq!(fixture.renewed(&client, &refresh).await.json()["error"], "invalid_grant");
        let code = fixture.redeem_web(&client, &unredeemed).await;
        assert_eq!((code.json()["error"].as_str(), code.code()), (Some("invalid_grant"), 65_001));
        assert!(browser.get(APPLICATIONS).await.text.contains("There are none."));
        assert!(browser.get(&client.asking(WEB, &[])).await.text.contains("asks for permissions"));
        let trail = fixture.final_trail().await;
        for line in ["identity.consent.revoked success", "identity.session.revoked success"] {
            assert!(trail.iter().any(|event| event.starts_with(line)), "{line}: {trail:#?}");
        }
    }
}

#[tokio::test]
async fn what_an_administrator_granted_is_shown_and_stays() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let client = fixture.registered().await;
    fixture.consent(&client.id, "Dicom.Read", None).await;
    let mut browser = Browser::new(&fixture);
    browser.get(&client.asking(WEB, &[])).await;
    let code = fields(&browser.sign_in(ADA, PASSWORD).await)["code"].clone();
    let refresh =
        fixture.redeem_web(&client, &code).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let page = browser.get(APPLICATIONS).await;
    assert!(page.text.contains("granted by an administrator for everybody"), "{}", page.text);
    browser.press(APPLICATIONS, "take-back", &[("application", &client.id)]).await;
    assert_eq!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().len(), 1);
    assert_eq!(fixture.renewed(&client, &refresh).await.json()["error"], "invalid_grant", "its session ends");
    let page = browser.get(APPLICATIONS).await;
    assert!(page.text.contains("There are none."), "nothing of the person's own: {}", page.text);
}

#[tokio::test]
async fn nobody_ends_what_is_anothers() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        fixture.signer("bob", false).await;
        let client = fixture.registered().await;
        let (mut adas, refresh) = fixture.with_session(&client).await;
        let page = adas.open(SESSIONS, ADA).await;
        assert!(page.text.contains("(this browser)"), "{}", page.text);
        let (slip, cookies) = (hidden(&adas.page, "flow"), adas.cookies.clone());
        // The same person's second browser names the first session.
        let mut second = Browser::new(&fixture);
        second.open(SESSIONS, ADA).await;
        let adas_sid = hidden(&second.page, "sid");
        let mut bobs = Browser::new(&fixture);
        let page = bobs.open(SESSIONS, BOB).await;
        assert!(!page.text.contains(&adas_sid) && !page.text.contains("Reading room"), "{}", page.text);
        for (step, name, value) in [
            ("end", "sid", adas_sid.as_str()),
            ("end-others", "", ""),
            ("end-application", "application", &client.id),
        ] {
            assert_eq!(bobs.press(SESSIONS, step, &[(name, value)]).await.status, 303, "{step}");
            bobs.get(SESSIONS).await;
        }
        bobs.press(APPLICATIONS, "take-back", &[("application", &client.id)]).await;
        assert_eq!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().len(), 2);
        assert!(adas.get(SESSIONS).await.text.contains("Where you are signed in"));
        // Forms of another browser, of another session, of nobody, and made up.
        bobs.get(SESSIONS).await;
        let bobs_slip = hidden(&bobs.page, "flow");
        let all = |slip: &str| vec![("flow", slip.to_owned()), ("step", "end-all".to_owned())];
        for (why, browser, slip) in [
            ("another browser's form", &mut bobs, slip.as_str()),
            ("another person's form", &mut adas, bobs_slip.as_str()),
            ("no form of ours", &mut second, ""),
            ("nobody", &mut Browser::new(&fixture), &slip),
        ] {
            let owned = all(slip);
            let sent: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for path in [SESSIONS, APPLICATIONS] {
                assert_eq!(browser.send_form(path, &sent).await.status, 403, "{why}");
            }
        }
        // A form of before a new sign-in in the same browser.
        adas.get("/portal/account/sessions").await;
        adas.cookies = cookies;
        adas.cookies.remove("__Host-hilum-session");
        adas.open(SESSIONS, ADA).await;
        let sent = [("flow", slip.as_str()), ("step", "end-all")];
        assert_eq!(adas.send_form(SESSIONS, &sent).await.status, 403, "another session's form");
        assert_eq!(fixture.renewed(&client, &refresh).await.status, 200);
    }
}

#[tokio::test]
async fn sessions_end_one_by_one_or_all() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let (mut first, refresh) = fixture.with_session(&client).await;
        let (mut second, mut third) = (Browser::new(&fixture), Browser::new(&fixture));
        let mut fourth = Browser::new(&fixture);
        second.open(SESSIONS, ADA).await;
        let page = first.open(SESSIONS, ADA).await;
        assert!(page.text.contains("unknown browser") && page.text.contains("Reading room"), "{}", page.text);
        let sid = hidden(&first.page, "sid");
        first.press(SESSIONS, "end", &[("sid", &sid)]).await;
        assert!(second.get(SESSIONS).await.text.contains("current-password"), "ended from elsewhere");
        third.open(SESSIONS, ADA).await;
        fourth.open(SESSIONS, ADA).await;
        first.get(SESSIONS).await;
        first.press(SESSIONS, "end-others", &[]).await;
        for other in [&mut third, &mut fourth] {
            assert!(other.get(SESSIONS).await.text.contains("current-password"));
        }
        assert!(first.get(SESSIONS).await.text.contains("(this browser)"), "its own stays");
        first.press(SESSIONS, "end-application", &[("application", &client.id)]).await;
        assert_eq!(fixture.renewed(&client, &refresh).await.json()["error"], "invalid_grant");
        assert_eq!(fixture.identity.list_grants(Some(&client.id)).await.unwrap().len(), 2, "consent stays");

        let code = fields(&first.get(&client.asking(WEB, &[])).await)["code"].clone();
        let tokens = fixture.redeem_web(&client, &code).await.json();
        fixture.clock.advance(jiff::SignedDuration::from_secs(1));
        first.get(SESSIONS).await;
        let asked = first.press(SESSIONS, "ask-all", &[]).await;
        assert!(asked.text.contains("End all sessions?"), "{}", asked.text);
        assert_eq!(first.press(SESSIONS, "end-all", &[]).await.status, 303);
        assert!(first.get(SESSIONS).await.text.contains("current-password"), "this browser, too");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(fixture.renewed(&client, refresh).await.json()["error"], "invalid_grant");
    }
}

#[tokio::test]
async fn pages_for_who_is_signed_in_ask_who_it_is() {
    let fixture = fixtures().await.remove(0);
    fixture.signer("ada", false).await;
    let mut browser = Browser::new(&fixture);
    assert_eq!(browser.get("/portal/account").await.header("location"), APPLICATIONS);
    let page = browser.get(SESSIONS).await;
    assert!(page.text.contains("to continue to <strong>My account</strong>"), "{}", page.text);
    assert!(!page.text.contains("value=\"cancel\""), "there is nowhere to go back to");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value);
    }
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    let cancelled = browser.step("cancel", &[]).await;
    assert_eq!(cancelled.status, 400, "{}", cancelled.text);
    // Late forms are refused.
    browser.get(SESSIONS).await;
    browser.open(SESSIONS, ADA).await;
    fixture.clock.advance(jiff::SignedDuration::from_secs(3_601));
    assert_eq!(browser.press(SESSIONS, "end-others", &[]).await.status, 400);
}
