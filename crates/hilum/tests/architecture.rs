//! The house rules that a machine can hold (STYLE §3): edges between crates, names, sizes, who may know what.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each crate may depend on. Downwards only; identity and the data services never name each other.
const EDGES: &[(&str, &[&str])] = &[
    ("hilum-kernel", &[]),
    ("hilum-storage", &["kernel"]),
    ("hilum-jose", &["kernel"]),
    ("hilum-web", &["kernel"]),
    ("hilum-audit", &["kernel", "storage"]),
    ("hilum-access", &["kernel", "jose", "web"]),
    // Layout, style and texts of all pages, below whoever draws them (ADR 0012); jose: hashes that policies name.
    ("hilum-pages", &["jose"]),
    // identity → access: its Graph API is a resource server like the others, and tokens are checked in one place.
    ("hilum-identity", &["kernel", "storage", "jose", "web", "audit", "access", "pages"]),
    ("hilum-dicom", &["kernel", "storage", "web", "audit", "access"]),
    ("hilum", &["kernel", "storage", "jose", "web", "audit", "access", "identity", "dicom"]),
    ("hilum-testkit", &["hilum", "kernel", "storage", "identity", "audit"]),
    ("hilum-bench", &["kernel"]),
];

/// Files beside `http.rs` that may import axum: one-file endpoints, routers, error tables.
const AXUM: &[&str] = &[
    "identity/src/lib.rs",
    "identity/src/graph/mod.rs",
    "identity/src/oauth/mod.rs",
    "identity/src/oauth/error.rs",
    "identity/src/oauth/discovery.rs",
    "identity/src/oauth/introspection.rs",
    "identity/src/oauth/logout.rs",
    "identity/src/oauth/revocation.rs",
    "identity/src/oauth/userinfo.rs",
    // Pages for people: the browser's cookies, the way from page to page and back to the client.
    "identity/src/oauth/browser.rs",
    "identity/src/oauth/authorize/consent_steps.rs",
    "identity/src/oauth/authorize/second_factor.rs",
    "identity/src/oauth/authorize/steps.rs",
    "identity/src/oauth/authorize/response.rs",
    "identity/src/oauth/authorize/upstream.rs",
    "dicom/src/router.rs",
    "dicom/src/error.rs",
    "dicom/src/request.rs",
    "dicom/src/retrieve/body.rs",
];

const LINES_MAX: usize = 800;

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source file below the crates, by its path from there.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let (root, mut found) = (crates(), BTreeMap::new());
    walk(&root, &root, &mut found);
    found
}

fn is_test(file: &str) -> bool {
    file.contains("/tests/")
        || file.contains("/examples/")
        || file.contains("/benches/")
        || file.contains("/testing/")
        || file.contains("/contract/")
        || file.contains("/generated/")
        || file.ends_with("tests.rs")
        || file.ends_with("testing.rs")
        || file.starts_with("testkit/")
}

#[test]
fn crates_depend_only_downwards() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(crates())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let ours =
            package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(crates()));
        if !ours {
            continue;
        }
        let Some(allowed) = allowed.get(name) else {
            wrong.push(format!("{name} has no line in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let normal = dependency["kind"].is_null();
            if normal && to.starts_with("hilum") && !allowed.contains(&to.trim_start_matches("hilum-")) {
                wrong.push(format!("{name} → {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that the table does not have: {wrong:#?}");
}

#[test]
fn only_storage_knows_databases_and_buckets() {
    let mut wrong = Vec::new();
    for manifest in fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(text) = fs::read_to_string(manifest.join("Cargo.toml")) else { continue };
        let owner = manifest.file_name().unwrap().to_str().unwrap();
        for line in text.lines().filter(|line| line.starts_with("sqlx") || line.starts_with("object_store")) {
            if owner != "storage" {
                wrong.push(format!("{owner}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_wire_knows_axum() {
    let free = ["web/", "pages/", "hilum/", "testkit/", "portal/", "bench/"];
    let wrong: BTreeSet<String> = sources()
        .into_iter()
        .filter(|(file, _)| !is_test(file) && !file.ends_with("/http.rs") && !AXUM.contains(&file.as_str()))
        .filter(|(file, _)| !free.iter().any(|owner| file.starts_with(owner)))
        .filter(|(_, text)| text.contains("axum::"))
        .map(|(file, _)| file)
        .collect();
    assert!(wrong.is_empty(), "files that import axum and are no http.rs: {wrong:#?}");
}

#[test]
fn files_have_names_and_keep_their_size() {
    let banned = ["util", "utils", "helpers", "common", "misc", "manager"];
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let named = file.split('/').any(|part| banned.contains(&part.trim_end_matches(".rs")));
        if named {
            wrong.push(format!("{file}: the name says nothing"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !is_test(&file) {
            wrong.push(format!("{file}: {lines} lines"));
        }
        if !is_test(&file) && !text.starts_with("//!") && lines > 3 {
            wrong.push(format!("{file}: no module documentation"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn anyhow_stays_in_the_binary() {
    let mut wrong = Vec::new();
    for manifest in fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(text) = fs::read_to_string(manifest.join("Cargo.toml")) else { continue };
        let owner = manifest.file_name().unwrap().to_str().unwrap().to_owned();
        let text = text.split("[dev-dependencies]").next().unwrap_or_default();
        if text.lines().any(|line| line.starts_with("anyhow"))
            && !["hilum", "bench"].contains(&owner.as_str())
        {
            wrong.push(owner);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
