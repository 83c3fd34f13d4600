//! The trail on both databases.

use std::sync::Arc;

use hilum_kernel::{Phi, SystemClock};
use hilum_storage::contract;
use tokio_util::task::TaskTracker;

use crate::{Action, Actor, AuditLog, Event, MIGRATIONS, Outcome};

#[tokio::test]
async fn every_submitted_event_is_in_the_table_after_shutdown() {
    for test in contract::databases().await {
        test.db.migrate(&[MIGRATIONS]).await.unwrap();
        let tasks = TaskTracker::new();
        let log = AuditLog::start(test.db.clone(), Arc::new(SystemClock), &tasks);
        for n in 0..21 {
            let mut event = Event::new(Action::Searched, Outcome::Success, Actor::operator());
            event.patient = Some(Phi::new("id\0with nul".to_owned()));
            event.detail = Some(n.to_string());
            log.submit(event).await.unwrap();
        }
        drop(log);
        tasks.close();
        tasks.wait().await;
        let rows = test
            .db
            .read()
            .await
            .unwrap()
            .fetch_all("SELECT action, outcome, patient, detail FROM audit_event ORDER BY id", &[])
            .await
            .unwrap();
        assert_eq!(rows.len(), 21);
        assert_eq!(rows[0].text(0).unwrap(), "dicom.searched");
        assert_eq!(rows[0].text(1).unwrap(), "success");
        assert_eq!(rows[0].text(2).unwrap(), "idwith nul");
        assert_eq!(rows[20].text(3).unwrap(), "20");
    }
}
