//! Assertions of other issuers: the good one, and each that proves nothing.

use hilum_jose::{SigningKey, Validity};
use hilum_kernel::SystemRandom;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::{
    tests::Answer,
    token::tests::{ASSERTION_TYPE, assertion},
};
use crate::testing::{AWAY, Client, Fixture, ISSUER, ISSUER_KEY, NOW, actor, fixtures, members};

const SUBJECT: &str = "repo:contoso/Archive:environment:production";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const SCOPE: &str = "https://dicom.healthcareapis.azure.com/.default";

fn claims() -> Value {
    let now = NOW.parse::<jiff::Timestamp>().unwrap().as_second();
    json!({"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "jti": "x", "iat": now, "nbf": now, "exp": now + 600})
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": ISSUER_KEY.kid()})
}

fn signed(claims: &Value) -> String {
    assertion(&ISSUER_KEY, header(), claims, false)
}

impl Fixture {
    async fn trusts(&self, client: &Client, name: &str, issuer: &str) {
        let text = json!({"name": name, "issuer": issuer, "subject": SUBJECT, "audiences": [AUDIENCE]});
        let members = members(&text.to_string());
        self.identity.add_federated_credential(&actor(), client.id().as_str(), &members).await.unwrap();
    }

    async fn with_assertion(&self, client: &Client, assertion: &str) -> Answer {
        let id = client.id();
        let fields = [
            ("client_id", id.as_str()),
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
            ("scope", SCOPE),
        ];
        self.v2(&fields).await
    }
}

#[tokio::test]
async fn a_foreign_assertion_stands_for_the_application_that_trusts_it() {
    for fixture in fixtures().await {
        let (client, other) = (fixture.client("pipeline").await, fixture.client("other").await);
        fixture.trusts(&client, "production", ISSUER).await;
        // Twice: clients send the same one until it expires.
        for claims in [claims(), claims(), changed("aud", json!(["https://elsewhere", AUDIENCE]))] {
            let answer = fixture.with_assertion(&client, &signed(&claims)).await;
            let token = fixture.claims(&answer).await;
            assert_eq!((&token["appidacr"], &token["appid"]), (&json!("2"), &json!(client.id())));
        }
        let answer = fixture.with_assertion(&other, &signed(&claims())).await;
        assert_eq!(answer.code(), 70_021, "{}", answer.text);
        let id = client.id();
        fixture.identity.remove_federated_credential(&actor(), id.as_str(), "production").await.unwrap();
        let answer = fixture.with_assertion(&client, &signed(&claims())).await;
        assert_eq!((answer.code(), answer.status.as_u16()), (70_021, 401), "{}", answer.text);
    }
}

#[tokio::test]
async fn foreign_assertions_that_prove_nothing() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("pipeline").await;
    fixture.trusts(&client, "production", ISSUER).await;
    fixture.trusts(&client, "away", AWAY).await;
    fixture.trusts(&client, "unnamed", "https://unnamed.example").await;
    let now = NOW.parse::<jiff::Timestamp>().unwrap();
    let at = |seconds: i64| json!(now.as_second() + seconds);
    let validity = Validity { not_before: now, not_after: now + SignedDuration::from_hours(1) };
    let stranger = SigningKey::generate("stranger", validity, &SystemRandom).unwrap();
    let mut cut = signed(&claims());
    cut.truncate(cut.len() - 6);
    for (what, text, code) in [
        ("another issuer", signed(&changed("iss", json!("https://elsewhere.example"))), 700_211),
        ("the issuer with a slash", signed(&changed("iss", json!(format!("{ISSUER}/")))), 700_211),
        ("an issuer not named", signed(&changed("iss", json!("https://unnamed.example"))), 700_211),
        ("an issuer that is away", signed(&changed("iss", json!(AWAY))), 50_166),
        ("another subject", signed(&changed("sub", json!("repo:evil/Archive"))), 700_213),
        ("another case", signed(&changed("sub", json!(SUBJECT.to_lowercase()))), 7_002_138),
        ("no subject", signed(&changed("sub", Value::Null)), 700_213),
        ("another audience", signed(&changed("aud", json!("https://elsewhere"))), 700_212),
        ("no audience", signed(&changed("aud", Value::Null)), 700_212),
        ("another key", assertion(&stranger, header(), &claims(), false), 700_027),
        (
            "another kid",
            assertion(&ISSUER_KEY, json!({"alg": "RS256", "kid": "x"}), &claims(), false),
            700_027,
        ),
        ("a cut signature", cut, 700_027),
        // Who cannot sign for the issuer does not learn which subject is trusted.
        ("a guess", assertion(&stranger, header(), &changed("sub", json!("x")), false), 700_027),
        ("expired", signed(&changed("exp", at(-301))), 700_024),
        ("not yet valid", signed(&changed("nbf", at(301))), 700_024),
        ("lives too long", signed(&changed("exp", at(90_000))), 700_024),
        ("no expiry", signed(&changed("exp", Value::Null)), 50_027),
    ] {
        let answer = fixture.with_assertion(&client, &text).await;
        assert_eq!(answer.code(), code, "{what}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_no_wrong_guess() {
    for fixture in fixtures().await {
        let client = fixture.client("pipeline").await;
        fixture.trusts(&client, "production", ISSUER).await;
        fixture.trusts(&client, "away", AWAY).await;
        let away = signed(&changed("iss", json!(AWAY)));
        for _ in 0..25 {
            let answer = fixture.with_assertion(&client, &away).await;
            assert_eq!((answer.code(), answer.status.as_u16()), (50_166, 503), "{}", answer.text);
        }
        let answer = fixture.with_assertion(&client, &signed(&claims())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn what_is_not_trusted_is_told() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("pipeline").await;
    fixture.trusts(&client, "unnamed", "https://unnamed.example").await;
    let claims = changed("iss", json!("https://unnamed.example"));
    let answer = fixture.with_assertion(&client, &signed(&claims)).await;
    assert!(answer.text.contains("identity.federated_issuers"), "{}", answer.text);
    // Guesses are counted, as those of secrets are.
    for _ in 0..20 {
        fixture.with_assertion(&client, &signed(&claims)).await;
    }
    assert_eq!(fixture.with_assertion(&client, &signed(&claims)).await.status, 429);
}
