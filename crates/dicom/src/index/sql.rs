//! The index's fixed statements.

use hilum_storage::db::Sql;

/// Locks the sequence until the transaction ends and takes `$1` numbers at the time `$2`. The highest number comes back,
/// the time to write into the change feed (it never goes back, whatever clock and order the writers come with), and the version
/// of the extended query tags.
pub(crate) const TAKE: Sql = "UPDATE sequence SET value = value + $1,
    at_ticks = CASE WHEN at_ticks < $2 THEN $2 ELSE at_ticks END
    WHERE name = 'watermark' RETURNING value, at_ticks, tags_version";

pub(crate) const FIND_PARENTS: Sql = "SELECT t.study_key, t.attributes, e.series_key, e.attributes
    FROM study t LEFT JOIN series e ON e.study_key = t.study_key AND e.series_uid = $3
    WHERE t.partition_key = $1 AND t.study_uid = $2";

pub(crate) const INSERT_STUDY: Sql = "INSERT INTO study
    (study_key, partition_key, study_uid, instance_count, watermark_max, attributes,
     study_date, study_time, accession_number, referring_physician_name, study_description,
     patient_name, patient_id, patient_birth_date, study_id)
    VALUES ($1, $2, $3, 0, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(crate) const MERGE_STUDY: Sql = "UPDATE study SET attributes = $2,
    study_date = COALESCE($3, study_date), study_time = COALESCE($4, study_time),
    accession_number = COALESCE($5, accession_number),
    referring_physician_name = COALESCE($6, referring_physician_name),
    study_description = COALESCE($7, study_description), patient_name = COALESCE($8, patient_name),
    patient_id = COALESCE($9, patient_id), patient_birth_date = COALESCE($10, patient_birth_date),
    study_id = COALESCE($11, study_id)
    WHERE study_key = $1";

pub(crate) const COUNT_STUDY: Sql =
    "UPDATE study SET instance_count = instance_count + $2, watermark_max = $3 WHERE study_key = $1";

pub(crate) const INSERT_SERIES: Sql = "INSERT INTO series
    (series_key, study_key, partition_key, series_uid, instance_count, watermark_max, attributes,
     modality, manufacturer_model_name, series_number, step_start_date, step_start_time,
     scheduled_step_id, requested_procedure_id)
    VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7, $8, $9, $10, $11, $12)";

pub(crate) const MERGE_SERIES: Sql = "UPDATE series SET attributes = $2,
    modality = COALESCE($3, modality), manufacturer_model_name = COALESCE($4, manufacturer_model_name),
    series_number = COALESCE($5, series_number), step_start_date = COALESCE($6, step_start_date),
    step_start_time = COALESCE($7, step_start_time), scheduled_step_id = COALESCE($8, scheduled_step_id),
    requested_procedure_id = COALESCE($9, requested_procedure_id)
    WHERE series_key = $1";

pub(crate) const COUNT_SERIES: Sql =
    "UPDATE series SET instance_count = instance_count + $2, watermark_max = $3 WHERE series_key = $1";

pub(crate) const INSERT_INSTANCE: Sql = "INSERT INTO instance
    (instance_key, series_key, study_key, partition_key, sop_instance_uid, sop_class_uid, instance_number,
     watermark, created_ms, transfer_syntax, blob_key, blob_bytes, attributes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $1, $8, $9, $10, $11, $12)
    ON CONFLICT (series_key, sop_instance_uid) DO NOTHING";

pub(crate) const INSERT_DETAIL: Sql =
    "INSERT INTO instance_detail (instance_key, metadata, frames) SELECT $1, $2, $3
    WHERE EXISTS (SELECT 1 FROM instance WHERE instance_key = $1)";

