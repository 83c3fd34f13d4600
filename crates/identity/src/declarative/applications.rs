//! Declared registrations. Names stand for IDs where Graph wants IDs: of resources, permissions, clients.

use hilum_audit::Action;
use hilum_kernel::{AppId, ObjectId};
use serde_json::{Map, Value, json};

use super::{
    credentials::{self, Holder},
    document::Document,
    federated,
    run::{Run, Trouble},
};
use crate::{
    Application, ApplicationProperties, IdentityError, OwnedKind, ParentalControl, PermissionKind,
    applications::{self, Ground, Policy},
};

/// Stands in identifier URIs for the client ID, which is not known before the application is made.
const APP_ID_PLACEHOLDER: &str = "{appId}";

/// A registration whose own properties are laid out, while what it refers to is still to be found.
pub(super) struct Prepared {
    pub(super) at: usize,
    found: Option<Application>,
    application: Application,
    references: Map<String, Value>,
}

/// Finds the object or sets it up, and makes its names known to the other documents.
pub(super) async fn prepare(run: &mut Run<'_>, at: usize) -> Result<Prepared, Trouble> {
    let document = run.document_at(at)?;
    let mut members = document.members.clone();
    members.remove("appId");
    members.remove("owners");
    members.remove(federated::MEMBER);
    let found = find(run, document).await?;
    let (object_id, new_app_id) = run.ids(at)?;
    let app_id = match (&found, document.optional("appId")?) {
        (Some(found), _) => found.app_id,
        (None, Some(text)) => text.parse().map_err(|_| document.problem("appId", "appId must be a GUID"))?,
        (None, None) => AppId::new(new_app_id),
    };
    run.claim(document, &app_id.to_string())?;
    let references = set_references_apart(&mut members);
    fill_in_ids(run, app_id, found.as_ref(), &mut members);
    replace_placeholder(&mut members, app_id);
    let base = found.as_ref().map_or_else(ApplicationProperties::default, |found| found.properties.clone());
    let properties = base.merged(&members)?;
    run.names.add(app_id, &properties);
    let application = match &found {
        Some(found) => Application { properties, ..found.clone() },
        None => Application {
            object_id: ObjectId::new(object_id),
            app_id,
            created_at: crate::timestamp(run.means.stamp.at_ms),
            seeded: false,
            version: 1,
            properties,
            secrets: Vec::new(),
            certificates: Vec::new(),
        },
    };
    Ok(Prepared { at, found, application, references })
}

/// Resolves what it refers to and writes it.
pub(super) async fn save(run: &mut Run<'_>, prepared: Prepared) -> Result<(), Trouble> {
    let Prepared { at, found, mut application, mut references } = prepared;
    let document = run.document_at(at)?;
    resolve(run, document, &mut references, &mut application).await?;
    let (mut before, mut after) = (
        found.as_ref().map(|found| properties_json(&found.properties)),
        properties_json(&application.properties),
    );
    names_are_free(run, document, &application).await?;
    let tenant = run.means.tenant.clone();
    match &found {
        None => {
            let ground = Ground {
                app_id: application.app_id,
                tenant: &tenant,
                policy: Policy::Registered,
                identifier_uris: run.means.identity.0.identifier_uris,
            };
            applications::check_rules(&application.properties, ground)?;
            applications::insert(run.tx, tenant.id, &application).await?;
            let detail = Some("created".to_owned());
            run.means.stamp.record(run.tx, Action::ApplicationChanged, application.app_id, detail).await?;
        }
        Some(found) if before.as_ref() != Some(&after) => {
            applications::lock(run.tx, found.object_id).await?;
            let now = applications::by_object_id(run.tx, tenant.id, found.object_id).await?;
            application.version = found.version + 1;
            if now.is_none_or(|now| now.version != application.version) {
                return Err(IdentityError::Changed.into());
            }
            let uris = run.means.identity.0.identifier_uris;
            applications::save(run.tx, (&tenant, uris), found, &application).await?;
            let detail = Some("updated".to_owned());
            run.means.stamp.record(run.tx, Action::ApplicationChanged, application.app_id, detail).await?;
        }
        Some(_) => {}
    }
    run.applications.insert(at, application.object_id);
    let mut notes = Vec::new();
    let holder = Holder {
        id: application.object_id,
        app_id: application.app_id,
        kind: OwnedKind::Application,
        name: &application.properties.display_name,
    };
    credentials::certificates(run, document, holder, &mut notes).await?;
    credentials::secrets(run, document, holder, &mut notes).await?;
    if let Some((was, is)) = federated::credentials(run, document, &application).await? {
        if let Some(before) = &mut before {
            set_value(before, federated::MEMBER, was);
        }
        set_value(&mut after, federated::MEMBER, is);
    }
    run.finish(document, &application.app_id.to_string(), before, after, notes).await
}

