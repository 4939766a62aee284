//! What libtorch is and runs as: its version, its instruction set, its one thread.

use std::sync::Mutex;
use std::{ffi, slice};

use anyhow::{bail, ensure};
use selvedge_contract::Misconfigured;
use selvedge_plan::{instructions, key};

/// The set that this process settled on.
static SETTLED: Mutex<Option<String>> = Mutex::new(None);

/// Makes libtorch, oneDNN and MKL use the instruction set `name` (`avx512`, `avx2`, `default`) and no wider one.
///
/// To be called before anything of libtorch is used, which chooses its kernels then and for good; a second call
/// with the same name is nothing.
///
/// # Errors
/// When this CPU lacks the set, or libtorch has chosen another: both are named.
pub fn set_instructions(name: &str) -> anyhow::Result<()> {
    let mut settled = SETTLED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if settled.as_deref() == Some(name) {
        return Ok(());
    }
    if !instructions::available(name) {
        let has = instructions::detect();
        let text = format!("instructions {name:?} are wanted, this CPU has {has:?}");
        return Err(Misconfigured::message(text).into());
    }
    if settled.is_none() {
        request(name);
        *settled = Some(name.to_owned());
    }
    let uses = capability();
    ensure!(
        uses.eq_ignore_ascii_case(name) && settled.as_deref() == Some(name),
        "instructions {name:?} are wanted, libtorch already uses {uses:?}"
    );
    Ok(())
}

/// Fails unless the libtorch that is loaded is the one that keys and identities name.
///
/// # Errors
/// Names both versions.
pub fn check_libtorch() -> anyhow::Result<()> {
    let config = text(show_config);
    let version =
        config.split_once("TORCH_VERSION=").and_then(|(_, rest)| rest.split([',', ' ', '\n', '+']).next());
    match version {
        Some(key::LIBTORCH) => Ok(()),
        Some(other) => bail!("libtorch {} is wanted, {other} is loaded", key::LIBTORCH),
        None => bail!("libtorch {} is wanted, the one loaded tells no version", key::LIBTORCH),
    }
}

/// The instruction set that ATen's kernels use: `AVX512`, `AVX2`, `DEFAULT`. Asking settles it.
pub fn capability() -> String {
    text(get_cpu_capability)
}

/// One thread for the calling thread's work: libtorch keeps the number per thread.
pub(crate) fn one_thread() {
    tch::set_num_threads(1);
}

fn request(name: &str) {
    let (aten, onednn, mkl, reproducible) = match name {
        "avx512" => ("avx512", "AVX512_CORE", "AVX512", "AVX512,STRICT"),
        "avx2" => ("avx2", "AVX2", "AVX2", "AVX2,STRICT"),
        _ => ("default", "SSE41", "SSE4_2", "COMPATIBLE"),
    };
    let variables = [
        ("ATEN_CPU_CAPABILITY", aten),
        ("ONEDNN_MAX_CPU_ISA", onednn),
        ("MKL_ENABLE_INSTRUCTIONS", mkl),
        // Conditional numerical reproducibility: kernels are not chosen by alignment.
        ("MKL_CBWR", reproducible),
    ];
    for (variable, value) in variables {
        // SAFETY: the C library's `getenv` in another thread is the only danger. Only name resolution and libtorch
        // call it here, and no request to the store is under way while a stage settles its instructions.
        #[expect(clippy::disallowed_methods, reason = "libtorch, oneDNN and MKL take it from nowhere else")]
        unsafe {
            std::env::set_var(variable, value);
        }
    }
}

/// A `std::string` of libstdc++ on a 64-bit machine.
#[repr(C)]
struct CxxString {
    begin: *const u8,
    length: usize,
    /// Short texts lie in here.
    local: [usize; 2],
}

unsafe extern "C" {
    /// `std::string at::get_cpu_capability()`: the result is written where the hidden first argument points.
    #[link_name = "_ZN2at18get_cpu_capabilityB5cxx11Ev"]
    fn get_cpu_capability(out: *mut CxxString) -> *mut ffi::c_void;
    /// `std::string at::show_config()`.
    #[link_name = "_ZN2at11show_configB5cxx11Ev"]
    fn show_config(out: *mut CxxString) -> *mut ffi::c_void;
}

/// What a function of libtorch says. The few hundred bytes of a long text are not given back.
fn text(say: unsafe extern "C" fn(*mut CxxString) -> *mut ffi::c_void) -> String {
    let mut out = std::mem::MaybeUninit::<CxxString>::uninit();
    // SAFETY: both functions construct a string at `out`, which stays where it is; its bytes are `length` at `begin`.
    unsafe {
        say(out.as_mut_ptr());
        let out = out.assume_init_ref();
        String::from_utf8_lossy(slice::from_raw_parts(out.begin, out.length)).into_owned()
    }
}
