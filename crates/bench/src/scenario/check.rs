//! Whether an answer is what the corpus says it must be.

use anyhow::{Context, Result, bail, ensure};
use http::{StatusCode, header};
use sha2::{Digest, Sha256};

use crate::{
    corpus::{Address, Corpus},
    load::Answer,
    multipart,
};

/// What an answer must be.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// DICOM JSON of so many datasets (PS3.18 Annex F). None may also be 204.
    Datasets(usize),
    /// Exactly these files, byte for byte, in any order.
    Files(Vec<Address>),
    /// Exactly this frame, counted from 0.
    Frame(Address, u64),
    /// A bearer token.
    Token,
}

impl Expected {
    /// Checks an answer; the error says what is wrong.
    pub(crate) fn check(&self, answer: &Answer, corpus: &Corpus) -> Result<()> {
        if let (Self::Datasets(0), StatusCode::NO_CONTENT) = (self, answer.status) {
            return Ok(());
        }
        ensure!(answer.status == StatusCode::OK, "answered {}: {}", answer.status, answer.excerpt());
        match self {
            Self::Datasets(expected) => {
                let found: Vec<serde_json::Map<String, serde_json::Value>> =
                    serde_json::from_slice(&answer.body).context("the answer is no array of JSON objects")?;
                ensure!(found.len() == *expected, "{} datasets instead of {expected}", found.len());
            }
            Self::Files(addresses) => {
                let found = digests(parts(answer)?);
                let expected = digests(addresses.iter().map(|&at| corpus.file(at).to_vec()));
                ensure!(found.len() == expected.len(), "{} files instead of {}", found.len(), expected.len());
                ensure!(found == expected, "a file came back changed");
            }
            Self::Frame(at, frame) => match parts(answer)?.as_slice() {
                [only] => ensure!(*only == corpus.frame(*at, *frame), "the frame is another one"),
                several => bail!("{} frames instead of one", several.len()),
            },
            Self::Token => {
                let found: serde_json::Value = serde_json::from_slice(&answer.body)?;
                ensure!(
                    found.get("access_token").is_some_and(serde_json::Value::is_string),
                    "no access_token"
                );
            }
        }
        Ok(())
    }
}

fn parts(answer: &Answer) -> Result<Vec<&[u8]>> {
    multipart::parts(answer.header(header::CONTENT_TYPE), &answer.body)
}

fn digests(files: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Vec<u8>> {
    let mut digests: Vec<_> = files.into_iter().map(|file| Sha256::digest(file.as_ref()).to_vec()).collect();
    digests.sort_unstable();
    digests
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::corpus::Kind;

    fn answer(content_type: &str, body: Vec<u8>) -> Answer {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())]);
        Answer { status: StatusCode::OK, headers, body }
    }

    #[test]
    fn datasets_are_counted() {
        let corpus = Corpus::new(1);
        let two = answer("application/dicom+json", b"[{},{}]".to_vec());
        assert!(Expected::Datasets(2).check(&two, &corpus).is_ok());
        assert!(Expected::Datasets(1).check(&two, &corpus).is_err());
        assert!(Expected::Datasets(0).check(&answer("x/y", b"[1]".to_vec()), &corpus).is_err());
        let none = Answer { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Vec::new() };
        assert!(Expected::Datasets(0).check(&none, &corpus).is_ok());
        assert!(Expected::Datasets(1).check(&none, &corpus).is_err());
    }

    #[test]
    fn files_and_frames_are_compared_byte_for_byte() {
        let corpus = Corpus::new(1);
        let (one, two) = (Kind::Small.at(0, 0), Kind::Small.at(0, 1));
        let body = multipart::store_body(&[corpus.file(two), corpus.file(one)]).concat();
        let whole = answer(&multipart::store_content_type(), body.clone());
        assert!(Expected::Files(vec![one, two]).check(&whole, &corpus).is_ok());
        assert!(Expected::Files(vec![one]).check(&whole, &corpus).is_err());
        assert!(Expected::Files(vec![one, one]).check(&whole, &corpus).is_err());
        let mut changed = body;
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let changed = answer(&multipart::store_content_type(), changed);
        assert!(Expected::Files(vec![one, two]).check(&changed, &corpus).is_err());

        let frame = [b"--b\r\n\r\n", corpus.frame(one, 0).as_ref(), b"\r\n--b--"].concat();
        let frame = answer("multipart/related; boundary=b", frame);
        assert!(Expected::Frame(one, 0).check(&frame, &corpus).is_ok());
        assert!(Expected::Frame(two, 0).check(&frame, &corpus).is_err());
    }
}
