//! What holds for a token: policies of the client and of the resource before the organisation's, and that one before what
//! holds where nobody says anything. Each member is looked for by itself.

use hilum_kernel::{AppId, TenantId};
use hilum_storage::db::{DbError, ReadTx, Row};
use jiff::SignedDuration;

use super::{
    definition::{Age, Definition},
    sql,
};
use crate::{
    authentication_methods::Amr,
    sessions::{ClientKind, SessionLife},
};

/// Entra's lifetimes lie between 60 and 90 minutes at random, so that caches do not run out all at once.
const CONFIDENTIAL_MIN_S: i64 = 3600;
const CONFIDENTIAL_SPREAD_S: i64 = 1800;
/// Who cannot keep a secret gets shorter ones: the least of Entra's.
const PUBLIC_S: i64 = 3600;
/// An ID token is read once, when it arrives.
const ID_TOKEN_S: i64 = 3600;
/// How long refresh tokens may rest: as in Entra, and shorter for who cannot keep a secret.
const CONFIDENTIAL_INACTIVE: SignedDuration = SignedDuration::from_hours(90 * 24);
const PUBLIC_INACTIVE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the policies say about one client on one resource.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lifetimes {
    client: Definition,
    resource: Definition,
    organization: Definition,
}

/// How old sign-ins may be for an application; nothing: however old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SignInAge {
    single_factor: Option<SignedDuration>,
    multi_factor: Option<SignedDuration>,
}

/// Looks for the policies of a client and the resource it asks for.
pub(crate) async fn lifetimes(
    tx: &mut ReadTx,
    tenant: TenantId,
    client: AppId,
    resource: AppId,
) -> Result<Lifetimes, DbError> {
    let mut found = Lifetimes::default();
    for (app_id, text) in sql::effective(tx, tenant, (client, resource)).await? {
        let definition = parsed(&text, 1)?;
        match app_id {
            None => found.organization = definition,
            Some(app_id) => {
                if app_id == client {
                    found.client = definition;
                }
                if app_id == resource {
                    found.resource = definition;
                }
            }
        }
    }
    Ok(found)
}

/// It was checked when it was stored.
fn parsed(text: &str, column: usize) -> Result<Definition, DbError> {
    Definition::parse(text).map_err(|_| DbError::Corrupt { column })
}

impl Lifetimes {
    /// Reads the definitions for client, resource and organisation out of these columns, each of which may be empty.
    pub(crate) fn read(row: &Row, columns: [usize; 3]) -> Result<Self, DbError> {
        let definition = |column| match row.opt_text(column)? {
            Some(text) => parsed(&text, column),
            None => Ok(Definition::default()),
        };
        let [client, resource, organization] = columns;
        Ok(Self {
            client: definition(client)?,
            resource: definition(resource)?,
            organization: definition(organization)?,
        })
    }

    /// How long an access token lives, in seconds. Where client and resource both have a say, the shorter life holds.
    pub(crate) fn access_token_s(&self, kind: ClientKind, chance: u32) -> i64 {
        let (client, resource) = (self.client.access_token(kind), self.resource.access_token(kind));
        let said = match (client, resource) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other).or_else(|| self.organization.access_token(kind)),
        };
        said.map_or_else(
            || match kind {
                ClientKind::Confidential => {
                    CONFIDENTIAL_MIN_S + i64::from(chance) % (CONFIDENTIAL_SPREAD_S + 1)
                }
                ClientKind::Public => PUBLIC_S,
            },
            |life| life.as_secs(),
        )
    }

    /// How long an ID token lives, in seconds: it is for the client alone.
    pub(crate) fn id_token_s(&self, kind: ClientKind) -> i64 {
        let said = self.client.access_token(kind).or_else(|| self.organization.access_token(kind));
        said.map_or(ID_TOKEN_S, |life| life.as_secs())
    }

    /// Whether public clients that are no single-page applications get refresh tokens.
    pub(crate) fn public_refresh_tokens(&self) -> bool {
        let said = self.client.public_refresh_tokens.or(self.organization.public_refresh_tokens);
        said.unwrap_or(true)
    }

    /// How long a session goes on.
    pub(crate) fn session(&self, kind: ClientKind, amr: Amr) -> SessionLife {
        let inactive = self.client.inactive(kind).or_else(|| self.organization.inactive(kind));
        let inactive = inactive.unwrap_or(match kind {
            ClientKind::Confidential => CONFIDENTIAL_INACTIVE,
            ClientKind::Public => PUBLIC_INACTIVE,
        });
        SessionLife { inactive_max_ms: millis(inactive), age_max_ms: self.sign_in_age().of(amr).map(millis) }
    }

    /// How old the sign-in may be.
    pub(crate) fn sign_in_age(&self) -> SignInAge {
        let age =
            |of: fn(&Definition) -> Option<Age>| match of(&self.client).or_else(|| of(&self.organization)) {
                Some(Age::AtMost(age)) => Some(age),
                Some(Age::Any) | None => None,
            };
        SignInAge {
            single_factor: age(|definition| definition.age_single_factor),
            multi_factor: age(|definition| definition.age_multi_factor),
        }
    }
}

