//! The person's part of the flow: which device asks, what the person is asked to confirm, and what the answer does.

use std::net::IpAddr;

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome, record};
use hilum_kernel::{AppId, ObjectId, UserId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::{Authenticated, CodeHash, Flow, State, normal_user_code, sql};
use crate::{
    Application, Identity, Tenant, User, applications,
    authentication_methods::Amr,
    oauth::{
        consent::{self, Question, Shown},
        delegation::{self, ClientIds, Delegation},
        error::OAuthError,
        scopes::{Asked, Endpoint},
        token,
    },
    sign_in::{Origin, actor_of},
    users,
};

/// A flow that waits for a person.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The code as it is shown.
    pub(super) user_code: String,
    pub(super) hash: CodeHash,
    pub(super) flow: Flow,
    pub(super) application: Application,
}

/// What the person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Accept,
    Refuse,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    Accepted,
    Refused,
    /// The permissions are no longer those that the page showed; nothing was decided.
    Changed,
    /// Somebody decided before, or the code has expired.
    TooLate,
    AdminNeeded,
}

/// Who signed in, when, and what the page showed.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) authenticated_at_ms: i64,
    pub(super) amr: Amr,
    pub(super) idp: Option<String>,
    pub(super) shown: Shown,
}

struct Input {
    tenant: hilum_kernel::TenantId,
    code: CodeHash,
    user: UserId,
    authenticated_at_ms: i64,
    amr: Amr,
    idp: Option<String>,
    shown: Shown,
    answer: Answer,
    origin: Origin,
    grant_ids: [String; 2],
    at_ms: i64,
}

impl Identity {
    /// The flow with the code that a person typed. Wrong codes are slowed down per address (RFC 8628 §5.1).
    pub(super) async fn waiting_device(
        &self,
        typed: &str,
        address: Option<IpAddr>,
    ) -> Result<Waiting, OAuthError> {
        let now_ms = self.0.clock.now_ms();
        if let Some(retry_after_s) = self.0.device_guesses.wait_s(&address, now_ms) {
            return Err(OAuthError::TooManyAttempts { retry_after_s });
        }
        let found = self.known_device(typed).await;
        if matches!(found, Err(OAuthError::DeviceCodeUnknown)) {
            self.0.device_guesses.failed(address, now_ms);
        }
        found
    }

    /// The flow with a code that was typed before: no guess.
    pub(super) async fn known_device(&self, user_code: &str) -> Result<Waiting, OAuthError> {
        let (tenant, now_ms) = (self.tenant().await?.id, self.0.clock.now_ms());
        let user_code = normal_user_code(user_code).ok_or(OAuthError::DeviceCodeUnknown)?;
        let hash = self.user_code_hash(&user_code);
        let mut tx = self.0.db.read().await?;
        let flow = sql::by_user_code(&mut tx, tenant, hash).await?;
        let flow = flow.filter(|flow| flow.state == State::Pending && flow.expires_at_ms > now_ms);
        let flow = flow.ok_or(OAuthError::DeviceCodeUnknown)?;
        let application = applications::by_app_id(&mut tx, tenant, flow.app_id).await?;
        let application = application.ok_or(OAuthError::DeviceCodeUnknown)?;
        Ok(Waiting { user_code, hash, flow, application })
    }

    /// The application that a device with this code signs in to, and the resource it wants to use.
    pub(crate) async fn device_application(
        &self,
        user_code: &str,
    ) -> Result<(Application, AppId), OAuthError> {
        let Waiting { flow, application, .. } = self.known_device(user_code).await?;
        let asked = Asked::parse(Endpoint::V2, Some(&flow.scope), None)?;
        let tenant = self.tenant().await?.id;
        let resource = delegation::resource(&mut self.0.db.read().await?, tenant, &asked.resource).await?;
        Ok((application, resource.app_id))
    }

    /// What the person is asked to confirm.
    pub(super) async fn device_question(
        &self,
        flow: &Flow,
        user: UserId,
    ) -> Result<(User, Question), OAuthError> {
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.read().await?;
        let user = users::lookup(&mut tx, tenant.id, &user.to_string()).await?;
        let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
        let (_, found) = examine(&mut tx, tenant.id, flow, &user).await?;
        let question = consent::question(&mut tx, tenant, &user, &found).await?;
        Ok((user, question))
    }

