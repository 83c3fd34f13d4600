//! The wire of *Security info*: plain forms, each tied to browser and session.

use axum::{body::Body, extract::State, response::Response};
use hilum_kernel::Secret;
use hilum_pages::{Frame, Leads, Policy};
use hilum_web::RequestContext;
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::{
    super::http::{OwnForm, asked, frame, offering, origin, own_form, present},
    SECURITY_INFO, is_proven,
    page::{Method, PasswordPage, RemovePage, SecurityInfoPage},
};
use crate::{
    AuthenticationMethods, Identity, IdentityError,
    oauth::{
        authorize::{OwnPage, see_other, sign_in_to},
        browser::{Live, Visit},
        enrolment::{At, CodesPage, Offer, OfferPage, SCRIPT},
        error::OAuthError,
        failure::failed,
        form::Form,
        pages::{refused, refused_factor},
    },
    sign_in::{FactorError, Pending, SignInError, actor_of},
};

/// Why a page is shown again.
type Refusal = Option<(StatusCode, String)>;

/// `GET /portal/account/security-info`
pub(crate) async fn get(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::of(&identity, &context, &headers);
    let found = async {
        let Some(live) = present(&visit).await? else { return Ok(None) };
        let known = identity.list_authentication_methods(&live.user.id.to_string()).await?;
        Ok::<_, OAuthError>(is_proven(&visit, &live, &known).then_some((live, known)))
    };
    let drawn = match found.await {
        Ok(Some((live, known))) => frame(&visit, &live).map(|frame| {
            let page = SecurityInfoPage::new(frame, live.user.user_principal_name, &known);
            visit.show(StatusCode::OK, &page, Leads::Here)
        }),
        Ok(None) => return sign_in_to(visit, OwnPage::SecurityInfo).await,
        Err(error) => Err(error),
    };
    drawn.unwrap_or_else(|error| failed(&visit, &error))
}

/// `POST /portal/account/security-info`: add, rename, remove, new recovery codes, a new password.
pub(crate) async fn post(
    State(identity): State<Identity>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut visit = Visit::of(&identity, &context, &headers);
    let stepped = async {
        let sent = own_form(&visit, &headers, body).await?;
        let known = identity.list_authentication_methods(&sent.live.user.id.to_string()).await?;
        if is_proven(&visit, &sent.live, &known) {
            step(&mut visit, sent, known).await
        } else {
            // The page asks who it is.
            Ok(see_other(SECURITY_INFO))
        }
    };
    match stepped.await {
        Ok(response) => response,
        Err(error) => failed(&visit, &error),
    }
}

