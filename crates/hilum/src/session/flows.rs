//! The sign-in flows from the client's side: device code (RFC 8628), secret, certificate (RFC 7523), password, refresh.

use std::{path::Path, time::Duration};

use hilum_jose::{SigningHeader, SigningKey, base64url_decode, sign_jwt};
use hilum_kernel::Secret;
use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client,
    commands::{Failure, values},
};

const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 §3.2, §3.5: five seconds where the server says nothing, five more whenever it says `slow_down`.
const INTERVAL_STEP: Duration = Duration::from_secs(5);
/// Nobody waits longer than this between two questions.
const INTERVAL_MAX: Duration = Duration::from_mins(1);
const CODE_SECONDS_DEFAULT: u64 = 900;
/// A code that lives longer than this is a mistake of the server.
const CODE_SECONDS_MAX: u64 = 3600;

/// One tenant's endpoints at one server.
pub(crate) struct Authority<'a> {
    pub(crate) http: &'a Client,
    pub(crate) server: &'a str,
    /// ID, domain, or `organizations`.
    pub(crate) tenant: &'a str,
}

/// What the token endpoint gave.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access_token: Secret<String>,
    pub(crate) refresh_token: Option<Secret<String>>,
    pub(crate) id_token: Option<Secret<String>>,
    pub(crate) expires_in: i64,
}

/// A sign-in that a person completes in a browser.
pub(crate) struct DeviceCode {
    secret: Secret<String>,
    pub(crate) message: String,
    interval: Duration,
    life: Duration,
}

/// A form's fields. Every value may be a secret.
type Form<'a> = Vec<(&'a str, Secret<String>)>;

/// An OAuth error, as far as flows act on it.
struct Refusal {
    error: String,
    description: String,
}

impl Authority<'_> {
    /// RFC 8628 §3.1: asks for a code that a person types at the server.
    pub(crate) async fn device_code(&self, client_id: &str, scope: &str) -> Result<DeviceCode, Failure> {
        let form = vec![("client_id", plain(client_id)), ("scope", plain(scope))];
        let answer = self.post("devicecode", form).await?.map_err(Refusal::failure)?;
        let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default();
        let secret = Secret::new(text("device_code").to_owned());
        if secret.expose().is_empty() {
            return Err(Failure::Error(format!("{} gave no device code", self.server)));
        }
        let page = Some(text("verification_uri")).filter(|page| !page.is_empty());
        let message = match text("message") {
            "" => format!(
                "To sign in, open the page {} in a web browser and enter the code {} to authenticate.",
                page.unwrap_or_else(|| text("verification_url")),
                text("user_code")
            ),
            message => message.to_owned(),
        };
        let seconds = |member| number(&answer, member).and_then(|seconds| u64::try_from(seconds).ok());
        let life = seconds("expires_in").unwrap_or(CODE_SECONDS_DEFAULT).clamp(1, CODE_SECONDS_MAX);
        let interval = seconds("interval").map_or(INTERVAL_STEP, Duration::from_secs);
        Ok(DeviceCode {
            secret,
            // It is printed as it is: no control characters reach the terminal.
            message: message.chars().filter(|letter| !letter.is_control()).collect(),
            interval: interval.clamp(Duration::from_secs(1), INTERVAL_MAX),
            life: Duration::from_secs(life),
        })
    }

    /// RFC 8628 §3.4: asks until the person has decided or the code has ended.
    pub(crate) async fn poll(&self, client_id: &str, code: &DeviceCode) -> Result<Tokens, Failure> {
        let mut interval = code.interval;
        let mut waited = Duration::ZERO;
        while waited < code.life {
            tokio::time::sleep(interval).await;
            waited += interval;
            let form = vec![
                ("grant_type", plain(DEVICE_GRANT)),
                ("client_id", plain(client_id)),
                ("device_code", code.secret.clone()),
                ("client_info", plain("1")),
            ];
            match self.post("token", form).await? {
                Ok(answer) => return tokens(&answer),
                Err(refusal) if refusal.error == "authorization_pending" => {}
                // RFC 8628 §3.5: for this and all later questions.
                Err(refusal) if refusal.error == "slow_down" => interval = slower(interval),
                Err(refusal) => return Err(refusal.failure()),
            }
        }
        Err(Failure::Error("the code has ended before it was used: run `hilum login` again".to_owned()))
    }

    /// RFC 6749 §4.4 with a secret.
    pub(crate) async fn with_secret(
        &self,
        client_id: &str,
        secret: &Secret<String>,
        scope: &str,
    ) -> Result<Tokens, Failure> {
        let mut form = client_credentials(client_id, scope);
        form.push(("client_secret", secret.clone()));
        self.token(form).await
    }

    /// RFC 6749 §4.4 with a signed assertion in place of a secret (RFC 7523 §2.2).
    pub(crate) async fn with_certificate(
        &self,
        client_id: &str,
        file: &Path,
        scope: &str,
        moment: (Timestamp, Uuid),
    ) -> Result<Tokens, Failure> {
        let mut form = client_credentials(client_id, scope);
        form.push(("client_assertion_type", plain("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
        form.push(("client_assertion", assertion(file, client_id, &self.endpoint("token"), moment).await?));
        self.token(form).await
    }

    /// RFC 6749 §4.3, where an administrator has allowed it.
    pub(crate) async fn with_password(
        &self,
        client_id: &str,
        user: &str,
        password: &Secret<String>,
        scope: &str,
    ) -> Result<Tokens, Failure> {
        self.token(vec![
            ("grant_type", plain("password")),
            ("client_id", plain(client_id)),
            ("username", plain(user)),
            ("password", password.clone()),
            ("scope", plain(scope)),
        ])
        .await
    }

    /// RFC 6749 §6, also for another resource: a refresh token is bound to user and client, not to a resource.
    pub(crate) async fn refresh(
        &self,
        client_id: &str,
        refresh_token: &Secret<String>,
        scope: &str,
    ) -> Result<Tokens, Failure> {
        self.token(vec![
            ("grant_type", plain("refresh_token")),
            ("client_id", plain(client_id)),
            ("refresh_token", refresh_token.clone()),
            ("scope", plain(&format!("{scope} offline_access openid profile"))),
        ])
        .await
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/{}/oauth2/v2.0/{name}", self.server, self.tenant)
    }

    async fn token(&self, form: Form<'_>) -> Result<Tokens, Failure> {
        tokens(&self.post("token", form).await?.map_err(Refusal::failure)?)
    }

    async fn post(&self, endpoint: &str, form: Form<'_>) -> Result<Result<Value, Refusal>, Failure> {
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (*name, value.expose().as_str())).collect();
        let request = self.http.post(self.endpoint(endpoint)).form(&form);
        let response = request.send().await.map_err(|error| {
            Failure::Error(format!(
                "cannot reach {}; is the server running? ({})",
                self.server,
                client::cause(&error)
            ))
        })?;
        let good = response.status().is_success();
        let status = response.status();
        let body = zeroize::Zeroizing::new(client::body(response, ANSWER_BYTES_MAX).await?);
        let answer: Value = serde_json::from_slice(&body).map_err(|_| {
            Failure::Error(format!("{} answered {status}, but not in JSON", self.endpoint(endpoint)))
        })?;
        if good {
            return Ok(Ok(answer));
        }
        let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Err(Refusal { error: text("error"), description: text("error_description") }))
    }
}

