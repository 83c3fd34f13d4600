//! The statements about tags, their values and their errors.

use hilum_storage::db::Sql;

/// At most 128 rows: [`super::TAGS_MAX`].
pub(super) const ALL_TAGS: Sql =
    "SELECT tag_key, path, vr, private_creator, level, status, query_enabled, error_count, operation_id
    FROM extended_query_tag ORDER BY tag_key LIMIT 128";
pub(super) const PAGE: Sql =
    "SELECT tag_key, path, vr, private_creator, level, status, query_enabled, error_count, operation_id
    FROM extended_query_tag ORDER BY tag_key LIMIT $1 OFFSET $2";
pub(super) const FIND: Sql =
    "SELECT tag_key, path, vr, private_creator, level, status, query_enabled, error_count, operation_id
    FROM extended_query_tag WHERE path = $1";
pub(super) const PATH_OF: Sql = "SELECT path FROM extended_query_tag WHERE tag_key = $1";
pub(super) const VERSION: Sql = "SELECT tags_version FROM sequence WHERE name = 'watermark'";

/// Locks the index's row and raises the version; the last number comes back.
pub(super) const RAISE_VERSION: Sql =
    "UPDATE sequence SET tags_version = tags_version + 1 WHERE name = 'watermark' RETURNING value";
pub(super) const ADD: Sql = "INSERT INTO extended_query_tag
    (path, vr, private_creator, level, status, query_enabled, error_count, operation_id)
    VALUES ($1, $2, $3, $4, 0, 1, 0, $5) ON CONFLICT (path) DO NOTHING RETURNING tag_key";
pub(super) const COUNT: Sql = "SELECT COUNT(*) FROM (SELECT tag_key FROM extended_query_tag LIMIT 129) k";
pub(super) const COMPLETE: Sql =
    "UPDATE extended_query_tag SET status = 1, operation_id = NULL WHERE tag_key = $1 AND status = 0";
pub(super) const SET_QUERY_STATUS: Sql = "UPDATE extended_query_tag SET query_enabled = $2 WHERE path = $1";
pub(super) const DELETE: Sql = "DELETE FROM extended_query_tag WHERE path = $1 RETURNING tag_key";

/// A later version's value replaces an earlier one's, never the other way.
pub(super) const PUT_VALUE: Sql = "INSERT INTO tag_value (tag_key, entity_key, watermark, text, number)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tag_key, entity_key) DO UPDATE SET
    watermark = excluded.watermark, text = excluded.text, number = excluded.number
    WHERE tag_value.watermark < excluded.watermark";
pub(super) const DELETE_WORDS: Sql = "DELETE FROM tag_word WHERE tag_key = $1 AND entity_key = $2";
pub(super) const INSERT_WORD: Sql =
    "INSERT INTO tag_word (tag_key, entity_key, word) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

pub(super) const PUT_ERROR: Sql = "INSERT INTO tag_error (tag_key, instance_key, created_ms, message)
    VALUES ($1, $2, $3, $4) ON CONFLICT (tag_key, instance_key) DO NOTHING";
/// What cannot be taken makes answers incomplete: nobody searches by the tag without knowing (Azure).
pub(super) const COUNT_ERROR: Sql =
    "UPDATE extended_query_tag SET error_count = error_count + 1, query_enabled = 0 WHERE tag_key = $1";
pub(super) const ERRORS: Sql =
    "SELECT p.name, t.study_uid, e.series_uid, i.sop_instance_uid, k.created_ms, k.message
    FROM (SELECT instance_key, created_ms, message FROM tag_error WHERE tag_key = $1
        ORDER BY instance_key LIMIT $2 OFFSET $3) k
    JOIN instance i ON i.instance_key = k.instance_key
    JOIN series e ON e.series_key = i.series_key
    JOIN study t ON t.study_key = i.study_key
    JOIN data_partition p ON p.partition_key = i.partition_key
    ORDER BY k.instance_key";

// What goes with an instance, a series, a study. Values of tags that were deleted go in the background.
pub(super) const UNCOUNT_ERRORS: Sql = "UPDATE extended_query_tag SET error_count = error_count - 1
    WHERE tag_key IN (SELECT x.tag_key FROM tag_error x WHERE x.instance_key = $1)";
