//! `[blobs]`: where DICOM files are kept: a folder, or a bucket by URL.

use std::{collections::BTreeMap, path::Path};

use hilum_storage::blobs::BlobConfig;
use serde::{Deserialize, Serialize};

use super::{ConfigError, MaskedText, MaskedUrl, invalid};

/// Which store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blobs {
    /// `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, `gs://BUCKET/PREFIX`, `file:///PATH`; without it `blobs` in the
    /// data directory.
    pub url: Option<MaskedUrl>,
    /// Options of the store, such as `aws_access_key_id`, `aws_endpoint`, `azure_storage_account_key`.
    pub options: BTreeMap<String, MaskedText>,
}

impl Blobs {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self.url.as_ref().map(|url| url::Url::parse(url.expose())) {
            Some(Err(_)) => Err(invalid("blobs.url", "must be a URL, like s3://bucket/prefix")),
            None | Some(Ok(_)) => Ok(()),
        }
    }

    /// What storage wants to know.
    pub fn to_storage(&self, data: &Path) -> BlobConfig {
        match self.url.as_ref().map(MaskedUrl::expose) {
            None => BlobConfig::Local { folder: data.join("blobs") },
            Some(url) => match url.strip_prefix("file://") {
                Some(path) => BlobConfig::Local { folder: path.into() },
                None => BlobConfig::Url {
                    url: url.to_owned(),
                    options: self
                        .options
                        .iter()
                        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                        .collect(),
                },
            },
        }
    }
}