impl Refusal {
    fn failure(self) -> Failure {
        let text = match (self.description.is_empty(), self.error.is_empty()) {
            (false, _) => self.description,
            (true, false) => self.error,
            (true, true) => "the server refused the sign-in without saying why".to_owned(),
        };
        Failure::Error(text)
    }
}

impl Tokens {
    /// Claims of the ID token, or else of the access token. They were sent over TLS by the server itself and are used to
    /// name the account, nothing else.
    pub(crate) fn claims(&self) -> Value {
        let token = self.id_token.as_ref().unwrap_or(&self.access_token);
        let payload = token.expose().split('.').nth(1).and_then(|part| base64url_decode(part).ok());
        payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

fn slower(interval: Duration) -> Duration {
    (interval + INTERVAL_STEP).min(INTERVAL_MAX)
}

fn plain(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn client_credentials<'a>(client_id: &str, scope: &str) -> Form<'a> {
    vec![
        ("grant_type", plain("client_credentials")),
        ("client_id", plain(client_id)),
        ("scope", plain(scope)),
    ]
}

fn tokens(answer: &Value) -> Result<Tokens, Failure> {
    let text = |member: &str| answer.get(member).and_then(Value::as_str).map(plain);
    Ok(Tokens {
        access_token: text("access_token")
            .ok_or_else(|| Failure::Error("the server gave no token".to_owned()))?,
        refresh_token: text("refresh_token"),
        id_token: text("id_token"),
        expires_in: number(answer, "expires_in").unwrap_or(0),
    })
}

/// Numbers are texts in answers of v1.0 (sheet §2.3).
fn number(answer: &Value, member: &str) -> Option<i64> {
    let value = answer.get(member)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A signed assertion in place of a secret (RFC 7523 §2.2).
async fn assertion(
    file: &Path,
    client_id: &str,
    endpoint: &str,
    (now, id): (Timestamp, Uuid),
) -> Result<Secret<String>, Failure> {
    let pem = Secret::new(values::read_file(file)?);
    let claims = json!({
        "aud": endpoint, "iss": client_id, "sub": client_id, "jti": id.to_string(),
        "iat": now.as_second(), "nbf": now.as_second() - 60, "exp": now.as_second() + 300,
    });
    let signed = tokio::task::spawn_blocking(move || {
        SigningKey::from_pem(&pem).and_then(|key| sign_jwt(&key, SigningHeader::ASSERTION, &claims))
    });
    let signed = signed.await.map_err(Failure::error)?;
    signed.map(Secret::new).map_err(|error| {
        Failure::Error(format!("{} must hold a certificate and its private key: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };

    use axum::{Router, extract::State, http::StatusCode, response::IntoResponse as _, routing::post};

    use super::*;

    /// Answers what it was told, in order, and remembers what it was asked.
    #[derive(Clone, Default)]
    struct Script {
        answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Script {
        async fn serve(answers: impl IntoIterator<Item = (u16, Value)>) -> (Self, String) {
            let script =
                Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
            let answer = async |State(script): State<Self>, form: String| {
                script.asked.lock().unwrap().push(form);
                let (status, body) = script.answers.lock().unwrap().pop_front().expect("an answer");
                (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
            };
            let router = Router::new()
                .route("/t/oauth2/v2.0/token", post(answer))
                .route("/t/oauth2/v2.0/devicecode", post(answer))
                .with_state(script.clone());
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = format!("http://{}", listener.local_addr().unwrap());
            #[expect(clippy::disallowed_methods, reason = "the test's end is its end")]
            tokio::spawn(async move { axum::serve(listener, router).await });
            (script, server)
        }

        fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    fn error(name: &str) -> (u16, Value) {
        (400, json!({"error": name, "error_description": format!("AADSTS1: {name}")}))
    }

    fn good() -> (u16, Value) {
        (
            200,
            json!({"access_token": "a", "refresh_token": "r", "expires_in": "3599", "token_type": "Bearer"}),
        )
    }

    async fn polled(answers: Vec<(u16, Value)>) -> (Result<Tokens, Failure>, Vec<String>) {
        let (script, server) = Script::serve(answers).await;
        let http = client::for_server(None).unwrap();
        let authority = Authority { http: &http, server: &server, tenant: "t" };
        let code = DeviceCode {
            secret: plain("d"),
            message: String::new(),
            interval: Duration::from_millis(1),
            life: Duration::from_millis(3),
        };
        (authority.poll("c", &code).await, script.asked())
    }

    #[tokio::test]
    async fn a_person_signs_in_while_the_command_asks() {
        let (script, server) = Script::serve([
            (200, json!({"device_code": "d", "user_code": "ABC", "verification_uri": "https://h/devicelogin",
                "message": "Open \u{1b}[31mthis", "interval": 7, "expires_in": 900})),
            (200, json!({"device_code": "d", "user_code": "ABC", "verification_url": "https://h/x", "interval": "99999"})),
        ])
        .await;
        let http = client::for_server(None).unwrap();
        let authority = Authority { http: &http, server: &server, tenant: "t" };
        let code = authority.device_code("c", "s offline_access").await.unwrap();
        assert_eq!(code.message, "Open [31mthis", "no control characters");
        assert_eq!((code.interval, code.life), (Duration::from_secs(7), Duration::from_mins(15)));
        let old = authority.device_code("c", "s").await.unwrap();
        assert!(old.message.contains("https://h/x") && old.message.contains("ABC"), "{}", old.message);
        assert_eq!(old.interval, INTERVAL_MAX);
        assert_eq!(script.asked().first().unwrap(), "client_id=c&scope=s+offline_access");

        let (tokens, asked) = polled(vec![error("authorization_pending"), good()]).await;
        let tokens = tokens.unwrap();
        assert_eq!((tokens.access_token.expose().as_str(), tokens.expires_in), ("a", 3599));
        assert_eq!(asked.len(), 2);
        assert!(asked.iter().all(|form| form.contains("device_code=d") && form.contains("client_id=c")));
    }

    #[tokio::test]
    async fn refusals_and_ends_are_told() {
        let (declined, _) = polled(vec![error("authorization_declined")]).await;
        assert_eq!(declined.unwrap_err().to_string(), "AADSTS1: authorization_declined");
        let (late, asked) = polled((0..3).map(|_| error("authorization_pending")).collect()).await;
        assert!(late.unwrap_err().to_string().contains("hilum login"));
        assert_eq!(asked.len(), 3);
        let (empty, _) = polled(vec![(500, json!({}))]).await;
        assert!(empty.unwrap_err().to_string().contains("without saying why"));
        let (no_token, _) = polled(vec![(200, json!({"expires_in": 1}))]).await;
        assert!(no_token.unwrap_err().to_string().contains("no token"));
        assert_eq!(slower(Duration::from_secs(5)), Duration::from_secs(10));
        assert_eq!(slower(INTERVAL_MAX), INTERVAL_MAX);
    }

    #[tokio::test]
    async fn a_refresh_token_gets_tokens_for_any_resource() {
        let (script, server) = Script::serve([good()]).await;
        let http = client::for_server(None).unwrap();
        let authority = Authority { http: &http, server: &server, tenant: "t" };
        let tokens = authority.refresh("c", &plain("r-1"), "https://r/.default").await.unwrap();
        assert_eq!(tokens.refresh_token.unwrap().expose(), "r");
        let form = script.asked().remove(0);
        assert!(form.starts_with("grant_type=refresh_token&client_id=c&refresh_token=r-1&scope="), "{form}");
        assert!(form.contains("https%3A%2F%2Fr%2F.default") && form.contains("offline_access"), "{form}");
    }
}
