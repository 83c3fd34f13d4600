//! The directory as documents: what `apply` makes of them on an empty installation is the same again.
//!
//! Left out is what every installation has and nobody changed, what was never set, and every secret. Certificates are
//! public and go along; expired ones would be refused and stay behind.

use std::collections::{BTreeMap, BTreeSet};

use hilum_kernel::{AppId, GroupId, ObjectId};
use hilum_storage::db::ReadTx;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    applications as declared_applications, document::DeclaredKind, groups as declared_groups, labels, plan,
    principals, roles as declared_roles, users as declared_users,
};
use crate::{
    Application, ApplicationFilter, CertificateInfo, Group, IdentityError, PrincipalKind, Relation, RoleKind,
    RoleOrigin, ServicePrincipal, ServicePrincipalFilter, Tenant, UserFilter, applications, credentials,
    folded, grants, groups, owners, role_assignments, seed, service_principals, users,
};

/// As many members as a group can have.
const EDGES_MAX: usize = 100_000;

/// Writes down everything.
pub(super) async fn export(
    tx: &mut ReadTx,
    tenant: &Tenant,
    origin: &str,
    now: Timestamp,
) -> Result<Vec<Value>, IdentityError> {
    let registered = applications::select(tx, tenant.id, &ApplicationFilter::All, None).await?;
    let all = service_principals::select(tx, tenant.id, &ServicePrincipalFilter::All, None).await?;
    let names = Names::of(&registered, &all);
    let mut export =
        Export { tx, tenant, origin, now, names, custom_roles: BTreeSet::new(), documents: Vec::new() };
    export.roles().await?;
    export.users().await?;
    export.groups().await?;
    export.applications(&registered).await?;
    export.service_principals(&registered, &all);
    export.role_assignments().await?;
    export.app_role_assignments(&registered, &all).await?;
    export.permission_grants().await?;
    export.finish().await
}

struct Export<'a> {
    tx: &'a mut ReadTx,
    tenant: &'a Tenant,
    origin: &'a str,
    now: Timestamp,
    names: Names,
    /// Each is also an app role of the DICOM service, and made by its definition.
    custom_roles: BTreeSet<Uuid>,
    /// Kind, name to sort by, the ID under which labels are kept, members.
    documents: Vec<(DeclaredKind, String, String, Map<String, Value>)>,
}

/// How objects are named in references.
struct Names {
    applications: BTreeMap<AppId, String>,
    principals: BTreeMap<ObjectId, (AppId, String)>,
}

impl Names {
    fn of(registered: &[Application], principals: &[ServicePrincipal]) -> Self {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for application in registered {
            let p = &application.properties;
            let own = [Some(&p.display_name), p.unique_name.as_ref()];
            let names: BTreeSet<String> =
                own.into_iter().flatten().chain(&p.identifier_uris).map(|name| folded(name)).collect();
            for name in names {
                *count.entry(name).or_default() += 1;
            }
        }
        let name = |application: &Application| {
            let p = &application.properties;
            let good = |name: &&String| count.get(&folded(name)) == Some(&1) && name.parse::<Uuid>().is_err();
            let own = [p.unique_name.as_ref(), Some(&p.display_name)];
            own.into_iter().flatten().find(good).cloned().unwrap_or_else(|| application.app_id.to_string())
        };
        let applications: BTreeMap<AppId, String> =
            registered.iter().map(|application| (application.app_id, name(application))).collect();
        let principals = principals
            .iter()
            .map(|principal| {
                let id = principal.app_id;
                (principal.id, (id, applications.get(&id).cloned().unwrap_or_else(|| id.to_string())))
            })
            .collect();
        Self { applications, principals }
    }

    fn application(&self, id: AppId) -> String {
        self.applications.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The application behind a service principal.
    fn resource(&self, id: ObjectId) -> Option<String> {
        self.principals.get(&id).map(|(_, name)| name.clone())
    }
}

impl Export<'_> {
    fn add(&mut self, kind: DeclaredKind, name: String, id: String, members: Map<String, Value>) {
        self.documents.push((kind, name, id, members));
    }

    async fn roles(&mut self) -> Result<(), IdentityError> {
        for role in role_assignments::custom_definitions(self.tx, self.tenant.id).await? {
            self.custom_roles.insert(role.id);
            if role.origin == RoleOrigin::Custom {
                let members = declared_roles::declared(&role);
                self.add(DeclaredKind::RoleDefinition, role.name.clone(), role.id.to_string(), members);
            }
        }
        Ok(())
    }

