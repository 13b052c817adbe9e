//! Results: a table for people, a file for machines, and whether every bar was met.

use serde::Serialize;
use std::{fs, io, path::Path};

/// One measured figure.
#[derive(Debug, Serialize)]
pub struct Row {
    pub scenario: &'static str,
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// The value must not exceed this; without it the figure is only told.
    pub bar: Option<f64>,
}

impl Row {
    pub fn met(&self) -> bool {
        // A figure that is no number has not met anything.
        self.bar.is_none_or(|bar| self.value <= bar)
    }
}

#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether server and client had a core each.
    pub pinned: bool,
    pub rows: Vec<Row>,
}

impl Report {
    pub fn met(&self) -> bool {
        self.rows.iter().all(Row::met)
    }

    /// A line per row; those that missed their bar say so.
    pub fn table(&self) -> String {
        let mut table =
            format!("{:<10} {:<58} {:>10} {:<8} {:>8}\n", "scenario", "what", "value", "unit", "at most");
        for row in &self.rows {
            let Row { scenario, what, value, unit, bar } = row;
            let bar = bar.map_or(String::from("-"), |it| format!("{it}"));
            let verdict = if row.met() { "" } else { "  MISSED" };
            table += &format!("{scenario:<10} {what:<58} {value:>10.2} {unit:<8} {bar:>8}{verdict}\n");
        }
        table
    }

    pub fn write(&self, file: &Path) -> io::Result<()> {
        fs::write(file, serde_json::to_string_pretty(self).map_err(io::Error::other)?)
    }
}
