use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn idx(sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(content);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Reads the whole file, `at_once` records at a time.
fn read(kind: Kind, bytes: Vec<u8>, at_once: usize) -> Result<(Vec<u8>, Digest)> {
    let mut reader = IdxReader::open("f", kind, Cursor::new(bytes))?;
    let (mut all, mut some) = (Vec::new(), Vec::new());
    while reader.read_records(at_once, &mut some)? > 0 {
        all.extend_from_slice(&some);
    }
    Ok((all, reader.finish()?))
}

fn refused(kind: Kind, bytes: Vec<u8>) -> String {
    let error = anyhow::Error::new(read(kind, bytes, 2).unwrap_err());
    selvedge_contract::failure::one_line(&error)
}

#[test]
fn bad_files_are_refused_by_name_and_value() {
    let images = |bytes: &[u8]| refused(Kind::Images, bytes.to_vec());
    let good = idx(&[2, 2, 3], &[7; 12]);
    assert_eq!(images(&idx(&[2], &[1, 2])), "f: magic number 0x00000801, expected 0x00000803");
    assert_eq!(refused(Kind::Labels, good.clone()), "f: magic number 0x00000803, expected 0x00000801");
    assert_eq!(images(b"<html>not found"), "f: magic number 0x3c68746d, expected 0x00000803");
    assert_eq!(images(&good[..27]), "f: ends after 27 bytes, expected 28");
    assert_eq!(images(&good[..10]), "f: ends after 10 bytes, expected 16");
    assert_eq!(images(&[]), "f: ends after 0 bytes, expected 16");
    assert_eq!(
        images(&[good.as_slice(), &[0]].concat()),
        "f: goes on after 28 bytes, all that its 2 records take"
    );
    assert_eq!(images(&idx(&[0, 2, 3], &[])), "f: declares 0 records");
    assert_eq!(images(&idx(&[1, 0, 3], &[])), "f: 0 x 3 bytes a record, expected 1 to 16777216");
    let most = u32::MAX;
    assert_eq!(
        images(&idx(&[most, most, most], &[])),
        "f: 4294967295 x 4294967295 bytes a record, expected 1 to 16777216"
    );
}

#[test]
fn a_damaged_gzip_stream_is_refused_wherever_it_is_damaged() {
    let packed = gzip(&idx(&[20, 4, 5], &(0..400).map(|i| (i * i % 251) as u8).collect::<Vec<_>>()));
    assert!(read(Kind::Images, packed.clone(), 3).is_ok());
    for cut in 2..packed.len() {
        let message = refused(Kind::Images, packed[..cut].to_vec());
        assert!(message.starts_with("f: cannot be read beyond "), "{cut}: {message}");
    }
    let trailing = [packed.as_slice(), b"rubbish after the end"].concat();
    assert!(refused(Kind::Images, trailing).starts_with("f: cannot be read beyond 416 decompressed bytes: "));
    let mut checksum = packed.clone();
    let at = packed.len() - 8;
    checksum[at] ^= 1;
    assert!(refused(Kind::Images, checksum).contains("corrupt gzip stream"), "checksum");
    let over_long = gzip(&idx(&[1], &[0, 0]));
    assert_eq!(refused(Kind::Labels, over_long), "f: goes on after 9 bytes, all that its 1 records take");
}

#[test]
fn packing_again_changes_nothing() {
    let plain = idx(&[3], &[1, 2, 3]);
    let whole = read(Kind::Labels, plain.clone(), 2).unwrap();
    assert_eq!(whole.1, Digest::of(&plain));
    assert_eq!(read(Kind::Labels, gzip(&plain), 1).unwrap(), whole);
    // What `cat a.gz b.gz` makes is one file too.
    let members = [gzip(&plain[..5]), gzip(&plain[5..])].concat();
    assert_eq!(read(Kind::Labels, members, 5).unwrap(), whole);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        records in 1usize..20, rows in 1usize..5, columns in 1usize..5, at_once in 1usize..30,
        seed: u64, packed: bool,
    ) {
        let mut random = crate::Random::from_seed(seed);
        let content: Vec<_> = (0..records * rows * columns).map(|_| random.bits() as u8).collect();
        let bytes = idx(&[records as u32, rows as u32, columns as u32], &content);
        let stored = if packed { gzip(&bytes) } else { bytes.clone() };
        prop_assert_eq!(read(Kind::Images, stored, at_once).unwrap(), (content, Digest::of(&bytes)));
    }

    #[test]
    fn no_mutation_panics(at in 0usize..60, to: u8, cut in 0usize..60, packed: bool) {
        let mut bytes = idx(&[4, 3, 3], &[9; 36]);
        if packed {
            bytes = gzip(&bytes);
        }
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let _ = read(Kind::Images, bytes.clone(), 3);
        let _ = read(Kind::Labels, bytes, 3);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = read(Kind::Images, bytes, 3);
    }
}
