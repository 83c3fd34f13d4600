//! From an identity that a provider vouches for to a user: by the link there is, or by one that the provider's rule lets the
//! first sign-in make.
//!
//! Administrators are never found by what a provider says of an e-mail address: only by a link that an administrator made.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor, Event, Outcome};
use hilum_jose::{base64url_encode, sha256};
use hilum_kernel::{TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};
use serde_json::{Map, Value};

use super::{
    Asserted, FederatedIdentity, Linking, Provider, ProviderSettings, UpstreamError, Voucher,
    identities::{self, LinkOrigin},
    sql,
};
use crate::{
    Identity, IdentityError, Stamp, Tenant, User, UserFilter,
    authentication_methods::Amr,
    directory_roles,
    sign_in::{Origin, SignedIn, actor_of},
    users,
};

/// Entra's limit for what stands before the `@`.
const LOCAL_CHARS_MAX: usize = 64;
/// What Entra puts into the principal names of guests.
const EXTERNAL: &str = "#EXT#";

/// Everything the transaction needs.
#[derive(Clone)]
struct Work {
    tenant: Tenant,
    settings: ProviderSettings,
    asserted: Asserted,
    new_user: UserId,
    stamp: Stamp,
}

/// The user and since when the sign-in counts, or why there is none and whom it was about.
type Found = Result<(User, i64), (Option<UserId>, UpstreamError)>;

/// Why there is no user.
enum NoUser {
    NotLinked,
    ExplicitOnly,
    Disabled(UserId),
}

impl Identity {
    /// Whether an identity belongs to a user already.
    pub(super) async fn is_linked(&self, issuer: &str, subject: &str) -> Result<bool, IdentityError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.read().await?;
        Ok(sql::by_subject(&mut tx, tenant, (issuer, subject)).await?.is_some())
    }

    /// The user whom the identity belongs to, signed in.
    pub(crate) async fn sign_in_vouched(
        &self,
        provider: &Provider,
        asserted: Asserted,
        origin: Origin,
    ) -> Result<SignedIn, UpstreamError> {
        let found = self.linked_user(provider, &asserted, origin).await;
        self.note_vouched(provider, (&asserted, &found), origin).await?;
        let (user, at_ms) = found.map_err(|(_, error)| error)?;
        let Asserted { issuer, proven_at_ms, second_factor, .. } = asserted;
        let proven = if second_factor { Amr::MULTI_FACTOR } else { Amr::default() };
        let (amr, voucher) = (Amr::FEDERATED.with(proven), Some(Voucher { issuer, proven_at_ms }));
        Ok(SignedIn { user, at_ms, voucher, amr })
    }

    async fn linked_user(&self, provider: &Provider, asserted: &Asserted, origin: Origin) -> Found {
        let failed = |error: IdentityError| (None, UpstreamError::Unavailable(error));
        let actor = Actor {
            app_id: Some(origin.app_id.to_string()),
            display: Some(format!("identity provider {}", provider.id())),
            ..Actor::default()
        };
        let work = Work {
            tenant: self.tenant().await.map_err(failed)?.clone(),
            settings: provider.settings.clone(),
            asserted: asserted.clone(),
            new_user: UserId::new(self.0.random.uuid()),
            stamp: self.stamp(&actor),
        };
        let mut found = self.0.db.write(work.clone(), |tx, work| find(tx, work).boxed()).await;
        if matches!(found, Err(IdentityError::Conflict { .. } | IdentityError::Db(DbError::Duplicate { .. })))
        {
            // Two browsers came for the first time at once: the other one has made the link.
            found = self.0.db.write(work, |tx, work| find(tx, work).boxed()).await;
        }
        let name = || provider.name().to_owned();
        let (issuer, subject) = (asserted.issuer.clone(), asserted.subject.clone());
        match found.map_err(failed)? {
            Ok(found) => Ok(found),
            Err(NoUser::NotLinked) => Err((None, UpstreamError::NotLinked { name: name(), issuer, subject })),
            Err(NoUser::ExplicitOnly) => {
                Err((None, UpstreamError::ExplicitOnly { name: name(), issuer, subject }))
            }
            Err(NoUser::Disabled(user)) => Err((Some(user), UpstreamError::Disabled)),
        }
    }

    /// Writes a sign-in's end into the audit trail.
    async fn note_vouched(
        &self,
        provider: &Provider,
        (asserted, found): (&Asserted, &Found),
        origin: Origin,
    ) -> Result<(), UpstreamError> {
        let (actor, target, code) = match found {
            Ok((user, _)) => (actor_of(user, origin), Some(user.id), None),
            Err((user, error)) => {
                let actor = Actor { app_id: Some(origin.app_id.to_string()), ..Actor::default() };
                (actor, *user, Some(error.code()))
            }
        };
        metrics::counter!("hilum_sign_ins_total", "code" => code.unwrap_or(0).to_string()).increment(1);
        let factors = if asserted.second_factor { " with a second factor" } else { "" };
        let through = format!("through {}{factors}: {} {}", provider.id(), asserted.issuer, asserted.subject);
        let outcome = if code.is_none() { Outcome::Success } else { Outcome::Refused };
        let event = Event {
            target: target.map(|user| user.to_string()),
            detail: Some(code.map_or_else(|| through.clone(), |code| format!("AADSTS{code} {through}"))),
            ..Event::new(Action::SignedIn, outcome, actor).of_request(origin.address, origin.correlation)
        };
        self.note(event).await.map_err(UpstreamError::Unavailable)
    }

    /// Writes into the trail that a provider's answer signed nobody in.
    pub(crate) async fn note_not_vouched(
        &self,
        provider: &str,
        error: &UpstreamError,
        origin: Origin,
    ) -> Result<(), IdentityError> {
        let code = error.code();
        metrics::counter!("hilum_sign_ins_total", "code" => code.to_string()).increment(1);
        let actor = Actor { app_id: Some(origin.app_id.to_string()), ..Actor::default() };
        let event = Event {
            detail: Some(format!("AADSTS{code} through {provider}")),
            ..Event::new(Action::SignedIn, Outcome::Refused, actor)
                .of_request(origin.address, origin.correlation)
        };
        self.note(event).await
    }
}

