//! Declared users. A user that is declared without a password is made without one, and nobody can sign in as the user
//! until an administrator gives one; a password is set only when the user is made.

use hilum_kernel::UserId;
use serde_json::{Map, Value};

use super::{
    document::Document,
    run::{Run, Trouble},
};
use crate::{
    User,
    users::{self, PreparedChange},
};

/// What a file cannot say: what the server writes, and what would be a secret.
const NOT_DECLARED: &[&str] = &[
    "createdDateTime",
    "creationType",
    "deletedDateTime",
    "id",
    "identities",
    "onPremisesSyncEnabled",
    "passwordProfile",
    "signInSessionsValidFromDateTime",
];

pub(super) async fn user(run: &mut Run<'_>, at: usize) -> Result<(), Trouble> {
    let document = run.document_at(at)?;
    if document.members.contains_key("passwordProfile") {
        let text = "a password does not stand in the declaration: say password: {file: …} or {env: …}";
        return Err(document.problem("passwordProfile", text).into());
    }
    let name = document.required("userPrincipalName")?;
    let tenant = run.means.tenant.clone();
    let Some(found) = users::lookup(run.tx, tenant.id, name).await? else {
        let id = UserId::new(run.ids(at)?.0);
        let (made, notes) = make(run, at, document, id).await?;
        run.claim(document, &id.to_string())?;
        let after = properties(&made, &tenant.domain);
        return run.finish(document, &id.to_string(), None, after, notes).await;
    };
    let id = found.id.to_string();
    run.claim(document, &id)?;
    let before = properties(&found, &tenant.domain);
    let after = properties(&found.merged(&document.members)?, &tenant.domain);
    if !super::plan::differences(&before, &after).is_empty() {
        let members = document.members.clone();
        let change =
            PreparedChange { id: id.clone(), members, password: None, identities: None, must_change: None };
        users::update(run.tx, &tenant, &change, &run.means.stamp).await?;
    }
    run.finish(document, &id, Some(before), after, Vec::new()).await
}

async fn make(
    run: &mut Run<'_>,
    at: usize,
    document: &Document,
    id: UserId,
) -> Result<(User, Vec<String>), Trouble> {
    let means = run.means;
    let hashed = means.passwords.get(at).and_then(Option::as_ref);
    let user = users::declare(run.tx, &means.tenant, (id, &document.members), hashed, &means.stamp).await?;
    let note = match &document.password {
        Some(password) => {
            users::check_password_rules(&password.text, &user)
                .map_err(|fault| document.problem("password", super::run::text_of(&fault.into())))?;
            if password.must_change {
                "with the given password, which must be changed at the first sign-in"
            } else {
                "with the given password"
            }
        }
        None => "without password: nobody can sign in until one is set with `hilum user update --password`",
    };
    Ok((user, vec![note.to_owned()]))
}

fn properties(user: &User, domain: &str) -> Value {
    let mut members = users::shape(user, domain);
    members.retain(|name, _| !NOT_DECLARED.contains(&name.as_str()));
    Value::Object(members)
}

/// What an export says of a user.
pub(super) fn declared(user: &User, domain: &str) -> Map<String, Value> {
    let mut members = match super::applications::without_empty(properties(user, domain)) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if user.account_enabled {
        members.remove("accountEnabled");
    } else {
        members.insert("accountEnabled".to_owned(), false.into());
    }
    members
}
