//! Who calls: the operator at the server's command line, an application, or a user through an application.
//!
//! What a token says is believed until it expires, except for what can be looked up: a principal that is deleted or
//! disabled is refused at once, and directory roles are those of now.

use std::collections::BTreeSet;

use hilum_access::CallerKind;
use hilum_audit::Actor;
use hilum_kernel::{AppId, ObjectId, TenantId, UserId};
use hilum_storage::db::{ReadTx, Sql};

use super::error::GraphError;
use crate::{
    Holder,
    directory_roles::{self, DirectoryRole},
};

/// The client application of a token, and the principal it acts as (none in a delegated token).
const APPLICATION: Sql = "SELECT p.id, p.account_enabled, a.disabled
    FROM service_principal p JOIN application a ON a.tenant_id = p.tenant_id AND a.app_id = p.app_id
    WHERE p.tenant_id = $1 AND p.app_id = $2";
const USER: Sql = "SELECT account_enabled FROM directory_user WHERE tenant_id = $1 AND id = $2";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] = &[APPLICATION, USER];

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Someone at the server's own command line, or the portal for a signed-in administrator.
    Operator,
    /// An application on its own behalf.
    App(AppCaller),
    /// A user through an application.
    User(UserCaller),
}

/// An application on its own behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppCaller {
    /// Its service principal.
    pub(crate) principal: ObjectId,
    /// Its client ID.
    pub(crate) app_id: AppId,
    /// The app roles of Microsoft Graph in its token.
    pub(crate) roles: Vec<String>,
    /// Directory roles given to its service principal.
    pub(crate) directory_roles: BTreeSet<DirectoryRole>,
}

/// A user through an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserCaller {
    /// The user.
    pub(crate) id: UserId,
    /// The client ID of the application.
    pub(crate) app_id: AppId,
    /// The delegated permissions in its token.
    pub(crate) scopes: Vec<String>,
    /// The user's directory roles.
    pub(crate) directory_roles: BTreeSet<DirectoryRole>,
    /// The name in the token, for the audit trail.
    pub(crate) display: Option<String>,
}

impl Caller {
    /// Who this is to the audit trail.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Operator => Actor::operator(),
            Self::App(app) => Actor {
                subject: Some(app.principal.to_string()),
                app_id: Some(app.app_id.to_string()),
                display: None,
            },
            Self::User(user) => Actor {
                subject: Some(user.id.to_string()),
                app_id: Some(user.app_id.to_string()),
                display: user.display.clone(),
            },
        }
    }

    /// With whose rights the caller changes things: nobody gives more than they have.
    pub(crate) const fn holder(&self) -> Holder {
        match self {
            Self::Operator => Holder::Operator,
            Self::App(app) => Holder::Application(app.principal),
            Self::User(user) => Holder::User(user.id),
        }
    }

    /// The directory object that calls: a user or a service principal.
    pub(crate) fn object_id(&self) -> Option<ObjectId> {
        match self {
            Self::Operator => None,
            Self::App(app) => Some(app.principal),
            Self::User(user) => Some(ObjectId::new(user.id.uuid())),
        }
    }

    /// The directory roles the caller has now; the operator is not asked for any.
    pub(crate) fn directory_roles(&self) -> Option<&BTreeSet<DirectoryRole>> {
        match self {
            Self::Operator => None,
            Self::App(app) => Some(&app.directory_roles),
            Self::User(user) => Some(&user.directory_roles),
        }
    }

    /// Whom a checked token stands for, as the directory knows it now.
    pub(super) async fn of_token(
        tx: &mut ReadTx,
        tenant: TenantId,
        token: &hilum_access::Caller,
    ) -> Result<Self, GraphError> {
        let app_id: AppId = parsed(token.app_id())?;
        let application = tx.fetch_optional(APPLICATION, &[tenant.into(), app_id.into()]).await?;
        let Some(application) = application else {
            return Err(GraphError::token(
                "The application of the access token does not exist in this tenant.",
            ));
        };
        if !application.truth(1)? || application.truth(2)? {
            return Err(GraphError::token("The application of the access token is disabled."));
        }
        match token.kind() {
            CallerKind::AppOnly => {
                let principal: ObjectId = parsed(token.object_id())?;
                if application.id::<ObjectId>(0)? != principal {
                    return Err(GraphError::token("The service principal of the access token was deleted."));
                }
                Ok(Self::App(AppCaller {
                    principal,
                    app_id,
                    roles: token.roles().to_vec(),
                    directory_roles: directory_roles::of_principal(tx, tenant, principal).await?,
                }))
            }
            CallerKind::Delegated => {
                let id: UserId = parsed(token.object_id())?;
                match tx.fetch_optional(USER, &[tenant.into(), id.into()]).await? {
                    Some(row) if row.truth(0)? => {}
                    Some(_) => return Err(GraphError::token("The user of the access token is disabled.")),
                    None => return Err(GraphError::token("The user of the access token does not exist.")),
                }
                let principal = ObjectId::new(id.uuid());
                Ok(Self::User(UserCaller {
                    id,
                    app_id,
                    scopes: token.scopes().to_vec(),
                    directory_roles: directory_roles::of_principal(tx, tenant, principal).await?,
                    display: token.display_name().map(str::to_owned),
                }))
            }
            // Made by the program itself, never of a token.
            CallerKind::System => Err(GraphError::token("Access token validation failure.")),
        }
    }
}

fn parsed<T: std::str::FromStr>(claim: Option<&str>) -> Result<T, GraphError> {
    claim
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| GraphError::token("Access token validation failure. A claim is missing."))
}