impl SignInAge {
    const fn of(self, amr: Amr) -> Option<SignedDuration> {
        if amr.is_multi_factor() { self.multi_factor } else { self.single_factor }
    }

    /// Whether a sign-in of then is too old.
    pub(crate) fn is_passed(self, amr: Amr, authenticated_at_ms: i64, now_ms: i64) -> bool {
        self.of(amr).is_some_and(|age| now_ms.saturating_sub(authenticated_at_ms) >= millis(age))
    }
}

fn millis(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(members: &str) -> Definition {
        Definition::parse(&format!("{{\"TokenLifetimePolicy\":{{{members}}}}}")).unwrap()
    }

    fn said(client: &str, resource: &str, organization: &str) -> Lifetimes {
        Lifetimes {
            client: definition(client),
            resource: definition(resource),
            organization: definition(organization),
        }
    }

    use ClientKind::{Confidential, Public};

    const HOUR: &str = r#""AccessTokenLifetime":"1:00:00""#;
    const TWO: &str = r#""AccessTokenLifetime":"2:00:00""#;
    const THREE: &str = r#""AccessTokenLifetime":"3:00:00""#;

    #[test]
    fn without_policies_confidential_clients_get_more() {
        let plain = Lifetimes::default();
        assert_eq!(plain.access_token_s(Confidential, 0), 3600);
        assert_eq!(plain.access_token_s(Confidential, 1800), 5400);
        assert_eq!(plain.access_token_s(Confidential, 1801), 3600);
        assert_eq!(plain.access_token_s(Public, 1800), 3600);
        assert_eq!(plain.id_token_s(Public), 3600);
        assert!(plain.public_refresh_tokens());
        let days = |kind| plain.session(kind, Amr::PASSWORD).inactive_max_ms / 86_400_000;
        assert_eq!((days(Confidential), days(Public)), (90, 30));
        assert_eq!(plain.session(Public, Amr::PASSWORD).age_max_ms, None);
        assert!(!plain.sign_in_age().is_passed(Amr::PASSWORD, 0, i64::MAX));
    }

    #[test]
    fn applications_come_before_the_organisation() {
        for (client, resource, organization, access, id) in [
            ("", "", HOUR, 3600, 3600),
            (TWO, "", HOUR, 7200, 7200),
            ("", TWO, HOUR, 7200, 3600),
            (THREE, TWO, HOUR, 7200, 10_800),
            (TWO, THREE, "", 7200, 7200),
        ] {
            let lifetimes = said(client, resource, organization);
            assert_eq!(
                lifetimes.access_token_s(Confidential, 77),
                access,
                "{client} {resource} {organization}"
            );
            assert_eq!(lifetimes.id_token_s(Confidential), id, "{client} {resource} {organization}");
        }
    }

    #[test]
    fn each_member_is_looked_for_by_itself() {
        let age = r#""MaxAgeSingleFactor":"0.12:00:00","PublicRefreshTokens":false"#;
        let lifetimes = said(HOUR, "", age);
        assert!(!lifetimes.public_refresh_tokens());
        assert_eq!(lifetimes.session(Public, Amr::PASSWORD).age_max_ms, Some(12 * 3_600_000));
        let strong = Amr::PASSWORD.with(Amr::MULTI_FACTOR);
        assert_eq!(lifetimes.session(Public, strong).age_max_ms, None);
        assert!(!lifetimes.sign_in_age().is_passed(Amr::PASSWORD, 0, 12 * 3_600_000 - 1));
        assert!(lifetimes.sign_in_age().is_passed(Amr::PASSWORD, 0, 12 * 3_600_000));
        let freed = said(r#""MaxAgeSingleFactor":"until-revoked","PublicRefreshTokens":true"#, "", age);
        assert!(freed.public_refresh_tokens());
        assert_eq!(freed.session(Public, Amr::PASSWORD).age_max_ms, None);
        // What the resource says is about its tokens alone.
        assert!(said("", age, "").public_refresh_tokens());
    }
}
