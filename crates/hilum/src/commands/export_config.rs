//! `hilum export-config`: the directory in the form that `hilum apply` reads. Holds no secret.
//!
//! Objects are written as they are read, page by page, so that the size of the directory does not matter.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use hilum_identity::{ConfigurationExport, DECLARED_MAX, to_yaml};
use serde_json::Value;

use super::{Answer, Context, Failure, output::OutputFormat};
use crate::{
    data_dir::PrivateFile,
    ui::{self, Counter},
};

#[derive(Debug, Args)]
pub(crate) struct ExportConfigArgs {
    /// Write to this file and not to standard output.
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
}

/// How documents are written one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Json,
}

pub(crate) async fn run(context: &Context, arguments: ExportConfigArgs) -> Answer {
    super::apply::here(context)?;
    let form = match context.format {
        Some(OutputFormat::Json | OutputFormat::Jsonc) => Form::Json,
        None | Some(OutputFormat::Yaml) => Form::Yaml,
        Some(_) => {
            let text = "export-config writes YAML or, with --output json, JSON";
            return Err(Failure::Usage(text.to_owned()));
        }
    };
    context
        .with_directory(async |identity| {
            let export = identity.export_configuration().await?;
            let count = match &arguments.file {
                Some(path) => to_file(export, form, path).await?,
                None => to_standard_output(export, form).await?,
            };
            if count > DECLARED_MAX {
                context.warn(format!(
                    "{count} objects: `hilum apply` takes at most {DECLARED_MAX} at once. Cut the file between documents \
                     and apply the parts in this order."
                ));
            }
            Ok(None)
        })
        .await
}

/// Names and addresses of people are nobody else's business. The file appears when it is whole.
async fn to_file(export: ConfigurationExport, form: Form, path: &Path) -> Result<usize, Failure> {
    let failed = |error| Failure::Error(format!("cannot write {}: {error}", path.display()));
    let mut file = PrivateFile::beside(path).map_err(failed)?;
    let count = Box::pin(write(export, form, &mut file, failed)).await?;
    file.finish().map_err(failed)?;
    Ok(count)
}

async fn to_standard_output(export: ConfigurationExport, form: Form) -> Result<usize, Failure> {
    let failed = |error| Failure::Error(format!("cannot write the export: {error}"));
    match Box::pin(write(export, form, &mut ui::Output, failed)).await {
        Ok(count) => Ok(count),
        Err(error) => Err(error),
    }
}

async fn write(
    mut export: ConfigurationExport,
    form: Form,
    out: &mut (impl Write + Send),
    failed: impl Fn(std::io::Error) -> Failure,
) -> Result<usize, Failure> {
    let (counter, mut count) = (Counter::start("objects"), 0);
    if form == Form::Json {
        out.write_all(b"[").map_err(&failed)?;
    }
    while let Some(documents) = export.next().await? {
        let text = match form {
            Form::Yaml => to_yaml(&documents),
            Form::Json => items(&documents, count)?,
        };
        out.write_all(text.as_bytes()).map_err(&failed)?;
        count += documents.len();
        counter.set(count);
    }
    if form == Form::Json {
        out.write_all(if count == 0 { b"]\n" } else { b"\n]\n" }).map_err(&failed)?;
    }
    out.flush().map_err(&failed)?;
    Ok(count)
}

/// Items of a JSON list, behind those that were written.
fn items(documents: &[Value], before: usize) -> Result<String, Failure> {
    let mut text = String::new();
    for (at, document) in documents.iter().enumerate() {
        text.push_str(if before + at == 0 { "\n" } else { ",\n" });
        let pretty = serde_json::to_string_pretty(document).map_err(Failure::error)?;
        for (at, line) in pretty.lines().enumerate() {
            text.push_str(if at == 0 { "  " } else { "\n  " });
            text.push_str(line);
        }
    }
    Ok(text)
}
