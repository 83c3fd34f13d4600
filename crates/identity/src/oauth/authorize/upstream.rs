//! Leaving for a provider elsewhere and coming back: the steps of a person who signs in there.
//!
//! What belongs to the sign-in waits here under `state`, sealed and bound to the browser. An answer in another browser, a second
//! answer, and an answer at another provider's address find nothing (RFC 9700 §4.4, §4.7). Whatever goes wrong ends on our own
//! sign-in page: who has a password here gets on.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{
    goal::Goal,
    response::see_other,
    steps::{Flow, Steps},
};
use crate::{
    Identity,
    oauth::{browser::Visit, error::OAuthError, failure::failed, form::Form, pages::refused_elsewhere},
    upstream::{Fresh, Incoming, Outgoing, Parked, Sent, StateHash, UpstreamError},
};

const PURPOSE: &str = "sign-in elsewhere";

/// What waits for the browser to come back.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    sent: Sent,
    pub(super) flow: Flow,
}

impl Pending {
    /// What waits for this answer, of this provider, in this browser. It is taken away: the next one finds nothing.
    pub(super) async fn take(visit: &Visit<'_>, provider: &str, form: &Form<'_>) -> Result<Self, OAuthError> {
        let identity = visit.identity;
        let state = StateHash::of(form.get("state").unwrap_or_default());
        let sealed = identity.parked(&state).await?.ok_or(OAuthError::FlowExpired)?;
        let pending: Self = identity.unseal(PURPOSE, &sealed).ok_or(OAuthError::FlowForeign)?;
        if !pending.flow.is_of(visit) || pending.sent.provider != provider {
            return Err(OAuthError::FlowForeign);
        }
        if !identity.unpark(&state).await? {
            return Err(OAuthError::FlowExpired);
        }
        Ok(pending)
    }
}

impl Identity {
    /// The provider that a client's hint means: by its ID, or by a domain that it may vouch for.
    pub(super) fn hinted_provider(&self, hint: &str) -> Option<&str> {
        let mut providers = self.0.providers.iter();
        let found = providers.find(|provider| provider.id() == hint || provider.is_for_domain(hint));
        found.map(|provider| provider.id())
    }
}

impl Steps<'_> {
    /// Sends the person to a provider.
    pub(super) async fn leave(&self, goal: &Goal, flow: Flow, provider: &str) -> Response {
        match self.way_out(goal, &flow, provider).await {
            Ok(location) => self.visit.with_cookies(see_other(&location)),
            Err(error) => self.stay(goal, &flow, &error),
        }
    }

    async fn way_out(&self, goal: &Goal, flow: &Flow, id: &str) -> Result<String, UpstreamError> {
        let identity = self.visit.identity;
        let provider = identity.provider(id)?;
        let state = identity.random_text::<32>();
        let prompt = goal.prompt();
        let fresh = match prompt.max_age_s {
            _ if prompt.login => Fresh::Now,
            Some(0) => Fresh::Now,
            Some(seconds) => Fresh::WithinS(seconds),
            None => Fresh::Any,
        };
        // A page of our own wants to be told as whom: our own question, not the provider's.
        let choose = prompt.select_account && matches!(goal, Goal::Client(_));
        let outgoing = Outgoing { fresh, choose, login_hint: prompt.login_hint.as_deref() };
        let (location, sent) = identity.authentication_request(provider, &state, outgoing).await?;
        let sealed = identity.seal(PURPOSE, &Pending { sent, flow: flow.clone() });
        let sealed = sealed.map_err(|_| UpstreamError::Unavailable(crate::IdentityError::Interrupted))?;
        let parked = Parked { state: StateHash::of(&state), sealed, address: self.caller.address };
        identity.park(id, parked).await?;
        Ok(location)
    }

    /// The person comes back.
    pub(super) async fn come_back(mut self, pending: Pending, form: &Form<'_>) -> Response {
        let Pending { sent, flow } = pending;
        let identity = self.visit.identity;
        // Anew: the registration may have changed meanwhile.
        let goal = match identity.check_target(&flow.target).await {
            Ok(goal) => goal,
            Err(refusal) => return self.turned_away(refusal),
        };
        let (code, error, issuer) = (form.get("code"), form.get("error"), form.get("iss"));
        let origin = self.origin(&goal);
        let vouched = async {
            let provider = identity.provider(&sent.provider)?;
            let incoming = Incoming { code, error, issuer };
            match identity.redeem_upstream(provider, &sent, incoming).await {
                // It notes its end in the trail itself.
                Ok(asserted) => identity.sign_in_vouched(provider, asserted, origin).await,
                Err(error) => {
                    identity.note_not_vouched(provider.id(), &error, origin).await?;
                    Err(error)
                }
            }
        };
        match Box::pin(vouched).await {
            Ok(signed_in) => self.first_factor(&goal, flow, &signed_in).await,
            Err(UpstreamError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => self.stay(&goal, &flow, &error),
        }
    }

    /// Our own page, with what went wrong.
    fn stay(&self, goal: &Goal, flow: &Flow, error: &UpstreamError) -> Response {
        let (status, text) = refused_elsewhere(self.visit.texts, error);
        self.sign_in_page(status, goal, flow, (Some(text), ""))
    }
}
