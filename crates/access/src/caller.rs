//! Who calls, after the token has been checked.

use hilum_jose::Claims;
use hilum_kernel::TenantId;
use jiff::Timestamp;

use crate::{
    actions::{Actions, RightsFrom},
    authorities::Authority,
    error::TokenError,
};

/// On whose behalf a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// A client on its own behalf.
    AppOnly,
    /// A client on behalf of a user.
    Delegated,
    /// The server itself: a job, a command on the console.
    System,
}

/// A checked caller. Made by the validator, or by [`Caller::system`]; nobody can widen its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    kind: CallerKind,
    actions: Actions,
    roles: Vec<String>,
    scopes: Vec<String>,
    issuer: String,
    subject: String,
    tenant: Option<TenantId>,
    object_id: Option<String>,
    app_id: Option<String>,
    display_name: Option<String>,
    token_id: Option<String>,
    bound_to: Option<String>,
    expires_at: Timestamp,
}

impl Caller {
    /// The server itself, acting for a stated purpose (`import`, `job:purge`). Needs no token, so each use of it
    /// outside tests is a door to look at in review.
    pub fn system(purpose: &str, actions: Actions) -> Self {
        Self {
            kind: CallerKind::System,
            actions,
            roles: Vec::new(),
            scopes: Vec::new(),
            issuer: "system".to_owned(),
            subject: purpose.to_owned(),
            tenant: None,
            object_id: None,
            app_id: None,
            display_name: None,
            token_id: None,
            bound_to: None,
            expires_at: Timestamp::MAX,
        }
    }

    /// Reads the verified claims.
    pub(crate) fn from_claims(
        claims: &Claims,
        authority: &Authority,
        expires_at: Timestamp,
    ) -> Result<Self, TokenError> {
        let text = |names: &[&str]| names.iter().find_map(|name| claims.text(name)).map(str::to_owned);
        let app_id = text(&["azp", "appid", "client_id"]);
        let scopes = first_present(claims, &authority.claims.scopes);
        refuse_id_tokens(claims, scopes.is_some(), app_id.is_some())?;

        let subject = text(&["sub"]).ok_or(TokenError::NoSubject)?;
        // Identity sheet §4.2: `scp` means delegated. Other issuers put a scope into app-only tokens as well;
        // RFC 9068 §2.2 then makes the client the subject.
        let kind = match &scopes {
            _ if claims.text("idtyp") == Some("app") => CallerKind::AppOnly,
            Some(_) if app_id.as_ref() != Some(&subject) => CallerKind::Delegated,
            _ => CallerKind::AppOnly,
        };
        let roles = first_present(claims, &authority.claims.roles).unwrap_or_default();
        let of_roles = authority.rights.of_roles(roles.iter().copied());
        let of_scopes = authority.rights.of_scopes(words(scopes.as_deref()));
        let actions = match (authority.rights_from, kind) {
            (RightsFrom::ScopesAndRoles, CallerKind::Delegated) => of_scopes.and(of_roles),
            (RightsFrom::ScopesAndRoles | RightsFrom::Roles, _) => of_roles,
            (RightsFrom::Scopes, _) => of_scopes,
        };
        Ok(Self {
            kind,
            actions,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            scopes: words(scopes.as_deref()).map(str::to_owned).collect(),
            issuer: text(&["iss"]).unwrap_or_default(),
            subject,
            tenant: claims.text("tid").and_then(|tid| tid.parse().ok()),
            object_id: text(&["oid"]),
            app_id,
            display_name: text(&["name", "app_displayname", "preferred_username", "upn"]),
            token_id: text(&["uti", "jti"]),
            bound_to: key_of_token(claims),
            expires_at,
        })
    }

    /// On whose behalf the call is made.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// What the caller may do.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// The roles in the token, for services whose rights are not data actions.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The scopes in the token, for services whose rights are not data actions.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Who issued the token.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `sub`: unique within the issuer.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `tid`, where the issuer knows tenants.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// `oid`: the user's or service principal's object ID.
    pub fn object_id(&self) -> Option<&str> {
        self.object_id.as_deref()
    }

    /// `azp`, `appid` or `client_id`: the client.
    pub fn app_id(&self) -> Option<&str> {
        self.app_id.as_deref()
    }

    /// A name to show to people. Proves nothing.
    pub fn display_name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }

    /// `uti` or `jti`: names the token in logs and audit.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// `cnf.jkt`: the thumbprint of the key that the token is bound to (RFC 9449 §6.1).
    pub fn bound_to(&self) -> Option<&str> {
        self.bound_to.as_deref()
    }

    /// When the token expires, without leeway.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// The key that a token is bound to (RFC 7800 §3.1, RFC 9449 §6.1), by its thumbprint: nothing where the token is free. A
/// binding of another kind is to a key that nobody can show here.
pub fn key_of_token(claims: &Claims) -> Option<String> {
    claims.get("cnf").map(|_| claims.text("cnf.jkt").unwrap_or_default().to_owned())
}

/// The words of a scope claim: one text with spaces, or several.
fn words<'a>(scopes: Option<&'a [&'a str]>) -> impl Iterator<Item = &'a str> {
    scopes.unwrap_or_default().iter().flat_map(|text| text.split_ascii_whitespace())
}

/// The first of the named claims that the token has.
fn first_present<'a>(claims: &'a Claims, names: &[String]) -> Option<Vec<&'a str>> {
    names.iter().find(|name| claims.get(name).is_some()).map(|name| claims.texts(name))
}

/// An ID token tells a client who has signed in; it is no right to data. Where client and resource are one
/// registration, the audience does not tell the two apart, so the contents must.
fn refuse_id_tokens(claims: &Claims, has_scopes: bool, has_client: bool) -> Result<(), TokenError> {
    // OIDC Core §3.1.3.6, §3.3.2.11: only ID tokens bind a code or another token.
    let binds = claims.get("at_hash").is_some() || claims.get("c_hash").is_some();
    // Keycloak says in a claim what a token is.
    let says_so = claims.text("typ").is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer"));
    // RFC 9068 §2.2 and Entra: an access token names its client; Entra's ID tokens do not.
    let lacks_rights = !has_scopes && (claims.get("nonce").is_some() || !has_client);
    if binds || says_so || lacks_rights { Err(TokenError::NotAccessToken) } else { Ok(()) }
}
