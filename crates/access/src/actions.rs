//! Data actions, and how roles and scopes give them (DESIGN §4; Azure: role definitions of the DICOM service).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Deserialize;
use thiserror::Error;

/// What can be done with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataAction {
    /// Retrieve and search.
    Read,
    /// Store and update.
    Write,
    /// Delete.
    Delete,
    /// Export to a place outside.
    Export,
    /// Change extended query tags (Azure: `manageExtendedQueryTags`).
    Manage,
}

impl DataAction {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Delete, Self::Export, Self::Manage];

    /// The name in configuration, logs and audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Export => "export",
            Self::Manage => "manage",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Delete => 4,
            Self::Export => 8,
            Self::Manage => 16,
        }
    }
}

/// A set of data actions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u8);

impl Actions {
    /// No action.
    pub const NONE: Self = Self(0);
    /// Every action.
    pub const ALL: Self = Self(31);

    /// The set of one action.
    pub const fn of(action: DataAction) -> Self {
        Self(action.bit())
    }

    /// What is in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the action is in the set.
    pub const fn contains(self, action: DataAction) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions in the set.
    pub fn iter(self) -> impl Iterator<Item = DataAction> {
        DataAction::ALL.into_iter().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<DataAction> for Actions {
    fn from_iter<I: IntoIterator<Item = DataAction>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, |set, action| set.or(Self::of(action)))
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(DataAction::as_str)).finish()
    }
}

/// A role as the configuration writes it, the shape of the open-source server's `roles.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleDefinition {
    /// The value in the token's roles claim.
    pub name: String,
    /// Actions it gives: `*`, `read`, `write`, `delete`, `export`, `manageExtendedQueryTags`.
    pub data_actions: Vec<String>,
    /// Actions it takes from those again.
    #[serde(default)]
    pub not_data_actions: Vec<String>,
    /// Where it holds. Only `/` exists.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Why a role definition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidRole {
    /// A data action that does not exist.
    #[error("role {role:?}: there is no data action {action:?}")]
    Action {
        /// The role.
        role: String,
        /// What it names.
        action: String,
    },
    /// A scope other than `/`.
    #[error("role {role:?}: the only scope is \"/\", not {scope:?}")]
    Scope {
        /// The role.
        role: String,
        /// What it names.
        scope: String,
    },
}

/// Which claims of a token decide (DESIGN §4 is the default).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightsFrom {
    /// App-only token: its roles. Delegated token: its scopes, as far as the user's roles allow.
    #[default]
    ScopesAndRoles,
    /// Roles alone, for issuers whose scopes say nothing about data (Keycloak's defaults).
    Roles,
    /// Scopes alone, for issuers that know no roles.
    Scopes,
}

/// What each role and each scope gives. Names are compared exactly.
#[derive(Debug, Clone)]
pub struct Rights {
    roles: HashMap<String, Actions>,
    scopes: HashMap<String, Actions>,
    live: LiveRoles,
}

/// Roles that change while the service runs: whoever holds a copy replaces them for all. A role of the table that stays
/// comes before one of the same name here.
#[derive(Debug, Clone, Default)]
pub struct LiveRoles(Arc<RwLock<HashMap<String, Actions>>>);

