//! `hilum rest`: any request, with the signed-in account's token, as `az rest`.
//!
//! Microsoft's hosts of the management APIs stand for the server's own origin, so that lines of the articles work as
//! they are. A token never leaves for another host unless `--resource` says for what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::{
    Answer, Context, Failure,
    context::{Place, origin_of},
    directory::DirectoryClient,
    values,
};
use crate::{
    client,
    data_dir::write_private,
    session::{Account, GRAPH_SCOPE},
};

/// Hosts that stand for the server's origin.
const STAND_INS: [&str; 4] =
    ["graph.microsoft.com", "graph.windows.net", "management.azure.com", "login.microsoftonline.com"];
/// What the management API answers.
const DIRECTORY_PATHS: [&str; 4] = ["/v1.0", "/beta", "/subscriptions", "/providers"];
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct RestArgs {
    #[arg(
        long,
        short = 'm',
        visible_alias = "http-method",
        value_enum,
        default_value = "get",
        ignore_case = true
    )]
    method: Verb,
    /// The URL; a path alone means the server's own.
    #[arg(long, short = 'u', visible_alias = "url")]
    uri: String,
    /// Headers, as key=value or as one JSON object.
    #[arg(long, num_args = 1.., visible_alias = "header")]
    headers: Vec<String>,
    /// Query parameters, as key=value or as one JSON object.
    #[arg(long, num_args = 1.., visible_alias = "url-parameters")]
    uri_parameters: Vec<String>,
    /// The body, or @file.
    #[arg(long, short = 'b')]
    body: Option<String>,
    /// The resource that the token is for; by default found by the URL.
    #[arg(long)]
    resource: Option<String>,
    /// Send no token.
    #[arg(long)]
    skip_authorization_header: bool,
    /// Where the answer is written instead of being printed.
    #[arg(long)]
    output_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verb {
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
}

impl Verb {
    const fn method(self) -> Method {
        match self {
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
            Self::Patch => Method::PATCH,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
        }
    }
}

pub(crate) async fn run(context: &Context, arguments: RestArgs) -> Answer {
    match context.place()? {
        Place::Here => {
            let url = url(&arguments, &origin_of(&context.origin()?)?)?;
            context.with_client(async |client| here(client, &arguments, &url).await).await
        }
        Place::Server(account) => elsewhere(context, &arguments, &account).await,
    }
}

/// On a data directory there is no token: only what the directory itself answers can be asked.
async fn here(client: &DirectoryClient, arguments: &RestArgs, (url, own): &(Url, bool)) -> Answer {
    if !own || !is_directory(url) || arguments.skip_authorization_header {
        return Err(Failure::Usage(format!(
            "on a data directory `hilum rest` reaches the management API alone (/v1.0/…), not {url}: sign in with `hilum login`"
        )));
    }
    // They are read to be checked: nothing but the body matters inside the process.
    headers(arguments)?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let body = match &arguments.body {
        Some(text) => Some(values::json("--body", text)?),
        None => None,
    };
    let reply = client.send(arguments.method.method(), &path, body).await?;
    if !reply.status.is_success() {
        return Err(reply.failure());
    }
    finish(arguments, reply.body)
}

async fn elsewhere(context: &Context, arguments: &RestArgs, account: &Account) -> Answer {
    let (url, own) = url(arguments, &account.server)?;
    let mut headers = headers(arguments)?;
    let http = client::for_server(account.ca.as_deref())?;
    let body = arguments.body.as_deref().map(values::text_or_file).transpose()?;
    if let Some(body) = &body
        && !headers.contains_key("content-type")
        && serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok()
    {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    if !arguments.skip_authorization_header && !headers.contains_key("authorization") {
        let scope = match &arguments.resource {
            Some(resource) => Some(format!("{resource}/.default")),
            None if own && is_directory(&url) => Some(GRAPH_SCOPE.to_owned()),
            None if own && url.path().starts_with("/dicom/") => {
                Some("https://dicom.healthcareapis.azure.com/.default".to_owned())
            }
            None => None,
        };
        match scope {
            Some(scope) => {
                origin_of(&url.origin().ascii_serialization())?;
                let token = context.token(account, &scope).await?;
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                    .map_err(|_| Failure::Error("the token cannot be sent".to_owned()))?;
                value.set_sensitive(true);
                headers.insert("authorization", value);
            }
            None => context.warn(
                "Can't derive the resource from --url to get an access token. If one is needed, say --resource.",
            ),
        }
    }
    let request = http.request(arguments.method.method(), url).headers(headers);
    let request = match body {
        Some(body) => request.body(body),
        None => request,
    };
    let response = request.send().await.map_err(|error| {
        Failure::Error(format!("cannot reach {} ({})", account.server, client::cause(&error)))
    })?;
    let status = response.status();
    let bytes = client::body(response, ANSWER_BYTES_MAX).await?;
    if !status.is_success() {
        let reason = status.canonical_reason().unwrap_or("Error");
        let text = format!("{reason}({})", String::from_utf8_lossy(&bytes));
        return Err(if status.as_u16() == 404 { Failure::NotFound(text) } else { Failure::Error(text) });
    }
    if let Some(file) = &arguments.output_file {
        write_private(file, &bytes)
            .map_err(|error| Failure::Error(format!("cannot write {}: {error}", file.display())))?;
        return Ok(None);
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
    ))
}