    async fn users(&mut self) -> Result<(), IdentityError> {
        for user in users::select(self.tx, self.tenant.id, &UserFilter::All, None).await? {
            let members = declared_users::declared(&user, &self.tenant.domain);
            self.add(DeclaredKind::User, user.user_principal_name.clone(), user.id.to_string(), members);
        }
        Ok(())
    }

    async fn groups(&mut self) -> Result<(), IdentityError> {
        for group in groups::all(self.tx, self.tenant.id).await? {
            let mut members = declared_groups::declared(&group);
            for relation in [Relation::Owners, Relation::Members] {
                let mut names = Vec::new();
                for edge in groups::edges(self.tx, group.id, relation, None, EDGES_MAX).await? {
                    names.extend(self.principal(edge.id, edge.kind).await?);
                }
                if !names.is_empty() {
                    names.sort();
                    members.insert(relation.as_str().to_owned(), names.into());
                }
            }
            self.add(DeclaredKind::Group, group.display_name.clone(), group.id.to_string(), members);
        }
        Ok(())
    }

    fn without_custom_roles(&self, application: &Application) -> Application {
        let mut application = application.clone();
        if application.app_id == seed::DICOM_APP_ID {
            let roles = &mut application.properties.app_roles;
            roles.retain(|role| !self.custom_roles.contains(&role.id.uuid()));
        }
        application
    }

    async fn applications(&mut self, registered: &[Application]) -> Result<(), IdentityError> {
        let seeds = seed::applications(self.origin, [Uuid::nil(); seed::COUNT], Timestamp::UNIX_EPOCH);
        for application in registered {
            let application = &self.without_custom_roles(application);
            let mut members = declared_applications::declared(application);
            if let Some(seed) = seeds.iter().find(|seed| seed.app_id == application.app_id) {
                only_changes(&mut members, application, seed);
            }
            let certificates = credentials::certificates_of(self.tx, application.object_id).await?;
            let certificates: Vec<Value> = certificates
                .iter()
                .filter(|certificate| certificate.ends_at > self.now)
                .map(certificate_json)
                .collect();
            if !certificates.is_empty() {
                members.insert("certificates".to_owned(), certificates.into());
            }
            let mut names = Vec::new();
            for owner in owners::of(self.tx, application.object_id).await? {
                names.extend(self.principal(owner.id, owner.kind).await?);
            }
            if !names.is_empty() {
                names.sort();
                members.insert("owners".to_owned(), names.into());
            }
            // A seed that nobody changed says nothing beside its ID and name.
            if !application.seeded || members.len() > 2 {
                let id = application.app_id.to_string();
                self.add(DeclaredKind::Application, application.properties.display_name.clone(), id, members);
            }
        }
        Ok(())
    }

    fn service_principals(&mut self, registered: &[Application], all: &[ServicePrincipal]) {
        for principal in all {
            let seeded = registered.iter().any(|a| a.seeded && a.app_id == principal.app_id);
            let mut members = principals::declared(principal);
            if seeded && members.is_empty() {
                continue;
            }
            let name = self.names.application(principal.app_id);
            members.insert("application".to_owned(), name.clone().into());
            self.add(DeclaredKind::ServicePrincipal, name, principal.app_id.to_string(), members);
        }
    }

    /// The name of a principal, or nothing for one that is gone.
    async fn principal(
        &mut self,
        id: ObjectId,
        kind: PrincipalKind,
    ) -> Result<Option<String>, IdentityError> {
        Ok(match kind {
            PrincipalKind::ServicePrincipal => {
                self.names.resource(id).map(|name| format!("servicePrincipal:{name}"))
            }
            PrincipalKind::User => {
                let found = users::lookup(self.tx, self.tenant.id, &id.to_string()).await?;
                found.map(|user| user.user_principal_name)
            }
            PrincipalKind::Group => {
                let found = groups::by_id(self.tx, self.tenant.id, GroupId::new(id.uuid())).await?;
                found.map(|group| format!("group:{}", group_name(&group)))
            }
        })
    }

    async fn role_assignments(&mut self) -> Result<(), IdentityError> {
        for assignment in role_assignments::all(self.tx, self.tenant.id).await? {
            let kind = assignment.principal_kind;
            let Some(principal) = self.principal(assignment.principal_id, kind).await? else { continue };
            let members =
                json!({"principal": principal, "role": assignment.role.name, "scope": assignment.scope});
            let key = format!("{} {} {}", assignment.principal_id, assignment.role.id, assignment.scope);
            let name = format!("{principal} {} {}", assignment.role.name, assignment.scope);
            self.add(DeclaredKind::RoleAssignment, name, key, object(members));
        }
        Ok(())
    }

