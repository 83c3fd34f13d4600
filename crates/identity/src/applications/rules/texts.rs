//! Names, texts, links, words from closed lists.

use url::Url;

use super::super::properties::{ApplicationProperties, OptionalClaim};
use crate::IdentityError;

const NAME_CHARS_MAX: usize = 120;
/// Microsoft's personal accounts show less.
const NAME_CHARS_PERSONAL_MAX: usize = 90;
const TEXT_CHARS_MAX: usize = 1024;
const TAGS_MAX: usize = 100;
const TAG_CHARS_MAX: usize = 256;
const LOGOUT_URL_CHARS_MAX: usize = 255;
const LINK_CHARS_MAX: usize = 2048;
const REFERENCE_CHARS_MAX: usize = 256;
const UNIQUE_NAME_CHARS_MAX: usize = 256;
const CLAIM_CHARS_MAX: usize = 120;

/// What `groupMembershipClaims` may hold, alone or separated by commas.
const GROUP_CLAIMS: &[&str] = &["None", "SecurityGroup", "ApplicationGroup", "DirectoryRole", "All"];
const AGE_RULES: &[&str] = &[
    "Allow",
    "RequireConsentForPrivacyServices",
    "RequireConsentForMinors",
    "RequireConsentForKids",
    "BlockMinors",
];

pub(super) fn check(p: &ApplicationProperties) -> Result<(), IdentityError> {
    display_name(p)?;
    for (member, text, most) in [
        ("description", &p.description, TEXT_CHARS_MAX),
        ("notes", &p.notes, TEXT_CHARS_MAX),
        ("serviceManagementReference", &p.service_management_reference, REFERENCE_CHARS_MAX),
        ("uniqueName", &p.unique_name, UNIQUE_NAME_CHARS_MAX),
    ] {
        if text.as_ref().is_some_and(|text| text.chars().count() > most) {
            return Err(IdentityError::invalid(member, format!("must not exceed {most} characters")));
        }
    }
    if p.unique_name.as_ref().is_some_and(|name| name.trim().is_empty() || name.chars().any(char::is_control))
    {
        return Err(IdentityError::invalid("uniqueName", "must not be empty or hold control characters"));
    }
    if p.tags.len() > TAGS_MAX {
        return Err(IdentityError::invalid("tags", "there may be at most 100"));
    }
    if p.tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX) {
        return Err(IdentityError::invalid("tags", "each must have 1 to 256 characters"));
    }
    links(p)?;
    words(p)?;
    claims(p)
}

fn display_name(p: &ApplicationProperties) -> Result<(), IdentityError> {
    let most = if p.sign_in_audience.is_personal() { NAME_CHARS_PERSONAL_MAX } else { NAME_CHARS_MAX };
    if p.display_name.trim().is_empty() || p.display_name.chars().count() > most {
        return Err(IdentityError::invalid("displayName", format!("must have 1 to {most} characters")));
    }
    if p.display_name.chars().any(char::is_control) {
        return Err(IdentityError::invalid("displayName", "must not hold control characters"));
    }
    Ok(())
}

fn links(p: &ApplicationProperties) -> Result<(), IdentityError> {
    // Front-channel logout: a page in a frame of ours, so never plain http.
    if let Some(url) = &p.web.logout_url
        && (url.chars().count() > LOGOUT_URL_CHARS_MAX || !is_link(url, &["https"]))
    {
        return Err(IdentityError::invalid(
            "web.logoutUrl",
            "must be an https URL of at most 255 characters",
        ));
    }
    for (member, url) in [
        ("web.homePageUrl", &p.web.home_page_url),
        ("info.marketingUrl", &p.info.marketing_url),
        ("info.privacyStatementUrl", &p.info.privacy_statement_url),
        ("info.supportUrl", &p.info.support_url),
        ("info.termsOfServiceUrl", &p.info.terms_of_service_url),
        ("samlMetadataUrl", &p.saml_metadata_url),
    ] {
        if url
            .as_ref()
            .is_some_and(|url| url.chars().count() > LINK_CHARS_MAX || !is_link(url, &["https", "http"]))
        {
            return Err(IdentityError::invalid(
                member,
                "must be an https or http URL of at most 2048 characters",
            ));
        }
    }
    Ok(())
}

/// Other schemes (`javascript`) would run in the portal's pages.
fn is_link(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| url.has_host() && schemes.contains(&url.scheme()))
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn words(p: &ApplicationProperties) -> Result<(), IdentityError> {
    if let Some(claims) = &p.group_membership_claims
        && !claims.split(',').all(|word| GROUP_CLAIMS.contains(&word.trim()))
    {
        return Err(IdentityError::invalid(
            "groupMembershipClaims",
            "must be null or of None, SecurityGroup, ApplicationGroup, DirectoryRole and All, joined by commas",
        ));
    }
    let rules = &p.parental_control_settings;
    if !AGE_RULES.contains(&rules.legal_age_group_rule.as_str()) {
        return Err(IdentityError::invalid(
            "parentalControlSettings.legalAgeGroupRule",
            format!("must be one of {}", AGE_RULES.join(", ")),
        ));
    }
    let is_country = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !rules.countries_blocked_for_minors.iter().all(is_country) {
        return Err(IdentityError::invalid(
            "parentalControlSettings.countriesBlockedForMinors",
            "must hold ISO 3166 codes of two letters",
        ));
    }
    Ok(())
}

fn claims(p: &ApplicationProperties) -> Result<(), IdentityError> {
    let Some(claims) = &p.optional_claims else { return Ok(()) };
    for (member, all) in [
        ("optionalClaims.accessToken", &claims.access_token),
        ("optionalClaims.idToken", &claims.id_token),
        ("optionalClaims.saml2Token", &claims.saml2_token),
    ] {
        for claim in all {
            claim_rules(claim).map_err(|reason| IdentityError::invalid(member, reason))?;
        }
        let mut names: Vec<&str> = all.iter().map(|claim| claim.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(IdentityError::invalid(member, "names a claim twice"));
        }
    }
    Ok(())
}

fn claim_rules(claim: &OptionalClaim) -> Result<(), &'static str> {
    if claim.name.is_empty() || claim.name.chars().count() > CLAIM_CHARS_MAX {
        return Err("each name must have 1 to 120 characters");
    }
    if claim.source.as_ref().is_some_and(|source| !matches!(source.as_str(), "user" | "application")) {
        return Err("source must be null, user or application");
    }
    Ok(())
}
