//! The store on a real MinIO: who may do what, races, refusals, and a minute without it.

mod away;

use std::time::Duration;

use away::Away;
use selvedge_contract::ExitCode;
use selvedge_contract::failure::one_line;
use selvedge_store::{Created, Digest, Error, Store, StoreOptions};
use tokio::time::{Instant, sleep};

use crate::support::door::Door;
use crate::support::kubectl::NAMESPACE;
use crate::support::site::{DENSE, Site, options};
use crate::support::{argo, kubectl};

/// Trains for as long as it takes to take the store away.
const LONG: &str = r#"[{"name": "dense", "family": "dense", "settings": {"epochs": 120, "micro-batch": 8}}]"#;

/// What a store consists of, and something else.
const FOLDERS: [&str; 9] =
    ["blobs", "results", "sources", "models", "cards", "gangs", "runs", "champions", "other"];

fn code(error: Error) -> ExitCode {
    ExitCode::of(&error.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_writes_what_is_its_own_and_nothing_else() {
    let site = Site::new("rights").await;
    let door = Door::to(NAMESPACE, "service/minio", 9000).await.unwrap();
    let own = [
        ("selvedge-trainer", &["blobs", "results", "sources", "models", "cards", "gangs", "runs"][..]),
        ("selvedge-promoter", &["champions", "blobs", "runs"]),
        ("selvedge-reader", &[]),
    ];
    for (identity, own) in own {
        // A store may be a prefix of the bucket, or all of it.
        for uri in [site.uri(), "s3://selvedge".to_owned()] {
            let store = Store::open(&options(&door, identity, &uri).await).await.unwrap();
            for folder in FOLDERS {
                let path = format!("{folder}/{}/{identity}", site.name());
                let created = store.create(&path, "x").await;
                if own.contains(&folder) {
                    assert_eq!(created.unwrap(), Created::New, "{identity} {path}");
                    assert_eq!(store.get(&path).await.unwrap().unwrap(), "x");
                } else {
                    let error = created.expect_err(&format!("{identity} must not write {path}"));
                    assert_eq!(code(error), ExitCode::Configuration, "{identity} {path}");
                }
                assert!(store.list(folder).await.is_ok(), "{identity} lists {folder}");
            }
        }
    }
    // An identity that wrote a champion cannot take it back.
    let promoter = Store::open(&options(&door, "selvedge-promoter", &site.uri()).await).await.unwrap();
    let champion = format!("champions/{}/selvedge-promoter", site.name());
    let error = anyhow::Error::from(promoter.delete(&champion).await.unwrap_err());
    assert_eq!(ExitCode::of(&error), ExitCode::Configuration, "{error:#}");
    let whole = Store::open(&options(&door, "minio-root", "s3://selvedge").await).await.unwrap();
    for path in FOLDERS.map(|folder| format!("{folder}/{}", site.name())) {
        for written in whole.list(&path).await.unwrap() {
            whole.delete(&written).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_configuration_and_says_what_to_mend() {
    let door = Door::to(NAMESPACE, "service/minio", 9000).await.unwrap();
    let right = options(&door, "selvedge-trainer", "s3://selvedge").await;
    let root = options(&door, "minio-root", "s3://no-such-bucket").await;
    let cases = [
        (StoreOptions { store_access_key: "nobody".into(), ..right.clone() }, "InvalidAccessKeyId"),
        (StoreOptions { store_secret_key: "wrong-secret".into(), ..right.clone() }, "SignatureDoesNotMatch"),
        (StoreOptions { store: "s3://private".parse().unwrap(), ..right }, "AccessDenied"),
        (root, "NoSuchBucket"),
    ];
    for (options, why) in cases {
        let begin = Instant::now();
        let error = anyhow::Error::from(Store::open(&options).await.unwrap_err());
        let line = one_line(&error);
        println!("  {line}");
        assert!(line.contains(why) && line.contains(&door.url()), "{line}");
        assert!(!line.contains("wrong-secret"), "{line}");
        assert_eq!(ExitCode::of(&error), ExitCode::Configuration, "{line}");
        assert!(begin.elapsed() < Duration::from_secs(5), "a refusal is not waited for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_one_object_exactly_one_wins() {
    let site = Site::new("races").await;
    for round in 0..20 {
        let path = format!("race/{round}");
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let (store, path) = (site.store().clone(), path.clone());
                tokio::spawn(async move { (writer, store.create(&path, writer.to_string()).await.unwrap()) })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            let (writer, created) = writer.await.unwrap();
            winners.extend((created == Created::New).then_some(writer));
        }
        let kept = site.store().get(&path).await.unwrap().unwrap();
        assert_eq!(winners, [String::from_utf8(kept.to_vec()).unwrap().parse::<i32>().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_every_size_come_back_as_they_were_and_long_lists_are_whole() {
    let site = Site::new("objects").await;
    for bytes in [0, 1, 5 << 20, 40 << 20] {
        let blob: Vec<u8> = (0..bytes).map(|byte: usize| (byte % 251) as u8).collect();
        let digest = site.store().put_blob(blob.clone()).await.unwrap();
        assert_eq!(digest, Digest::of(&blob));
        assert_eq!(site.store().blob(&digest).await.unwrap(), blob);
    }
    // A page of a list holds a thousand.
    let paths: Vec<_> = (0..1_100).map(|number| format!("many/{number:04}")).collect();
    for some in paths.chunks(50) {
        let create = some.iter().map(|path| site.store().create(path, "x"));
        futures::future::try_join_all(create).await.unwrap();
    }
    assert_eq!(site.store().list("many").await.unwrap(), paths);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gang_and_a_run_that_begins_ride_out_a_minute_without_minio_and_a_stop_is_obeyed_meanwhile() {
    let (riding, stopped, late) =
        (Site::new("away").await, Site::new("stop").await, Site::new("begin").await);
    let run = riding.submit("run", &[("candidates", LONG)]).await;
    let other = stopped.submit("run", &[("candidates", LONG)]).await;
    trains(&riding).await;
    trains(&stopped).await;

    let begin = Instant::now();
    let away = Away::begin().await;
    let begun = late.submit("run", &[("candidates", DENSE)]).await;
    argo::stop(&other).await.unwrap();
    let over = stopped.wait(&other, Duration::from_secs(50), |workflow| workflow.is_over()).await;
    println!("  stopped after {:?}", begin.elapsed());
    // Argo calls the workflow over when it has asked them.
    let ranks: Vec<_> = over.of("rank").map(|node| over.pod_of(node)).collect();
    assert_eq!(ranks.len(), 3);
    for rank in ranks {
        let state = kubectl::ended(&rank, Duration::from_secs(20)).await;
        assert_eq!(state["terminated"]["exitCode"], 143, "{rank} stops by itself, without a store: {state}");
    }
    sleep(Duration::from_secs(60).saturating_sub(begin.elapsed())).await;
    away.end().await;

    let done = riding.succeeded(&run, Duration::from_secs(300)).await;
    assert_eq!(done.of("rank").count(), 3, "no rank needed another attempt");
    let begun = late.succeeded(&begun, Duration::from_secs(300)).await;
    let attempts: Vec<_> = begun.of("source").map(|node| (node.exit_code(), node.message.clone())).collect();
    println!("  a run that began meanwhile: {} s, its first stage {attempts:#?}", begun.seconds());
    assert_eq!(attempts.first().unwrap().0, Some(75), "{attempts:#?}");
    let calm = Site::new("calm").await;
    let run = calm.submit("run", &[("candidates", LONG)]).await;
    let undisturbed = calm.succeeded(&run, Duration::from_secs(300)).await;
    assert_eq!(riding.digests(&done).await, calm.digests(&undisturbed).await);
    println!("  {} s, undisturbed {} s", done.seconds(), undisturbed.seconds());
}

/// Waits until a gang has kept a first checkpoint.
async fn trains(site: &Site) {
    let end = Instant::now() + Duration::from_secs(240);
    loop {
        let kept = site.store().list("gangs").await.unwrap();
        if kept.iter().any(|path| path.contains("/checkpoints/")) {
            return;
        }
        assert!(Instant::now() < end, "{}: no checkpoint after 4 minutes", site.name());
        sleep(Duration::from_millis(300)).await;
    }
}
