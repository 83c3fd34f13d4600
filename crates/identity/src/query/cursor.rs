//! Where a page ended: the last item's place in the order and its key. Outside it is opaque text with a MAC
//! (HMAC-SHA256), so that nobody can make the database look where no page ended.

use hilum_jose::{MasterKey, base64url_decode, base64url_encode, constant_time_eq};
use hilum_storage::db::{Row, Value};
use serde::{Deserialize, Serialize};

use super::collection::{Collection, Order};
use crate::IdentityError;

/// Bytes of the MAC in front of the content.
const MAC_BYTES: usize = 16;
/// Names have a few hundred characters at most.
const TEXT_CHARS_MAX: usize = 8_000;

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(rename = "t")]
    table: String,
    #[serde(rename = "o")]
    order: String,
    #[serde(rename = "d")]
    descending: bool,
    #[serde(rename = "p")]
    place: Place,
    #[serde(rename = "i")]
    id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    Number(i64),
    Text(String),
}

/// Makes and checks the MAC of cursors.
pub(crate) struct CursorKey(MasterKey);

impl CursorKey {
    /// A key of cursors' own.
    pub(crate) fn derive(master: &MasterKey) -> Result<Self, IdentityError> {
        Ok(Self(master.derive("identity list cursors v1")?))
    }

    /// The text for outside.
    pub(crate) fn seal(&self, cursor: &Cursor) -> String {
        let content = serde_json::to_vec(cursor).unwrap_or_default();
        let mut bytes: Vec<u8> = self.0.keyed_hash(&content).into_iter().take(MAC_BYTES).collect();
        bytes.extend(content);
        base64url_encode(bytes)
    }

    /// The cursor that was sealed so.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for any other text.
    pub(crate) fn open(&self, text: &str) -> Result<Cursor, IdentityError> {
        let wrong = || IdentityError::invalid("$skiptoken", "is not one that this server made");
        if text.len() > TEXT_CHARS_MAX {
            return Err(wrong());
        }
        let bytes = base64url_decode(text).map_err(|_| wrong())?;
        let (mac, content) = bytes.split_at_checked(MAC_BYTES).ok_or_else(wrong)?;
        let expected: Vec<u8> = self.0.keyed_hash(content).into_iter().take(MAC_BYTES).collect();
        if !constant_time_eq(mac, &expected) {
            return Err(wrong());
        }
        serde_json::from_slice(content).map_err(|_| wrong())
    }
}

impl Cursor {
    /// Behind a row whose last two columns are the order's and the key.
    pub(super) fn after(collection: &Collection, order: &Order, row: &Row) -> Result<Self, IdentityError> {
        let id = row.width().saturating_sub(1);
        let place = id.saturating_sub(1);
        Ok(Self {
            table: collection.table.to_owned(),
            order: order.property.to_owned(),
            descending: order.descending,
            place: if order.column.is_number() {
                Place::Number(row.int(place)?)
            } else {
                Place::Text(row.text(place)?)
            },
            id: row.text(id)?,
        })
    }

    /// Behind an item of a list that is ordered by its key alone.
    pub(crate) fn behind(collection: &Collection, id: String) -> Self {
        let (table, order) = (collection.table.to_owned(), "id".to_owned());
        Self { table, order, descending: false, place: Place::Text(id.clone()), id }
    }

    /// The key to go on behind, of a list that is ordered by it alone.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] where it belongs to another list or order.
    pub(crate) fn key(&self, collection: &Collection) -> Result<&str, IdentityError> {
        let same = self.table == collection.table && self.order == "id" && !self.descending;
        if same { Ok(&self.id) } else { Err(Self::misplaced()) }
    }

    /// The place and key to go on behind.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] where it belongs to another list or order.
    pub(super) fn values(
        &self,
        collection: &Collection,
        order: &Order,
    ) -> Result<(Value, Value), IdentityError> {
        let place = match (&self.place, order.column.is_number()) {
            (Place::Number(number), true) => Value::from(*number),
            (Place::Text(text), false) => Value::from(text),
            _ => return Err(Self::misplaced()),
        };
        let same = self.table == collection.table
            && self.order == order.property
            && self.descending == order.descending;
        if same { Ok((place, Value::from(&self.id))) } else { Err(Self::misplaced()) }
    }

    fn misplaced() -> IdentityError {
        IdentityError::invalid("$skiptoken", "belongs to another list; follow @odata.nextLink as it is")
    }
}