async fn find(run: &mut Run<'_>, document: &Document) -> Result<Option<Application>, Trouble> {
    let tenant = run.tenant();
    if let Some(text) = document.optional("appId")? {
        let id = text.parse().map_err(|_| document.problem("appId", "appId must be a GUID"))?;
        return Ok(applications::by_app_id(run.tx, tenant, id).await?);
    }
    if let Some(name) = document.optional("uniqueName")? {
        return Ok(applications::by_unique_name(run.tx, tenant, name).await?);
    }
    let name = document.required("displayName")?;
    let mut found = applications::by_display_name(run.tx, tenant, name).await?;
    if found.len() > 1 {
        let text = format!("several applications are named '{name}': say which by appId or uniqueName");
        return Err(document.problem("displayName", text).into());
    }
    Ok(found.pop())
}

/// Members that name other applications, which may not be made yet.
fn set_references_apart(members: &mut Map<String, Value>) -> Map<String, Value> {
    let mut apart = Map::new();
    if let Some(value) = members.remove("requiredResourceAccess") {
        apart.insert("requiredResourceAccess".to_owned(), value);
    }
    if let Some(Value::Object(api)) = members.get_mut("api") {
        let mut inner = Map::new();
        for name in ["preAuthorizedApplications", "knownClientApplications"] {
            inner.extend(api.remove(name).map(|value| (name.to_owned(), value)));
        }
        if !inner.is_empty() {
            apart.insert("api".to_owned(), Value::Object(inner));
        }
    }
    apart
}

/// Roles and scopes may be written without ID: they keep the one they have, or get one that is always the same.
fn fill_in_ids(run: &Run<'_>, app_id: AppId, found: Option<&Application>, members: &mut Map<String, Value>) {
    let known = found.map(|found| properties_json(&found.properties)).unwrap_or_default();
    let fill = |what: &str, list: Option<&mut Value>, known: &Value| {
        for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(item) = item else { continue };
            if item.contains_key("id") {
                continue;
            }
            let value = item.get("value").cloned().unwrap_or_default();
            let same = known.as_array().into_iter().flatten().find(|old| old.get("value") == Some(&value));
            let id = same.and_then(|old| old.get("id").cloned()).unwrap_or_else(|| {
                let seed = format!("{app_id} {what} {value}");
                let hash = run.means.identity.0.secret_key.keyed_hash(seed.as_bytes());
                let mut bytes = [0; 16];
                bytes.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
                uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
            });
            item.insert("id".to_owned(), id);
        }
    };
    let none = Value::Null;
    let old = |path: &str| known.pointer(path).unwrap_or(&none);
    fill("role", members.get_mut("appRoles"), old("/appRoles"));
    let api = members.get_mut("api").and_then(Value::as_object_mut);
    let scopes = api.and_then(|api| api.get_mut("oauth2PermissionScopes"));
    fill("scope", scopes, old("/api/oauth2PermissionScopes"));
}

fn replace_placeholder(members: &mut Map<String, Value>, app_id: AppId) {
    for uri in members.get_mut("identifierUris").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::String(text) = uri {
            *text = text.replace(APP_ID_PLACEHOLDER, &app_id.to_string());
        }
    }
}

