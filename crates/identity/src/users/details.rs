//! What a user's object says beyond the names it is found by, in the shape of Microsoft Graph's `user`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::User;
use crate::IdentityError;

/// Member of the tenant, or guest (`userType`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserType {
    /// Belongs to the tenant.
    #[default]
    Member,
    /// Belongs elsewhere.
    Guest,
}

impl UserType {
    /// Graph's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "Member",
            Self::Guest => "Guest",
        }
    }
}

/// The properties that are kept for people and scripts; the server itself reads few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UserDetails {
    /// Telephone numbers.
    pub business_phones: Vec<String>,
    /// What the person does.
    pub job_title: Option<String>,
    /// Where in the organisation.
    pub department: Option<String>,
    /// Where in the building.
    pub office_location: Option<String>,
    /// Telephone number.
    pub mobile_phone: Option<String>,
    /// Language, e.g. `en-US`.
    pub preferred_language: Option<String>,
    /// Member or guest.
    pub user_type: UserType,
    /// Further e-mail addresses.
    pub other_mails: Vec<String>,
    /// The organisation's own number of the person.
    pub employee_id: Option<String>,
    /// E.g. `Contractor`.
    pub employee_type: Option<String>,
    /// When the person began.
    pub employee_hire_date: Option<String>,
    /// Cost centre and division.
    pub employee_org_data: Option<Map<String, Value>>,
    /// Name of the organisation.
    pub company_name: Option<String>,
    /// Two letters (ISO 3166).
    pub usage_location: Option<String>,
    /// Address.
    pub street_address: Option<String>,
    /// Address.
    pub city: Option<String>,
    /// Address.
    pub state: Option<String>,
    /// Address.
    pub postal_code: Option<String>,
    /// Address.
    pub country: Option<String>,
    /// Telephone number.
    pub fax_number: Option<String>,
    /// `Minor`, `NotAdult`, `Adult`.
    pub age_group: Option<String>,
    /// `Granted`, `Denied`, `NotRequired`.
    pub consent_provided_for_minor: Option<String>,
    /// `DisablePasswordExpiration`, `DisableStrongPassword`; kept. Passwords do not expire here, and stay strong.
    pub password_policies: Option<String>,
    /// What ties the user to an account elsewhere (`az … --immutable-id`). Unique.
    pub on_premises_immutable_id: Option<String>,
    /// Kept.
    pub show_in_address_list: Option<bool>,
}

/// Members that only the server writes.
const READ_ONLY: &[&str] = &[
    "id",
    "objectId",
    "createdDateTime",
    "creationType",
    "deletedDateTime",
    "externalUserState",
    "externalUserStateChangeDateTime",
    "identities",
    "imAddresses",
    "isManagementRestricted",
    "isResourceAccount",
    "lastPasswordChangeDateTime",
    "legalAgeGroupClassification",
    "onPremisesDistinguishedName",
    "onPremisesDomainName",
    "onPremisesLastSyncDateTime",
    "onPremisesProvisioningErrors",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "onPremisesUserPrincipalName",
    "proxyAddresses",
    "refreshTokensValidFromDateTime",
    "securityIdentifier",
    "serviceProvisioningErrors",
    "signInSessionsValidFromDateTime",
    "assignedLicenses",
    "assignedPlans",
    "provisionedPlans",
    "licenseAssignmentStates",
];

/// The members that have columns of their own.
const NAMES: &[&str] =
    &["userPrincipalName", "displayName", "mailNickname", "givenName", "surname", "mail", "accountEnabled"];

impl User {
    /// Applies a change as `PATCH /users/{id}` does: collections are replaced, null clears. `passwordProfile` must have
    /// been taken out before. Nothing is checked but names and types of members: that is `rules`' job.
    pub(crate) fn merged(&self, change: &Map<String, Value>) -> Result<Self, IdentityError> {
        if let Some(name) = change.keys().find(|name| READ_ONLY.contains(&name.as_str())) {
            return Err(IdentityError::invalid(name, "is read-only"));
        }
        let mut user = self.clone();
        let mut details = match serde_json::to_value(&self.details) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        for (name, value) in change.iter().filter(|(name, _)| !name.contains('@')) {
            if NAMES.contains(&name.as_str()) {
                user.set_name(name, value)?;
            } else if value.is_null() {
                // Back to the default; what is not kept is not set anyway.
                details.remove(name);
            } else {
                details.insert(name.clone(), without_annotations(value));
            }
        }
        user.details = serde_json::from_value(Value::Object(details))
            .map_err(|error| mistyped(change, &error.to_string()))?;
        Ok(user)
    }

