//! How objects are named in references, and in which order they are written: small facts of all applications, kept
//! while the objects themselves come by in pages.

use std::collections::{BTreeMap, BTreeSet};

use hilum_kernel::{AppId, ObjectId, TenantId};
use hilum_storage::db::ReadTx;
use uuid::Uuid;

use crate::{
    Application, IdentityError, applications, folded,
    query::{Cursor, ListQuery},
    service_principals,
};

/// The names of what is registered.
#[derive(Default)]
pub(super) struct Names {
    applications: BTreeMap<AppId, String>,
    principals: BTreeMap<ObjectId, AppId>,
    /// The values of app roles.
    roles: BTreeMap<(AppId, Uuid), String>,
    pub(super) seeded: BTreeSet<AppId>,
    /// In the order of names, then of client IDs, which are the same on every installation.
    pub(super) applications_in_order: Vec<AppId>,
    pub(super) principals_in_order: Vec<AppId>,
}

/// What is read of an application for its name.
struct Candidate {
    app_id: AppId,
    display_name: String,
    unique_name: Option<String>,
}

impl Names {
    pub(super) async fn read(tx: &mut ReadTx, tenant: TenantId, page: usize) -> Result<Self, IdentityError> {
        let (mut names, mut candidates) = (Self::default(), Vec::new());
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        let mut after: Option<Cursor> = None;
        loop {
            let query = ListQuery::all(page, "displayName", after);
            let page = applications::page(tx, tenant, &query).await?;
            for application in page.items {
                for name in own_names(&application) {
                    *count.entry(name).or_default() += 1;
                }
                candidates.push(names.take(application));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        names.choose(candidates, &count);
        names.principals(tx, tenant, page).await?;
        Ok(names)
    }

    fn take(&mut self, application: Application) -> Candidate {
        let app_id = application.app_id;
        if application.seeded {
            self.seeded.insert(app_id);
        }
        for role in &application.properties.app_roles {
            if let Some(value) = &role.value {
                self.roles.insert((app_id, role.id.uuid()), value.clone());
            }
        }
        let (display_name, unique_name) =
            (application.properties.display_name, application.properties.unique_name);
        Candidate { app_id, display_name, unique_name }
    }

    /// A name is good where it is one application's only and could not be taken for an ID.
    fn choose(&mut self, candidates: Vec<Candidate>, count: &BTreeMap<String, usize>) {
        let good = |name: &String| count.get(&folded(name)) == Some(&1) && name.parse::<Uuid>().is_err();
        let mut order = Vec::with_capacity(candidates.len());
        for Candidate { app_id, display_name, unique_name } in candidates {
            order.push((folded(&display_name), app_id));
            let name = unique_name.filter(good).or(Some(display_name).filter(good));
            self.applications.insert(app_id, name.unwrap_or_else(|| app_id.to_string()));
        }
        order.sort_unstable();
        self.applications_in_order = order.into_iter().map(|(_, app_id)| app_id).collect();
    }

    async fn principals(
        &mut self,
        tx: &mut ReadTx,
        tenant: TenantId,
        page: usize,
    ) -> Result<(), IdentityError> {
        let mut after: Option<Cursor> = None;
        let mut order = Vec::new();
        loop {
            let query = ListQuery::all(page, "displayName", after);
            let page = service_principals::page(tx, tenant, &query).await?;
            for principal in page.items {
                order.push((folded(&self.application(principal.app_id)), principal.app_id));
                self.principals.insert(principal.id, principal.app_id);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        order.sort_unstable();
        self.principals_in_order = order.into_iter().map(|(_, app_id)| app_id).collect();
        Ok(())
    }

    /// Whether there is such an application.
    pub(super) fn is_registered(&self, id: AppId) -> bool {
        self.applications.contains_key(&id)
    }

    /// What an application is called in references.
    pub(super) fn application(&self, id: AppId) -> String {
        self.applications.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The application behind a service principal.
    pub(super) fn app_id(&self, principal: ObjectId) -> Option<AppId> {
        self.principals.get(&principal).copied()
    }

    /// What a service principal is called in references.
    pub(super) fn principal(&self, id: ObjectId) -> Option<String> {
        self.app_id(id).map(|app_id| self.application(app_id))
    }

    /// The value of an app role; its ID if it has none.
    pub(super) fn role(&self, app_id: AppId, role: Uuid) -> String {
        self.roles.get(&(app_id, role)).cloned().unwrap_or_else(|| role.to_string())
    }
}

fn own_names(application: &Application) -> BTreeSet<String> {
    let properties = &application.properties;
    let own = [Some(&properties.display_name), properties.unique_name.as_ref()];
    own.into_iter().flatten().chain(&properties.identifier_uris).map(|name| folded(name)).collect()
}
