//! The person's answer to a client's request for permissions (sheet §2.12), written down in one transaction.

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome, record};
use hilum_kernel::ObjectId;
use hilum_storage::db::WriteTx;

use super::checks::Request;
use crate::{
    Identity, Tenant,
    oauth::{
        browser::Live,
        consent::{self, Shown},
        delegation::{self, ClientIds},
        error::OAuthError,
        scopes::Asked,
        token::{Caller, ensure_session},
    },
    sign_in::{Origin, actor_of},
    users,
};

/// For whom somebody consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForWhom {
    Oneself,
    /// The whole organisation.
    Everybody,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consented {
    Yes,
    /// The permissions are no longer those that the page showed; nothing was granted.
    Changed,
    /// The person may not grant it.
    AdminNeeded,
}

struct Input {
    client: ClientIds,
    user: hilum_kernel::UserId,
    authenticated_at_ms: i64,
    asked: Asked,
    for_whom: ForWhom,
    shown: Shown,
    grant_ids: [String; 2],
    origin: Origin,
    at_ms: i64,
}

impl Identity {
    /// Grants what is missing, if it is what the page showed.
    pub(super) async fn consent_to(
        &self,
        request: &Request,
        live: &Live,
        (for_whom, shown): (ForWhom, &Shown),
        caller: &Caller,
    ) -> Result<Consented, OAuthError> {
        let input = Input {
            client: ClientIds { app_id: request.app_id(), principal: request.principal },
            user: live.user.id,
            authenticated_at_ms: live.session.authenticated_at_ms,
            asked: request.asked.clone(),
            for_whom,
            shown: shown.clone(),
            grant_ids: [self.random_text::<32>(), self.random_text::<32>()],
            origin: Origin {
                address: caller.address,
                correlation: caller.correlation,
                app_id: request.app_id(),
            },
            at_ms: self.0.clock.now_ms(),
        };
        let tenant = self.tenant().await?.clone();
        self.0.db.write((tenant, input), |tx, (tenant, input)| write(tx, tenant, input).boxed()).await
    }
}

async fn write(tx: &mut WriteTx, tenant: &Tenant, input: &Input) -> Result<Consented, OAuthError> {
    let user = users::lookup(tx, tenant.id, &input.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    ensure_session(&user, input.authenticated_at_ms)?;
    let found = delegation::find_to_ask(tx, tenant.id, input.client, &user, &input.asked).await?;
    if Shown::of_delegation(&found) != input.shown {
        return Ok(Consented::Changed);
    }
    let refused = match input.for_whom {
        ForWhom::Oneself => consent::admin_needed(tx, tenant, &user, &found).await?,
        ForWhom::Everybody => !consent::may_grant_for_all(tx, tenant, &user, &found).await?,
    };
    if refused {
        return Ok(Consented::AdminNeeded);
    }
    let principal = (input.for_whom == ForWhom::Oneself).then(|| ObjectId::new(user.id.uuid()));
    let place = (input.client.principal, principal);
    for detail in consent::keep(tx, tenant.id, place, &found, (&input.grant_ids, input.at_ms)).await? {
        let event = Event {
            target: Some(input.client.principal.to_string()),
            detail: Some(detail),
            ..Event::new(Action::ConsentGranted, Outcome::Success, actor_of(&user, input.origin))
                .of_request(input.origin.address, input.origin.correlation)
        };
        record(tx, input.at_ms, &event).await?;
    }
    Ok(Consented::Yes)
}
