//! Declared owners of applications. The list is the whole list: who is not in it owns no more.

use std::collections::BTreeMap;

use hilum_audit::Action;
use hilum_kernel::ObjectId;
use serde_json::Value;

use super::{
    groups::name_of,
    plan::PropertyChange,
    run::{Run, Trouble},
};
use crate::{
    OwnedKind, OwnerRef, PrincipalKind,
    owners::{self, Owned},
};

/// Makes an application's owners what its document says, once everybody is there.
pub(super) async fn of_application(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    let (Some(names), Some(id)) = (document.texts("owners")?, run.applications.get(&at).copied()) else {
        return Ok(());
    };
    let mut wanted = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        let path = format!("owners[{place}]");
        let principal = run.principal(document, &path, name).await?;
        if principal.kind == PrincipalKind::Group {
            return Err(document.problem(&path, "a group cannot own an application").into());
        }
        wanted.insert(principal.id, principal.kind);
    }
    let present: BTreeMap<ObjectId, PrincipalKind> =
        owners::of(run.tx, id).await?.into_iter().map(|owner| (owner.id, owner.kind)).collect();
    if wanted.keys().eq(present.keys()) {
        return Ok(());
    }
    let (tenant, stamp) = (run.tenant(), &run.means.stamp);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (owner, kind) in &present {
        before.push(name_of(run, *owner, *kind).await?);
        if !wanted.contains_key(owner) {
            owners::remove(run.tx, id, *owner).await?;
            let detail = Some(format!("owner {owner} removed"));
            stamp.record(run.tx, Action::ApplicationChanged, id, detail).await?;
        }
    }
    for (owner, kind) in &wanted {
        after.push(name_of(run, *owner, *kind).await?);
        if !present.contains_key(owner) {
            let object = Owned { id, kind: OwnedKind::Application };
            owners::add(run.tx, tenant, object, OwnerRef { id: *owner, kind: *kind }, stamp.at_ms).await?;
            let detail = Some(format!("owner {owner} added"));
            stamp.record(run.tx, Action::ApplicationChanged, id, detail).await?;
        }
    }
    let value = |mut names: Vec<String>| {
        names.sort();
        if names.is_empty() { Value::Null } else { names.into() }
    };
    let (before, after) = (value(before), value(after));
    run.amend(document, PropertyChange { path: "owners".to_owned(), before, after });
    Ok(())
}
