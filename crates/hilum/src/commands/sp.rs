//! `hilum sp …`: service principals, as `az ad sp`.

use clap::{Args, Subcommand};
use hilum_audit::Actor;
use hilum_identity::{
    ApplicationFilter, Identity, IdentityError, NewRoleAssignment, PrincipalKind, PrincipalRef,
    ServicePrincipal, ServicePrincipalChange, ServicePrincipalFilter, json as graph,
};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Failure,
    sp_credential::{self as credential, CredentialCommand, NewCredentialArgs},
    values,
};

/// What a list shows without `--all`, as `az` does.
const LIST_DEFAULT: usize = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum SpCommand {
    /// Create the service principal of an application.
    Create(Id),
    /// Create application, service principal, secret and role assignment in one go.
    CreateForRbac(RbacArgs),
    /// Show a service principal.
    Show(Id),
    /// List service principals.
    List(ListArgs),
    /// Change a service principal.
    Update(UpdateArgs),
    /// Delete a service principal.
    Delete(Id),
    /// Secrets and certificates of its application.
    #[command(subcommand)]
    Credential(CredentialCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// Object ID, appId or any name of the service principal.
    #[arg(long)]
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct RbacArgs {
    /// The display name.
    #[arg(long, short = 'n', visible_alias = "display-name")]
    name: Option<String>,
    /// Name or GUID of a role.
    #[arg(long)]
    role: Option<String>,
    /// Where the role holds.
    #[arg(long, num_args = 1..)]
    scopes: Vec<String>,
    #[arg(long)]
    years: Option<i64>,
    #[arg(long)]
    create_cert: bool,
    #[arg(long)]
    cert: Option<String>,
    /// The shape that Azure SDKs read from a file.
    #[arg(long, visible_alias = "sdk-auth", num_args = 0..=1, default_missing_value = "true")]
    json_auth: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// More than the first 100.
    #[arg(long)]
    all: bool,
    /// How the display name begins.
    #[arg(long)]
    display_name: Option<String>,
    /// An OData filter.
    #[arg(long)]
    filter: Option<String>,
    /// One of its names.
    #[arg(long)]
    spn: Option<String>,
    #[arg(long, hide = true)]
    show_mine: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    id: Id,
    /// accountEnabled, appRoleAssignmentRequired or notes, as property=value.
    #[arg(long, num_args = 1.., required = true)]
    set: Vec<String>,
}

pub(crate) async fn run(context: &Context, command: SpCommand) -> Answer {
    if let SpCommand::Credential(command) = command {
        return credential::run(context, command).await;
    }
    let actor = Actor::operator();
    context
        .with_directory(async |identity| match command {
            SpCommand::Create(id) => {
                let principal = identity.create_service_principal(&actor, &id.id).await?;
                show(identity, &principal).await.map(Some)
            }
            SpCommand::CreateForRbac(arguments) => {
                create_for_rbac(context, identity, arguments).await.map(Some)
            }
            SpCommand::Show(id) => {
                let principal = identity.find_service_principal(&id.id).await?;
                show(identity, &principal).await.map(Some)
            }
            SpCommand::List(arguments) => list(identity, arguments).await.map(Some),
            SpCommand::Update(arguments) => {
                let change = change(&arguments.set)?;
                identity.update_service_principal(&actor, &arguments.id.id, &change).await?;
                Ok(None)
            }
            SpCommand::Delete(id) => {
                identity.delete_service_principal(&actor, &id.id).await?;
                Ok(None)
            }
            SpCommand::Credential(_) => Ok(None),
        })
        .await
}

async fn show(identity: &Identity, principal: &ServicePrincipal) -> Result<Value, Failure> {
    Ok(graph::service_principal(principal, identity.tenant().await?.id))
}

async fn list(identity: &Identity, arguments: ListArgs) -> Result<Value, Failure> {
    let filter = match (&arguments.display_name, &arguments.spn, &arguments.filter) {
        (Some(name), ..) => ServicePrincipalFilter::DisplayNamePrefix(name.clone()),
        (_, Some(name), _) => ServicePrincipalFilter::Name(name.clone()),
        (_, _, Some(filter)) => ServicePrincipalFilter::parse_odata(filter)?,
        _ => ServicePrincipalFilter::All,
    };
    let limit = (!arguments.all && matches!(filter, ServicePrincipalFilter::All)).then_some(LIST_DEFAULT);
    let owner = identity.tenant().await?.id;
    let found = identity.list_service_principals(&filter, limit).await?;
    Ok(found.iter().map(|principal| graph::service_principal(principal, owner)).collect())
}

fn change(settings: &[String]) -> Result<ServicePrincipalChange, Failure> {
    let mut change = ServicePrincipalChange::default();
    for setting in settings {
        let (property, value) = setting.split_once('=').unwrap_or((setting, ""));
        let truth = || {
            value
                .to_lowercase()
                .parse()
                .map(Some)
                .map_err(|_| Failure::Usage(format!("--set: {property} must be true or false")))
        };
        match property {
            "accountEnabled" => change.account_enabled = truth()?,
            "appRoleAssignmentRequired" => change.app_role_assignment_required = truth()?,
            "notes" => change.notes = Some(value.to_owned()),
            other => return Err(Failure::Usage(format!("--set: '{other}' cannot be changed"))),
        }
    }
    Ok(change)
}

async fn create_for_rbac(
    context: &Context,
    identity: &Identity,
    arguments: RbacArgs,
) -> Result<Value, Failure> {
    if arguments.role.is_none() != arguments.scopes.is_empty() {
        return Err(Failure::Usage("--role and --scopes are given together or not at all".to_owned()));
    }
    let actor = Actor::operator();
    let name = arguments
        .name
        .unwrap_or_else(|| format!("hilum-cli-{}", context.ground.clock.now().strftime("%Y-%m-%d-%H-%M-%S")));
    let found = identity.list_applications(&ApplicationFilter::DisplayName(name.clone()), Some(2)).await?;
    let application = match found.as_slice() {
        [] => {
            let members = Map::from_iter([("displayName".to_owned(), Value::from(name.clone()))]);
            identity.create_application(&actor, &members).await?
        }
        [one] => {
            context.warn(format!(
                "Found an existing application instance: (id) {}. We will patch it.",
                one.object_id
            ));
            one.clone()
        }
        _ => return Err(Failure::Error(format!("several applications are named '{name}'"))),
    };
    let app_id = application.app_id.to_string();
    let principal = match identity.find_service_principal(&app_id).await {
        Err(IdentityError::NotFound { .. }) => identity.create_service_principal(&actor, &app_id).await?,
        found => found?,
    };
    if let Some(role) = &arguments.role {
        for scope in &arguments.scopes {
            let principal =
                PrincipalRef::Object { id: principal.id, kind: Some(PrincipalKind::ServicePrincipal) };
            let new = NewRoleAssignment { role: role.clone(), principal, scope: scope.clone() };
            identity.create_role_assignment(&actor, new).await?;
        }
    }
    let new = NewCredentialArgs {
        display_name: Some("rbac".to_owned()),
        years: arguments.years,
        cert: arguments.cert.as_deref().map(values::text_or_file).transpose()?,
        create_cert: arguments.create_cert,
        ..NewCredentialArgs::default()
    };
    let mut made = credential::reset(context, identity, &app_id, &new, credential::keep(false)).await?;
    if arguments.json_auth == Some(true) {
        let origin = context.origin()?;
        return Ok(json!({
            "activeDirectoryEndpointUrl": origin,
            "activeDirectoryGraphResourceId": origin,
            "clientId": app_id,
            "clientSecret": made.get("password"),
            "subscriptionId": identity.tenant().await?.id.to_string(),
            "tenantId": identity.tenant().await?.id.to_string(),
        }));
    }
    if let Some(members) = made.as_object_mut() {
        members.insert("displayName".to_owned(), name.into());
    }
    Ok(made)
}