pub(crate) const DELETE_WORDS: Sql = "DELETE FROM study_name_word WHERE study_key = $1 AND attribute = $2";
pub(crate) const INSERT_WORD: Sql = "INSERT INTO study_name_word (partition_key, attribute, word, study_key)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
// The suffixes of a word that no study has yet, the longest first: from its first 256 characters, 64 of each.
pub(crate) const INSERT_SUFFIXES: Sql = "INSERT INTO name_suffix (partition_key, attribute, suffix, word)
    WITH RECURSIVE start(at) AS (
        SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM study_name_word w
            WHERE w.partition_key = $1 AND w.attribute = $2 AND w.word = $3)
        UNION ALL SELECT at + 1 FROM start WHERE at < LENGTH($3) AND at < 256)
    SELECT $1, $2, SUBSTR($3, at, 64), $3 FROM start WHERE 1 = 1 ON CONFLICT DO NOTHING";
pub(crate) const DELETE_SUFFIXES: Sql =
    "DELETE FROM name_suffix WHERE partition_key = $1 AND attribute = $2 AND word = $3
    AND NOT EXISTS (SELECT 1 FROM study_name_word w
        WHERE w.partition_key = $1 AND w.attribute = $2 AND w.word = $3)";
pub(crate) const WORDS_OF_STUDY: Sql =
    "SELECT partition_key, attribute, word FROM study_name_word WHERE study_key = $1";

// One instance by its three UIDs; the frame index only where it is wanted.
pub(crate) const FIND_INSTANCE: Sql =
    "SELECT i.instance_key, i.watermark, i.transfer_syntax, i.blob_key, i.blob_bytes, i.sop_instance_uid
    FROM study t JOIN series e ON e.study_key = t.study_key JOIN instance i ON i.series_key = e.series_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND e.series_uid = $3 AND i.sop_instance_uid = $4";
pub(crate) const LIST_SERIES_INSTANCES: Sql =
    "SELECT i.instance_key, i.watermark, i.transfer_syntax, i.blob_key, i.blob_bytes, i.sop_instance_uid
    FROM study t JOIN series e ON e.study_key = t.study_key JOIN instance i ON i.series_key = e.series_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND e.series_uid = $3 AND i.instance_key > $4
    ORDER BY i.instance_key LIMIT 1000";
pub(crate) const LIST_STUDY_INSTANCES: Sql =
    "SELECT i.instance_key, i.watermark, i.transfer_syntax, i.blob_key, i.blob_bytes, i.sop_instance_uid
    FROM study t JOIN instance i ON i.study_key = t.study_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND i.instance_key > $3
    ORDER BY i.instance_key LIMIT 1000";
pub(crate) const FIND_FRAMES: Sql = "SELECT frames FROM instance_detail WHERE instance_key = $1";
pub(crate) const FIND_METADATA: Sql = "SELECT metadata FROM instance_detail WHERE instance_key = $1";

// What an ETag is made of: the key, the highest watermark, the number of instances.
pub(crate) const SERIES_VERSION: Sql = "SELECT e.series_key, e.watermark_max, e.instance_count
    FROM study t JOIN series e ON e.study_key = t.study_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND e.series_uid = $3";
pub(crate) const STUDY_VERSION: Sql = "SELECT study_key, watermark_max, instance_count
    FROM study WHERE partition_key = $1 AND study_uid = $2";
pub(crate) const STUDY_SERIES_VERSIONS: Sql =
    "SELECT series_key, watermark_max, instance_count FROM series WHERE study_key = $1 ORDER BY series_key";
pub(crate) const SERIES_METADATA: Sql = "SELECT i.instance_key, d.metadata
    FROM instance i JOIN instance_detail d ON d.instance_key = i.instance_key
    WHERE i.series_key = $1 AND i.instance_key > $2 ORDER BY i.instance_key LIMIT 256";

// Removal: the rows of the three levels, then their emptied parents.
pub(crate) const REMOVABLE_STUDY: Sql = "SELECT i.instance_key, i.watermark, i.blob_key, e.series_uid, i.sop_instance_uid, i.series_key, i.study_key
    FROM study t JOIN instance i ON i.study_key = t.study_key JOIN series e ON e.series_key = i.series_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 ORDER BY i.instance_key";
