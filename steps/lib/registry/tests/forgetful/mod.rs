//! A small S3 store that does what it is asked, but hangs up instead of answering the first write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Vec<u8>>,
    forgotten: usize,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) fn forgotten(&self) -> usize {
        self.state.lock().unwrap().forgotten
    }
}

/// One request a connection, then it is closed.
async fn serve(socket: TcpStream, state: Arc<Mutex<State>>) {
    let mut socket = BufReader::new(socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.unwrap();
    if let Some(answer) = state.lock().unwrap().answer(method, path, body) {
        let head = "last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\netag: \"1\"\r\nconnection: close";
        let (status, body) = answer;
        let answer = format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n", body.len());
        let answer = [answer.into_bytes(), body].concat();
        tokio::spawn(async move { socket.write_all(&answer).await });
    }
}

impl State {
    /// Status and body, or `None` to hang up.
    fn answer(&mut self, method: &str, path: &str, body: Vec<u8>) -> Option<(&'static str, Vec<u8>)> {
        let there = self.objects.get(path).cloned();
        match (method, there) {
            ("PUT", Some(_)) => Some(("412 Precondition Failed", Vec::new())),
            ("PUT", None) => {
                self.objects.insert(path.to_owned(), body);
                self.forgotten += 1;
                (self.forgotten > 1).then(|| ("200 OK", Vec::new()))
            }
            (_, Some(object)) => Some(("200 OK", object)),
            (_, None) => Some(("404 Not Found", Vec::new())),
        }
    }
}
