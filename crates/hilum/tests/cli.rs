//! The command line's words and shapes as snapshots: scripts written for `az` read them.

use hilum_testkit::{Binary, Output};

fn hilum() -> Binary {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    let init = hilum
        .run_with_input(&["init", "--domain", "contoso.local", "--admin-password-stdin"], "Long-enough-1\n");
    assert_eq!(init.code, 0, "{}", init.err);
    hilum
}

fn settings(hilum: &Binary) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex_of(&hilum.folder().display().to_string()), "[folder]");
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[guid]");
    settings.add_filter(r"S-1-12-1(-\d+){4}", "[sid]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings.add_filter(r#""(hint|password)": "[^"]+""#, r#""$1": "[secret]""#);
    settings.add_filter(r#""(kid|thumbprint)": "[^"]+""#, r#""$1": "[key]""#);
    settings.add_filter(r#""id": "[A-Za-z0-9_-]{43}""#, r#""id": "[grant]""#);
    settings
}

fn regex_of(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_alphanumeric() || c == '/' { vec![c] } else { vec!['\\', c] }).collect()
}

fn shown(arguments: &[&str], output: &Output) -> String {
    format!("$ hilum {}\n{}{}exit {}\n", arguments.join(" "), output.out, output.err, output.code)
}

fn story(hilum: &Binary, lines: &[&[&str]]) -> String {
    lines.iter().map(|arguments| shown(arguments, &hilum.run(arguments))).collect::<Vec<_>>().join("\n")
}