    /// Writes the person's answer down, with the consent that it means.
    pub(super) async fn decide_device(
        &self,
        waiting: &Waiting,
        Person { user, authenticated_at_ms, amr, idp, shown }: &Person,
        answer: Answer,
        origin: Origin,
    ) -> Result<Decided, OAuthError> {
        let tenant = self.tenant().await?.clone();
        let input = Input {
            tenant: tenant.id,
            code: waiting.hash,
            user: *user,
            authenticated_at_ms: *authenticated_at_ms,
            amr: *amr,
            idp: idp.clone(),
            shown: shown.clone(),
            answer,
            origin,
            grant_ids: [self.random_text::<32>(), self.random_text::<32>()],
            at_ms: self.0.clock.now_ms(),
        };
        self.0.db.write((tenant, input), |tx, (tenant, input)| decide(tx, tenant, input).boxed()).await
    }
}

async fn decide(tx: &mut WriteTx, tenant: &Tenant, input: &Input) -> Result<Decided, OAuthError> {
    let Some(flow) = sql::by_user_code(tx, input.tenant, input.code).await? else {
        return Ok(Decided::TooLate);
    };
    let user = users::lookup(tx, input.tenant, &input.user.to_string()).await?;
    let user = user.filter(|user| user.account_enabled).ok_or(OAuthError::UserDisabled)?;
    token::ensure_session(&user, input.authenticated_at_ms)?;
    let mut granted = None;
    if input.answer == Answer::Accept {
        let (client, found) = examine(tx, input.tenant, &flow, &user).await?;
        if Shown::of_delegation(&found) != input.shown {
            return Ok(Decided::Changed);
        }
        if consent::admin_needed(tx, tenant, &user, &found).await? {
            return Ok(Decided::AdminNeeded);
        }
        if found.is_to_be_asked() {
            granted = Some((client, found));
        }
    }
    let approved = (input.answer == Answer::Accept).then_some(Authenticated {
        user: input.user,
        at_ms: input.authenticated_at_ms,
        amr: input.amr,
        idp: input.idp.clone(),
    });
    if !sql::decide(tx, input.code, approved.as_ref(), input.at_ms).await? {
        return Ok(Decided::TooLate);
    }
    let actor = actor_of(&user, input.origin);
    let event = |action, outcome, target: String, detail: String| Event {
        target: Some(target),
        detail: Some(detail),
        ..Event::new(action, outcome, actor.clone())
            .of_request(input.origin.address, input.origin.correlation)
    };
    if let Some((client, found)) = granted {
        let place = (client.principal, Some(ObjectId::new(user.id.uuid())));
        for detail in consent::keep(tx, input.tenant, place, &found, (&input.grant_ids, input.at_ms)).await? {
            let target = client.principal.to_string();
            record(tx, input.at_ms, &event(Action::ConsentGranted, Outcome::Success, target, detail)).await?;
        }
    }
    let (outcome, decided) = match input.answer {
        Answer::Accept => (Outcome::Success, Decided::Accepted),
        Answer::Refuse => (Outcome::Refused, Decided::Refused),
    };
    let detail = format!("device at {}", flow.source.as_deref().unwrap_or("an unknown address"));
    record(tx, input.at_ms, &event(Action::DeviceDecided, outcome, flow.app_id.to_string(), detail)).await?;
    Ok(decided)
}

/// The client, and what the user would let it do.
async fn examine(
    tx: &mut ReadTx,
    tenant: hilum_kernel::TenantId,
    flow: &Flow,
    user: &User,
) -> Result<(ClientIds, Delegation), OAuthError> {
    let asked = Asked::parse(Endpoint::V2, Some(&flow.scope), None)?;
    let client = delegation::resource(tx, tenant, &flow.app_id.to_string()).await?;
    // Assignment is checked before anything is asked.
    delegation::rights(tx, tenant, user, &client).await?;
    let ids = ClientIds { app_id: flow.app_id, principal: client.principal };
    let found = delegation::find_to_ask(tx, tenant, ids, user, &asked).await?;
    delegation::rights(tx, tenant, user, &found.resource).await?;
    if found.is_empty {
        let name = client.properties.display_name;
        return Err(OAuthError::ConsentRequired(flow.app_id.to_string(), name));
    }
    Ok((ids, found))
}
