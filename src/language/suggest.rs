//! "Did you mean …?": names that are near to one that is not there, as the reference implementation (graphql-js)
//! chooses them.

use std::cmp::Ordering;

/// So many names are listed.
const SUGGESTIONS_MAX: usize = 5;

/// The names near to the input, nearest first.
pub(super) fn near<'a>(input: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let measure = Measure::of(input);
    let mut found: Vec<(usize, &str)> =
        names.filter_map(|it| measure.distance(it).map(|distance| (distance, it))).collect();
    found.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| natural_order(x, y)));
    found.dedup();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The sentence that goes after a message, with a space before it; nothing without names.
pub(super) fn did_you_mean(what: &str, names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().take(SUGGESTIONS_MAX).map(|it| format!("\"{it}\"")).collect();
    let list = match quoted.as_slice() {
        [] => return String::new(),
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        [before @ .., last] => format!("{}, or {last}", before.join(", ")),
    };
    format!(" Did you mean {what}{list}?")
}

/// Edits between a name and others: letters put in, left out, exchanged, or swapped with their neighbours.
struct Measure<'a> {
    input: &'a str,
    lower: String,
    units: Vec<u16>,
    /// More edits than this are no likeness.
    edits_max: usize,
}

impl<'a> Measure<'a> {
    fn of(input: &'a str) -> Self {
        let lower = input.to_lowercase();
        let units: Vec<u16> = lower.encode_utf16().collect();
        // Four tenths of its length, rounded down, and one.
        let edits_max = input.encode_utf16().count() * 4 / 10 + 1;
        Self { input, lower, units, edits_max }
    }

    fn distance(&self, name: &str) -> Option<usize> {
        if self.input == name {
            return Some(0);
        }
        let lower = name.to_lowercase();
        // However many letters differ in case alone, they count as one edit.
        if self.lower == lower {
            return Some(1);
        }
        let units: Vec<u16> = lower.encode_utf16().collect();
        let (long, short) =
            if units.len() < self.units.len() { (&self.units, &units) } else { (&units, &self.units) };
        if long.len() - short.len() > self.edits_max {
            return None;
        }
        self.edits(long, short)
    }

    /// By the table of all beginnings, of which three rows are kept.
    fn edits(&self, long: &[u16], short: &[u16]) -> Option<usize> {
        let mut rows: [Vec<usize>; 3] = [(0..=short.len()).collect(), Vec::new(), Vec::new()];
        for i in 1..=long.len() {
            let mut row = vec![i];
            let mut smallest = i;
            for j in 1..=short.len() {
                let up = &rows[(i - 1) % 3];
                let exchanged = up[j - 1] + usize::from(long[i - 1] != short[j - 1]);
                let mut cell = exchanged.min(up[j] + 1).min(row[j - 1] + 1);
                if i > 1 && j > 1 && long[i - 1] == short[j - 2] && long[i - 2] == short[j - 1] {
                    cell = cell.min(rows[(i - 2) % 3][j - 2] + 1);
                }
                smallest = smallest.min(cell);
                row.push(cell);
            }
            if smallest > self.edits_max {
                return None;
            }
            rows[i % 3] = row;
        }
        Some(rows[long.len() % 3][short.len()]).filter(|it| *it <= self.edits_max)
    }
}

/// By letters, where digits that stand together count as one number.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let order = if a[i].is_ascii_digit() && b[j].is_ascii_digit() {
            number(a, &mut i).total_cmp(&number(b, &mut j))
        } else {
            i += 1;
            j += 1;
            a[i - 1].cmp(&b[j - 1])
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// The number at a place, which is moved behind it. Zeros that lead are numbers of their own.
fn number(text: &[u8], at: &mut usize) -> f64 {
    let mut number = 0.0;
    loop {
        number = number * 10.0 + f64::from(text[*at] - b'0');
        *at += 1;
        if number == 0.0 || !text.get(*at).is_some_and(u8::is_ascii_digit) {
            return number;
        }
    }
}
