//! Assignments and grants as documents. They are ordered by the names of their ends, so all of a kind are read (in
//! pages) before the first is written: a few hundred bytes each.

use hilum_kernel::ObjectId;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ConfigurationExport, Item};
use crate::{
    AppRoleAssignment, IdentityError, PermissionGrant, PrincipalKind, RoleAssignment, RoleKind, folded,
    grants,
    query::{Cursor, ListQuery},
    role_assignments, seed,
};

impl ConfigurationExport {
    pub(super) async fn role_assignments(&mut self) -> Result<Vec<Item>, IdentityError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = role_assignments::page(&mut self.tx, self.tenant.id, after, self.page).await?;
            after = page.last().map(|assignment| assignment.id);
            for assignment in &page {
                all.extend(self.role_assignment(assignment).await?);
            }
            if page.len() < self.page {
                return Ok(in_order(all));
            }
        }
    }

    async fn role_assignment(&mut self, assignment: &RoleAssignment) -> Result<Option<Item>, IdentityError> {
        let (id, role) = (assignment.principal_id, &assignment.role);
        if role.kind == RoleKind::DicomData {
            self.assigned.insert((id, role.id));
        }
        let Some(principal) = self.principal(id, assignment.principal_kind).await? else { return Ok(None) };
        let members = json!({"principal": principal, "role": role.name, "scope": assignment.scope});
        Ok(Some(Item {
            id: format!("{id} {} {}", role.id, assignment.scope),
            name: format!("{principal} {} {}", role.name, assignment.scope),
            members: object(members),
        }))
    }

    pub(super) async fn app_role_assignments(&mut self) -> Result<Vec<Item>, IdentityError> {
        let (mut all, mut after): (_, Option<Cursor>) = (Vec::new(), None);
        loop {
            let query = ListQuery::all(self.page, "id", after);
            let page = grants::page_of_assignments(&mut self.tx, self.tenant.id, &query).await?;
            for assignment in &page.items {
                all.extend(self.app_role_assignment(assignment).await?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(in_order(all));
            }
        }
    }

    async fn app_role_assignment(
        &mut self,
        assignment: &AppRoleAssignment,
    ) -> Result<Option<Item>, IdentityError> {
        let (principal_id, resource_id) = (assignment.principal_id, assignment.resource_id);
        let role_id = assignment.app_role_id.uuid();
        let Some(resource) = self.names.app_id(resource_id) else { return Ok(None) };
        // What a role assignment brings along is made by that.
        if resource == seed::DICOM_APP_ID && self.assigned.contains(&(principal_id, role_id)) {
            return Ok(None);
        }
        let Some(principal) = self.principal(principal_id, assignment.principal_kind).await? else {
            return Ok(None);
        };
        let target = self.names.application(resource);
        let mut members = object(json!({"principal": principal, "resource": target}));
        let role = if role_id == Uuid::nil() { String::new() } else { self.names.role(resource, role_id) };
        if !role.is_empty() {
            members.insert("appRole".to_owned(), role.clone().into());
        }
        let id = format!("{principal_id} {resource_id} {role_id}");
        Ok(Some(Item { id, name: format!("{principal} {target} {role}"), members }))
    }

    pub(super) async fn permission_grants(&mut self) -> Result<Vec<Item>, IdentityError> {
        let (mut all, mut after): (_, Option<Cursor>) = (Vec::new(), None);
        loop {
            let query = ListQuery::all(self.page, "id", after);
            let page = grants::page_of_grants(&mut self.tx, self.tenant.id, &query).await?;
            for grant in &page.items {
                all.extend(self.permission_grant(grant).await?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(in_order(all));
            }
        }
    }

    async fn permission_grant(&mut self, grant: &PermissionGrant) -> Result<Option<Item>, IdentityError> {
        let (Some(client), Some(resource)) =
            (self.names.principal(grant.client_id), self.names.principal(grant.resource_id))
        else {
            return Ok(None);
        };
        let mut members = object(json!({"client": client, "resource": resource, "scope": grant.scope}));
        let mut id = format!("{} {} ", grant.client_id, grant.resource_id);
        let mut name = format!("{client} {resource}");
        if let Some(principal) = grant.principal_id {
            let Some(user) = self.user(principal).await? else { return Ok(None) };
            name = format!("{name} {user}");
            members.insert("principal".to_owned(), user.into());
            id.push_str(&principal.to_string());
        }
        Ok(Some(Item { id, name, members }))
    }

    async fn user(&mut self, id: ObjectId) -> Result<Option<String>, IdentityError> {
        self.principal(id, PrincipalKind::User).await
    }
}

fn in_order(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by(|a, b| (folded(&a.name), &a.id).cmp(&(folded(&b.name), &b.id)));
    items
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
