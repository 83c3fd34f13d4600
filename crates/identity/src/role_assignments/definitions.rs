//! The built-in roles: data roles of the DICOM service, and directory roles (sheet §5.5, §8.3).

use uuid::{Uuid, uuid};

/// What a role is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleKind {
    /// Rights on the DICOM service; rides in the tokens' `roles`.
    DicomData,
    /// Rights on the directory itself.
    Directory,
}

/// Who made a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleOrigin {
    /// It is everywhere the same.
    BuiltIn,
    /// An administrator, through the API or the command line.
    Custom,
    /// The configuration file (`dicom.role_definitions`).
    Configured,
}

/// A role that can be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its GUID; for data roles also the ID of the resource's app role.
    pub id: Uuid,
    /// Its name, which is also its value in `roles`.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it is about.
    pub kind: RoleKind,
    /// Who made it.
    pub origin: RoleOrigin,
    /// Rights on data, in Azure's spelling or its short form.
    pub data_actions: Vec<String>,
    /// Of these, what it does not give.
    pub not_data_actions: Vec<String>,
    /// Where it may be assigned; the local service whatever they say.
    pub assignable_scopes: Vec<String>,
}

/// A role that is everywhere the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: RoleKind,
    data_actions: &'static [&'static str],
}

impl BuiltIn {
    pub(crate) fn definition(&self) -> RoleDefinition {
        RoleDefinition {
            id: self.id,
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            kind: self.kind,
            origin: RoleOrigin::BuiltIn,
            data_actions: self.data_actions.iter().map(|action| (*action).to_owned()).collect(),
            not_data_actions: Vec::new(),
            assignable_scopes: vec!["/".to_owned()],
        }
    }
}

pub(crate) const DEFINITIONS: &[BuiltIn] = &[
    BuiltIn {
        id: uuid!("58a3b984-7adf-4c20-983a-32417c86fbc8"),
        name: "DICOM Data Owner",
        description: "Full access to DICOM data.",
        kind: RoleKind::DicomData,
        data_actions: &["Microsoft.HealthcareApis/workspaces/dicomservices/resources/*"],
    },
    BuiltIn {
        id: uuid!("e89c7a3c-2f64-4fa1-a847-3e4c9ba4283a"),
        name: "DICOM Data Reader",
        description: "Read and search DICOM data.",
        kind: RoleKind::DicomData,
        data_actions: &["Microsoft.HealthcareApis/workspaces/dicomservices/resources/read"],
    },
    BuiltIn {
        // Ours: Azure has no role that only stores.
        id: uuid!("8d9a2b67-31f5-4c0e-9a44-7be1c6d05f2e"),
        name: "DICOM Data Writer",
        description: "Store DICOM data, without reading or deleting any.",
        kind: RoleKind::DicomData,
        data_actions: &["Microsoft.HealthcareApis/workspaces/dicomservices/resources/write"],
    },
    BuiltIn {
        id: uuid!("62e90394-69f5-4237-9190-012177145e10"),
        name: "Global Administrator",
        description: "Manage all aspects of the directory.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"),
        name: "Application Administrator",
        description: "Manage all aspects of applications.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("158c047a-c907-4556-b7ef-446551a6b5f7"),
        name: "Cloud Application Administrator",
        description: "Manage all aspects of applications.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("cf1c38e5-3621-4004-a7cb-879624dced7c"),
        name: "Application Developer",
        description: "Register applications, and manage those of one's own.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
        name: "Global Reader",
        description: "Read everything that a Global Administrator can, without changing any of it.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1"),
        name: "User Administrator",
        description: "Manage users and groups, and reset passwords of users without administrator roles.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
        name: "Directory Readers",
        description: "Read basic information of the directory.",
        kind: RoleKind::Directory,
        data_actions: &[],
    },
];

/// The built-in role with this name (in any case) or GUID.
pub(crate) fn find(name: &str) -> Option<&'static BuiltIn> {
    let id = name.parse::<Uuid>().ok();
    DEFINITIONS.iter().find(|role| Some(role.id) == id || role.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_by_name_and_guid() {
        assert_eq!(
            find("dicom data owner").unwrap().id,
            find("58A3B984-7ADF-4C20-983A-32417C86FBC8").unwrap().id
        );
        assert!(find("DICOM").is_none());
    }
}
