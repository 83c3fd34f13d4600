//! Doing what the files say, inside a transaction, noting each change. Planning and applying are this one function.

use std::collections::{BTreeMap, BTreeSet};

use hilum_kernel::{GroupId, ObjectId, TenantId};
use hilum_storage::db::WriteTx;
use serde_json::Value;

use super::{
    ConfigurationError, Declaration, MadeSecret, applications, assignments,
    document::{DeclaredKind, Document, Labels, Problem},
    groups, labels, owners,
    plan::{ConfigurationPlan, PlannedAction, PlannedChange, PropertyChange, differences},
    policies, principals, prune,
    references::DeclaredNames,
    roles, users,
};
use crate::{
    Identity, IdentityError, OwnedKind, Stamp, Tenant, credentials::passwords::HashedPassword, tenants,
};

/// How many problems are told at once.
const PROBLEMS_MAX: usize = 100;

/// Everything that is fixed before the transaction.
pub(super) struct Means {
    pub(super) tenant: Tenant,
    pub(super) declaration: Declaration,
    /// For each document, where it is a user that is made. Empty while planning.
    pub(super) passwords: Vec<Option<HashedPassword>>,
    pub(super) stamp: Stamp,
    /// For chance and keys.
    pub(super) identity: Identity,
    /// How many rows are read at once where all are looked at.
    pub(super) page: usize,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) plan: ConfigurationPlan,
    pub(super) secrets: Vec<MadeSecret>,
}

/// The work in hand.
pub(super) struct Run<'a> {
    pub(super) tx: &'a mut WriteTx,
    pub(super) means: &'a Means,
    pub(super) names: DeclaredNames,
    pub(super) changes: Vec<PlannedChange>,
    pub(super) warnings: Vec<Problem>,
    pub(super) secrets: Vec<MadeSecret>,
    /// The groups that documents speak of.
    pub(super) groups: BTreeMap<usize, GroupId>,
    /// The applications that documents speak of.
    pub(super) applications: BTreeMap<usize, ObjectId>,
    /// The service principals that documents speak of.
    pub(super) principals: BTreeMap<usize, ObjectId>,
    problems: Vec<Problem>,
    claimed: BTreeSet<(DeclaredKind, String)>,
}

