//! The `hilum` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(hilum::run(std::env::args_os()))
}
