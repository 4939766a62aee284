//! From files to records.

use image::{ColorType, GrayImage, imageops};
use proptest::prelude::*;
use selvedge_data::Shape;
use selvedge_serve::preprocess::{BadImage, Format, Image, record};

use crate::support::{GREY, jpeg, png};

fn classified(file: Vec<u8>, format: Format, shape: Shape) -> Vec<u8> {
    record(Image::Encoded(file.into(), format), shape).unwrap().to_vec()
}

/// A light L on black, 40 × 60 in the upper left of 120 × 120.
fn thing() -> GrayImage {
    GrayImage::from_fn(120, 120, |x, y| {
        let inside = (10..50).contains(&x) && (20..80).contains(&y) && (x < 25 || y > 60);
        image::Luma([if inside { 200 } else { 10 }])
    })
}

/// Rows and columns of the part that is not background: top, bottom, left, right.
fn extent(record: &[u8]) -> [usize; 4] {
    let rows: Vec<_> = (0..28).filter(|y| record[y * 28..][..28].iter().any(|v| *v > 60)).collect();
    let columns: Vec<_> = (0..28).filter(|x| (0..28).any(|y| record[y * 28 + x] > 60)).collect();
    [rows[0], rows[rows.len() - 1], columns[0], columns[columns.len() - 1]]
}

#[test]
fn a_photograph_is_cut_out_made_as_large_as_it_fits_and_centred() {
    let record = classified(png(thing().as_raw(), 120, 120, ColorType::L8), Format::Png, GREY);
    let [top, bottom, left, right] = extent(&record);
    assert_eq!((top, bottom), (0, 27));
    // 40 : 60 of 28 rows is 18.7 columns.
    assert!((18..=20).contains(&(right - left + 1)) && left.abs_diff(27 - right) <= 1, "{left}..{right}");
    assert_eq!(record.iter().max(), Some(&255));
    assert_eq!(record[0], 0, "the background is black");
}

#[test]
fn a_light_background_is_turned_dark() {
    let dark = classified(png(thing().as_raw(), 120, 120, ColorType::L8), Format::Png, GREY);
    let mut light = thing();
    imageops::invert(&mut light);
    let turned = classified(png(light.as_raw(), 120, 120, ColorType::L8), Format::Png, GREY);
    assert_eq!(dark, turned);
    let lossy = classified(jpeg(light.as_raw(), 120, 120, ColorType::L8), Format::Jpeg, GREY);
    let off: u32 = dark.iter().zip(&lossy).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    assert!(off < 784 * 8, "mean difference {}", f64::from(off) / 784.0);
}

#[test]
fn a_cut_out_thing_stays_visible_whether_it_is_dark_or_light() {
    let opaque = |light: u8| -> Vec<u8> {
        let pixel = |v: &u8| if *v == 200 { [light, light, light, 255] } else { [0, 0, 0, 0] };
        thing().as_raw().iter().flat_map(pixel).collect()
    };
    let [dark, light] =
        [20, 230].map(|v| classified(png(&opaque(v), 120, 120, ColorType::Rgba8), Format::Png, GREY));
    assert_eq!(extent(&dark), extent(&light));
}

#[test]
fn the_size_decides_what_is_a_record() {
    let found = record(Image::Record(vec![0; 3].into()), GREY);
    assert_eq!(found, Err(BadImage::WrongSize { expected: GREY, found: 3 }));
    let deep = Shape { channels: 7, ..GREY };
    let file = png(&[0; 784], 28, 28, ColorType::L8);
    assert_eq!(record(Image::Encoded(file.into(), Format::Png), deep), Err(BadImage::NoSuchForm(7)));
}

#[test]
fn colour_records_keep_their_colours() {
    let shape = Shape { height: 4, width: 8, channels: 3 };
    let pixels: Vec<u8> = (0..96).collect();
    assert_eq!(classified(png(&pixels, 8, 4, ColorType::Rgb8), Format::Png, shape), pixels);
    // A scene of another size is scaled and cut, never turned or cropped to a thing.
    let scene: Vec<u8> = std::iter::repeat_n([200, 30, 5], 90 * 30).flatten().collect();
    let scaled = classified(png(&scene, 90, 30, ColorType::Rgb8), Format::Png, shape);
    assert!(scaled.chunks(3).all(|pixel| pixel == [200, 30, 5]), "{scaled:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_record_as_a_picture_is_that_record_bit_by_bit(pixels in prop::collection::vec(any::<u8>(), 784)) {
        let file = png(&pixels, 28, 28, ColorType::L8);
        prop_assert_eq!(&classified(file, Format::Png, GREY), &pixels);
        let colour: Vec<u8> = pixels.iter().flat_map(|v| [*v, *v, *v]).collect();
        let file = png(&colour, 28, 28, ColorType::Rgb8);
        prop_assert_eq!(&classified(file, Format::Png, GREY), &pixels);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, signed: bool, kind: bool) {
        let format = if kind { Format::Png } else { Format::Jpeg };
        let head: &[u8] = if kind { b"\x89PNG\r\n\x1a\n" } else { b"\xff\xd8\xff" };
        let bytes = if signed { [head, &bytes].concat() } else { bytes };
        let _ = record(Image::Encoded(bytes.into(), format), GREY);
    }

    #[test]
    fn damaged_files_never_panic(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: prop::sample::Index, kind: bool) {
        let thing = thing();
        let (mut file, format) = match kind {
            true => (png(thing.as_raw(), 120, 120, ColorType::L8), Format::Png),
            false => (jpeg(thing.as_raw(), 120, 120, ColorType::L8), Format::Jpeg),
        };
        for (index, value) in at {
            let index = index.index(file.len());
            file[index] = value;
        }
        file.truncate(cut.index(file.len() * 2) + 1);
        if let Ok(record) = record(Image::Encoded(file.into(), format), GREY) {
            prop_assert_eq!(record.len(), 784);
        }
    }

    #[test]
    fn photographs_of_any_size_and_content_become_records(
        width in 1_u32..40, height in 1_u32..40, seed: u64, channels in prop::sample::select(vec![1_usize, 3]),
    ) {
        let mut state = seed;
        let mut noise = || { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); (state >> 56) as u8 };
        let pixels: Vec<u8> = (0..width * height * 4).map(|_| noise()).collect();
        let shape = Shape { channels, ..GREY };
        let record = classified(png(&pixels, width, height, ColorType::Rgba8), Format::Png, shape);
        prop_assert_eq!(record.len(), shape.bytes());
    }
}
