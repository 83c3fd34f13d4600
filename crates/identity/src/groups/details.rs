//! The properties of a group on the wire, and their rules.

use serde_json::{Map, Value, json};

use super::Group;
use crate::{
    IdentityError,
    json::{date_time, security_identifier},
    users::check_nickname,
};

const DISPLAY_NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 1024;
const UNIQUE_NAME_CHARS_MAX: usize = 128;

/// Members that only the server writes.
const READ_ONLY: &[&str] = &[
    "id",
    "objectId",
    "createdDateTime",
    "deletedDateTime",
    "expirationDateTime",
    "mail",
    "onPremisesDomainName",
    "onPremisesLastSyncDateTime",
    "onPremisesNetBiosName",
    "onPremisesProvisioningErrors",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "proxyAddresses",
    "renewedDateTime",
    "securityIdentifier",
    "serviceProvisioningErrors",
    "assignedLicenses",
    "membershipRuleProcessingState",
];

impl Group {
    /// Applies the body of a `POST`.
    pub(super) fn created(self, members: &Map<String, Value>) -> Result<Self, IdentityError> {
        let group = self.merged(members, true)?;
        group.check()?;
        Ok(group)
    }

    /// Applies the body of a `PATCH`.
    pub(crate) fn changed(self, members: &Map<String, Value>) -> Result<Self, IdentityError> {
        let group = self.merged(members, false)?;
        group.check()?;
        Ok(group)
    }

    fn merged(mut self, members: &Map<String, Value>, new: bool) -> Result<Self, IdentityError> {
        for (name, value) in members.iter().filter(|(name, _)| !name.contains('@')) {
            let text = || match value {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text.clone())),
                _ => Err(IdentityError::invalid(name, "must be a string")),
            };
            let required = || text()?.ok_or_else(|| IdentityError::invalid(name, "cannot be null"));
            match name.as_str() {
                "displayName" => self.display_name = required()?,
                "mailNickname" => self.mail_nickname = required()?,
                "description" => self.description = text()?,
                "visibility" => self.visibility = text()?,
                "uniqueName" => {
                    let wanted = text()?;
                    if self.unique_name.is_some() && wanted != self.unique_name {
                        return Err(IdentityError::invalid(name, "cannot be changed once it is set"));
                    }
                    self.unique_name = wanted;
                }
                "isAssignableToRole" => {
                    let wanted = truth(name, value)?.unwrap_or(false);
                    if !new && wanted != self.assignable_to_role {
                        let reason = "can only be set when the group is created";
                        return Err(IdentityError::invalid(name, reason));
                    }
                    self.assignable_to_role = wanted;
                }
                "mailEnabled" if truth(name, value)? == Some(false) => {}
                "securityEnabled" if truth(name, value)? == Some(true) => {}
                "mailEnabled" => {
                    return Err(IdentityError::invalid(
                        name,
                        "must be false: there are security groups only",
                    ));
                }
                "securityEnabled" => {
                    return Err(IdentityError::invalid(name, "must be true: there are security groups only"));
                }
                "groupTypes" if value.as_array().is_some_and(Vec::is_empty) => {}
                "groupTypes" => {
                    let reason = "must be empty: there are no Microsoft 365 groups and no dynamic ones";
                    return Err(IdentityError::invalid(name, reason));
                }
                "membershipRule"
                | "classification"
                | "preferredDataLocation"
                | "preferredLanguage"
                | "theme"
                | "resourceBehaviorOptions"
                | "resourceProvisioningOptions"
                | "creationOptions"
                    if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => {}
                read_only if READ_ONLY.contains(&read_only) => {
                    return Err(IdentityError::invalid(name, "is read-only"));
                }
                // Not set, which is what everything is that is not kept.
                _ if value.is_null() => {}
                _ => return Err(IdentityError::invalid(name, "a security group has no such property")),
            }
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), IdentityError> {
        let too_long = |text: &str, chars_max| {
            text.chars().count() > chars_max || text.chars().any(|c| c.is_control() && c != '\n')
        };
        if self.display_name.trim().is_empty() || too_long(&self.display_name, DISPLAY_NAME_CHARS_MAX) {
            return Err(IdentityError::invalid("displayName", "must have 1 to 256 characters"));
        }
        check_nickname(&self.mail_nickname)?;
        if self
            .description
            .as_ref()
            .is_some_and(|text| text.is_empty() || too_long(text, DESCRIPTION_CHARS_MAX))
        {
            return Err(IdentityError::invalid("description", "must have 1 to 1024 characters"));
        }
        if self
            .unique_name
            .as_ref()
            .is_some_and(|text| text.is_empty() || too_long(text, UNIQUE_NAME_CHARS_MAX))
        {
            return Err(IdentityError::invalid("uniqueName", "must have 1 to 128 characters"));
        }
        let known = ["Private", "Public", "HiddenMembership"];
        if self.visibility.as_ref().is_some_and(|word| !known.contains(&word.as_str())) {
            return Err(IdentityError::invalid("visibility", format!("must be one of {}", known.join(", "))));
        }
        if self.assignable_to_role && self.visibility.as_deref() == Some("Public") {
            let reason = "must be Private for a group that may have roles";
            return Err(IdentityError::invalid("visibility", reason));
        }
        Ok(())
    }
}

fn truth(name: &str, value: &Value) -> Result<Option<bool>, IdentityError> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(truth) => Ok(Some(*truth)),
        _ => Err(IdentityError::invalid(name, "must be true or false")),
    }
}

/// The object as Graph shows it.
pub(crate) fn shape(group: &Group) -> Map<String, Value> {
    let object = json!({
        "classification": null,
        "createdDateTime": date_time(group.created_at),
        "creationOptions": [],
        "deletedDateTime": null,
        "description": group.description,
        "displayName": group.display_name,
        "expirationDateTime": null,
        "groupTypes": [],
        "id": group.id.to_string(),
        // Graph says null and not false.
        "isAssignableToRole": group.assignable_to_role.then_some(true),
        "mail": null,
        "mailEnabled": false,
        "mailNickname": group.mail_nickname,
        "membershipRule": null,
        "membershipRuleProcessingState": null,
        "onPremisesDomainName": null,
        "onPremisesLastSyncDateTime": null,
        "onPremisesNetBiosName": null,
        "onPremisesProvisioningErrors": [],
        "onPremisesSamAccountName": null,
        "onPremisesSecurityIdentifier": null,
        "onPremisesSyncEnabled": null,
        "preferredDataLocation": null,
        "preferredLanguage": null,
        "proxyAddresses": [],
        "renewedDateTime": date_time(group.created_at),
        "resourceBehaviorOptions": [],
        "resourceProvisioningOptions": [],
        "securityEnabled": true,
        "securityIdentifier": security_identifier(group.id.uuid()),
        "serviceProvisioningErrors": [],
        "theme": null,
        "uniqueName": group.unique_name,
        "visibility": group.visibility,
    });
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
