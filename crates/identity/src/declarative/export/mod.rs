//! The directory as documents: what `apply` makes of them on an empty installation is the same again.
//!
//! Left out is what every installation has and nobody changed, what was never set, and every secret. Certificates are
//! public and go along; expired ones would be refused and stay behind. The documents come in pages out of one snapshot,
//! all of them, so that no directory is too large; what is kept for all objects is their names.

mod names;
mod relations;

use std::{collections::BTreeSet, sync::Arc};

use hilum_kernel::{AppId, GroupId, ObjectId};
use hilum_storage::db::ReadTx;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use names::Names;

use super::{
    applications as declared_applications, document::DeclaredKind, federated, groups as declared_groups,
    labels, plan, policies, principals, roles as declared_roles, users as declared_users,
};
use crate::{
    Application, CertificateInfo, Group, Identity, IdentityError, PrincipalKind, Relation, RoleOrigin,
    Tenant, applications, credentials, federated_credentials, groups, owners,
    query::{Cursor, ListQuery},
    role_assignments, seed, service_principals, token_lifetimes, users,
};

/// As many members as a group can have.
const EDGES_MAX: usize = 100_000;

/// The documents of the directory, page by page.
pub struct ConfigurationExport {
    tx: ReadTx,
    tenant: Tenant,
    origin: Arc<str>,
    now: Timestamp,
    /// Objects of a page.
    page: usize,
    names: Names,
    /// Each is also an app role of the DICOM service, and made by its definition.
    custom_roles: BTreeSet<Uuid>,
    /// Data roles that principals have by an assignment, which brings the app role along.
    assigned: BTreeSet<(ObjectId, Uuid)>,
    stage: Stage,
}

/// What comes next.
enum Stage {
    Roles,
    Users(Option<Cursor>),
    Groups(Option<Cursor>),
    /// From this place in the order of names.
    Applications(usize),
    ServicePrincipals(usize),
    /// Policies, assignments or grants, to be read.
    Relations(DeclaredKind),
    /// The rest of what was read.
    Rest(DeclaredKind, std::vec::IntoIter<Item>),
    End,
}

/// A document without kind and labels.
struct Item {
    /// The ID under which labels are kept.
    id: String,
    /// For the order.
    name: String,
    members: Map<String, Value>,
}

impl ConfigurationExport {
    /// Begins an export of what is true now.
    pub(super) async fn start(identity: &Identity, page: usize) -> Result<Self, IdentityError> {
        let tenant = identity.tenant().await?.clone();
        let now = identity.0.clock.now();
        let mut tx = identity.0.db.snapshot().await?;
        let names = Names::read(&mut tx, tenant.id, page).await?;
        Ok(Self {
            tx,
            tenant,
            origin: Arc::clone(&identity.0.origin),
            now,
            page,
            names,
            custom_roles: BTreeSet::new(),
            assigned: BTreeSet::new(),
            stage: Stage::Roles,
        })
    }

    /// The next documents, in a stable order; none when all were given.
    ///
    /// # Errors
    /// [`IdentityError::Db`].
    pub async fn next(&mut self) -> Result<Option<Vec<Value>>, IdentityError> {
        loop {
            let (kind, items, next) = match std::mem::replace(&mut self.stage, Stage::End) {
                Stage::Roles => {
                    let kind = DeclaredKind::RoleDefinition;
                    (kind, Vec::new(), Stage::Rest(kind, self.roles().await?.into_iter()))
                }
                Stage::Users(after) => {
                    let (items, after) = self.users(after).await?;
                    (
                        DeclaredKind::User,
                        items,
                        after.map_or(Stage::Groups(None), |at| Stage::Users(Some(at))),
                    )
                }
                Stage::Groups(after) => {
                    let (items, after) = self.groups(after).await?;
                    let next = after.map_or(Stage::Applications(0), |at| Stage::Groups(Some(at)));
                    (DeclaredKind::Group, items, next)
                }
                Stage::Applications(at) => {
                    let ids = self.names.applications_in_order.iter().skip(at).take(self.page);
                    let ids: Vec<AppId> = ids.copied().collect();
                    let next = after(at, &ids, Stage::Applications, Stage::ServicePrincipals(0));
                    (DeclaredKind::Application, self.applications(&ids).await?, next)
                }
                Stage::ServicePrincipals(at) => {
                    let ids = self.names.principals_in_order.iter().skip(at).take(self.page);
                    let ids: Vec<AppId> = ids.copied().collect();
                    let policies = Stage::Relations(DeclaredKind::TokenLifetimePolicy);
                    let next = after(at, &ids, Stage::ServicePrincipals, policies);
                    (DeclaredKind::ServicePrincipal, self.service_principals(&ids).await?, next)
                }
                Stage::Relations(kind) => {
                    let rest = self.relations(kind).await?.into_iter();
                    (kind, Vec::new(), Stage::Rest(kind, rest))
                }
                Stage::Rest(kind, mut rest) => {
                    let items: Vec<Item> = rest.by_ref().take(self.page).collect();
                    let next = match (items.is_empty(), kind) {
                        (false, _) => Stage::Rest(kind, rest),
                        (true, DeclaredKind::RoleDefinition) => Stage::Users(None),
                        (true, DeclaredKind::TokenLifetimePolicy) => {
                            Stage::Relations(DeclaredKind::RoleAssignment)
                        }
                        (true, DeclaredKind::RoleAssignment) => {
                            Stage::Relations(DeclaredKind::AppRoleAssignment)
                        }
                        (true, DeclaredKind::AppRoleAssignment) => {
                            Stage::Relations(DeclaredKind::OAuth2PermissionGrant)
                        }
                        (true, _) => Stage::End,
                    };
                    (kind, items, next)
                }
                Stage::End => return Ok(None),
            };
            self.stage = next;
            if !items.is_empty() {
                return self.documents(kind, items).await.map(Some);
            }
        }
    }

