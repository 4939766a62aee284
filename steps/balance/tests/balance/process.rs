//! The binary: exit codes, the last error, and SIGTERM.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_web::{Client, bind};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{LOCAL, Mode, PATIENCE, Replica};

fn balance(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_balance"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    command.kill_on_drop(true);
    command
}

async fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = balance(arguments).output().await.unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn configuration_that_cannot_be_right_ends_with_2_and_its_value() {
    let some = "serve-0=http://127.0.0.1:1";
    let cases: [(&[&str], &str); 8] = [
        (&[], "--upstreams"),
        (&["--upstreams", ""], "no replica is listed"),
        (&["--upstreams", "serve-0=ftp://x:1"], "serve-0=ftp://x:1"),
        (&["--upstreams", "a=http://x:1,a=http://x:2"], "\"a\" is listed twice"),
        (&["--upstreams", some, "--strategy", "fastest"], "\"fastest\" is no strategy"),
        (&["--upstreams", some, "--body-limit", "many"], "many"),
        (&["--upstreams", some, "--drain-grace", "1h"], "drain-grace=3600s is longer than drain-timeout=10s"),
        (&["--upstreams", some, "--health-interval", "0s"], "health-interval=0s"),
    ];
    for (arguments, expected) in cases {
        let ports = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let (code, line) = refused(&[arguments, &ports].concat()).await;
        assert_eq!(code, Some(2), "{arguments:?}: {line}");
        assert!(line.contains(expected) && line.lines().count() == 1, "{arguments:?}: {line}");
    }
}

#[tokio::test]
async fn a_busy_port_ends_with_2_and_its_address() {
    let taken = bind(LOCAL).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (busy, free) in [("--listen", "--metrics-listen"), ("--metrics-listen", "--listen")] {
        let arguments = ["--upstreams", "http://127.0.0.1:1", busy, &address, free, "127.0.0.1:0"];
        let (code, line) = refused(&arguments).await;
        assert_eq!(code, Some(2), "{line}");
        assert!(line.contains(&format!("cannot listen on {address}")), "{line}");
    }
}

/// The address that the process says it balances on.
async fn address(child: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "balancing" {
            // Nobody may block on a full pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return line["address"].as_str().unwrap().parse().unwrap();
        }
    }
    panic!("the process never said where it listens");
}

#[tokio::test]
async fn sigterm_answers_what_is_under_way_and_ends_with_0() {
    let replica = Replica::start("serve-0", Mode::Held).await;
    let upstreams = format!("serve-0=http://{}", replica.address);
    let ports = ["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let patience = ["--health-interval", "20ms", "--drain-grace", "300ms"];
    let mut child = balance(&[&["--upstreams", &upstreams], &ports[..], &patience].concat()).spawn().unwrap();
    let url = format!("http://{}", address(&mut child).await);
    let client = Client::new(PATIENCE);
    let ready = format!("{url}/readyz");
    while client.get(&ready, PATIENCE).await.unwrap().status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let classify = format!("{url}/v1/classify");
    let request = client.post_json(&classify, &"picture", PATIENCE);
    let stop = async {
        replica.state.arrived.notified().await;
        kill(Pid::from_raw(child.id().unwrap() as i32), Signal::SIGTERM).unwrap();
        // Within the grace it still answers, and says that it goes.
        while client.get(&ready, PATIENCE).await.unwrap().status != 503 {}
        replica.state.release.notify_one();
    };
    let (answer, ()) = tokio::join!(request, stop);
    assert_eq!(answer.unwrap().json::<Value>(&classify).unwrap()["server_replica"], "serve-0");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}
