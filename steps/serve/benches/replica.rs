//! Requests a second of one replica, as a process, with the CNN of the default recipe: closed loop over loopback,
//! JSON of 784 numbers. `cargo bench --profile dev -p selvedge-serve`; the machine has to be idle for the numbers to mean anything.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]
#![allow(dead_code, reason = "the tests' support does more than is measured")]

#[path = "../tests/it/support.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use support::{GREY, House, pixels, record};

const SECONDS: u64 = 3;
const CNN: &str = "c32.2.2.0 c32.3.1 m c64.3.1 c64.3.1 f o";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let house = House::new().await;
        let model = house.model_of(CNN, GREY, 1).await.digest();
        house.promote(1, model).await;
        let (mut replica, address) = start(&house.arguments(&[]));
        warm(&address).await;
        println!("connections  requests/s  p50 ms  p99 ms");
        for connections in [1, 16, 64] {
            let mut times = load(&address, connections).await;
            times.sort_unstable();
            let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
            let rate = times.len() as u64 / SECONDS;
            println!("{connections:11}  {rate:10}  {:6.2}  {:6.2}", at(0.5), at(0.99));
        }
        replica.kill().unwrap();
        replica.wait().unwrap();
    });
}

fn start(arguments: &[String]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve"));
    let mut child = command.args(&arguments[1..]).env_clear().stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = log.find(|line| line.as_ref().unwrap().contains("answering requests")).unwrap().unwrap();
    std::thread::spawn(move || log.for_each(drop));
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    (child, said["listen"].as_str().unwrap().to_owned())
}

fn request() -> Vec<u8> {
    let body = pixels(&record(GREY, 1)).to_string();
    let head =
        "POST /v1/classify HTTP/1.1\r\nhost: serve\r\ncontent-type: application/json\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Until there is a model, and then some: the first passes choose kernels and allocate.
async fn warm(address: &str) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut fine = 0;
    while fine < 200 {
        fine += usize::from(ask(&mut socket, &request()).await);
    }
}

/// How long each request took, all connections together.
async fn load(address: &str, connections: usize) -> Vec<Duration> {
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let one = async || {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let (request, mut times) = (request(), Vec::new());
        while Instant::now() < end {
            let begin = Instant::now();
            assert!(ask(&mut socket, &request).await, "a request failed");
            times.push(begin.elapsed());
        }
        times
    };
    futures::future::join_all((0..connections).map(|_| one())).await.concat()
}

/// Whether the answer is a 200. Answers are small: one read is one answer.
async fn ask(socket: &mut TcpStream, request: &[u8]) -> bool {
    socket.write_all(request).await.unwrap();
    let mut answer = [0; 2048];
    let read = socket.read(&mut answer).await.unwrap();
    answer[..read].starts_with(b"HTTP/1.1 200")
}
