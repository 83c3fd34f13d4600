//! The token request's reading path: the one place that joins the tables of several nouns, because a token may cost
//! two statements and no more. It only reads.

use hilum_kernel::{AppId, GroupId, ObjectId, TenantId, UserId};
use hilum_storage::db::{DbError, ReadTx, Row, Sql};

use super::delegation::optional_claims;
use crate::{ApplicationProperties, OptionalClaim, folded, token_lifetimes::Lifetimes};

/// The client, its principal and its secrets: a row per secret, or one without.
const CLIENT: Sql = "SELECT a.object_id, a.public_client, a.disabled, p.id, p.account_enabled,
        s.hash, s.starts_at_ms, s.ends_at_ms, s.application_id
    FROM application a
    LEFT JOIN service_principal p ON p.tenant_id = a.tenant_id AND p.app_id = a.app_id
    LEFT JOIN client_secret s ON s.application_id IN (a.object_id, p.id)
    WHERE a.app_id = $1 AND a.tenant_id = $2 LIMIT 200";

/// The resource by name, and the roles that the client or a group of it was given there: a row per role, or one without;
/// with the token lifetime policies of client ($4), resource and
/// organisation; its document where that has a say about an application's token; and the client's, for Microsoft Graph.
/// App roles come by groups the client is directly in, as in Entra; data roles by groups in groups, too, as in Azure.
const RESOURCE: Sql = "WITH RECURSIVE member_of (id) AS (
        SELECT group_id FROM group_member WHERE member_id = $3
        UNION SELECT m.group_id FROM group_member m JOIN member_of o ON m.member_id = o.id)
    SELECT a.app_id, a.token_version, a.disabled, p.account_enabled, p.assignment_required,
        n.name, g.app_role_id, r.value,
        (SELECT l.definition FROM token_lifetime_assignment t JOIN token_lifetime_policy l ON l.id = t.policy_id
            WHERE t.app_id = $4),
        (SELECT l.definition FROM token_lifetime_assignment t JOIN token_lifetime_policy l ON l.id = t.policy_id
            WHERE t.app_id = a.app_id),
        (SELECT definition FROM token_lifetime_policy WHERE tenant_id = $1 AND organization_default = 1),
        CASE WHEN a.properties LIKE '%use_guid%' OR a.properties LIKE '%xms_cc%' THEN a.properties END,
        CASE WHEN a.app_id = '00000003-0000-0000-c000-000000000000'
            THEN (SELECT c.properties FROM application c WHERE c.app_id = $4) END
    FROM application_name n
    JOIN application a ON a.object_id = n.application_id
    JOIN service_principal p ON p.tenant_id = a.tenant_id AND p.app_id = a.app_id
    LEFT JOIN app_role_assignment g ON g.resource_id = p.id
        AND g.principal_id IN (SELECT $3 UNION ALL SELECT id FROM member_of)
        AND (g.principal_id = $3
            OR g.principal_id IN (SELECT group_id FROM group_member WHERE member_id = $3)
            OR EXISTS (SELECT 1 FROM role_assignment d
                WHERE d.principal_id = g.principal_id AND d.role_id = g.app_role_id))
    LEFT JOIN app_role r ON r.application_id = a.object_id AND r.id = g.app_role_id
        AND r.enabled = 1 AND r.for_applications = 1
    WHERE n.tenant_id = $1 AND n.name_folded = $2
    ORDER BY r.value LIMIT 1000";

/// The resource as a user's token needs it: with the document that defines its permissions.
const USER_RESOURCE: Sql =
    "SELECT a.app_id, a.object_id, a.token_version, a.disabled, p.id, p.account_enabled,
        p.assignment_required, n.name, a.properties
    FROM application_name n
    JOIN application a ON a.object_id = n.application_id
    JOIN service_principal p ON p.tenant_id = a.tenant_id AND p.app_id = a.app_id
    WHERE n.tenant_id = $1 AND n.name_folded = $2";

/// What was granted to the client on the resource for everybody (the empty principal) or for this user.
const GRANTED: Sql = "SELECT scope FROM permission_grant
    WHERE client_id = $1 AND resource_id = $2 AND principal_id IN ('', $3) ORDER BY principal_id LIMIT 2";

