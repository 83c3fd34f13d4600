//! What a newer version seeds reaches existing databases on start; what administrators changed stays.
//!
//! Every part of a seeded application (a name, a scope, a role, a pre-authorisation, a redirect URI) is an *item*. An item
//! that was never seeded here is added once and remembered; one that was is left alone, whatever became of it.

use std::collections::BTreeSet;

use hilum_audit::Action;
use hilum_kernel::{ObjectId, TenantId};
use hilum_storage::db::{ReadTx, WriteTx};

use super::{has_principal, sql};
use crate::{
    Application, ApplicationProperties, IdentityError, PreAuthorizedApplication, Stamp, applications,
    service_principals,
};

/// Remembers all items of a seeded application: it was just made.
pub(crate) async fn note(
    tx: &mut WriteTx,
    tenant: TenantId,
    seed: &Application,
) -> Result<(), IdentityError> {
    for item in items(&seed.properties) {
        sql::insert(tx, tenant, seed.app_id, &item).await?;
    }
    Ok(())
}

/// Whether a seed holds something that is not here yet.
pub(crate) async fn pending(
    tx: &mut ReadTx,
    tenant: TenantId,
    seed: &Application,
) -> Result<bool, IdentityError> {
    let known = sql::items(tx, tenant, seed.app_id).await?;
    Ok(items(&seed.properties).iter().any(|item| !known.contains(item)))
}

/// Adds what is new of a seed: the whole application, or its new items. `principal` is the ID of its principal, should
/// it need one.
pub(crate) async fn upgrade(
    tx: &mut WriteTx,
    tenant: TenantId,
    seed: &Application,
    principal: ObjectId,
    stamp: &Stamp,
) -> Result<(), IdentityError> {
    let known = sql::items(tx, tenant, seed.app_id).await?;
    let new: BTreeSet<String> =
        items(&seed.properties).into_iter().filter(|item| !known.contains(item)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut properties = seed.properties.clone();
    // A name that somebody has taken meanwhile stays theirs.
    let mut free = Vec::new();
    for name in properties.identifier_uris.drain(..) {
        match applications::by_name(tx, tenant, &name).await? {
            Some(other) if other.app_id != seed.app_id => {}
            _ => free.push(name),
        }
    }
    properties.identifier_uris = free;
    if let Some(mut application) = applications::by_app_id(tx, tenant, seed.app_id).await? {
        add(&mut application.properties, &properties, &new);
        applications::update(tx, tenant, &application).await?;
    } else {
        let application = Application { properties, ..seed.clone() };
        applications::insert(tx, tenant, &application).await?;
        if has_principal(seed.app_id) {
            let principal = service_principals::of(&application, principal, application.created_at);
            service_principals::insert(tx, tenant, &principal).await?;
        }
    }
    for item in &new {
        sql::insert(tx, tenant, seed.app_id, item).await?;
    }
    let detail = Some(format!("{} new parts of this version", new.len()));
    stamp.record(tx, Action::ApplicationChanged, seed.app_id, detail).await?;
    Ok(())
}

/// Adds the new items that are not there by another way.
fn add(into: &mut ApplicationProperties, seed: &ApplicationProperties, new: &BTreeSet<String>) {
    for uri in seed.identifier_uris.iter().filter(|uri| new.contains(&name_item(uri))) {
        if !into.identifier_uris.iter().any(|known| known.eq_ignore_ascii_case(uri)) {
            into.identifier_uris.push(uri.clone());
        }
    }
    for scope in &seed.api.oauth2_permission_scopes {
        let scopes = &mut into.api.oauth2_permission_scopes;
        if new.contains(&format!("scope {}", scope.id)) && !scopes.iter().any(|known| known.id == scope.id) {
            scopes.push(scope.clone());
        }
    }
    for role in &seed.app_roles {
        if new.contains(&format!("role {}", role.id))
            && !into.app_roles.iter().any(|known| known.id == role.id)
        {
            into.app_roles.push(role.clone());
        }
    }
    for uri in &seed.public_client.redirect_uris {
        let uris = &mut into.public_client.redirect_uris;
        if new.contains(&format!("redirect {uri}")) && !uris.contains(uri) {
            uris.push(uri.clone());
        }
    }
    for entry in &seed.api.pre_authorized_applications {
        let wanted = entry.delegated_permission_ids.iter().copied();
        let wanted: Vec<_> =
            wanted.filter(|scope| new.contains(&format!("pre {} {scope}", entry.app_id))).collect();
        let all = &mut into.api.pre_authorized_applications;
        if let Some(known) = all.iter_mut().find(|known| known.app_id == entry.app_id) {
            let there = known.delegated_permission_ids.clone();
            known.delegated_permission_ids.extend(wanted.into_iter().filter(|id| !there.contains(id)));
        } else if !wanted.is_empty() {
            all.push(PreAuthorizedApplication { app_id: entry.app_id, delegated_permission_ids: wanted });
        }
    }
}

fn name_item(uri: &str) -> String {
    format!("name {}", crate::folded(uri))
}

fn items(seed: &ApplicationProperties) -> Vec<String> {
    let mut items: Vec<String> = vec!["application".to_owned()];
    items.extend(seed.identifier_uris.iter().map(|uri| name_item(uri)));
    items.extend(seed.api.oauth2_permission_scopes.iter().map(|scope| format!("scope {}", scope.id)));
    items.extend(seed.app_roles.iter().map(|role| format!("role {}", role.id)));
    items.extend(seed.public_client.redirect_uris.iter().map(|uri| format!("redirect {uri}")));
    for entry in &seed.api.pre_authorized_applications {
        items.extend(entry.delegated_permission_ids.iter().map(|id| format!("pre {} {id}", entry.app_id)));
    }
    items
}
