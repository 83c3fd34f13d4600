//! The answer to an authorization request: a code, tokens, or both (RFC 6749 §4.1.2, OIDC Core §3.2.2.5, §3.3.2.5).

use futures::FutureExt as _;
use hilum_audit::{Action, Event, Outcome};

use super::{checks::Request, code::Grant};
use crate::{
    Identity, User, browser_sessions,
    oauth::{
        browser::Live,
        client_authentication::AuthenticatedClient,
        delegation::{self, ClientIds, Delegation},
        error::OAuthError,
        token::{Caller, ForUser, Granted, Step, issued_event},
        tokens::{IdExtras, half_hash},
    },
    sign_in::{Origin, actor_of},
};

/// An answer's fields.
pub(super) type Fields = Vec<(&'static str, String)>;

impl Identity {
    /// Whether the person may use the client, and what of what it asks for was granted.
    pub(super) async fn standing(&self, request: &Request, user: &User) -> Result<Delegation, OAuthError> {
        let tenant = self.tenant().await?;
        let mut tx = self.0.db.snapshot().await?;
        let client = delegation::resource(&mut tx, tenant.id, &request.app_id().to_string()).await?;
        // Refuses users who have to be assigned and are not, before anything is asked.
        delegation::rights(&mut tx, tenant.id, user, &client).await?;
        let ids = ClientIds { app_id: request.app_id(), principal: request.principal };
        let found = delegation::find_to_ask(&mut tx, tenant.id, ids, user, &request.asked).await?;
        delegation::rights(&mut tx, tenant.id, user, &found.resource).await?;
        if found.is_empty {
            let name = request.name().to_owned();
            return Err(OAuthError::ConsentRequired(request.app_id().to_string(), name));
        }
        Ok(found)
    }

    /// Makes the answer for a person who is known and has consented.
    pub(super) async fn answer_authorization(
        &self,
        request: &Request,
        live: &Live,
        caller: &Caller,
    ) -> Result<Fields, OAuthError> {
        let mut fields = Fields::new();
        let code = if request.response_type.code { Some(self.new_code(request, live)?) } else { None };
        if request.response_type.is_implicit() {
            Box::pin(self.add_tokens(&mut fields, request, live, (caller, code.as_deref()))).await?;
        }
        fields.extend(code.map(|code| ("code", code)));
        if request.client_info {
            let tenant = self.tenant().await?;
            let info = serde_json::json!({ "uid": live.user.id.to_string(), "utid": tenant.id.to_string() });
            fields.push(("client_info", hilum_jose::base64url_encode(info.to_string())));
        }
        fields.push(("session_state", live.session.sid.to_string()));
        self.note_use(request, live).await?;
        self.note_answer(request, &live.user, caller, Outcome::Success).await?;
        Ok(fields)
    }

    fn new_code(&self, request: &Request, live: &Live) -> Result<String, OAuthError> {
        self.seal_code(Grant {
            client: request.app_id(),
            user: live.user.id,
            redirect_uri: request.back.redirect_uri.clone(),
            redirect_uri_named: request.redirect_uri_named,
            platform: request.platform,
            scope: request.asked.text(),
            nonce: request.nonce.clone(),
            challenge: request.challenge.clone(),
            authenticated_at_ms: live.session.authenticated_at_ms,
            amr: live.session.amr,
            bound_to: request.bound_to.clone(),
            idp: live.session.idp.clone(),
            auth_time: request.prompt.auth_time,
            sid: live.session.sid,
        })
    }

    /// Tokens that the browser itself carries to the client.
    async fn add_tokens(
        &self,
        fields: &mut Fields,
        request: &Request,
        live: &Live,
        (caller, code): (&Caller, Option<&str>),
    ) -> Result<(), OAuthError> {
        let tenant = self.tenant().await?;
        let for_user = ForUser {
            client: AuthenticatedClient::by_redirect_uri(request.app_id(), request.principal),
            user: live.user.clone(),
            asked: request.asked.clone(),
            authorised: request.asked.oidc,
            authenticated_at_ms: live.session.authenticated_at_ms,
            amr: live.session.amr,
            step: Step::Begin,
            client_info: false,
            platform: Some(request.platform),
            session_ends_at_ms: None,
            extras: IdExtras {
                nonce: request.nonce.clone(),
                c_hash: code.map(half_hash),
                at_hash: None,
                sid: Some(live.session.sid),
                idp: live.session.idp.clone(),
                auth_time: request.prompt.auth_time,
            },
        };
        let granted = self.decide_for_user(tenant, request.endpoint, &for_user, caller).await?;
        let Granted { mut token, mut id_token, scope, .. } = granted;
        token.rights.groups = std::mem::take(&mut token.rights.groups).in_url();
        if let Some(id_token) = &mut id_token {
            id_token.rights.groups = std::mem::take(&mut id_token.rights.groups).in_url();
        }
        let mut at_hash = None;
        if request.response_type.token {
            let (times, event) = (token.times, issued_event(&token, caller));
            let signed = self.sign_for_user(tenant, token).await?;
            self.note(event).await?;
            at_hash = Some(half_hash(&signed));
            fields.push(("access_token", signed));
            fields.push(("token_type", "Bearer".to_owned()));
            fields.push(("expires_in", times.expires_in.to_string()));
            fields.push(("scope", scope));
        }
        if let Some(mut id_token) = id_token.filter(|_| request.response_type.id_token) {
            id_token.extras.at_hash = at_hash;
            fields.push(("id_token", self.sign_id_token(tenant, id_token).await?));
        }
        Ok(())
    }

    /// Keeps the session awake, and remembers that the client knows of it.
    async fn note_use(&self, request: &Request, live: &Live) -> Result<(), OAuthError> {
        let now_ms = self.0.clock.now_ms();
        let known = browser_sessions::clients_of(&mut self.0.db.read().await?, &live.session.hash).await?;
        if known.contains(&request.app_id()) && !live.session.is_to_be_touched(now_ms) {
            return Ok(());
        }
        let input = (live.session.clone(), request.app_id(), now_ms);
        let noted = self.0.db.write(input, |tx, (session, client, now_ms)| {
            browser_sessions::used(tx, session, *client, *now_ms).boxed()
        });
        Ok(noted.await?)
    }

    /// Writes into the trail what became of the request.
    pub(super) async fn note_answer(
        &self,
        request: &Request,
        user: &User,
        caller: &Caller,
        outcome: Outcome,
    ) -> Result<(), OAuthError> {
        let origin =
            Origin { address: caller.address, correlation: caller.correlation, app_id: request.app_id() };
        let event = Event {
            target: Some(request.app_id().to_string()),
            detail: Some(format!("to {}", request.back.redirect_uri)),
            ..Event::new(Action::AuthorizationAnswered, outcome, actor_of(user, origin))
                .of_request(caller.address, caller.correlation)
        };
        Ok(self.note(event).await?)
    }
}
