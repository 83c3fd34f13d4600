//! `hilum apply` and `hilum export-config` as people and pipelines run them.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its files has failed")]

use std::{fs, path::Path};

use hilum_testkit::Binary;

fn hilum() -> Binary {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    let init = hilum
        .run_with_input(&["init", "--domain", "contoso.local", "--admin-password-stdin"], "Long-enough-1\n");
    assert_eq!(init.code, 0, "{}", init.err);
    hilum
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

const CLIENT: &str = "
applications:
- displayName: Sender
  labels: {app: ct}
  secrets: [{displayName: ci, lifetime: P90D, writeTo: 'file:out/ci.txt'}]
servicePrincipals: [{application: Sender, labels: {app: ct}}]
roleAssignments: [{principal: Sender, role: DICOM Data Writer}]
";

#[test]
fn a_pipeline_sees_the_plan_applies_it_and_finds_it_done() {
    let (hilum, folder) = (hilum(), tempfile::tempdir().unwrap());
    fs::create_dir(folder.path().join("out")).unwrap();
    let file = write(folder.path(), "client.yaml", CLIENT);

    let plan = hilum.run(&["apply", "-f", &file]);
    assert_eq!(plan.code, 2, "{}", plan.err);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings.bind(|| insta::assert_snapshot!("plan", plan.out));
    assert!(plan.err.contains("--yes"), "{}", plan.err);
    let dry = hilum.run(&["apply", "-f", &file, "--dry-run", "-o", "json", "--query", "summary.create"]);
    assert_eq!((dry.out.trim(), dry.code), ("3", 0), "{}", dry.err);

    let applied = hilum.run(&["apply", "-f", &folder.path().display().to_string(), "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    assert!(applied.out.ends_with("Applied.\n"), "{}", applied.out);
    let secret_file = folder.path().join("out/ci.txt");
    let secret = fs::read_to_string(&secret_file).unwrap();
    assert_eq!(secret.len(), 43);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&secret_file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!applied.out.contains(&secret) && !applied.err.contains(&secret));

    let again = hilum.run(&["apply", "-f", &file, "--yes"]);
    assert_eq!((again.out.trim(), again.code), ("No changes: everything is as declared.", 0));

    fs::remove_file(&secret_file).unwrap();
    let lost = hilum.run(&["apply", "-f", &file, "--yes"]);
    assert_eq!((lost.out.trim(), lost.code), ("No changes: everything is as declared.", 0));
    assert!(lost.err.contains("WARNING") && lost.err.contains("not recoverable"), "{}", lost.err);
    // What the warning says to do is what mends it.
    let (_, command) = lost.err.split_once("`hilum ").unwrap();
    let words: Vec<&str> = command.split('`').next().unwrap().split(' ').collect();
    assert_eq!(hilum.run(&words).code, 0, "{words:?}");
    let mended = hilum.run(&["apply", "-f", &file, "--yes"]);
    assert!(mended.code == 0 && !mended.err.contains("WARNING"), "{}", mended.err);
    assert_eq!(fs::read_to_string(&secret_file).unwrap().len(), 43);

    let pruned = hilum.run_with_input(
        &["apply", "-f", "-", "--prune", "-l", "app=ct", "--yes"],
        "kind: Application\ndisplayName: Other\n",
    );
    assert_eq!(pruned.code, 0, "{}", pruned.err);
    assert!(pruned.out.contains("- Application 'Sender'"), "{}", pruned.out);
    let left = hilum.run(&["app", "list", "--display-name", "Sender", "--query", "length(@)"]);
    assert_eq!(left.out.trim(), "0");
}

#[test]
fn a_secret_that_nobody_got_is_taken_back() {
    let (hilum, folder) = (hilum(), tempfile::tempdir().unwrap());
    let text = "kind: Application\ndisplayName: Sender\nsecrets: [{displayName: ci, writeTo: {command: [PROGRAM]}}]\n";
    let failing = write(folder.path(), "a.yaml", &text.replace("PROGRAM", "'false'"));
    let failed = hilum.run(&["apply", "-f", &failing, "--yes"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("taken back"), "{}", failed.err);
    let count = ["app", "list", "--display-name", "Sender", "--query", "[0].passwordCredentials | length(@)"];
    assert_eq!(hilum.run(&count).out.trim(), "0");

    let store = folder.path().join("store");
    let script = format!("sh, '-c', 'cat > {}'", store.display());
    let working = write(folder.path(), "a.yaml", &text.replace("PROGRAM", &script));
    let done = hilum.run(&["apply", "-f", &working, "--yes"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(fs::read_to_string(store).unwrap().len(), 43);
    assert_eq!(hilum.run(&count).out.trim(), "1");
}

#[test]
fn mistakes_are_told_together_and_nothing_is_done() {
    let (hilum, folder) = (hilum(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.yaml", "kind: Application\ndisplayName: Good\n");
    write(folder.path(), "b.json", r#"{"kind": "Application", "displayName": "Bad", "tags": [1]}"#);
    write(
        folder.path(),
        "c.yml",
        "kind: Application\ndisplayName: c\nsecrets: [{displayName: x, writeTo: 'file:absent/x'}]\n",
    );
    let folder = folder.path().display().to_string();
    let failed = hilum.run(&["apply", "-f", &folder, "--yes"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("c.yml:3") && failed.err.contains("is not there"), "{}", failed.err);
    fs::remove_file(format!("{folder}/c.yml")).unwrap();
    let failed = hilum.run(&["apply", "-f", &folder, "--yes"]);
    assert!(failed.err.contains("b.json:1:") && failed.err.contains("Application 'Bad'"), "{}", failed.err);
    assert_eq!(hilum.run(&["app", "list", "--display-name", "Good", "--query", "length(@)"]).out.trim(), "0");
    for (arguments, word) in [
        (["apply", "-f", "/absent.yaml", "--yes"], "absent.yaml"),
        (["apply", "-f", "-", "--prune"], "--selector"),
    ] {
        let refused = hilum.run(&arguments);
        assert!(refused.code != 0 && refused.err.contains(word), "{}", refused.err);
    }
}

#[test]
fn a_manifest_of_entra_becomes_an_application() {
    let (hilum, folder) = (hilum(), tempfile::tempdir().unwrap());
    let manifest = r#"{"appId": "11111111-2222-3333-4444-555555555555", "name": "Imaging", "allowPublicClient": true,
        "accessTokenAcceptedVersion": 2, "passwordCredentials": [{"hint": "abc"}],
        "replyUrlsWithType": [{"url": "http://localhost", "type": "InstalledClient"}]}"#;
    let file = write(folder.path(), "manifest.json", manifest);
    let import = ["app", "import-manifest", &file];
    let dry =
        hilum.run(&[import.as_slice(), &["--dry-run", "--query", "leftOut[].member", "-o", "tsv"]].concat());
    assert_eq!(dry.out, "appId\npasswordCredentials\n", "{}", dry.err);
    let show = [
        "app",
        "list",
        "--display-name",
        "Imaging",
        "--query",
        "[].publicClient.redirectUris[]",
        "-o",
        "tsv",
    ];
    assert_eq!(hilum.run(&show).out, "");
    let imported = hilum.run(&import);
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert_eq!(hilum.run(&show).out.trim(), "http://localhost");
    assert_eq!(hilum.run(&import).code, 0, "nothing left to do");
    write(folder.path(), "manifest.json", &manifest.replace("http://localhost", "http://localhost/x"));
    let again = hilum.run(&import);
    assert!(again.code == 1 && again.err.contains("--update"), "{}", again.err);
    let kept = hilum.run(&[import.as_slice(), &["--keep-app-id"]].concat());
    assert_eq!(kept.code, 0, "{}", kept.err);
    assert_eq!(hilum.run(&["app", "show", "--id", "11111111-2222-3333-4444-555555555555"]).code, 0);
}

#[test]
fn an_export_moves_to_another_installation() {
    let (one, other) = (hilum(), hilum());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    let file = write(folder.path(), "client.yaml", CLIENT);
    assert_eq!(one.run(&["apply", "-f", &file, "--yes"]).code, 0);
    let exported = folder.path().join("export.yaml").display().to_string();
    let export = one.run(&["export-config", "-f", &exported]);
    assert_eq!(export.code, 0, "{}", export.err);
    let same = one.run(&["apply", "-f", &exported]);
    assert_eq!((same.out.trim(), same.code), ("No changes: everything is as declared.", 0), "{}", same.err);
    let applied = other.run(&["apply", "-f", &exported, "--yes"]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let text = other.run(&["export-config"]);
    assert_eq!(text.out, fs::read_to_string(&exported).unwrap());
    assert!(!text.out.contains("secret"), "{}", text.out);
    let json = other.run(&["export-config", "-o", "json"]);
    let documents: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert_eq!(documents.len(), text.out.lines().filter(|line| *line == "---").count());
    assert!(documents.iter().all(|document| document["kind"].is_string()), "{}", json.out);
    let as_json = write(folder.path(), "export.json", &json.out);
    let same = other.run(&["apply", "-f", &as_json]);
    assert_eq!((same.out.trim(), same.code), ("No changes: everything is as declared.", 0), "{}", same.err);
    let left = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "new"));
    assert_eq!(left.count(), 0, "what is written beside a file takes its place");
}
