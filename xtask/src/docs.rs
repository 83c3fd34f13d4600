//! `cargo xtask docs`: the API documentation, the book when mdBook is there or can be had, and a run of every command
//! that the pages tell people to type.

use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, root, succeeds, target_dir};
use crate::{test, tools};

/// Builds both and runs the pages' commands; the pages are plain Markdown and also read well without mdBook.
pub(crate) fn run(_args: &[String]) -> Result<bool> {
    let mut cargo_doc = cargo();
    cargo_doc.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    let api = succeeds(&mut cargo_doc)?;
    let book = book()?;
    let commands = test::pages()?;
    Ok(api && book && commands)
}

fn book() -> Result<bool> {
    let Some(mdbook) = tools::cargo_tool("mdbook", "mdbook")? else {
        println!(
            "The book was not built: mdBook is missing. Read docs/src/SUMMARY.md, or: cargo install mdbook --locked"
        );
        return Ok(true);
    };
    let mut build = Command::new(mdbook);
    succeeds(build.arg("build").arg(root().join("docs")).arg("--dest-dir").arg(target_dir().join("book")))
}
