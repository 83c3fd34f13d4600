//! Precedence, refusals and masking of the configuration.

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn load(toml: &str, variables: &[(&str, &str)], flags: serde_json::Value) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hilum.toml"), toml).unwrap();
    Config::load(folder.path(), &Sources { file: None, environment: environment(variables), flags })
}

#[test]
fn flags_beat_variables_beat_the_file_beats_defaults() {
    let toml = "[http]\nlisten = 'localhost:1'\nbehind_proxy = true\n[limits]\nrequests_max = 7\n";
    let config = load(
        toml,
        &[("HILUM_HTTP_LISTEN", "localhost:2"), ("HILUM_LIMITS_CONNECTIONS_MAX", "9")],
        serde_json::json!({"http": {"listen": "localhost:3"}}),
    )
    .unwrap();
    assert_eq!(config.http.listen, "localhost:3");
    assert!(config.http.behind_proxy);
    assert_eq!((config.limits.requests_max, config.limits.connections_max), (7, 9));
    assert_eq!(config.limits.drain_seconds, Limits::default().drain_seconds);
}

#[test]
fn short_variables_and_blob_options() {
    let config = load(
        "",
        &[
            ("HILUM_PUBLIC_URL", "https://PACS.example.org:443/"),
            ("HILUM_BLOBS", "s3://bucket/prefix"),
            ("HILUM_BLOBS_OPTION_AWS_ACCESS_KEY_ID", "123456"),
            ("HILUM_DATA", "/elsewhere"),
            ("HILUM_TEST_POSTGRES_URL", "x"),
            ("PATH", "/bin"),
        ],
        serde_json::Value::Null,
    )
    .unwrap();
    assert_eq!(config.http.origin(8443).unwrap(), "https://pacs.example.org");
    assert_eq!(config.blobs.options["aws_access_key_id"].expose(), "123456");
}

#[test]
fn unknown_keys_are_errors_that_name_the_key() {
    for (toml, variables) in [
        ("[http]\nlisen = 'x'\n", &[][..]),
        ("[htp]\nlisten = 'x'\n", &[][..]),
        ("", &[("HILUM_HTTP_LISEN", "x")][..]),
        ("", &[("HILUM_NONSENSE", "x")][..]),
        ("[[dicom.authorities]]\nissuer='https://x'\naudiences=['a']\nrole_claim='r'\n", &[][..]),
    ] {
        let error = load(toml, variables, serde_json::Value::Null).unwrap_err().to_string();
        assert!(error.contains("unknown key"), "{toml} {variables:?}: {error}");
    }
}

#[test]
fn contradictions_are_refused() {
    for (toml, key) in [
        ("[http]\nlisten = '0.0.0.0:80'\nplain = true\n", "http.plain"),
        ("[http]\nlisten = 'nowhere'\n", "http.listen"),
        ("[http]\npublic_url = 'https://x/path'\n", "http.public_url"),
        ("[http]\npublic_url = 'https://user:pw@x'\n", "http.public_url"),
        ("[http]\npublic_url = 'http://pacs.example.org'\n", "http.public_url: http:// is for loopback only"),
        ("[http]\nbehind_proxy = true\npublic_url = 'http://10.0.0.1:80'\n", "http.public_url: http:// is"),
        ("[http]\npublic_url = 'http://localhost.example.org'\n", "http.public_url: http:// is"),
        ("[tls]\ncert = 'absent.pem'\n", "tls.key"),
        ("[database]\nurl = 'mysql://x'\n", "database.url"),
        ("[dicom]\nforeign_only = true\n", "dicom.foreign_only"),
        ("[[dicom.authorities]]\nissuer = 'http://idp'\naudiences = ['a']\n", "dicom.authorities.issuer"),
        ("[[dicom.authorities]]\nissuer = 'https://idp'\naudiences = []\n", "dicom.authorities.audiences"),
        (
            "[[identity.federated_issuers]]\nissuer = 'http://idp'\nallow_http_loopback = true\n",
            "identity.federated_issuers.issuer: must be https",
        ),
        ("[[identity.federated_issuers]]\nissuer = 'nothing'\n", "identity.federated_issuers.issuer"),
        (
            "[identity]\nsigning_key_rotation_days = 1\n",
            "identity.signing_key_rotation_days: must be 0, or 2",
        ),
        ("[identity]\nsigning_key_rotation_days = 1461\n", "identity.signing_key_rotation_days"),
        (
            "[[identity.federated_issuers]]\nissuer = 'https://idp'\nca_certificate = 'absent.pem'\n",
            "identity.federated_issuers.ca_certificate",
        ),
        (&provider("id = 'Upper'\nissuer = 'https://idp'\n"), "identity.providers.id"),
        (&provider("id = 'a'\nissuer = 'http://idp'\n"), "identity.providers.issuer: must be https"),
        (&provider("id = 'a'\nissuer = 'https://idp?x=1'\n"), "identity.providers.issuer"),
        (&provider("id = 'a'\nissuer = 'https://idp'\nscopes = ['email']\n"), "identity.providers.scopes"),
        (&provider("id = 'a'\nissuer = 'https://idp'\nlinking = 'email'\n"), "identity.providers.domains"),
        (
            &provider("id = 'a'\nissuer = 'https://idp'\ndomains = ['@x.example']\n"),
            "identity.providers.domains",
        ),
        (
            &provider("id = 'a'\nissuer = 'https://idp'\nclient_secret = ''\n"),
            "identity.providers.client_secret",
        ),
        (
            &provider("id = 'a'\nissuer = 'https://idp'\nclient_secret_file = 'absent'\n"),
            "identity.providers.client_secret_file",
        ),
        (
            &format!("{0}{0}", provider("id = 'a'\nissuer = 'https://idp'\n")),
            "identity.providers.id: `a` is there twice",
        ),
        (
            &[provider("id = 'a'\nissuer = 'https://idp'\n"), provider("id = 'b'\nissuer = 'https://idp'\n")]
                .concat(),
            "identity.providers.issuer",
        ),
        ("[telemetry]\nmetrics_listen = 'x'\n", "telemetry.metrics_listen"),
        ("[limits]\nrequests_max = 0\n", "limits"),
    ] {
        let error = load(toml, &[], serde_json::Value::Null).unwrap_err().to_string();
        assert!(error.starts_with(key), "{toml}: {error}");
    }
    load("[http]\nlisten = '0.0.0.0:80'\nplain = true\nbehind_proxy = true\n", &[], serde_json::Value::Null)
        .unwrap();
    for url in ["http://localhost:8080", "http://127.0.0.1", "http://127.3.2.1:1", "http://[::1]:8080"] {
        load("", &[("HILUM_PUBLIC_URL", url)], serde_json::Value::Null).unwrap();
    }
}

