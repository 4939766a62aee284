//! The store through its public surface, on a real folder, and on addresses where there is none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use selvedge_contract::ExitCode;
use selvedge_store::{Created, Digest, Error, Log, Store, StoreOptions, blob};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    writer: usize,
}

async fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
    (folder, store)
}

fn code(error: Error) -> ExitCode {
    ExitCode::of(&error.into())
}

#[tokio::test]
async fn an_object_is_created_once_and_never_overwritten() {
    let (_folder, store) = fresh().await;
    assert_eq!(store.create("a/b.json", "one").await.unwrap(), Created::New);
    assert_eq!(store.create("a/b.json", "two").await.unwrap(), Created::Existed);
    assert_eq!(store.get("a/b.json").await.unwrap().unwrap(), "one");
    assert_eq!(store.size("a/b.json").await.unwrap(), Some(3));
    assert_eq!(store.get("a/c.json").await.unwrap(), None);
    assert_eq!(store.list("a").await.unwrap(), ["a/b.json"]);
}

#[tokio::test]
async fn a_damaged_blob_is_refused_by_name_and_put_right_by_writing_it_again() {
    let (folder, store) = fresh().await;
    let digest = store.put_blob("weights").await.unwrap();
    let file = folder.path().join(blob::path(&digest));
    fs::write(&file, "weighty").unwrap();
    let error = store.blob(&digest).await.unwrap_err();
    assert!(error.is_lost_data() && error.to_string().contains(&digest.to_string()), "{error}");
    assert_eq!(store.put_blob("weights").await.unwrap(), digest);
    assert_eq!(store.blob(&digest).await.unwrap(), "weights");
    fs::remove_file(&file).unwrap();
    assert!(matches!(store.verify_blob(&digest).await, Err(Error::Missing(gone)) if gone == digest));
}

#[tokio::test]
async fn the_newest_record_of_a_log_is_found_whatever_its_length() {
    let (_folder, store) = fresh().await;
    let log = Log::<Entry>::new(&store, "champions/x");
    assert_eq!(log.newest().await.unwrap(), None);
    for number in 1..=21_u64 {
        let entry = Entry { writer: number as usize };
        assert_eq!(log.append(number, &entry).await.unwrap(), Created::New);
        assert_eq!(log.newest().await.unwrap(), Some((number, entry)));
    }
    assert_eq!(log.all().await.unwrap().len(), 21);
}

#[tokio::test]
async fn of_many_writers_of_one_number_exactly_one_wins() {
    let (_folder, store) = fresh().await;
    let append = |writer| {
        let log = Log::<Entry>::new(&store, "log");
        tokio::spawn(async move { (writer, log.append(1, &Entry { writer }).await.unwrap()) })
    };
    let mut winners = Vec::new();
    for task in (0..16).map(append).collect::<Vec<_>>() {
        let (writer, created) = task.await.unwrap();
        winners.extend((created == Created::New).then_some(writer));
    }
    let (_, entry) = Log::<Entry>::new(&store, "log").newest().await.unwrap().unwrap();
    assert_eq!(winners, [entry.writer]);
}

#[tokio::test]
async fn a_record_of_another_form_is_an_error_that_names_it() {
    let (_folder, store) = fresh().await;
    store.create("runs/r/plan.json", "{\"writer\": \"nobody\"}").await.unwrap();
    let error = store.record::<Entry>("runs/r/plan.json").await.unwrap_err();
    assert!(error.to_string().contains("runs/r/plan.json"), "{error}");
    assert_eq!(code(error), ExitCode::Permanent);
    let error = store.expect_record::<Entry>("nowhere.json").await.unwrap_err();
    assert!(error.to_string().contains("nowhere.json"), "{error}");
}

#[tokio::test]
async fn a_store_that_nobody_answers_for_is_temporary_within_the_connect_timeout() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = StoreOptions::folder(std::path::Path::new("/")).unwrap();
    options.store = "s3://bucket/prefix".parse().unwrap();
    options.store_endpoint = format!("http://{free}");
    (options.store_access_key, options.store_secret_key) = ("key".into(), "secret".into());
    options.store_connect_timeout = Duration::from_secs(1);
    let began = Instant::now();
    let error = Store::open(&options).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "waited {:?}", began.elapsed());
    assert!(error.to_string().contains("s3://bucket/prefix"), "{error}");
    assert_eq!(code(error), ExitCode::Temporary);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_temporary_and_a_foreign_scheme_is_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = StoreOptions::folder(&file.path().join("store")).unwrap();
    assert_eq!(code(Store::open(&options).await.unwrap_err()), ExitCode::Temporary);
    let mut options = options;
    options.store = "gs://bucket".parse().unwrap();
    assert_eq!(code(Store::open(&options).await.unwrap_err()), ExitCode::Configuration);
}

#[tokio::test]
async fn reads_are_counted() {
    let (_folder, store) = fresh().await;
    let digest: Digest = store.put_blob("1234").await.unwrap();
    let before = store.reads();
    store.blob(&digest).await.unwrap();
    let after = store.reads();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 4));
}
