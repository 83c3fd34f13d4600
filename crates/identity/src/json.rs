//! Graph's shapes of the directory's objects, as `az` prints them (sheet §5, §6), with the `objectId` twin of `id` that
//! scripts from the Azure AD Graph era read.
//!
//! `key` of a certificate is left out, as Graph does without `$select=keyCredentials`.

use hilum_jose::{base64_encode, hex_upper};
use hilum_kernel::TenantId;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    AddedSecret, AppRole, AppRoleAssignment, Application, AuthenticationMethod, AuthenticationMethods,
    CertificateInfo, Group, KeyState, NamedAssignment, PermissionGrant, PermissionScope,
    RequiredResourceAccess, RoleAssignment, RoleDefinition, RoleKind, RoleOrigin, SecondFactorPolicy,
    SecretInfo, ServicePrincipal, SigningKeyInfo, User, credentials::custom_key_identifier,
};

/// `2026-01-31T12:34:56Z`.
pub fn date_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An `application`.
pub fn application(application: &Application, publisher_domain: &str) -> Value {
    // The properties are stored in Graph's own shape.
    let mut object = match serde_json::to_value(&application.properties) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    object.insert("appRoles".to_owned(), app_roles(&application.properties.app_roles));
    let name = |member: &str| member.to_owned();
    object.insert(name("id"), application.object_id.to_string().into());
    object.insert(name("objectId"), application.object_id.to_string().into());
    object.insert(name("appId"), application.app_id.to_string().into());
    object.insert(name("createdDateTime"), date_time(application.created_at).into());
    for absent in [
        "applicationTemplateId",
        "certification",
        "defaultRedirectUri",
        "deletedDateTime",
        "disabledByMicrosoftStatus",
        "requestSignatureVerification",
    ] {
        object.insert(name(absent), Value::Null);
    }
    object.insert(name("publisherDomain"), publisher_domain.into());
    object.insert(name("verifiedPublisher"), verified_publisher());
    object.insert(name("passwordCredentials"), application.secrets.iter().map(secret).collect());
    object.insert(name("keyCredentials"), application.certificates.iter().map(certificate).collect());
    Value::Object(object)
}

/// Roles, which are all defined by the application.
fn app_roles(roles: &[AppRole]) -> Value {
    let shown = roles.iter().map(|role| {
        let mut role = serde_json::to_value(role).unwrap_or_default();
        if let Value::Object(members) = &mut role {
            members.insert("origin".to_owned(), "Application".into());
        }
        role
    });
    shown.collect()
}

/// Nobody verifies publishers here.
fn verified_publisher() -> Value {
    json!({"addedDateTime": null, "displayName": null, "verifiedPublisherId": null})
}

/// A `securityIdentifier`: Entra's SIDs are the object's ID in four numbers, least significant byte first.
pub(crate) fn security_identifier(id: Uuid) -> String {
    let mut text = "S-1-12-1".to_owned();
    for chunk in id.to_bytes_le().chunks_exact(4) {
        let number = chunk.iter().rev().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        text.push('-');
        text.push_str(&number.to_string());
    }
    text
}

/// A `passwordCredential` without its text.
pub fn secret(secret: &SecretInfo) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": secret.display_name,
        "endDateTime": date_time(secret.ends_at),
        "hint": secret.hint,
        "keyId": secret.key_id.to_string(),
        "secretText": null,
        "startDateTime": date_time(secret.starts_at),
    })
}

/// What `az ad app credential reset` prints. Holds the secret in plain text.
pub fn added_secret(added: &AddedSecret) -> Value {
    json!({
        "appId": added.app_id.to_string(),
        "password": added.value.expose(),
        "tenant": added.tenant_id.to_string(),
    })
}

