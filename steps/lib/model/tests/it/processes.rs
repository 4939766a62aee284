//! What only a process of its own can show: this test binary starts itself.

use std::process::Command;

use selvedge_contract::ExitCode;
use selvedge_model::{check_libtorch, runtime, set_instructions};
use selvedge_plan::instructions;
use selvedge_store::Digest;

use crate::support::{Records, SPECS, gradient, trainer};

/// What test `name` of this binary prints, in a process of its own.
fn said(name: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", name])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let said = text.lines().find_map(|line| line.split_once("said: ")).unwrap().1;
    said.to_owned()
}

/// A digest of the gradients of all networks; `backwards` in the opposite order.
fn gradients(backwards: bool) -> Digest {
    let mut all: Vec<_> = SPECS.iter().flat_map(|spec| [(spec, 32), (spec, 9)]).collect();
    if backwards {
        all.reverse();
    }
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(spec, count)| gradient(&trainer(spec), &Records::new(count, 1), 2).0)
        .map(|sum| Digest::of(bytemuck::cast_slice::<f32, u8>(&sum)).to_string())
        .collect();
    all.sort();
    Digest::of(all.concat())
}

#[test]
fn gradients_have_the_same_bits_in_every_process() {
    let forwards = said("processes::print_gradients");
    assert_eq!(forwards, said("processes::print_gradients"));
    assert_eq!(forwards, said("processes::print_gradients_backwards"));
}

#[test]
#[ignore = "run by another test"]
fn print_gradients() {
    set_instructions(instructions::detect()).unwrap();
    println!("said: {}", gradients(false));
}

#[test]
#[ignore = "run by another test"]
fn print_gradients_backwards() {
    set_instructions(instructions::detect()).unwrap();
    println!("said: {}", gradients(true));
}

#[test]
fn instructions_are_honoured_and_settled_for_good() {
    assert_eq!(said("processes::print_capability"), "DEFAULT");
    assert_eq!(said("processes::print_late"), "too late");
}

#[test]
#[ignore = "run by another test"]
fn print_capability() {
    set_instructions("default").unwrap();
    set_instructions("default").unwrap();
    println!("said: {}", runtime::capability());
}

#[test]
#[ignore = "run by another test"]
fn print_late() {
    let uses = runtime::capability();
    let other = if uses == "DEFAULT" { "avx2" } else { "default" };
    match set_instructions(other) {
        Err(error) if error.to_string().contains(&uses) => println!("said: too late"),
        other => println!("said: {other:?}"),
    }
}

#[test]
fn instructions_that_the_cpu_lacks_are_a_matter_of_configuration() {
    let error = set_instructions("avx1024").unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Configuration);
    let text = error.to_string();
    assert!(text.contains(r#""avx1024""#) && text.contains(instructions::detect()), "{text}");
}

#[test]
fn the_libtorch_is_the_one_that_keys_name() {
    check_libtorch().unwrap();
}
