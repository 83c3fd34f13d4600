//! `hilum doctor`: looks at a deployment and says what is wrong and how to mend it.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use hilum_identity::{
    Application, CredentialHolder, CredentialKind, ExpiresWithin, ExpiringCredential, IdentityError, KeyState,
};
use hilum_storage::blobs::{BlobKey, Blobs};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Context, Failure, failure::WRONG_MASTER_KEY_MEND};
use crate::{assemble::Directory, certificates::Facts, data_dir::open_to_others};

/// Below this the next store request may fail.
const FREE_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;
/// More than a person looks at.
const CREDENTIALS_SHOWN: usize = 20;
/// When a signing key should have been replaced.
const KEY_DAYS_MAX: i64 = 400;
/// How late a scheduled rotation may be: the server may have been off over a weekend.
const KEY_LATE_MAX: SignedDuration = SignedDuration::from_hours(3 * 24);

/// One thing that was looked at.
struct Finding {
    check: &'static str,
    status: Status,
    detail: String,
    mend: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Good,
    Warning,
    Bad,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, status: Status::Good, detail: detail.into(), mend: String::new() }
    }

    fn warning(check: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, detail: detail.into(), mend: mend.into() }
    }

    fn bad(check: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, status: Status::Bad, detail: detail.into(), mend: mend.into() }
    }

    fn to_json(&self) -> Value {
        let status = match self.status {
            Status::Good => "ok",
            Status::Warning => "warning",
            Status::Bad => "failed",
        };
        json!({"check": self.check, "detail": self.detail, "mend": self.mend, "status": status})
    }
}

pub(crate) async fn run(context: &Context) -> Answer {
    // The configuration was read already, else we would not be here.
    let mut findings = vec![Finding::good("configuration", "is valid")];
    findings.extend(permissions(context));
    findings.extend(clock(context));
    findings.extend(certificate(context));
    findings.extend(store(context).await);
    findings.extend(blobs(context).await);
    findings.extend(space(context));
    findings.push(server(context).await);
    let failed = findings.iter().filter(|finding| finding.status == Status::Bad).count();
    let report: Value = findings.iter().map(Finding::to_json).collect();
    if failed > 0 {
        let text = super::output::render(Some(report), None, (super::OutputFormat::Table, None))?;
        crate::ui::line(text.unwrap_or_default());
        return Err(Failure::Error(format!("{failed} of {} checks failed", findings.len())));
    }
    Ok(Some(report))
}

fn permissions(context: &Context) -> Vec<Finding> {
    let data = &context.ground.data;
    if !data.path().is_dir() {
        let mend = "run `hilum init` or `hilum serve`, or name another directory with --data";
        return vec![Finding::bad("data directory", format!("{} is not there", data.path().display()), mend)];
    }
    let private = [
        data.path().to_path_buf(),
        data.master_key(),
        data.tls("ca-key.pem"),
        data.tls("server-key.pem"),
        data.path().join("hilum.db"),
    ];
    let open: Vec<_> = private.iter().filter(|path| open_to_others(path).is_some()).collect();
    // Earlier versions left the database file to the process's mask; the folder keeps others out.
    let folder_open = open_to_others(data.path()).is_some();
    let keys = open.iter().filter(|path| !path.ends_with("hilum.db") || folder_open);
    let bad: Vec<String> = keys.map(|path| path.display().to_string()).collect();
    if bad.is_empty() {
        return vec![Finding::good("data directory", "only its owner can read it")];
    }
    let mend = format!("chmod go= {}", bad.join(" "));
    vec![Finding::bad("data directory", format!("others can read {}", bad.join(", ")), mend)]
}

fn clock(context: &Context) -> Vec<Finding> {
    let now = context.ground.clock.now();
    let built: Option<Timestamp> = "2026-01-01T00:00:00Z".parse().ok();
    if built.is_some_and(|built| now < built) {
        let mend = "set the clock, for example with timedatectl set-ntp true: tokens carry times";
        return vec![Finding::bad("clock", format!("it says {now}"), mend)];
    }
    vec![Finding::good("clock", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())]
}

fn certificate(context: &Context) -> Vec<Finding> {
    let config = &context.ground.config;
    if config.http.plain {
        return vec![Finding::warning(
            "certificate",
            "the server speaks plain HTTP",
            "for use on loopback or behind a TLS proxy only",
        )];
    }
    let file = config.tls.cert.clone().unwrap_or_else(|| context.ground.data.tls("server.pem"));
    match Facts::read(&file) {
        Err(error) => {
            vec![Finding::warning("certificate", format!("{error:#}"), "the next `hilum serve` makes one")]
        }
        Ok(facts) => {
            let left = facts.not_after.duration_since(context.ground.clock.now());
            let detail = format!("valid until {}", facts.not_after.strftime("%Y-%m-%d"));
            let own = config.tls.cert.is_none();
            let mend = if own { "a running `hilum serve` renews it" } else { "renew it" };
            vec![if left.is_negative() {
                Finding::bad("certificate", detail, mend)
            } else if left < SignedDuration::from_hours(24 * 21) {
                Finding::warning("certificate", detail, mend)
            } else {
                Finding::good("certificate", detail)
            }]
        }
    }
}

