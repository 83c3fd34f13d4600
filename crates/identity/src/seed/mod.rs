//! The applications that every installation has (sheet §5.6, §8.1, §8.2): Microsoft Graph, Azure API for DICOM, Azure
//! Healthcare APIs, and the command lines' public clients.
//!
//! Their IDs are the ones of Microsoft's cloud, because scripts and documents name them.

mod graph;
mod sql;
mod upgrade;
mod words;

#[cfg(test)]
mod tests;

use hilum_kernel::{AppId, AppRoleId, ObjectId, ScopeId};
use jiff::Timestamp;
use uuid::{Uuid, uuid};

pub(crate) use sql::SCHEMA;
#[cfg(test)]
pub(crate) use sql::STATEMENTS;
pub(crate) use upgrade::{note, pending, upgrade};

use crate::{
    Api, AppRole, Application, ApplicationProperties, MemberType, PermissionScope, PermissionScopeKind,
    PreAuthorizedApplication, Redirects, RoleKind, SignInAudience, role_assignments::DEFINITIONS,
};

/// *Azure API for DICOM*: the resource whose roles and scopes guard the DICOM service.
pub const DICOM_APP_ID: AppId = AppId::new(uuid!("75e725bf-66ce-4cea-9b9a-5c4caae57f33"));
/// *Microsoft Graph*: the resource whose roles and scopes guard the management API.
pub(crate) const GRAPH_APP_ID: AppId = AppId::new(uuid!("00000003-0000-0000-c000-000000000000"));
/// *Azure CLI*: the public client that `az login` and `hilum` use.
pub(crate) const AZURE_CLI_APP_ID: AppId = AppId::new(uuid!("04b07795-8ddb-461a-bbee-02f9e1bf7b46"));

/// The role that owns the DICOM service's data.
pub(crate) const DICOM_DATA_OWNER: Uuid = uuid!("58a3b984-7adf-4c20-983a-32417c86fbc8");
/// The role that reads the DICOM service's data.
pub(crate) const DICOM_DATA_READER: Uuid = uuid!("e89c7a3c-2f64-4fa1-a847-3e4c9ba4283a");

/// *Azure Healthcare APIs*: the resource of FHIR services.
const HEALTHCARE_APIS_APP_ID: AppId = AppId::new(uuid!("4f6778d8-5aef-43dc-a1ff-b073724b9495"));
/// *Azure PowerShell*: the public client of `Connect-AzAccount`.
pub(crate) const AZURE_POWERSHELL_APP_ID: AppId = AppId::new(uuid!("1950a258-227b-4e31-a9cf-717495945fc2"));

const DICOM_READ_WRITE: ScopeId = ScopeId::new(uuid!("e69ab058-b8ae-4c0f-b687-5d97888ddccb"));
/// Ours: Azure defines no scope that only reads.
const DICOM_READ: ScopeId = ScopeId::new(uuid!("6b7f3a52-90c4-4be1-8d15-2f60e9a7c3d4"));
/// Ours: older pages show this name without its GUID.
const DICOM_USER_IMPERSONATION: ScopeId = ScopeId::new(uuid!("c41f8e07-5a2d-4d93-b6fe-13807d2ea95b"));
/// Ours: the documents name this scope without its GUID.
const HEALTHCARE_USER_IMPERSONATION: ScopeId = ScopeId::new(uuid!("2d5c9e14-7b36-4f0a-9a61-c8e07f4b1d23"));

