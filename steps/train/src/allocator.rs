//! The C library's allocator, told what a training does: the same large tensors come and go in every step.

/// Up to this size, freed memory is kept for the next step: the largest that glibc lets one ask for.
const KEPT: libc::c_int = 32 << 20;

/// Keeps freed memory instead of giving it back to the kernel and faulting it in again, which took 5 % of a
/// convolutional training's processor time. Peak memory grows by a few hundredths.
pub(crate) fn keep_freed_memory() {
    // SAFETY: `mallopt` takes numbers, and may be called at any time.
    let kept = unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * KEPT) == 1
    };
    tracing::debug!(kept, "freed memory");
}