#[test]
fn applications() {
    let hilum = hilum();
    let uri = "api://e0b5e0a0-0000-1000-8000-000000000000/x";
    let text = story(
        &hilum,
        &[
            &[
                "app",
                "create",
                "--display-name",
                "one",
                "--web-redirect-uris",
                "https://a/cb",
                "https://b/cb",
                "--enable-id-token-issuance",
            ],
            &[
                "ad",
                "app",
                "create",
                "--display-name",
                "one",
                "--is-fallback-public-client",
                "false",
                "--query",
                "isFallbackPublicClient",
            ],
            &[
                "app",
                "list",
                "--display-name",
                "on",
                "-o",
                "table",
                "--query",
                "[].{name:displayName,aud:signInAudience}",
            ],
            &["app", "show", "--id", "absent"],
            &["app", "show"],
            &["app", "update", "--id", uri, "--set", "nonsense"],
            &["app", "list", "--query", "[", "-o", "tsv"],
        ],
    );
    settings(&hilum).bind(|| insta::assert_snapshot!(text));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, line by line")]
fn the_lines_of_microsofts_articles() {
    let hilum = hilum();
    let id = hilum.ok(&["app", "create", "--display-name", "n", "--query", "appId", "-o", "tsv"]);
    let object = hilum.ok(&["app", "show", "--id", &id, "--query", "objectId", "-o", "tsv"]);
    assert_eq!(object, hilum.ok(&["app", "show", "--id", &id, "--query", "id", "-o", "tsv"]));
    let reset = [
        "app",
        "credential",
        "reset",
        "--id",
        &id,
        "--append",
        "--credential-description",
        "D",
        "--years",
        "2",
    ];
    let first = hilum.ok(&[&reset[..], &["--query", "password", "-o", "tsv"]].concat());
    assert_eq!((first.len() >= 40, first.contains(char::is_whitespace)), (true, false));
    hilum.ok(&["app", "update", "--id", &id, "--set", "publicClient=true"]);
    assert_eq!(
        hilum.ok(&["app", "show", "--id", &id, "--query", "isFallbackPublicClient", "-o", "tsv"]),
        "true"
    );
    let sp = hilum.ok(&["ad", "sp", "create", "--id", &id, "--query", "objectId", "-o", "tsv"]);
    assert_eq!(sp, hilum.ok(&["ad", "sp", "show", "--id", &id, "--query", "objectId", "-o", "tsv"]));
    let scope =
        "subscriptions/s/resourceGroups/g/providers/Microsoft.HealthcareApis/workspaces/w/dicomservices/d";
    let api = "75e725bf-66ce-4cea-9b9a-5c4caae57f33";
    let text = story(
        &hilum,
        &[
            &[
                "role",
                "assignment",
                "create",
                "--assignee-object-id",
                &sp,
                "--assignee-principal-type",
                "ServicePrincipal",
                "--role",
                "DICOM Data Owner",
                "--scope",
                scope,
            ],
            &[
                "role",
                "assignment",
                "list",
                "--assignee",
                &id,
                "--query",
                "[].roleDefinitionName",
                "-o",
                "tsv",
            ],
            &[
                "app",
                "permission",
                "add",
                "--id",
                &id,
                "--api",
                api,
                "--api-permissions",
                "e69ab058-b8ae-4c0f-b687-5d97888ddccb=Scope",
            ],
            &["app", "permission", "list", "--id", &id],
            &["app", "permission", "grant", "--id", &id, "--api", api, "--scope", "Dicom.ReadWrite"],
            &["app", "credential", "list", "--id", &id],
            &["app", "credential", "reset", "--id", &id, "--only-show-errors"],
            &["app", "credential", "list", "--id", &id, "--query", "length(@)"],
            &["app", "delete", "--id", &id],
            &["sp", "show", "--id", &sp],
        ],
    );
    settings(&hilum).bind(|| insta::assert_snapshot!(text));
}

#[test]
fn users_roles_and_keys() {
    let hilum = hilum();
    let text = story(
        &hilum,
        &[
            &[
                "user",
                "create",
                "--display-name",
                "Ada",
                "--user-principal-name",
                "ada@contoso.local",
                "--password",
                "Long-enough-2",
            ],
            &["user", "update", "--id", "ada@contoso.local", "--account-enabled", "false"],
            &["ad", "user", "list", "-o", "table"],
            &["user", "show", "--id", "nobody@contoso.local"],
            &["role", "definition", "list", "--name", "DICOM Data Reader"],
            &["role", "assignment", "delete"],
            &["key", "list"],
            &["key", "rotate"],
            &["account", "show", "--query", "name", "-o", "tsv"],
            &["account", "get-access-token"],
        ],
    );
    settings(&hilum).bind(|| insta::assert_snapshot!(text));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, line by line")]
fn credentials_and_owners() {
    let hilum = hilum();
    let id = hilum.ok(&["app", "create", "--display-name", "n", "--query", "appId", "-o", "tsv"]);
    let first = ["app", "credential", "reset", "--id", &id, "--query", "password", "-o", "tsv"];
    let first = hilum.ok(&first);
    let key = hilum.ok(&["app", "credential", "list", "--id", &id, "--query", "[0].keyId", "-o", "tsv"]);
    let admin = hilum.ok(&["user", "list", "--query", "[0].id", "-o", "tsv"]);
    let file =
        ["app", "credential", "reset", "--id", &id, "--create-cert", "--query", "fileWithCertAndPrivateKey"];
    let file = hilum.ok(&[&file[..], &["-o", "tsv"]].concat());
    let federated =
        r#"{"name": "ci-runs", "issuer": "https://i.example", "subject": "s", "audiences": ["api://x"]}"#;
    let text = story(
        &hilum,
        &[
            &["app", "credential", "delete", "--id", &id, "--key-id", &key],
            &["app", "credential", "delete", "--id", &id, "--key-id", &key],
            &["app", "credential", "reset", "--id", &id, "--cert", &format!("@{file}"), "--append"],
            &["app", "credential", "reset", "--id", &id, "--cert", "nonsense"],
            &["app", "credential", "reset", "--id", &id, "--keyvault", "v"],
            &["app", "credential", "reset", "--id", &id, "--years", "3"],
            &["app", "credential", "list", "--id", &id, "--cert", "--query", "[].[type, displayName, key]"],
            &["app", "owner", "add", "--id", &id, "--owner-object-id", &admin],
            &["app", "owner", "add", "--id", &id, "--owner-object-id", &admin],
            &["app", "owner", "list", "--id", &id, "--query", "[].displayName", "-o", "tsv"],
            &["app", "owner", "remove", "--id", &id, "--owner-object-id", &admin],
            &["app", "owner", "list", "--id", &id],
            &["app", "federated-credential", "create", "--id", &id, "--parameters", federated],
            &[
                "app",
                "federated-credential",
                "update",
                "--id",
                &id,
                "--federated-credential-id",
                "ci-runs",
                "--parameters",
                r#"{"description": "d"}"#,
            ],
            &[
                "app",
                "federated-credential",
                "show",
                "--id",
                &id,
                "--federated-credential-id",
                "ci-runs",
                "--query",
                "description",
            ],
            &["app", "federated-credential", "delete", "--id", &id, "--federated-credential-id", "ci-runs"],
            &["app", "federated-credential", "list", "--id", &id],
            &[
                "app",
                "update",
                "--id",
                &id,
                "--set",
                "web.homePageUrl=https://h.example",
                "--add",
                "tags",
                "a",
                "b",
            ],
            &["app", "update", "--id", &id, "--set", "tags[0]=c", "--remove", "tags", "1"],
            &["app", "show", "--id", &id, "--query", "[tags, web.homePageUrl]"],
            &["app", "update", "--id", &id, "--set", "nonsense=1"],
            &["app", "update", "--id", &id, "--set", "appId=1"],
            &[
                "rest",
                "-u",
                "https://graph.microsoft.com/v1.0/applications",
                "--uri-parameters",
                "$filter=displayName eq 'n'",
                "--query",
                "value[].displayName",
            ],
            &["rest", "-m", "post", "-u", "/v1.0/applications", "--body", "nonsense"],
            &["rest", "-u", "https://example.com/v1.0"],
        ],
    );
    settings(&hilum)
        .bind(|| insta::assert_snapshot!(text.replace(&file, "[file]").replace(&first, "[secret]")));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, line by line")]
fn groups() {
    let hilum = hilum();
    let user = |name: &str| {
        let upn = format!("{name}@contoso.local");
        hilum.ok(&[
            "user",
            "create",
            "--display-name",
            name,
            "--user-principal-name",
            &upn,
            "--password",
            "Long-enough-2",
            "--query",
            "id",
            "-o",
            "tsv",
        ])
    };
    let (ada, ben) = (user("ada"), user("ben"));
    let new = ["group", "create", "--display-name", "Radiology", "--mail-nickname", "radiology"];
    let outer = [
        "group",
        "create",
        "--display-name",
        "Hospital",
        "--mail-nickname",
        "h",
        "--query",
        "id",
        "-o",
        "tsv",
    ];
    let outer = hilum.ok(&outer);
    let first = shown(&new, &hilum.run(&new));
    let inner = hilum.ok(&["group", "show", "--group", "Radiology", "--query", "id", "-o", "tsv"]);
    let text = story(
        &hilum,
        &[
            &new,
            &["ad", "group", "update", "-g", "Radiology", "--description", "People who read images"],
            &[
                "group",
                "list",
                "--display-name",
                "Rad",
                "--query",
                "[].[displayName, description]",
                "-o",
                "tsv",
            ],
            &["group", "member", "add", "--group", "Radiology", "--member-id", &ada],
            &["group", "member", "add", "--group", "Radiology", "--member-id", &ada],
            &["group", "member", "add", "--group", "Hospital", "--member-id", &inner],
            &["group", "member", "list", "--group", "Rad", "--query", "[].userPrincipalName", "-o", "tsv"],
            &["group", "member", "check", "--group", "Hospital", "--member-id", &ada],
            &["group", "member", "check", "--group", "Hospital", "--member-id", &ben],
            &["user", "get-member-groups", "--id", "ada@contoso.local", "--query", "sort([].displayName)"],
            &["group", "get-member-groups", "-g", &inner, "--query", &format!("contains(@, '{outer}')")],
            &["group", "owner", "add", "--group", "Radiology", "--owner-object-id", &ben],
            &["group", "owner", "add", "--group", "Radiology", "--owner-object-id", &ben],
            &["group", "owner", "list", "--group", "Radiology", "--query", "[].displayName", "-o", "tsv"],
            &["group", "owner", "remove", "--group", "Radiology", "--owner-object-id", &ben],
            &["group", "owner", "remove", "--group", "Radiology", "--owner-object-id", &ben],
            &["group", "member", "remove", "--group", "Radiology", "--member-id", &ada],
            &["group", "member", "list", "--group", "Radiology"],
            &["group", "update", "--group", "Radiology"],
            &["group", "show", "--group", "nobody"],
            &["group", "delete", "--group", "Radiology"],
            &["group", "list", "--query", "[].displayName", "-o", "tsv"],
            &["ad", "signed-in-user", "show"],
        ],
    );
    settings(&hilum).bind(|| insta::assert_snapshot!(format!("{first}\n{text}")));
}

#[test]
fn init_again_changes_nothing_and_wrong_directories_are_told() {
    let hilum = hilum();
    let first = hilum.ok(&["init"]);
    assert_eq!(first, hilum.ok(&["init", "--domain", "other.example"]));
    settings(&hilum).bind(|| insta::assert_snapshot!(first));
    let elsewhere = hilum.run(&["app", "list", "--data", "elsewhere"]);
    assert_eq!((elsewhere.code, elsewhere.err.contains("hilum init")), (1, true), "{}", elsewhere.err);
    assert!(!hilum.folder().join("elsewhere").exists(), "a wrong --data must not make a directory");
}

#[test]
fn another_master_key_is_told_by_every_command() {
    let hilum = hilum();
    let file = hilum.data().join("keys/master.key");
    let key = std::fs::read(&file).unwrap();
    std::fs::write(&file, format!("{}=\n", "A".repeat(43))).unwrap();
    for command in [&["app", "list"][..], &["init"], &["serve", "--listen", "localhost:0"]] {
        let refused = hilum.run(command);
        assert_eq!(refused.code, 1, "{command:?}: {}", refused.err);
        assert!(refused.err.contains("not the one this database was made with"), "{}", refused.err);
        assert!(refused.err.contains("copy keys/master.key"), "{}", refused.err);
    }
    let report = hilum.run(&["doctor"]);
    assert!(report.out.contains("master key") && report.out.contains("HILUM_MASTER_KEY"), "{}", report.out);
    assert_eq!(report.code, 1);
    std::fs::write(&file, key).unwrap();
    hilum.ok(&["app", "list"]);
}

#[test]
fn the_doctor_looks_at_the_audiences() {
    let hilum = hilum();
    let uri = "https://imaging.contoso.local";
    std::fs::write(hilum.data().join("hilum.toml"), format!("[dicom]\naudiences = ['{uri}']\n")).unwrap();
    let audiences = ["doctor", "--query", "[?check=='audiences'].[status, detail, mend]", "-o", "tsv"];
    let mut seen = vec![hilum.ok(&audiences)];
    hilum.ok(&["app", "create", "--display-name", "Imaging", "--identifier-uris", uri]);
    let id = hilum.ok(&["app", "list", "--display-name", "Imaging", "--query", "[0].appId", "-o", "tsv"]);
    let id = id.trim();
    hilum.ok(&["sp", "create", "--id", id]);
    seen.push(hilum.ok(&audiences));
    hilum.ok(&["sp", "update", "--id", id, "--set", "accountEnabled=false"]);
    seen.push(hilum.ok(&audiences));
    settings(&hilum).bind(|| insta::assert_snapshot!(seen.join("\n")));
    let kept = hilum.run(&["app", "delete", "--id", id]);
    assert!(kept.err.contains("take it out of the configuration first"), "{}", kept.err);
    assert_ne!(kept.code, 0);
}
