//! The notation of networks.

use proptest::prelude::*;
use selvedge_data::Shape;
use selvedge_model::{Network, Trainer};

use crate::support::{CLASSES, Records, SHAPE, gradient, settings};

fn refused(spec: &str) -> String {
    format!("{:#}", Network::parse(spec, SHAPE, CLASSES).unwrap_err())
}

#[test]
fn what_cannot_be_is_named() {
    for (spec, said) in [
        ("", "does not end in an output layer"),
        ("c8.3 f", "does not end in an output layer"),
        ("x3 f o", r#"layer "x3" of network "x3 f o": expected one of cO.k"#),
        ("c8 f o", r#"layer "c8""#),
        ("c8.3.1.1.1 f o", r#"layer "c8.3.1.1.1""#),
        ("c8.x f o", r#""x" is not a number"#),
        ("c8.+3 f o", r#""+3" is not a number"#),
        ("c8..3 f o", r#""" is not a number"#),
        ("c99999999999999999999.3 f o", "is not a number"),
        ("c0.3 f o", "outputs 0: expected 1 to 4096"),
        ("c8.0 f o", "kernel 0"),
        ("c8.3.0 f o", "stride 0"),
        ("c8.3.1.3 f o", "padding 3 is not less than kernel 3"),
        ("c8.9.1.0 f o", "kernel 9 is larger than 8"),
        ("m m m m f o", r#"layer "m" of network "m m m m f o": nothing is left"#),
        ("b8 o", "flatten by `f` first"),
        ("o", "flatten by `f` first"),
        ("f c8.3 o", "cannot follow `f`"),
        ("f f o", "cannot follow `f`"),
        ("f o b8", "follows the output layer"),
        ("f o o", "follows the output layer"),
        ("f o7", "7 outputs, but the data set has 4 classes"),
        ("ö f o", r#"layer "ö""#),
        ("c4096.3 c4096.3 f o", "more than"),
        ("f b4096 b4096 b4096 b4096 o", "more than"),
    ] {
        let error = refused(spec);
        assert!(error.contains(said), "{spec:?}: {error}");
        assert!(error.contains(&format!("{spec:?}")), "{error}");
    }
}

#[test]
fn impossible_records_and_classes_are_refused() {
    let parse = |height, classes| {
        let error = Network::parse("f o", Shape { height, ..SHAPE }, classes).unwrap_err();
        error.to_string()
    };
    assert!(parse(0, 4).contains("records of 0 × 8 × 1"));
    assert!(parse(5000, 4).contains("sides are 1 to 1024"));
    assert!(parse(8, 1).contains("1 classes"));
    assert!(parse(8, 257).contains("257 classes"));
}

/// Any layer that takes an image and gives one.
fn image_layer() -> impl Strategy<Value = String> {
    prop_oneof![
        (1usize..9, 1usize..4, 1usize..3)
            .prop_map(|(outputs, kernel, stride)| { format!("c{outputs}.{kernel}.{stride}") }),
        (1usize..9, 1usize..4).prop_map(|(outputs, kernel)| format!("c{outputs}.{kernel}")),
        (1usize..9, 1usize..3).prop_map(|(outputs, stride)| format!("r{outputs}.{stride}")),
    ]
}

fn network() -> impl Strategy<Value = String> {
    let body = prop::collection::vec(image_layer(), 0..4);
    let head = prop::collection::vec((1usize..9).prop_map(|outputs| format!("b{outputs}")), 0..3);
    (body, any::<bool>(), head).prop_map(|(body, pool, head)| {
        let pool = if pool { "m" } else { "" };
        format!("{pool} {} f {} o", body.join(" "), head.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(spec in "[cmrfbo0-9. ]{0,24}|\\PC{0,12}") {
        let _ = Network::parse(&spec, SHAPE, CLASSES);
    }

    #[test]
    fn what_parses_can_be_trained(spec in network()) {
        let network = Network::parse(&spec, SHAPE, CLASSES).unwrap();
        let trainer = Trainer::new(network, &settings(&spec)).unwrap();
        let (sum, loss) = gradient(&trainer, &Records::new(6, 1), 0);
        prop_assert!(loss.is_finite() && sum.iter().all(|element| element.is_finite()));
    }
}
