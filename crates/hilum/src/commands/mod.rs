//! The command line: its grammar, and what each command does.
//!
//! Management commands mirror `az` in names, options and output, so that scripts carry over. They speak Graph to the
//! directory: to the data directory's store inside the process, or, signed in with `hilum login`, to a server elsewhere.

mod account;
mod app;
mod apply;
mod assignment;
mod authentication_method;
mod change;
mod completion;
mod consent;
mod context;
mod credential;
mod demo;
mod directory;
mod doctor;
mod export_config;
mod failure;
mod federated;
mod find;
mod group;
mod import_manifest;
mod init;
mod key;
mod list;
mod login;
mod output;
mod owner;
mod permission;
mod policy;
mod rbac;
mod rest;
mod role;
mod serve;
mod signed_in;
mod sp;
mod table;
mod token_lifetime;
mod user;
mod user_identity;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use hilum_kernel::SystemRandom;
use serde_json::{Value, json};

pub(crate) use context::Context;
use context::Given;
pub(crate) use failure::Failure;
use output::OutputFormat;

use crate::{
    assemble::Ground,
    config::{Config, Environment, Sources},
    data_dir::DataDir,
    ui,
};

/// What a command prints: JSON that `--query` and `--output` shape, or nothing.
pub(crate) type Answer = Result<Option<Value>, Failure>;

/// Identity platform and DICOM service in one binary.
#[derive(Debug, Parser)]
#[command(name = "hilum", version, about, long_about = None, propagate_version = true, infer_long_args = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that may stand anywhere on the line.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The data directory; ./hilum-data by default.
    #[arg(long, global = true, env = "HILUM_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file; by default hilum.toml in the data directory.
    #[arg(long, global = true, env = "HILUM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database's URL; by default SQLite in the data directory.
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// The server to act on, as the account that is signed in there with `hilum login`.
    #[arg(long, global = true, env = "HILUM_SERVER", value_name = "URL")]
    server: Option<String>,
    /// How the result is printed.
    #[arg(long, short = 'o', global = true, value_enum)]
    output: Option<OutputFormat>,
    /// A JMESPath expression that picks from the result.
    #[arg(long, global = true, value_name = "JMESPATH")]
    query: Option<String>,
    /// No warnings and hints.
    #[arg(long, global = true)]
    only_show_errors: bool,
    /// More about what is done.
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    verbose: bool,
    /// Everything about what is done.
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    debug: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; the first start makes tenant, keys, administrator and certificate.
    Serve(serve::ServeArgs),
    /// Do the first start's work without serving.
    Init(init::InitArgs),
    /// Serve with a demo tenant and a phantom study; --exit runs the journey once.
    Demo(demo::DemoArgs),
    /// Check a deployment and say how to mend it.
    Doctor,
    /// Applications (registrations).
    #[command(subcommand)]
    App(app::AppCommand),
    /// Service principals.
    #[command(subcommand)]
    Sp(sp::SpCommand),
    /// Users.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups.
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// The directory, in the spelling of `az ad`.
    #[command(subcommand)]
    Ad(AdCommand),
    /// Roles and their assignments.
    #[command(subcommand)]
    Role(role::RoleCommand),
    /// Tokens, and who one is.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Sign in to a server, so that commands act on it.
    Login(login::LoginArgs),
    /// Sign out.
    Logout(login::LogoutArgs),
    /// Send any request with the account's token.
    Rest(rest::RestArgs),
    /// Signing keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Rules of the tenant: who has to show a second factor, how long tokens live.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Print a script that completes this command's words in a shell.
    Completion(completion::CompletionArgs),
    /// Write the manual's pages.
    Man(completion::ManArgs),
    /// Make the directory what files say.
    Apply(apply::ApplyArgs),
    /// Write the directory in the form that apply reads.
    ExportConfig(export_config::ExportConfigArgs),
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per process")]
enum AdCommand {
    /// Applications (registrations).
    #[command(subcommand)]
    App(app::AppCommand),
    /// Service principals.
    #[command(subcommand)]
    Sp(sp::SpCommand),
    /// Users.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups.
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// The user who is signed in.
    #[command(subcommand)]
    SignedInUser(signed_in::SignedInUserCommand),
}

