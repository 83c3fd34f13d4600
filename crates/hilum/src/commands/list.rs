//! Lists as `az` gives them.

use serde_json::Value;

use super::{
    Context, Failure,
    directory::{DirectoryClient, all_of, all_shown, with_query},
};

/// What a list shows without `--all`, as `az` does.
const LIST_DEFAULT: usize = 100;

/// As `az`: a list without filter stops at 100 unless --all, and says so.
pub(crate) async fn listed(
    context: &Context,
    client: &DirectoryClient,
    path: &str,
    (conditions, all): (Vec<String>, bool),
) -> Result<Value, Failure> {
    let limit = (!all && conditions.is_empty()).then_some(LIST_DEFAULT);
    let top = if limit.is_some() { LIST_DEFAULT + 1 } else { 999 };
    let path = with_query(path, &[("$filter", all_of(conditions)), ("$top", Some(top.to_string()))]);
    let mut found = client.list(&path, limit.map(|limit| limit + 1)).await?;
    if let Some(limit) = limit.filter(|limit| found.len() > *limit) {
        context.warn(
            "The result is not complete. You can still use '--all' to get all of them, or provide a filter through \
             command arguments.",
        );
        found.truncate(limit);
    }
    Ok(all_shown(found))
}