/// Finds the user, or makes link and user where the rule says so, and notes the sign-in, so that what ends sessions from now
/// on ends this one.
async fn find(tx: &mut WriteTx, work: &Work) -> Result<Result<(User, i64), NoUser>, IdentityError> {
    let Work { tenant, asserted, stamp, .. } = work;
    let key = (asserted.issuer.as_str(), asserted.subject.as_str());
    let user = match sql::by_subject(tx, tenant.id, key).await? {
        Some(link) => of_link(tx, tenant.id, &link).await?,
        None => match work.settings.linking {
            Linking::Existing => Err(NoUser::NotLinked),
            Linking::Email => by_email(tx, work).await?,
            Linking::Create => created(tx, work).await?,
        },
    };
    let user = match user {
        Ok(user) if user.account_enabled => user,
        Ok(user) => return Ok(Err(NoUser::Disabled(user.id))),
        Err(why) => return Ok(Err(why)),
    };
    // Another node's clock may be ahead: what it ended is before this.
    let user = users::signed_in_elsewhere(tx, tenant.id, user.id, stamp.at_ms).await?;
    let at_ms = stamp.at_ms.max(user.sessions_valid_from.as_millisecond());
    Ok(Ok((user, at_ms)))
}

/// The user of a link. Who has become an administrator since the link was made by itself needs one that somebody made.
async fn of_link(
    tx: &mut WriteTx,
    tenant: TenantId,
    link: &FederatedIdentity,
) -> Result<Result<User, NoUser>, IdentityError> {
    // A deleted user stays out, and keeps the link until gone for good: nobody else gets in by it meanwhile.
    let Some(user) = users::lookup(tx, tenant, &link.user.to_string()).await? else {
        return Ok(Err(NoUser::NotLinked));
    };
    if link.origin != LinkOrigin::Administrator && is_administrator(tx, tenant, &user).await? {
        return Ok(Err(NoUser::ExplicitOnly));
    }
    Ok(Ok(user))
}

/// The one user whose name or address is the verified one.
async fn by_email(tx: &mut WriteTx, work: &Work) -> Result<Result<User, NoUser>, IdentityError> {
    let Work { tenant, settings, asserted, stamp, .. } = work;
    let Some(email) = permitted_email(settings, asserted) else { return Ok(Err(NoUser::NotLinked)) };
    let mut candidates = of_email(tx, tenant.id, email).await?;
    let (Some(user), true) = (candidates.pop(), candidates.is_empty()) else {
        return Ok(Err(NoUser::NotLinked));
    };
    if is_administrator(tx, tenant.id, &user).await? {
        return Ok(Err(NoUser::ExplicitOnly));
    }
    // Somebody there has this account already: the address was given to somebody else since.
    if sql::of_user(tx, user.id).await?.iter().any(|link| link.issuer == asserted.issuer) {
        return Ok(Err(NoUser::ExplicitOnly));
    }
    if user.account_enabled {
        link(tx, tenant.id, (user.id, LinkOrigin::Email), (asserted, stamp)).await?;
    }
    Ok(Ok(user))
}

