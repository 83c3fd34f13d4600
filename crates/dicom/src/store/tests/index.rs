//! What a store writes besides the rows of its instances: change feed and audit trail.

use crate::testing::{Body, File, TestArchive};

#[tokio::test]
async fn one_audit_event_tells_of_the_request() {
    for archive in TestArchive::all().await {
        let body = Body::of(&[File::new("1.2", "1.2.3", "1.2.3.4"), File::new("1.5", "1.2.3", "1.2.3.4")]);
        let body = body.file(b"nothing".to_vec());
        assert_eq!(archive.post("/v2/studies").multipart(&body).send().await.status, 202);
        let rows =
            archive.rows("SELECT action, outcome, subject, target, patient, detail FROM audit_event").await;
        assert_eq!(rows.len(), 1);
        let seen: Vec<_> =
            (0..6).map(|column| rows[0].opt_text(column).unwrap().unwrap_or_default()).collect();
        assert_eq!(
            seen,
            ["dicom.instances.stored", "partial", "service", "1.2 1.5", "P1", "accepted=2 refused=1"]
        );
    }
}
