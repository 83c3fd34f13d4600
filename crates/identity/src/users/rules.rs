//! What a user's names and passwords may be (Entra's limits).

use hilum_kernel::Secret;
use thiserror::Error;

use super::User;
use crate::{IdentityError, Tenant, tenants::is_plausible_domain};

const DISPLAY_NAME_CHARS_MAX: usize = 256;
/// Entra's limits: 64 characters before the `@`, 113 in all.
const UPN_CHARS_MAX: usize = 113;
const UPN_LOCAL_CHARS_MAX: usize = 64;
const NICKNAME_CHARS_MAX: usize = 64;
/// `otherMails` and `businessPhones`: Graph takes 250 of the former, one of the latter.
const OTHER_MAILS_MAX: usize = 250;
const MAIL_CHARS_MAX: usize = 250;
/// What Entra and NIST SP 800-63B agree on.
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_CHARS_MAX: usize = 256;
/// So long a password needs no mixture of characters (NIST SP 800-63B §3.1.1.2).
const PASSPHRASE_CHARS_MIN: usize = 15;
/// The first words that guessers try, in the form `plain_word` gives.
const COMMON_PASSWORDS: &[&str] = &[
    "password",
    "passwort",
    "welcome",
    "wilkommen",
    "willkommen",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "asdfghjkl",
    "letmein",
    "admin",
    "administrator",
    "changeme",
    "secret",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "dragon",
    "monkey",
    "master",
    "superman",
    "batman",
    "trustno",
    "spring",
    "summer",
    "autumn",
    "winter",
    "hospital",
    "radiology",
    "microsoft",
    "hilum",
    "default",
    "guest",
    "test",
    "tester",
    "testing",
    "abcdefgh",
    "abc",
    "hello",
    "login",
    "azure",
];

/// Checks everything of a user but the password.
pub(super) fn check(user: &User, tenant: &Tenant) -> Result<(), IdentityError> {
    check_principal_name(&user.user_principal_name, tenant)?;
    check_display_name(&user.display_name)?;
    check_nickname(&user.mail_nickname)?;
    if user.mail.as_ref().is_some_and(|mail| !is_mail(mail)) {
        return Err(IdentityError::invalid("mail", "must be an e-mail address such as ada@contoso.local"));
    }
    let details = &user.details;
    if details.other_mails.len() > OTHER_MAILS_MAX || !details.other_mails.iter().all(|mail| is_mail(mail)) {
        return Err(IdentityError::invalid("otherMails", "must be at most 250 e-mail addresses"));
    }
    if details.business_phones.len() > 1 {
        return Err(IdentityError::invalid("businessPhones", "takes one number only"));
    }
    if details.business_phones.iter().any(|phone| too_long(phone, 64)) {
        return Err(IdentityError::invalid("businessPhones", "must have at most 64 characters"));
    }
    for (property, value, chars_max) in [
        ("givenName", &user.given_name, 64),
        ("surname", &user.surname, 64),
        ("jobTitle", &details.job_title, 128),
        ("department", &details.department, 64),
        ("officeLocation", &details.office_location, 128),
        ("mobilePhone", &details.mobile_phone, 64),
        ("preferredLanguage", &details.preferred_language, 35),
        ("employeeId", &details.employee_id, 16),
        ("employeeType", &details.employee_type, 64),
        ("employeeHireDate", &details.employee_hire_date, 40),
        ("companyName", &details.company_name, 64),
        ("streetAddress", &details.street_address, 1024),
        ("city", &details.city, 128),
        ("state", &details.state, 128),
        ("postalCode", &details.postal_code, 40),
        ("country", &details.country, 128),
        ("faxNumber", &details.fax_number, 64),
        ("onPremisesImmutableId", &details.on_premises_immutable_id, 256),
    ] {
        if value.as_ref().is_some_and(|value| too_long(value, chars_max)) {
            let reason = format!("must have at most {chars_max} characters and no control characters");
            return Err(IdentityError::invalid(property, reason));
        }
    }
    check_words(user)
}

/// Properties that take one of few words.
fn check_words(user: &User) -> Result<(), IdentityError> {
    let details = &user.details;
    let one_of = |property: &str, value: &Option<String>, words: &[&str]| match value {
        Some(value) if !words.contains(&value.as_str()) => {
            Err(IdentityError::invalid(property, format!("must be one of {}", words.join(", "))))
        }
        _ => Ok(()),
    };
    one_of("ageGroup", &details.age_group, &["Minor", "NotAdult", "Adult"])?;
    let consent = ["Granted", "Denied", "NotRequired"];
    one_of("consentProvidedForMinor", &details.consent_provided_for_minor, &consent)?;
    let known = ["DisablePasswordExpiration", "DisableStrongPassword", "None"];
    let policies = details.password_policies.iter().flat_map(|policies| policies.split(','));
    if let Some(unknown) = policies.map(str::trim).find(|policy| !known.contains(policy)) {
        let reason = format!("'{unknown}' is none of {}", known.join(", "));
        return Err(IdentityError::invalid("passwordPolicies", reason));
    }
    let country = details.usage_location.as_ref();
    if country.is_some_and(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Err(IdentityError::invalid(
            "usageLocation",
            "must be a country code of two letters (ISO 3166)",
        ));
    }
    if details.employee_hire_date.as_ref().is_some_and(|time| time.parse::<jiff::Timestamp>().is_err()) {
        return Err(IdentityError::invalid(
            "employeeHireDate",
            "must be a time such as 2026-01-31T00:00:00Z",
        ));
    }
    let org = details.employee_org_data.iter().flatten();
    for (name, value) in org {
        if !["costCenter", "division"].contains(&name.as_str())
            || value.as_str().is_some_and(|text| too_long(text, 64))
            || !(value.is_string() || value.is_null())
        {
            let reason = "has costCenter and division, of at most 64 characters";
            return Err(IdentityError::invalid("employeeOrgData", reason));
        }
    }
    Ok(())
}