async fn store(context: &Context) -> Vec<Finding> {
    let directory = match context.origin() {
        Ok(origin) => Directory::open(&context.ground, origin).await,
        Err(failure) => return vec![Finding::bad("database", failure.to_string(), "mend http.listen")],
    };
    let directory = match directory {
        Ok(directory) => directory,
        Err(error) if matches!(error.downcast_ref(), Some(IdentityError::WrongMasterKey)) => {
            let database = Finding::good("database", "answers, its tables are up to date");
            return vec![database, Finding::bad("master key", format!("{error:#}"), WRONG_MASTER_KEY_MEND)];
        }
        Err(error) => {
            let mend = "check database.url and that the server is up; PostgreSQL needs collation C and UTF8";
            return vec![Finding::bad("database", format!("{error:#}"), mend)];
        }
    };
    let mut findings = vec![match directory.db.ping().await {
        Ok(()) => Finding::good("database", "answers, its tables are up to date"),
        Err(error) => Finding::bad("database", error.to_string(), "see the log of the database"),
    }];
    findings.push(match signing_keys(context, &directory).await {
        Ok(finding) => finding,
        Err(error) => {
            Finding::bad("signing keys", format!("{error:#}"), "run `hilum init`; check keys/master.key")
        }
    });
    findings.extend(credentials(&directory).await);
    findings.extend(audiences(context, &directory).await);
    directory.close().await;
    findings
}

/// Client secrets and certificates that end within 30 days or have ended, each with what mends it.
async fn credentials(directory: &Directory) -> Vec<Finding> {
    let all = match directory.identity.list_expiring_credentials().await {
        Ok(all) => all,
        Err(IdentityError::NotInitialised) => return Vec::new(),
        Err(error) => {
            return vec![Finding::bad("credentials", error.to_string(), "see the log of the database")];
        }
    };
    if all.is_empty() {
        return vec![Finding::good("credentials", "no client secret or certificate ends within 30 days")];
    }
    let mut findings: Vec<Finding> = all.iter().take(CREDENTIALS_SHOWN).map(credential).collect();
    if all.len() > CREDENTIALS_SHOWN {
        let detail = format!("and {} more", all.len() - CREDENTIALS_SHOWN);
        findings.push(Finding::warning("credentials", detail, "renew those above, then look again"));
    }
    findings
}

