//! A cut of the real Fashion-MNIST: its first records, as the four IDX files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// A kind of content that differs from the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// As they are.
    True,
    /// Each one class further: the same count, another content.
    Shifted,
}

/// Writes the first `train` and `test` records of the real data into `folder`, gzipped.
///
/// # Panics
/// When the data set is not set up (`make setup`), or `folder` cannot be written.
pub fn write(folder: &Path, train: usize, test: usize, labels: Labels) {
    fs::create_dir_all(folder).expect("the folder can be made");
    for (prefix, records) in [("train", train), ("t10k", test)] {
        let images = read(&format!("{prefix}-images-idx3-ubyte"), 16 + records * 784);
        let mut classes = read(&format!("{prefix}-labels-idx1-ubyte"), 8 + records);
        if labels == Labels::Shifted {
            classes[8..].iter_mut().for_each(|label| *label = (*label + 1) % 10);
        }
        put(folder, &format!("{prefix}-images-idx3-ubyte"), images, records);
        put(folder, &format!("{prefix}-labels-idx1-ubyte"), classes, records);
    }
}

fn data_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.data/fashion-mnist")
}

fn read(name: &str, bytes: usize) -> Vec<u8> {
    let (plain, packed) = (data_set().join(name), data_set().join(format!("{name}.gz")));
    let open = |path: &Path| File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut content = vec![0; bytes];
    let result = if plain.exists() {
        open(&plain).read_exact(&mut content)
    } else {
        MultiGzDecoder::new(open(&packed)).read_exact(&mut content)
    };
    result.unwrap_or_else(|error| panic!("{name}: {error}"));
    content
}

fn put(folder: &Path, name: &str, mut content: Vec<u8>, records: usize) {
    let count = u32::try_from(records).expect("a cut is small");
    content[4..8].copy_from_slice(&count.to_be_bytes());
    let file = File::create(folder.join(format!("{name}.gz"))).expect("the folder can be written");
    let mut encoder = GzEncoder::new(file, Compression::fast());
    encoder.write_all(&content).and_then(|()| encoder.finish().map(drop)).expect("the folder can be written");
}
