//! Tokens that are bound to a key (RFC 9449): how they come about, and what they are worth without it.

use axum::body::Body;
use hilum_jose::{Algorithm, SigningKey, Validity, base64url_encode, sha256};
use hilum_kernel::{Clock as _, SystemRandom};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{
    authorize::tests::{ADA, Browser, DESKTOP, Registered, SPA, WEB, fields},
    tests::Answer,
    token::tests::form,
};
use crate::{
    sign_in::tests::PASSWORD,
    testing::{Client, Fixture, ISSUER_KEY as KEY, NOW, ORIGIN, fixtures},
};

const DICOM: &str = "https://dicom.healthcareapis.azure.com";
const TOKEN: &str = "/contoso.local/oauth2/v2.0/token";
const PAR: &str = "/contoso.local/oauth2/v2.0/par";

/// The thief's.
static OTHER: std::sync::LazyLock<SigningKey> = std::sync::LazyLock::new(|| {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let validity = Validity { not_before: now, not_after: now + SignedDuration::from_hours(24) };
    SigningKey::generate("other", validity, &SystemRandom).unwrap()
});

fn thumbprint(key: &SigningKey) -> String {
    key.jwk(None).unwrap().thumbprint().unwrap()
}

impl Fixture {
    /// A new proof for `POST path`, with some claims changed.
    fn proof(&self, key: &SigningKey, path: &str, changes: &Value) -> String {
        let jwk = key.jwk(None).unwrap();
        let header =
            json!({ "typ": "dpop+jwt", "alg": "PS256", "jwk": { "kty": "RSA", "n": jwk.n, "e": jwk.e } });
        let mut claims = json!({
            "jti": self.identity.random_text::<16>(),
            "htm": "POST",
            "htu": format!("{ORIGIN}{path}"),
            "iat": self.clock.now().as_second(),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let signed =
            format!("{}.{}", base64url_encode(header.to_string()), base64url_encode(claims.to_string()));
        let signature = key.sign_with(Algorithm::Ps256, signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url_encode(signature))
    }

    /// Sends a form with proofs of these keys.
    async fn prove(&self, path: &str, keys: &[&SigningKey], fields: &[(&str, &str)]) -> Answer {
        let proofs: Vec<String> = keys.iter().map(|key| self.proof(key, path, &json!({}))).collect();
        let headers: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", proof.as_str())).collect();
        self.post_with(path, form(fields), &headers).await
    }

    async fn refresh_with(
        &self,
        keys: &[&SigningKey],
        id: &str,
        secret: Option<&str>,
        token: &str,
    ) -> Answer {
        let mut fields = vec![("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)];
        fields.extend(secret.map(|secret| ("client_secret", secret)));
        self.prove(TOKEN, keys, &fields).await
    }

    /// A resource of ours is asked, with a token and a proof.
    async fn ask(&self, path: &str, scheme: &str, token: &str, proof: Option<&str>) -> (u16, HeaderMap) {
        let mut request = Request::get(path).header("authorization", format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        let router = self.identity.router().merge(self.identity.graph_router());
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        body.collect().await.unwrap();
        (parts.status.as_u16(), parts.headers)
    }
}

fn client_credentials(client: &Client) -> [(&'static str, String); 4] {
    [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", client.id()),
        ("client_secret", client.secret().to_owned()),
        ("scope", format!("{DICOM}/.default")),
    ]
}

fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn refused(answer: &Answer, error: &str, code: u64) {
    assert_eq!((answer.json()["error"].as_str(), answer.code()), (Some(error), code), "{}", answer.text);
    assert_eq!(answer.status, 400);
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", answer.text)).to_owned()
}

#[tokio::test]
async fn a_client_that_shows_a_key_gets_tokens_bound_to_it() {
    for fixture in fixtures().await {
        let client = fixture.client("service").await;
        let fields = client_credentials(&client);
        let bound = fixture.prove(TOKEN, &[&KEY], &borrowed(&fields)).await;
        assert_eq!(text(&bound, "token_type"), "DPoP");
        assert_eq!(fixture.claims(&bound).await["cnf"], json!({ "jkt": thumbprint(&KEY) }));
        assert_eq!(bound.header("dpop-nonce"), "", "no nonce where none is wanted");
        let v1 = [
            ("grant_type", "client_credentials"),
            ("client_id", &client.id()),
            ("client_secret", client.secret()),
            ("resource", DICOM),
        ];
        let bound = fixture.prove("/contoso.local/oauth2/token/", &[&KEY], &v1).await;
        assert_eq!(text(&bound, "token_type"), "DPoP");
        let free = fixture.v2(&borrowed(&fields)).await;
        assert_eq!(text(&free, "token_type"), "Bearer");
        assert!(fixture.claims(&free).await.get("cnf").is_none());
    }
}

#[tokio::test]
async fn proofs_that_prove_nothing_get_nothing() {
    let fixture = fixtures().await.remove(0);
    let client = fixture.client("service").await;
    let fields = client_credentials(&client);
    let send = async |proofs: &[&str]| {
        let headers: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
        fixture.post_with(TOKEN, form(&borrowed(&fields)), &headers).await
    };
    let proof = |changes: Value| fixture.proof(&KEY, TOKEN, &changes);
    let good = proof(json!({}));
    assert_eq!(send(&[&good]).await.status, 200);
    let long = proof(json!({ "more": "x".repeat(9000) }));
    for (why, proofs) in [
        ("replayed", vec![good.clone()]),
        ("of another method", vec![proof(json!({ "htm": "GET" }))]),
        ("of another host", vec![proof(json!({ "htu": format!("https://evil.example{TOKEN}") }))]),
        ("of another endpoint", vec![proof(json!({ "htu": format!("{ORIGIN}/dicom/v2/studies") }))]),
        (
            "of another way to write the tenant",
            vec![proof(json!({ "htu": format!("{ORIGIN}/common/oauth2/v2.0/token") }))],
        ),
        ("too long", vec![long]),
        ("no JWT", vec!["proof".to_owned()]),
        ("two headers", vec![proof(json!({})), proof(json!({}))]),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = send(&proofs).await;
        refused(&answer, "invalid_dpop_proof", 50_027);
        assert_eq!(answer.header("dpop-nonce"), "", "{why}");
    }
    // A clock that is off is helped by a nonce.
    let now = fixture.clock.now().as_second();
    for iat in [now - 121, now + 121] {
        let answer = send(&[&proof(json!({ "iat": iat }))]).await;
        refused(&answer, "use_dpop_nonce", 90_014);
        let nonce = answer.header("dpop-nonce");
        assert_eq!(send(&[&proof(json!({ "iat": iat, "nonce": nonce }))]).await.status, 200);
    }
    let of_page = [("origin", "https://viewer.example"), ("dpop", &*proof(json!({ "iat": 1 })))];
    let answer = fixture.post_with(TOKEN, form(&borrowed(&fields)), &of_page).await;
    assert_eq!(answer.header("access-control-expose-headers"), "dpop-nonce");
    assert_ne!(answer.header("dpop-nonce"), "");
    let trail = fixture.final_trail().await;
    let refusals = |code: &str| trail.iter().filter(|line| line.ends_with(code)).count();
    assert_eq!((refusals("AADSTS50027"), refusals("AADSTS90014")), (8, 3), "{trail:#?}");
}

#[tokio::test]
async fn the_session_of_a_public_client_is_bound_to_its_key() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", Some(&ada)).await;
        let scope = format!("{DICOM}/Dicom.Read offline_access");
        let password = [
            ("grant_type", "password"),
            ("client_id", &*id),
            ("username", ADA),
            ("password", PASSWORD),
            ("scope", &scope),
        ];
        let begun = fixture.prove(TOKEN, &[&KEY], &password).await;
        assert_eq!(fixture.claims(&begun).await["cnf"]["jkt"], thumbprint(&KEY));
        let refresh = text(&begun, "refresh_token");
        for keys in [&[][..], &[&*OTHER]] {
            refused(&fixture.refresh_with(keys, &id, None, &refresh).await, "invalid_grant", 700_005);
        }
        let next = fixture.refresh_with(&[&KEY], &id, None, &refresh).await;
        assert_eq!((text(&next, "token_type"), next.status.as_u16()), ("DPoP".to_owned(), 200));
        let refresh = text(&next, "refresh_token");
        fixture.clock.advance(SignedDuration::from_hours(1));
        refused(&fixture.refresh_with(&[&OTHER], &id, None, &refresh).await, "invalid_grant", 700_005);
        assert_eq!(
            fixture.refresh_with(&[&KEY], &id, None, &refresh).await.status,
            200,
            "nothing was used up"
        );

        // One that began without a key stays free; its access tokens are what each request shows.
        let free = text(&fixture.v2(&password).await, "refresh_token");
        let shown = fixture.refresh_with(&[&OTHER], &id, None, &free).await;
        assert_eq!(fixture.claims(&shown).await["cnf"]["jkt"], thumbprint(&OTHER));
        let bearer = fixture.refresh_with(&[], &id, None, &text(&shown, "refresh_token")).await;
        assert_eq!(text(&bearer, "token_type"), "Bearer");
    }
}

/// A code that a browser brings, for what the client adds to its request.
async fn code(fixture: &Fixture, client: &Registered, redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let mut browser = Browser::new(fixture);
    browser.get(&client.asking(redirect_uri, more)).await;
    let mut answer = browser.sign_in(ADA, PASSWORD).await;
    if answer.status == 200 {
        answer = browser.step("consent", &[("decision", "accept")]).await;
    }
    fields(&answer)["code"].clone()
}

#[tokio::test]
async fn a_code_that_is_bound_to_a_key_needs_it() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let jkt = thumbprint(&KEY);
        let bound = code(&fixture, &client, WEB, &[("dpop_jkt", &jkt)]).await;
        let redeem = async |code: &str, keys: &[&SigningKey]| {
            let fields = [
                ("client_id", client.id.as_str()),
                ("client_secret", &client.secret),
                ("redirect_uri", WEB),
                ("code", code),
            ];
            let proofs: Vec<String> = keys.iter().map(|key| fixture.proof(key, TOKEN, &json!({}))).collect();
            let headers: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", proof.as_str())).collect();
            fixture.redeem(&fields, &headers).await
        };
        for keys in [&[][..], &[&*OTHER]] {
            refused(&redeem(&bound, keys).await, "invalid_grant", 700_005);
        }
        let tokens = redeem(&bound, &[&KEY]).await;
        assert_eq!(fixture.claims(&tokens).await["cnf"]["jkt"], jkt);
        assert!(fixture.id_claims(&tokens).await.get("cnf").is_none(), "an ID token opens nothing");

        // Who proves itself with a secret refreshes with any key, or none.
        let refresh = text(&tokens, "refresh_token");
        let secret = Some(client.secret.as_str());
        let next = fixture.refresh_with(&[&OTHER], &client.id, secret, &refresh).await;
        assert_eq!(fixture.claims(&next).await["cnf"]["jkt"], thumbprint(&OTHER));
        let next = fixture.refresh_with(&[], &client.id, secret, &text(&next, "refresh_token")).await;
        assert_eq!(text(&next, "token_type"), "Bearer");

        // What is no thumbprint is refused at once.
        let mut browser = Browser::new(&fixture);
        for wrong in ["x", &jkt[1..], &format!("{jkt}="), &jkt.replace(&jkt[..1], "*")] {
            let answer = browser.get(&client.asking(WEB, &[("dpop_jkt", wrong)])).await;
            assert_eq!(fields(&answer)["error"], "invalid_request", "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_desktop_and_a_page_keep_their_key() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let origin = ("origin", "http://localhost:3000");
        for (uri, headers) in [(DESKTOP, vec![]), (SPA, vec![origin])] {
            let code = code(&fixture, &client, uri, &[]).await;
            let send = async |key: &SigningKey, fields: &[(&str, &str)]| {
                let proof = fixture.proof(key, TOKEN, &json!({}));
                let mut headers = headers.clone();
                headers.push(("dpop", &proof));
                fixture.redeem(fields, &headers).await
            };
            let id = client.id.as_str();
            let tokens = send(&KEY, &[("client_id", id), ("redirect_uri", uri), ("code", &code)]).await;
            assert_eq!(text(&tokens, "token_type"), "DPoP");
            let refresh = text(&tokens, "refresh_token");
            let fields = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", &refresh)];
            refused(&send(&OTHER, &fields).await, "invalid_grant", 700_005);
            assert_eq!(send(&KEY, &fields).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_pushed_request_is_bound_to_the_key_that_it_shows() {
    for fixture in fixtures().await {
        fixture.signer("ada", false).await;
        let client = fixture.registered().await;
        let asking = client.asking(WEB, &[]);
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(asking.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let push = async |keys: &[&SigningKey], jkt: Option<&str>| {
            let mut fields: Vec<(&str, &str)> =
                query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            fields.push(("client_secret", &client.secret));
            fields.extend(jkt.map(|jkt| ("dpop_jkt", jkt)));
            fixture.prove(PAR, keys, &fields).await
        };
        let (own, others) = (thumbprint(&KEY), thumbprint(&OTHER));
        refused(&push(&[&KEY], Some(&others)).await, "invalid_request", 90_100);
        refused(&push(&[&KEY, &KEY], None).await, "invalid_dpop_proof", 50_027);
        for (keys, jkt) in [(&[&*KEY][..], None), (&[&*KEY], Some(own.as_str())), (&[], Some(&*own))] {
            let uri = text(&push(keys, jkt).await, "request_uri");
            let mut browser = Browser::new(&fixture);
            let reference = form(&[("client_id", &client.id), ("request_uri", &uri)]);
            browser.get(&format!("/contoso.local/oauth2/v2.0/authorize?{reference}")).await;
            let mut answer = browser.sign_in(ADA, PASSWORD).await;
            if answer.status == 200 {
                answer = browser.step("consent", &[("decision", "accept")]).await;
            }
            let code = fields(&answer)["code"].clone();
            refused(&fixture.redeem_web(&client, &code).await, "invalid_grant", 700_005);
        }
    }
}

#[tokio::test]
async fn our_own_resources_want_the_proof() {
    for fixture in fixtures().await {
        let ada = fixture.signer("ada", false).await;
        let desktop = fixture.desktop("").await;
        let id = desktop.app_id.to_string();
        fixture.consent(&id, "Dicom.Read", Some(&ada)).await;
        let scope = "https://graph.microsoft.com/User.Read openid profile";
        let words = crate::NewPermissionGrant {
            client: id.clone(),
            resource: crate::seed::GRAPH_APP_ID.to_string(),
            scopes: ["User.Read", "openid", "profile"].map(str::to_owned).to_vec(),
            principal: None,
        };
        fixture.identity.grant_permissions(&crate::testing::actor(), words).await.unwrap();
        let password = [
            ("grant_type", "password"),
            ("client_id", &*id),
            ("username", ADA),
            ("password", PASSWORD),
            ("scope", scope),
        ];
        let bound = text(&fixture.prove(TOKEN, &[&KEY], &password).await, "access_token");
        let free = text(&fixture.v2(&password).await, "access_token");
        for path in ["/oidc/userinfo", "/v1.0/me"] {
            let proof_for = |token: &str, key: &SigningKey| {
                let ath = base64url_encode(sha256(token.as_bytes()));
                fixture.proof(key, path, &json!({ "htm": "GET", "ath": ath }))
            };
            assert_eq!(fixture.ask(path, "Bearer", &free, None).await.0, 200, "{path}");
            let proof = proof_for(&bound, &KEY);
            assert_eq!(fixture.ask(path, "DPoP", &bound, Some(&proof)).await.0, 200, "{path}");
            let late = fixture.proof(
                &KEY,
                path,
                &json!({ "htm": "GET", "ath": base64url_encode(sha256(bound.as_bytes())), "iat": 1 }),
            );
            let (thief, swapped) = (proof_for(&bound, &OTHER), proof_for(&free, &KEY));
            for (scheme, token, proof, error) in [
                ("DPoP", &bound, Some(&proof), "invalid_dpop_proof"),
                ("DPoP", &bound, Some(&thief), "invalid_dpop_proof"),
                ("DPoP", &bound, Some(&swapped), "invalid_dpop_proof"),
                ("DPoP", &bound, Some(&late), "use_dpop_nonce"),
                ("DPoP", &bound, None, "invalid_dpop_proof"),
                ("DPoP", &free, Some(&swapped), "invalid_token"),
                ("Bearer", &bound, Some(&proof), ""),
            ] {
                let (status, headers) = fixture.ask(path, scheme, token, proof.map(String::as_str)).await;
                let challenge = headers["www-authenticate"].to_str().unwrap();
                assert_eq!(status, 401, "{path} {error}");
                assert!(challenge.starts_with(scheme), "{challenge}");
                assert!(challenge.contains(error), "{challenge}");
                assert_eq!(headers.contains_key("dpop-nonce"), error == "use_dpop_nonce", "{path} {error}");
                let algorithms = r#"algs="ES256 ES384 PS256 RS256""#;
                assert!(scheme == "Bearer" || challenge.contains(algorithms), "{challenge}");
            }
        }
    }
}

#[tokio::test]
async fn introspection_tells_the_key() {
    for fixture in fixtures().await {
        let client = fixture.client("service").await;
        let (id, own) = (client.id(), format!("{}/.default", client.id()));
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &*id),
            ("client_secret", client.secret()),
            ("scope", &own),
        ];
        let bound = text(&fixture.prove(TOKEN, &[&KEY], &fields).await, "access_token");
        let asked = [("client_id", &*id), ("client_secret", client.secret()), ("token", &bound)];
        let told = fixture.post("/contoso.local/oauth2/v2.0/introspect", form(&asked)).await.json();
        assert_eq!((&told["token_type"], &told["cnf"]["jkt"]), (&json!("DPoP"), &json!(thumbprint(&KEY))));
    }
}
