//! The `hilum` binary as a library, so that tests can run the whole house inside themselves.
//!
//! [`config`] is read once; [`assemble`] wires the parts; `commands` is the command line.

pub mod assemble;
pub mod config;
pub mod data_dir;

mod certificates;
mod client;
mod commands;
mod demo;
mod health;
mod master_key;
mod metrics;
mod routes;
mod server;
mod session;
mod telemetry;
mod ui;

/// Runs one command line and says how the process ends: 0 well, 1 an error, 2 wrong usage, 3 not found.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    commands::run(arguments)
}