/// The values of the roles that the user has on the resource. App roles come directly or by a group the user is a
/// member of, as in Entra; data roles come by groups in groups, too, as in Azure.
const USER_ROLES: Sql = "WITH RECURSIVE member_of (id) AS (
        SELECT group_id FROM group_member WHERE member_id = $1
        UNION SELECT m.group_id FROM group_member m JOIN member_of o ON m.member_id = o.id)
    SELECT DISTINCT r.value FROM app_role r
    WHERE r.application_id = $2 AND r.enabled = 1 AND r.for_users = 1 AND r.value IS NOT NULL AND (
        EXISTS (SELECT 1 FROM app_role_assignment g WHERE g.resource_id = $3 AND g.app_role_id = r.id
            AND (g.principal_id = $1
                OR g.principal_id IN (SELECT group_id FROM group_member WHERE member_id = $1)))
        OR EXISTS (SELECT 1 FROM role_assignment d
            WHERE d.role_id = r.id AND d.principal_id IN (SELECT id FROM member_of)))
    ORDER BY r.value LIMIT 1000";

/// Whether the user, or a group of the user, was assigned anything on an application.
const USER_ASSIGNED: Sql = "SELECT 1 FROM app_role_assignment WHERE resource_id = $1
    AND (principal_id = $2 OR principal_id IN (SELECT group_id FROM group_member WHERE member_id = $2)) LIMIT 1";

/// The groups of the user, groups in groups included: one more than a token holds.
const USER_GROUPS: Sql = "WITH RECURSIVE member_of (id) AS (
        SELECT group_id FROM group_member WHERE member_id = $1
        UNION SELECT m.group_id FROM group_member m JOIN member_of o ON m.member_id = o.id)
    SELECT id FROM member_of ORDER BY id LIMIT 201";

/// The groups that are assigned to an application and that the user is a member of.
const USER_GROUPS_ASSIGNED: Sql = "SELECT DISTINCT g.principal_id FROM app_role_assignment g
    JOIN group_member m ON m.group_id = g.principal_id
    WHERE g.resource_id = $1 AND m.member_id = $2 ORDER BY g.principal_id LIMIT 201";

#[cfg(test)]
pub(crate) const STATEMENTS: &[Sql] =
    &[CLIENT, RESOURCE, USER_RESOURCE, GRANTED, USER_ROLES, USER_ASSIGNED, USER_GROUPS, USER_GROUPS_ASSIGNED];

/// A client as the token endpoint sees it before it has proven anything.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) object_id: ObjectId,
    pub(crate) public: bool,
    pub(crate) disabled: bool,
    /// Its principal in the tenant, and whether that is enabled.
    pub(crate) principal: Option<(ObjectId, bool)>,
    pub(crate) secrets: Vec<StoredSecret>,
}

#[derive(Debug)]
pub(crate) struct StoredSecret {
    /// Whose it is: the application's or the service principal's. The hash is bound to it.
    pub(crate) owner: ObjectId,
    pub(crate) hash: Vec<u8>,
    pub(crate) starts_at_ms: i64,
    pub(crate) ends_at_ms: i64,
}

pub(crate) async fn client(
    tx: &mut ReadTx,
    tenant: TenantId,
    app_id: AppId,
) -> Result<Option<Client>, DbError> {
    let mut client: Option<Client> = None;
    for row in tx.fetch_all(CLIENT, &[app_id.into(), tenant.into()]).await? {
        let known = match &mut client {
            Some(known) => known,
            None => client.insert(Client {
                object_id: row.id(0)?,
                public: row.truth(1)?,
                disabled: row.truth(2)?,
                principal: match row.opt_id(3)? {
                    Some(id) => Some((id, row.truth(4)?)),
                    None => None,
                },
                secrets: Vec::new(),
            }),
        };
        if let Some(hash) = row.opt_blob(5)? {
            known.secrets.push(StoredSecret {
                owner: row.id(8)?,
                hash,
                starts_at_ms: row.int(6)?,
                ends_at_ms: row.int(7)?,
            });
        }
    }
    Ok(client)
}

/// A resource, and what the client may do there.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) app_id: AppId,
    /// The name it was asked by, in the spelling it was registered in.
    pub(crate) name: String,
    /// `requestedAccessTokenVersion`: 1 or 2.
    pub(crate) token_version: i64,
    pub(crate) enabled: bool,
    pub(crate) assignment_required: bool,
    /// Whether any role was assigned, also the default one, which has no value.
    pub(crate) assigned: bool,
    /// The values of the roles, sorted.
    pub(crate) roles: Vec<String>,
    pub(crate) lifetimes: Lifetimes,
    /// Optional claims of its registration, where there are any that count for applications.
    pub(crate) optional: Vec<OptionalClaim>,
    /// The client's name, if this is Microsoft Graph.
    pub(crate) client_name: Option<String>,
}