/// Whether the applications that the DICOM service takes as audience can give tokens.
async fn audiences(context: &Context, directory: &Directory) -> Vec<Finding> {
    let dicom = &context.ground.config.dicom;
    if dicom.foreign_only {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for audience in &dicom.audiences {
        let found = directory.identity.find_service_principal(audience.as_str()).await;
        let enabled = |application: &Application| application.properties.is_disabled != Some(true);
        findings.push(match found {
            Ok(principal)
                if principal.account_enabled && principal.application.as_deref().is_some_and(enabled) =>
            {
                Finding::good("audiences", format!("{audience} is '{}'", principal.display_name))
            }
            Ok(principal) => Finding::warning(
                "audiences",
                format!(
                    "{audience} is '{}', which is disabled: nobody gets a token for it",
                    principal.display_name
                ),
                format!("hilum sp update --id {} --set accountEnabled=true", principal.app_id),
            ),
            Err(IdentityError::NotFound { .. } | IdentityError::NotInitialised) => Finding::warning(
                "audiences",
                format!("dicom.audiences names {audience}, which no application of the tenant has"),
                "register it (hilum app create, hilum sp create), or take it out of dicom.audiences",
            ),
            Err(error) => Finding::bad("audiences", error.to_string(), "see the log of the database"),
        });
    }
    findings
}

fn credential(credential: &ExpiringCredential) -> Finding {
    let ExpiringCredential { key_id, app_id, application, ends_at, .. } = credential;
    let (what, certificate) = match credential.kind {
        CredentialKind::Secret => ("secret", ""),
        CredentialKind::Certificate => ("certificate", " --cert"),
    };
    let noun = match credential.holder {
        CredentialHolder::Application => "app",
        CredentialHolder::ServicePrincipal => "sp",
    };
    let name = credential.display_name.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
    let day = ends_at.strftime("%Y-%m-%d");
    let subject = format!("{what}{name} of '{application}' ({app_id})");
    if credential.within == ExpiresWithin::Expired {
        let mend = format!("hilum {noun} credential delete --id {app_id} --key-id {key_id}{certificate}");
        return Finding::warning("credentials", format!("{subject} ended on {day}"), mend);
    }
    let new = if certificate.is_empty() { "" } else { " --cert @NEW.pem" };
    let mend = format!("hilum {noun} credential reset --id {app_id} --append{new}");
    Finding::warning("credentials", format!("{subject} ends on {day}"), mend)
}

async fn signing_keys(context: &Context, directory: &Directory) -> Result<Finding> {
    let keys = directory.identity.list_signing_keys().await?;
    // That the current private key opens was seen when the directory was opened.
    let current = keys.iter().find(|key| key.state == KeyState::Current);
    let next = keys.iter().any(|key| key.state == KeyState::Next);
    Ok(match current {
        None => Finding::bad("signing keys", "there is no current key", "run `hilum init`"),
        Some(key) => {
            let since = key.activated_at.unwrap_or(key.published_at);
            let now = context.ground.clock.now();
            let days = now.duration_since(since).as_hours() / 24;
            let rotation = directory.identity.next_key_rotation().await?;
            if rotation.is_some_and(|due| now.duration_since(due) > KEY_LATE_MAX) {
                Finding::warning(
                    "signing keys",
                    format!("the current key is {days} days old, its scheduled rotation is late"),
                    "a running `hilum serve` rotates: see its log; or hilum key rotate",
                )
            } else if days > KEY_DAYS_MAX && rotation.is_none() {
                Finding::warning(
                    "signing keys",
                    format!("the current key is {days} days old"),
                    "hilum key rotate",
                )
            } else if next {
                let when = rotation.map_or_else(
                    || "only by hand".to_owned(),
                    |due| format!("on {}", due.strftime("%Y-%m-%d")),
                );
                let detail = format!("current since {days} days, the next one is published; rotation {when}");
                Finding::good("signing keys", detail)
            } else {
                Finding::warning("signing keys", "no next key is published", "hilum key rotate")
            }
        }
    })
}

async fn blobs(context: &Context) -> Option<Finding> {
    let ground = &context.ground;
    if !ground.data.path().is_dir() {
        return None;
    }
    let probe = async {
        let blobs = Blobs::open(&ground.config.blobs.to_storage(ground.data.path()), ground.data.staging())?;
        let key = BlobKey::instance(ground.clock.now(), ground.random.uuid());
        let sample = Bytes::from_static(b"hilum doctor");
        blobs.put(&key, vec![sample.clone()]).await?;
        let read = blobs.read(&key).await;
        blobs.delete(&key).await?;
        Ok::<bool, anyhow::Error>(read? == sample)
    };
    let mend = "check blobs.url, its options and rights, and the space left";
    Some(match tokio::time::timeout(Duration::from_secs(20), probe).await {
        Ok(Ok(true)) => Finding::good("file store", "a file was written, read and deleted"),
        Ok(Ok(false)) => Finding::bad("file store", "it gives back something else than was written", mend),
        Ok(Err(error)) => Finding::bad("file store", format!("{error:#}"), mend),
        Err(_) => Finding::bad("file store", "it did not answer within 20 s", mend),
    })
}

/// The space left, as `df` tells it: the standard library has no call for it.
fn space(context: &Context) -> Option<Finding> {
    let path = context.ground.data.path();
    let output = std::process::Command::new("df").arg("-Pk").arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kib: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    let detail = format!("{} MiB are free", kib / 1024);
    Some(if kib.saturating_mul(1024) < FREE_BYTES_MIN {
        Finding::warning("disk space", detail, "make room: stores fail when the disk is full")
    } else {
        Finding::good("disk space", detail)
    })
}

async fn server(context: &Context) -> Finding {
    let Some(running) = context.ground.data.running_server() else {
        return Finding::warning("server", "none runs on this data directory", "hilum serve");
    };
    let stale = "if no server runs, remove run/server.json";
    let client = match crate::client::new(&context.ground.data) {
        Ok(client) => client,
        Err(error) => {
            return Finding::bad(
                "server",
                format!("{error:#}"),
                "make tls/ca.pem anew: remove tls/ and restart",
            );
        }
    };
    let request = client.get(format!("{}/readyz", running.url)).timeout(Duration::from_secs(5));
    match request.send().await {
        Ok(response) if response.status().is_success() => {
            Finding::good("server", format!("{} is ready", running.url))
        }
        Ok(response) => Finding::bad(
            "server",
            format!("{} answers {}", running.url, response.status()),
            "see /health/check and the log",
        ),
        Err(_) => Finding::bad("server", format!("{} cannot be reached", running.url), stale),
    }
}