impl LiveRoles {
    /// Replaces all of them.
    ///
    /// # Errors
    /// [`InvalidRole`] for the first one that cannot be; then nothing is replaced.
    pub fn replace<'r>(
        &self,
        roles: impl IntoIterator<Item = &'r RoleDefinition>,
    ) -> Result<(), InvalidRole> {
        let mut table = HashMap::new();
        for role in roles {
            table.insert(role.name.clone(), role.actions()?);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    fn get(&self, name: &str) -> Option<Actions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

impl RoleDefinition {
    /// What it gives.
    fn actions(&self) -> Result<Actions, InvalidRole> {
        if let Some(scope) = self.scopes.iter().find(|scope| *scope != "/") {
            return Err(InvalidRole::Scope { role: self.name.clone(), scope: scope.clone() });
        }
        let sum = |names: &[String]| {
            names.iter().try_fold(Actions::NONE, |set, name| match actions_named(name) {
                Some(actions) => Ok(set.or(actions)),
                None => Err(InvalidRole::Action { role: self.name.clone(), action: name.clone() }),
            })
        };
        Ok(sum(&self.data_actions)?.without(sum(&self.not_data_actions)?))
    }
}

impl Default for Rights {
    /// The roles and scopes of the DICOM service.
    fn default() -> Self {
        let read = Actions::of(DataAction::Read);
        let named = |pairs: &[(&str, Actions)]| {
            pairs.iter().map(|(name, actions)| ((*name).to_owned(), *actions)).collect()
        };
        Self {
            roles: named(&[
                ("DICOM Data Owner", Actions::ALL),
                ("DICOM Data Reader", read),
                ("DICOM Data Writer", Actions::of(DataAction::Write)),
            ]),
            scopes: named(&[
                ("Dicom.ReadWrite", Actions::ALL),
                ("Dicom.Read", read),
                ("user_impersonation", Actions::ALL),
            ]),
            live: LiveRoles::default(),
        }
    }
}

impl Rights {
    /// A table without any entry.
    pub fn none() -> Self {
        Self { roles: HashMap::new(), scopes: HashMap::new(), live: LiveRoles::default() }
    }

    /// Adds a role, or replaces the one of that name.
    pub fn define_role(&mut self, role: &RoleDefinition) -> Result<(), InvalidRole> {
        let actions = role.actions()?;
        self.roles.insert(role.name.clone(), actions);
        Ok(())
    }

    /// Adds a scope, or replaces the one of that name.
    pub fn define_scope(&mut self, scope: &str, actions: Actions) {
        self.scopes.insert(scope.to_owned(), actions);
    }

    /// Takes further roles from there, whatever they are at the moment.
    #[must_use]
    pub fn with_live_roles(self, live: LiveRoles) -> Self {
        Self { live, ..self }
    }

    /// What these roles give together.
    pub fn of_roles<'a>(&self, roles: impl IntoIterator<Item = &'a str>) -> Actions {
        roles
            .into_iter()
            .filter_map(|name| self.roles.get(name).copied().or_else(|| self.live.get(name)))
            .fold(Actions::NONE, Actions::or)
    }

    /// What these scopes give together.
    pub fn of_scopes<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> Actions {
        sum_of(&self.scopes, scopes)
    }
}

fn sum_of<'a>(table: &HashMap<String, Actions>, names: impl IntoIterator<Item = &'a str>) -> Actions {
    names.into_iter().filter_map(|name| table.get(name)).fold(Actions::NONE, |set, more| set.or(*more))
}

