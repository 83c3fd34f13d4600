//! `hilum app import-manifest`: makes an application of a manifest that was downloaded from Entra's portal.

use std::path::{Path, PathBuf};

use clap::Args;
use hilum_audit::Actor;
use hilum_identity::{
    ConfigurationError, ConfigurationFile, Desired, Manifest, ManifestAppId, PlannedAction, Problem, to_yaml,
};
use serde_json::{Value, json};

use super::{Answer, Context, Failure, values};

#[derive(Debug, Args)]
pub(crate) struct ImportManifestArgs {
    /// The manifest: JSON of the older or the newer form.
    file: PathBuf,
    /// Give the application the client ID of the manifest.
    #[arg(long)]
    keep_app_id: bool,
    /// Change the application of this name (or, with --keep-app-id, of this client ID) if there is one.
    #[arg(long)]
    update: bool,
    /// Show what would be taken and what left out, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, arguments: ImportManifestArgs) -> Answer {
    super::apply::here(context)?;
    let text = values::read_file(&arguments.file)?;
    let parsed: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Failure::Error(format!("{} is no JSON: {error}", arguments.file.display())))?;
    let keep = if arguments.keep_app_id { ManifestAppId::Keep } else { ManifestAppId::New };
    let manifest = Manifest::read(&parsed, keep).map_err(Failure::Error)?;
    let desired = desired(&arguments.file, &manifest).map_err(|problems| failed(&problems))?;
    context
        .with_directory(async |identity| {
            let declaration = identity.declare(desired.clone(), None);
            let actor = Actor::operator();
            let plan = identity.plan_configuration(&actor, &declaration).await.map_err(of)?;
            let changed = plan.changes.iter().any(|change| change.action == PlannedAction::Update);
            if changed && !arguments.update {
                let text = "there is such an application already: say --update to change it";
                return Err(Failure::Error(text.to_owned()));
            }
            if !arguments.dry_run {
                identity.apply_configuration(&actor, &declaration, &plan).await.map_err(of)?;
            }
            let left_out = |(member, reason): &(String, String)| json!({"member": member, "reason": reason});
            Ok(Some(json!({
                "applied": !arguments.dry_run,
                "leftOut": manifest.left_out.iter().map(left_out).collect::<Vec<_>>(),
                "plan": plan.to_json(),
                "taken": manifest.taken,
            })))
        })
        .await
}

fn desired(file: &Path, manifest: &Manifest) -> Result<Desired, Vec<Problem>> {
    let text = to_yaml(std::slice::from_ref(&manifest.document));
    // Lines of the text that was made of the manifest would only mislead.
    let file = ConfigurationFile { name: file.display().to_string(), text };
    Desired::read(&[file], &|_, _| Err("a manifest refers to no files".to_owned()))
}

fn of(error: ConfigurationError) -> Failure {
    match error {
        ConfigurationError::Problems(problems) => failed(&problems),
        ConfigurationError::Stale => {
            Failure::Error("the directory changed meanwhile, and nothing was done: try again".to_owned())
        }
        ConfigurationError::Identity(error) => error.into(),
    }
}

fn failed(problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| Problem { file: None, place: None, ..problem.clone() }.to_string())
        .collect();
    Failure::Error(format!("nothing was done: {}", lines.join("; ")))
}
