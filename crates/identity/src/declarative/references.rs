//! Names in files instead of IDs: an application by its unique name, identifier URI, display name or client ID; a
//! principal by these, by user principal name, or by the group's name.

use std::collections::{BTreeMap, BTreeSet};

use hilum_kernel::{AppId, GroupId, ObjectId};
use uuid::Uuid;

use super::{
    document::{Document, Problem},
    run::{Run, Trouble},
};
use crate::{
    Application, ApplicationProperties, IdentityError, PermissionKind, PrincipalKind, applications, folded,
    groups, service_principals, users,
};

/// The applications that the files declare: they can be referred to before they are made.
#[derive(Default)]
pub(super) struct DeclaredNames {
    by_name: BTreeMap<String, BTreeSet<AppId>>,
    permissions: BTreeMap<AppId, Vec<(PermissionKind, String, Uuid)>>,
}

impl DeclaredNames {
    pub(super) fn add(&mut self, app_id: AppId, properties: &ApplicationProperties) {
        let names = [Some(&properties.display_name), properties.unique_name.as_ref()];
        for name in names.into_iter().flatten().chain(&properties.identifier_uris) {
            self.by_name.entry(folded(name)).or_default().insert(app_id);
        }
        self.permissions.insert(app_id, permissions(properties));
    }
}

fn permissions(properties: &ApplicationProperties) -> Vec<(PermissionKind, String, Uuid)> {
    let scopes = properties.api.oauth2_permission_scopes.iter().filter_map(|scope| {
        scope.value.as_ref().map(|value| (PermissionKind::Scope, folded(value), scope.id.uuid()))
    });
    let roles = properties.app_roles.iter().filter_map(|role| {
        role.value.as_ref().map(|value| (PermissionKind::Role, folded(value), role.id.uuid()))
    });
    scopes.chain(roles).collect()
}

/// Who is meant by a name.
pub(super) struct Principal {
    pub(super) id: ObjectId,
    pub(super) kind: PrincipalKind,
}

