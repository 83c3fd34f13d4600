//! *My account*: what the person who is signed in may see and change for himself. Applications that act in his name, the
//! browsers he is signed in with, sessions that applications keep, and how he signs in. Every operation is bound to the user that the
//! browser's session names: what a form says picks among that user's own things and nobody else's.

mod http;
mod page;
pub(crate) mod security_info;

#[cfg(test)]
mod tests;

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome, record};
use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};
use uuid::Uuid;

use super::{
    browser::Live,
    consent::{self, Permission},
    error::OAuthError,
};
use crate::{
    ConsentKind, Identity, PermissionGrant, User, applications, browser_sessions, grants, service_principals,
    sessions,
    sign_in::{Origin, actor_of},
};

pub(crate) use http::{
    APPLICATIONS, SESSIONS, applications_get, applications_post, index, sessions_get, sessions_post,
};
pub(super) use security_info::PROVEN_S;
pub(crate) use security_info::SECURITY_INFO;

/// Entra's *My Profile*: what people sign in to here, for the trail.
pub(crate) const MY_ACCOUNT_APP_ID: AppId = AppId::new(uuid::uuid!("8c59ead7-d703-4a27-9e55-c96a0054c8d2"));

/// More applications of one person are not shown.
const APPLICATIONS_MAX: usize = 100;

/// An application that acts in a person's name.
#[derive(Debug)]
struct Used {
    app_id: AppId,
    name: String,
    /// What it may do, on which resource.
    granted: Vec<Granted>,
    /// Its live sessions: how many, since when, last used when.
    sessions: Option<sessions::OfApplication>,
}

/// What was granted on one resource.
#[derive(Debug)]
struct Granted {
    resource: String,
    permissions: Vec<Permission>,
    /// Words that the resource does not define any more.
    others: Vec<String>,
    by: GrantedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantedBy {
    /// The person, then; of old grants the time is not known.
    Oneself {
        at_ms: Option<i64>,
    },
    Administrator,
}

impl Used {
    /// Whether there is something here that the person can end.
    fn is_own(&self) -> bool {
        self.sessions.is_some() || self.granted.iter().any(|granted| granted.by != GrantedBy::Administrator)
    }
}

impl Identity {
    /// The applications that act in the user's name: those he said yes to, and those with a live session.
    async fn used_applications(&self, user: &User) -> Result<Vec<Used>, OAuthError> {
        let tenant = self.tenant().await?.id;
        let mut tx = self.0.db.snapshot().await?;
        let own = grants::of_user(&mut tx, ObjectId::new(user.id.uuid())).await?;
        let live = sessions::of_user(&mut tx, tenant, user, self.0.clock.now_ms()).await?;
        let mut clients: Vec<AppId> = live.iter().map(|session| session.app_id).collect();
        for grant in own {
            let principal = service_principals::by_id(&mut tx, tenant, grant.client_id).await?;
            clients.extend(principal.map(|principal| principal.app_id));
        }
        clients.sort_unstable_by_key(ToString::to_string);
        clients.dedup();
        let mut found = Vec::new();
        for client in clients.into_iter().take(APPLICATIONS_MAX) {
            let session = live.iter().find(|session| session.app_id == client).copied();
            found.extend(used_application(&mut tx, tenant, user, (client, session)).await?);
        }
        found.sort_by_key(|application| application.name.to_lowercase());
        Ok(found)
    }

    /// Takes back what the user granted to an application, and ends what it keeps: its refresh tokens. Codes and device
    /// flows under way find no consent any more. What an administrator granted stays.
    async fn take_back(&self, user: &User, client: AppId, origin: Origin) -> Result<(), OAuthError> {
        let input = (self.tenant().await?.id, user.clone(), client, origin, self.0.clock.now_ms());
        let work = self.0.db.write(input, |tx, (tenant, user, client, origin, at_ms)| {
            async move {
                let principal = service_principals::by_app_id(tx, *tenant, *client).await?;
                if let Some(principal) = principal {
                    let own = Some(ObjectId::new(user.id.uuid()));
                    let grants = grants::for_user(tx, principal.id, ObjectId::new(user.id.uuid())).await?;
                    for grant in grants.into_iter().filter(|grant| grant.principal_id == own) {
                        grants::delete_grant(tx, *tenant, &grant.id).await?;
                        let detail = format!("{} of {}", grant.scope, grant.resource_id);
                        let event = own_event(Action::ConsentRevoked, user, *origin);
                        let target = Some(principal.id.to_string());
                        record(tx, *at_ms, &Event { target, detail: Some(detail), ..event }).await?;
                    }
                }
                end_application(tx, (user, *client), *origin, *at_ms).await
            }
            .boxed()
        });
        work.await
    }