/// A new guest.
async fn created(tx: &mut WriteTx, work: &Work) -> Result<Result<User, NoUser>, IdentityError> {
    let Work { tenant, settings, asserted, stamp, .. } = work;
    if !settings.domains.is_empty() && permitted_email(settings, asserted).is_none() {
        return Ok(Err(NoUser::NotLinked));
    }
    if let Some(email) = &asserted.email
        && !of_email(tx, tenant.id, email).await?.is_empty()
    {
        // Two accounts of one person, or of two: an administrator knows.
        return Ok(Err(NoUser::ExplicitOnly));
    }
    let members = guest(tx, work).await?;
    let user = users::declare(tx, tenant, (work.new_user, &members), None, stamp).await?;
    link(tx, tenant.id, (user.id, LinkOrigin::Created), (asserted, stamp)).await?;
    Ok(Ok(user))
}

async fn link(
    tx: &mut WriteTx,
    tenant: TenantId,
    (user, origin): (UserId, LinkOrigin),
    (asserted, stamp): (&Asserted, &Stamp),
) -> Result<(), IdentityError> {
    let (issuer, subject) = (asserted.issuer.clone(), asserted.subject.clone());
    let link = FederatedIdentity { user, issuer, subject, origin };
    sql::insert(tx, tenant, &link, stamp.at_ms).await?;
    identities::note(tx, "added", &link, stamp).await
}

/// The verified address, if its domain is one that the provider may vouch for. Exactly: no domain below it.
fn permitted_email<'a>(settings: &ProviderSettings, asserted: &'a Asserted) -> Option<&'a str> {
    let email = asserted.email.as_deref()?;
    let (_, domain) = email.split_once('@')?;
    settings.domains.iter().any(|own| own == domain).then_some(email)
}

/// Users with this principal name or address; two are as many as it takes to know that it is not one.
async fn of_email(tx: &mut ReadTx, tenant: TenantId, email: &str) -> Result<Vec<User>, IdentityError> {
    let mut found = users::filtered(tx, tenant, &UserFilter::Mail(email.to_owned()), 2).await?;
    let by_name = users::filtered(tx, tenant, &UserFilter::UserPrincipalName(email.to_owned()), 1).await?;
    found.extend(by_name);
    found.sort_by_key(|user| user.id);
    found.dedup_by_key(|user| user.id);
    Ok(found)
}

async fn is_administrator(tx: &mut ReadTx, tenant: TenantId, user: &User) -> Result<bool, IdentityError> {
    Ok(!directory_roles::of_user(tx, tenant, user.id).await?.is_empty())
}

/// What is known of a new guest, as Graph's members.
async fn guest(tx: &mut ReadTx, work: &Work) -> Result<Map<String, Value>, IdentityError> {
    let Work { tenant, settings, asserted, .. } = work;
    let at = |local: &str| format!("{local}{EXTERNAL}@{}", tenant.domain);
    let unique = at(&unique_local(settings, asserted));
    let mut principal_name =
        asserted.email.as_deref().map_or_else(|| unique.clone(), |email| at(&local_of(email)));
    if users::lookup(tx, tenant.id, &principal_name).await?.is_some() {
        principal_name = unique;
    }
    let name = asserted.name.clone().or_else(|| asserted.email.clone());
    let name = name.unwrap_or_else(|| format!("Guest of {}", settings.display_name));
    let short = |text: &Option<String>| text.clone().filter(|text| text.chars().count() <= 64);
    let nickname: String = principal_name.split(EXTERNAL).next().unwrap_or_default().to_owned();
    let members = [
        ("userPrincipalName", Some(principal_name)),
        ("displayName", Some(name)),
        ("mailNickname", Some(nickname)),
        ("userType", Some("Guest".to_owned())),
        ("mail", asserted.email.clone()),
        ("givenName", short(&asserted.given_name)),
        ("surname", short(&asserted.family_name)),
    ];
    Ok(members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect())
}

/// As Entra names guests: `ada_hospital.example`. What a principal name cannot hold becomes `_`.
fn local_of(email: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || ".-_+".contains(c) { c } else { '_' };
    let mut local: String = email.chars().map(letter).take(LOCAL_CHARS_MAX - EXTERNAL.len()).collect();
    while local.contains("..") {
        local = local.replace("..", "._");
    }
    local.trim_matches('.').to_owned()
}

/// A name that only this identity has.
fn unique_local(settings: &ProviderSettings, asserted: &Asserted) -> String {
    let hash = base64url_encode(sha256(format!("{}\n{}", asserted.issuer, asserted.subject).as_bytes()));
    let id: String = settings.id.chars().take(24).collect();
    format!("{id}_{}", hash.chars().take(22).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_guests_fit() {
        assert_eq!(local_of("ada@hospital.example"), "ada_hospital.example");
        assert_eq!(local_of(".o'hara..x&y@hospital.example"), "o_hara._x_y_hospital.example");
        let long = local_of(&format!("{}@hospital.example", "x".repeat(200)));
        assert_eq!(long.len() + EXTERNAL.len(), LOCAL_CHARS_MAX);
    }
}