fn finish(arguments: &RestArgs, body: Value) -> Answer {
    let Some(file) = &arguments.output_file else {
        return Ok(if body.is_null() { None } else { Some(body) });
    };
    let text = serde_json::to_vec(&body).map_err(Failure::error)?;
    write_private(file, &text)
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", file.display())))?;
    Ok(None)
}

fn is_directory(url: &Url) -> bool {
    let path = url.path().to_lowercase();
    DIRECTORY_PATHS.iter().any(|own| path == *own || path.starts_with(&format!("{own}/")))
        || path.contains("/providers/microsoft.authorization/")
}

/// The URL that is meant, and whether it is the server's own.
fn url(arguments: &RestArgs, server: &str) -> Result<(Url, bool), Failure> {
    let wrong = || Failure::Usage(format!("--uri: '{}' is no URL", arguments.uri));
    let text = if arguments.uri.starts_with('/') {
        format!("{server}{}", arguments.uri)
    } else {
        arguments.uri.clone()
    };
    let mut url = Url::parse(&text).map_err(|_| wrong())?;
    if url.host_str().is_some_and(|host| STAND_INS.contains(&host)) && url.scheme() == "https" {
        let rest = url.query().map_or_else(String::new, |query| format!("?{query}"));
        url = Url::parse(&format!("{server}{}{rest}", url.path())).map_err(|_| wrong())?;
    }
    for (name, value) in pairs("--uri-parameters", &arguments.uri_parameters)? {
        url.query_pairs_mut().append_pair(&name, &value);
    }
    let own = url.origin().ascii_serialization() == server;
    Ok((url, own))
}

fn headers(arguments: &RestArgs) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs("--headers", &arguments.headers)? {
        let wrong = || Failure::Usage(format!("--headers: '{name}' cannot be sent"));
        let key = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        headers.insert(key, HeaderValue::try_from(value.trim()).map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// `key=value …`, or one JSON object.
fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    if let [text] = texts
        && (text.trim_start().starts_with('{') || text.starts_with('@'))
    {
        let Value::Object(members) = values::json(option, text)? else {
            return Err(Failure::Usage(format!("{option} wants a JSON object")));
        };
        let as_text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return Ok(members.into_iter().map(|(name, value)| (name, as_text(value))).collect());
    }
    texts
        .iter()
        .map(|text| {
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| Failure::Usage(format!("{option} wants key=value, not '{text}'")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: RestArgs,
    }

    fn parsed(words: &[&str]) -> RestArgs {
        Line::try_parse_from([&["rest"], words].concat()).unwrap().arguments
    }

    #[test]
    fn microsofts_hosts_stand_for_the_server() {
        let server = "https://h.example:8443";
        for (uri, wanted, own) in [
            (
                "https://graph.microsoft.com/v1.0/applications?$top=1",
                "https://h.example:8443/v1.0/applications?$top=1",
                true,
            ),
            ("https://management.azure.com/subscriptions/s", "https://h.example:8443/subscriptions/s", true),
            ("/v1.0/me", "https://h.example:8443/v1.0/me", true),
            ("https://h.example:8443/dicom/v2/studies", "https://h.example:8443/dicom/v2/studies", true),
            (
                "https://graph.microsoft.com.evil.example/v1.0",
                "https://graph.microsoft.com.evil.example/v1.0",
                false,
            ),
            ("https://h.example/v1.0", "https://h.example/v1.0", false),
        ] {
            let (url, is_own) = url(&parsed(&["-u", uri]), server).unwrap();
            assert_eq!((url.as_str(), is_own), (wanted, own), "{uri}");
        }
        let with =
            parsed(&["--uri", "/v1.0/users", "--uri-parameters", "$top=2", "$filter=a eq 'b'", "-m", "GET"]);
        let (url, _) = url(&with, server).unwrap();
        assert_eq!(url.query(), Some("%24top=2&%24filter=a+eq+%27b%27"));
    }

    #[test]
    fn headers_are_pairs_or_an_object() {
        let two =
            headers(&parsed(&["-u", "/", "--headers", "Content-Type=application/json", "A=b=c"])).unwrap();
        assert_eq!(two.get("a").unwrap(), "b=c");
        let object = headers(&parsed(&["-u", "/", "--headers", r#"{"A": "b", "n": 1}"#])).unwrap();
        assert_eq!(
            (object.get("a").unwrap(), object.get("n").unwrap()),
            (&"b".parse::<HeaderValue>().unwrap(), &"1".parse().unwrap())
        );
        assert!(headers(&parsed(&["-u", "/", "--headers", "nonsense"])).is_err());
        assert!(headers(&parsed(&["-u", "/", "--headers", "a=\n"])).is_ok());
        assert!(headers(&parsed(&["-u", "/", "--headers", "a=x\ny"])).is_err());
    }
}
