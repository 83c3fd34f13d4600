//! Declared owners of applications and service principals. The list is the whole list: who is not in it owns no more.

use std::collections::BTreeMap;

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

/// Makes the owners of an application or service principal what its document says, once everybody is there.
pub(super) async fn of_object(run: &mut Run<'_>, at: usize, kind: OwnedKind) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    let objects = match kind {
        OwnedKind::Application => &run.applications,
        OwnedKind::ServicePrincipal => &run.principals,
    };
    let (Some(names), Some(id)) = (document.texts("owners")?, objects.get(&at).copied()) else {
        return Ok(());
    };
    let mut wanted = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        let path = format!("owners[{place}]");
        let principal = run.principal(document, &path, name).await?;
        if principal.kind == PrincipalKind::Group {
            return Err(document.problem(&path, "a group cannot be an owner here").into());
        }
        wanted.insert(principal.id, principal.kind);
    }
    let present: BTreeMap<ObjectId, PrincipalKind> =
        owners::of(run.tx, id).await?.into_iter().map(|owner| (owner.id, owner.kind)).collect();
    if wanted.keys().eq(present.keys()) {
        return Ok(());
    }
    let (tenant, stamp, action) = (run.tenant(), &run.means.stamp, kind.action());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (owner, of) in &present {
        before.push(name_of(run, *owner, *of).await?);
        if !wanted.contains_key(owner) {
            owners::remove(run.tx, id, *owner).await?;
            let detail = Some(format!("owner {owner} removed"));
            stamp.record(run.tx, action, id, detail).await?;
        }
    }
    for (owner, of) in &wanted {
        after.push(name_of(run, *owner, *of).await?);
        if !present.contains_key(owner) {
            let object = Owned { id, kind };
            owners::add(run.tx, tenant, object, OwnerRef { id: *owner, kind: *of }, stamp.at_ms).await?;
            let detail = Some(format!("owner {owner} added"));
            stamp.record(run.tx, action, id, detail).await?;
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
