//! `hilum apply`: makes the directory what files say.
//!
//! The plan is shown before anything is done. On a terminal a question follows; elsewhere nothing is done without
//! `--yes`, and the exit code 2 tells a pipeline that something would have changed.

mod files;
mod show;
mod targets;

use std::{
    io::{BufRead as _, IsTerminal as _},
    path::PathBuf,
};

use clap::Args;
use hilum_audit::Actor;
use hilum_identity::{
    ConfigurationError, ConfigurationPlan, Declaration, Desired, Identity, LabelSelector, Problem,
};
use serde_json::Value;

use super::{Answer, Context, Failure, context::Place, output::render};
use crate::ui;

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A file of YAML or JSON, a folder of such files, or - for standard input.
    #[arg(long, short = 'f', required = true, num_args = 1.., value_name = "FILE|DIR")]
    file: Vec<PathBuf>,
    /// Do it without asking.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Show what would be done, and do nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Delete what carries the labels of --selector and stands in no file.
    #[arg(long, requires = "selector")]
    prune: bool,
    /// The labels of what --prune may delete: key=value, separated by commas.
    #[arg(long, short = 'l', value_name = "KEY=VALUE")]
    selector: Option<String>,
}

pub(crate) async fn run(context: &Context, arguments: ApplyArgs) -> Answer {
    here(context)?;
    let prune = selector(&arguments)?;
    let files = files::read(&arguments.file)?;
    let mut desired = Desired::read(&files, &files::load).map_err(|problems| failed(&problems))?;
    if desired.is_empty() && prune.is_none() {
        return Err(Failure::Usage("the files declare nothing".to_owned()));
    }
    targets::check(&desired).map_err(|problems| failed(&problems))?;
    desired.look_for_secrets(targets::is_there);
    context
        .with_directory(async |identity| {
            let declaration = identity.declare(desired.clone(), prune.clone());
            let plan = identity.plan_configuration(&Actor::operator(), &declaration).await.map_err(of)?;
            show(context, &plan);
            if plan.changes.is_empty() || arguments.dry_run {
                return Ok(shaped(context, &plan, false));
            }
            if !arguments.yes && !agreed()? {
                if let (Some(format), shaped) = (context.format, shaped(context, &plan, false)) {
                    ui::line(render(shaped, None, (format, None))?.unwrap_or_default());
                }
                let text = "nothing was done: say --yes to apply this plan";
                return Err(Failure::Usage(text.to_owned()));
            }
            Box::pin(apply(context, identity, &declaration, &plan)).await
        })
        .await
}

/// A declaration is one transaction of the store, which no remote API has.
pub(super) fn here(context: &Context) -> Result<(), Failure> {
    match context.place()? {
        Place::Here => Ok(()),
        Place::Server(account) => Err(Failure::Usage(format!(
            "this command acts on a data directory only, not on {}: run it there, and say --data DIR",
            account.server
        ))),
    }
}

async fn apply(
    context: &Context,
    identity: &Identity,
    declaration: &Declaration,
    plan: &ConfigurationPlan,
) -> Answer {
    let actor = Actor::operator();
    let secrets = identity.apply_configuration(&actor, declaration, plan).await.map_err(of)?;
    let mut lost = Vec::new();
    for secret in &secrets {
        if let Err(why) = targets::write(secret).await {
            // Nobody knows its text: it must not stay, or the next run would take it for there.
            identity.remove_secret(&actor, secret.owner(), secret.key_id).await?;
            lost.push(format!("secret '{}' of '{}': {why}", secret.display_name, secret.application));
        }
    }
    if !lost.is_empty() {
        return Err(Failure::Error(format!(
            "everything was applied, but these secrets could not be handed over and were taken back; mend the cause and \
             apply again: {}",
            lost.join("; ")
        )));
    }
    if context.format.is_none() {
        ui::line("Applied.");
    }
    Ok(shaped(context, plan, true))
}

/// The plan for people; scripts that ask for a format get it as the result.
fn show(context: &Context, plan: &ConfigurationPlan) {
    for warning in &plan.warnings {
        context.warn(warning.to_string());
    }
    if context.format.is_none() {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        ui::line(show::plan(plan, colours));
    }
}

fn shaped(context: &Context, plan: &ConfigurationPlan, applied: bool) -> Option<Value> {
    context.format?;
    let mut value = plan.to_json();
    if let Value::Object(members) = &mut value {
        members.insert("applied".to_owned(), applied.into());
    }
    Some(value)
}

/// Asks on a terminal; without one nobody can agree.
fn agreed() -> Result<bool, Failure> {
    let mut input = std::io::stdin().lock();
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    ui::note("Apply this plan? [y/N]");
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(Failure::error)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn selector(arguments: &ApplyArgs) -> Result<Option<LabelSelector>, Failure> {
    let Some(text) = arguments.selector.as_deref().filter(|_| arguments.prune) else {
        return match &arguments.selector {
            Some(_) => Err(Failure::Usage("--selector is for --prune".to_owned())),
            None => Ok(None),
        };
    };
    let wrong = || Failure::Usage("--selector must have the form key=value[,key=value]".to_owned());
    let mut labels = LabelSelector::new();
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(wrong)?;
        if key.trim().is_empty() || value.trim().is_empty() {
            return Err(wrong());
        }
        labels.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(Some(labels))
}

fn of(error: ConfigurationError) -> Failure {
    match error {
        ConfigurationError::Problems(problems) => failed(&problems),
        ConfigurationError::Stale => Failure::Error(
            "the directory changed since the plan was made, and nothing was done: look at the new plan"
                .to_owned(),
        ),
        ConfigurationError::Identity(error) => error.into(),
    }
}

/// All problems, one on a line.
fn failed(problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::Error(format!("nothing was done, because of {} problems:\n{}", lines.len(), lines.join("\n")))
}
