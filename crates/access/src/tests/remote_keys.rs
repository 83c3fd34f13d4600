//! Keys of an issuer elsewhere, fetched over real HTTP from a server in the test.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use futures::future;
use hilum_jose::{JwkSet, SigningKey};
use hilum_kernel::TestClock;
use jiff::SignedDuration;
use serde_json::json;

use super::fixtures::*;
use crate::{
    IssuerError, KeyHint, KeySource, KeysAt, KeysUnavailable, PlainHttp, RemoteKeys, RemoteKeysError,
    RemoteKeysOptions, TokenError, Validator, ValidatorOptions,
};

const METADATA: &str = "/.well-known/openid-configuration";

/// An issuer on a free port. Its thread ends with the test's process.
struct Issuer {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<Answers>,
    opened: Condvar,
}

#[derive(Default)]
struct Answers {
    /// Path to status line and body.
    pages: HashMap<String, (&'static str, String)>,
    asked: HashMap<String, usize>,
    is_held: bool,
}

impl Issuer {
    fn start(key: &SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self { url, shared: Arc::default() };
        let metadata = json!({"issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url)});
        issuer.page(METADATA, "200 OK", metadata.to_string());
        issuer.publish(&[key]);
        let shared = Arc::clone(&issuer.shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                shared.answer(&connection);
            }
        });
        issuer
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let set = JwkSet { keys: keys.iter().map(|key| key.jwk(None).unwrap()).collect() };
        self.page("/keys", "200 OK", serde_json::to_string(&set).unwrap());
    }

    fn page(&self, path: &str, status: &'static str, body: String) {
        self.shared.state.lock().unwrap().pages.insert(path.to_owned(), (status, body));
    }

    /// From now on nothing is answered until `release`.
    fn hold(&self) {
        self.shared.state.lock().unwrap().is_held = true;
    }

    fn release(&self) {
        self.shared.state.lock().unwrap().is_held = false;
        self.shared.opened.notify_all();
    }

    fn asked(&self, path: &str) -> usize {
        self.shared.state.lock().unwrap().asked.get(path).copied().unwrap_or(0)
    }

    fn source(&self, clock: &Arc<TestClock>) -> RemoteKeys {
        self.source_with(clock, RemoteKeysOptions::default())
    }

