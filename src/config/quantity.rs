//! Numbers with units: durations and sizes.

use std::time::Duration;

/// Digits only; `_` may group them.
pub(super) fn count(text: &str) -> Option<usize> {
    let digits = text.starts_with(|it: char| it.is_ascii_digit()) && !text.ends_with('_');
    if digits { text.replace('_', "").parse().ok() } else { None }
}

/// Bytes: a plain number, or one with `B`, `KB` (1000), `KiB` (1024), and so on up to `TB`, in any case.
pub(super) fn size(text: &str) -> Option<usize> {
    let at = text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let bytes_per: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    usize::try_from(scaled(number.trim_end(), bytes_per)?).ok()
}

/// Numbers with units one after the other, as in `1m30s`; a lone `0` needs none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut total, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let unit_at = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, tail) = rest.split_at(unit_at);
        let next_at = tail.find(|it: char| it.is_ascii_digit() || it == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(next_at);
        total = total.checked_add(scaled(number, nanoseconds_per(unit)?)?)?;
        rest = tail;
    }
    if text.is_empty() { None } else { Some(Duration::from_nanos(total)) }
}

fn nanoseconds_per(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A decimal number times a unit, in whole numbers all the way; what is less than one is cut off.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let (numerator, denominator) = (fraction.parse::<u128>().ok()?, 10u128.pow(fraction.len() as u32));
    let part = u64::try_from(numerator * u128::from(unit) / denominator).ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10s", Some(10_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("5µs", Some(5_000)),
            ("7ns", Some(7)),
            ("", None),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("10 s", None),
            ("1.s", None),
            (".5s", None),
            ("1s2", None),
            ("1.2.3s", None),
            ("1d", None),
            ("99999999999h", None),
            ("18446744073709551615s", None),
        ];
        for (text, nanoseconds) in cases {
            assert_eq!(duration(text), nanoseconds.map(Duration::from_nanos), "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("7B", Some(7)),
            ("256KB", Some(256_000)),
            ("256kb", Some(256_000)),
            ("1MiB", Some(1_048_576)),
            ("1.5KiB", Some(1536)),
            ("4 MB", Some(4_000_000)),
            ("2GiB", Some(2_147_483_648)),
            ("", None),
            ("KB", None),
            ("-1KB", None),
            ("1XB", None),
            ("1KB2", None),
            ("99999999999TB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn counts() {
        let cases = [
            ("0", Some(0)),
            ("100_000", Some(100_000)),
            ("", None),
            ("_1", None),
            ("1_", None),
            ("+1", None),
            ("1.0", None),
            ("99999999999999999999999", None),
        ];
        for (text, number) in cases {
            assert_eq!(count(text), number, "{text:?}");
        }
    }
}
