//! Declared token lifetime policies, with the applications that they are assigned to.

use std::collections::BTreeMap;

use hilum_kernel::{AppId, PolicyId};
use serde_json::{Map, Value};

use super::{
    document::{DeclaredKind, Document},
    run::{Run, Trouble},
};
use crate::{
    Application, IdentityError, TokenLifetimePolicy, TokenLifetimeProperties,
    token_lifetimes::{self, applications_of, by_name, of_application},
};

const MEMBERS: &[&str] =
    &["id", "displayName", "description", "definition", "isOrganizationDefault", APPLICATIONS];
const APPLICATIONS: &str = "applications";

pub(super) async fn policy(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    document.only(MEMBERS)?;
    let (means, tenant) = (run.means, run.tenant());
    let found = find(run, document).await?;
    let declared_id = declared_id(document)?;
    let id = found.as_ref().map(|found| found.id).or(declared_id);
    let id = id.unwrap_or(PolicyId::new(run.ids(at)?.0));
    run.claim(document, &id.to_string())?;
    let mut members = document.members.clone();
    members.retain(|name, _| !matches!(name.as_str(), "id" | APPLICATIONS));
    let before = found.as_ref().map(|found| found.properties.clone());
    let properties = before.clone().unwrap_or_default().merged(&members)?;
    let policy = TokenLifetimePolicy { id, properties };
    match &before {
        None => token_lifetimes::create(run.tx, tenant, &policy, &means.stamp).await?,
        Some(before) if *before != policy.properties => {
            token_lifetimes::change(run.tx, tenant, &policy, &means.stamp).await?;
        }
        Some(_) => {}
    }
    let had = applications_of(run.tx, id).await?;
    let has = match document.texts(APPLICATIONS)? {
        Some(names) => assign(run, document, (id, &had), &names).await?,
        None => had.clone(),
    };
    let before = before.map(|before| shown(&before, &had));
    run.finish(document, &id.to_string(), before, shown(&policy.properties, &has), Vec::new()).await
}

fn declared_id(document: &Document) -> Result<Option<PolicyId>, Trouble> {
    let Some(text) = document.optional("id")? else { return Ok(None) };
    Ok(Some(text.parse().map_err(|_| document.problem("id", "id must be a GUID"))?))
}

/// By its ID, or by its name where that is one policy's only.
async fn find(run: &mut Run<'_>, document: &Document) -> Result<Option<TokenLifetimePolicy>, Trouble> {
    let tenant = run.tenant();
    if let Some(id) = declared_id(document)? {
        return match token_lifetimes::required(run.tx, tenant, id).await {
            Ok(found) => Ok(Some(found)),
            Err(IdentityError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        };
    }
    let mut found = by_name(run.tx, tenant, document.required("displayName")?).await?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let text = "several token lifetime policies have this name: give an id";
            Err(document.problem("displayName", text).into())
        }
    }
}

/// Makes the applications that have the policy those that are named. What had another one has this one now.
async fn assign(
    run: &mut Run<'_>,
    document: &Document,
    (id, had): (PolicyId, &[AppId]),
    names: &[String],
) -> Result<Vec<AppId>, Trouble> {
    let (means, tenant) = (run.means, run.tenant());
    let mut wanted: BTreeMap<AppId, Application> = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let path = format!("{APPLICATIONS}[{at}]");
        let application = run.application(document, &path, name).await?;
        if run.claim(document, &format!("assignment to {}", application.app_id)).is_err() {
            let text = format!("'{name}' stands in two policies: an application has one at most");
            return Err(document.problem(&path, text).into());
        }
        wanted.insert(application.app_id, application);
    }
    for app_id in had.iter().filter(|app_id| !wanted.contains_key(*app_id)) {
        // A deleted one keeps it until it is gone for good.
        if let Some(application) = crate::applications::by_app_id(run.tx, tenant, *app_id).await? {
            token_lifetimes::unassign(run.tx, &application, id, &means.stamp).await?;
        }
    }
    for application in wanted.values().filter(|application| !had.contains(&application.app_id)) {
        if let Some(other) = of_application(run.tx, application.object_id).await? {
            token_lifetimes::unassign(run.tx, application, other.id, &means.stamp).await?;
        }
        token_lifetimes::assign(run.tx, application, id, &means.stamp).await?;
    }
    Ok(wanted.into_keys().collect())
}

fn shown(properties: &TokenLifetimeProperties, applications: &[AppId]) -> Value {
    let mut shown = serde_json::to_value(properties).unwrap_or_default();
    if let Value::Object(members) = &mut shown {
        let mut ids: Vec<String> = applications.iter().map(ToString::to_string).collect();
        ids.sort();
        members.insert(APPLICATIONS.to_owned(), ids.into());
    }
    shown
}

/// What an export says of a policy; its ID tells it from others of its name.
pub(super) fn declared(policy: &TokenLifetimePolicy, applications: Vec<String>) -> Map<String, Value> {
    let document = serde_json::to_value(&policy.properties).unwrap_or_default();
    let mut members = match super::applications::without_empty(document) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("id".to_owned(), policy.id.to_string().into());
    if !applications.is_empty() {
        members.insert(APPLICATIONS.to_owned(), applications.into());
    }
    members
}

/// Deletes a policy; tells what it was called.
pub(super) async fn delete(run: &mut Run<'_>, id: &str) -> Result<Option<String>, IdentityError> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let (tenant, stamp) = (run.tenant(), &run.means.stamp);
    Ok(Some(token_lifetimes::delete(run.tx, tenant, id, stamp).await?.properties.display_name))
}

/// Which documents come first: a policy that stops being the organisation's makes room for the one that begins to be.
pub(super) fn is_later(document: &Document) -> bool {
    document.kind == DeclaredKind::TokenLifetimePolicy
        && document.members.get("isOrganizationDefault") == Some(&Value::Bool(true))
}
