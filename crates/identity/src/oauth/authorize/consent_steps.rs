//! The steps that a client's request takes beyond the person: consent, and the answer.

use axum::response::Response;
use hilum_audit::Outcome;
use hilum_pages::Leads;
use http::StatusCode;

use super::{
    admin_consent::{self, AdminConsented},
    checks::{Kind, Request},
    consenting::{Consented, ForWhom},
    goal::Goal,
    page::{AdminConsentPage, ConsentPage},
    steps::{Flow, Page, Steps},
};
use crate::{
    oauth::{
        browser::Live,
        consent::{self, Shown},
        delegation::Delegation,
        error::OAuthError,
        failure::failed,
        form::Form,
        scopes::Endpoint,
    },
    sign_in::Moment,
};

impl Steps<'_> {
    /// The person is known: consent, and the answer to the client.
    pub(super) async fn answer(&self, request: &Request, flow: Flow, live: &Live) -> Response {
        let prompt = &request.prompt;
        if request.kind == Kind::AdminConsent {
            return self.admin_consent_page(request, &flow, live).await;
        }
        let identity = self.visit.identity;
        let found = match Box::pin(identity.standing(request, &live.user)).await {
            Ok(found) => found,
            Err(error) => return self.refused_person(request, &error),
        };
        let resource = [found.resource.app_id];
        if let Some(page) = self.step_up(Some(request), &flow, (live, &resource, Moment::Later)).await {
            return page;
        }
        if found.is_to_be_asked() && prompt.none {
            let (id, name) = (request.app_id().to_string(), request.name().to_owned());
            return self.back_with(&request.back, &OAuthError::ConsentRequired(id, name));
        }
        if found.is_to_be_asked() || (prompt.consent && !flow.consented) {
            return self.consent_page(request, &flow, (live, &found)).await;
        }
        match Box::pin(identity.answer_authorization(request, live, &self.caller)).await {
            Ok(fields) => self.answered(&request.back, fields),
            Err(error) => self.refused_person(request, &error),
        }
    }

    /// What the person said to the consent page.
    pub(super) async fn consent(
        &self,
        (goal, request): (&Goal, &Request),
        mut flow: Flow,
        form: &Form<'_>,
    ) -> Response {
        let Some(live) = &self.live else { return failed(&self.visit, &OAuthError::FlowExpired) };
        match form.get("decision") {
            Some("accept") => {}
            Some("refuse") => {
                let identity = self.visit.identity;
                let noted = identity.note_answer(request, &live.user, &self.caller, Outcome::Refused).await;
                return match noted {
                    Ok(()) => self.back_with(&request.back, &OAuthError::ConsentDeclined),
                    Err(error) => failed(&self.visit, &error),
                };
            }
            _ => return failed(&self.visit, &OAuthError::BadParameter("decision")),
        }
        // What nobody is asked any more grants nothing: `max_age` may have passed.
        let (Page::Consent(shown), Some(live)) = (&flow.page, self.wanted(goal, &flow)) else {
            return self.proceed(goal, flow).await;
        };
        if request.kind == Kind::AdminConsent {
            return self.admin_consent(request, &flow, (live, shown)).await;
        }
        let for_whom = if form.get("everybody") == Some("1") { ForWhom::Everybody } else { ForWhom::Oneself };
        match self.visit.identity.consent_to(request, live, (for_whom, shown), &self.caller).await {
            Ok(Consented::Yes) => {
                flow.consented = true;
                self.proceed(goal, flow).await
            }
            Ok(Consented::Changed) => self.proceed(goal, flow).await,
            Ok(Consented::AdminNeeded) => failed(&self.visit, &OAuthError::AdminConsentRequired),
            Err(error) => self.refused_person(request, &error),
        }
    }

    /// Sheet §2.12: the answer of the admin consent endpoints.
    async fn admin_consent(
        &self,
        request: &Request,
        flow: &Flow,
        (live, shown): (&Live, &Shown),
    ) -> Response {
        match Box::pin(self.visit.identity.grant_for_all(request, live, shown, &self.caller)).await {
            Ok(AdminConsented::Changed) => self.admin_consent_page(request, flow, live).await,
            Ok(AdminConsented::Yes(scope)) => {
                let scope = (request.endpoint == Endpoint::V2).then_some(("scope", scope));
                self.answered(&request.back, scope.into_iter().collect())
            }
            Err(error) => failed(&self.visit, &error),
        }
    }

    async fn admin_consent_page(&self, request: &Request, flow: &Flow, live: &Live) -> Response {
        match self.visit.identity.admin_question(request, live).await {
            Ok(resources) => {
                let page = (flow, Page::Consent(admin_consent::shown(&resources)), None);
                self.page((StatusCode::OK, Leads::ToClient), page, |frame| AdminConsentPage {
                    frame,
                    application: request.name(),
                    app_id: request.app_id().to_string(),
                    leads_to: &request.back.redirect_uri,
                    user_name: &live.user.user_principal_name,
                    resources,
                })
            }
            Err(error) => failed(&self.visit, &error),
        }
    }

    async fn consent_page(
        &self,
        request: &Request,
        flow: &Flow,
        (live, found): (&Live, &Delegation),
    ) -> Response {
        let identity = self.visit.identity;
        let asked = async {
            let tenant = identity.tenant().await?;
            let mut tx = identity.0.db.read().await?;
            let question = consent::question(&mut tx, tenant, &live.user, found).await?;
            let all = (!found.wanted.is_empty() || !found.words.is_empty())
                && consent::may_grant_for_all(&mut tx, tenant, &live.user, found).await?;
            Ok::<_, OAuthError>((question, all))
        };
        let (question, for_everybody) = match asked.await {
            Ok(asked) => asked,
            Err(error) => return failed(&self.visit, &error),
        };
        let links = &request.application.properties.info;
        let https = |link: &'_ Option<String>| link.clone().filter(|link| link.starts_with("https://"));
        let page = (flow, Page::Consent(question.shown.clone()), None);
        self.page((StatusCode::OK, Leads::ToClient), page, |frame| ConsentPage {
            frame,
            application: request.name(),
            app_id: request.app_id().to_string(),
            leads_to: &request.back.redirect_uri,
            user_name: &live.user.user_principal_name,
            question,
            for_everybody,
            privacy_url: https(&links.privacy_statement_url),
            terms_url: https(&links.terms_of_service_url),
        })
    }
}
