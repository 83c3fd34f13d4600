//! Microsoft Graph's permissions, with the IDs of Microsoft's permissions reference: scripts and SDKs name them.
//! Only those that the management API asks for somewhere, or that real scripts put into registrations.

use hilum_kernel::ScopeId;
use uuid::{Uuid, uuid};

use super::{AZURE_CLI_APP_ID, AZURE_POWERSHELL_APP_ID, role, scope};
use crate::{
    Api, ApplicationProperties, MemberType, PermissionScopeKind, PreAuthorizedApplication, SignInAudience,
};

use PermissionScopeKind::{Admin, User};

const SCOPES: &[(Uuid, &str, PermissionScopeKind)] = &[
    (uuid!("37f7f235-527c-4136-accd-4a02d197296e"), "openid", User),
    (uuid!("14dad69e-099b-42c9-810b-d002981feec1"), "profile", User),
    (uuid!("64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"), "email", User),
    (uuid!("7427e0e9-2fba-42fe-b0c0-848c9e6a8182"), "offline_access", User),
    (uuid!("e1fe6dd8-ba31-4d61-89e7-88639da4683d"), "User.Read", User),
    (uuid!("b4e74841-8e56-480b-be8b-910348b18b4c"), "User.ReadWrite", User),
    (uuid!("b340eb25-3456-403f-be2f-af7a0d370277"), "User.ReadBasic.All", User),
    (uuid!("a154be20-db9c-4678-8ab7-66f6cc099a59"), "User.Read.All", Admin),
    (uuid!("204e0828-b5ca-4ad8-b9f3-f32a958e7cc4"), "User.ReadWrite.All", Admin),
    (uuid!("5f8c59db-677d-491f-a6b8-5f174b11ec1d"), "Group.Read.All", Admin),
    (uuid!("4e46008b-f24c-477d-8fff-7bb4ec7aafe0"), "Group.ReadWrite.All", Admin),
    (uuid!("bc024368-1153-4739-b217-4326f2e966d0"), "GroupMember.Read.All", Admin),
    (uuid!("f81125ac-d3b7-4573-a3b2-7099cc39df9e"), "GroupMember.ReadWrite.All", Admin),
    (uuid!("06da0dbc-49e2-44d2-8312-53f166ab848a"), "Directory.Read.All", Admin),
    (uuid!("c5366453-9fb0-48a5-a156-24f0c49a4b84"), "Directory.ReadWrite.All", Admin),
    (uuid!("0e263e50-5827-48a4-b97c-d940288653c7"), DIRECTORY_ACCESS_AS_USER, Admin),
    (uuid!("c79f8feb-a9db-4090-85f9-90d820caa0eb"), "Application.Read.All", Admin),
    (uuid!("bdfbf15f-ee85-4955-8675-146e8e5296b5"), "Application.ReadWrite.All", Admin),
    (uuid!("84bccea3-f856-4a8a-967b-dbe0a3d53a64"), "AppRoleAssignment.ReadWrite.All", Admin),
    (uuid!("41ce6ca6-6826-4807-84f1-1c82854f7ee5"), "DelegatedPermissionGrant.ReadWrite.All", Admin),
    (uuid!("741c54c3-0c1e-44a1-818b-3f97ab4e8c83"), "RoleManagement.Read.Directory", Admin),
    (uuid!("d01b97e9-cbc0-49fe-810a-750afd5527a3"), "RoleManagement.ReadWrite.Directory", Admin),
    (uuid!("572fea84-0151-49b2-9301-11cb16974376"), "Policy.Read.All", Admin),
    (uuid!("b27add92-efb2-4f16-84f5-8108ba77985c"), "Policy.ReadWrite.ApplicationConfiguration", Admin),
    (uuid!("4908d5b9-3fb2-4b1e-9336-1888b7937185"), "Organization.Read.All", Admin),
    // Azure Resource Manager's: role assignments are made through its paths, on the same origin. No user consents to it
    // alone; the command lines have it without asking.
    (uuid!("41094075-9dad-400e-a0bd-54e686782033"), "user_impersonation", Admin),
];

