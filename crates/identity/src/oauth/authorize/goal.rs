//! What a person signs in for: a client's request, or a page of Hilum's own. Both take the same steps.

use hilum_kernel::AppId;
use hilum_pages::Leads;
use serde::{Deserialize, Serialize};

use super::{
    checks::{Asking, Refusal, Request},
    parameters::Parameters,
    prompt::Prompt,
};
use crate::{
    Identity, User,
    oauth::{
        account,
        browser::{Live, Visit},
        device,
        error::OAuthError,
    },
    sign_in::Moment,
    token_lifetimes,
};

/// What travels with the person, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Target {
    Client(Asking),
    Own(OwnPage),
}

impl Target {
    /// What the request says of itself; a page of our own says nothing.
    pub(super) fn parameters(&self) -> Parameters {
        match self {
            Self::Client(asking) => asking.parameters.clone(),
            Self::Own(_) => Parameters::default(),
        }
    }

    /// The provider elsewhere that the client wants its people to be sent to.
    pub(super) fn provider<'a>(&self, identity: &'a Identity) -> Option<&'a str> {
        match self {
            Self::Client(asking) => identity.hinted_provider(asking.parameters.get("domain_hint")?),
            Self::Own(_) => None,
        }
    }
}

/// A page of Hilum's own for people who are signed in. Where it is, is ours to say: nothing of it is read from a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::oauth) enum OwnPage {
    /// A device waits for this code to be confirmed (RFC 8628 §3.3).
    Device { user_code: String },
    /// *My applications*.
    Applications,
    /// Where the person is signed in.
    Sessions,
    /// How the person signs in.
    SecurityInfo,
}

/// The same, checked.
#[derive(Debug)]
pub(super) enum Goal {
    Client(Box<Request>),
    Own(Box<Own>),
}

/// A page of our own that can be shown once the person is known.
#[derive(Debug)]
pub(super) struct Own {
    page: OwnPage,
    app_id: AppId,
    /// What the application wants to use.
    resource: AppId,
    name: String,
    prompt: Prompt,
}

impl Goal {
    /// What the person signs in to, for the trail and for rules about applications.
    pub(super) const fn app_id(&self) -> AppId {
        match self {
            Self::Client(request) => request.app_id(),
            Self::Own(own) => own.app_id,
        }
    }

    /// The same in words.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Client(request) => request.name(),
            Self::Own(own) => &own.name,
        }
    }

    pub(super) const fn prompt(&self) -> &Prompt {
        match self {
            Self::Client(request) => &request.prompt,
            Self::Own(own) => &own.prompt,
        }
    }

    /// Whether the user is the one that is wanted.
    pub(super) fn is_about(&self, identity: &Identity, user: &User) -> bool {
        match self {
            Self::Client(request) => request.is_about(identity, user),
            Self::Own(_) => true,
        }
    }

    /// What a second factor may be required for; a client's resource is asked about when it is known.
    pub(super) fn applications(&self) -> Vec<AppId> {
        match self {
            Self::Client(request) => vec![request.app_id()],
            Self::Own(own) => vec![own.app_id, own.resource],
        }
    }

    /// When a second factor is asked of who is signed in.
    pub(super) fn moment(&self) -> Moment {
        match self {
            Self::Own(own) if own.page == OwnPage::SecurityInfo => Moment::SignIn,
            Self::Client(_) | Self::Own(_) => Moment::Later,
        }
    }

    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Client(request) => Some(request),
            Self::Own(_) => None,
        }
    }

    /// Where the steps' forms may lead in the end.
    pub(super) const fn leads(&self) -> Leads {
        match self {
            Self::Client(_) => Leads::ToClient,
            Self::Own(_) => Leads::Here,
        }
    }
}

impl Own {
    /// The page's path, for the person who has just been found.
    pub(super) fn path(&self, visit: &Visit<'_>, live: &Live) -> Result<String, OAuthError> {
        match &self.page {
            OwnPage::Device { user_code } => device::confirmation(visit, live, user_code),
            OwnPage::Applications => Ok(account::APPLICATIONS.to_owned()),
            OwnPage::Sessions => Ok(account::SESSIONS.to_owned()),
            OwnPage::SecurityInfo => Ok(account::SECURITY_INFO.to_owned()),
        }
    }
}

impl Identity {
    /// All checks that need no person.
    pub(super) async fn check_target(&self, target: &Target) -> Result<Goal, Refusal> {
        match target {
            Target::Client(asking) => Ok(Goal::Client(Box::new(self.check_authorization(asking).await?))),
            Target::Own(page) => Ok(Goal::Own(Box::new(self.check_own(page).await?))),
        }
    }

    async fn check_own(&self, page: &OwnPage) -> Result<Own, OAuthError> {
        let page = page.clone();
        match &page {
            OwnPage::Device { user_code } => {
                let (application, resource) = self.device_application(user_code).await?;
                let (app_id, name) = (application.app_id, application.properties.display_name);
                let tenant = self.tenant().await?.id;
                let mut tx = self.0.db.read().await?;
                let sign_in_age =
                    token_lifetimes::lifetimes(&mut tx, tenant, app_id, app_id).await?.sign_in_age();
                // The session alone lets no device in: the person says as whom.
                let prompt = Prompt { select_account: true, sign_in_age, ..Prompt::default() };
                Ok(Own { page, app_id, resource, name, prompt })
            }
            OwnPage::Applications | OwnPage::Sessions | OwnPage::SecurityInfo => {
                let (app_id, name) = (account::MY_ACCOUNT_APP_ID, "My account".to_owned());
                let mut prompt = Prompt::default();
                if page == OwnPage::SecurityInfo {
                    // Who finds a browser unattended adds no key of his own.
                    prompt.max_age_s = Some(account::PROVEN_S);
                }
                Ok(Own { page, app_id, resource: app_id, name, prompt })
            }
        }
    }
}