/// Reads a data action, in the short form or in Azure's
/// (`Microsoft.HealthcareApis/workspaces/dicomservices/resources/export/action`).
fn actions_named(name: &str) -> Option<Actions> {
    let short =
        name.strip_prefix("Microsoft.HealthcareApis/workspaces/dicomservices/resources/").unwrap_or(name);
    let short = short.strip_suffix("/action").unwrap_or(short);
    let is = |known: &str| short.eq_ignore_ascii_case(known);
    if is("*") {
        return Some(Actions::ALL);
    }
    if is("manageExtendedQueryTags") {
        return Some(Actions::of(DataAction::Manage));
    }
    DataAction::ALL.into_iter().find(|action| is(action.as_str())).map(Actions::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_like_sets() {
        let read = Actions::of(DataAction::Read);
        let write = Actions::of(DataAction::Write);
        assert_eq!(DataAction::ALL.into_iter().collect::<Actions>(), Actions::ALL);
        assert!(read.and(write).is_empty());
        assert!(read.or(write).contains(DataAction::Write));
        assert!(!read.or(write).contains(DataAction::Delete));
        assert_eq!(Actions::ALL.without(Actions::ALL), Actions::NONE);
        assert_eq!(read.or(write).without(write), read);
        assert_eq!(format!("{:?}", read.or(write)), r#"{"read", "write"}"#);
    }

    #[test]
    fn the_built_in_roles_and_scopes() {
        let rights = Rights::default();
        assert_eq!(rights.of_roles(["DICOM Data Owner"]), Actions::ALL);
        assert_eq!(rights.of_roles(["DICOM Data Reader"]), Actions::of(DataAction::Read));
        assert_eq!(rights.of_roles(["DICOM Data Writer"]), Actions::of(DataAction::Write));
        assert_eq!(
            rights.of_roles(["DICOM Data Writer", "DICOM Data Reader", "unknown"]),
            [DataAction::Read, DataAction::Write].into_iter().collect()
        );
        // Names of roles are compared exactly, and a scope's name is no role.
        assert_eq!(rights.of_roles(["dicom data owner", "Dicom.ReadWrite", ""]), Actions::NONE);
        assert_eq!(rights.of_scopes(["Dicom.ReadWrite"]), Actions::ALL);
        assert_eq!(rights.of_scopes(["Dicom.Read", "openid"]), Actions::of(DataAction::Read));
        assert_eq!(rights.of_scopes(["user_impersonation"]), Actions::ALL);
        assert_eq!(rights.of_scopes(["DICOM Data Owner"]), Actions::NONE);
    }

    #[test]
    fn live_roles_change_for_whoever_looks_at_them() {
        let live = LiveRoles::default();
        let rights = Rights::default().with_live_roles(live.clone());
        let role = |name: &str, action: &str| RoleDefinition {
            name: name.to_owned(),
            data_actions: vec![action.to_owned()],
            not_data_actions: Vec::new(),
            scopes: vec!["/".to_owned()],
        };
        assert_eq!(rights.of_roles(["keeper"]), Actions::NONE);
        live.replace(&[role("keeper", "write"), role("DICOM Data Reader", "*")]).unwrap();
        assert_eq!(rights.of_roles(["keeper"]), Actions::of(DataAction::Write));
        // The table that stays comes first.
        assert_eq!(rights.of_roles(["DICOM Data Reader"]), Actions::of(DataAction::Read));
        assert!(live.replace(&[role("keeper", "read"), role("x", "reed")]).is_err());
        assert_eq!(rights.of_roles(["keeper"]), Actions::of(DataAction::Write));
        live.replace(&[]).unwrap();
        assert_eq!(rights.of_roles(["keeper"]), Actions::NONE);
    }

    #[test]
    fn roles_from_the_configuration() {
        let roles: Vec<RoleDefinition> = serde_json::from_str(
            r#"[{"name":"globalReader","dataActions":["read"],"notDataActions":[],"scopes":["/"]},
                {"name":"globalAdmin","dataActions":["*"]},
                {"name":"keeper","dataActions":["*"],"notDataActions":["delete","manageExtendedQueryTags"]},
                {"name":"azure","dataActions":[
                    "Microsoft.HealthcareApis/workspaces/dicomservices/resources/export/action"]}]"#,
        )
        .unwrap();
        let mut rights = Rights::default();
        roles.iter().try_for_each(|role| rights.define_role(role)).unwrap();
        assert_eq!(rights.of_roles(["globalReader"]), Actions::of(DataAction::Read));
        assert_eq!(rights.of_roles(["globalAdmin"]), Actions::ALL);
        assert_eq!(rights.of_roles(["azure"]), Actions::of(DataAction::Export));
        let keeper = [DataAction::Read, DataAction::Write, DataAction::Export].into_iter().collect();
        assert_eq!(rights.of_roles(["keeper"]), keeper);

        let mut wrong = roles[0].clone();
        wrong.data_actions = vec!["reed".to_owned()];
        assert!(matches!(rights.define_role(&wrong), Err(InvalidRole::Action { .. })));
        wrong = roles[0].clone();
        wrong.scopes = vec!["/studies".to_owned()];
        assert!(matches!(rights.define_role(&wrong), Err(InvalidRole::Scope { .. })));
    }
}
