//! `/applications`.

use futures::FutureExt as _;
use http::Method;
use serde_json::{Map, Value};

use super::{Access, Answer, Call, GraphError, Key, Operation, Reach, odata::Expand, owners::owner_shape};
use crate::{Application, DirectoryObject, Owners, Target, Upserted, applications, json, target::Name};

const ENTITY: &str = "applications/$entity";

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: "/applications",
        summary: "List applications.",
        access: Access::READ_APPLICATIONS,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications",
        summary: "Register an application.",
        access: Access::CREATE_APPLICATIONS,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/applications/{application}",
        summary: "Get an application.",
        access: Access::READ_APPLICATIONS,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/applications/{application}",
        summary: "Change an application; with Prefer: create-if-missing and its uniqueName, register it where it is missing.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/applications/{application}",
        summary: "Delete an application; it can be restored for 30 days.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| delete(call).boxed(),
    },
];

/// Whose objects the caller reaches, where it does not reach all of them.
pub(super) const fn owner_of(reach: Reach) -> Option<hilum_kernel::ObjectId> {
    match reach {
        Reach::All => None,
        Reach::Owned(owner) => Some(owner),
        Reach::Own(user) => Some(hilum_kernel::ObjectId::new(user.uuid())),
    }
}

/// The object that a key of the path names, for owners only where the caller reaches no further:
/// `/applications/{id}`, `/applications(appId='…')`, `/applications(uniqueName='…')`.
pub(super) fn target(call: &Call, key: &str) -> Result<Target, GraphError> {
    let key = call.key(key)?;
    let missing = |_| GraphError::not_found(key.value());
    let name = match key {
        Key::Id(id) => Name::ObjectId(id.parse().map_err(missing)?),
        Key::Alternate { property, value } if property.eq_ignore_ascii_case("id") => {
            Name::ObjectId(value.parse().map_err(missing)?)
        }
        Key::Alternate { property, value } if property.eq_ignore_ascii_case("appId") => {
            Name::AppId(value.parse().map_err(missing)?)
        }
        Key::Alternate { property, value } if property.eq_ignore_ascii_case("uniqueName") => {
            Name::Unique(value.clone())
        }
        Key::Alternate { property, .. } => {
            return Err(GraphError::bad_request(format!(
                "'{property}' is no key: use id, appId or uniqueName."
            )));
        }
    };
    Ok(Target::new(name).owned_by(owner_of(call.reach)))
}

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&["owners"])?;
    let mut query = call.list_query(&applications::COLLECTION)?;
    if let Some(owner) = owner_of(call.reach) {
        query = query.within("SELECT object_id FROM directory_owner WHERE owner_id = ", owner);
    }
    let domain = call.identity.tenant().await?.domain.clone();
    let page = call.identity.page_applications(&query).await?;
    let ids: Vec<_> = page.items.iter().map(|application| application.object_id).collect();
    let mut owners = match call.options.expand("owners") {
        Some(_) => call.identity.owners_of_all(&ids).await?,
        None => std::collections::HashMap::new(),
    };
    let shown = page.map(|application| {
        let mut shown = shape(&call, &application, &domain);
        if let Some(expand) = call.options.expand("owners") {
            let owners = owners.remove(&application.object_id).unwrap_or_default();
            shown.insert("owners".to_owned(), expanded(&owners, expand));
        }
        Value::Object(shown)
    });
    Ok(Answer::page("applications", shown))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&["owners"])?;
    let application = call.identity.find_application(target(&call, "application")?).await?;
    let domain = &call.identity.tenant().await?.domain;
    let mut shown = shape(&call, &application, domain);
    if let Some(expand) = call.options.expand("owners") {
        let mut owners = call.identity.owners_of_all(&[application.object_id]).await?;
        let owners = owners.remove(&application.object_id).unwrap_or_default();
        shown.insert("owners".to_owned(), expanded(&owners, expand));
    }
    Ok(Answer::object(ENTITY, Value::Object(shown)).with_version(application.version))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let owners = Owners { creator: owner_of(call.reach), others: call.body.bound("owners")? };
    let application = call.identity.create_application_for(&call.actor, call.body.object()?, owners).await?;
    let domain = &call.identity.tenant().await?.domain;
    let shown = json::application(&application, domain);
    Ok(Answer::created(ENTITY, shown).with_version(application.version))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?.if_match(call.expected_version()?);
    let members = call.body.object()?;
    let domain = &call.identity.tenant().await?.domain;
    // Who may only change what is there, or wants a certain version of it, makes nothing new.
    let may_create = target.if_match.is_none() && Access::CREATE_APPLICATIONS.reach(&call.caller).is_ok();
    if let (Name::Unique(name), true) = (&target.name, call.create_if_missing && may_create) {
        let owner = owner_of(call.reach);
        let (application, how) = call.identity.upsert_application(&call.actor, name, members, owner).await?;
        if how == Upserted::Created {
            let shown = json::application(&application, domain);
            return Ok(Answer::created(ENTITY, shown).with_version(application.version));
        }
        return Ok(call.changed(ENTITY, json::application(&application, domain)));
    }
    let application = call.identity.update_application(&call.actor, target, members).await?;
    Ok(call.changed(ENTITY, json::application(&application, domain)).with_version(application.version))
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?.if_match(call.expected_version()?);
    call.identity.delete_application(&call.actor, target).await?;
    Ok(Answer::no_content())
}

/// The object; its certificates with their `key` only where `$select` names them, as in Graph.
fn shape(call: &Call, application: &Application, domain: &str) -> Map<String, Value> {
    let mut members = match json::application(application, domain) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if call.selects_by_name("keyCredentials") {
        let keys = application.certificates.iter().map(json::certificate_with_key).collect();
        members.insert("keyCredentials".to_owned(), keys);
    }
    members
}

pub(super) fn expanded(owners: &[DirectoryObject], expand: &Expand) -> Value {
    let shown = owners.iter().map(owner_shape).map(|mut owner| {
        if let Value::Object(members) = &mut owner
            && !expand.select.is_empty()
        {
            members.retain(|name, _| {
                name.starts_with('@') || expand.select.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
            });
        }
        owner
    });
    shown.collect()
}
