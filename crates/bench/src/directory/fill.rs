//! Fills a directory as an administrator would: with declarations for `hilum apply`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{DirectoryOptions, data_of};
use crate::{report::say, server::output};

/// One run of `hilum apply` takes no more objects.
const OBJECTS_PER_RUN: u64 = 20_000;
/// The registrations whose application is timed.
const TIMED: u64 = 1_000;
/// Members of each group.
const MEMBERS: u64 = 100;
/// What fills the domain of user principal names.
const DOMAIN: &str = "bench.example";

/// Fills the data directory in the folder, unless that was done before. Gives the time that the first thousand
/// registrations took.
pub(super) fn fill(options: &DirectoryOptions, folder: &Path) -> Result<Option<Duration>> {
    let done = folder.join("filled");
    if done.exists() {
        return Ok(None);
    }
    fs::create_dir_all(folder)?;
    output(&options.hilum, &["init", "--domain", DOMAIN], &data_of(folder)?)?;
    let first = options.applications.min(TIMED);
    let timed = apply(options, folder, &json!({ "applications": list(0..first, application) }))?;
    for range in runs(first..options.applications, OBJECTS_PER_RUN) {
        apply(options, folder, &json!({ "applications": list(range, application) }))?;
    }
    for range in runs(0..options.applications, OBJECTS_PER_RUN) {
        let principal = |n| json!({ "application": application_name(n) });
        apply(options, folder, &json!({ "servicePrincipals": list(range, principal) }))?;
    }
    for range in runs(0..options.users, OBJECTS_PER_RUN) {
        apply(options, folder, &json!({ "users": list(range, user) }))?;
    }
    for range in runs(0..options.groups, OBJECTS_PER_RUN) {
        let group = |n| group(n, options.users);
        apply(options, folder, &json!({ "groups": list(range, group) }))?;
    }
    fs::write(done, "")?;
    Ok(Some(timed))
}

fn apply(options: &DirectoryOptions, folder: &Path, declaration: &Value) -> Result<Duration> {
    let file = folder.join("declaration.json");
    fs::write(&file, serde_json::to_vec(declaration)?)?;
    let path = file.to_str().context("the declaration's path is not UTF-8")?;
    let started = Instant::now();
    output(&options.hilum, &["apply", "--yes", "-f", path], &data_of(folder)?)?;
    let took = started.elapsed();
    for (kind, objects) in declaration.as_object().into_iter().flatten() {
        let count = objects.as_array().map_or(0, Vec::len);
        say(&format!("applied {count} {kind} in {:.1} s", took.as_secs_f64()));
    }
    fs::remove_file(file)?;
    Ok(took)
}

fn runs(range: std::ops::Range<u64>, length: u64) -> Vec<std::ops::Range<u64>> {
    let step = usize::try_from(length.max(1)).unwrap_or(usize::MAX);
    let end = range.end;
    range.step_by(step).map(|start| start..end.min(start + length)).collect()
}

fn list(range: std::ops::Range<u64>, one: impl Fn(u64) -> Value) -> Vec<Value> {
    range.map(one).collect()
}

fn application_name(n: u64) -> String {
    format!("Application {n:06}")
}

/// A registration as the articles make it, of middling size.
fn application(n: u64) -> Value {
    json!({
        "displayName": application_name(n),
        "description": "Sends and reads studies of one department.",
        "tags": ["imaging", format!("site-{}", n % 50)],
        "web": { "redirectUris": [format!("https://app-{n}.bench.example/callback")] },
        "spa": { "redirectUris": [format!("https://app-{n}.bench.example/")] },
        "requiredResourceAccess": [{
            "resourceAppId": "75e725bf-66ce-4cea-9b9a-5c4caae57f33",
            "resourceAccess": [{ "id": "58a3b984-7adf-4c20-983a-32417c86fbc8", "type": "Role" }],
        }],
        "api": { "requestedAccessTokenVersion": 2 },
    })
}

fn user_name(n: u64) -> String {
    format!("user{n:06}@{DOMAIN}")
}

fn user(n: u64) -> Value {
    json!({
        "userPrincipalName": user_name(n),
        "displayName": format!("User {n:06}"),
        "givenName": format!("Given{n}"),
        "surname": format!("Surname{}", n % 1000),
        "jobTitle": "Radiographer",
        "department": format!("Department {}", n % 100),
    })
}

fn group(n: u64, users: u64) -> Value {
    let member = |at| user_name((n * 7919 + at * 101) % users.max(1));
    let mut members: Vec<_> = (0..MEMBERS.min(users)).map(member).collect();
    members.sort();
    members.dedup();
    json!({ "displayName": format!("Group {n:06}"), "description": "Readers of a department.", "members": members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_a_range_once() {
        assert_eq!(runs(0..45, 20), [0..20, 20..40, 40..45]);
        assert!(runs(5..5, 20).is_empty());
    }

    #[test]
    fn members_are_different_users() {
        let group = group(3, 100_000);
        let members = group["members"].as_array().unwrap();
        assert_eq!(members.len(), 100);
        let few = super::group(3, 5);
        assert_eq!(few["members"].as_array().unwrap().len(), 5);
    }
}