#[test]
fn origins_follow_the_listener_unless_they_are_given() {
    let origin =
        |listen: &str, plain| Http { listen: listen.into(), plain, ..Http::default() }.origin(8443).unwrap();
    assert_eq!(origin("localhost:0", false), "https://localhost:8443");
    assert_eq!(origin("0.0.0.0:8443", false), "https://localhost:8443");
    assert_eq!(origin("[::1]:8443", true), "http://[::1]:8443");
    assert_eq!(
        Http { listen: "Host.example:443".into(), ..Http::default() }.origin(443).unwrap(),
        "https://host.example"
    );
}

#[test]
fn secrets_are_not_printed() {
    let config = load(
        "[database]\nurl = 'postgres://hilum:planted-1@db/hilum?password=planted-2'\n\
         [blobs]\nurl = 'az://c?sig=planted-3'\n[blobs.options]\nazure_storage_account_key = 'planted-4'\n",
        &[("HILUM_MASTER_KEY", "planted-5")],
        serde_json::Value::Null,
    )
    .unwrap();
    let shown = format!("{config:?} {}", config.printable());
    assert!(!shown.contains("planted"), "{shown}");
    assert!(shown.contains("postgres://hilum:[secret]@db/hilum?[secret]"), "{shown}");
    let error = load("[blobs]\noptions = 'planted-6'\n", &[], serde_json::Value::Null).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("planted"), "{error}");
    // A forgotten quote: the place is told, the line is not shown.
    for line in [
        "url = 'postgres://hilum:planted-7@db/hilum",
        "url = \"planted-8",
        "url = planted-9",
        "url = 'x' 'planted'",
    ] {
        let error =
            load(&format!("[database]\n{line}\n[blobs]\n"), &[], serde_json::Value::Null).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("planted"), "{shown}");
        assert!(shown.contains("TOML parse error at line 2, column"), "{shown}");
    }
}

fn provider(rest: &str) -> String {
    format!("[[identity.providers]]\nname = 'Hospital'\nclient_id = 'hilum'\n{rest}")
}

#[test]
fn the_secret_of_a_provider_is_not_printed_and_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from the file\n").unwrap();
    let toml = [
        provider("id = 'a'\nissuer = 'https://a'\nclient_secret = 'planted'\n"),
        provider(&format!("id = 'b'\nissuer = 'https://b'\nclient_secret_file = '{}'\n", file.display())),
    ];
    let config = load(&toml.concat(), &[], serde_json::Value::Null).unwrap();
    assert!(
        !config.printable().to_string().contains("planted") && !format!("{config:?}").contains("planted")
    );
    let secret = |at: usize| config.identity.providers[at].secret().unwrap().unwrap().expose().to_owned();
    assert_eq!((secret(0).as_str(), secret(1).as_str()), ("planted", "from the file"));
    let list = "[{id=a,name=A,issuer=\"https://a\",client_id=x,client_secret=planted}]";
    let config = load("", &[("HILUM_IDENTITY_PROVIDERS", list)], serde_json::Value::Null).unwrap();
    assert_eq!(config.identity.providers[0].secret().unwrap().unwrap().expose(), "planted");
}
