//! Providers that are away, slow, endless or confused: a page says so, and local sign-in goes on.

use jiff::SignedDuration;

use super::*;

/// On one database: what is tried here never gets that far.
async fn place() -> Place {
    let place = places(Linking::Existing).await.remove(0);
    place.fixture.signer("ada", false).await;
    place.link(ADA, SUBJECT).await;
    place
}

impl Place {
    /// The button leads nowhere at present.
    async fn is_away(&self, browser: &mut Browser<'_>) {
        browser.get(&self.client.asking(WEB, &[])).await;
        let answer = browser.step("elsewhere", &[("provider", PROVIDER)]).await;
        assert_eq!(answer.status, 502);
        is_out(browser, &answer, 50_166);
    }

    fn metadata_asked(&self) -> usize {
        self.elsewhere.mock.lock().unwrap().asked.get("metadata").copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_for_a_while() {
    let place = place().await;
    place.elsewhere.change(|mock| mock.metadata_status = 503);
    let mut browser = place.browser();
    for _ in 0..3 {
        place.is_away(&mut browser).await;
    }
    assert_eq!(place.metadata_asked(), 1);
    assert!(is_in(&browser.sign_in(ADA, PASSWORD).await), "who has a password gets in");
    place.fixture.clock.advance(SignedDuration::from_secs(16));
    place.elsewhere.change(|mock| mock.metadata_status = 200);
    assert!(is_in(&place.sign_in(&mut place.browser(), Value::Null).await));
    // What is known serves while it is away again, for a day.
    place.elsewhere.change(|mock| mock.metadata_status = 503);
    place.fixture.clock.advance(SignedDuration::from_hours(2));
    let sent = place.leave(&mut place.browser()).await;
    assert!(sent.contains_key("state"));
    place.fixture.clock.advance(SignedDuration::from_hours(23));
    place.is_away(&mut place.browser()).await;
}

#[tokio::test]
async fn metadata_that_cannot_be() {
    for (why, changes) in [
        ("another issuer", json!({ "issuer": "https://evil.example" })),
        ("an endpoint in the clear", json!({ "token_endpoint": "http://evil.example/token" })),
        ("an endpoint that is a script", json!({ "authorization_endpoint": "javascript:alert(1)" })),
        ("an endpoint that is a file", json!({ "userinfo_endpoint": "file:///etc/passwd" })),
        ("no endpoint", json!({ "token_endpoint": null })),
        ("endless", json!({ "x": "x".repeat(300_000) })),
    ] {
        let place = place().await;
        place.elsewhere.change(|mock| mock.metadata = changes);
        let mut browser = place.browser();
        browser.get(&place.client.asking(WEB, &[])).await;
        let answer = browser.step("elsewhere", &[("provider", PROVIDER)]).await;
        assert_eq!(answer.status, 502, "{why}: {}", answer.text);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let place = place().await;
    place.elsewhere.change(|mock| mock.metadata_status = 302);
    place.is_away(&mut place.browser()).await;
    let place = self::place().await;
    let mut browser = place.browser();
    let sent = place.leave(&mut browser).await;
    place.elsewhere.change(|mock| mock.token = (307, String::new()));
    let query = form(&[("code", "the code"), ("state", &sent["state"])]);
    let answer = browser.get(&format!("{BACK}?{query}")).await;
    is_out(&browser, &answer, 50_166);
}

#[tokio::test]
async fn slow_and_endless_answers() {
    let place = place().await;
    place.elsewhere.change(|mock| mock.slow = true);
    place.is_away(&mut place.browser()).await;
    for (status, body, code) in [
        (200, "x".repeat(300_000), 50_166),
        (200, "no JSON".to_owned(), 50_027),
        (200, json!({ "access_token": "at" }).to_string(), 50_027),
        (200, json!({ "id_token": 1 }).to_string(), 50_027),
        (400, json!({ "error": "invalid_grant", "error_description": "<b>no</b>" }).to_string(), 50_166),
        (401, "<html>".to_owned(), 50_166),
        (500, String::new(), 50_166),
    ] {
        let place = self::place().await;
        let mut browser = place.browser();
        let sent = place.leave(&mut browser).await;
        place.elsewhere.change(|mock| mock.token = (status, body));
        let query = form(&[("code", "the code"), ("state", &sent["state"])]);
        let answer = browser.get(&format!("{BACK}?{query}")).await;
        is_out(&browser, &answer, code);
        assert!(!answer.text.contains("<b>no"));
        assert!(is_in(&browser.sign_in(ADA, PASSWORD).await));
    }
}

/// Nobody can fill the database by leaving for a provider again and again.
#[tokio::test]
async fn sign_ins_under_way_are_bounded() {
    const COUNT: hilum_storage::db::Sql = "SELECT COUNT(*) FROM upstream_sign_in";
    for place in places(Linking::Existing).await {
        let asking = place.client.asking(WEB, &[("domain_hint", PROVIDER)]);
        let mut browser = place.browser();
        for _ in 0..3 {
            place.sent(&browser.get(&asking).await);
        }
        let count = async || {
            let mut tx = place.fixture.test_db.db.read().await.unwrap();
            tx.fetch_optional(COUNT, &[]).await.unwrap().unwrap().int(0).unwrap()
        };
        assert_eq!(count().await, 3);
        place.fixture.clock.advance(SignedDuration::from_mins(16));
        place.sent(&browser.get(&asking).await);
        assert_eq!(count().await, 1, "what is over goes");
    }
}
