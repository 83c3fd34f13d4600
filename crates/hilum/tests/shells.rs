//! Shell completions and man pages: made, and read by the programs that are to read them.

use std::{fs, process::Command};

use hilum_testkit::Binary;

#[test]
fn completions_for_every_shell() {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = hilum.ok(&["completion", shell]);
        assert!(script.contains("create-for-rbac") && script.contains("hilum"), "{shell}: {script}");
    }
    let script = hilum.folder().join("hilum.bash");
    fs::write(&script, hilum.ok(&["completion", "bash"])).unwrap();
    let read = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // The words that the shell would offer after `hilum ap`.
    let asked = format!(
        "source {}; COMP_WORDS=(hilum app cred); COMP_CWORD=2; _hilum hilum cred app; echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let offered = Command::new("bash").args(["-c", &asked]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&offered.stdout).trim(), "credential");
}

#[test]
fn a_man_page_for_every_command() {
    let hilum = Binary::at(env!("CARGO_BIN_EXE_hilum"));
    let folder = hilum.folder().join("man");
    hilum.ok(&["man", &folder.display().to_string()]);
    let page = |name: &str| fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    assert!(page("hilum").contains(".TH hilum 1"));
    let create = page("hilum-app-create");
    assert!(create.contains(r"\-\-display\-name"), "{create}");
    assert!(page("hilum-ad-app-credential-reset").contains(r"hilum ad app credential reset"));
    // Where groff is installed it reads every page without a complaint.
    if Command::new("groff").arg("--version").output().is_err() {
        return;
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let read = Command::new("groff").args(["-man", "-ww", "-z"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}
