//! Predictions: what a model said of every record of a split, beside the truth; what the paired test compares.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use selvedge_store::{Digest, Store};

/// The predictions of one model on one split, in the manifest's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The class called, one a record.
    pub predicted: Vec<u8>,
    /// The true class, one a record.
    pub labels: Vec<u8>,
    /// Probability of every class, records × classes, row by row.
    pub probabilities: Vec<f32>,
}

impl Predictions {
    /// Reads and verifies the blob that a card names.
    ///
    /// # Errors
    /// Of the store, and when the blob is no such file; both name it.
    pub async fn read(store: &Store, digest: &Digest) -> anyhow::Result<Self> {
        let bytes = store.blob(digest).await.context("predictions")?;
        Self::parse(&bytes).with_context(|| format!("predictions {digest}"))
    }

    /// Takes a safetensors file apart: `predicted` u8 n, `labels` u8 n, `probabilities` f32 n × classes.
    ///
    /// # Errors
    /// When a tensor is missing or of another type or length.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let predicted = tensor(&file, "predicted", Dtype::U8)?.to_vec();
        let labels = tensor(&file, "labels", Dtype::U8)?.to_vec();
        let probabilities: Vec<_> = tensor(&file, "probabilities", Dtype::F32)?
            .chunks_exact(size_of::<f32>())
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        ensure!(
            predicted.len() == labels.len(),
            "{} predictions for {} labels",
            predicted.len(),
            labels.len()
        );
        ensure!(
            probabilities.len().is_multiple_of(labels.len().max(1)),
            "{} probabilities for {} records",
            probabilities.len(),
            labels.len()
        );
        Ok(Self { predicted, labels, probabilities })
    }

    /// The safetensors file that [`Predictions::parse`] takes apart.
    ///
    /// # Errors
    /// When the probabilities are no whole number of rows.
    pub fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let records = self.labels.len();
        let probabilities: Vec<u8> = self.probabilities.iter().flat_map(|p| p.to_le_bytes()).collect();
        let classes = self.probabilities.len() / records.max(1);
        let tensors = [
            ("labels", TensorView::new(Dtype::U8, vec![records], &self.labels)?),
            ("predicted", TensorView::new(Dtype::U8, vec![records], &self.predicted)?),
            ("probabilities", TensorView::new(Dtype::F32, vec![records, classes], &probabilities)?),
        ];
        Ok(safetensors::serialize(tensors, None::<HashMap<String, String>>)?)
    }

    /// Which records were classified rightly.
    pub fn right(&self) -> Vec<bool> {
        self.predicted.iter().zip(&self.labels).map(|(predicted, label)| predicted == label).collect()
    }
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> anyhow::Result<&'a [u8]> {
    let view = file.tensor(name)?;
    ensure!(view.dtype() == dtype, "tensor {name} is {:?}, expected {dtype:?}", view.dtype());
    Ok(view.data())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_file_and_back(rows in prop::collection::vec((0..3_u8, 0..3_u8, 0.0..1.0_f32), 0..40)) {
            let predictions = Predictions {
                predicted: rows.iter().map(|row| row.0).collect(),
                labels: rows.iter().map(|row| row.1).collect(),
                probabilities: rows.iter().flat_map(|row| [row.2, 1.0 - row.2, 0.0]).collect(),
            };
            prop_assert_eq!(Predictions::parse(&predictions.to_bytes().unwrap()).unwrap(), predictions);
        }

        #[test]
        fn anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Predictions::parse(&bytes).is_err());
        }
    }

    #[test]
    fn lists_of_different_length_are_refused_with_both_lengths() {
        let uneven = Predictions { predicted: vec![1, 2], labels: vec![1, 2, 3], probabilities: vec![] };
        let view = |data| TensorView::new(Dtype::U8, vec![3], data).unwrap();
        let short = TensorView::new(Dtype::U8, vec![2], &uneven.predicted).unwrap();
        let none = TensorView::new(Dtype::F32, vec![0], &[]).unwrap();
        let tensors = [("labels", view(&uneven.labels)), ("predicted", short), ("probabilities", none)];
        let bytes = safetensors::serialize(tensors, None::<HashMap<String, String>>).unwrap();
        assert_eq!(Predictions::parse(&bytes).unwrap_err().to_string(), "2 predictions for 3 labels");
    }
}