impl Run<'_> {
    /// The client ID of the application meant by a text. A GUID is taken as it is, as Entra does.
    pub(super) async fn app_id(
        &mut self,
        document: &Document,
        path: &str,
        text: &str,
    ) -> Result<AppId, Trouble> {
        if let Ok(guid) = text.parse::<Uuid>() {
            return Ok(AppId::new(guid));
        }
        match self.find_app_id(document, path, text).await? {
            Some(id) => Ok(id),
            None => Err(document
                .problem(path, format!("there is no application '{text}', neither here nor in the directory"))
                .into()),
        }
    }

    async fn find_app_id(
        &mut self,
        document: &Document,
        path: &str,
        text: &str,
    ) -> Result<Option<AppId>, Trouble> {
        let declared = self.names.by_name.get(&folded(text)).cloned().unwrap_or_default();
        let found = if declared.is_empty() { self.app_ids_in_directory(text).await? } else { declared };
        match (found.first(), found.len()) {
            (Some(_), 2..) => Err(ambiguous(document, path, "applications", text).into()),
            (first, _) => Ok(first.copied()),
        }
    }

    async fn app_ids_in_directory(&mut self, text: &str) -> Result<BTreeSet<AppId>, IdentityError> {
        let tenant = self.tenant();
        if let Some(found) = applications::by_name(self.tx, tenant, text).await? {
            return Ok([found.app_id].into());
        }
        if let Some(found) = applications::by_unique_name(self.tx, tenant, text).await? {
            return Ok([found.app_id].into());
        }
        let found = applications::by_display_name(self.tx, tenant, text).await?;
        Ok(found.into_iter().map(|application| application.app_id).collect())
    }

    /// The ID of a permission of a resource, given as GUID or by its value.
    pub(super) async fn permission_id(
        &mut self,
        (document, path): (&Document, &str),
        resource: AppId,
        kind: PermissionKind,
        text: &str,
    ) -> Result<Uuid, Trouble> {
        if let Ok(id) = text.parse::<Uuid>() {
            return Ok(id);
        }
        let tenant = self.tenant();
        if !self.names.permissions.contains_key(&resource) {
            let found = applications::by_app_id(self.tx, tenant, resource).await?;
            let defined = found.map(|found| permissions(&found.properties)).unwrap_or_default();
            self.names.permissions.insert(resource, defined);
        }
        let defined = self.names.permissions.get(&resource).map(Vec::as_slice).unwrap_or_default();
        let wanted = folded(text);
        let found = defined.iter().find(|(of, value, _)| *of == kind && *value == wanted);
        let Some((.., id)) = found else {
            let word = if kind == PermissionKind::Scope { "scope" } else { "app role" };
            return Err(document.problem(path, format!("{resource} defines no {word} '{text}'")).into());
        };
        Ok(*id)
    }

    /// The application of this client ID, which must be in the directory.
    pub(super) async fn application(
        &mut self,
        document: &Document,
        path: &str,
        text: &str,
    ) -> Result<Application, Trouble> {
        let (id, tenant) = (self.app_id(document, path, text).await?, self.tenant());
        match applications::by_app_id(self.tx, tenant, id).await? {
            Some(application) => Ok(application),
            None => Err(document.problem(path, format!("there is no application '{text}'")).into()),
        }
    }

    /// Who is meant: `user:`, `group:` or `servicePrincipal:` before the name say so; a name with `@` is a user's.
    pub(super) async fn principal(
        &mut self,
        document: &Document,
        path: &str,
        text: &str,
    ) -> Result<Principal, Trouble> {
        let (kind, name) = match text.split_once(':').map(|(word, name)| (PrincipalKind::parse(word), name)) {
            Some((Some(kind), name)) => (Some(kind), name.trim()),
            _ if text.contains('@') => (Some(PrincipalKind::User), text),
            _ => (None, text),
        };
        let may_be = |other| kind.is_none_or(|kind| kind == other);
        let mut found = Vec::new();
        if may_be(PrincipalKind::User) {
            let user = users::lookup(self.tx, self.means.tenant.id, name).await?;
            found.extend(user.map(|user| (ObjectId::new(user.id.uuid()), PrincipalKind::User)));
        }
        if may_be(PrincipalKind::ServicePrincipal) {
            let id = self.service_principal_id(document, path, name).await?;
            found.extend(id.map(|id| (id, PrincipalKind::ServicePrincipal)));
        }
        if may_be(PrincipalKind::Group) {
            let ids = self.group_ids(name).await?;
            found.extend(ids.into_iter().map(|id| (id, PrincipalKind::Group)));
        }
        match found.as_slice() {
            [] => Err(document.problem(path, no_principal(text)).into()),
            [(id, kind)] => Ok(Principal { id: *id, kind: *kind }),
            _ => Err(ambiguous(document, path, "principals", text).into()),
        }
    }

    async fn group_ids(&mut self, name: &str) -> Result<Vec<ObjectId>, IdentityError> {
        let tenant = self.tenant();
        let found = match name.parse::<GroupId>() {
            Ok(id) => groups::by_id(self.tx, tenant, id).await?.into_iter().collect(),
            Err(_) => match groups::by_unique_name(self.tx, tenant, name).await? {
                Some(group) => vec![group],
                None => groups::by_name(self.tx, tenant, name).await?,
            },
        };
        Ok(found.into_iter().map(|group| ObjectId::new(group.id.uuid())).collect())
    }

    async fn service_principal_id(
        &mut self,
        document: &Document,
        path: &str,
        name: &str,
    ) -> Result<Option<ObjectId>, Trouble> {
        let tenant = self.tenant();
        if let Ok(guid) = name.parse::<Uuid>()
            && let Some(found) = service_principals::by_id(self.tx, tenant, ObjectId::new(guid)).await?
        {
            return Ok(Some(found.id));
        }
        let app_id = match name.parse::<Uuid>() {
            Ok(guid) => AppId::new(guid),
            Err(_) => match self.find_app_id(document, path, name).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        Ok(service_principals::by_app_id(self.tx, tenant, app_id).await?.map(|principal| principal.id))
    }
}

fn no_principal(text: &str) -> String {
    format!(
        "there is no principal '{text}': name a user by user principal name, a group by its name, a service principal \
         by its application's name or ID (a ServicePrincipal must be declared for an application)"
    )
}

fn ambiguous(document: &Document, path: &str, what: &str, text: &str) -> Problem {
    document.problem(path, format!("several {what} are named '{text}': use an ID"))
}
