//! Declared federated credentials of applications. The list is the whole list: whom it does not name is trusted no more.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    document::Document,
    run::{Run, Trouble},
};
use crate::{Application, FederatedProperties, IdentityError, federated_credentials, folded};

pub(super) const MEMBER: &str = "federatedIdentityCredentials";

/// Makes an application's federated credentials what its document says; gives what was there and what is, where that
/// differs.
pub(super) async fn credentials(
    run: &mut Run<'_>,
    document: &Document,
    application: &Application,
) -> Result<Option<(Value, Value)>, Trouble> {
    let Some(declared) = document.members.get(MEMBER) else { return Ok(None) };
    let wanted = read(document, declared)?;
    let owner = application.object_id;
    let present = federated_credentials::declared_of(run.tx, owner).await?;
    if present == wanted {
        return Ok(None);
    }
    let means = run.means;
    let place = (means.tenant.id, owner);
    means.identity.declare_federated_credentials(run.tx, place, &wanted, &means.stamp).await?;
    Ok(Some((shown(&present), shown(&wanted))))
}

fn read(document: &Document, declared: &Value) -> Result<Vec<FederatedProperties>, Trouble> {
    let Value::Array(items) = declared else {
        let text = "federatedIdentityCredentials must be a list of objects";
        return Err(document.problem(MEMBER, text).into());
    };
    let mut all: Vec<FederatedProperties> = Vec::new();
    let (mut names, mut subjects) = (BTreeSet::new(), BTreeSet::new());
    for (at, item) in items.iter().enumerate() {
        let path = format!("{MEMBER}[{at}]");
        let Value::Object(members) = item else {
            return Err(document
                .problem(&path, "must be an object with name, issuer, subject, audiences")
                .into());
        };
        let properties = FederatedProperties::declared(members).map_err(|error| match error {
            IdentityError::Invalid { property, reason } => {
                document.problem(&format!("{path}.{property}"), format!("{property} {reason}")).into()
            }
            other => Trouble::Refused(other),
        })?;
        let twice = !names.insert(folded(&properties.name))
            | !subjects.insert((properties.issuer.clone(), properties.subject.clone()));
        if twice {
            let text = "stands in the list twice: the name, and issuer with subject, occur once";
            return Err(document.problem(&path, text).into());
        }
        all.push(properties);
    }
    all.sort_by_key(|properties| folded(&properties.name));
    Ok(all)
}

fn shown(all: &[FederatedProperties]) -> Value {
    all.iter().map(json).collect()
}

fn json(properties: &FederatedProperties) -> Value {
    super::applications::without_empty(serde_json::to_value(properties).unwrap_or_default())
}

/// What an export says of an application's federated credentials.
pub(super) fn declared(members: &mut Map<String, Value>, all: &[FederatedProperties]) {
    if !all.is_empty() {
        members.insert(MEMBER.to_owned(), shown(all));
    }
}
