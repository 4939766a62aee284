//! Figures as a reader wants them.

use jiff::Timestamp;

/// A narrow space that does not break: between a number and its unit.
const THIN: char = '\u{202f}';

/// `92.16 %` of a share from 0 to 1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}{THIN}%", share * 100.0)
}

/// `15 %`, or `4.2 %` of a share below a tenth.
pub(super) fn rough_percent(share: f64) -> String {
    let digits = usize::from(share < 0.1);
    format!("{:.digits$}{THIN}%", share * 100.0)
}

/// `420 ms`, `3.4 s`, `34 s`, `2 min 14 s`, `1 h 02 min`.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match seconds {
        s if s < 0.9995 => format!("{:.0}{THIN}ms", s.max(0.0) * 1000.0),
        s if s < 9.95 => format!("{s:.1}{THIN}s"),
        _ if whole < 120 => format!("{whole}{THIN}s"),
        _ if whole < 3600 => format!("{}{THIN}min {:02}{THIN}s", whole / 60, whole % 60),
        _ => format!("{}{THIN}h {:02}{THIN}min", whole / 3600, whole % 3600 / 60),
    }
}

/// `784 B`, `76.7 KiB`, `1.5 MiB`.
pub(super) fn bytes(bytes: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes, "B");
    for next in units {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let digits = usize::from(unit != "B" && value < 99.95);
    format!("{value:.digits$}{THIN}{unit}")
}

/// `60,000`.
pub(super) fn count(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().unwrap_or_default().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `96.4 K`, `4.57 M`: three digits are enough to compare models.
pub(super) fn magnitude(number: u64) -> String {
    let (value, unit) = match number {
        0..1_000 => return number.to_string(),
        1_000..1_000_000 => (number as f64 / 1e3, 'K'),
        1_000_000..1_000_000_000 => (number as f64 / 1e6, 'M'),
        _ => (number as f64 / 1e9, 'G'),
    };
    let digits = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{THIN}{unit}")
}

/// `2026-11-23 09:12:53 UTC`.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace(THIN, " ")
    }

    #[test]
    fn times_keep_two_or_three_digits() {
        let texts = [0.42, 0.9997, 3.44, 9.97, 119.4, 134.0, 3725.0].map(|s| plain(seconds(s)));
        assert_eq!(texts, ["420 ms", "1.0 s", "3.4 s", "10 s", "119 s", "2 min 14 s", "1 h 02 min"]);
    }

    #[test]
    fn sizes_and_counts_have_units_and_groups() {
        assert_eq!(plain(bytes(784.0)), "784 B");
        assert_eq!(plain(bytes(78_500.0)), "76.7 KiB");
        assert_eq!(plain(bytes(43_120_000.0)), "41.1 MiB");
        assert_eq!(plain(bytes(268_435_456.0)), "256 MiB");
        assert_eq!([count(7_u64), count(1_000_u64), count(1_234_567_u64)], ["7", "1,000", "1,234,567"]);
        assert_eq!(plain(magnitude(4_570_000)), "4.57 M");
        assert_eq!(plain(percent(0.92155)), "92.16 %");
    }
}
