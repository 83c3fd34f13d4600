use std::{sync::Arc, time::{Duration, Instant}};
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path::Path};
use super::*;
use hilum_kernel::{Clock as _, Random as _};

async fn drive<F, Fut>(name: &str, conc: usize, f: F) where F: Fn(u64) -> Fut + Send + Sync + Clone + 'static, Fut: Future<Output = ()> + Send {
    let n = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let t0 = Instant::now();
    let hs: Vec<_> = (0..conc).map(|_| { let (f, n) = (f.clone(), n.clone()); tokio::task::spawn(async move {
        let mut lat = vec![];
        while t0.elapsed() < Duration::from_millis(2500) { let s = Instant::now(); f(n.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).await; lat.push(s.elapsed().as_micros() as u64); }
        lat }) }).collect();
    let mut lat = vec![]; for h in hs { lat.extend(h.await.unwrap()); }
    let e = t0.elapsed().as_secs_f64(); lat.sort();
    println!("{name:14} x{conc:2}: {:8.0}/s p50 {:6}us p99 {:6}us", lat.len() as f64 / e, lat[lat.len() / 2], lat[lat.len() * 99 / 100]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let Ok(base) = std::env::var("MEASURE") else { return };
    let base = PathBuf::from(base);
    for size in [527_000usize, 10_000] {
        let data = Bytes::from((0..size).map(|n| (n * 7919 >> 3) as u8).collect::<Vec<_>>());
        for conc in [1, 4, 16] {
            for _ in 0..2 {
                let dir = base.join("d"); let _ = std::fs::remove_dir_all(&dir);
                let blobs = Blobs::open(&BlobConfig::Local { folder: dir.join("b") }, dir.join("s")).unwrap();
                let d = data.clone();
                drive(&format!("put {size}"), conc, move |_| { let (b, d) = (blobs.clone(), d.clone()); async move {
                    let key = BlobKey::instance(hilum_kernel::SystemClock.now(), hilum_kernel::SystemRandom.uuid());
                    b.put(&key, vec![d]).await.unwrap(); } }).await;
                let _ = std::fs::remove_dir_all(&dir); std::fs::create_dir_all(&dir).unwrap();
                let os = Arc::new(LocalFileSystem::new_with_prefix(&dir).unwrap().with_fsync(true));
                let d = data.clone();
                drive(&format!("os put {size}"), conc, move |n| { let (b, d) = (os.clone(), d.clone()); async move {
                    b.put(&Path::from(format!("dicom/1/2/{n}")), PutPayload::from(d)).await.unwrap(); } }).await;
                let _ = std::fs::remove_dir_all(&dir); std::fs::create_dir_all(&dir).unwrap();
                let (d, dd) = (data.clone(), dir.clone());
                drive(&format!("plain {size}"), conc, move |n| { let (d, dd) = (d.clone(), dd.clone()); async move {
                    tokio::task::spawn_blocking(move || { use std::io::Write as _;
                        let mut f = std::fs::OpenOptions::new().write(true).create_new(true).open(dd.join(n.to_string())).unwrap();
                        f.write_all(&d).unwrap(); f.sync_all().unwrap(); std::fs::File::open(&dd).unwrap().sync_all().unwrap(); }).await.unwrap() } }).await;
            }
        }
        let dir = base.join("d"); let _ = std::fs::remove_dir_all(&dir);
        let blobs = Blobs::open(&BlobConfig::Local { folder: dir.join("b") }, dir.join("s")).unwrap();
        let keys: Arc<Vec<BlobKey>> = Arc::new((0..200).map(|n| BlobKey::parse(&format!("dicom/1/2/{n}.dcm")).unwrap()).collect());
        for k in keys.iter() { blobs.put(k, vec![data.clone()]).await.unwrap(); }
        let os = Arc::new(LocalFileSystem::new_with_prefix(dir.join("b")).unwrap());
        for conc in [1, 4, 16] { for _ in 0..2 {
            let (b, k) = (blobs.clone(), keys.clone());
            drive(&format!("read {size}"), conc, move |n| { let (b, k) = (b.clone(), k.clone()); async move { assert!(b.read(&k[(n % 200) as usize]).await.unwrap().len() == size); } }).await;
            let (b, k) = (blobs.clone(), keys.clone());
            drive(&format!("stream {size}"), conc, move |n| { let (b, k) = (b.clone(), k.clone()); async move { let mut s = b.stream(&k[(n % 200) as usize], None).await.unwrap().chunks; while let Some(c) = s.next().await { c.unwrap(); } } }).await;
            let (b, k) = (os.clone(), keys.clone());
            drive(&format!("os get {size}"), conc, move |n| { let (b, k) = (b.clone(), k.clone()); async move { assert!(b.get(&Path::from(k[(n % 200) as usize].as_str())).await.unwrap().bytes().await.unwrap().len() == size); } }).await;
        } }
        let _ = std::fs::remove_dir_all(&dir);
    }
}
