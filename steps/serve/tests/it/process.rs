//! The binary itself: configuration, signals, exit codes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_web::Client;
use serde_json::{Value, json};

use crate::support::{GREY, House, PATIENCE, pixels, record, request};

/// A replica as a process, killed when the test ends.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(arguments: &[String]) -> Self {
        let mut child = command(arguments).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("answering requests") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
        }
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = format!("http://{}", said["listen"].as_str().unwrap());
        Self { child, log, url }
    }

    /// Waits for the end, and tells the exit code.
    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

fn command(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
    command
        .args(&arguments[1..])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// What a process says that is expected to end by itself.
fn output(arguments: &[String]) -> Output {
    let mut child = command(arguments).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_says_so_and_ends_with_0() {
    let house = House::new().await;
    let heavy = house.model_of("c64.5.1 c32.5.1 m f o", GREY, 1).await;
    house.promote(1, heavy.digest()).await;
    let mut process = Process::start(&house.arguments(&["--drain-grace", "300ms", "--drain-timeout", "15s"]));
    let client = Client::new(PATIENCE);
    let get = |path: &str| {
        let (client, url) = (client.clone(), format!("{}{path}", process.url));
        async move { request(&client, "GET", &url, &[], bytes::Bytes::new()).await }
    };
    while get("/readyz").await.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Long enough to be under way when the signal comes, and after the listener is closed.
    let body = json!({"images": vec![pixels(&record(GREY, 1)); 100]}).to_string();
    let url = format!("{}/v1/classify/batch", process.url);
    let asking = tokio::spawn({
        let client = client.clone();
        async move { request(&client, "POST", &url, &[("content-type", "application/json")], body.into()).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    kill(Pid::from_raw(process.child.id() as i32), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let draining = loop {
        let ready = get("/readyz").await;
        if ready.status != StatusCode::OK {
            break ready;
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(draining.json()["status"], "draining");
    let answer = asking.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 100);
    assert_eq!(process.end(), Some(0));
    let mut log = String::new();
    process.log.read_to_string(&mut log).unwrap();
    assert!(!log.contains("were cut"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_and_is_a_matter_of_configuration() {
    let house = House::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--metrics-listen"] {
        let mut arguments = house.arguments(&[]);
        let place = arguments.iter().position(|argument| argument == flag).unwrap();
        arguments[place + 1].clone_from(&address);
        let output = output(&arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with(&format!("cannot listen on {address}: ")) && said.lines().count() == 1,
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_is_named() {
    let house = House::new().await;
    for (more, says) in [
        (["--body-limit", "1 potato"], "1 potato"),
        (["--max-batch", "0"], "max-batch"),
        (["--poll-interval", "often"], "often"),
        (["--name", "../secrets"], "../secrets"),
        (["--replica", "a\nb"], "replica"),
        (["--drain-grace", "1h"], "drain-grace"),
    ] {
        let mut arguments = house.arguments(&[]);
        arguments.retain(|argument| argument != "tiny" && argument != "--name");
        if more[0] != "--name" {
            arguments.extend(["--name".to_owned(), "tiny".to_owned()]);
        }
        arguments.retain(|argument| {
            argument != "--replica"
                && argument != "serve-7"
                && argument != "10ms"
                && argument != "--poll-interval"
        });
        arguments.extend(more.map(String::from));
        let output = output(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// Arguments of a replica whose store would be at `endpoint`.
fn remote(house: &House, endpoint: &str) -> Vec<String> {
    let mut arguments = house.arguments(&[
        "--store-endpoint",
        endpoint,
        "--store-connect-timeout",
        "1s",
        "--store-patience",
        "1s",
    ]);
    let place = arguments.iter().position(|argument| argument == "--store").unwrap();
    arguments[place + 1] = "s3://bucket".into();
    arguments.extend(["--store-access-key", "key", "--store-secret-key", "secret"].map(String::from));
    arguments
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_waited_for_and_one_that_refuses_ends_it() {
    let house = House::new().await;
    // A port that nobody listens on until the store "comes back".
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut process = Process::start(&remote(&house, &format!("http://{address}")));
    let client = Client::new(PATIENCE);
    let get = async |path: &str| {
        request(&client, "GET", &format!("{}{path}", process.url), &[], bytes::Bytes::new()).await
    };
    assert_eq!(get("/healthz").await.status, StatusCode::OK);
    assert_eq!(get("/readyz").await.json()["status"], "no_model");
    let back = tokio::net::TcpListener::bind(address).await.unwrap();
    // It asks again without being started again.
    tokio::time::timeout(PATIENCE, back.accept()).await.unwrap().unwrap();
    drop(back);
    kill(Pid::from_raw(process.child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(process.end(), Some(0));

    let refusing = selvedge_web::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let endpoint = format!("http://{}", refusing.local_addr().unwrap());
    let stop = selvedge_contract::Stop::new();
    let forbidden = |_| async { Ok(selvedge_web::text(StatusCode::FORBIDDEN, "")) };
    tokio::spawn(selvedge_web::serve(refusing, forbidden, selvedge_web::Limits::default(), stop));
    let arguments = remote(&house, &endpoint);
    let output = tokio::task::spawn_blocking(move || output(&arguments)).await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