/// Why a document is not done.
pub(super) enum Trouble {
    /// The document is wrong; the others are looked at, too.
    Problem(Problem),
    /// A rule of a noun refuses.
    Refused(IdentityError),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl<E: Into<IdentityError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Whether the next document may be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// Makes the directory what the files say.
pub(super) async fn run(tx: &mut WriteTx, means: &Means) -> Result<Outcome, ConfigurationError> {
    let mut run = Run {
        tx,
        means,
        names: DeclaredNames::default(),
        changes: Vec::new(),
        warnings: Vec::new(),
        secrets: Vec::new(),
        groups: BTreeMap::new(),
        applications: BTreeMap::new(),
        principals: BTreeMap::new(),
        problems: Vec::new(),
        claimed: BTreeSet::new(),
    };
    // Two declarations at the same time come one after the other: the second sees what the first has made.
    tenants::lock(run.tx, means.tenant.id).await?;
    if run.all().await? == Next::GoOn && run.problems.is_empty() {
        prune::prune(&mut run).await?;
    }
    if run.problems.is_empty() {
        let plan = ConfigurationPlan { changes: run.changes, warnings: run.warnings };
        Ok(Outcome { plan, secrets: run.secrets })
    } else {
        run.problems.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
        Err(ConfigurationError::Problems(run.problems))
    }
}

impl<'a> Run<'a> {
    /// Kind by kind, so that what is referred to is there.
    async fn all(&mut self) -> Result<Next, ConfigurationError> {
        let mut registrations = Vec::new();
        for at in self.of_kind(DeclaredKind::Application) {
            let result = Box::pin(applications::prepare(self, at)).await;
            if self.settle(at, result.map(|prepared| registrations.push(prepared)))? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        for kind in DeclaredKind::ALL {
            if *kind == DeclaredKind::Application {
                for prepared in registrations.drain(..) {
                    let at = prepared.at;
                    let result = Box::pin(applications::save(self, prepared)).await;
                    if self.settle(at, result)? == Next::Stop {
                        return Ok(Next::Stop);
                    }
                }
                continue;
            }
            for at in self.of_kind(*kind) {
                let result = Box::pin(self.document(*kind, at)).await;
                if self.settle(at, result)? == Next::Stop {
                    return Ok(Next::Stop);
                }
            }
            // Now everybody is there who can be a member or an owner.
            if *kind == DeclaredKind::ServicePrincipal && self.relations().await? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }

    async fn relations(&mut self) -> Result<Next, ConfigurationError> {
        for at in self.of_kind(DeclaredKind::Group) {
            let result = Box::pin(groups::relations(self, at)).await;
            if self.settle(at, result)? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        for (declared, kind) in [
            (DeclaredKind::Application, OwnedKind::Application),
            (DeclaredKind::ServicePrincipal, OwnedKind::ServicePrincipal),
        ] {
            for at in self.of_kind(declared) {
                let result = Box::pin(owners::of_object(self, at, kind)).await;
                if self.settle(at, result)? == Next::Stop {
                    return Ok(Next::Stop);
                }
            }
        }
        Ok(Next::GoOn)
    }

    async fn document(&mut self, kind: DeclaredKind, at: usize) -> Result<(), Trouble> {
        match kind {
            DeclaredKind::User => users::user(self, at).await,
            DeclaredKind::ServicePrincipal => principals::service_principal(self, at).await,
            DeclaredKind::RoleAssignment => assignments::role(self, at).await,
            DeclaredKind::AppRoleAssignment => assignments::app_role(self, at).await,
            DeclaredKind::OAuth2PermissionGrant => assignments::permission_grant(self, at).await,
            DeclaredKind::Application => Ok(()),
            DeclaredKind::Group => groups::group(self, at).await,
            DeclaredKind::RoleDefinition => roles::definition(self, at).await,
            DeclaredKind::TokenLifetimePolicy => policies::policy(self, at).await,
        }
    }

    /// The places of the documents of a kind, in the order in which they are done.
    fn of_kind(&self, kind: DeclaredKind) -> Vec<usize> {
        let documents = self.means.declaration.desired.documents.iter().enumerate();
        let of_kind = documents.filter(|(_, document)| document.kind == kind);
        let mut places: Vec<_> = of_kind.map(|(at, document)| (policies::is_later(document), at)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, at)| at).collect()
    }

    pub(super) fn document_at(&self, at: usize) -> Result<&'a Document, IdentityError> {
        self.means.declaration.desired.documents.get(at).ok_or(IdentityError::Interrupted)
    }

    /// The IDs set apart for what a document makes.
    pub(super) fn ids(&self, at: usize) -> Result<(uuid::Uuid, uuid::Uuid), IdentityError> {
        self.means.declaration.ids.get(at).copied().ok_or(IdentityError::Interrupted)
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.means.tenant.id
    }

    /// 32 random bytes as text: the IDs of grants.
    pub(super) fn random_text(&self) -> String {
        self.means.identity.random_text::<32>()
    }

    /// Notes that a document speaks of an object; two documents must not speak of one.
    pub(super) fn claim(&mut self, document: &Document, id: &str) -> Result<(), Trouble> {
        if self.claimed.insert((document.kind, id.to_owned())) {
            return Ok(());
        }
        Err(document.problem("", "is declared twice").into())
    }

    pub(super) fn is_claimed(&self, kind: DeclaredKind, id: &str) -> bool {
        self.claimed.contains(&(kind, id.to_owned()))
    }

    /// Sorts a document's outcome: its own problem, or the end of everything.
    fn settle(&mut self, at: usize, result: Result<(), Trouble>) -> Result<Next, ConfigurationError> {
        let refused = match result {
            Ok(()) => return Ok(Next::GoOn),
            Err(Trouble::Problem(problem)) => {
                self.problems.push(problem);
                return Ok(if self.problems.len() < PROBLEMS_MAX { Next::GoOn } else { Next::Stop });
            }
            Err(Trouble::Refused(error)) => error,
        };
        let document = self.document_at(at)?;
        let (path, next) = match &refused {
            IdentityError::Invalid { property, .. } => (property.clone(), Next::GoOn),
            // The statement failed, and PostgreSQL lets no other follow.
            IdentityError::Conflict { property } => ((*property).to_owned(), Next::Stop),
            IdentityError::NotFound { .. } | IdentityError::Ambiguous { .. } => (String::new(), Next::GoOn),
            IdentityError::Certificate(_) => ("certificates".to_owned(), Next::GoOn),
            _ => return Err(refused.into()),
        };
        self.problems.push(document.problem(&path, text_of(&refused)));
        Ok(if self.problems.len() < PROBLEMS_MAX { next } else { Next::Stop })
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Sets an object's labels and notes what changed, if anything did. `before` is absent for an object that is made.
    pub(super) async fn finish(
        &mut self,
        document: &Document,
        id: &str,
        before: Option<Value>,
        after: Value,
        notes: Vec<String>,
    ) -> Result<(), Trouble> {
        let tenant = self.tenant();
        let mut properties = differences(before.as_ref().unwrap_or(&Value::Null), &after);
        if let Some(labels) = &document.labels {
            let old = match before {
                Some(_) => labels::of_object(self.tx, tenant, document.kind, id).await?,
                None => Labels::new(),
            };
            if old != *labels {
                labels::replace(self.tx, tenant, (document.kind, id), labels).await?;
                let value = |labels: &Labels| serde_json::to_value(labels).unwrap_or_default();
                let (old, new) = (serde_json::json!({"labels": value(&old)}), value(labels));
                properties.extend(differences(&old, &serde_json::json!({"labels": new})));
            }
        }
        let action = if before.is_some() { PlannedAction::Update } else { PlannedAction::Create };
        if action == PlannedAction::Create || !properties.is_empty() || !notes.is_empty() {
            let (kind, name) = (document.kind, document.name.clone());
            self.changes.push(PlannedChange { action, kind, name, properties, notes });
        }
        Ok(())
    }
}

impl Run<'_> {
    /// Adds a property to what is noted of a document's object.
    pub(super) fn amend(&mut self, document: &Document, change: PropertyChange) {
        let same = |other: &&mut PlannedChange| other.kind == document.kind && other.name == document.name;
        match self.changes.iter_mut().find(same) {
            Some(noted) => noted.properties.push(change),
            None => self.changes.push(PlannedChange {
                action: PlannedAction::Update,
                kind: document.kind,
                name: document.name.clone(),
                properties: vec![change],
                notes: Vec::new(),
            }),
        }
    }
}

/// An error with its causes.
pub(super) fn text_of(error: &IdentityError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
