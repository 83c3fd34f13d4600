//! `hilum completion`, `hilum man`: what shells and `man` want to know of the grammar.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Answer, Cli, Failure};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell; the script goes to standard output.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages are written; the folder is made.
    folder: PathBuf,
}

pub(crate) fn completion(arguments: &CompletionArgs) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "hilum", &mut script);
    ui::line(String::from_utf8_lossy(&script).trim_end());
}

/// One page per command, named as git's are: hilum-app-create.1.
pub(crate) fn man(arguments: &ManArgs) -> Answer {
    std::fs::create_dir_all(&arguments.folder).map_err(|error| failed(&arguments.folder, &error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, &arguments.folder)?;
    Ok(None)
}

fn pages(command: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(|error| failed(folder, &error))?;
    let file = folder.join(format!("{name}.1"));
    std::fs::write(&file, ascii(&String::from_utf8_lossy(&page))).map_err(|error| failed(&file, &error))?;
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).try_for_each(|inner| pages(inner, folder))
}

/// Roff reads bytes: what is not ASCII is written by its number (groff_char(7)).
fn ascii(page: &str) -> String {
    let one = |letter: char| {
        if letter.is_ascii() { letter.to_string() } else { format!("\\[u{:04X}]", u32::from(letter)) }
    };
    page.chars().map(one).collect()
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Error(format!("cannot write {}: {error}", path.display()))
}
