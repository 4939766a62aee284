//! Data sets made up on the spot, in files as the real ones come in: for tests and benches of every crate.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Random;

/// A synthetic data set. Its classes can be told apart: in each image of a class, the same few pixels are bright.
#[derive(Debug, Clone, Copy)]
pub struct Synthetic {
    /// Training records, validation included.
    pub train: usize,
    /// Test records.
    pub test: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Classes, at most 256; labels are drawn from all of them.
    pub classes: usize,
    /// The same seed makes the same bytes, and more records of one seed begin with the same ones.
    pub seed: u64,
    /// Whether the files are packed.
    pub gzip: bool,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self { train: 600, test: 100, height: 28, width: 28, classes: 10, seed: 1, gzip: false }
    }
}

impl Synthetic {
    /// Writes the four IDX files into `folder`, which is created.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let marks: Vec<_> = (0..self.classes).map(|class| self.mark(class)).collect();
        for (part, records, draw) in [("train", self.train, 0), ("t10k", self.test, 1)] {
            let labels = self.labels(records, draw);
            let sizes = [records, self.height, self.width];
            self.file(&folder.join(format!("{part}-images-idx3-ubyte")), &sizes, |out| {
                let mut image = vec![0; self.height * self.width];
                let mut random = Random::new(&[self.seed, draw, 0]);
                labels.iter().try_for_each(|label| {
                    paint(&marks[usize::from(*label)], &mut random, &mut image);
                    out.write_all(&image)
                })
            })?;
            self.file(&folder.join(format!("{part}-labels-idx1-ubyte")), &[records], |out| {
                out.write_all(&labels)
            })?;
        }
        Ok(())
    }

    fn labels(&self, records: usize, draw: u64) -> Vec<u8> {
        let mut random = Random::new(&[self.seed, draw, 1]);
        (0..records).map(|_| random.below(self.classes as u64) as u8).collect()
    }

    /// How much brighter each pixel of a class is: 160 where the class has its mark, an eighth of the pixels.
    fn mark(&self, class: usize) -> Vec<u8> {
        let mut random = Random::new(&[class as u64]);
        (0..self.height * self.width).map(|_| if random.below(8) == 0 { 160 } else { 0 }).collect()
    }

    fn file(
        &self,
        path: &Path,
        sizes: &[usize],
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let mut head = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|size| head.extend((*size as u32).to_be_bytes()));
        if self.gzip {
            let file = File::create(path.with_added_extension("gz"))?;
            let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
            out.write_all(&head)?;
            write(&mut out)?;
            out.finish()?.flush()
        } else {
            let mut out = BufWriter::new(File::create(path)?);
            out.write_all(&head)?;
            write(&mut out)?;
            out.flush()
        }
    }
}

/// Noise below 64 everywhere, and the mark.
fn paint(mark: &[u8], random: &mut Random, image: &mut [u8]) {
    for (pixels, marks) in image.chunks_mut(8).zip(mark.chunks(8)) {
        let noise = random.bits().to_le_bytes();
        for ((pixel, mark), noise) in pixels.iter_mut().zip(marks).zip(noise) {
            *pixel = (noise & 63) + mark;
        }
    }
}
