//! Applications whose tokens open the installation's data: those that belong to it, and those that the configuration
//! names as an audience. Who decides what such tokens say decides who gets to the data, so that owning one is not enough.

use std::{collections::BTreeSet, sync::Arc};

use hilum_kernel::{AppId, TenantId};
use hilum_storage::db::ReadTx;

use super::{Means, denied, means};
use crate::{Application, IdentityError, Stamp, applications, folded, seed};

/// The audiences of data services, beside those of the installation's own resources: appIds and identifier URIs.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuardedNames(Arc<BTreeSet<String>>);

impl GuardedNames {
    pub(crate) fn new(audiences: &[String]) -> Self {
        Self(Arc::new(audiences.iter().map(|audience| folded(audience)).collect()))
    }

    /// The name of the application that is an audience, if any is.
    fn among_names<'a>(&self, application: &'a Application) -> Option<&'a str> {
        let uris = &application.properties.identifier_uris;
        if self.0.contains(&application.app_id.to_string()) {
            return Some("its appId");
        }
        uris.iter().map(String::as_str).find(|uri| self.0.contains(&folded(uri)))
    }
}

/// Whether an application's tokens open the installation's data, or Microsoft Graph.
pub(super) async fn guarded(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    app_id: AppId,
) -> Result<bool, IdentityError> {
    if [seed::GRAPH_APP_ID, seed::DICOM_APP_ID].contains(&app_id) {
        return Ok(true);
    }
    if stamp.guarded.0.is_empty() {
        return Ok(false);
    }
    let application = applications::by_app_id(tx, tenant, app_id).await?;
    Ok(application.is_some_and(|application| stamp.guarded.among_names(&application).is_some()))
}

/// Before an application gets names: whoever has the name of an audience, even one that nobody has at present, makes the
/// tokens that are taken there.
pub(crate) async fn ensure_may_name(
    tx: &mut ReadTx,
    tenant: TenantId,
    stamp: &Stamp,
    application: &Application,
) -> Result<(), IdentityError> {
    let Some(name) = stamp.guarded.among_names(application) else { return Ok(()) };
    if matches!(means(tx, tenant, stamp).await?, Means::Everything) {
        return Ok(());
    }
    denied(format!("{name} is an audience of the data services; only a Global Administrator gives it"))
}

/// Before an application or its principal is deleted: for nobody, while the configuration names it.
pub(crate) fn ensure_not_audience(application: &Application, stamp: &Stamp) -> Result<(), IdentityError> {
    match stamp.guarded.among_names(application) {
        Some(name) => Err(IdentityError::invalid(
            "id",
            format!("{name} is an audience of the data services: take it out of the configuration first"),
        )),
        None => Ok(()),
    }
}