/// Puts IDs in the place of names and lays the result over the application's properties.
async fn resolve(
    run: &mut Run<'_>,
    document: &Document,
    references: &mut Map<String, Value>,
    application: &mut Application,
) -> Result<(), Trouble> {
    if references.is_empty() {
        return Ok(());
    }
    let own = application.app_id;
    for (at, asked) in list(references.get_mut("requiredResourceAccess")).enumerate() {
        let path = format!("requiredResourceAccess[{at}]");
        let Some(resource) = text_of(asked, "resourceAppId") else { continue };
        let resource = run.app_id(document, &path, &resource).await?;
        set(asked, "resourceAppId", resource.to_string());
        for access in list(asked.get_mut("resourceAccess")) {
            let kind = match text_of(access, "type").as_deref() {
                Some("Role") => PermissionKind::Role,
                _ => PermissionKind::Scope,
            };
            let Some(id) = text_of(access, "id") else { continue };
            let id = run.permission_id((document, &path), resource, kind, &id).await?;
            set(access, "id", id.to_string());
        }
    }
    let Some(api) = references.get_mut("api") else {
        return merge(application, references);
    };
    for client in list(api.get_mut("preAuthorizedApplications")) {
        let path = "api.preAuthorizedApplications";
        if let Some(name) = text_of(client, "appId") {
            let id = run.app_id(document, path, &name).await?;
            set(client, "appId", id.to_string());
        }
        let ids =
            if client.get("permissionIds").is_some() { "permissionIds" } else { "delegatedPermissionIds" };
        for id in list(client.get_mut(ids)) {
            if let Some(name) = id.as_str() {
                let found = run.permission_id((document, path), own, PermissionKind::Scope, name).await?;
                *id = found.to_string().into();
            }
        }
    }
    for client in list(api.get_mut("knownClientApplications")) {
        if let Some(name) = client.as_str() {
            let id = run.app_id(document, "api.knownClientApplications", name).await?;
            *client = id.to_string().into();
        }
    }
    merge(application, references)
}

fn merge(application: &mut Application, references: &Map<String, Value>) -> Result<(), Trouble> {
    application.properties = application.properties.merged(references)?;
    Ok(())
}

fn list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn text_of(value: &Value, member: &str) -> Option<String> {
    value.get(member).and_then(Value::as_str).map(str::to_owned)
}

fn set(value: &mut Value, member: &str, text: String) {
    set_value(value, member, text.into());
}

fn set_value(object: &mut Value, member: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(member.to_owned(), value);
    }
}

/// Told here and not by the database, whose refusal would end the transaction on PostgreSQL.
async fn names_are_free(
    run: &mut Run<'_>,
    document: &Document,
    application: &Application,
) -> Result<(), Trouble> {
    let tenant = run.tenant();
    for uri in &application.properties.identifier_uris {
        if let Some(other) = applications::by_name(run.tx, tenant, uri).await?
            && other.app_id != application.app_id
        {
            let text = format!("'{uri}' already belongs to application {}", other.app_id);
            return Err(document.problem("identifierUris", text).into());
        }
    }
    Ok(())
}

/// The properties as Graph spells them.
pub(super) fn properties_json(properties: &ApplicationProperties) -> Value {
    let mut document = serde_json::to_value(properties).unwrap_or_else(|_| json!({}));
    if let Value::Object(members) = &mut document {
        if properties.parental_control_settings == ParentalControl::default() {
            members.remove("parentalControlSettings");
        }
        // Says the same as `redirectUris`, unless somebody has given them places.
        let placed = properties.web.redirect_uri_settings.iter().any(|setting| setting.index.is_some());
        if let (false, Some(Value::Object(web))) = (placed, members.get_mut("web")) {
            web.remove("redirectUriSettings");
        }
    }
    document
}

/// What differs from an application that was just made, for the export.
pub(super) fn declared(application: &Application) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("appId".to_owned(), application.app_id.to_string().into());
    if let Value::Object(own) = without_empty(properties_json(&application.properties)) {
        members.extend(own);
    }
    members
}

/// Leaves out what was never set.
pub(super) fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !super::plan::is_empty(value))
            .map(|(name, value)| (name, without_empty(value)))
            .collect(),
        // Inside of lists `false` and null are said: they may not be what is assumed there.
        other => other,
    }
}
