//! Users' passwords: Argon2id (RFC 9106), hashed off the async threads.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        PasswordVerifier as _,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use hilum_kernel::{Random, Secret, UserId};
use hilum_storage::db::{DbError, ReadTx, WriteTx};

use super::{hashing::Turn, sql};
use crate::IdentityError;

/// NIST SP 800-63B asks for 8 at least; Entra for 8 to 256.
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_CHARS_MAX: usize = 256;
/// What a generated password consists of: no look-alikes, so that it can be typed from a terminal.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
const GENERATED_CHARS: usize = 24;

/// A password as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct HashedPassword {
    pub(crate) hash: String,
    pub(crate) must_change: bool,
}

/// Hashes a password. Costs about 20 ms and 19 MiB (OWASP's parameters, the library's default).
pub(crate) async fn hash(
    password: Secret<String>,
    must_change: bool,
    (turn, random): (&Turn, &dyn Random),
) -> Result<HashedPassword, IdentityError> {
    let chars = password.expose().chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(IdentityError::invalid("passwordProfile.password", "must have 8 to 256 characters"));
    }
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let work = move |memory: &mut [Block]| -> argon2::password_hash::Result<String> {
        let argon2 = Argon2::default();
        let hash = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(argon2.params())?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(output(&argon2, &password, &salt, memory)?),
        };
        Ok(hash.to_string())
    };
    let hash = turn.run(work).await?.map_err(|_| IdentityError::Password)?;
    Ok(HashedPassword { hash, must_change })
}

/// Whether the password is the one of this hash.
pub(crate) async fn verify(
    password: Secret<String>,
    hash: String,
    turn: &Turn,
) -> Result<bool, IdentityError> {
    let work = move |memory: &mut [Block]| {
        let Ok(hash) = PasswordHash::new(&hash) else { return false };
        let (argon2, (Some(salt), Some(wanted))) = (Argon2::default(), (hash.salt, hash.hash)) else {
            return false;
        };
        let is_ours = hash.algorithm == Algorithm::default().ident()
            && hash.version == Some(Version::default().into())
            && ParamsString::try_from(argon2.params()).is_ok_and(|params| params == hash.params);
        if is_ours {
            // The library compares outputs in constant time.
            return output(&argon2, &password, &salt, memory).is_ok_and(|output| output == wanted);
        }
        argon2.verify_password(password.expose().as_bytes(), &hash).is_ok()
    };
    turn.run(work).await
}

fn output(
    argon2: &Argon2<'_>,
    password: &Secret<String>,
    salt: &[u8],
    memory: &mut [Block],
) -> argon2::password_hash::Result<Output> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut output, memory)?;
    Ok(Output::new(&output)?)
}

/// A password for one use: 24 characters of five bits.
pub(crate) fn generate(random: &dyn Random) -> Secret<String> {
    let mut bytes = [0; GENERATED_CHARS];
    random.fill(&mut bytes);
    Secret::new(
        bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 0x1f)))
            .map(|byte| char::from(*byte))
            .collect(),
    )
}

pub(crate) async fn stored(tx: &mut ReadTx, user: UserId) -> Result<Option<(String, bool)>, DbError> {
    sql::password(tx, user).await
}

pub(crate) async fn store(
    tx: &mut WriteTx,
    user: UserId,
    password: &HashedPassword,
    at_ms: i64,
) -> Result<(), DbError> {
    sql::set_password(tx, user, &password.hash, password.must_change, at_ms).await
}

pub(crate) async fn delete(tx: &mut WriteTx, user: UserId) -> Result<(), DbError> {
    sql::delete_password(tx, user).await
}