    fn set_name(&mut self, name: &str, value: &Value) -> Result<(), IdentityError> {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(enabled) if name == "accountEnabled" => {
                self.account_enabled = *enabled;
                return Ok(());
            }
            _ if name == "accountEnabled" => {
                return Err(IdentityError::invalid(name, "must be true or false"));
            }
            _ => return Err(IdentityError::invalid(name, "must be a string")),
        };
        let slot = match name {
            "givenName" => &mut self.given_name,
            "surname" => &mut self.surname,
            "mail" => &mut self.mail,
            _ => {
                let text = text.ok_or_else(|| IdentityError::invalid(name, "cannot be null"))?;
                match name {
                    "userPrincipalName" => self.user_principal_name = text,
                    "displayName" => self.display_name = text,
                    "mailNickname" => self.mail_nickname = text,
                    // A string for accountEnabled.
                    _ => return Err(IdentityError::invalid(name, "must be true or false")),
                }
                return Ok(());
            }
        };
        *slot = text;
        Ok(())
    }
}

/// The SDKs write `@odata.type` at any depth.
fn without_annotations(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !name.contains('@'))
            .map(|(name, value)| (name.clone(), without_annotations(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_annotations).collect(),
        other => other.clone(),
    }
}

/// Names the member that does not fit: serde names an unknown one between backticks, a mistyped one not at all.
fn mistyped(change: &Map<String, Value>, error: &str) -> IdentityError {
    if error.starts_with("unknown field")
        && let Some(name) = error.split('`').nth(1)
    {
        return IdentityError::invalid(name, "a user has no such property");
    }
    for (name, value) in change.iter().filter(|(name, _)| !NAMES.contains(&name.as_str())) {
        let alone = Map::from_iter([(name.clone(), without_annotations(value))]);
        if !value.is_null() && serde_json::from_value::<UserDetails>(Value::Object(alone)).is_err() {
            return IdentityError::invalid(name, "has the wrong type");
        }
    }
    IdentityError::invalid("user", "has a member of the wrong type")
}

/// The object as Graph shows it when everything is selected. `passwordProfile` is only ever written.
pub(crate) fn shape(user: &User, domain: &str) -> Map<String, Value> {
    use crate::json::date_time;
    let mut object = match serde_json::to_value(&user.details) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let sessions = date_time(user.sessions_valid_from);
    let identity = serde_json::json!([{
        "issuer": domain, "issuerAssignedId": user.user_principal_name, "signInType": "userPrincipalName",
    }]);
    let members: [(&str, Value); 15] = [
        ("id", user.id.to_string().into()),
        ("accountEnabled", user.account_enabled.into()),
        ("createdDateTime", date_time(user.created_at).into()),
        ("creationType", Value::Null),
        ("deletedDateTime", Value::Null),
        ("displayName", user.display_name.clone().into()),
        ("givenName", user.given_name.clone().into()),
        ("identities", identity),
        ("mail", user.mail.clone().into()),
        ("mailNickname", user.mail_nickname.clone().into()),
        ("onPremisesSyncEnabled", Value::Null),
        ("passwordProfile", Value::Null),
        ("signInSessionsValidFromDateTime", sessions.into()),
        ("surname", user.surname.clone().into()),
        ("userPrincipalName", user.user_principal_name.clone().into()),
    ];
    object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    object
}

/// The same with what scripts select though it is empty in a directory without licences, mailboxes and synchronisation.
pub(crate) fn whole_shape(user: &User, domain: &str) -> Map<String, Value> {
    let mut all = shape(user, domain);
    let empty = [
        "assignedLicenses",
        "assignedPlans",
        "imAddresses",
        "licenseAssignmentStates",
        "onPremisesProvisioningErrors",
        "provisionedPlans",
        "proxyAddresses",
        "serviceProvisioningErrors",
    ];
    let absent = [
        "externalUserState",
        "externalUserStateChangeDateTime",
        "isManagementRestricted",
        "isResourceAccount",
        "onPremisesDistinguishedName",
        "onPremisesDomainName",
        "onPremisesLastSyncDateTime",
        "onPremisesSamAccountName",
        "onPremisesSecurityIdentifier",
        "onPremisesUserPrincipalName",
    ];
    all.extend(empty.map(|name| (name.to_owned(), Value::Array(Vec::new()))));
    all.extend(absent.map(|name| (name.to_owned(), Value::Null)));
    if let Some(Value::Object(organisation)) = all.get_mut("employeeOrgData") {
        for name in ["costCenter", "division"] {
            organisation.entry(name).or_insert(Value::Null);
        }
    }
    let sid = crate::json::security_identifier(user.id.uuid());
    all.insert("securityIdentifier".to_owned(), sid.into());
    all
}

/// What Graph shows of a user when nothing is selected.
pub(crate) const DEFAULT_SELECT: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];
