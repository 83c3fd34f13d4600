//! The steps between password and answer where one factor is not enough: show a second one, or register the first.

use axum::response::Response;
use hilum_kernel::{AppId, Secret};
use hilum_pages::{Leads, Policy};
use http::StatusCode;

use super::{
    checks::Request,
    goal::Goal,
    page::FactorPage,
    steps::{Flow, Page, Steps},
};
use crate::{
    User,
    oauth::{
        browser::Live,
        enrolment::{At, CodesPage, Offer, OfferPage, SCRIPT},
        error::OAuthError,
        failure::failed,
        form::Form,
        pages::refused_factor,
    },
    sign_in::{FactorError, Moment, Outstanding, Pending, Proof, SignedIn, Ways},
};

/// Whether the page stands between the password and a session, or between a session and an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Place {
    SigningIn,
    SteppingUp,
}

impl Steps<'_> {
    /// The password was right, or another provider vouches for the person.
    pub(super) async fn first_factor(&mut self, goal: &Goal, flow: Flow, signed_in: &SignedIn) -> Response {
        let identity = self.visit.identity;
        let user = (signed_in.user.id, signed_in.amr);
        let outstanding = identity.outstanding(user, (&goal.applications(), Moment::SignIn)).await;
        let pending = Pending::of(signed_in, identity.0.clock.now_ms());
        match outstanding {
            Ok(Outstanding::Nothing) => self.signed_in(goal, flow, signed_in).await,
            Ok(Outstanding::Challenge(ways)) => {
                self.factor_page(goal.leads(), (&flow, pending, Place::SigningIn), ways, None)
            }
            Ok(Outstanding::Enrolment) => {
                let offer = Offer::new(identity, pending);
                let page = (&flow, Place::SigningIn);
                self.enrol_page(goal.leads(), page, (offer, &signed_in.user), None)
            }
            Err(error) => failed(&self.visit, &error.into()),
        }
    }

    /// What the session has to show before it will do for these applications; nothing when it does. Without a request it
    /// is for a page of our own.
    pub(super) async fn step_up(
        &self,
        request: Option<&Request>,
        flow: &Flow,
        (live, applications, moment): (&Live, &[AppId], Moment),
    ) -> Option<Response> {
        let identity = self.visit.identity;
        let user = (live.user.id, live.session.amr);
        let outstanding = match identity.outstanding(user, (applications, moment)).await {
            Ok(outstanding) => outstanding,
            Err(error) => return Some(failed(&self.visit, &error.into())),
        };
        let refusal = match outstanding {
            Outstanding::Nothing => return None,
            Outstanding::Challenge(_) => OAuthError::SecondFactorRequired,
            Outstanding::Enrolment => OAuthError::SecondFactorEnrolment,
        };
        if let Some(request) = request.filter(|request| request.prompt.none) {
            return Some(self.back_with(&request.back, &refusal));
        }
        let proven = (live.session.authenticated_at_ms, live.session.amr);
        let pending = Pending::new(user.0, proven, identity.0.clock.now_ms());
        let leads = if request.is_some() { Leads::ToClient } else { Leads::Here };
        Some(if let Outstanding::Challenge(ways) = outstanding {
            self.factor_page(leads, (flow, pending, Place::SteppingUp), ways, None)
        } else {
            let offer = Offer::new(identity, pending);
            self.enrol_page(leads, (flow, Place::SteppingUp), (offer, &live.user), None)
        })
    }

    /// A form of the pages here.
    pub(super) async fn factor(&mut self, goal: &Goal, flow: Flow, form: &Form<'_>) -> Response {
        match flow.page.clone() {
            Page::Factor { pending, ways, place, challenge } => {
                let shown = (pending, ways, place);
                self.show_factor((goal, flow), shown, (challenge, form)).await
            }
            Page::Enrol { offer, place } => self.enrol((goal, flow), (offer, place), form).await,
            _ => failed(&self.visit, &OAuthError::BadParameter("step")),
        }
    }

    /// A code of an authenticator app, a recovery code, or a passkey.
    async fn show_factor(
        &mut self,
        (goal, flow): (&Goal, Flow),
        (pending, ways, place): (Pending, Ways, Place),
        (challenge, form): (String, &Form<'_>),
    ) -> Response {
        let text = |field: &str| form.get(field).unwrap_or_default().to_owned();
        let proof = match form.get("step") {
            Some("recovery") => Proof::Recovery(Secret::new(text("code"))),
            Some("passkey") => Proof::Passkey { challenge, answer: text("answer") },
            _ => Proof::Code(Secret::new(text("code"))),
        };
        let shown = self.visit.identity.show_second_factor(&pending, proof, self.origin(goal)).await;
        match shown {
            Ok(signed_in) => self.completed(goal, flow, (place, &signed_in)).await,
            Err(FactorError::Over) => self.begin_anew(goal, flow),
            Err(FactorError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => self.factor_page(
                goal.leads(),
                (&flow, pending, place),
                ways,
                Some(refused_factor(self.visit.texts, &error)),
            ),
        }
    }

    /// The first code of an authenticator app that is being registered, or a passkey.
    async fn enrol(
        &mut self,
        (goal, mut flow): (&Goal, Flow),
        (offer, place): (Offer, Place),
        form: &Form<'_>,
    ) -> Response {
        let identity = self.visit.identity;
        let enrolled = identity.enrol(&offer.pending, offer.taken(form), self.origin(goal)).await;
        match enrolled {
            Ok(enrolled) => {
                if let Err(error) = self.establish((place, &enrolled.signed_in)).await {
                    return failed(&self.visit, &error);
                }
                flow.chosen = true;
                let page = (&flow, Page::Codes, None);
                let (at, codes) = (at(goal.leads()), &*enrolled.codes);
                self.page((StatusCode::OK, goal.leads()), page, |frame| CodesPage { frame, at, codes })
            }
            Err(FactorError::Over) => self.begin_anew(goal, flow),
            Err(FactorError::Unavailable(source)) => failed(&self.visit, &source.into()),
            Err(error) => match identity.pending_user(&offer.pending).await {
                Ok(user) => {
                    let refusal = refused_factor(self.visit.texts, &error);
                    let offer = offer.again(identity);
                    self.enrol_page(goal.leads(), (&flow, place), (offer, &user), Some(refusal))
                }
                Err(_) => self.begin_anew(goal, flow),
            },
        }
    }

    async fn completed(
        &mut self,
        goal: &Goal,
        flow: Flow,
        (place, signed_in): (Place, &SignedIn),
    ) -> Response {
        match place {
            Place::SigningIn => self.signed_in(goal, flow, signed_in).await,
            Place::SteppingUp => match self.establish((place, signed_in)).await {
                Ok(()) => self.proceed(goal, flow).await,
                Err(error) => failed(&self.visit, &error),
            },
        }
    }

    /// The session under a new token: of a new one, or of the one that was proven further.
    async fn establish(&mut self, (place, signed_in): (Place, &SignedIn)) -> Result<(), OAuthError> {
        let live = match (place, &self.live) {
            (Place::SteppingUp, Some(live)) => {
                let live = live.clone();
                self.visit.strengthen_session(&live, signed_in.amr).await?
            }
            _ => self.visit.begin_session(signed_in).await?,
        };
        self.live = Some(live);
        Ok(())
    }

    /// What was proven does not count any more.
    fn begin_anew(&self, goal: &Goal, mut flow: Flow) -> Response {
        (flow.chosen, flow.consented) = (false, false);
        let text = self.visit.texts.text("second-factor-over").to_string();
        self.sign_in_page(StatusCode::FORBIDDEN, goal, &flow, (Some(text), ""))
    }

    fn factor_page(
        &self,
        leads: Leads,
        (flow, pending, place): (&Flow, Pending, Place),
        ways: Ways,
        refusal: Option<(StatusCode, String)>,
    ) -> Response {
        let has_way_back = leads == Leads::ToClient;
        let (status, error) = refusal.map_or((StatusCode::OK, None), |(status, text)| (status, Some(text)));
        let identity = self.visit.identity;
        let challenge = identity.new_challenge();
        let options = identity.passkey_request(&challenge, &ways.passkeys);
        let page = Page::Factor { pending, ways: ways.clone(), place, challenge };
        let policy = Policy::from(leads).script(SCRIPT);
        let drawn = |frame| FactorPage { frame, ways, has_way_back, script: SCRIPT, options };
        self.page((status, policy), (flow, page, error), drawn)
    }

    fn enrol_page(
        &self,
        leads: Leads,
        (flow, place): (&Flow, Place),
        (offer, user): (Offer, &User),
        refusal: Option<(StatusCode, String)>,
    ) -> Response {
        let (status, error) = refusal.map_or((StatusCode::OK, None), |(status, text)| (status, Some(text)));
        let page = Page::Enrol { offer: offer.clone(), place };
        let identity = self.visit.identity;
        // Whose methods are none: the first is registered here.
        let drawn = |frame| OfferPage::new(identity, (frame, at(leads)), (user, &[]), &offer);
        let policy = Policy::from(leads).script(SCRIPT);
        self.page((status, policy), (flow, page, error), drawn)
    }
}

fn at(leads: Leads) -> At {
    At::SignIn { has_way_back: leads == Leads::ToClient }
}