async fn step(
    visit: &mut Visit<'_>,
    sent: OwnForm,
    known: AuthenticationMethods,
) -> Result<Response, OAuthError> {
    let OwnForm { form, live, offer } = sent;
    match (form.get("step").unwrap_or_default(), offer) {
        ("add", _) => {
            let proven = (live.session.authenticated_at_ms, live.session.amr);
            let pending = Pending::new(live.user.id, proven, visit.identity.0.clock.now_ms());
            offer_page(visit, &live, Offer::new(visit.identity, pending), None).await
        }
        ("enrol" | "passkey", Some(offer)) => add(visit, &live, (offer, &form)).await,
        ("ask-remove", _) => ask_to_remove(visit, &live, (&known, method_of(&form)?)),
        ("ask-password", _) => password_page(visit, &live, None),
        ("password", _) => change_password(visit, &live, &form).await,
        ("new-codes", _) => new_codes(visit, &live).await,
        (step @ ("remove" | "rename"), _) => {
            let (actor, user) = (actor_of(&live.user, origin(visit)), live.user.id.to_string());
            let (identity, method) = (asked(visit), method_of(&form)?);
            let changed = if step == "remove" {
                identity.delete_authentication_method(&actor, &user, method).await
            } else {
                let name = form.get("name").unwrap_or_default();
                identity.rename_authentication_method(&actor, &user, (method, name)).await
            };
            match changed {
                // Gone already: the page shows what there is.
                Ok(()) | Err(IdentityError::NotFound { .. }) => {
                    Ok(visit.with_cookies(see_other(SECURITY_INFO)))
                }
                Err(IdentityError::Invalid { .. }) => Err(OAuthError::BadParameter("name")),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(OAuthError::BadParameter("step")),
    }
}

fn method_of(form: &Form<'_>) -> Result<Uuid, OAuthError> {
    let method = form.get("method").and_then(|id| id.parse().ok());
    method.ok_or(OAuthError::BadParameter("method"))
}

fn refusing(frame: Frame, refusal: Refusal) -> (StatusCode, Frame) {
    match refusal {
        Some((status, text)) => (status, Frame { error: Some(text), ..frame }),
        None => (StatusCode::OK, frame),
    }
}

async fn offer_page(
    visit: &Visit<'_>,
    live: &Live,
    offer: Offer,
    refusal: Refusal,
) -> Result<Response, OAuthError> {
    let passkeys = visit.identity.passkeys_of(live.user.id).await?;
    let (status, frame) = refusing(offering(visit, live, Some(offer.clone()))?, refusal);
    let page = OfferPage::new(visit.identity, (frame, At::Account), (&live.user, &passkeys), &offer);
    Ok(visit.show(status, &page, Policy::from(Leads::Here).script(SCRIPT)))
}

async fn add(
    visit: &mut Visit<'_>,
    live: &Live,
    (offer, form): (Offer, &Form<'_>),
) -> Result<Response, OAuthError> {
    let identity = visit.identity;
    let enrolled = match identity.enrol(&offer.pending, offer.taken(form), origin(visit)).await {
        Ok(enrolled) => enrolled,
        Err(FactorError::Unavailable(source)) => return Err(source.into()),
        Err(FactorError::Over) => return Ok(see_other(SECURITY_INFO)),
        Err(error) => {
            let refusal = refused_factor(visit.texts, &error);
            return offer_page(visit, live, offer.again(identity), Some(refusal)).await;
        }
    };
    if enrolled.codes.is_empty() {
        return Ok(visit.with_cookies(see_other(SECURITY_INFO)));
    }
    // The first method: the session has shown it.
    let live = visit.strengthen_session(live, enrolled.signed_in.amr).await?;
    codes_page(visit, &live, &enrolled.codes)
}

async fn new_codes(visit: &Visit<'_>, live: &Live) -> Result<Response, OAuthError> {
    let actor = actor_of(&live.user, origin(visit));
    let codes = asked(visit).renew_recovery_codes(&actor, live.user.id).await?;
    if codes.is_empty() {
        return Ok(visit.with_cookies(see_other(SECURITY_INFO)));
    }
    codes_page(visit, live, &codes)
}

fn codes_page(visit: &Visit<'_>, live: &Live, codes: &[Secret<String>]) -> Result<Response, OAuthError> {
    let page = CodesPage { frame: frame(visit, live)?, at: At::Account, codes };
    Ok(visit.show(StatusCode::OK, &page, Leads::Here))
}

fn ask_to_remove(
    visit: &Visit<'_>,
    live: &Live,
    (known, method): (&AuthenticationMethods, Uuid),
) -> Result<Response, OAuthError> {
    let Some(found) = known.methods.iter().find(|known| known.id == method) else {
        return Ok(visit.with_cookies(see_other(SECURITY_INFO)));
    };
    let page = RemovePage {
        frame: frame(visit, live)?,
        method: Method::new(visit.texts, found),
        is_last: known.methods.len() == 1,
    };
    Ok(visit.show(StatusCode::OK, &page, Leads::Here))
}

fn password_page(visit: &Visit<'_>, live: &Live, refusal: Refusal) -> Result<Response, OAuthError> {
    let (status, frame) = refusing(frame(visit, live)?, refusal);
    let page = PasswordPage { frame, user_name: live.user.user_principal_name.clone() };
    Ok(visit.show(status, &page, Leads::Here))
}

/// Ends all sessions of the user; this browser goes on with a new one.
async fn change_password(
    visit: &mut Visit<'_>,
    live: &Live,
    form: &Form<'_>,
) -> Result<Response, OAuthError> {
    if form.get("new_password") != form.get("new_password_again") {
        let text = visit.texts.text("sign-in-refused-differ").to_string();
        return password_page(visit, live, Some((StatusCode::BAD_REQUEST, text)));
    }
    let text = |field: &str| Secret::new(form.get(field).unwrap_or_default().to_owned());
    let passwords = (text("password"), text("new_password"));
    let name = live.user.user_principal_name.as_str();
    match visit.identity.sign_in_with_new_password(name, passwords, origin(visit)).await {
        Ok(mut signed_in) => {
            // What the session has shown besides still counts.
            signed_in.amr = signed_in.amr.with(live.session.amr);
            visit.begin_session(&signed_in).await?;
            Ok(visit.with_cookies(see_other(SECURITY_INFO)))
        }
        Err(SignInError::Unavailable(source)) => Err(source.into()),
        Err(error) => password_page(visit, live, Some(refused(visit.texts, &error))),
    }
}