    fn source_with(&self, clock: &Arc<TestClock>, options: RemoteKeysOptions) -> RemoteKeys {
        RemoteKeys::new(KeysAt::Issuer(self.url.clone()), clock.clone(), options).unwrap()
    }
}

impl Shared {
    fn answer(&self, mut connection: &TcpStream) {
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        lines.find(String::is_empty);
        let mut state = self.opened.wait_while(self.state.lock().unwrap(), |state| state.is_held).unwrap();
        *state.asked.entry(path.clone()).or_default() += 1;
        let (status, body) = state.pages.get(&path).cloned().unwrap_or(("404 Not Found", String::new()));
        // A body that begins like a URL is the target of a redirect.
        let location = if body.starts_with("http") { format!("Location: {body}\r\n") } else { String::new() };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{location}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        let _ = connection.write_all(format!("{head}{body}").as_bytes());
    }
}

async fn finds(source: &RemoteKeys, kid: &str) -> Result<bool, KeysUnavailable> {
    source.find(KeyHint { kid: Some(kid), x5t: None }).await.map(|keys| !keys.is_empty())
}

fn seconds(number: i64) -> SignedDuration {
    SignedDuration::from_secs(number)
}

#[tokio::test]
async fn keys_are_discovered_cached_and_renewed_for_an_unknown_name_at_most_every_half_minute() {
    let (issuer, clock) = (Issuer::start(&KEY), clock());
    let source = issuer.source(&clock);
    for _ in 0..5 {
        assert_eq!(finds(&source, KEY.kid()).await, Ok(true));
    }
    assert_eq!((issuer.asked(METADATA), issuer.asked("/keys")), (1, 1));

    // The issuer rolls its key: the new name is found as soon as asking again is allowed.
    issuer.publish(&[&KEY, &OTHER]);
    assert_eq!(finds(&source, OTHER.kid()).await, Ok(false));
    assert_eq!(issuer.asked("/keys"), 1);
    clock.advance(seconds(30));
    assert_eq!(finds(&source, OTHER.kid()).await, Ok(true));
    assert_eq!(issuer.asked("/keys"), 2);

    // Made-up names cause one fetch per half minute, whatever their number.
    for round in 0..3 {
        clock.advance(seconds(30));
        for name in 0..50 {
            assert_eq!(finds(&source, &format!("made-up-{name}")).await, Ok(false));
        }
        assert_eq!(issuer.asked("/keys"), 3 + round);
    }
    // An hour later the set is renewed although the name is known; a withdrawn key is gone then.
    issuer.publish(&[&OTHER]);
    clock.advance(SignedDuration::from_hours(1));
    assert_eq!(finds(&source, KEY.kid()).await, Ok(false));
}

#[tokio::test]
async fn known_keys_serve_for_a_day_while_the_issuer_is_away() {
    let (issuer, clock) = (Issuer::start(&KEY), clock());
    let source = issuer.source(&clock);
    assert_eq!(finds(&source, KEY.kid()).await, Ok(true));
    issuer.page(METADATA, "500 Internal Server Error", String::new());
    clock.advance(SignedDuration::from_hours(2));
    for _ in 0..10 {
        assert_eq!(finds(&source, KEY.kid()).await, Ok(true));
    }
    assert_eq!(issuer.asked(METADATA), 2);
    clock.advance(SignedDuration::from_hours(22));
    assert_eq!(finds(&source, KEY.kid()).await, Err(KeysUnavailable));
    // And they come back with the issuer.
    let metadata = json!({"issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url)});
    issuer.page(METADATA, "200 OK", metadata.to_string());
    assert_eq!(finds(&source, KEY.kid()).await, Err(KeysUnavailable));
    clock.advance(seconds(2));
    assert_eq!(finds(&source, KEY.kid()).await, Ok(true));
}

#[tokio::test]
async fn many_callers_wait_for_one_fetch() {
    let (issuer, clock) = (Issuer::start(&KEY), clock());
    let source = issuer.source(&clock);
    issuer.hold();
    let callers = future::join_all((0..20).map(|_| finds(&source, KEY.kid())));
    let release = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        issuer.release();
    };
    let (found, ()) = future::join(callers, release).await;
    assert!(found.into_iter().all(|found| found == Ok(true)));
    assert_eq!((issuer.asked(METADATA), issuer.asked("/keys")), (1, 1));
}

fn impatient() -> RemoteKeysOptions {
    RemoteKeysOptions { wait_max: Duration::from_millis(500), ..RemoteKeysOptions::default() }
}

#[tokio::test]
async fn a_request_waits_so_long_and_the_fetch_goes_on_without_it() {
    let (issuer, clock) = (Issuer::start(&KEY), clock());
    let source = issuer.source_with(&clock, impatient());
    issuer.hold();
    let callers = future::join_all((0..5).map(|_| finds(&source, KEY.kid())));
    let found = tokio::time::timeout(Duration::from_secs(5), callers).await.unwrap();
    assert!(found.into_iter().all(|found| found == Err(KeysUnavailable)));
    issuer.release();
    assert_eq!(finds(&source, KEY.kid()).await, Ok(true));
    assert_eq!((issuer.asked(METADATA), issuer.asked("/keys")), (1, 1));

    clock.advance(seconds(30));
    issuer.publish(&[&KEY, &OTHER]);
    issuer.hold();
    // One who hangs up does not end it either.
    let hung_up = tokio::time::timeout(Duration::from_millis(50), finds(&source, OTHER.kid())).await;
    assert!(hung_up.is_err());
    assert_eq!(finds(&source, OTHER.kid()).await, Err(KeysUnavailable), "a new key may be on its way");
    assert_eq!(finds(&source, KEY.kid()).await, Ok(true), "a known key waits for nothing");
    issuer.release();
    assert_eq!(finds(&source, OTHER.kid()).await, Ok(true));
    assert_eq!(issuer.asked(METADATA), 2);
}

#[tokio::test]
async fn the_pause_begins_when_a_slow_attempt_ends() {
    let (issuer, clock) = (Issuer::start(&KEY), clock());
    let source = issuer.source_with(&clock, impatient());
    issuer.page(METADATA, "500 Internal Server Error", String::new());
    issuer.hold();
    assert_eq!(finds(&source, KEY.kid()).await, Err(KeysUnavailable));
    clock.advance(seconds(20));
    issuer.release();
    // Waits for the end of that attempt, and does not begin the next.
    assert_eq!(finds(&source, KEY.kid()).await, Err(KeysUnavailable));
    assert_eq!(issuer.asked(METADATA), 1);
    clock.advance(seconds(2));
    assert_eq!(finds(&source, KEY.kid()).await, Err(KeysUnavailable));
    assert_eq!(issuer.asked(METADATA), 2);
}

#[tokio::test]
async fn a_validator_follows_the_issuer_or_says_that_it_cannot() {
    let (issuer, clock) = (Issuer::start(&OTHER), clock());
    let source = Arc::new(issuer.source(&clock));
    let validator = Validator::new([authority(source)], proofs(), clock.clone(), ValidatorOptions::default());
    let token = token(json!({}));
    assert_eq!(validator.validate(&token).await, Err(TokenError::UnknownKey));
    issuer.publish(&[&KEY]);
    clock.advance(seconds(30));
    assert!(validator.validate(&token).await.is_ok());

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = RemoteKeysOptions::default();
    let away = RemoteKeys::new(KeysAt::KeySet(format!("http://{nobody}/")), clock.clone(), options).unwrap();
    let validator = Validator::new([authority(Arc::new(away))], proofs(), clock, ValidatorOptions::default());
    assert_eq!(validator.validate(&token).await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn bad_answers_of_an_issuer_are_refused() {
    let refresh = async |issuer: &Issuer| issuer.source(&clock()).refresh().await.unwrap_err();
    let metadata_of = |name: &str, keys: &str| json!({"issuer": name, "jwks_uri": keys}).to_string();
    let issuer = Issuer::start(&KEY);
    let keys = format!("{}/keys", issuer.url);

    issuer.page(METADATA, "200 OK", metadata_of("https://another", &keys));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::OtherIssuer));
    issuer.page(METADATA, "200 OK", metadata_of(&issuer.url, "http://example.org/keys"));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Issuer(IssuerError::Url(_))));
    issuer.page(METADATA, "200 OK", metadata_of(&issuer.url, "file:///etc/passwd"));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Issuer(IssuerError::Url(_))));
    issuer.page(METADATA, "200 OK", "{".to_owned());
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Metadata));
    issuer.page(METADATA, "200 OK", " ".repeat(256 * 1024 + 1));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Issuer(IssuerError::TooLarge)));
    // A redirect is followed on the same machine, but not to plain HTTP elsewhere.
    issuer.page(METADATA, "302 Found", "http://example.org/".to_owned());
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Issuer(IssuerError::Status(302))));
    issuer.page(METADATA, "302 Found", format!("{}/moved", issuer.url));
    issuer.page("/moved", "200 OK", metadata_of(&issuer.url, &keys));
    issuer.source(&clock()).refresh().await.unwrap();
    let options = RemoteKeysOptions { redirects_max: 0, ..RemoteKeysOptions::default() };
    let still = RemoteKeys::new(KeysAt::Issuer(issuer.url.clone()), clock(), options).unwrap();
    assert!(matches!(still.refresh().await, Err(RemoteKeysError::Issuer(IssuerError::Status(302)))));
    issuer.page(METADATA, "302 Found", format!("{}{METADATA}", issuer.url));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::Issuer(IssuerError::Status(302))));
    issuer.page("/keys", "200 OK", "[]".to_owned());
    issuer.page(METADATA, "200 OK", metadata_of(&issuer.url, &keys));
    assert!(matches!(refresh(&issuer).await, RemoteKeysError::KeySet(_)));
}

#[test]
fn plain_http_stays_on_the_machine_unless_permitted() {
    let set_up = |url: &str, plain_http| {
        let options = RemoteKeysOptions { plain_http, ..RemoteKeysOptions::default() };
        RemoteKeys::new(KeysAt::Issuer(url.to_owned()), clock(), options).is_ok()
    };
    for (url, loopback, anywhere) in [
        ("https://login.example.org/tenant/v2.0", true, true),
        ("http://localhost:8080", true, true),
        ("http://127.0.0.1/x/", true, true),
        ("http://[::1]:80", true, true),
        ("http://10.0.0.1", false, true),
        ("http://localhost.example.org", false, true),
        ("ftp://localhost", false, false),
        ("nonsense", false, false),
    ] {
        assert_eq!(set_up(url, PlainHttp::Never), url.starts_with("https:"), "{url}");
        assert_eq!(set_up(url, PlainHttp::Loopback), loopback, "{url}");
        assert_eq!(set_up(url, PlainHttp::Anywhere), anywhere, "{url}");
    }
}
