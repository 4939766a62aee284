//! From somebody's photograph to something that looks like a record of the data set.
//!
//! Grey data sets of things (Fashion-MNIST, MNIST) show them light on black, cut out, as large as they fit, centred:
//! of 3,000 Fashion-MNIST records 2,759 fill all 28 pixels of the longer side, and where a margin cannot be
//! even, the top and the left get the odd pixel. Colour data sets show scenes: those are only scaled and cut.

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, Luma, RgbImage, Rgba};
use selvedge_data::Shape;

/// A photograph is shrunk to this many pixels a side first: less noise to take for content, less to do.
const WORKING_SIDE: u32 = 512;
/// Content is what differs from the background by this share of the largest difference, in per cent.
const CONTENT_PERCENT: u32 = 15;
/// Less difference than this is a picture of nothing: it is not cut and not stretched.
const LEAST_CONTRAST: u8 = 16;

/// An image of exactly the data set's size.
pub(super) fn as_it_is(image: DynamicImage, shape: Shape) -> Vec<u8> {
    let opaque = without_alpha(image, 0);
    match shape.channels {
        1 => opaque.into_luma8().into_raw(),
        _ => opaque.into_rgb8().into_raw(),
    }
}

/// An image of any other size.
pub(super) fn fit(image: DynamicImage, shape: Shape) -> Vec<u8> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    if shape.channels == 3 {
        let scene = middle(without_alpha(image, 0), width, height);
        return scene.resize_exact(width, height, FilterType::CatmullRom).into_rgb8().into_raw();
    }
    let small = if image.width().max(image.height()) > WORKING_SIDE {
        image.thumbnail(WORKING_SIDE, WORKING_SIDE)
    } else {
        image
    };
    let behind = contrasting(&small);
    let thing = light_on_black(without_alpha(small, behind).into_luma8());
    centred(&cut(&thing), width, height).into_raw()
}

/// The image over a background of one brightness; an opaque image stays as it is.
fn without_alpha(image: DynamicImage, behind: u8) -> DynamicImage {
    if !image.color().has_alpha() {
        return image;
    }
    let over = |value: u8, alpha: u8| {
        let (value, alpha, behind) = (u32::from(value), u32::from(alpha), u32::from(behind));
        ((value * alpha + behind * (255 - alpha) + 127) / 255) as u8
    };
    let rgba = image.into_rgba8();
    let mut opaque = RgbImage::new(rgba.width(), rgba.height());
    for (&Rgba([r, g, b, a]), pixel) in rgba.pixels().zip(opaque.pixels_mut()) {
        pixel.0 = [over(r, a), over(g, a), over(b, a)];
    }
    opaque.into()
}

/// White behind what is dark and black behind what is light, so that a cut-out thing stays visible.
fn contrasting(image: &DynamicImage) -> u8 {
    if !image.color().has_alpha() {
        return 0;
    }
    let (mut light, mut seen) = (0_u64, 0_u64);
    for pixel in image.to_luma_alpha8().pixels() {
        let [value, alpha] = pixel.0.map(u64::from);
        light += value * alpha;
        seen += alpha;
    }
    if light < 128 * seen { 255 } else { 0 }
}

/// Black background, the thing's lightest part white. The border tells what the background is.
fn light_on_black(mut image: GrayImage) -> GrayImage {
    if border_median(&image) > 127 {
        imageops::invert(&mut image);
    }
    let background = border_median(&image);
    let lightest = image.as_raw().iter().copied().max().unwrap_or(0);
    let contrast = lightest.saturating_sub(background);
    if contrast >= LEAST_CONTRAST {
        for Luma([value]) in image.pixels_mut() {
            *value = (u32::from(value.saturating_sub(background)) * 255 / u32::from(contrast)) as u8;
        }
    }
    image
}

/// The median, not the mean: things often touch the border.
fn border_median(image: &GrayImage) -> u8 {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    let rows = (0..=right).flat_map(|x| [(x, 0), (x, bottom)]);
    let columns = (0..=bottom).flat_map(|y| [(0, y), (right, y)]);
    let mut border: Vec<u8> = rows.chain(columns).map(|(x, y)| image.get_pixel(x, y).0[0]).collect();
    let middle = border.len() / 2;
    *border.select_nth_unstable(middle).1
}

/// The smallest part that holds all content; all of it where there is no content.
fn cut(image: &GrayImage) -> GrayImage {
    let lightest = image.as_raw().iter().copied().max().unwrap_or(0);
    let threshold = (u32::from(lightest) * CONTENT_PERCENT / 100) as u8;
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y, Luma([value])) in image.enumerate_pixels() {
        if *value > threshold {
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
    }
    if left == u32::MAX || lightest < LEAST_CONTRAST {
        return image.clone();
    }
    imageops::crop_imm(image, left, top, right - left + 1, bottom - top + 1).to_image()
}

/// The largest part of the aspect `width : height`, from the middle.
fn middle(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let (w, h) = (u64::from(image.width()), u64::from(image.height()));
    let (width, height) = (u64::from(width), u64::from(height));
    let w_kept = (h * width / height).clamp(1, w);
    let h_kept = (w * height / width).clamp(1, h);
    let (x, y) = ((w - w_kept) / 2, (h - h_kept) / 2);
    image.crop_imm(x as u32, y as u32, w_kept as u32, h_kept as u32)
}

/// As large as it fits, its aspect kept, in the middle.
fn centred(thing: &GrayImage, width: u32, height: u32) -> GrayImage {
    let scale =
        f64::min(f64::from(width) / f64::from(thing.width()), f64::from(height) / f64::from(thing.height()));
    let side = |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most);
    let (w, h) = (side(thing.width(), width), side(thing.height(), height));
    let scaled = imageops::resize(thing, w, h, FilterType::CatmullRom);
    let mut record = GrayImage::new(width, height);
    let (left, top) = ((width - w).div_ceil(2), (height - h).div_ceil(2));
    imageops::replace(&mut record, &scaled, left.into(), top.into());
    record
}