    async fn relations(&mut self, kind: DeclaredKind) -> Result<Vec<Item>, IdentityError> {
        match kind {
            DeclaredKind::TokenLifetimePolicy => self.token_lifetime_policies().await,
            DeclaredKind::RoleAssignment => self.role_assignments().await,
            DeclaredKind::AppRoleAssignment => self.app_role_assignments().await,
            _ => self.permission_grants().await,
        }
    }

    async fn token_lifetime_policies(&mut self) -> Result<Vec<Item>, IdentityError> {
        let mut items = Vec::new();
        for policy in token_lifetimes::all(&mut self.tx, self.tenant.id).await? {
            let applications = token_lifetimes::applications_of(&mut self.tx, policy.id).await?;
            // A deleted application keeps its policy, but no file can speak of it.
            let live = applications.into_iter().filter(|app_id| self.names.is_registered(*app_id));
            let mut names: Vec<String> = live.map(|app_id| self.names.application(app_id)).collect();
            names.sort();
            let members = policies::declared(&policy, names);
            items.push(Item { id: policy.id.to_string(), name: policy.properties.display_name, members });
        }
        Ok(items)
    }

    /// Adds kind and labels.
    async fn documents(&mut self, kind: DeclaredKind, items: Vec<Item>) -> Result<Vec<Value>, IdentityError> {
        let ids = items.iter().map(|item| item.id.as_str());
        let mut labels = labels::of_objects(&mut self.tx, self.tenant.id, kind, ids).await?;
        let document = |Item { id, mut members, .. }: Item| {
            if let Some(labels) = labels.remove(&id) {
                members.insert("labels".to_owned(), serde_json::to_value(labels).unwrap_or_default());
            }
            members.insert("kind".to_owned(), kind.as_str().into());
            Value::Object(members)
        };
        Ok(items.into_iter().map(document).collect())
    }

    async fn roles(&mut self) -> Result<Vec<Item>, IdentityError> {
        let mut items = Vec::new();
        for role in role_assignments::custom_definitions(&mut self.tx, self.tenant.id).await? {
            self.custom_roles.insert(role.id);
            if role.origin == RoleOrigin::Custom {
                let members = declared_roles::declared(&role);
                items.push(Item { id: role.id.to_string(), name: role.name, members });
            }
        }
        Ok(items)
    }

    async fn users(&mut self, after: Option<Cursor>) -> Result<(Vec<Item>, Option<Cursor>), IdentityError> {
        let query = ListQuery::all(self.page, "userPrincipalName", after);
        let page = users::page(&mut self.tx, self.tenant.id, &query).await?;
        let item = |user: crate::User| Item {
            id: user.id.to_string(),
            members: declared_users::declared(&user, &self.tenant.domain),
            name: user.user_principal_name,
        };
        Ok((page.items.into_iter().map(item).collect(), page.next))
    }

