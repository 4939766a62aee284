//! Batches: safetensors files with `images` (u8, n × height × width × channels) and `labels` (u8, n).

use anyhow::{Context, ensure};
use bytes::Bytes;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{BatchEntry, Manifest, Shape};

/// A decoded batch. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The form of one record.
    pub shape: Shape,
    /// The records' pixels, one after the other: rows, columns, channels.
    pub images: Bytes,
    /// The records' classes.
    pub labels: Bytes,
}

impl Batch {
    /// A batch of these records.
    ///
    /// # Errors
    /// When there are not as many images as labels, or none.
    pub fn new(shape: Shape, images: impl Into<Bytes>, labels: impl Into<Bytes>) -> anyhow::Result<Self> {
        let (images, labels) = (images.into(), labels.into());
        ensure!(!labels.is_empty(), "batch of no records");
        ensure!(
            images.len() == labels.len() * shape.bytes(),
            "{} bytes of images for {} labels, expected {} a record",
            images.len(),
            labels.len(),
            shape.bytes()
        );
        Ok(Self { shape, images, labels })
    }

    /// Records in the batch.
    pub fn records(&self) -> usize {
        self.labels.len()
    }

    /// The pixels of record `record`.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn image(&self, record: usize) -> &[u8] {
        let bytes = self.shape.bytes();
        &self.images[record * bytes..(record + 1) * bytes]
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Never for a batch made by [`Batch::new`].
    pub fn encode(&self) -> anyhow::Result<Vec<u8>> {
        encode(self.shape, &self.images, &self.labels)
    }

    /// Decodes the file of `entry`, without copying, and holds it against the manifest.
    ///
    /// # Errors
    /// When it is no safetensors file, or tensors, types, shapes or labels are not what the manifest says.
    pub fn decode(bytes: &Bytes, manifest: &Manifest, entry: &BatchEntry) -> anyhow::Result<Self> {
        let Shape { height, width, channels } = manifest.shape;
        let file = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
        ensure!(file.len() == 2, "{} tensors, expected images and labels", file.len());
        let tensor = |name, shape: &[usize]| {
            let tensor = file.tensor(name).with_context(|| format!("no tensor {name:?}"))?;
            ensure!(
                tensor.dtype() == Dtype::U8 && tensor.shape() == shape,
                "tensor {name:?} is {:?} {:?}, expected U8 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            );
            Ok(bytes.slice_ref(tensor.data()))
        };
        let images = tensor("images", &[entry.records, height, width, channels])?;
        let labels = tensor("labels", &[entry.records])?;
        let classes = manifest.classes.len();
        if let Some(record) = labels.iter().position(|label| usize::from(*label) >= classes) {
            anyhow::bail!("label {} of record {record}, expected below {classes}", labels[record]);
        }
        Self::new(manifest.shape, images, labels)
    }
}

/// The bytes of a batch's file, of pixels and classes as in [`Batch`]. The same records make the same bytes.
///
/// # Errors
/// When there are not as many images as labels.
pub fn encode(shape: Shape, images: &[u8], labels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let Shape { height, width, channels } = shape;
    let images = TensorView::new(Dtype::U8, vec![labels.len(), height, width, channels], images)?;
    let labels = TensorView::new(Dtype::U8, vec![labels.len()], labels)?;
    Ok(safetensors::serialize([("images", images), ("labels", labels)], None)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use selvedge_store::Digest;

    use super::*;

    fn manifest(shape: Shape) -> Manifest {
        Manifest {
            name: "x".to_owned(),
            shape,
            classes: (0..10).map(|c| c.to_string()).collect(),
            batch_size: 10,
            source: Digest::of([]),
            splits: [].into(),
        }
    }

    fn batch(records: usize, shape: Shape) -> Batch {
        let images: Vec<_> = (0..records * shape.bytes()).map(|i| i as u8).collect();
        let labels: Vec<_> = (0..records).map(|i| (i % 10) as u8).collect();
        Batch::new(shape, images, labels).unwrap()
    }

    const SHAPE: Shape = Shape { height: 2, width: 3, channels: 1 };

    fn decode(bytes: Vec<u8>, records: usize, shape: Shape) -> anyhow::Result<Batch> {
        let entry = BatchEntry { digest: Digest::of(&bytes), records };
        Batch::decode(&bytes.into(), &manifest(shape), &entry)
    }

    #[test]
    fn bytes_that_must_never_change() {
        assert_eq!(Digest::of(batch(3, SHAPE).encode().unwrap()).short(), "189d405ffd82");
    }

    #[test]
    fn what_the_manifest_does_not_say_is_refused() {
        let good = batch(3, SHAPE).encode().unwrap();
        let refused = |bytes: &[u8], records, shape| {
            format!("{:#}", decode(bytes.to_vec(), records, shape).unwrap_err())
        };
        assert_eq!(
            refused(&good, 4, SHAPE),
            r#"tensor "images" is U8 [3, 2, 3, 1], expected U8 [4, 2, 3, 1]"#
        );
        let other = Shape { channels: 2, ..SHAPE };
        assert!(refused(&good, 3, other).ends_with("expected U8 [3, 2, 3, 2]"));
        assert!(refused(&good[..good.len() - 1], 3, SHAPE).starts_with("not a safetensors file: "));
        assert!(refused(b"", 3, SHAPE).starts_with("not a safetensors file: "));
        let labelled = Batch::new(SHAPE, vec![0; 12], vec![1, 10]).unwrap().encode().unwrap();
        assert_eq!(refused(&labelled, 2, SHAPE), "label 10 of record 1, expected below 10");
        let floats = [0; 24];
        let view = TensorView::new(Dtype::F32, vec![1, 2, 3, 1], &floats).unwrap();
        let labels = TensorView::new(Dtype::U8, vec![1], &[0]).unwrap();
        let bytes = safetensors::serialize([("images", view), ("labels", labels)], None).unwrap();
        assert!(refused(&bytes, 1, SHAPE).starts_with(r#"tensor "images" is F32"#));
        let one = TensorView::new(Dtype::U8, vec![1], &[0]).unwrap();
        let bytes = safetensors::serialize([("labels", one)], None).unwrap();
        assert_eq!(refused(&bytes, 1, SHAPE), "1 tensors, expected images and labels");
    }

    #[test]
    fn images_and_labels_belong_together() {
        assert!(Batch::new(SHAPE, vec![0; 11], vec![0, 0]).is_err());
        assert!(Batch::new(SHAPE, vec![], vec![]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            records in 1usize..50, height in 1usize..9, width in 1usize..9, channels in 1usize..4,
        ) {
            let shape = Shape { height, width, channels };
            let batch = batch(records, shape);
            prop_assert_eq!(decode(batch.encode().unwrap(), records, shape).unwrap(), batch);
        }

        #[test]
        fn no_mutation_panics(at in 0usize..200, to: u8, cut in 0usize..200) {
            let mut bytes = batch(3, SHAPE).encode().unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = decode(bytes, 3, SHAPE);
        }
    }
}
