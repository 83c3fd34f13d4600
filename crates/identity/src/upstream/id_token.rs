//! The provider's ID token, check by check (OIDC Core §3.1.3.7, RFC 9700 §4.5, §4.8).

use hilum_access::KeyHint;
use hilum_jose::{Claims, Jwt, constant_time_eq, validate_times};
use jiff::{SignedDuration, Timestamp};

use super::{
    Provider, UpstreamError,
    provider::Metadata,
    request::{Fresh, Sent},
};

/// How far clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// The same for a sign-in that has to be new: shorter, or one of just before would do.
const FRESH_LEEWAY: SignedDuration = SignedDuration::from_mins(1);
/// A token that claims to be older answers another request.
const AGE_MAX: SignedDuration = SignedDuration::from_mins(60);
/// OIDC Core §2: at most 255 ASCII characters.
const SUBJECT_BYTES_MAX: usize = 255;
const NAME_CHARS_MAX: usize = 256;
const EMAIL_BYTES_MAX: usize = 250;

/// Whom the provider vouches for.
#[derive(Debug, Clone)]
pub(crate) struct Asserted {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// In lower case; only if the provider says that it has verified it.
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    /// When the person signed in there.
    pub(super) proven_at_ms: Option<i64>,
    pub(super) second_factor: bool,
}

impl Provider {
    /// Proves an ID token.
    pub(super) async fn check_id_token(
        &self,
        metadata: &Metadata,
        token: &str,
        (sent, now): (&Sent, Timestamp),
    ) -> Result<Asserted, UpstreamError> {
        // `none` and the symmetric algorithms do not parse.
        let jwt = Jwt::parse(token).map_err(|_| self.refused_answer("the ID token is malformed"))?;
        let header = jwt.header();
        let algorithms = metadata.id_token_signing_alg_values_supported.as_deref();
        let algorithm = header.algorithm.as_str();
        if algorithms.is_some_and(|known| !known.iter().any(|name| name == algorithm)) {
            return Err(self.refused_answer("the ID token's algorithm is none of the provider's"));
        }
        let hint = KeyHint { kid: header.kid.as_deref(), x5t: header.x5t.as_deref() };
        let keys = self.keys.find(hint).await.map_err(|_| self.away())?;
        let Some(claims) = keys.iter().find_map(|key| jwt.verify(key).ok()) else {
            return Err(self.refused_answer("the ID token's signature is not the provider's"));
        };
        self.check_claims(claims, sent, now).map_err(|why| self.refused_answer(why))?;
        self.check_fresh(claims, sent, now)?;
        let subject = claims.text("sub").filter(|subject| is_subject(subject));
        let subject = subject.ok_or_else(|| self.refused_answer("the ID token's subject cannot be"))?;
        let mut asserted = Asserted {
            issuer: self.settings.issuer.clone(),
            subject: subject.to_owned(),
            email: None,
            name: None,
            given_name: None,
            family_name: None,
            proven_at_ms: claims.date("auth_time").ok().flatten().map(Timestamp::as_millisecond),
            second_factor: self.is_second_factor(claims),
        };
        asserted.add(claims);
        Ok(asserted)
    }

    fn check_claims(&self, claims: &Claims, sent: &Sent, now: Timestamp) -> Result<(), &'static str> {
        let settings = &self.settings;
        if claims.text("iss") != Some(settings.issuer.as_str()) {
            return Err("the ID token is another issuer's");
        }
        let audiences = claims.audiences();
        if !audiences.contains(&settings.client_id.as_str()) {
            return Err("the ID token is for another client");
        }
        // OIDC Core §3.1.3.7, 3–5: who else may read it is nobody we trust.
        let party = claims.get("azp");
        if (audiences.len() > 1 && party.is_none())
            || party.is_some_and(|party| party.as_str() != Some(settings.client_id.as_str()))
        {
            return Err("the ID token was issued to another client");
        }
        let times = validate_times(claims, now, LEEWAY).map_err(|_| "the ID token does not hold now")?;
        if times.issued_at.is_none_or(|issued| now.duration_since(issued) > AGE_MAX) {
            return Err("the ID token is too old, or does not say how old");
        }
        // Always sent, so it must be there: it ties the token to this sign-in.
        let nonce = claims.text("nonce").unwrap_or_default();
        if !constant_time_eq(nonce.as_bytes(), sent.nonce.as_bytes()) {
            return Err("the ID token answers another request");
        }
        Ok(())
    }

    /// OIDC Core §3.1.2.1: a provider that was asked for a new sign-in has to say that there was one.
    fn check_fresh(&self, claims: &Claims, sent: &Sent, now: Timestamp) -> Result<(), UpstreamError> {
        let since = match sent.fresh {
            Fresh::Any => return Ok(()),
            Fresh::WithinS(seconds) => now - SignedDuration::from_secs(seconds.clamp(0, 1 << 32)),
            Fresh::Now => crate::timestamp(sent.at_ms),
        };
        match claims.date("auth_time") {
            Ok(Some(time)) if since.duration_since(time) <= FRESH_LEEWAY => Ok(()),
            _ => Err(UpstreamError::NotFresh(self.name().to_owned())),
        }
    }

    fn is_second_factor(&self, claims: &Claims) -> bool {
        let settings = &self.settings;
        let acr = claims.text("acr");
        claims.texts("amr").iter().any(|word| settings.second_factor_amr.iter().any(|known| known == word))
            || acr.is_some_and(|acr| settings.second_factor_acr.iter().any(|known| known == acr))
    }
}

impl Asserted {
    /// Takes over what claims say of the person, where nothing is known yet.
    pub(super) fn add(&mut self, claims: &Claims) {
        let text = |name: &str| {
            let text = claims.text(name)?.trim();
            let fits = !text.is_empty()
                && text.chars().count() <= NAME_CHARS_MAX
                && !text.chars().any(char::is_control);
            fits.then(|| text.to_owned())
        };
        self.name = self.name.take().or_else(|| text("name"));
        self.given_name = self.given_name.take().or_else(|| text("given_name"));
        self.family_name = self.family_name.take().or_else(|| text("family_name"));
        // OIDC Core §5.1: `email_verified` is a truth value; texts that look like one are not taken for it.
        let verified = claims.get("email_verified").and_then(serde_json::Value::as_bool) == Some(true);
        if self.email.is_none() && verified {
            self.email = claims.text("email").filter(|email| is_email(email)).map(str::to_ascii_lowercase);
        }
    }
}

fn is_subject(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= SUBJECT_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

/// An address that can be compared: ASCII, one `@`, no quoting.
fn is_email(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"()\\[]\";:<>,".contains(&b))
        && text.split('@').count() == 2
        && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}
