//! `hilum role …`: roles and who has them, as `az role`.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{
    Identity, NewRoleAssignment, PrincipalKind, PrincipalRef, RoleAssignmentFilter, json as graph,
};
use uuid::Uuid;

use super::{Answer, Context, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// What roles there are.
    #[command(subcommand)]
    Definition(DefinitionCommand),
    /// Who has which role.
    #[command(subcommand)]
    Assignment(AssignmentCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DefinitionCommand {
    /// List roles.
    List(DefinitionArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DefinitionArgs {
    /// Name or GUID.
    #[arg(long, short = 'n')]
    name: Option<String>,
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    custom_role_only: Option<bool>,
    #[arg(long, hide = true)]
    scope: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AssignmentCommand {
    /// Give a role.
    Create(CreateArgs),
    /// List who has which role.
    List(FilterArgs),
    /// Take roles away.
    Delete(FilterArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name or GUID of the role.
    #[arg(long)]
    role: String,
    /// User principal name, object ID, appId or a name of a service principal.
    #[arg(long, required_unless_present = "assignee_object_id", conflicts_with = "assignee_object_id")]
    assignee: Option<String>,
    #[arg(long)]
    assignee_object_id: Option<String>,
    /// User, Group or ServicePrincipal.
    #[arg(long)]
    assignee_principal_type: Option<String>,
    /// Where the role holds; a path that ends in /dicomservices/… means the local DICOM service.
    #[arg(long, default_value = "/")]
    scope: String,
}

#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    #[arg(long)]
    assignee: Option<String>,
    #[arg(long)]
    role: Option<String>,
    #[arg(long)]
    scope: Option<String>,
    /// IDs of assignments.
    #[arg(long, num_args = 1..)]
    ids: Vec<String>,
    /// Assignments at every scope, as without --scope.
    #[arg(long)]
    all: bool,
    /// Do not ask; nothing is ever asked here.
    #[arg(long, short = 'y', hide = true)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: RoleCommand) -> Answer {
    match command {
        RoleCommand::Definition(DefinitionCommand::List(arguments)) => {
            if arguments.custom_role_only == Some(true) {
                return Ok(Some(serde_json::json!([])));
            }
            let roles = Identity::role_definitions(arguments.name.as_deref());
            Ok(Some(roles.iter().map(graph::role_definition).collect()))
        }
        RoleCommand::Assignment(command) => {
            context.with_directory(async |identity| assignment(identity, command).await).await
        }
    }
}

async fn assignment(identity: &Identity, command: AssignmentCommand) -> Answer {
    let actor = Actor::operator();
    match command {
        AssignmentCommand::Create(arguments) => {
            let new = NewRoleAssignment {
                principal: principal(&arguments)?,
                role: arguments.role,
                scope: arguments.scope,
            };
            Ok(Some(graph::role_assignment(&identity.create_role_assignment(&actor, new).await?)))
        }
        AssignmentCommand::List(arguments) => {
            let found = identity.list_role_assignments(&filter(&arguments)?).await?;
            Ok(Some(found.iter().map(graph::role_assignment).collect()))
        }
        AssignmentCommand::Delete(arguments) => {
            let narrow = !arguments.ids.is_empty()
                || arguments.assignee.is_some()
                || arguments.role.is_some()
                || arguments.scope.is_some();
            if !narrow {
                return Err(Failure::Usage(
                    "say which: --ids, --assignee, --role or --scope; all assignments are never deleted at once".to_owned(),
                ));
            }
            identity.delete_role_assignments(&actor, &filter(&arguments)?).await?;
            Ok(None)
        }
    }
}

fn principal(arguments: &CreateArgs) -> Result<PrincipalRef, Failure> {
    let Some(id) = &arguments.assignee_object_id else {
        return Ok(PrincipalRef::Assignee(arguments.assignee.clone().unwrap_or_default()));
    };
    let id = id.parse().map_err(|_| Failure::Usage("--assignee-object-id must be a GUID".to_owned()))?;
    let kind = match &arguments.assignee_principal_type {
        Some(text) => Some(PrincipalKind::parse(text).ok_or_else(|| {
            Failure::Usage("--assignee-principal-type must be User, Group or ServicePrincipal".to_owned())
        })?),
        None => None,
    };
    Ok(PrincipalRef::Object { id, kind })
}

fn filter(arguments: &FilterArgs) -> Result<RoleAssignmentFilter, Failure> {
    // An assignment's id is a path; its last segment is its name.
    let name = |id: &String| {
        Uuid::try_parse(id.rsplit('/').next().unwrap_or(id))
            .map_err(|_| Failure::Usage(format!("'{id}' is no ID of a role assignment")))
    };
    let ids: Vec<Uuid> = arguments.ids.iter().map(name).collect::<Result<_, _>>()?;
    Ok(RoleAssignmentFilter {
        ids: (!ids.is_empty()).then_some(ids),
        role: arguments.role.clone(),
        principal: arguments.assignee.clone().map(PrincipalRef::Assignee),
        scope: arguments.scope.clone(),
    })
}
