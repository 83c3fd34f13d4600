//! The first start: tenant, signing keys, built-in applications, first administrator. Doing it again changes nothing.

use futures::FutureExt as _;
use hilum_audit::{Action, Actor};
use hilum_kernel::{ObjectId, Secret, TenantId, UserId};
use hilum_storage::db::WriteTx;

use crate::{
    Application, Identity, IdentityError, PrincipalKind, RoleAssignment, ServicePrincipal, Stamp, Tenant,
    User, applications,
    credentials::passwords::{self, HashedPassword},
    role_assignments, seed, service_principals,
    signing_keys::{self, KeyState, SealedKey},
    tenants,
    users::{self, NewUser},
};

const GLOBAL_ADMINISTRATOR: &str = "Global Administrator";

/// What the first start is told.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// The tenant's domain, e.g. `contoso.local`.
    pub domain: String,
    /// The administrator's name; `admin@{domain}` if absent.
    pub admin_upn: Option<String>,
    /// The administrator's password, which is then final; generated for one use if absent.
    pub admin_password: Option<Secret<String>>,
}

/// What the first start made or found.
#[derive(Debug, Clone)]
pub struct InitOutcome {
    /// The tenant.
    pub tenant: Tenant,
    /// The first administrator's name. Absent when that user was deleted since.
    pub admin_user_principal_name: Option<String>,
    /// The generated password. Only known when it was made just now.
    pub one_time_password: Option<Secret<String>>,
    /// Whether the tenant was made just now.
    pub created: bool,
}

struct First {
    tenant: Tenant,
    keys: Vec<SealedKey>,
    applications: Vec<Application>,
    principals: Vec<ServicePrincipal>,
    administrator: User,
    password: HashedPassword,
    assignment: RoleAssignment,
    grant_id: String,
    stamp: Stamp,
}

impl Identity {
    /// Makes the tenant and its first objects, or finds them made. When the public origin changed since, the built-in
    /// resources are known under the new one, too.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a domain, name or password that cannot be, [`IdentityError::WrongMasterKey`] for a
    /// tenant that was made with another master key.
    pub async fn init(&self, request: InitRequest) -> Result<InitOutcome, IdentityError> {
        match self.tenant().await {
            Ok(tenant) => return self.found(tenant.clone()).await,
            Err(IdentityError::NotInitialised) => {}
            Err(error) => return Err(error),
        }
        let one_time_password =
            request.admin_password.is_none().then(|| passwords::generate(&*self.0.random));
        let first = self.first(request, one_time_password.clone()).await?;
        let (tenant, name) = (first.tenant.clone(), first.administrator.user_principal_name.clone());
        let created = self.0.db.write(first, |tx, first| create(tx, first).boxed()).await?;
        if !created {
            // Another process was faster.
            return self.found(self.tenant().await?.clone()).await;
        }
        Ok(InitOutcome { tenant, admin_user_principal_name: Some(name), one_time_password, created })
    }