/// A `keyCredential`.
pub fn certificate(certificate: &CertificateInfo) -> Value {
    json!({
        "customKeyIdentifier": custom_key_identifier(certificate),
        "displayName": certificate.display_name,
        "endDateTime": date_time(certificate.ends_at),
        "key": null,
        "keyId": certificate.key_id.to_string(),
        "startDateTime": date_time(certificate.starts_at),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}

/// A `keyCredential` with its `key`.
pub fn certificate_with_key(info: &CertificateInfo) -> Value {
    let mut object = certificate(info);
    if let Some(key) = object.get_mut("key") {
        *key = base64_encode(&info.der).into();
    }
    object
}

/// `requiredResourceAccess`.
pub fn required_resource_access(all: &[RequiredResourceAccess]) -> Value {
    serde_json::to_value(all).unwrap_or_default()
}

/// A `servicePrincipal`.
pub fn service_principal(principal: &ServicePrincipal, owner: TenantId) -> Value {
    let application = principal.application.as_deref();
    let properties = application.map(|application| &application.properties);
    let mut names = vec![principal.app_id.to_string()];
    names.extend(properties.iter().flat_map(|properties| properties.identifier_uris.iter().cloned()));
    let replies: Vec<&String> = properties
        .iter()
        .flat_map(|p| {
            p.web.redirect_uris.iter().chain(&p.spa.redirect_uris).chain(&p.public_client.redirect_uris)
        })
        .collect();
    let roles = properties.map_or(&[][..], |properties| &properties.app_roles);
    let scopes: Vec<&PermissionScope> =
        properties.iter().flat_map(|properties| &properties.api.oauth2_permission_scopes).collect();
    let details = &principal.details;
    let mut tags: Vec<&String> = details.tags.iter().collect();
    let more = properties.iter().flat_map(|properties| &properties.tags);
    tags.extend(more.filter(|tag| !details.tags.contains(tag)));
    json!({
        "accountEnabled": principal.account_enabled,
        "addIns": [],
        "alternativeNames": details.alternative_names,
        "appDescription": properties.and_then(|properties| properties.description.as_ref()),
        "appDisplayName": principal.display_name,
        "appId": principal.app_id.to_string(),
        "appOwnerOrganizationId": owner.to_string(),
        "appRoleAssignmentRequired": principal.app_role_assignment_required,
        "appRoles": app_roles(roles),
        "applicationTemplateId": null,
        "createdDateTime": date_time(principal.created_at),
        "deletedDateTime": null,
        "description": details.description,
        "disabledByMicrosoftStatus": null,
        "displayName": principal.display_name,
        "homepage": details.homepage.as_ref().or_else(|| properties.and_then(|p| p.web.home_page_url.as_ref())),
        "id": principal.id.to_string(),
        "info": properties.map(|properties| &properties.info),
        "keyCredentials": principal.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "loginUrl": details.login_url,
        "logoutUrl": details.logout_url.as_ref().or_else(|| properties.and_then(|p| p.web.logout_url.as_ref())),
        "notes": principal.notes,
        "notificationEmailAddresses": details.notification_email_addresses,
        "oauth2PermissionScopes": scopes,
        "objectId": principal.id.to_string(),
        "passwordCredentials": principal.secrets.iter().map(secret).collect::<Vec<_>>(),
        "preferredSingleSignOnMode": details.preferred_single_sign_on_mode,
        "preferredTokenSigningKeyThumbprint": details.preferred_token_signing_key_thumbprint,
        "replyUrls": replies,
        "resourceSpecificApplicationPermissions": [],
        "samlSingleSignOnSettings": details.saml_single_sign_on_settings,
        "servicePrincipalNames": names,
        "servicePrincipalType": "Application",
        "signInAudience": properties.map(|properties| properties.sign_in_audience),
        "tags": tags,
        "tokenEncryptionKeyId": details.token_encryption_key_id,
        "verifiedPublisher": verified_publisher(),
    })
}

/// An `oauth2PermissionGrant`.
pub fn permission_grant(grant: &PermissionGrant) -> Value {
    json!({
        "clientId": grant.client_id.to_string(),
        "consentType": grant.consent.as_str(),
        "id": grant.id,
        "principalId": grant.principal_id.map(|id| id.to_string()),
        "resourceId": grant.resource_id.to_string(),
        "scope": grant.scope,
    })
}

/// An `appRoleAssignment`.
pub fn app_role_assignment(assignment: &AppRoleAssignment) -> Value {
    json!({
        "appRoleId": assignment.app_role_id.to_string(),
        "createdDateTime": date_time(assignment.created_at),
        "deletedDateTime": null,
        "id": assignment.id,
        "principalId": assignment.principal_id.to_string(),
        "principalType": assignment.principal_kind.as_str(),
        "resourceId": assignment.resource_id.to_string(),
    })
}

/// An `appRoleAssignment` with the names of both ends.
pub fn named_app_role_assignment(named: &NamedAssignment) -> Value {
    let mut object = app_role_assignment(&named.assignment);
    if let Value::Object(members) = &mut object {
        members.insert("principalDisplayName".to_owned(), named.principal_name.clone().into());
        members.insert("resourceDisplayName".to_owned(), named.resource_name.clone().into());
    }
    object
}

/// A `user`: what Graph shows when nothing is selected, and what scripts ask of it besides.
pub fn user(user: &User) -> Value {
    let mut all = crate::users::shape(user, "");
    let more = ["accountEnabled", "createdDateTime", "mailNickname", "userType"];
    all.retain(|name, _| {
        crate::users::DEFAULT_SELECT.contains(&name.as_str()) || more.contains(&name.as_str())
    });
    all.insert("objectId".to_owned(), user.id.to_string().into());
    Value::Object(all)
}

/// A `group`.
pub fn group(group: &Group) -> Value {
    let mut all = crate::groups::shape(group);
    all.insert("objectId".to_owned(), group.id.to_string().into());
    Value::Object(all)
}

/// A role definition as `az role definition list` prints it.
pub fn role_definition(role: &RoleDefinition) -> Value {
    let actions: &[&str] = match role.kind {
        RoleKind::DicomData => &[],
        RoleKind::Directory => &["microsoft.directory/*"],
    };
    json!({
        "assignableScopes": role.assignable_scopes,
        "description": role.description,
        "id": role_definition_id(role),
        "name": role.id.to_string(),
        "permissions": [{
            "actions": actions,
            "dataActions": role.data_actions,
            "notActions": [],
            "notDataActions": role.not_data_actions,
        }],
        "roleName": role.name,
        "roleType": match role.origin {
            RoleOrigin::BuiltIn => "BuiltInRole",
            RoleOrigin::Custom | RoleOrigin::Configured => "CustomRole",
        },
        "type": "Microsoft.Authorization/roleDefinitions",
    })
}

/// A role assignment as `az role assignment` prints it.
pub fn role_assignment(assignment: &RoleAssignment) -> Value {
    // Commands of the documents leave the first slash out.
    let scope = match assignment.scope.trim_matches('/') {
        "" => String::new(),
        scope => format!("/{scope}"),
    };
    json!({
        "condition": null,
        "conditionVersion": null,
        "createdBy": null,
        "createdOn": date_time(assignment.created_at),
        "delegatedManagedIdentityResourceId": null,
        "description": null,
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.id),
        "name": assignment.id.to_string(),
        "principalId": assignment.principal_id.to_string(),
        "principalName": assignment.principal_name,
        "principalType": assignment.principal_kind.as_str(),
        "roleDefinitionId": role_definition_id(&assignment.role),
        "roleDefinitionName": assignment.role.name,
        "scope": assignment.scope,
        "type": "Microsoft.Authorization/roleAssignments",
        "updatedOn": date_time(assignment.created_at),
    })
}

fn role_definition_id(role: &RoleDefinition) -> String {
    format!("/providers/Microsoft.Authorization/roleDefinitions/{}", role.id)
}

/// A signing key, for `hilum key list`; of the one that signs, when the next one takes over by itself.
pub fn signing_key(key: &SigningKeyInfo, next_rotation: Option<Timestamp>) -> Value {
    let replaced_at = next_rotation.filter(|_| key.state == KeyState::Current);
    json!({
        "activatedDateTime": key.activated_at.map(date_time),
        "kid": key.kid,
        "nextRotationDateTime": replaced_at.map(date_time),
        "publishedDateTime": date_time(key.published_at),
        "retiredDateTime": key.retired_at.map(date_time),
        "state": key.state.as_str(),
        "thumbprint": hilum_jose::base64url_decode(&key.kid).map(|bytes| hex_upper(&bytes)).unwrap_or_default(),
    })
}

/// What a user has registered, as Graph's `authentication/methods` lists it, and how many recovery codes are left.
pub fn authentication_methods(known: &AuthenticationMethods) -> Value {
    let method = |method: &AuthenticationMethod| {
        json!({
            "@odata.type": format!("#microsoft.graph.{}AuthenticationMethod", method.kind.as_str()),
            "createdDateTime": date_time(method.created_at),
            "displayName": method.display_name,
            "id": method.id,
            "lastUsedDateTime": method.last_used_at.map(date_time),
        })
    };
    let methods: Vec<Value> = known.methods.iter().map(method).collect();
    json!({ "methods": methods, "recoveryCodesLeft": known.recovery_codes_left })
}

/// Who has to show a second factor.
pub fn second_factor_policy(policy: &SecondFactorPolicy) -> Value {
    json!({ "applications": policy.applications, "roles": policy.roles, "users": policy.users.as_str() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_security_identifier_is_the_id_in_windows_form() {
        let id = uuid::uuid!("73d664e4-0886-4a73-b745-c694da45ddb4");
        let sid = "S-1-12-1-1943430372-1249052806-2496021943-3034400218";
        assert_eq!(super::security_identifier(id), sid);
    }
}
