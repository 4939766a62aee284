//! What this process used of the machine, for reports.

use std::fs;

/// The most memory that this process ever had resident, in bytes; 0 where the kernel does not tell.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_test_uses_some_memory() {
        assert!(super::peak_memory_bytes() > 100_000);
    }
}