    /// Ends the sessions that an application keeps for the user.
    async fn end_application(&self, user: &User, client: AppId, origin: Origin) -> Result<(), OAuthError> {
        let input = (user.clone(), client, origin, self.0.clock.now_ms());
        let work = self.0.db.write(input, |tx, (user, client, origin, at_ms)| {
            end_application(tx, (user, *client), *origin, *at_ms).boxed()
        });
        work.await
    }

    /// Ends browser sessions of the user: the one of that name, or all but the present one.
    async fn end_browsers(&self, live: &Live, one: Option<Uuid>, origin: Origin) -> Result<(), OAuthError> {
        let tenant = self.tenant().await?.id;
        let input = (tenant, live.clone(), one, origin, self.0.clock.now_ms());
        let work = self.0.db.write(input, |tx, (tenant, live, one, origin, at_ms)| {
            async move {
                for session in browser_sessions::of_user(tx, *tenant, live.user.id, *at_ms).await? {
                    let meant = one.map_or(session.sid != live.session.sid, |sid| session.sid == sid);
                    if !meant {
                        continue;
                    }
                    browser_sessions::end(tx, &session.hash).await?;
                    let event = own_event(Action::SessionRevoked, &live.user, *origin);
                    let detail = Some(format!("browser session {}", session.sid));
                    record(tx, *at_ms, &Event { detail, ..event }).await?;
                }
                Ok::<_, OAuthError>(())
            }
            .boxed()
        });
        work.await
    }
}

async fn used_application(
    tx: &mut ReadTx,
    tenant: TenantId,
    user: &User,
    (app_id, sessions): (AppId, Option<sessions::OfApplication>),
) -> Result<Option<Used>, OAuthError> {
    let Some(application) = applications::by_app_id(tx, tenant, app_id).await? else { return Ok(None) };
    let principal = service_principals::by_app_id(tx, tenant, app_id).await?;
    let Some(principal) = principal else { return Ok(None) };
    let mut granted = Vec::new();
    for grant in grants::for_user(tx, principal.id, ObjectId::new(user.id.uuid())).await? {
        granted.extend(in_words(tx, tenant, &grant).await?);
    }
    Ok(Some(Used { app_id, name: application.properties.display_name, granted, sessions }))
}

async fn in_words(
    tx: &mut ReadTx,
    tenant: TenantId,
    grant: &PermissionGrant,
) -> Result<Option<Granted>, OAuthError> {
    let Some(principal) = service_principals::by_id(tx, tenant, grant.resource_id).await? else {
        return Ok(None);
    };
    let application = applications::by_app_id(tx, tenant, principal.app_id).await?;
    let properties = application.map(|application| application.properties).unwrap_or_default();
    let mut granted = Granted {
        resource: properties.display_name.clone(),
        permissions: Vec::new(),
        others: Vec::new(),
        by: match grant.consent {
            ConsentKind::AllPrincipals => GrantedBy::Administrator,
            ConsentKind::Principal => {
                GrantedBy::Oneself { at_ms: grants::granted_at_ms(tx, &grant.id).await? }
            }
        },
    };
    for word in grant.scope.split_whitespace() {
        let mut scopes = properties.api.oauth2_permission_scopes.iter();
        let same = |value: &String| value.eq_ignore_ascii_case(word);
        match scopes.find(|scope| scope.value.as_ref().is_some_and(same)) {
            Some(scope) => granted.permissions.push(consent::permission(scope, false)),
            None => granted.others.push(word.to_owned()),
        }
    }
    Ok(Some(granted))
}

async fn end_application(
    tx: &mut WriteTx,
    (user, client): (&User, AppId),
    origin: Origin,
    at_ms: i64,
) -> Result<(), OAuthError> {
    let ended = sessions::revoke_of_application(tx, user.id, client, at_ms).await?;
    if ended > 0 {
        let detail = Some(format!("{ended} sessions of {client}"));
        let event = own_event(Action::SessionRevoked, user, origin);
        record(tx, at_ms, &Event { detail, ..event }).await?;
    }
    Ok(())
}

/// Something that a user did to what is his.
fn own_event(action: Action, user: &User, origin: Origin) -> Event {
    Event {
        target: Some(user.id.to_string()),
        ..Event::new(action, Outcome::Success, actor_of(user, origin))
            .of_request(origin.address, origin.correlation)
    }
}
