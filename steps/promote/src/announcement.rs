//! What others are told: CloudEvents 1.0 in JSON, structured mode. Told at least once; whoever hears an id again
//! has heard it before.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use selvedge_registry::Champion;
use serde::Serialize;
use serde_json::json;
use url::Url;

/// The media type of structured mode.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// A CloudEvents document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// The version of CloudEvents.
    pub specversion: &'static str,
    /// Names the occurrence: the same whenever it is told again.
    pub id: String,
    /// Where it occurred: the run.
    pub source: String,
    /// What occurred.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whom it concerns: a data set.
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// The form of `data`.
    pub datacontenttype: &'static str,
    /// The facts.
    pub data: serde_json::Value,
}

impl Document {
    /// An occurrence in `run` that concerns data set `name`.
    pub fn new(
        kind: &'static str,
        id: String,
        run: &str,
        name: &str,
        time: Timestamp,
        data: serde_json::Value,
    ) -> Self {
        Self {
            specversion: "1.0",
            id,
            source: format!("/selvedge/runs/{run}"),
            kind,
            subject: name.to_owned(),
            time,
            datacontenttype: "application/json",
            data,
        }
    }

    /// A new champion of data set `name`; its promotion id is the event's.
    pub fn promoted(name: &str, champion: &Champion) -> Self {
        let Champion { generation, model, dataset, candidate, run, promotion, reason, at, .. } = champion;
        let data = json!({
            "name": name, "generation": generation, "model": model, "dataset": dataset,
            "candidate": candidate, "run": run, "reason": reason,
        });
        Self::new("selvedge.model.promoted", promotion.clone(), run, name, *at, data)
    }

    /// The request that tells it.
    pub(crate) fn request(&self, to: &Url) -> anyhow::Result<Request<Full<Bytes>>> {
        let body = serde_json::to_vec(self)?;
        let request = Request::post(to.as_str()).header(CONTENT_TYPE, MEDIA_TYPE);
        request.body(Full::new(body.into())).context("the webhook's address makes no request")
    }
}
