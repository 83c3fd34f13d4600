//! The tables of extended query tags.

use hilum_storage::db::Migration;

/// Step 3 of this crate's schema.
///
/// `entity_key` is the key of a study, series or instance, as the tag's level says. The tables of values of a deleted tag are
/// emptied in the background: its key is never used again.
pub(crate) const EXTENDED_QUERY_TAGS: Migration = Migration {
    number: 3,
    name: "extended_query_tags",
    sql: "
    ALTER TABLE sequence ADD COLUMN tags_version BIGINT NOT NULL DEFAULT 0;

    CREATE TABLE extended_query_tag (
        tag_key {{identity}}, path TEXT NOT NULL UNIQUE, vr TEXT NOT NULL, private_creator TEXT, level BIGINT NOT NULL,
        status BIGINT NOT NULL, query_enabled BIGINT NOT NULL, error_count BIGINT NOT NULL, operation_id TEXT);

    CREATE TABLE tag_value (
        tag_key BIGINT NOT NULL, entity_key BIGINT NOT NULL, watermark BIGINT NOT NULL,
        text TEXT, number DOUBLE PRECISION, PRIMARY KEY (tag_key, entity_key));
    CREATE INDEX tag_value_by_text ON tag_value (tag_key, text, entity_key) WHERE text IS NOT NULL;
    CREATE INDEX tag_value_by_number ON tag_value (tag_key, number, entity_key) WHERE number IS NOT NULL;

    CREATE TABLE tag_word (
        tag_key BIGINT NOT NULL, entity_key BIGINT NOT NULL, word TEXT NOT NULL,
        PRIMARY KEY (tag_key, entity_key, word));
    CREATE INDEX tag_word_by_word ON tag_word (tag_key, word, entity_key);

    CREATE TABLE tag_error (
        tag_key BIGINT NOT NULL, instance_key BIGINT NOT NULL, created_ms BIGINT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (tag_key, instance_key));
    CREATE INDEX tag_error_by_instance ON tag_error (instance_key)
    ",
};
