//! `hilum export-config`: the directory in the form that `hilum apply` reads. Holds no secret.

use std::path::PathBuf;

use clap::Args;
use hilum_identity::to_yaml;
use serde_json::Value;

use super::{Answer, Context, Failure, output::OutputFormat};
use crate::{data_dir::write_private, ui};

#[derive(Debug, Args)]
pub(crate) struct ExportConfigArgs {
    /// Write to this file and not to standard output.
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, arguments: ExportConfigArgs) -> Answer {
    super::apply::here(context)?;
    context
        .with_directory(async |identity| {
            let documents = identity.export_configuration().await?;
            let text = match context.format {
                Some(OutputFormat::Json | OutputFormat::Jsonc) => {
                    let all = Value::Array(documents);
                    let mut text = serde_json::to_string_pretty(&all).map_err(Failure::error)?;
                    text.push('\n');
                    text
                }
                None | Some(OutputFormat::Yaml) => to_yaml(&documents),
                Some(_) => {
                    let text = "export-config writes YAML or, with --output json, JSON";
                    return Err(Failure::Usage(text.to_owned()));
                }
            };
            match &arguments.file {
                // Names and addresses of people are nobody else's business.
                Some(path) => write_private(path, text.as_bytes())
                    .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))?,
                None => ui::line(text.trim_end()),
            }
            Ok(None)
        })
        .await
}
