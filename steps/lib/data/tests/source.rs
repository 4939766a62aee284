//! Sources as they lie about: in folders and on web servers, whole and damaged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use selvedge_contract::ExitCode;
use selvedge_contract::failure::one_line;
use selvedge_data::{Half, Source, Synthetic, source};
use selvedge_store::{Digest, StoreOptions};
use url::Url;

const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fn options() -> StoreOptions {
    let options = StoreOptions::folder(Path::new("/nowhere")).unwrap();
    StoreOptions { store_connect_timeout: std::time::Duration::from_millis(300), ..options }
}

fn uri(folder: &Path) -> Url {
    Url::from_directory_path(folder).unwrap()
}

async fn open(uri: &Url) -> anyhow::Result<Source> {
    Source::open(uri, &options()).await
}

async fn content(uri: &Url) -> Digest {
    source::content(&open(uri).await.unwrap().digests().await.unwrap())
}

fn written(synthetic: Synthetic) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    synthetic.write(folder.path()).unwrap();
    folder
}

async fn refused(folder: &Path) -> (String, ExitCode) {
    let read = async || open(&uri(folder)).await?.heads().await;
    let error = read().await.unwrap_err();
    (one_line(&error), ExitCode::of(&error))
}

#[tokio::test]
async fn packing_again_changes_the_stamps_and_not_the_content() {
    let plain = written(Synthetic::default());
    let packed = written(Synthetic { gzip: true, ..Synthetic::default() });
    let (one, other) = (uri(plain.path()), uri(packed.path()));
    assert_eq!(content(&one).await, content(&other).await);
    assert_ne!(open(&one).await.unwrap().stamps(), open(&other).await.unwrap().stamps());
    let digests = open(&one).await.unwrap().digests().await.unwrap();
    assert_eq!(digests["train-labels"], Digest::of(std::fs::read(plain.path().join(FILES[1])).unwrap()));
}

#[tokio::test]
async fn the_heads_are_all_that_a_count_needs() {
    let folder = written(Synthetic { train: 50, test: 20, height: 4, width: 6, ..Synthetic::default() });
    // Everything after the heads is cut off.
    for (name, head) in FILES.iter().zip([16, 8, 16, 8]) {
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(path, &bytes[..head]).unwrap();
    }
    let heads = open(&uri(folder.path())).await.unwrap().heads().await.unwrap();
    assert_eq!((heads.train, heads.test, heads.shape.bytes()), (50, 20, 24));
}

#[tokio::test]
async fn an_empty_folder_and_a_missing_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (line, code) = refused(folder.path()).await;
    assert_eq!(
        line,
        format!(
            "source {}: no data set there: looked for {}[.gz]",
            uri(folder.path()),
            FILES.join("[.gz], ")
        )
    );
    assert_eq!(code, ExitCode::Permanent);
    assert!(refused(Path::new("/does/not/exist")).await.0.contains("no data set there"));

    let folder = written(Synthetic::default());
    std::fs::remove_file(folder.path().join(FILES[2])).unwrap();
    assert!(refused(folder.path()).await.0.ends_with(": missing t10k-images-idx3-ubyte[.gz]"));
}

#[tokio::test]
async fn halves_that_do_not_fit_are_refused() {
    let folder = written(Synthetic::default());
    let fewer = written(Synthetic { train: 599, test: 100, height: 27, ..Synthetic::default() });
    let swap = |name: &str| std::fs::copy(fewer.path().join(name), folder.path().join(name)).unwrap();
    swap(FILES[2]);
    assert!(refused(folder.path()).await.0.ends_with("training records are 28 x 28, test records 27 x 28"));
    swap(FILES[1]);
    let line = refused(folder.path()).await.0;
    assert!(
        line.ends_with("train-images-idx3-ubyte: 600 images, but train-labels-idx1-ubyte: 599 labels"),
        "{line}"
    );
}

#[tokio::test]
async fn a_label_beyond_the_classes_is_named() {
    let folder = written(Synthetic { classes: 11, ..Synthetic::default() });
    let mut pair = open(&uri(folder.path())).await.unwrap().pair(Half::Train).await.unwrap();
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    let mut read = || loop {
        if pair.read(7, 10, &mut images, &mut labels)? == 0 {
            return Ok::<_, selvedge_data::PairError>(());
        }
    };
    let stored = std::fs::read(folder.path().join(FILES[1])).unwrap();
    let first = stored[8..].iter().position(|label| *label == 10).unwrap();
    assert_eq!(
        read().unwrap_err().to_string(),
        format!("train-labels-idx1-ubyte: label 10 of record {first}, expected below 10")
    );
}

#[tokio::test]
async fn a_file_that_changes_is_noticed() {
    let folder = written(Synthetic::default());
    let source = open(&uri(folder.path())).await.unwrap();
    source.check_unchanged(&options()).await.unwrap();
    Synthetic { train: 601, ..Synthetic::default() }.write(folder.path()).unwrap();
    let error = source.check_unchanged(&options()).await.unwrap_err();
    assert!(error.to_string().ends_with(" changed while it was read"), "{error}");
    assert_eq!(ExitCode::of(&error), ExitCode::Temporary);
}

/// Serves the files of a folder by HTTP/1.1, one connection a request; those that are cut end too early.
fn serve(folder: PathBuf, cut: bool) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let lines: Vec<_> = BufReader::new(&connection)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let mut request = lines[0].split(' ');
            let (method, path) = (request.next().unwrap(), request.next().unwrap());
            let Ok(body) = std::fs::read(folder.join(path.trim_start_matches("/data/"))) else {
                let _ = connection
                    .write_all(b"HTTP/1.1 404 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                continue;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\nlast-modified: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n",
                body.len()
            );
            let _ = connection.write_all(head.as_bytes());
            if method == "GET" {
                let _ = connection.write_all(&body[..if cut { body.len() / 2 } else { body.len() }]);
            }
        }
    });
    Url::parse(&format!("http://{address}/data/")).unwrap()
}

#[tokio::test]
async fn a_web_folder_is_a_source_like_any_other() {
    let folder = written(Synthetic { gzip: true, ..Synthetic::default() });
    let web = serve(folder.path().to_owned(), false);
    assert_eq!(content(&web).await, content(&uri(folder.path())).await);
    assert!(!open(&web).await.unwrap().is_near());
    assert_eq!(open(&web).await.unwrap().heads().await.unwrap().train, 600);
}

#[tokio::test]
async fn a_broken_transfer_and_an_unreachable_server_are_worth_a_retry() {
    let folder = written(Synthetic::default());
    let error = open(&serve(folder.path().to_owned(), true)).await.unwrap().digests().await.unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Temporary, "{error:#}");
    assert!(one_line(&error).contains("-ubyte: cannot be read beyond "), "{error:#}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = open(&Url::parse(&format!("http://{nobody}/data")).unwrap()).await.unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Temporary, "{error:#}");
}

#[tokio::test]
async fn a_uri_of_another_kind_is_a_configuration_error() {
    let error = open(&Url::parse("gs://bucket/x").unwrap()).await.unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Configuration);
    assert!(one_line(&error).contains(r#"scheme "gs" is not supported"#), "{error:#}");
}
