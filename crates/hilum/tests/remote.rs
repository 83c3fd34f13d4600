//! Commands on a server elsewhere: signing in, choosing between data directory and server, signing out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read its files has failed"
)]

use std::{fs, process::Command};

use hilum_testkit::{Binary, Server};
use serde_json::Value;

/// A server with a service client, and a user's account folder that has nothing to do with the server's data.
struct Stage {
    hilum: Binary,
    server: Server,
    tenant: String,
    client: String,
    secret: String,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Stage {
    fn new() -> Self {
        let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
        let init = hilum.run_with_input(
            &["init", "--domain", "contoso.local", "--admin-password-stdin"],
            "Long-enough-1\n",
        );
        assert_eq!(init.code, 0, "{}", init.err);
        let server = hilum.serve(&[]);
        let rbac = ["sp", "create-for-rbac", "-n", "n", "--role", "DICOM Data Owner", "--scopes", "/"];
        let made: Value = serde_json::from_str(&hilum.ok(&rbac)).unwrap();
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Self { server, tenant: text("tenant"), client: text("appId"), secret: text("password"), hilum }
    }

    fn url(&self) -> String {
        self.server.announced().url.clone()
    }

    fn ca(&self) -> String {
        self.hilum.data().join("tls/ca.pem").display().to_string()
    }

    /// The command of somebody who has no data directory.
    fn elsewhere(&self, arguments: &[&str]) -> Command {
        let mut command = self.hilum.command(arguments);
        let folder = self.hilum.folder().join("elsewhere");
        fs::create_dir_all(&folder).unwrap();
        command.env_remove("HILUM_DATA").env("XDG_CONFIG_HOME", folder.join("config")).current_dir(folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.elsewhere(arguments))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out.trim_end().to_owned()
    }

    fn login(&self) -> Value {
        let (url, ca) = (self.url(), self.ca());
        let out = self.ok(&[
            "login",
            "--service-principal",
            "-u",
            &self.client,
            "-p",
            &self.secret,
            "--tenant",
            &self.tenant,
            "--server",
            &url,
            "--ca",
            &ca,
        ]);
        serde_json::from_str(&out).unwrap()
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_service_principal_signs_in_and_out() {
    let stage = Stage::new();
    let nobody = stage.run(&["account", "get-access-token", "--server", &stage.url()]);
    assert!(nobody.code == 1 && nobody.err.contains("hilum login --server"), "{}", nobody.err);

    let accounts = stage.login();
    assert_eq!(accounts[0]["user"]["name"], stage.client.as_str());
    assert_eq!(accounts[0]["user"]["type"], "servicePrincipal");
    assert_eq!(accounts[0]["tenantId"], stage.tenant.as_str());
    assert_eq!(stage.ok(&["account", "show", "--query", "server", "-o", "tsv"]), stage.url());

    let token = stage.ok(&["account", "get-access-token", "--query", "accessToken", "-o", "tsv"]);
    assert_eq!(token.split('.').count(), 3);
    let again = stage.ok(&["account", "get-access-token", "--query", "accessToken", "-o", "tsv"]);
    assert_eq!(token, again, "a token is kept while it is good");

    let out = stage.run(&["logout"]);
    assert_eq!((out.code, out.out.as_str()), (0, ""), "{}", out.err);
    let gone = stage.run(&["account", "show"]);
    assert!(gone.code == 1 && gone.err.contains("hilum login"), "{}", gone.err);
    assert_eq!(stage.run(&["logout"]).code, 1);
}

#[cfg(unix)]
#[test]
fn accounts_are_private_and_printed_without_secrets() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new();
    stage.login();
    let folder = stage.hilum.folder().join("elsewhere/config/hilum");
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("accounts.json"), mode("accounts.lock")), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left beside");
    for arguments in
        [&["account", "list"][..], &["account", "show"], &["account", "list", "-o", "table", "--debug"]]
    {
        let ran = stage.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(!(ran.out + &ran.err).contains(&stage.secret), "{arguments:?}");
    }
    fs::set_permissions(folder.join("accounts.json"), fs::Permissions::from_mode(0o640)).unwrap();
    let refused = stage.run(&["account", "list"]);
    assert!(refused.code == 1 && refused.err.contains("chmod 600"), "{}", refused.err);
    assert_eq!(stage.run(&["account", "clear"]).code, 0);
    assert_eq!(mode("accounts.json"), 0o600);
}

#[test]
fn wrong_sign_ins_are_told() {
    let stage = Stage::new();
    let (url, ca) = (stage.url(), stage.ca());
    let login = ["login", "--service-principal", "--tenant", &stage.tenant, "--server", &url];
    let with = |more: &[&str]| stage.run(&[&login[..], more].concat());
    let wrong = with(&["-u", &stage.client, "-p", "wrong", "--ca", &ca]);
    assert!(wrong.code == 1 && wrong.err.contains("AADSTS7000215"), "{}", wrong.err);
    let unknown = with(&["-u", "00000000-0000-4000-8000-000000000000", "-p", "x", "--ca", &ca]);
    assert!(unknown.code == 1 && unknown.err.contains("AADSTS700016"), "{}", unknown.err);
    let untrusted = with(&["-u", &stage.client, "-p", &stage.secret]);
    assert!(
        untrusted.code == 1 && untrusted.err.contains("cannot reach")
            || untrusted.err.contains("Cannot reach"),
        "{}",
        untrusted.err
    );
    assert!(!untrusted.err.contains(&stage.secret));
    let plain = stage.run(&["login", "--server", "http://contoso.example"]);
    assert!(plain.code == 2 && plain.err.contains("only https"), "{}", plain.err);
    assert!(!stage.hilum.folder().join("elsewhere/config/hilum/accounts.json").exists());
}

#[test]
fn a_certificate_signs_in_and_its_key_stays_where_it_is() {
    let stage = Stage::new();
    let reset = ["app", "credential", "reset", "--id", &stage.client, "--append", "--create-cert"];
    let made: Value = serde_json::from_str(&stage.hilum.ok(&reset)).unwrap();
    let file = made["fileWithCertAndPrivateKey"].as_str().unwrap();
    let (url, ca) = (stage.url(), stage.ca());
    stage.ok(&[
        "login",
        "--service-principal",
        "-u",
        &stage.client,
        "--certificate",
        file,
        "--tenant",
        &stage.tenant,
        "--server",
        &url,
        "--ca",
        &ca,
    ]);
    let dicom = ["account", "get-access-token", "--query", "tokenType", "-o", "tsv"];
    assert_eq!(stage.ok(&dicom), "Bearer");
    let kept = fs::read_to_string(stage.hilum.folder().join("elsewhere/config/hilum/accounts.json")).unwrap();
    assert!(kept.contains(file) && !kept.contains("PRIVATE KEY"));
}

#[test]
fn the_place_is_chosen_by_the_line_then_the_environment_then_the_account() {
    let stage = Stage::new();
    stage.login();
    let (url, data) = (stage.url(), stage.hilum.data().display().to_string());
    let user = |command: Command| {
        let ran = ran(command);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.trim().to_owned()
    };
    let show = ["account", "show", "--query", "user.name", "-o", "tsv"];
    let operator = "operator of the data directory";
    assert_eq!(user(stage.elsewhere(&show)), stage.client);
    assert_eq!(user(stage.elsewhere(&[&show[..], &["--data", &data]].concat())), operator);
    let mut by_variable = stage.elsewhere(&show);
    by_variable.env("HILUM_DATA", &data);
    assert_eq!(user(by_variable), operator);
    let mut flag_wins = stage.elsewhere(&[&show[..], &["--server", &url]].concat());
    flag_wins.env("HILUM_DATA", &data);
    assert_eq!(user(flag_wins), stage.client);

    let both = stage.run(&[&show[..], &["--server", &url, "--data", &data]].concat());
    assert!(both.code == 2 && both.err.contains("--server"), "{}", both.err);
    let mut variables = stage.elsewhere(&show);
    variables.env("HILUM_DATA", &data).env("HILUM_SERVER", &url);
    let both = ran(variables);
    assert!(both.code == 2 && both.err.contains("unset one"), "{}", both.err);
}