    async fn groups(&mut self, after: Option<Cursor>) -> Result<(Vec<Item>, Option<Cursor>), IdentityError> {
        let query = ListQuery::all(self.page, "displayName", after);
        let page = groups::page(&mut self.tx, self.tenant.id, &query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for group in page.items {
            let mut members = declared_groups::declared(&group);
            if !self.is_unique(&group).await? {
                members.insert("id".to_owned(), group.id.to_string().into());
            }
            for relation in [Relation::Owners, Relation::Members] {
                let mut names = Vec::new();
                for edge in groups::edges(&mut self.tx, group.id, relation, None, EDGES_MAX).await? {
                    names.extend(self.principal(edge.id, edge.kind).await?);
                }
                insert_sorted(&mut members, relation.as_str(), names);
            }
            items.push(Item { id: group.id.to_string(), name: group.display_name, members });
        }
        Ok((items, page.next))
    }

    /// Whether a group can be told by its name: Graph lets several have one.
    async fn is_unique(&mut self, group: &Group) -> Result<bool, IdentityError> {
        let (tx, tenant) = (&mut self.tx, self.tenant.id);
        Ok(group.unique_name.is_some() || groups::by_name(tx, tenant, &group.display_name).await?.len() == 1)
    }

    fn without_custom_roles(&self, application: &mut Application) {
        if application.app_id == seed::DICOM_APP_ID {
            let roles = &mut application.properties.app_roles;
            roles.retain(|role| !self.custom_roles.contains(&role.id.uuid()));
        }
    }

    async fn applications(&mut self, ids: &[AppId]) -> Result<Vec<Item>, IdentityError> {
        let mut found = applications::by_app_ids(&mut self.tx, self.tenant.id, ids).await?;
        credentials::attach_all(&mut self.tx, &mut found).await?;
        found.sort_by_key(|application| place(ids, application.app_id));
        let seeds = seed::applications(&self.origin, [Uuid::nil(); seed::COUNT], Timestamp::UNIX_EPOCH);
        let mut items = Vec::with_capacity(found.len());
        for mut application in found {
            self.without_custom_roles(&mut application);
            let mut members = declared_applications::declared(&application);
            if let Some(seed) = seeds.iter().find(|seed| seed.app_id == application.app_id) {
                only_changes(&mut members, &application, seed);
            }
            self.certificates(&mut members, &application.certificates);
            let trusted = federated_credentials::declared_of(&mut self.tx, application.object_id).await?;
            federated::declared(&mut members, &trusted);
            self.owners(&mut members, application.object_id).await?;
            // A seed that nobody changed says nothing beside its ID and name.
            if !application.seeded || members.len() > 2 {
                let id = application.app_id.to_string();
                items.push(Item { id, name: application.properties.display_name, members });
            }
        }
        Ok(items)
    }

    fn certificates(&self, members: &mut Map<String, Value>, all: &[CertificateInfo]) {
        let valid = all.iter().filter(|certificate| certificate.ends_at > self.now);
        let certificates: Vec<Value> = valid.map(certificate_json).collect();
        if !certificates.is_empty() {
            members.insert("certificates".to_owned(), certificates.into());
        }
    }

    async fn owners(
        &mut self,
        members: &mut Map<String, Value>,
        object: ObjectId,
    ) -> Result<(), IdentityError> {
        let mut names = Vec::new();
        for owner in owners::of(&mut self.tx, object).await? {
            names.extend(self.principal(owner.id, owner.kind).await?);
        }
        insert_sorted(members, "owners", names);
        Ok(())
    }

    async fn service_principals(&mut self, ids: &[AppId]) -> Result<Vec<Item>, IdentityError> {
        let mut found = service_principals::by_app_ids(&mut self.tx, self.tenant.id, ids).await?;
        found.sort_by_key(|principal| place(ids, principal.app_id));
        let holders: Vec<ObjectId> = found.iter().map(|principal| principal.id).collect();
        let (_, mut certificates) = credentials::of_all(&mut self.tx, &holders).await?;
        let mut items = Vec::with_capacity(found.len());
        for principal in found {
            let mut members = principals::declared(&principal);
            let own = certificates.remove(&principal.id).unwrap_or_default();
            self.certificates(&mut members, &own);
            self.owners(&mut members, principal.id).await?;
            if self.names.seeded.contains(&principal.app_id) && members.is_empty() {
                continue;
            }
            let name = self.names.application(principal.app_id);
            members.insert("application".to_owned(), name.clone().into());
            items.push(Item { id: principal.app_id.to_string(), name, members });
        }
        Ok(items)
    }

    /// The name of a principal, or nothing for one that is gone.
    async fn principal(
        &mut self,
        id: ObjectId,
        kind: PrincipalKind,
    ) -> Result<Option<String>, IdentityError> {
        let (tx, tenant) = (&mut self.tx, self.tenant.id);
        Ok(match kind {
            PrincipalKind::ServicePrincipal => {
                self.names.principal(id).map(|name| format!("servicePrincipal:{name}"))
            }
            PrincipalKind::User => {
                let found = users::lookup(tx, tenant, &id.to_string()).await?;
                found.map(|user| user.user_principal_name)
            }
            PrincipalKind::Group => match groups::by_id(tx, tenant, GroupId::new(id.uuid())).await? {
                Some(group) if self.is_unique(&group).await? => Some(format!("group:{}", group_name(&group))),
                found => found.map(|group| format!("group:{}", group.id)),
            },
        })
    }
}

/// Where the next page of IDs starts, or what comes behind the last.
fn after(at: usize, ids: &[AppId], same: fn(usize) -> Stage, next: Stage) -> Stage {
    if ids.is_empty() { next } else { same(at + ids.len()) }
}

fn place(ids: &[AppId], id: AppId) -> Option<usize> {
    ids.iter().position(|other| *other == id)
}

fn insert_sorted(members: &mut Map<String, Value>, name: &str, mut names: Vec<String>) {
    if !names.is_empty() {
        names.sort();
        members.insert(name.to_owned(), names.into());
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
