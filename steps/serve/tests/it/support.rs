//! A store with models in it, and replicas that serve from it.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, StatusCode};
use image::{ColorType, ImageEncoder};
use safetensors::tensor::{Dtype, TensorView};
use selvedge_contract::Stop;
use selvedge_data::Shape;
use selvedge_model::{Classifier, Network, Trainer};
use selvedge_plan::{Family, Settings};
use selvedge_registry::{Act, Champion, GoldenVectors, ModelIdentity, champion};
use selvedge_serve::{Config, run};
use selvedge_store::{Created, Digest, Store, StoreOptions};
use selvedge_web::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const GREY: Shape = Shape { height: 28, width: 28, channels: 1 };
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A store in a folder that goes away with it.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

/// A running replica.
pub(crate) struct Replica {
    pub(crate) url: String,
    pub(crate) metrics_url: String,
    pub(crate) stop: Stop,
    pub(crate) task: JoinHandle<anyhow::Result<()>>,
    pub(crate) client: Client,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// The code of an error body, which has to be one.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].is_string(), "{self:?}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.header("x-selvedge-generation").parse().unwrap()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
        Self { folder, store }
    }

    /// A tiny model whose parameters are drawn from `seed`, in the store.
    pub(crate) async fn model(&self, seed: u64) -> ModelIdentity {
        self.model_of("f b16 o", GREY, seed).await
    }

    /// An untrained model, in the store with all it needs.
    pub(crate) async fn model_of(&self, spec: &str, shape: Shape, seed: u64) -> ModelIdentity {
        let identity = self.identity(spec, shape, seed, 0.0).await;
        self.commit(&identity).await;
        identity
    }

    /// As [`House::model_of`], its golden probabilities off by `off`; its record is not written.
    pub(crate) async fn identity(&self, spec: &str, shape: Shape, seed: u64, off: f32) -> ModelIdentity {
        let classes: Vec<String> = (0..10).map(|n| format!("class {n}")).collect();
        let settings = Settings { network: spec.into(), seed, ..Settings::of(Family::Dense) };
        let network = Network::parse(spec, shape, classes.len()).unwrap();
        let images: Vec<u8> = (0..8).flat_map(|n| record(shape, n)).collect();
        let trainer = Trainer::new(network.clone(), &settings).unwrap();
        let weights = trainer.weights(&trainer.calibrate(&images).unwrap()).unwrap();
        let said = Classifier::load(&network, &weights).unwrap().probabilities(&images).unwrap();
        let golden: Vec<u8> = said.iter().flat_map(|p| (p + off).to_le_bytes()).collect();
        let shapes = (vec![8, shape.height, shape.width, shape.channels], vec![8, classes.len()]);
        let tensors = [
            ("images", TensorView::new(Dtype::U8, shapes.0, &images).unwrap()),
            ("probabilities", TensorView::new(Dtype::F32, shapes.1, &golden).unwrap()),
        ];
        let golden = safetensors::serialize(tensors, None).unwrap();
        ModelIdentity {
            weights: self.store.put_blob(weights).await.unwrap(),
            family: Family::Dense,
            settings,
            dataset: Digest::of("data set"),
            dataset_name: "tiny".into(),
            input: [shape.height, shape.width, shape.channels],
            classes,
            parameters: network.parameters() as u64,
            multiply_adds: network.multiply_adds(),
            libtorch: "2.13.0".into(),
            instructions: "avx2".into(),
            golden: GoldenVectors { blob: self.store.put_blob(golden).await.unwrap(), tolerance: 1e-4 },
        }
    }

    pub(crate) async fn commit(&self, identity: &ModelIdentity) {
        self.store.create_record(&ModelIdentity::path(&identity.digest()), identity).await.unwrap();
    }

    /// Appends generation `generation` to the champion log of `tiny`.
    pub(crate) async fn promote(&self, generation: u64, model: Digest) {
        self.act(generation, model, Act::Promote).await;
    }

    pub(crate) async fn act(&self, generation: u64, model: Digest, act: Act) {
        let champion = Champion {
            generation,
            act,
            model,
            dataset: Digest::of("data set"),
            candidate: format!("candidate-{generation}"),
            run: "test".into(),
            promotion: format!("promotion-{generation}"),
            reason: "a test".into(),
            at: jiff::Timestamp::now(),
        };
        let log = champion::log(&self.store, "tiny");
        assert_eq!(log.append(generation, &champion).await.unwrap(), Created::New);
    }

    pub(crate) fn blob(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder.path().join("blobs/sha256").join(digest.to_string())
    }

    pub(crate) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["serve", "--name", "tiny", "--replica", "serve-7"].map(String::from).into();
        arguments.extend(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"].map(String::from));
        arguments.extend(["--poll-interval", "10ms", "--store"].map(String::from));
        arguments.push(StoreOptions::folder(self.folder.path()).unwrap().store.to_string());
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments
    }

    /// A replica of its own, with further arguments.
    pub(crate) async fn replica(&self, more: &[&str]) -> Replica {
        let config = Config::parse_from(self.arguments(&[more, &["--drain-grace", "0s"]].concat()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metrics = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metrics_url = format!("http://{}/metrics", metrics.local_addr().unwrap());
        let stop = Stop::new();
        let task = tokio::spawn(run(listener, metrics, config, self.store.clone(), stop.clone()));
        Replica { url, metrics_url, stop, task, client: Client::new(PATIENCE) }
    }

    /// A replica that serves a first model already.
    pub(crate) async fn serving(&self, more: &[&str]) -> Replica {
        let model = self.model(1).await.digest();
        self.promote(1, model).await;
        let replica = self.replica(more).await;
        replica.generation(1).await;
        replica
    }
}

impl Replica {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        request(&self.client, "GET", &format!("{}{path}", self.url), &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let url = format!("{}{path}", self.url);
        request(&self.client, "POST", &url, &[("content-type", content_type)], body.into()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", body.to_string()).await
    }

    /// Waits until generation `generation` serves.
    pub(crate) async fn generation(&self, generation: u64) {
        self.ready(|ready| ready["generation"] == generation && ready["status"] == "ready").await;
    }

    /// Waits until `/readyz` says what `is_so` wants.
    pub(crate) async fn ready(&self, is_so: impl Fn(&Value) -> bool) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/readyz").await;
            if is_so(&answer.json()) {
                return answer;
            }
            assert!(Instant::now() < deadline, "still {answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = request(&self.client, "GET", &self.metrics_url, &[], Bytes::new()).await;
        String::from_utf8(answer.body.into()).unwrap()
    }

    /// Stops the replica, which has to end well.
    pub(crate) async fn end(self) {
        self.stop.request();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) async fn request(
    client: &Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Answer {
    let mut request = hyper::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.send(request.body(Full::new(body)).unwrap(), PATIENCE).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// Record number `n`: every one differs.
pub(crate) fn record(shape: Shape, n: usize) -> Vec<u8> {
    (0..shape.bytes()).map(|i| ((i * (n + 3) * 31 + n * n * 17) % 256) as u8).collect()
}

pub(crate) fn png(pixels: &[u8], width: u32, height: u32, color: ColorType) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder.write_image(pixels, width, height, color.into()).unwrap();
    file
}

pub(crate) fn jpeg(pixels: &[u8], width: u32, height: u32, color: ColorType) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 95);
    encoder.write_image(pixels, width, height, color.into()).unwrap();
    file
}

pub(crate) fn pixels(record: &[u8]) -> Value {
    json!({"pixels": record})
}

pub(crate) fn flip_a_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}
