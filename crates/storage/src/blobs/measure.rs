use std::{sync::Arc, time::{Duration, Instant}};
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path};
use super::*;
use hilum_kernel::{Clock as _, Random as _};

async fn drive<F, Fut>(conc: usize, f: F) -> f64 where F: Fn(u64) -> Fut + Send + Sync + Clone + 'static, Fut: Future<Output = ()> + Send {
    let n = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let t0 = Instant::now();
    let hs: Vec<_> = (0..conc).map(|_| { let (f, n) = (f.clone(), n.clone()); tokio::task::spawn(async move {
        let mut lat = vec![];
        while t0.elapsed() < Duration::from_millis(700) { let s = Instant::now(); f(n.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).await; lat.push(s.elapsed().as_micros() as u64); }
        lat }) }).collect();
    let mut lat = vec![]; for h in hs { lat.extend(h.await.unwrap()); }
    let e = t0.elapsed().as_secs_f64(); 
    lat.len() as f64 / e
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let Ok(base) = std::env::var("MEASURE") else { return };
    let base = PathBuf::from(base);
    for size in [527_000usize, 10_000] {
        let data = Bytes::from((0..size).map(|n| (n * 7919 >> 3) as u8).collect::<Vec<_>>());
        for conc in [1, 4, 16] {
            let mut figures = [vec![], vec![], vec![], vec![]];
            for _ in 0..9 {
                let dir = base.join("d"); let _ = std::fs::remove_dir_all(&dir);
                let blobs = Blobs::open(&BlobConfig::Local { folder: dir.join("b") }, dir.join("s")).unwrap();
                let d = data.clone();
                figures[0].push(drive(conc, move |_| { let (b, d) = (blobs.clone(), d.clone()); async move {
                    let key = BlobKey::instance(hilum_kernel::SystemClock.now(), hilum_kernel::SystemRandom.uuid());
                    b.put(&key, vec![d]).await.unwrap(); } }).await);
                let _ = std::fs::remove_dir_all(&dir); std::fs::create_dir_all(&dir).unwrap();
                let os = Arc::new(LocalFileSystem::new_with_prefix(&dir).unwrap().with_fsync(true));
                let d = data.clone();
                figures[1].push(drive(conc, move |n| { let (b, d) = (os.clone(), d.clone()); async move {
                    b.put(&Path::from(format!("dicom/1/2/{n}")), PutPayload::from(d)).await.unwrap(); } }).await);
                for which in [2, 3] {
                let _ = std::fs::remove_dir_all(&dir); std::fs::create_dir_all(&dir).unwrap();
                let (d, dd) = (data.clone(), dir.clone());
                figures[which].push(drive(conc, move |n| { let (d, dd) = (d.clone(), dd.clone()); async move {
                    tokio::task::spawn_blocking(move || { use std::io::Write as _;
                        let mut f = std::fs::OpenOptions::new().write(true).create_new(true).open(dd.join(n.to_string())).unwrap();
                        f.write_all(&d).unwrap(); if which == 2 { f.sync_all().unwrap() } else { f.sync_data().unwrap() }; std::fs::File::open(&dd).unwrap().sync_all().unwrap(); }).await.unwrap() } }).await);
                }
            }
            let m: Vec<f64> = figures.iter_mut().map(|f| { f.sort_by(f64::total_cmp); f[f.len() / 2] }).collect();
            println!("{size} x{conc}: put {:.0} os {:.0} fsync-each {:.0} fdata-each {:.0}", m[0], m[1], m[2], m[3]);
        }
    }
}
