//! What the machine itself can do, measured in the same run: the ceiling that no server passes.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::{
    load::{self, Request, Shape, Target},
    server::{Process, free_port},
    stats,
};

/// How long each measurement takes.
const SPAN: Duration = Duration::from_secs(2);

/// The size of a CT slice's file.
const FILE_BYTES: usize = 527_000;
/// The size of the corpus's small instances.
const SMALL_FILE_BYTES: usize = 10_000;

/// The machine's limits. What could not be measured is missing.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Limits {
    /// Files of 527 KB written and synced in a second by one thread.
    pub(crate) durable_writes_one_thread: f64,
    /// The same by four threads.
    pub(crate) durable_writes_four_threads: f64,
    /// Files of 10 KB written and synced in a second by four threads.
    pub(crate) durable_small_writes: f64,
    /// RSA-2048 signatures in a second on one core (`openssl speed`).
    pub(crate) rsa_signatures: Option<f64>,
    /// RSA-2048 verifications in a second on one core.
    pub(crate) rsa_verifications: Option<f64>,
    /// Requests in a second that nginx answers with a file of 527 KB, through this load generator.
    pub(crate) nginx_files: Option<f64>,
    /// The same over TLS: what encrypting and decrypting on the same processors leaves of it.
    pub(crate) nginx_files_tls: Option<f64>,
    /// Processors.
    pub(crate) processors: usize,
}

impl Limits {
    /// Measures, in a new folder below the given one, which must be on the disk that the servers use.
    pub(crate) fn measure(below: &Path, client_threads: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("limits-").tempdir_in(below)?;
        let rsa = rsa();
        Ok(Self {
            durable_writes_one_thread: durable_writes(folder.path(), FILE_BYTES, 1)?,
            durable_writes_four_threads: durable_writes(folder.path(), FILE_BYTES, 4)?,
            durable_small_writes: durable_writes(folder.path(), SMALL_FILE_BYTES, 4)?,
            rsa_signatures: rsa.map(|(signatures, _)| signatures),
            rsa_verifications: rsa.map(|(_, verifications)| verifications),
            nginx_files: nginx(folder.path(), client_threads, false).ok(),
            nginx_files_tls: nginx(folder.path(), client_threads, true).ok(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        })
    }

    /// The limit that a store of slices or of small instances at some concurrency is held against.
    pub(crate) fn durable_writes(&self, small: bool, concurrency: usize) -> f64 {
        match (small, concurrency) {
            (true, _) => self.durable_small_writes,
            (false, 1) => self.durable_writes_one_thread,
            (false, _) => self.durable_writes_four_threads,
        }
    }
}

fn durable_writes(folder: &Path, size: usize, threads: usize) -> Result<f64> {
    let bytes = vec![0x5A; size];
    let started = Instant::now();
    let written = std::thread::scope(|scope| {
        let write = |thread: usize| {
            let bytes = &bytes;
            move || -> Result<u64> {
                let mut count = 0;
                while started.elapsed() < SPAN {
                    let path = folder.join(format!("{size}-{threads}-{thread}-{count}"));
                    let mut file = File::create(&path)?;
                    file.write_all(bytes)?;
                    file.sync_all()?;
                    count += 1;
                }
                Ok(count)
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(write(thread))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().ok().context("a writer panicked")?)
            .sum::<Result<u64>>()
    })?;
    Ok(stats::float(written) / started.elapsed().as_secs_f64())
}

fn rsa() -> Option<(f64, f64)> {
    let output = Command::new("openssl").args(["speed", "-seconds", "2", "rsa2048"]).output().ok()?;
    rates(&String::from_utf8_lossy(&output.stdout))
}

/// The line is `rsa 2048 bits 0.000294s 0.000016s   3400.1  63000.2` in OpenSSL 1.1 and 3.
fn rates(output: &str) -> Option<(f64, f64)> {
    let line = output.lines().rev().find(|line| line.starts_with("rsa") && line.contains("2048"))?;
    let numbers: Vec<f64> = line.split_whitespace().skip(3).filter_map(|field| field.parse().ok()).collect();
    match numbers.as_slice() {
        [signatures, verifications, ..] => Some((*signatures, *verifications)),
        _ => None,
    }
}

fn nginx(folder: &Path, threads: usize, over_tls: bool) -> Result<f64> {
    let port = free_port()?;
    let folder = folder.join(if over_tls { "nginx-tls" } else { "nginx" });
    fs::create_dir_all(folder.join("files"))?;
    fs::write(folder.join("files/slice"), vec![0x5A; FILE_BYTES])?;
    let path = folder.to_str().context("the folder's path is not UTF-8")?;
    let tls = if over_tls { Some(certificate(&folder)?) } else { None };
    fs::write(folder.join("nginx.conf"), configuration(path, port, over_tls))?;
    let mut command = Command::new("nginx");
    command.args(["-p", path, "-c", "nginx.conf", "-e", "error.log"]);
    let mut process = Process::start(&mut command, &folder.join("output.log"))?;
    let target = Target {
        address: ([127, 0, 0, 1], port).into(),
        host: "localhost".to_owned(),
        tls,
        authorization: None,
        from: None,
    };
    while process.runs() && std::net::TcpStream::connect(target.address).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let shape = Shape { concurrency: 4, threads, duration: SPAN };
    let outcome = load::run(&target, shape, &|_| Some(Request::get("/slice".to_owned(), "*/*")))?;
    ensure!(outcome.failures.is_empty(), "nginx: {:?}", outcome.failures);
    Ok(outcome.requests_per_second())
}

/// A certificate for `localhost` in the folder, and a client that trusts its issuer.
fn certificate(folder: &Path) -> Result<std::sync::Arc<rustls::ClientConfig>> {
    let openssl = |arguments: &str| -> Result<()> {
        let status = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .stderr(std::process::Stdio::null())
            .status()?;
        ensure!(status.success(), "openssl {arguments}: {status}");
        Ok(())
    };
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n")?;
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench -keyout ca-key.pem -out ca.pem",
    )?;
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout leaf-key.pem -out leaf.csr",
    )?;
    openssl(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names -out leaf.pem",
    )?;
    load::trusting(&folder.join("ca.pem"))
}

/// One process in all, so that ending it ends the server; as lean as nginx gets.
fn configuration(folder: &str, port: u16, over_tls: bool) -> String {
    // The suite that the server under test chooses.
    let tls = if over_tls {
        "ssl_certificate leaf.pem; ssl_certificate_key leaf-key.pem; ssl_prefer_server_ciphers on; \
         ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"
    } else {
        ""
    };
    let ssl = if over_tls { "ssl" } else { "" };
    format!(
        "daemon off; master_process off; pid {folder}/pid;\n\
         events {{}}\n\
         http {{\n access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000;\n\
         client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;\n\
         uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;\n\
         server {{ listen 127.0.0.1:{port} {ssl}; {tls} root {folder}/files; }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_openssl_is_read() {
        let output = "version: 3.0\n                  sign    verify    sign/s verify/s\n\
                      rsa 2048 bits 0.000294s 0.000016s   3400.1  63000.2\n";
        assert_eq!(rates(output), Some((3400.1, 63000.2)));
        assert_eq!(rates("nothing"), None);
    }

    #[test]
    fn what_is_measured_is_more_than_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(durable_writes(folder.path(), SMALL_FILE_BYTES, 2).unwrap() > 0.0);
    }
}