const ROLES: &[(Uuid, &str)] = &[
    (uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"), "Application.Read.All"),
    (uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"), "Application.ReadWrite.All"),
    (uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884"), "Application.ReadWrite.OwnedBy"),
    (uuid!("06b708a9-e830-4db3-a914-8e69da51d44f"), "AppRoleAssignment.ReadWrite.All"),
    (uuid!("8e8e4742-1d95-4f68-9d56-6ee75648c72a"), "DelegatedPermissionGrant.ReadWrite.All"),
    (uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61"), "Directory.Read.All"),
    (uuid!("19dbc75e-c2e2-444c-a770-ec69d8559fc7"), "Directory.ReadWrite.All"),
    (uuid!("df021288-bdef-4463-88db-98f22de89214"), "User.Read.All"),
    (uuid!("741f803b-c850-494e-b5df-cde7c675a1ca"), "User.ReadWrite.All"),
    (uuid!("5b567255-7703-4780-807c-7be8301ae99b"), "Group.Read.All"),
    (uuid!("62a82d76-70ea-41e2-9197-370581804d09"), "Group.ReadWrite.All"),
    (uuid!("98830695-27a2-44f7-8c18-0c3ebc9698f6"), "GroupMember.Read.All"),
    (uuid!("dbaae8cf-10b5-4b86-a4a1-f871c94c6695"), "GroupMember.ReadWrite.All"),
    (uuid!("483bed4a-2ad3-4361-a73b-c83ccdbdc53c"), "RoleManagement.Read.Directory"),
    (uuid!("9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"), "RoleManagement.ReadWrite.Directory"),
    (uuid!("246dd0d5-5bd0-4def-940b-0421030a5b68"), "Policy.Read.All"),
    (uuid!("be74164b-cff1-491c-8741-e671cb536e13"), "Policy.ReadWrite.ApplicationConfiguration"),
    (uuid!("498476ce-e0fe-48b0-b801-37ba7e2685c6"), "Organization.Read.All"),
];

/// What the user may do, the client may do for the user.
const DIRECTORY_ACCESS_AS_USER: &str = "Directory.AccessAsUser.All";

/// What the command lines may do for their users without asking; a user's own roles bound it.
const PRE_AUTHORISED: &[&str] = &[
    "openid",
    "profile",
    "email",
    "offline_access",
    "User.Read",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    DIRECTORY_ACCESS_AS_USER,
    "user_impersonation",
];

/// Azure Resource Manager's names: its role assignments are served on the same origin, for the same tokens.
const RESOURCE_MANAGER_NAMES: &[&str] = &[
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
];

pub(super) fn application(origin: &str) -> ApplicationProperties {
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
    names.extend(RESOURCE_MANAGER_NAMES.iter().map(|name| (*name).to_owned()));
    let scopes = SCOPES.iter().map(|(id, value, kind)| scope(ScopeId::new(*id), value, *kind));
    let command_lines = [AZURE_CLI_APP_ID, AZURE_POWERSHELL_APP_ID];
    ApplicationProperties {
        display_name: "Microsoft Graph".to_owned(),
        sign_in_audience: SignInAudience::AzureADMultipleOrgs,
        identifier_uris: names,
        api: Api {
            oauth2_permission_scopes: scopes.collect(),
            pre_authorized_applications: command_lines
                .into_iter()
                .map(|app_id| PreAuthorizedApplication { app_id, delegated_permission_ids: pre_authorised() })
                .collect(),
            ..Api::default()
        },
        app_roles: ROLES
            .iter()
            .map(|(id, value)| role(*id, value, value, &[MemberType::Application]))
            .collect(),
        ..ApplicationProperties::default()
    }
}

fn pre_authorised() -> Vec<ScopeId> {
    let known = SCOPES.iter().filter(|(_, value, _)| PRE_AUTHORISED.contains(value));
    known.map(|(id, _, _)| ScopeId::new(*id)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_permission_is_there_once() {
        let scopes: BTreeSet<_> = SCOPES.iter().map(|(id, value, _)| (id, *value)).collect();
        let values: BTreeSet<_> = SCOPES.iter().map(|(_, value, _)| *value).collect();
        assert_eq!((scopes.len(), values.len()), (SCOPES.len(), SCOPES.len()));
        let roles: BTreeSet<_> = ROLES.iter().map(|(id, _)| id).collect();
        let names: BTreeSet<_> = ROLES.iter().map(|(_, value)| *value).collect();
        assert_eq!((roles.len(), names.len()), (ROLES.len(), ROLES.len()));
        assert!(SCOPES.iter().all(|(id, _, _)| !roles.contains(id)));
        assert_eq!(pre_authorised().len(), PRE_AUTHORISED.len());
    }
}
