//! Golden vectors: a few records and what the model says of them, so that whoever loads it can see that it is the same.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use selvedge_data::Split;
use selvedge_model::Classifier;

use crate::feed::Feed;
use crate::job::Job;

/// How far a probability may be off on another CPU: kernels round differently, by far less than this.
pub(crate) const TOLERANCE: f64 = 1e-3;

const RECORDS: usize = 16;

/// A safetensors file with `images` and `probabilities` of the first validation records, or training records where there
/// are none.
pub(crate) fn vectors(job: &Job, feed: &Feed, classifier: &Classifier) -> anyhow::Result<Vec<u8>> {
    let batches = [Split::Validation, Split::Train].map(|split| job.manifest.batches(split));
    let entry = batches.into_iter().flatten().next();
    let batch = feed.get(entry.ok_or_else(|| anyhow::anyhow!("data set {} is empty", job.dataset))?)?;
    let records = batch.records().min(RECORDS);
    let images = &batch.images[..records * batch.shape.bytes()];
    let probabilities = classifier.probabilities(images)?;
    let [height, width, channels] = [batch.shape.height, batch.shape.width, batch.shape.channels];
    let images = TensorView::new(Dtype::U8, vec![records, height, width, channels], images)?;
    let shape = vec![records, job.manifest.classes.len()];
    let probabilities = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(&probabilities))?;
    Ok(safetensors::serialize([("images", images), ("probabilities", probabilities)], None)?)
}