pub(crate) async fn resource(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
    (client, principal): (AppId, ObjectId),
) -> Result<Option<Resource>, DbError> {
    let mut resource: Option<Resource> = None;
    let values = [tenant.into(), folded(name).into(), principal.into(), client.into()];
    for row in tx.fetch_all(RESOURCE, &values).await? {
        let known = match &mut resource {
            Some(known) => known,
            None => resource.insert(Resource {
                app_id: row.id(0)?,
                token_version: row.int(1)?,
                enabled: !row.truth(2)? && row.truth(3)?,
                assignment_required: row.truth(4)?,
                name: row.text(5)?,
                assigned: false,
                roles: Vec::new(),
                lifetimes: Lifetimes::read(&row, [8, 9, 10])?,
                optional: match document(&row, 11)? {
                    Some(properties) => optional_claims(&properties, "accessToken"),
                    None => Vec::new(),
                },
                client_name: document(&row, 12)?.map(|properties| properties.display_name),
            }),
        };
        known.assigned |= row.opt_text(6)?.is_some();
        if let Some(value) = row.opt_text(7)?
            && known.roles.last() != Some(&value)
        {
            known.roles.push(value);
        }
    }
    Ok(resource)
}

/// A registration, where the column has one.
fn document(row: &Row, column: usize) -> Result<Option<ApplicationProperties>, DbError> {
    let text = row.opt_text(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| DbError::Corrupt { column })).transpose()
}

/// A resource as a user's token needs it.
#[derive(Debug)]
pub(crate) struct UserResource {
    pub(crate) app_id: AppId,
    pub(crate) object_id: ObjectId,
    pub(crate) principal: ObjectId,
    /// The name it was asked by, in the spelling it was registered in.
    pub(crate) name: String,
    /// `requestedAccessTokenVersion`: 1 or 2.
    pub(crate) token_version: i64,
    pub(crate) enabled: bool,
    pub(crate) assignment_required: bool,
    pub(crate) properties: ApplicationProperties,
}

pub(crate) async fn user_resource(
    tx: &mut ReadTx,
    tenant: TenantId,
    name: &str,
) -> Result<Option<UserResource>, DbError> {
    let row = tx.fetch_optional(USER_RESOURCE, &[tenant.into(), folded(name).into()]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(UserResource {
        app_id: row.id(0)?,
        object_id: row.id(1)?,
        token_version: row.int(2)?,
        enabled: !row.truth(3)? && row.truth(5)?,
        principal: row.id(4)?,
        assignment_required: row.truth(6)?,
        name: row.text(7)?,
        properties: serde_json::from_str(&row.text(8)?).map_err(|_| DbError::Corrupt { column: 8 })?,
    }))
}

/// The words of the grants: those for everybody and those of the user.
pub(crate) async fn granted(
    tx: &mut ReadTx,
    client: ObjectId,
    resource: ObjectId,
    user: UserId,
) -> Result<Vec<String>, DbError> {
    let rows = tx.fetch_all(GRANTED, &[client.into(), resource.into(), user.into()]).await?;
    let mut words = Vec::new();
    for row in rows {
        words.extend(row.text(0)?.split_whitespace().map(str::to_owned));
    }
    Ok(words)
}

pub(crate) async fn user_roles(
    tx: &mut ReadTx,
    user: UserId,
    (application, principal): (ObjectId, ObjectId),
) -> Result<Vec<String>, DbError> {
    let rows = tx.fetch_all(USER_ROLES, &[user.into(), application.into(), principal.into()]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(crate) async fn user_is_assigned(
    tx: &mut ReadTx,
    user: UserId,
    principal: ObjectId,
) -> Result<bool, DbError> {
    Ok(tx.fetch_optional(USER_ASSIGNED, &[principal.into(), user.into()]).await?.is_some())
}

pub(crate) async fn user_groups(tx: &mut ReadTx, user: UserId) -> Result<Vec<GroupId>, DbError> {
    tx.fetch_all(USER_GROUPS, &[user.into()]).await?.iter().map(|row| row.id(0)).collect()
}

pub(crate) async fn user_groups_assigned(
    tx: &mut ReadTx,
    user: UserId,
    principal: ObjectId,
) -> Result<Vec<GroupId>, DbError> {
    let rows = tx.fetch_all(USER_GROUPS_ASSIGNED, &[principal.into(), user.into()]).await?;
    rows.iter().map(|row| row.id(0)).collect()
}
