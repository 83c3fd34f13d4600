//! `addPassword`, `removePassword`, `addKey`, `removeKey` of applications and service principals.

use futures::FutureExt as _;
use hilum_kernel::CredentialId;
use http::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Access, Answer, Call, GraphError, Operation, applications::target};
use crate::{
    CredentialOwner, IdentityError, Keep, KeyCredential, NewSecret, OwnedKind, applications, credentials,
    json as shapes,
};

/// The rows of the table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: Method::POST,
        path: "/applications/{application}/addPassword",
        summary: "Add a client secret; the answer is the only time its text is shown.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add_password(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/removePassword",
        summary: "Remove a client secret.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove_password(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/addKey",
        summary: "Add a certificate, with a proof made by one that is there.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add_key(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/applications/{application}/removeKey",
        summary: "Remove a certificate, with a proof made by one that is there.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove_key(call, OwnedKind::Application).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals/{servicePrincipal}/addPassword",
        summary: "Add a client secret to a service principal.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add_password(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals/{servicePrincipal}/removePassword",
        summary: "Remove a client secret from a service principal.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove_password(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals/{servicePrincipal}/addKey",
        summary: "Add a certificate to a service principal, with a proof made by one that is there.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| add_key(call, OwnedKind::ServicePrincipal).boxed(),
    },
    Operation {
        method: Method::POST,
        path: "/servicePrincipals/{servicePrincipal}/removeKey",
        summary: "Remove a certificate from a service principal, with a proof made by one that is there.",
        access: Access::WRITE_APPLICATIONS,
        handler: |call| remove_key(call, OwnedKind::ServicePrincipal).boxed(),
    },
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct AddPassword {
    password_credential: Option<PasswordCredential>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct PasswordCredential {
    display_name: Option<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
    // SDKs send these as null; anything else is the caller choosing what only the server chooses.
    secret_text: Option<Value>,
    key_id: Option<Value>,
    hint: Option<Value>,
    custom_key_identifier: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RemovePassword {
    key_id: CredentialId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AddKey {
    key_credential: KeyCredential,
    #[serde(default)]
    password_credential: Option<Value>,
    proof: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RemoveKey {
    key_id: CredentialId,
    proof: String,
}

fn owner(call: &Call, kind: OwnedKind) -> Result<CredentialOwner, GraphError> {
    Ok(match kind {
        OwnedKind::Application => CredentialOwner::Application(target(call, "application")?),
        OwnedKind::ServicePrincipal => CredentialOwner::ServicePrincipal(target(call, "servicePrincipal")?),
    })
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, GraphError> {
    Ok(applications::parse(Value::Object(call.body.optional_object()))?)
}

async fn add_password(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let owner = owner(&call, kind)?;
    let asked = body::<AddPassword>(&call)?.password_credential.unwrap_or_default();
    for (member, value) in [
        ("secretText", asked.secret_text),
        ("keyId", asked.key_id),
        ("hint", asked.hint),
        ("customKeyIdentifier", asked.custom_key_identifier),
    ] {
        if value.is_some_and(|value| !value.is_null()) {
            let reason = "is chosen by the server: leave it out";
            return Err(IdentityError::invalid(format!("passwordCredential.{member}"), reason).into());
        }
    }
    let new = NewSecret {
        display_name: asked.display_name,
        starts_at: credentials::time("startDateTime", asked.start_date_time.as_deref())?,
        ends_at: credentials::time("endDateTime", asked.end_date_time.as_deref())?,
        keep: Keep::Others,
    };
    let added = call.identity.add_secret(&call.actor, owner, new).await?;
    let mut shown = shapes::secret(&added.info);
    if let Some(text) = shown.get_mut("secretText") {
        *text = added.value.expose().as_str().into();
    }
    Ok(Answer::object("microsoft.graph.passwordCredential", shown))
}

async fn remove_password(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let owner = owner(&call, kind)?;
    let RemovePassword { key_id } = body(&call)?;
    match call.identity.remove_secret(&call.actor, owner, key_id).await {
        Ok(()) => Ok(Answer::no_content()),
        // Graph: 400, whether it was removed or never there.
        Err(IdentityError::NotFound { kind: "client secret", .. }) => {
            Err(GraphError::request(format!("No password credential found with keyId {key_id}.")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn add_key(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let owner = owner(&call, kind)?;
    let asked: AddKey = body(&call)?;
    if asked.password_credential.is_some_and(|password| !password.is_null()) {
        let reason = "belongs to private keys, which stay where they were made: leave it out";
        return Err(IdentityError::invalid("passwordCredential", reason).into());
    }
    let added = call.identity.add_key(&call.actor, owner, asked.key_credential, &asked.proof).await?;
    Ok(Answer::object("microsoft.graph.keyCredential", shapes::certificate(&added)))
}

async fn remove_key(call: Call, kind: OwnedKind) -> Result<Answer, GraphError> {
    let owner = owner(&call, kind)?;
    let RemoveKey { key_id, proof } = body(&call)?;
    match call.identity.remove_key(&call.actor, owner, key_id, &proof).await {
        Ok(()) => Ok(Answer::no_content()),
        Err(IdentityError::NotFound { kind: "certificate", .. }) => {
            Err(GraphError::request(format!("No key credential found with keyId {key_id}.")))
        }
        Err(error) => Err(error.into()),
    }
}