/// Parses the arguments, runs one command, prints its result, and says how the process ends.
pub(crate) fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let parsed = Cli::command().try_get_matches_from(arguments);
    let (cli, given) =
        match parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, Origins::of(&matches)))) {
            Ok(parsed) => parsed,
            Err(error) => {
                let _ = error.print();
                return if error.use_stderr() { 2 } else { 0 };
            }
        };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui::note(format!("ERROR: the runtime cannot start: {error}"));
            return 1;
        }
    };
    let (format, query) = (
        (cli.global.output.unwrap_or(OutputFormat::Json), table::columns(&cli.command)),
        cli.global.query.clone(),
    );
    // Boxed, because the futures of all commands together are large.
    let answer = runtime.block_on(Box::pin(execute(cli, given)));
    // What is still reading from a slow disk or name server need not be waited for.
    runtime.shutdown_background();
    match answer.and_then(|answer| output::render(answer, query.as_deref(), format)) {
        Ok(Some(text)) => {
            ui::line(text);
            0
        }
        Ok(None) => 0,
        Err(failure) => {
            ui::note(format!("ERROR: {failure}"));
            failure.exit_code()
        }
    }
}

/// How the options that choose a place came to their values.
struct Origins {
    data: Given,
    server: Given,
}

impl Origins {
    fn of(matches: &ArgMatches) -> Self {
        let of = |option| match matches.value_source(option) {
            Some(ValueSource::CommandLine) => Given::Flag,
            Some(ValueSource::EnvVariable) => Given::Variable,
            _ => Given::Not,
        };
        Self {
            data: if of("database") == Given::Flag { Given::Flag } else { of("data") },
            server: of("server"),
        }
    }
}

async fn execute(cli: Cli, given: Origins) -> Answer {
    let Cli { global, command } = cli;
    match &command {
        // They need no ground to stand on.
        Command::Completion(arguments) => {
            completion::completion(arguments);
            return Ok(None);
        }
        Command::Man(arguments) => return completion::man(arguments),
        _ => {}
    }
    let environment = Environment::of_process();
    let mut flags = json!({});
    if let Some(url) = &global.database {
        merge(&mut flags, json!({"database": {"url": url}}));
    }
    if let Command::Serve(serve) = &command {
        merge(&mut flags, serve.configuration());
    }
    if let Command::Demo(demo) = &command {
        merge(&mut flags, demo.configuration());
    }
    if global.debug || global.verbose {
        merge(&mut flags, json!({"telemetry": {"log_level": if global.debug { "debug" } else { "info" }}}));
    }
    let random = SystemRandom;
    let data = match (&global.data, &command) {
        (Some(data), _) => data.clone(),
        (None, Command::Demo(demo)) => demo.data_dir(&random),
        (None, _) => PathBuf::from("./hilum-data"),
    };
    let sources = Sources { file: global.config, environment: environment.clone(), flags };
    let config = Config::load(&data, &sources).map_err(Failure::error)?;
    let ground = Ground::new(DataDir::new(data), config, environment);
    let data = match given.data {
        Given::Not if ground.environment.get("DATABASE").is_some() => Given::Variable,
        data => data,
    };
    let context = Context {
        ground,
        quiet: global.only_show_errors,
        format: global.output,
        data,
        server: (global.server, given.server),
    };
    match command {
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Init(arguments) => init::run(&context, arguments).await,
        Command::Demo(arguments) => Box::pin(demo::run(context, arguments)).await,
        Command::Doctor => doctor::run(&context).await,
        Command::App(command) | Command::Ad(AdCommand::App(command)) => app::run(&context, command).await,
        Command::Sp(command) | Command::Ad(AdCommand::Sp(command)) => sp::run(&context, command).await,
        Command::User(command) | Command::Ad(AdCommand::User(command)) => user::run(&context, command).await,
        Command::Group(command) | Command::Ad(AdCommand::Group(command)) => {
            group::run(&context, command).await
        }
        Command::Ad(AdCommand::SignedInUser(command)) => signed_in::run(&context, command).await,
        Command::Role(command) => role::run(&context, command).await,
        Command::Account(command) => account::run(&context, command).await,
        Command::Key(command) => key::run(&context, command).await,
        Command::Policy(command) => policy::run(&context, command).await,
        Command::Login(arguments) => login::run(&context, arguments).await,
        Command::Logout(arguments) => login::logout(&context, arguments).await,
        Command::Rest(arguments) => rest::run(&context, arguments).await,
        Command::Completion(_) | Command::Man(_) => Ok(None),
        Command::Apply(arguments) => Box::pin(apply::run(&context, arguments)).await,
        Command::ExportConfig(arguments) => export_config::run(&context, arguments).await,
    }
}

/// Lays one tree of settings over another; what is null says nothing.
fn merge(onto: &mut Value, over: Value) {
    let Value::Object(over) = over else {
        *onto = over;
        return;
    };
    if !onto.is_object() {
        *onto = json!({});
    }
    for (key, value) in over {
        if let (false, Value::Object(members)) = (value.is_null(), &mut *onto) {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}
