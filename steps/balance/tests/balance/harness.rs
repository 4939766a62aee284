//! A balancer over replicas, and a client. All of it over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method};
use selvedge_balance::{Config, run};
use selvedge_contract::Stop;
use selvedge_web::{Client, ClientError, bind};
use serde_json::{Value, json as value};
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub use crate::replica::{Mode, QUICK, Replica, set_all, three};

pub const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Balancer {
    pub url: String,
    pub admin: String,
    pub client: Client,
    pub stop: Stop,
    pub ended: JoinHandle<anyhow::Result<()>>,
}

impl Balancer {
    /// A balancer over `replicas` that has probed all of them.
    pub async fn start(replicas: &[&Replica], more: &[&str]) -> Self {
        let list: Vec<_> =
            replicas.iter().map(|one| format!("{}=http://{}", one.name, one.address)).collect();
        let balancer = Self::over(&list.join(","), more).await;
        balancer.eventually(|shown| shown.iter().all(|one| one["status"] != "unknown")).await;
        balancer
    }

    pub async fn over(upstreams: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["balance", "--upstreams", upstreams, "--drain-grace", "0s"];
        arguments.extend(more);
        if !more.contains(&"--health-interval") {
            arguments.extend(["--health-interval", "20ms"]);
        }
        let config = Config::parse_from(arguments);
        let (listener, admin) = (bind(LOCAL).await.unwrap(), bind(LOCAL).await.unwrap());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let operators = format!("http://{}", admin.local_addr().unwrap());
        let stop = Stop::new();
        let ended = tokio::spawn(run(config, listener, admin, stop.clone()));
        Self { url, admin: operators, client: Client::new(PATIENCE), stop, ended }
    }

    pub async fn shown(&self) -> Vec<Value> {
        let url = format!("{}/v1/replicas", self.url);
        let mut shown: Value = self.client.get_json(&url, PATIENCE).await.unwrap();
        serde_json::from_value(shown["replicas"].take()).unwrap()
    }

    /// Waits until the replicas are shown as `wanted`.
    pub async fn eventually(&self, wanted: impl Fn(&[Value]) -> bool) {
        let looking = async {
            loop {
                let shown = self.shown().await;
                if !shown.is_empty() && wanted(&shown) {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            panic!("never as wanted: {:?}", self.shown().await);
        }
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        let mut request = hyper::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (parts, body) = self.client.send(request, PATIENCE).await?.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.ok() })
    }

    pub async fn classify(&self) -> Answer {
        self.classify_as(&[]).await
    }

    pub async fn classify_as(&self, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::POST, "/v1/classify", headers, "picture").await.unwrap()
    }

    pub async fn batch(&self, ids: &[&str]) -> Answer {
        let images: Vec<_> = ids.iter().map(|id| value!({"image_id": id, "pixels": [0, 255]})).collect();
        let body = value!({"images": images}).to_string();
        self.request(Method::POST, "/v1/classify/batch", &[], body).await.unwrap()
    }

    pub async fn metrics(&self) -> String {
        let answer = self.client.get(&format!("{}/metrics", self.admin), PATIENCE).await.unwrap();
        String::from_utf8(answer.body.to_vec()).unwrap()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `None` when it broke off.
    pub body: Option<Bytes>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_ref().unwrap()).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn replica(&self) -> String {
        self.headers["x-selvedge-replica"].to_str().unwrap().to_owned()
    }
}
