//! The tables of study, series and instance, and the sequence that numbers their versions.
//!
//! Only this folder names them. `*_folded` of a text column is not kept: matching columns hold the folded value
//! (see [`crate::dataset::folded`]), what is returned stands in `attributes`, as DICOM JSON.

use hilum_storage::db::Migration;

/// Step 1 of this crate's schema.
pub(crate) const INDEX: Migration = Migration {
    number: 1,
    name: "index",
    sql: "
    CREATE TABLE sequence (name TEXT PRIMARY KEY, value BIGINT NOT NULL, at_ticks BIGINT NOT NULL);
    INSERT INTO sequence (name, value, at_ticks) VALUES ('watermark', 0, 0);

    CREATE TABLE data_partition (
        partition_key {{key}}, name TEXT NOT NULL UNIQUE, created_ms BIGINT NOT NULL);
    INSERT INTO data_partition (partition_key, name, created_ms) VALUES (1, 'Microsoft.Default', 0);

    CREATE TABLE study (
        study_key {{key}}, partition_key BIGINT NOT NULL, study_uid TEXT NOT NULL,
        instance_count BIGINT NOT NULL, watermark_max BIGINT NOT NULL,
        study_date TEXT, study_time TEXT, accession_number TEXT, referring_physician_name TEXT,
        study_description TEXT, patient_name TEXT, patient_id TEXT, patient_birth_date TEXT, study_id TEXT,
        attributes BLOB NOT NULL,
        UNIQUE (partition_key, study_uid));
    CREATE INDEX study_by_partition ON study (partition_key, study_key);
    CREATE INDEX study_by_patient_id ON study (partition_key, patient_id, study_key);
    CREATE INDEX study_by_date ON study (partition_key, study_date, study_key);
    CREATE INDEX study_by_accession ON study (partition_key, accession_number, study_key);
    CREATE INDEX study_by_patient_name ON study (partition_key, patient_name, study_key);
    CREATE INDEX study_by_referring ON study (partition_key, referring_physician_name, study_key);
    CREATE INDEX study_by_description ON study (partition_key, study_description, study_key);
    CREATE INDEX study_by_birth_date ON study (partition_key, patient_birth_date, study_key);
    CREATE INDEX study_by_id ON study (partition_key, study_id, study_key);

    CREATE TABLE study_name_word (
        partition_key BIGINT NOT NULL, attribute BIGINT NOT NULL, word TEXT NOT NULL, study_key BIGINT NOT NULL,
        PRIMARY KEY (partition_key, attribute, word, study_key));
    CREATE INDEX study_name_word_study ON study_name_word (study_key, attribute, word);

    CREATE TABLE series (
        series_key {{key}}, study_key BIGINT NOT NULL, partition_key BIGINT NOT NULL,
        series_uid TEXT NOT NULL, instance_count BIGINT NOT NULL, watermark_max BIGINT NOT NULL,
        modality TEXT, manufacturer_model_name TEXT, series_number BIGINT, step_start_date TEXT, step_start_time TEXT,
        scheduled_step_id TEXT, requested_procedure_id TEXT,
        attributes BLOB NOT NULL,
        UNIQUE (study_key, series_uid));
    CREATE INDEX series_by_uid ON series (partition_key, series_uid);
    CREATE INDEX series_by_modality ON series (partition_key, modality, study_key);
    CREATE INDEX series_by_model ON series (partition_key, manufacturer_model_name, series_key);
    CREATE INDEX series_by_step_date ON series (partition_key, step_start_date, series_key);

    CREATE TABLE instance (
        instance_key {{key}}, series_key BIGINT NOT NULL, study_key BIGINT NOT NULL,
        partition_key BIGINT NOT NULL, sop_instance_uid TEXT NOT NULL, sop_class_uid TEXT NOT NULL,
        instance_number BIGINT, watermark BIGINT NOT NULL, created_ms BIGINT NOT NULL,
        transfer_syntax TEXT NOT NULL, blob_key TEXT NOT NULL, blob_bytes BIGINT NOT NULL,
        attributes BLOB NOT NULL,
        UNIQUE (series_key, sop_instance_uid));
    CREATE INDEX instance_by_uid ON instance (partition_key, sop_instance_uid);
    CREATE INDEX instance_by_study ON instance (study_key, instance_key);
    CREATE INDEX instance_by_series ON instance (series_key, instance_key);
    CREATE INDEX instance_by_blob ON instance (blob_key);

    CREATE TABLE instance_detail (
        instance_key {{key}}, metadata BLOB NOT NULL, frames BLOB NOT NULL);

    CREATE TABLE change_feed (
        sequence {{key}}, at_ticks BIGINT NOT NULL, action BIGINT NOT NULL, partition_key BIGINT NOT NULL,
        study_uid TEXT NOT NULL, series_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL, watermark BIGINT NOT NULL);
    CREATE INDEX change_feed_by_time ON change_feed (at_ticks, sequence);

    CREATE TABLE purge (
        watermark {{key}}, blob_key TEXT NOT NULL, due_ms BIGINT NOT NULL);
    CREATE INDEX purge_by_due ON purge (due_ms);
    CREATE INDEX purge_by_blob ON purge (blob_key)
    ",
};

/// What words of person names end with. Also of the words that are there already.
pub(crate) const NAME_SUFFIXES: Migration = Migration {
    number: 2,
    name: "name_suffixes",
    sql: "
    CREATE TABLE name_suffix (
        partition_key BIGINT NOT NULL, attribute BIGINT NOT NULL, suffix TEXT NOT NULL, word TEXT NOT NULL,
        PRIMARY KEY (partition_key, attribute, suffix, word));
    CREATE INDEX name_suffix_word ON name_suffix (partition_key, attribute, word);
    INSERT INTO name_suffix (partition_key, attribute, suffix, word)
    WITH RECURSIVE start(partition_key, attribute, word, at) AS (
        SELECT DISTINCT partition_key, attribute, word, 1 FROM study_name_word
        UNION ALL SELECT partition_key, attribute, word, at + 1 FROM start WHERE at < LENGTH(word) AND at < 256)
    SELECT DISTINCT partition_key, attribute, SUBSTR(word, at, 64), word FROM start
    ",
};
