//! An S3 store in trouble: a server that answers each connection as the test says, one after the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use selvedge_contract::failure::one_line;
use selvedge_contract::{ExitCode, Stop};
use selvedge_store::{Created, Store, StoreOptions};

const MISSING: &str =
    "HTTP/1.1 404 Not Found\r\ncontent-length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>";
const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
const CONFLICT: &str = "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n";
const WRITTEN: &str = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\netag: \"1\"\r\nlast-modified: Tue, 01 Jan 2030 00:00:00 GMT\r\ncontent-length: 8\r\n\r\nwhol";
const WHOLE: &str = "HTTP/1.1 200 OK\r\netag: \"1\"\r\nlast-modified: Tue, 01 Jan 2030 00:00:00 GMT\r\ncontent-length: 5\r\n\r\nwhole";
/// The connection stays open and nothing comes.
const SILENCE: &str = "";

/// A server that gives one answer to a connection, the last one for ever; and how many it gave.
fn server(answers: &'static [&'static str]) -> (StoreOptions, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = StoreOptions::folder(std::path::Path::new("/")).unwrap();
    options.store = "s3://bucket/prefix".parse().unwrap();
    options.store_endpoint = format!("http://{}", listener.local_addr().unwrap());
    (options.store_access_key, options.store_secret_key) = ("key".into(), "hidden".into());
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let answer = answers[number.min(answers.len() - 1)];
            std::thread::spawn(move || give(connection.unwrap(), answer));
        }
    });
    (options, given)
}

fn give(mut connection: TcpStream, answer: &str) {
    let _ = connection.read(&mut [0; 1 << 16]);
    if answer == SILENCE {
        std::thread::sleep(Duration::from_secs(60));
    }
    let _ = connection.write_all(answer.as_bytes());
}

#[tokio::test]
async fn a_busy_store_and_a_body_that_breaks_off_are_asked_again() {
    let (options, given) = server(&[MISSING, BUSY, HALF, "no answer at all", WHOLE]);
    let store = Store::open(&options).await.unwrap();
    assert_eq!(store.get("object").await.unwrap().unwrap(), "whole");
    assert_eq!(given.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_write_that_met_another_one_is_written_again_and_not_taken_for_there() {
    let (options, given) = server(&[MISSING, CONFLICT, BUSY, WRITTEN]);
    let store = Store::open(&options).await.unwrap();
    assert_eq!(store.create("object", "mine").await.unwrap(), Created::New);
    assert_eq!(given.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_store_that_stays_busy_is_temporary_after_the_patience() {
    let (options, _) = server(&[MISSING, BUSY]);
    let options = StoreOptions { store_patience: Duration::from_millis(500), ..options };
    let store = Store::open(&options).await.unwrap();
    let error = anyhow::Error::from(store.list("folder").await.unwrap_err());
    let line = one_line(&error);
    assert!(line.starts_with("store object s3://bucket/prefix/folder: http://127.0.0.1:"), "{line}");
    assert!(line.ends_with(" does not answer: status 503"), "{line}");
    assert_eq!(ExitCode::of(&error), ExitCode::Temporary);
}

#[tokio::test]
async fn a_stop_ends_the_waiting_for_a_silent_store() {
    for answers in [&[SILENCE][..], &[BUSY]] {
        let (options, _) = server(answers);
        let stop = Stop::new();
        stop.request();
        let began = Instant::now();
        let error = anyhow::Error::from(Store::open_until(&options, &stop).await.unwrap_err());
        assert!(began.elapsed() < Duration::from_secs(4), "waited {:?}", began.elapsed());
        assert_eq!(ExitCode::of(&error), ExitCode::Stopped, "{error:#}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_mend_and_nothing_secret() {
    let refusals = [
        (403, "InvalidAccessKeyId", "the access key is not known there"),
        (403, "SignatureDoesNotMatch", "the secret key does not belong to the access key"),
        (403, "AccessDenied", "s3:ListBucket"),
        (404, "NoSuchBucket", "the bucket does not exist"),
        (400, "AuthorizationHeaderMalformed", "status 400 AuthorizationHeaderMalformed: region"),
    ];
    for (status, code, hint) in refusals {
        let body = format!("<Error><Code>{code}</Code><Message>region</Message></Error>");
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (options, given) = server(Vec::leak(vec![&*answer.leak()]));
        let error = anyhow::Error::from(Store::open(&options).await.unwrap_err());
        let line = one_line(&error);
        assert!(line.contains(hint) && line.contains("http://127.0.0.1:"), "{line}");
        assert!(!line.contains("hidden"), "{line}");
        assert_eq!(ExitCode::of(&error), ExitCode::Configuration, "{line}");
        assert_eq!(given.load(Ordering::SeqCst), 1, "a refusal is not asked again");
    }
}
