//! No secret reaches a file, a log or an output that is not meant to hold it.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::{fs, path::Path};

use hilum_testkit::Binary;

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn holds(content: &[u8], secret: &str) -> bool {
    content.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn secrets_are_in_no_file_and_no_log() {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    let password = "Planted-password-17";
    let init = hilum.run_with_input(&["init", "--admin-password-stdin"], &format!("{password}\n"));
    assert_eq!(init.code, 0, "{}", init.err);
    let server = hilum.serve(&["--log-level", "debug", "--log-format", "json"]);
    let rbac = ["sp", "create-for-rbac", "-n", "n", "--role", "DICOM Data Owner", "--scopes", "/"];
    let made: serde_json::Value = serde_json::from_str(&hilum.ok(&rbac)).unwrap();
    let (id, secret) = (made["appId"].as_str().unwrap(), made["password"].as_str().unwrap());
    let token = hilum.ok(&[
        "account",
        "get-access-token",
        "-u",
        id,
        "-p",
        secret,
        "--query",
        "accessToken",
        "-o",
        "tsv",
    ]);
    let (_, log) = server.terminate();

    let key = fs::read_to_string(hilum.data().join("keys/master.key")).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let mut all = vec![("the log".to_owned(), log.into_bytes())];
    files(&hilum.data(), &mut all);
    assert!(all.len() > 5, "the data directory has files");
    for (name, content) in &all {
        assert!(!holds(content, password), "{name} holds the password");
        assert!(!holds(content, secret), "{name} holds the client secret");
        assert!(!holds(content, signature), "{name} holds the token");
        assert!(name.ends_with("master.key") || !holds(content, key.trim()), "{name} holds the master key");
        let private = name.ends_with("ca-key.pem") || name.ends_with("server-key.pem");
        assert!(private || !holds(content, "PRIVATE KEY"), "{name} holds a private key");
    }
}

#[test]
fn the_printed_configuration_is_masked() {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    let mut command = hilum.command(&["serve", "--check", "--database", "postgres://u:planted-1@h/d"]);
    command.env("HILUM_BLOBS", "s3://b/p?x=planted-2").env("HILUM_BLOBS_OPTION_SECRET", "planted-3");
    let output = command.output().unwrap();
    let shown =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("postgres://u:[secret]@h/d") && !shown.contains("planted"), "{shown}");

    let mut wrong = hilum.command(&["serve", "--check"]);
    let output = wrong.env("HILUM_BLOBS_OPTIONS", "planted-4").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !shown.contains("planted"), "{shown}");
}
