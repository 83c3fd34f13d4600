//! The trail's table and its two insert statements.

use hilum_storage::db::{DbError, Migration, Migrations, Sql, Value, WriteTx};

use crate::Event;

/// This crate's tables.
pub const MIGRATIONS: Migrations = Migrations {
    owner: "audit",
    steps: &[Migration {
        number: 1,
        name: "audit_event",
        sql: "CREATE TABLE audit_event (
                id {{identity}}, at_ms BIGINT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL,
                subject TEXT, app_id TEXT, display TEXT, target TEXT, patient TEXT, source TEXT, correlation TEXT, detail TEXT);
              CREATE INDEX audit_event_at ON audit_event (at_ms)",
    }],
};

const INSERT_1: Sql = "INSERT INTO audit_event
    (at_ms, action, outcome, subject, app_id, display, target, patient, source, correlation, detail)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)";

/// Eight rows with one statement: a batch costs a fraction of single inserts.
const INSERT_8: Sql = "INSERT INTO audit_event
    (at_ms, action, outcome, subject, app_id, display, target, patient, source, correlation, detail)
    VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11),($12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22),
           ($23,$24,$25,$26,$27,$28,$29,$30,$31,$32,$33),($34,$35,$36,$37,$38,$39,$40,$41,$42,$43,$44),
           ($45,$46,$47,$48,$49,$50,$51,$52,$53,$54,$55),($56,$57,$58,$59,$60,$61,$62,$63,$64,$65,$66),
           ($67,$68,$69,$70,$71,$72,$73,$74,$75,$76,$77),($78,$79,$80,$81,$82,$83,$84,$85,$86,$87,$88)";

/// The longest target or detail that is kept, in characters.
const TEXT_CHARS_MAX: usize = 1000;

/// Adds an event to the caller's transaction.
pub async fn record(tx: &mut WriteTx, at_ms: i64, event: &Event) -> Result<(), DbError> {
    let (sql, row) = recording(at_ms, event);
    tx.execute(sql, &row).await.map(drop)
}

/// The statement of [`record`], for a caller that sends it together with others.
pub fn recording(at_ms: i64, event: &Event) -> (Sql, Vec<Value>) {
    let mut row = Vec::with_capacity(11);
    push(&mut row, at_ms, event);
    (INSERT_1, row)
}

/// Adds many events to the caller's transaction.
pub(crate) async fn record_all(tx: &mut WriteTx, events: &[(i64, Event)]) -> Result<(), DbError> {
    let (eights, rest) = events.as_chunks::<8>();
    for eight in eights {
        let mut rows = Vec::with_capacity(88);
        for (at_ms, event) in eight {
            push(&mut rows, *at_ms, event);
        }
        tx.execute(INSERT_8, &rows).await?;
    }
    for (at_ms, event) in rest {
        record(tx, *at_ms, event).await?;
    }
    Ok(())
}

fn push(row: &mut Vec<Value>, at_ms: i64, event: &Event) {
    row.extend([
        at_ms.into(),
        event.action.name().into(),
        event.outcome.name().into(),
        event.actor.subject.clone().into(),
        event.actor.app_id.clone().into(),
        event.actor.display.clone().into(),
        event.target.as_deref().map(shortened).into(),
        event.patient.as_ref().map(|patient| shortened(patient.expose())).into(),
        event.source.clone().into(),
        event.correlation.into(),
        event.detail.as_deref().map(shortened).into(),
    ]);
}

/// What a client sends may be long, and PostgreSQL refuses NUL in text.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(TEXT_CHARS_MAX).collect()
}
