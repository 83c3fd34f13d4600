//! One call of an operation: who, on what, with which options. Handlers take it and use its helpers.

use hilum_audit::Actor;
use hilum_storage::db::Row;
use hilum_web::RequestContext;
use serde_json::Value;

use super::{
    access::Reach,
    body::Body,
    caller::Caller,
    error::{Envelope, GraphError},
    odata::Options,
    path::{Key, Keys},
};
use crate::{
    Identity,
    query::{Collection, ListQuery, Page, TOP_DEFAULT},
};

/// A call that was let in.
pub(crate) struct Call {
    /// The platform, used with the caller's rights: nothing done through it gives more than they have.
    pub(crate) identity: Identity,
    /// Who calls.
    pub(crate) caller: Caller,
    /// How far; the handler honours it.
    pub(crate) reach: Reach,
    /// What the path names.
    pub(crate) keys: Keys,
    /// The query options.
    pub(crate) options: Options,
    /// The body.
    pub(crate) body: Body,
    /// `If-Match`.
    pub(crate) if_match: Option<String>,
    /// `Prefer: return=representation`.
    pub(crate) return_representation: bool,
    /// `Prefer: create-if-missing` (upsert).
    pub(crate) create_if_missing: bool,
    /// Who it is to the audit trail.
    pub(crate) actor: Actor,
    /// `https://HOST/v1.0`.
    pub(crate) base: String,
    /// What ties the answer to the request.
    pub(super) envelope: Envelope,
    /// Where it comes from.
    pub(super) context: RequestContext,
}

impl Call {
    /// The key with this name in the operation's template.
    ///
    /// # Errors
    /// 400; only when handler and template disagree.
    pub(crate) fn key(&self, name: &str) -> Result<&Key, GraphError> {
        self.keys.get(name).ok_or_else(|| GraphError::no_segment(name))
    }

    /// The key with this name, which must be a plain ID: `/users/{id}`.
    ///
    /// # Errors
    /// 404 for alternate keys and anything that does not parse.
    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str) -> Result<T, GraphError> {
        match self.key(name)? {
            Key::Id(text) => text.parse().map_err(|_| GraphError::not_found(text)),
            Key::Alternate { value, .. } => Err(GraphError::not_found(value)),
        }
    }

    /// What to list, of a collection.
    ///
    /// # Errors
    /// 400 for a cursor that this server did not make, or a `$search` in a property that has none.
    pub(crate) fn list_query(&self, collection: &Collection) -> Result<ListQuery, GraphError> {
        let after = self.options.skip_token.as_deref();
        let query = ListQuery {
            filter: self.options.filter.clone(),
            search: self.options.search.clone(),
            order: self.options.order.clone(),
            top: self.options.top.unwrap_or(TOP_DEFAULT),
            after: after.map(|token| self.identity.0.cursor_key.open(token)).transpose()?,
            count: self.options.count,
            within: Vec::new(),
        };
        collection.check_search(query.search.as_ref())?;
        Ok(query)
    }

    /// A page of rows; see [`crate::query::page`]. For lists whose rows need nothing else.
    pub(crate) async fn page(
        &self,
        collection: &'static Collection,
        query: &ListQuery,
        columns: &'static str,
    ) -> Result<Page<Row>, GraphError> {
        let tenant = self.identity.tenant().await?.id;
        let mut tx = self.identity.0.db.snapshot().await?;
        Ok(crate::query::page(&mut tx, collection, tenant, query, columns).await?)
    }

    /// Whether a member is in the answer: `$select` names it, or there is no `$select`.
    pub(crate) fn selects(&self, property: &str) -> bool {
        self.options.select.is_empty() || self.selects_by_name(property)
    }

    /// Whether `$select` names a member, for those that are given only then.
    pub(crate) fn selects_by_name(&self, property: &str) -> bool {
        self.options.select.iter().any(|name| name.eq_ignore_ascii_case(property))
    }

    /// Refuses `$expand` of anything but these properties.
    ///
    /// # Errors
    /// 400, naming what cannot be expanded.
    pub(crate) fn expands_only(&self, properties: &[&str]) -> Result<(), GraphError> {
        let known = |name: &str| properties.iter().any(|property| property.eq_ignore_ascii_case(name));
        match self.options.expand.iter().find(|expand| !known(&expand.property)) {
            Some(unknown) => {
                let message = format!("Could not find a property named '{}' to expand.", unknown.property);
                Err(GraphError::bad_request(message))
            }
            None => Ok(()),
        }
    }

    /// The version that `If-Match` names, to be compared in the transaction that makes the change. None: any.
    ///
    /// # Errors
    /// 412 for a tag that no object has.
    pub(crate) fn expected_version(&self) -> Result<Option<i64>, GraphError> {
        match self.if_match.as_deref().map(str::trim) {
            None | Some("*") => Ok(None),
            Some(tag) => {
                let text = tag.trim_start_matches("W/").trim_matches('"');
                text.parse().map(Some).map_err(|_| GraphError::precondition())
            }
        }
    }

    /// 204, or the object where the caller prefers to see it (`Prefer: return=representation`).
    pub(crate) fn changed(&self, context: &'static str, value: Value) -> super::Answer {
        if self.return_representation {
            super::Answer::object(context, value)
        } else {
            super::Answer::no_content()
        }
    }

    /// Whether the caller reaches an object with these owners: 403 otherwise.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_owner(&self, owners: &[hilum_kernel::ObjectId]) -> Result<(), GraphError> {
        match self.reach {
            Reach::All => Ok(()),
            Reach::Owned(own) if owners.contains(&own) => Ok(()),
            Reach::Owned(_) | Reach::Own(_) => Err(GraphError::forbidden()),
        }
    }
}
