//! `/policies/tokenLifetimePolicies` and `/applications/{id}/tokenLifetimePolicies`.

use futures::FutureExt as _;
use hilum_kernel::PolicyId;
use http::Method;
use serde_json::{Value, json};

use super::{
    Access, Answer, Call, GraphError, Operation, access::Owned, applications::target, policies::READ,
};
use crate::{TokenLifetimePolicy, json as shapes, token_lifetimes::COLLECTION};

const ENTITY: &str = "policies/tokenLifetimePolicies/$entity";
const LIST: &str = "policies/tokenLifetimePolicies";
const ALL: &str = "/policies/tokenLifetimePolicies";

const WRITE: Access = Access {
    application: &["Policy.ReadWrite.ApplicationConfiguration"],
    delegated: &["Policy.ReadWrite.ApplicationConfiguration", "Directory.AccessAsUser.All"],
    roles: Access::WRITE_APPLICATIONS.roles,
    owned: Owned::Never,
};

/// How long an application's tokens live is no affair of its owners'.
const ASSIGN: Access = Access { owned: Owned::Never, ..Access::WRITE_APPLICATIONS };

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::GET,
        path: ALL,
        summary: "List token lifetime policies.",
        access: READ,
        handler: |call| list(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: ALL,
        summary: "Make a token lifetime policy.",
        access: WRITE,
        handler: |call| create(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/policies/tokenLifetimePolicies/{policy}",
        summary: "Get a token lifetime policy.",
        access: READ,
        handler: |call| get(call).boxed(),
    },
    Operation {
        method: Method::PATCH,
        path: "/policies/tokenLifetimePolicies/{policy}",
        summary: "Change a token lifetime policy; it holds from the next token on.",
        access: WRITE,
        handler: |call| update(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/policies/tokenLifetimePolicies/{policy}",
        summary: "Delete a token lifetime policy; applications that had it fall back.",
        access: WRITE,
        handler: |call| delete(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/policies/tokenLifetimePolicies/{policy}/appliesTo",
        summary: "List the applications that a token lifetime policy is assigned to.",
        access: Access { owned: Owned::Never, ..Access::READ_APPLICATIONS },
        handler: |call| applies_to(call).boxed(),
    },
    Operation {
        method: Method::GET,
        path: "/applications/{application}/tokenLifetimePolicies",
        summary: "List an application's token lifetime policies: one at most.",
        access: Access::READ_APPLICATIONS,
        handler: |call| assigned(call).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/tokenLifetimePolicies/$ref",
        summary: "Assign a token lifetime policy to an application.",
        access: ASSIGN,
        handler: |call| assign(call).boxed(),
    },
    Operation {
        method: Method::DELETE,
        path: "/applications/{application}/tokenLifetimePolicies/{policy}/$ref",
        summary: "Take a token lifetime policy from an application.",
        access: ASSIGN,
        handler: |call| remove(call).boxed(),
    },
];

async fn list(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    let page = call.identity.page_token_lifetime_policies(&call.list_query(&COLLECTION)?).await?;
    Ok(Answer::page(LIST, page.map(|policy| shape(&policy))))
}

async fn create(call: Call) -> Result<Answer, GraphError> {
    let made = call.identity.create_token_lifetime_policy(&call.actor, call.body.object()?).await?;
    Ok(Answer::created(ENTITY, shape(&made)))
}

async fn get(call: Call) -> Result<Answer, GraphError> {
    call.expands_only(&[])?;
    Ok(Answer::object(ENTITY, shape(&call.identity.find_token_lifetime_policy(call.id("policy")?).await?)))
}

async fn update(call: Call) -> Result<Answer, GraphError> {
    let (id, members) = (call.id("policy")?, call.body.object()?);
    let changed = call.identity.update_token_lifetime_policy(&call.actor, id, members).await?;
    Ok(call.changed(ENTITY, shape(&changed)))
}

async fn delete(call: Call) -> Result<Answer, GraphError> {
    call.identity.delete_token_lifetime_policy(&call.actor, call.id("policy")?).await?;
    Ok(Answer::no_content())
}

async fn applies_to(call: Call) -> Result<Answer, GraphError> {
    whole(&call)?;
    let applications = call.identity.applications_of_token_lifetime_policy(call.id("policy")?).await?;
    let domain = &call.identity.tenant().await?.domain;
    let shown = applications.iter().map(|application| {
        let mut shown = shapes::application(application, domain);
        if let Value::Object(members) = &mut shown {
            members.insert("@odata.type".to_owned(), "#microsoft.graph.application".into());
        }
        shown
    });
    Ok(Answer::list("directoryObjects", shown.collect()))
}

async fn assigned(call: Call) -> Result<Answer, GraphError> {
    whole(&call)?;
    let policy = call.identity.token_lifetime_policy_of(target(&call, "application")?).await?;
    Ok(Answer::list(LIST, policy.iter().map(shape).collect()))
}

async fn assign(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?;
    let policy = PolicyId::new(call.body.reference()?.uuid());
    call.identity.assign_token_lifetime_policy(&call.actor, target, policy).await?;
    Ok(Answer::no_content())
}

async fn remove(call: Call) -> Result<Answer, GraphError> {
    let target = target(&call, "application")?;
    call.identity.remove_token_lifetime_policy(&call.actor, target, call.id("policy")?).await?;
    Ok(Answer::no_content())
}

/// Short lists are given whole.
fn whole(call: &Call) -> Result<(), GraphError> {
    call.expands_only(&[])?;
    if call.options.filter.is_some() || call.options.search.is_some() || call.options.order.is_some() {
        return Err(GraphError::unsupported_query(
            "This list is given whole: leave out $filter, $search and $orderby.",
        ));
    }
    Ok(())
}

fn shape(policy: &TokenLifetimePolicy) -> Value {
    let properties = &policy.properties;
    json!({
        "id": policy.id.to_string(),
        "deletedDateTime": null,
        "definition": properties.definition,
        "description": properties.description,
        "displayName": properties.display_name,
        "isOrganizationDefault": properties.is_organization_default,
    })
}
