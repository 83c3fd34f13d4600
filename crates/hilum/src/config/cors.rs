//! `[dicom.cors]`: which pages of other origins may call a service, as the Azure service's own setting.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use hilum_web::cors::{Allowed, Cors};
use serde::{Deserialize, Serialize};

use super::{ConfigError, invalid};

const ANY: &str = "*";
/// Browsers remember the answer no longer than this.
const MAX_AGE_SECONDS_MAX: u32 = 86_400;

/// Pages of other origins; none may call unless they are named.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSettings {
    /// Origins, `https://viewer.example.org`, or `*` alone.
    pub origins: Vec<String>,
    /// Methods of their requests.
    pub methods: Vec<String>,
    /// Headers of their requests, or `*` alone.
    pub headers: Vec<String>,
    /// How long a browser may remember all this.
    pub max_age_seconds: u32,
    /// Whether cookies and client certificates may come along; not with `*`.
    pub allow_credentials: bool,
}

impl Default for CorsSettings {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            methods: ["GET", "POST", "PUT", "DELETE"].map(str::to_owned).to_vec(),
            headers: vec![ANY.to_owned()],
            max_age_seconds: 600,
            allow_credentials: false,
        }
    }
}

impl CorsSettings {
    /// What goes around the service; nothing where no origin is named.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names the key.
    pub fn layer(&self) -> Result<Option<Cors>, ConfigError> {
        if self.origins.is_empty() {
            return Ok(None);
        }
        let origins = allowed("dicom.cors.origins", &self.origins, |text| {
            let is_origin = url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
            if is_origin { HeaderValue::from_str(text).ok() } else { None }
        })?;
        if origins == Allowed::Any && self.allow_credentials {
            return Err(invalid("dicom.cors.allow_credentials", "is not for every origin: name the origins"));
        }
        if self.max_age_seconds > MAX_AGE_SECONDS_MAX {
            return Err(invalid("dicom.cors.max_age_seconds", "must be 86400 (a day) or less"));
        }
        let methods =
            self.methods.iter().map(|name| Method::from_bytes(name.to_ascii_uppercase().as_bytes()));
        let methods = methods.collect::<Result<_, _>>();
        Ok(Some(Cors {
            origins,
            methods: methods.map_err(|_| invalid("dicom.cors.methods", "must be methods such as GET"))?,
            headers: allowed("dicom.cors.headers", &self.headers, |text| text.parse::<HeaderName>().ok())?,
            max_age: Duration::from_secs(self.max_age_seconds.into()),
            credentials: self.allow_credentials,
        }))
    }
}

fn allowed<T>(
    key: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Allowed<T>, ConfigError> {
    if texts == [ANY] {
        return Ok(Allowed::Any);
    }
    let values = texts.iter().map(|text| read(text).ok_or(text)).collect::<Result<_, _>>();
    let reason = |text: &String| match key {
        "dicom.cors.origins" => format!(
            "{text:?} is no origin as browsers spell it: scheme, host and, where it is not the scheme's own, port; \
             nothing after it"
        ),
        _ => format!("{text:?} is no header's name"),
    };
    values.map(Allowed::These).map_err(|text| invalid(key, reason(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origins: &[&str]) -> CorsSettings {
        CorsSettings {
            origins: origins.iter().map(|&text| text.to_owned()).collect(),
            ..CorsSettings::default()
        }
    }

    #[test]
    fn nobody_is_allowed_unless_named() {
        assert_eq!(CorsSettings::default().layer().unwrap(), None);
    }

    #[test]
    fn origins_are_spelt_as_browsers_spell_them() {
        let cors = of(&["https://viewer.example", "http://localhost:3000"]).layer().unwrap().unwrap();
        let Allowed::These(origins) = cors.origins else { panic!("not any") };
        assert_eq!(origins, ["https://viewer.example", "http://localhost:3000"]);
        for wrong in [
            "https://viewer.example/",
            "https://Viewer.example",
            "https://v.example:443",
            "viewer",
            "null",
            "",
        ] {
            let error = of(&[wrong]).layer().unwrap_err().to_string();
            assert!(error.starts_with("dicom.cors.origins: "), "{wrong}: {error}");
        }
        assert!(of(&["*", "https://viewer.example"]).layer().is_err());
    }

    #[test]
    fn any_origin_gets_no_credentials() {
        assert_eq!(of(&["*"]).layer().unwrap().unwrap().origins, Allowed::Any);
        let with = CorsSettings { allow_credentials: true, ..of(&["*"]) };
        assert!(with.layer().unwrap_err().to_string().starts_with("dicom.cors.allow_credentials: "));
    }

    #[test]
    fn what_is_no_method_header_or_time_is_refused() {
        let named = || of(&["https://viewer.example"]);
        let methods = CorsSettings { methods: vec!["G T".to_owned()], ..named() };
        assert!(methods.layer().unwrap_err().to_string().starts_with("dicom.cors.methods: "));
        let headers = CorsSettings { headers: vec!["a b".to_owned()], ..named() };
        assert!(headers.layer().unwrap_err().to_string().starts_with("dicom.cors.headers: "));
        let age = CorsSettings { max_age_seconds: 86_401, ..named() };
        assert!(age.layer().unwrap_err().to_string().starts_with("dicom.cors.max_age_seconds: "));
    }
}
