//! The demo's journey over HTTPS, as any client would make it: register, get a token, store, search, retrieve.

mod multipart;
mod part10;
mod phantom;

use std::{collections::HashSet, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use hilum_audit::Actor;
use hilum_identity::{
    ApplicationFilter, Identity, IdentityError, Keep, NewRoleAssignment, NewSecret, PrincipalRef,
};
use hilum_kernel::{Random, Secret};
use reqwest::{Client, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    assemble::{Ground, House},
    client,
    ui::Steps,
};

const RESOURCE: &str = "https://dicom.healthcareapis.azure.com";

/// What the journey made, for the lines that repeat it.
pub(crate) struct Journey {
    origin: Arc<str>,
    tenant: String,
    ca: String,
    client_id: String,
    client_secret: Secret<String>,
    study_uid: String,
    series_uid: String,
    instance_uid: String,
    sample: String,
}

/// Goes all the way once, telling each step with its time.
pub(crate) async fn journey(ground: &Ground, house: &House, steps: &Steps) -> Result<Journey> {
    let http = client::new(&ground.data)?;
    let step = steps.step("Register a service, a confidential, a public client", None);
    let (client_id, client_secret) = match register(&house.identity).await {
        Ok(registered) => registered,
        Err(error) => {
            step.failed(&format!("{error:#}"));
            return Err(error);
        }
    };
    step.done(&format!("client {client_id}"));

    let random = Arc::clone(&ground.random);
    let step = steps.step("Make a phantom CT study", None);
    let study = tokio::task::spawn_blocking(move || phantom::study(&*random)).await?;
    step.done(&format!("3 series, {} slices, {} MB", study.slices.len(), study.bytes() / 1_000_000));

    let sample = ground.data.path().join("demo-slice.dcm");
    let (spare, ca) =
        (study.spare.as_ref().context("the phantom has no spare slice")?, ground.data.tls("ca.pem"));
    tokio::fs::write(&sample, &spare.file).await.context("cannot write demo-slice.dcm")?;
    let journey = Journey {
        origin: Arc::clone(&house.origin),
        tenant: house.tenant_id.to_string(),
        ca: std::path::absolute(&ca).unwrap_or(ca).display().to_string(),
        client_id,
        client_secret,
        study_uid: study.uid.clone(),
        series_uid: spare.series_uid.clone(),
        instance_uid: spare.instance_uid.clone(),
        sample: std::path::absolute(&sample).unwrap_or(sample).display().to_string(),
    };
    Walk { http, journey: &journey, study: &study, random: &*ground.random }.go(steps).await?;
    Ok(journey)
}

/// The three kinds of client of Microsoft's articles. Registering them again finds them.
async fn register(identity: &Identity) -> Result<(String, Secret<String>)> {
    let service = registration(identity, "Demo service client", json!({})).await?;
    let principal = match identity.find_service_principal(&service).await {
        Err(IdentityError::NotFound { .. }) => {
            identity.create_service_principal(&Actor::operator(), &service).await?
        }
        found => found?,
    };
    let role = NewRoleAssignment {
        role: "DICOM Data Owner".to_owned(),
        principal: PrincipalRef::Object { id: principal.id, kind: None },
        scope: "/".to_owned(),
    };
    identity.create_role_assignment(&Actor::operator(), role).await?;
    let secret = secret(identity, &service).await?;

    let web = json!({"web": {"redirectUris": ["https://localhost:3000/signin-oidc"]}});
    registration(identity, "Demo confidential client", web).await?;
    let public = json!({
        "isFallbackPublicClient": true,
        "publicClient": {"redirectUris": ["http://localhost"]},
        "spa": {"redirectUris": ["http://localhost:3000/callback"]},
    });
    registration(identity, "Demo public client", public).await?;
    Ok((service, secret))
}

async fn registration(identity: &Identity, name: &str, members: Value) -> Result<String> {
    let found = identity.list_applications(&ApplicationFilter::DisplayName(name.to_owned()), Some(1)).await?;
    if let Some(application) = found.first() {
        return Ok(application.app_id.to_string());
    }
    let mut members = match members {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("displayName".to_owned(), name.into());
    let application = identity.create_application(&Actor::operator(), &members).await?;
    let app_id = application.app_id.to_string();
    identity.create_service_principal(&Actor::operator(), &app_id).await?;
    Ok(app_id)
}

async fn secret(identity: &Identity, application: &str) -> Result<Secret<String>> {
    let new =
        NewSecret { display_name: Some("demo".to_owned()), starts_at: None, ends_at: None, keep: Keep::None };
    Ok(identity.add_secret(&Actor::operator(), application, new).await?.value.clone())
}

/// The part of the journey that goes over the wire.
struct Walk<'w> {
    http: Client,
    journey: &'w Journey,
    study: &'w phantom::Study,
    random: &'w dyn Random,
}

impl Walk<'_> {
    async fn go(&self, steps: &Steps) -> Result<()> {
        self.told(steps, "Ask without a token", self.refused()).await?;
        let token = self.told(steps, "Get a token from the token endpoint", self.token()).await?;
        let step = steps.step("Store the study (STOW-RS)", Some(self.study.series().count() as u64));
        for (series, slices) in self.study.series() {
            if let Err(error) = self.store(&token, slices).await {
                step.failed(&format!("series {series}: {error:#}"));
                return Err(error);
            }
            step.advance();
        }
        step.done(&format!("{} instances", self.study.slices.len()));
        self.told(steps, "Find it by patient (QIDO-RS)", self.search(&token)).await?;
        self.told(steps, "Retrieve it and compare every byte (WADO-RS)", self.retrieve(&token)).await?;
        self.told(steps, "Retrieve one frame and compare", self.frame(&token)).await?;
        Ok(())
    }

    async fn told<T: Told>(
        &self,
        steps: &Steps,
        name: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let step = steps.step(name, None);
        match work.await {
            Ok(outcome) => {
                step.done(&outcome.words());
                Ok(outcome)
            }
            Err(error) => {
                step.failed(&format!("{error:#}"));
                Err(error)
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/dicom/v2/{path}", self.journey.origin)
    }

    async fn refused(&self) -> Result<String> {
        let response = self.http.get(self.url("studies")).send().await?;
        ensure!(response.status() == StatusCode::UNAUTHORIZED, "answered {}", response.status());
        ensure!(response.headers().contains_key(header::WWW_AUTHENTICATE), "without WWW-Authenticate");
        Ok("401, as it should be".to_owned())
    }

    async fn token(&self) -> Result<Token> {
        let url = format!("{}/{}/oauth2/v2.0/token", self.journey.origin, self.journey.tenant);
        let scope = format!("{RESOURCE}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.journey.client_id),
            ("client_secret", self.journey.client_secret.expose()),
            ("scope", &scope),
        ];
        let response = self.http.post(url).form(&form).send().await?;
        let answer: Value = response.json().await.context("the token endpoint did not answer in JSON")?;
        match answer.get("access_token").and_then(Value::as_str) {
            Some(token) => Ok(Token {
                bearer: Secret::new(format!("Bearer {token}")),
                seconds: answer.get("expires_in").and_then(Value::as_i64).unwrap_or_default(),
            }),
            None => {
                bail!("{}", answer.get("error_description").and_then(Value::as_str).unwrap_or("no token"))
            }
        }
    }

    async fn store(&self, token: &Token, slices: &[phantom::Slice]) -> Result<()> {
        let boundary = format!("hilum-demo-{}", self.random.uuid());
        let body = multipart::write(&boundary, slices.iter().map(|slice| &slice.file));
        let content_type = format!("multipart/related; type=\"application/dicom\"; boundary={boundary}");
        let request = self.http.post(self.url("studies")).body(body);
        let response = request
            .header(header::AUTHORIZATION, token.bearer.expose())
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/dicom+json")
            .send()
            .await?;
        ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        Ok(())
    }

    async fn search(&self, token: &Token) -> Result<String> {
        let url = self.url(&format!("studies?PatientID={}&limit=200", phantom::PATIENT_ID));
        let answer = self.get(token, &url, "application/dicom+json").await?;
        let studies: Value = serde_json::from_slice(&answer.1).context("no JSON")?;
        let found = studies.as_array().into_iter().flatten().any(|study| {
            study.pointer("/0020000D/Value/0").and_then(Value::as_str) == Some(&self.journey.study_uid)
        });
        ensure!(found, "the study is not among {} results", studies.as_array().map_or(0, Vec::len));
        Ok(format!("study {}", self.journey.study_uid))
    }

    async fn retrieve(&self, token: &Token) -> Result<String> {
        let url = self.url(&format!("studies/{}", self.journey.study_uid));
        let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
        let (content_type, body) = self.get(token, &url, accept).await?;
        let boundary = multipart::boundary(&content_type).context("the answer names no boundary")?;
        let parts = multipart::read(&body, boundary)?;
        let mut missing: HashSet<&Bytes> = self.study.slices.iter().map(|slice| &slice.file).collect();
        ensure!(parts.len() == missing.len(), "{} instances came back", parts.len());
        for part in &parts {
            ensure!(missing.remove(part), "an instance came back that is not what was stored");
        }
        Ok(format!("{} instances, {} MB, all the same", parts.len(), self.study.bytes() / 1_000_000))
    }

    async fn frame(&self, token: &Token) -> Result<String> {
        let stored = self.study.slices.first().context("the phantom has no slices")?;
        let url = self.url(&format!(
            "studies/{}/series/{}/instances/{}/frames/1",
            self.study.uid, stored.series_uid, stored.instance_uid
        ));
        let accept = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";
        let (content_type, body) = self.get(token, &url, accept).await?;
        let boundary = multipart::boundary(&content_type).context("the answer names no boundary")?;
        let parts = multipart::read(&body, boundary)?;
        ensure!(
            parts.len() == 1 && parts.first() == Some(&stored.pixels()),
            "the frame is not what was stored"
        );
        Ok(format!("{} bytes, the same", parts.first().map_or(0, Bytes::len)))
    }

    async fn get(&self, token: &Token, url: &str, accept: &str) -> Result<(String, Bytes)> {
        let request = self.http.get(url).header(header::AUTHORIZATION, token.bearer.expose());
        let response = request.header(header::ACCEPT, accept).send().await?;
        ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        Ok((content_type, response.bytes().await?))
    }
}

struct Token {
    bearer: Secret<String>,
    seconds: i64,
}

/// What a step has to say.
trait Told {
    fn words(&self) -> String;
}

impl Told for String {
    fn words(&self) -> String {
        self.clone()
    }
}

impl Told for Token {
    fn words(&self) -> String {
        format!("valid for {} minutes", self.seconds / 60)
    }
}

/// The journey as one would type it. Holds the secret, which is the demo's own and shown this once.
pub(crate) fn curl_lines(journey: &Journey) -> String {
    let Journey { origin, tenant, ca, client_id, study_uid, series_uid, instance_uid, sample, .. } = journey;
    let secret = journey.client_secret.expose();
    format!(
        "# The journey again, by hand:\n\
         export CURL_CA_BUNDLE='{ca}'\n\
         TOKEN=$(curl -s {origin}/{tenant}/oauth2/v2.0/token -d grant_type=client_credentials \\\n  \
         -d client_id={client_id} --data-urlencode 'client_secret={secret}' \\\n  \
         --data-urlencode 'scope={RESOURCE}/.default' | sed -E 's/.*\"access_token\" ?: ?\"([^\"]+)\".*/\\1/')\n\
         # store one slice more\n\
         curl -s {origin}/dicom/v2/studies -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/dicom+json' \\\n  \
         -H 'Content-Type: application/dicom' --data-binary '@{sample}'; echo\n\
         # search\n\
         curl -s '{origin}/dicom/v2/studies?PatientID={patient}' -H \"Authorization: Bearer $TOKEN\"; echo\n\
         # retrieve one instance, and compare\n\
         curl -s {origin}/dicom/v2/studies/{study_uid}/series/{series_uid}/instances/{instance_uid} \\\n  \
         -H \"Authorization: Bearer $TOKEN\" -H 'Accept: application/dicom; transfer-syntax=*' | cmp - '{sample}' && echo same",
        patient = phantom::PATIENT_ID,
    )
}