    async fn app_role_assignments(
        &mut self,
        registered: &[Application],
        all: &[ServicePrincipal],
    ) -> Result<(), IdentityError> {
        let assigned: BTreeSet<(ObjectId, Uuid)> = role_assignments::all(self.tx, self.tenant.id)
            .await?
            .into_iter()
            .filter(|assignment| assignment.role.kind == RoleKind::DicomData)
            .map(|assignment| (assignment.principal_id, assignment.role.id))
            .collect();
        for resource in all {
            let application = registered.iter().find(|a| a.app_id == resource.app_id);
            for assignment in grants::assignments_to(self.tx, resource.id).await? {
                let (principal_id, role_id) = (assignment.principal_id, assignment.app_role_id.uuid());
                // What a role assignment brings along is made by that.
                if resource.app_id == seed::DICOM_APP_ID && assigned.contains(&(principal_id, role_id)) {
                    continue;
                }
                let kind = assignment.principal_kind;
                let Some(principal) = self.principal(principal_id, kind).await? else { continue };
                let role = application
                    .and_then(|a| a.properties.app_roles.iter().find(|role| role.id.uuid() == role_id))
                    .and_then(|role| role.value.clone())
                    .unwrap_or_else(|| role_id.to_string());
                let target = self.names.application(resource.app_id);
                let name = format!("{principal} {target} {role}");
                let members = json!({"principal": principal, "resource": target, "appRole": role});
                let key = format!("{principal_id} {} {role_id}", resource.id);
                self.add(DeclaredKind::AppRoleAssignment, name, key, object(members));
            }
        }
        Ok(())
    }

    async fn permission_grants(&mut self) -> Result<(), IdentityError> {
        for grant in grants::all(self.tx, self.tenant.id).await? {
            let (Some(client), Some(resource)) =
                (self.names.resource(grant.client_id), self.names.resource(grant.resource_id))
            else {
                continue;
            };
            let mut members = object(json!({"client": client, "resource": resource, "scope": grant.scope}));
            let mut key = format!("{} {} ", grant.client_id, grant.resource_id);
            if let Some(id) = grant.principal_id {
                let Some(user) = self.principal(id, PrincipalKind::User).await? else { continue };
                members.insert("principal".to_owned(), user.into());
                key.push_str(&id.to_string());
            }
            let name = format!("{client} {resource}");
            self.add(DeclaredKind::OAuth2PermissionGrant, name, key, members);
        }
        Ok(())
    }

    /// Adds labels, and orders the documents.
    async fn finish(mut self) -> Result<Vec<Value>, IdentityError> {
        for kind in DeclaredKind::ALL {
            let mut labels = labels::of_kind(self.tx, self.tenant.id, *kind).await?;
            for (_, _, id, members) in self.documents.iter_mut().filter(|(of, ..)| of == kind) {
                if let Some(labels) = labels.remove(id) {
                    members.insert("labels".to_owned(), serde_json::to_value(labels).unwrap_or_default());
                }
            }
        }
        self.documents.sort_by(|a, b| (a.0, folded(&a.1), &a.2).cmp(&(b.0, folded(&b.1), &b.2)));
        let document = |(kind, _, _, mut members): (DeclaredKind, _, _, Map<String, Value>)| {
            members.insert("kind".to_owned(), kind.as_str().into());
            Value::Object(members)
        };
        Ok(self.documents.into_iter().map(document).collect())
    }
}

/// Of a seeded application only what differs from the seed, beside its ID and name. The names under which it is known
/// belong to the installation's origin.
fn only_changes(members: &mut Map<String, Value>, application: &Application, seed: &Application) {
    let (present, original) = (
        declared_applications::properties_json(&application.properties),
        declared_applications::properties_json(&seed.properties),
    );
    members.retain(|name, _| {
        let value = |document: &Value| document.get(name).cloned().unwrap_or_default();
        let changed = !plan::differences(&value(&original), &value(&present)).is_empty();
        matches!(name.as_str(), "appId" | "displayName") || (name != "identifierUris" && changed)
    });
}

fn group_name(group: &Group) -> &str {
    group.unique_name.as_ref().unwrap_or(&group.display_name)
}

fn certificate_json(certificate: &CertificateInfo) -> Value {
    let body = hilum_jose::base64_encode(&certificate.der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    json!({"displayName": certificate.display_name, "pem": pem})
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