    /// Prepares everything that costs time or chance, before the transaction.
    async fn first(
        &self,
        request: InitRequest,
        one_time_password: Option<Secret<String>>,
    ) -> Result<First, IdentityError> {
        let random = &self.0.random;
        let stamp = self.stamp(&Actor::operator());
        let now = crate::timestamp(stamp.at_ms);
        let domain = tenants::domain(&request.domain)?;
        let display_name = domain.split('.').next().unwrap_or_default().to_owned();
        let tenant = Tenant { id: TenantId::new(random.uuid()), domain, display_name, created_at: now };
        let must_change = one_time_password.is_some();
        let password = request.admin_password.or(one_time_password).ok_or(IdentityError::Password)?;
        let new = NewUser {
            user_principal_name: request.admin_upn.unwrap_or_else(|| format!("admin@{}", tenant.domain)),
            display_name: "Administrator".to_owned(),
            mail_nickname: None,
            password: password.clone(),
            force_change_password_next_sign_in: must_change,
        };
        let administrator = users::user_of(&new, &tenant, UserId::new(random.uuid()), now)?;
        let applications =
            seed::applications(&self.0.origin, std::array::from_fn(|_| random.uuid()), now).to_vec();
        let principals = applications
            .iter()
            .filter(|application| seed::has_principal(application.app_id))
            .map(|application| service_principals::of(application, ObjectId::new(random.uuid()), now))
            .collect();
        let assignment = RoleAssignment {
            id: random.uuid(),
            role: role_assignments::required_role(GLOBAL_ADMINISTRATOR)?,
            principal_id: ObjectId::new(administrator.id.uuid()),
            principal_kind: PrincipalKind::User,
            scope: "/".to_owned(),
            created_at: now,
            principal_name: administrator.user_principal_name.clone(),
        };
        let current = self.new_signing_key(tenant.id, KeyState::Current).await?;
        let next = self.new_signing_key(tenant.id, KeyState::Next).await?;
        Ok(First {
            tenant,
            keys: vec![current, next],
            applications,
            principals,
            password: self.hash_password(password, must_change).await?,
            administrator,
            assignment,
            grant_id: self.random_text::<32>(),
            stamp,
        })
    }

    async fn found(&self, tenant: Tenant) -> Result<InitOutcome, IdentityError> {
        self.check_master_key().await?;
        self.index_old_rows().await?;
        self.index_old_users().await?;
        self.refresh_seeds(&tenant).await?;
        let filter = crate::RoleAssignmentFilter {
            role: Some(GLOBAL_ADMINISTRATOR.to_owned()),
            ..crate::RoleAssignmentFilter::default()
        };
        let administrators = self.list_role_assignments(&filter).await?;
        Ok(InitOutcome {
            tenant,
            admin_user_principal_name: administrators.into_iter().next().map(|first| first.principal_name),
            one_time_password: None,
            created: false,
        })
    }

    /// Adds to the built-in applications what belongs to the present origin and version.
    async fn refresh_seeds(&self, tenant: &Tenant) -> Result<(), IdentityError> {
        let random = &self.0.random;
        let stamp = self.stamp(&Actor::operator());
        let now = crate::timestamp(stamp.at_ms);
        let seeds = seed::applications(&self.0.origin, std::array::from_fn(|_| random.uuid()), now);
        let mut new = Vec::new();
        {
            let mut tx = self.0.db.snapshot().await?;
            for seed in seeds {
                if seed::pending(&mut tx, tenant.id, &seed).await? {
                    new.push((seed, ObjectId::new(random.uuid())));
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.0
            .db
            .write((tenant.id, new, stamp), |tx, (tenant, new, stamp)| {
                async move {
                    for (seed, principal) in new {
                        seed::upgrade(tx, *tenant, seed, *principal, stamp).await?;
                    }
                    Ok::<_, IdentityError>(())
                }
                .boxed()
            })
            .await
    }
}

/// Writes it all, or finds that there is a tenant by now.
async fn create(tx: &mut WriteTx, first: &First) -> Result<bool, IdentityError> {
    if tenants::select(tx).await?.is_some() {
        return Ok(false);
    }
    let tenant = first.tenant.id;
    tenants::insert(tx, &first.tenant).await?;
    first.stamp.record(tx, Action::TenantCreated, tenant, Some(first.tenant.domain.clone())).await?;
    for key in &first.keys {
        signing_keys::store(tx, tenant, key).await?;
    }
    for application in &first.applications {
        applications::insert(tx, tenant, application).await?;
        seed::note(tx, tenant, application).await?;
    }
    for principal in &first.principals {
        service_principals::insert(tx, tenant, principal).await?;
    }
    users::create(tx, tenant, &first.administrator, &first.password, &first.stamp).await?;
    role_assignments::assign(tx, tenant, &first.assignment, &first.grant_id, &first.stamp).await?;
    Ok(true)
}
