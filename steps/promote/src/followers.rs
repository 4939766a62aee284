//! Who follows a champion log besides the replicas: the balancer, which tells how far the replicas are, and a webhook.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use selvedge_contract::{Misconfigured, Temporary};
use selvedge_web::{Client, ClientError};
use url::Url;

use crate::endpoint::{Endpoint, shown};
use crate::{announcement, roll_out};

/// Who is watched and who is told.
#[derive(Debug, Clone, Args)]
pub struct Followers {
    /// The balancer whose replicas are watched until most of them serve the champion, for example
    /// http://balance:8080; empty: nobody is watched
    #[arg(long, env = "STEP_BALANCER", default_value = "")]
    pub balancer: Endpoint,
    /// Where promotions and ends of runs are announced, as CloudEvents documents; empty: nowhere
    #[arg(long, env = "STEP_WEBHOOK", default_value = "", hide_env_values = true)]
    pub webhook: Endpoint,
    /// How long the replicas may take to serve the champion
    #[arg(long, env = "STEP_ROLL_OUT_TIMEOUT", default_value = "60s", value_parser = humantime::parse_duration)]
    pub roll_out_timeout: Duration,
}

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Followers {
    /// Waits until most replicas serve generation `generation` or a newer one, and tells when that was; `None` where
    /// there is no balancer, or one that lists no replicas.
    ///
    /// # Errors
    /// [`Temporary`] when it takes longer than the timeout, or the balancer does not answer.
    pub async fn watch(&self, generation: u64) -> anyhow::Result<Option<Timestamp>> {
        let Some(balancer) = self.balancer.url() else {
            return Ok(None);
        };
        roll_out::watch(&Client::new(PATIENCE), balancer, generation, self.roll_out_timeout).await
    }

    /// Sends `document` to the webhook, if there is one, and sees it accepted.
    ///
    /// # Errors
    /// [`Temporary`] when it cannot be reached or is in trouble, [`Misconfigured`] when it refuses the document.
    pub async fn announce(&self, document: &announcement::Document) -> anyhow::Result<()> {
        let Some(webhook) = self.webhook.url() else {
            return Ok(());
        };
        let request = document.request(webhook)?;
        let sent = Client::new(PATIENCE).send(request, PATIENCE).await;
        let status = sent.map_err(|error| unreachable(webhook, error))?.status();
        tracing::info!(webhook = shown(webhook), %status, id = document.id, "announced");
        let refusal = format!("webhook {} answered {status}", shown(webhook));
        match status.as_u16() {
            200..300 => Ok(()),
            408 | 429 | 500.. => Err(Temporary::message(refusal).into()),
            _ => Err(Misconfigured::message(refusal).into()),
        }
    }
}

/// Keeps the path out of the message, which can hold a token.
fn unreachable(webhook: &Url, error: ClientError) -> anyhow::Error {
    let cause = match error {
        ClientError::Connect { source, .. } => anyhow!(source).context("cannot connect"),
        ClientError::Broken { source, .. } => anyhow!(source).context("no response"),
        ClientError::Timeout { after, .. } => anyhow!("no response within {after:?}"),
        _ => anyhow!("no response"),
    };
    Temporary::new(cause.context(format!("webhook {}", shown(webhook)))).into()
}
