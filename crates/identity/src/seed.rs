//! The applications that every installation has (sheet §5.6, §8.1): Microsoft Graph, Azure API for DICOM, Azure CLI.
//!
//! Their IDs are the ones of Microsoft's cloud, because scripts and documents name them.

use hilum_kernel::{AppId, AppRoleId, ObjectId, ScopeId};
use jiff::Timestamp;
use uuid::{Uuid, uuid};

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

const DICOM_READ_WRITE: ScopeId = ScopeId::new(uuid!("e69ab058-b8ae-4c0f-b687-5d97888ddccb"));
/// Ours: Azure defines no scope that only reads.
const DICOM_READ: ScopeId = ScopeId::new(uuid!("6b7f3a52-90c4-4be1-8d15-2f60e9a7c3d4"));
/// Ours: older pages show this name without its GUID.
const DICOM_USER_IMPERSONATION: ScopeId = ScopeId::new(uuid!("c41f8e07-5a2d-4d93-b6fe-13807d2ea95b"));

const GRAPH_SCOPES: &[(Uuid, &str, PermissionScopeKind)] = &[
    (uuid!("37f7f235-527c-4136-accd-4a02d197296e"), "openid", PermissionScopeKind::User),
    (uuid!("14dad69e-099b-42c9-810b-d002981feec1"), "profile", PermissionScopeKind::User),
    (uuid!("64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"), "email", PermissionScopeKind::User),
    (uuid!("7427e0e9-2fba-42fe-b0c0-848c9e6a8182"), "offline_access", PermissionScopeKind::User),
    (uuid!("e1fe6dd8-ba31-4d61-89e7-88639da4683d"), "User.Read", PermissionScopeKind::User),
    (uuid!("c79f8feb-a9db-4090-85f9-90d820caa0eb"), "Application.Read.All", PermissionScopeKind::Admin),
    (uuid!("bdfbf15f-ee85-4955-8675-146e8e5296b5"), "Application.ReadWrite.All", PermissionScopeKind::Admin),
    (uuid!("0e263e50-5827-48a4-b97c-d940288653c7"), "Directory.AccessAsUser.All", PermissionScopeKind::Admin),
    (
        uuid!("84bccea3-f856-4a8a-967b-dbe0a3d53a64"),
        "AppRoleAssignment.ReadWrite.All",
        PermissionScopeKind::Admin,
    ),
];

const GRAPH_ROLES: &[(Uuid, &str)] = &[
    (uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"), "Application.Read.All"),
    (uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"), "Application.ReadWrite.All"),
    (uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884"), "Application.ReadWrite.OwnedBy"),
    (uuid!("06b708a9-e830-4db3-a914-8e69da51d44f"), "AppRoleAssignment.ReadWrite.All"),
    (uuid!("8e8e4742-1d95-4f68-9d56-6ee75648c72a"), "DelegatedPermissionGrant.ReadWrite.All"),
    (uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61"), "Directory.Read.All"),
    (uuid!("df021288-bdef-4463-88db-98f22de89214"), "User.Read.All"),
    (uuid!("5b567255-7703-4780-807c-7be8301ae99b"), "Group.Read.All"),
];

/// The seeded applications. `object_ids` gives each its object ID; their number is [`COUNT`].
pub(crate) fn applications(
    origin: &str,
    object_ids: [Uuid; COUNT],
    created_at: Timestamp,
) -> [Application; COUNT] {
    let seeds =
        [(GRAPH_APP_ID, graph(origin)), (DICOM_APP_ID, dicom(origin)), (AZURE_CLI_APP_ID, azure_cli())];
    let mut ids = object_ids.into_iter();
    seeds.map(|(app_id, properties)| Application {
        object_id: ObjectId::new(ids.next().unwrap_or_default()),
        app_id,
        created_at,
        seeded: true,
        properties,
        secrets: Vec::new(),
        certificates: Vec::new(),
    })
}

/// How many applications are seeded.
pub(crate) const COUNT: usize = 3;

fn graph(origin: &str) -> ApplicationProperties {
    // msgraph-sdk drops the port when it makes the default scope.
    let without_port =
        url::Url::parse(origin).ok().and_then(|url| url.host_str().map(|host| format!("https://{host}")));
    let mut names = vec![
        "https://graph.microsoft.com".to_owned(),
        "https://graph.microsoft.com/".to_owned(),
        origin.to_owned(),
        format!("{origin}/"),
    ];
    names.extend(without_port.filter(|name| name != origin));
    let scopes = GRAPH_SCOPES.iter().map(|(id, value, kind)| scope(ScopeId::new(*id), value, *kind));
    ApplicationProperties {
        display_name: "Microsoft Graph".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        identifier_uris: names,
        api: Api { oauth2_permission_scopes: scopes.collect(), ..Api::default() },
        app_roles: GRAPH_ROLES
            .iter()
            .map(|(id, value)| role(*id, value, value, &[MemberType::Application]))
            .collect(),
        ..ApplicationProperties::default()
    }
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
            pre_authorized_applications: vec![PreAuthorizedApplication {
                app_id: AZURE_CLI_APP_ID,
                delegated_permission_ids: vec![DICOM_READ_WRITE, DICOM_READ, DICOM_USER_IMPERSONATION],
            }],
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

fn scope(id: ScopeId, value: &str, kind: PermissionScopeKind) -> PermissionScope {
    PermissionScope {
        id,
        value: Some(value.to_owned()),
        kind,
        is_enabled: true,
        admin_consent_display_name: Some(value.to_owned()),
        admin_consent_description: Some(format!("Allows the application {value} on behalf of the user.")),
        user_consent_display_name: None,
        user_consent_description: None,
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
