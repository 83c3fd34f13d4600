//! The feed's statements. A page finds the numbers first, in an index alone, then reads the rows they name.

use hilum_storage::db::Sql;

pub(crate) const APPEND: Sql = "INSERT INTO change_feed
    (sequence, at_ticks, action, partition_key, study_uid, series_uid, sop_instance_uid, watermark)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// As [`APPEND`], for an instance that was inserted a moment ago, or was not.
pub(crate) const APPEND_CREATED: Sql = "INSERT INTO change_feed
    (sequence, at_ticks, action, partition_key, study_uid, series_uid, sop_instance_uid, watermark)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM instance WHERE instance_key = $8)";

/// What is read of an entry: its row, then the present version of its instance. `$1` is 1 where metadata are wanted.
macro_rules! entries {
    ($keys:literal, $order:literal) => {
        concat!(
            "SELECT f.sequence, f.at_ticks, f.action, p.name, f.study_uid, f.series_uid, f.sop_instance_uid, f.watermark,
                i.watermark, d.metadata
            FROM (", $keys, ") k
            JOIN change_feed f ON f.sequence = k.sequence
            LEFT JOIN data_partition p ON p.partition_key = f.partition_key
            LEFT JOIN study t ON t.partition_key = f.partition_key AND t.study_uid = f.study_uid
            LEFT JOIN series e ON e.study_key = t.study_key AND e.series_uid = f.series_uid
            LEFT JOIN instance i ON i.series_key = e.series_key AND i.sop_instance_uid = f.sop_instance_uid
            LEFT JOIN instance_detail d ON d.instance_key = i.instance_key AND $1 = 1 ",
            $order
        )
    };
}

/// v1: the numbers after `$2` up to `$3`.
pub(super) const BY_SEQUENCE: Sql = entries!(
    "SELECT sequence FROM change_feed WHERE sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT 200",
    "ORDER BY f.sequence"
);

/// v2: the window from `$2` to before `$3`, `$4` rows at most, `$5` left out.
pub(super) const BY_TIME: Sql = entries!(
    "SELECT sequence FROM change_feed WHERE at_ticks >= $2 AND at_ticks < $3
        ORDER BY at_ticks, sequence LIMIT $4 OFFSET $5",
    "ORDER BY f.at_ticks, f.sequence"
);

/// The order of numbers is that of times: the latest is the same in both versions.
pub(super) const LATEST: Sql = entries!("SELECT MAX(sequence) AS sequence FROM change_feed", "");

pub(super) const TIME: Sql = "SELECT at_ticks FROM sequence WHERE name = 'watermark'";
/// Waits for the writer whose turn it is, and makes the next ones bring no time before `$1`.
pub(super) const CLOSE: Sql = "UPDATE sequence SET at_ticks = $1 WHERE name = 'watermark' AND at_ticks < $1";

/// Every statement, for the tests that prepare and explain them.
#[cfg(test)]
pub(crate) const ALL: &[Sql] = &[APPEND, APPEND_CREATED, BY_SEQUENCE, BY_TIME, LATEST, TIME, CLOSE];
