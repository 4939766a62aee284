//! `selvedge run --once`: ten images of the test split, asked of the balancer.

use std::time::Duration;

use anyhow::Context;
use selvedge_data::{Batch, Manifest, Split};
use selvedge_plan::Run;
use selvedge_store::Store;
use selvedge_web::Client;
use serde::{Deserialize, Serialize};

use crate::display::print;
use crate::results::table;

const IMAGES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Question<'a> {
    image_id: String,
    pixels: &'a [u8],
}

/// What `/v1/classify` answers.
#[derive(Deserialize)]
struct Answer {
    image_id: String,
    predicted_class: String,
    confidence: f64,
    processing_time_ms: f64,
    server_replica: String,
}

/// Classifies the first test images of the run's data set, and prints the answers.
pub(crate) async fn classify(store: &Store, run: &str, balancer: &str) -> anyhow::Result<()> {
    let (manifest, batch) = test_batch(store, run).await?;
    let client = Client::new(PATIENCE);
    let url = format!("{balancer}/v1/classify");
    let mut rows = table(&["image", "is", "was called", "confidence", "ms", "by"]);
    let mut right = 0;
    let asked = IMAGES.min(batch.records());
    for record in 0..asked {
        let question = Question { image_id: format!("test-{record}"), pixels: batch.image(record) };
        let answer = client.post_json(&url, &question, PATIENCE).await?;
        let answer: Answer = answer.accepted(&url)?.json(&url)?;
        let class =
            manifest.classes.get(usize::from(batch.labels[record])).context("a label without a class")?;
        right += usize::from(*class == answer.predicted_class);
        rows.add_row([
            answer.image_id,
            class.clone(),
            answer.predicted_class,
            format!("{:.1} %", answer.confidence * 100.0),
            format!("{:.2}", answer.processing_time_ms),
            answer.server_replica,
        ]);
    }
    print(&rows.to_string());
    print(&format!("answers   {right} of {asked} right"));
    Ok(())
}

async fn test_batch(store: &Store, run: &str) -> anyhow::Result<(Manifest, Batch)> {
    let (_, plan) = Run::new(store, run).plans().newest().await?.context("the run has no plan")?;
    let manifest: Manifest = serde_json::from_slice(&store.blob(&plan.manifest).await?)
        .with_context(|| format!("manifest {} is not understood", plan.manifest))?;
    let entry = manifest.batches(Split::Test).first().context("the data set has no test batch")?;
    let batch = Batch::decode(&store.blob(&entry.digest).await?, &manifest, entry)?;
    Ok((manifest, batch))
}
