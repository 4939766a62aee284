//! What this process used of the processors, for reports.

use std::fs;

/// Linux tells times in hundredths of a second, whatever the kernel counts in.
const TICKS: f64 = 100.0;

/// Seconds of processor time of all threads of this process so far; 0 where the kernel does not tell.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, may hold anything, but ends at the last parenthesis.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = rest.split_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    let (user, system) = (fields.next().unwrap_or(0.0), fields.next().unwrap_or(0.0));
    (user + system) / TICKS
}

#[cfg(test)]
mod tests {
    #[test]
    fn work_takes_time() {
        let before = super::cpu_seconds();
        let mut number = 1u64;
        while super::cpu_seconds() - before < 0.03 {
            for _ in 0..100_000 {
                number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) + 1);
            }
        }
        assert!(super::cpu_seconds() < before + 10.0);
    }
}