fn too_long(text: &str, chars_max: usize) -> bool {
    text.chars().count() > chars_max || text.chars().any(char::is_control)
}

fn check_principal_name(name: &str, tenant: &Tenant) -> Result<(), IdentityError> {
    let wrong = || {
        let reason = format!(
            "must have the form name@{}, with letters, digits and ' . - _ ! # ^ ~ + in at most 64 characters before \
             the @; the domain must be a verified one",
            tenant.domain
        );
        IdentityError::invalid("userPrincipalName", reason)
    };
    let (local, domain) = name.rsplit_once('@').ok_or_else(wrong)?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "'.-_!#^~+".contains(c);
    let fits = !local.is_empty()
        && local.len() <= UPN_LOCAL_CHARS_MAX
        && name.len() <= UPN_CHARS_MAX
        && local.chars().all(letters)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    if fits && domain.eq_ignore_ascii_case(&tenant.domain) { Ok(()) } else { Err(wrong()) }
}

fn check_display_name(name: &str) -> Result<(), IdentityError> {
    if name.trim().is_empty() || too_long(name, DISPLAY_NAME_CHARS_MAX) {
        return Err(IdentityError::invalid("displayName", "must have 1 to 256 characters"));
    }
    Ok(())
}

/// Also groups': RFC 5322's atoms without what Exchange refuses.
pub(crate) fn check_nickname(name: &str) -> Result<(), IdentityError> {
    let refused = |c: char| !c.is_ascii_graphic() || "@()\\[]\";:<>,".contains(c);
    if name.is_empty() || name.len() > NICKNAME_CHARS_MAX || name.contains(refused) {
        let reason = "must have 1 to 64 ASCII characters, without spaces and @ ( ) \\ [ ] \" ; : < > ,";
        return Err(IdentityError::invalid("mailNickname", reason));
    }
    Ok(())
}

fn is_mail(text: &str) -> bool {
    text.len() <= MAIL_CHARS_MAX
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            let letters = |c: char| c.is_ascii_graphic() && !"@()\\[]\";:<>,".contains(c);
            !local.is_empty() && local.chars().all(letters) && is_plausible_domain(domain)
        })
}

/// Why a password may not be a user's. The `Display` text is the one on Graph's wire, after the property's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PasswordFault {
    #[error("must have 8 to 256 characters")]
    Length,
    #[error("must not contain control characters")]
    Control,
    #[error(
        "does not comply with password complexity requirements: use three of lower case, upper case, digits and \
         symbols, or at least 15 characters"
    )]
    Simple,
    #[error("must not contain the user's name")]
    Name,
    #[error("is one of those that are tried first; choose another one")]
    Common,
    /// Only where one password replaces another.
    #[error("must differ from the old one")]
    Same,
}

impl From<PasswordFault> for IdentityError {
    fn from(fault: PasswordFault) -> Self {
        Self::invalid("passwordProfile.password", fault.to_string())
    }
}

/// Whether a password may be this user's. `names` are what it must not be made of.
pub(crate) fn check_password(password: &Secret<String>, names: &[&str]) -> Result<(), PasswordFault> {
    let text = password.expose();
    let chars = text.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(PasswordFault::Length);
    }
    if text.chars().any(char::is_control) {
        return Err(PasswordFault::Control);
    }
    let classes: [fn(char) -> bool; 4] =
        [char::is_lowercase, char::is_uppercase, |c| c.is_ascii_digit(), |c| !c.is_alphanumeric()];
    let present = classes.iter().filter(|class| text.contains(**class)).count();
    if chars < PASSPHRASE_CHARS_MIN && present < 3 {
        return Err(PasswordFault::Simple);
    }
    let folded = crate::folded(text);
    let made_of = |name: &&str| name.chars().count() >= 4 && folded.contains(&crate::folded(name));
    if names.iter().any(made_of) {
        return Err(PasswordFault::Name);
    }
    if COMMON_PASSWORDS.contains(&plain_word(&folded).as_str()) {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

/// Undoes the usual replacements and takes off what is usually appended: `P@ssw0rd2024!` is `password`.
fn plain_word(folded: &str) -> String {
    folded
        .trim_matches(|c: char| !c.is_alphabetic() && !"@$".contains(c))
        .chars()
        .map(|c| match c {
            '@' | '4' => 'a',
            '$' | '5' => 's',
            '0' => 'o',
            '3' => 'e',
            '1' | '!' => 'i',
            '7' => 't',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_mixed_or_very_long_and_not_the_usual_ones() {
        let check = |text: &str| check_password(&Secret::new(text.to_owned()), &["ada.lovelace", "Ada"]);
        for good in [
            "Tr0ub4dor&",
            "correct horse battery",
            "zUc+9xqW",
            "Only Letters",
            "lange Sätze dürfen auch sein",
        ] {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
        for (wrong, why) in [
            ("aB3+aB3", "8 to 256"),
            ("onlyletters", "three of"),
            ("12345678", "three of"),
            ("P@ssw0rd2024!", "tried first"),
            ("Welcome1!", "tried first"),
            ("Ada.Lovelace-1815", "user's name"),
            ("aB3+\u{7}aB3+", "control"),
        ] {
            match check(wrong) {
                Err(fault) => assert!(fault.to_string().contains(why), "{wrong}: {fault}"),
                other => panic!("{wrong}: {other:?}"),
            }
        }
        assert!(check(&"aB3+".repeat(65)).is_err());
    }
}