pub(super) const DELETE_ERRORS: Sql = "DELETE FROM tag_error WHERE instance_key = $1";
pub(super) const DELETE_INSTANCE_VALUES: Sql = "DELETE FROM tag_value WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 2)";
pub(super) const DELETE_INSTANCE_WORDS: Sql = "DELETE FROM tag_word WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 2 AND k.vr = 'PN')";
pub(super) const DELETE_SERIES_VALUES: Sql = "DELETE FROM tag_value WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 1)
    AND NOT EXISTS (SELECT 1 FROM series e WHERE e.series_key = $1)";
pub(super) const DELETE_SERIES_WORDS: Sql = "DELETE FROM tag_word WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 1 AND k.vr = 'PN')
    AND NOT EXISTS (SELECT 1 FROM series e WHERE e.series_key = $1)";
pub(super) const DELETE_STUDY_VALUES: Sql = "DELETE FROM tag_value WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 0)
    AND NOT EXISTS (SELECT 1 FROM study t WHERE t.study_key = $1)";
pub(super) const DELETE_STUDY_WORDS: Sql = "DELETE FROM tag_word WHERE entity_key = $1
    AND tag_key IN (SELECT k.tag_key FROM extended_query_tag k WHERE k.level = 0 AND k.vr = 'PN')
    AND NOT EXISTS (SELECT 1 FROM study t WHERE t.study_key = $1)";

// The re-index.
pub(super) const UNINDEXED: Sql = "SELECT i.instance_key, i.study_key, i.series_key, i.watermark, d.metadata
    FROM instance i JOIN instance_detail d ON d.instance_key = i.instance_key
    WHERE i.instance_key > $1 AND i.instance_key <= $2 ORDER BY i.instance_key LIMIT 256";
pub(super) const STILL_THERE: Sql = "SELECT instance_key FROM instance
    WHERE instance_key > $1 AND instance_key <= $2 ORDER BY instance_key LIMIT 256";

// Emptying the tables of a deleted tag, some rows at a time.
pub(super) const CLEAN_VALUES: Sql = "DELETE FROM tag_value WHERE tag_key = $1 AND entity_key IN
    (SELECT v.entity_key FROM tag_value v WHERE v.tag_key = $1 ORDER BY v.entity_key LIMIT 1000)";
pub(super) const CLEAN_WORDS: Sql = "DELETE FROM tag_word WHERE tag_key = $1 AND entity_key IN
    (SELECT w.entity_key FROM tag_word w WHERE w.tag_key = $1 ORDER BY w.entity_key LIMIT 1000)";
pub(super) const CLEAN_ERRORS: Sql = "DELETE FROM tag_error WHERE tag_key = $1 AND instance_key IN
    (SELECT x.instance_key FROM tag_error x WHERE x.tag_key = $1 ORDER BY x.instance_key LIMIT 1000)";

/// Every statement, for the tests that prepare and explain them.
#[cfg(test)]
pub(crate) const ALL: &[Sql] = &[
    FIND,
    PATH_OF,
    VERSION,
    RAISE_VERSION,
    ADD,
    COMPLETE,
    SET_QUERY_STATUS,
    DELETE,
    PUT_VALUE,
    DELETE_WORDS,
    INSERT_WORD,
    PUT_ERROR,
    COUNT_ERROR,
    ERRORS,
    UNCOUNT_ERRORS,
    DELETE_ERRORS,
    DELETE_INSTANCE_VALUES,
    DELETE_INSTANCE_WORDS,
    DELETE_SERIES_VALUES,
    DELETE_SERIES_WORDS,
    DELETE_STUDY_VALUES,
    DELETE_STUDY_WORDS,
    UNINDEXED,
    STILL_THERE,
    CLEAN_VALUES,
    CLEAN_WORDS,
    CLEAN_ERRORS,
];
/// These walk through the tags themselves, of which there are 128 at most.
#[cfg(test)]
pub(crate) const WALKS: &[Sql] = &[ALL_TAGS, PAGE, COUNT];