pub(crate) const REMOVABLE_SERIES: Sql = "SELECT i.instance_key, i.watermark, i.blob_key, e.series_uid, i.sop_instance_uid, i.series_key, i.study_key
    FROM study t JOIN series e ON e.study_key = t.study_key JOIN instance i ON i.series_key = e.series_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND e.series_uid = $3 ORDER BY i.instance_key";
pub(crate) const REMOVABLE_INSTANCE: Sql = "SELECT i.instance_key, i.watermark, i.blob_key, e.series_uid, i.sop_instance_uid, i.series_key, i.study_key
    FROM study t JOIN series e ON e.study_key = t.study_key JOIN instance i ON i.series_key = e.series_key
    WHERE t.partition_key = $1 AND t.study_uid = $2 AND e.series_uid = $3 AND i.sop_instance_uid = $4";
pub(crate) const DELETE_DETAIL: Sql = "DELETE FROM instance_detail WHERE instance_key = $1";
pub(crate) const DELETE_INSTANCE: Sql = "DELETE FROM instance WHERE instance_key = $1";
pub(crate) const RECOUNT_SERIES: Sql = "UPDATE series SET
    instance_count = (SELECT COUNT(*) FROM instance i WHERE i.series_key = series.series_key),
    watermark_max = COALESCE((SELECT MAX(i.watermark) FROM instance i WHERE i.series_key = series.series_key), 0)
    WHERE series_key = $1";
pub(crate) const RECOUNT_STUDY: Sql = "UPDATE study SET
    instance_count = (SELECT COUNT(*) FROM instance i WHERE i.study_key = study.study_key),
    watermark_max = COALESCE((SELECT MAX(i.watermark) FROM instance i WHERE i.study_key = study.study_key), 0)
    WHERE study_key = $1";
pub(crate) const DELETE_EMPTY_SERIES: Sql = "DELETE FROM series WHERE study_key = $1 AND instance_count = 0";
pub(crate) const DELETE_EMPTY_STUDY: Sql = "DELETE FROM study WHERE study_key = $1 AND instance_count = 0";
pub(crate) const DELETE_STUDY_WORDS: Sql = "DELETE FROM study_name_word WHERE study_key = $1
    AND NOT EXISTS (SELECT 1 FROM study t WHERE t.study_key = $1)";
pub(crate) const INSERT_PURGE: Sql = "INSERT INTO purge (watermark, blob_key, due_ms) VALUES ($1, $2, $3)";
pub(crate) const DUE_PURGES: Sql =
    "SELECT watermark, blob_key FROM purge WHERE due_ms <= $1 ORDER BY due_ms LIMIT 100";
pub(crate) const DELETE_PURGE: Sql = "DELETE FROM purge WHERE watermark = $1";

/// Every statement, for the test that prepares each on both databases.
#[cfg(test)]
pub(crate) const ALL: &[Sql] = &[
    TAKE,
    FIND_PARENTS,
    INSERT_STUDY,
    MERGE_STUDY,
    COUNT_STUDY,
    INSERT_SERIES,
    MERGE_SERIES,
    COUNT_SERIES,
    INSERT_INSTANCE,
    INSERT_DETAIL,
    DELETE_WORDS,
    INSERT_WORD,
    INSERT_SUFFIXES,
    DELETE_SUFFIXES,
    WORDS_OF_STUDY,
    FIND_INSTANCE,
    LIST_SERIES_INSTANCES,
    LIST_STUDY_INSTANCES,
    FIND_FRAMES,
    FIND_METADATA,
    SERIES_VERSION,
    STUDY_VERSION,
    STUDY_SERIES_VERSIONS,
    SERIES_METADATA,
    REMOVABLE_STUDY,
    REMOVABLE_SERIES,
    REMOVABLE_INSTANCE,
    DELETE_DETAIL,
    DELETE_INSTANCE,
    RECOUNT_SERIES,
    RECOUNT_STUDY,
    DELETE_EMPTY_SERIES,
    DELETE_EMPTY_STUDY,
    DELETE_STUDY_WORDS,
    INSERT_PURGE,
    DUE_PURGES,
    DELETE_PURGE,
];
