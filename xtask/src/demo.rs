//! `cargo xtask demo`: build the server with optimisation and run the demonstration.

use anyhow::Result;

use crate::process::{cargo, must, succeeds, target_dir};

/// Builds `hilum` and runs `hilum demo` with the arguments given.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    println!("Building the server with optimisation; the first time this takes some minutes.");
    must(cargo().args(["build", "--release", "--locked", "--package", "hilum", "--bin", "hilum"]))?;
    println!(
        "Starting the demonstration: it registers clients, gets a token, stores a phantom CT study, finds it and\n\
         retrieves it again, each step timed.{}",
        if args.iter().any(|arg| arg == "--exit") { "" } else { " Ctrl-C ends the server." }
    );
    let binary = target_dir().join("release").join("hilum");
    // Inherits the terminal: progress bars, and Ctrl-C goes to the server, which then drains.
    succeeds(std::process::Command::new(binary).arg("demo").args(args))
}
