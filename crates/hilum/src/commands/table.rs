//! The columns that `az` chooses for the tables of some commands; all others show what a row holds.

use super::{
    AdCommand, Command,
    account::AccountCommand,
    app::AppCommand,
    assignment::AssignmentCommand,
    output::Columns,
    role::{DefinitionCommand, RoleCommand},
    sp::SpCommand,
};

const OBJECTS: Columns = Columns {
    of: &[
        ("DisplayName", "displayName"),
        ("Id", "id"),
        ("AppId", "appId"),
        ("CreatedDateTime", "createdDateTime"),
    ],
    sorted_by: Some("displayName"),
};
const ROLES: Columns = Columns {
    of: &[("Name", "roleName"), ("Type", "type"), ("Description", "description")],
    sorted_by: None,
};
const ASSIGNMENTS: Columns = Columns {
    of: &[("Principal", "principalName"), ("Role", "roleDefinitionName"), ("Scope", "scope")],
    sorted_by: None,
};
const ACCOUNTS: Columns = Columns {
    of: &[
        ("Name", "name"),
        ("CloudName", "environmentName"),
        ("SubscriptionId", "id"),
        ("TenantId", "tenantId"),
        ("State", "state"),
        ("IsDefault", "isDefault"),
        ("Server", "server"),
    ],
    sorted_by: None,
};

pub(super) fn columns(command: &Command) -> Option<Columns> {
    match command {
        Command::App(AppCommand::List(_))
        | Command::Sp(SpCommand::List(_))
        | Command::Ad(AdCommand::App(AppCommand::List(_)) | AdCommand::Sp(SpCommand::List(_))) => {
            Some(OBJECTS)
        }
        Command::Role(RoleCommand::Definition(DefinitionCommand::List(_))) => Some(ROLES),
        Command::Role(RoleCommand::Assignment(AssignmentCommand::List(_))) => Some(ASSIGNMENTS),
        Command::Account(AccountCommand::List(_)) | Command::Login(_) => Some(ACCOUNTS),
        _ => None,
    }
}