/// The seeded applications. `object_ids` gives each its object ID; their number is [`COUNT`].
pub(crate) fn applications(
    origin: &str,
    object_ids: [Uuid; COUNT],
    created_at: Timestamp,
) -> [Application; COUNT] {
    let seeds = [
        (GRAPH_APP_ID, graph::application(origin)),
        (DICOM_APP_ID, dicom(origin)),
        (HEALTHCARE_APIS_APP_ID, healthcare_apis()),
        (AZURE_CLI_APP_ID, azure_cli()),
        (AZURE_POWERSHELL_APP_ID, azure_powershell()),
    ];
    let mut ids = object_ids.into_iter();
    seeds.map(|(app_id, properties)| Application {
        object_id: ObjectId::new(ids.next().unwrap_or_default()),
        app_id,
        created_at,
        seeded: true,
        version: 1,
        properties,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}

/// Whether it is one of the command lines, which may act for their users without asking.
pub(crate) fn is_command_line(app_id: AppId) -> bool {
    [AZURE_CLI_APP_ID, AZURE_POWERSHELL_APP_ID].contains(&app_id)
}

/// How many applications are seeded.
pub(crate) const COUNT: usize = 5;

/// Whether a seeded application has its service principal from the start. The articles make the one of Azure Healthcare
/// APIs themselves (`az ad sp create --id 4f6778d8-…`), which fails when it is there.
pub(crate) fn has_principal(app_id: AppId) -> bool {
    app_id != HEALTHCARE_APIS_APP_ID
}

fn dicom(origin: &str) -> ApplicationProperties {
    let scopes = [
        (DICOM_READ_WRITE, "Dicom.ReadWrite"),
        (DICOM_READ, "Dicom.Read"),
        (DICOM_USER_IMPERSONATION, "user_impersonation"),
    ];
    let roles = DEFINITIONS.iter().filter(|definition| definition.kind == RoleKind::DicomData);
    ApplicationProperties {
        display_name: "Azure API for DICOM".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        identifier_uris: vec![
            "https://dicom.healthcareapis.azure.com".to_owned(),
            "https://dicom.healthcareapis.azure.com/".to_owned(),
            format!("{origin}/dicom"),
            format!("{origin}/dicom/"),
        ],
        api: Api {
            oauth2_permission_scopes: scopes
                .into_iter()
                .map(|(id, value)| scope(id, value, PermissionScopeKind::User))
                .collect(),
            pre_authorized_applications: [AZURE_CLI_APP_ID, AZURE_POWERSHELL_APP_ID]
                .map(|app_id| PreAuthorizedApplication {
                    app_id,
                    delegated_permission_ids: vec![DICOM_READ_WRITE, DICOM_READ, DICOM_USER_IMPERSONATION],
                })
                .to_vec(),
            // Azure's own tokens for this resource are v1.0 (sheet §4.1).
            requested_access_token_version: Some(1),
            ..Api::default()
        },
        app_roles: roles
            .map(|definition| {
                let members = [MemberType::User, MemberType::Application];
                role(definition.id, definition.name, definition.description, &members)
            })
            .collect(),
        ..ApplicationProperties::default()
    }
}

fn azure_cli() -> ApplicationProperties {
    ApplicationProperties {
        display_name: "Microsoft Azure CLI".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        is_fallback_public_client: Some(true),
        public_client: Redirects { redirect_uris: vec!["http://localhost".to_owned()] },
        ..ApplicationProperties::default()
    }
}

fn azure_powershell() -> ApplicationProperties {
    let redirect_uris = ["http://localhost", "urn:ietf:wg:oauth:2.0:oob"].map(str::to_owned).to_vec();
    ApplicationProperties {
        display_name: "Microsoft Azure PowerShell".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        is_fallback_public_client: Some(true),
        public_client: Redirects { redirect_uris },
        ..ApplicationProperties::default()
    }
}

fn healthcare_apis() -> ApplicationProperties {
    let names = ["https://azurehealthcareapis.com", "https://fhir.azurehealthcareapis.com"];
    let scope = scope(HEALTHCARE_USER_IMPERSONATION, "user_impersonation", PermissionScopeKind::User);
    ApplicationProperties {
        display_name: "Azure Healthcare APIs".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        identifier_uris: names.map(str::to_owned).to_vec(),
        api: Api {
            oauth2_permission_scopes: vec![scope],
            requested_access_token_version: Some(1),
            ..Api::default()
        },
        ..ApplicationProperties::default()
    }
}

fn scope(id: ScopeId, value: &str, kind: PermissionScopeKind) -> PermissionScope {
    let words = words::of(value);
    PermissionScope {
        id,
        value: Some(value.to_owned()),
        kind,
        is_enabled: true,
        admin_consent_display_name: words.map(|words| words.name.to_owned()),
        admin_consent_description: words.map(|words| words.for_others.to_owned()),
        user_consent_display_name: words.map(|words| words.name.to_owned()),
        user_consent_description: words.map(|words| words.for_oneself.to_owned()),
        origin: None,
    }
}

fn role(id: Uuid, value: &str, description: &str, members: &[MemberType]) -> AppRole {
    AppRole {
        id: AppRoleId::new(id),
        value: Some(value.to_owned()),
        display_name: value.to_owned(),
        description: Some(description.to_owned()),
        allowed_member_types: members.to_vec(),
        is_enabled: true,
        origin: None,
    }
}
