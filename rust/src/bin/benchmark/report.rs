//! All figures together, for people and for programs.

use std::fmt::Write as _;

use serde_json::{json, Value};
use twisterl::testing::Widths;

use crate::figure::Figure;
use crate::options::Options;

/// One JSON object, and the options that it depends on.
pub fn report(options: &Options, figures: &[Figure]) -> Value {
    json!({
        "width": options.width,
        "height": options.height,
        "difficulty": options.difficulty,
        "embedding": options.widths.embedding,
        "common": options.widths.common,
        "episodes": options.episodes,
        "search_episodes": options.search_episodes,
        "peak_mib": peak_mib(),
        "figures": figures.iter().map(Figure::to_json).collect::<Vec<_>>(),
    })
}

/// The most memory that this process has had, where /proc tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

pub fn table(options: &Options, figures: &[Figure]) -> String {
    let Options { width, height, widths, episodes, .. } = options;
    let Widths { embedding, common } = widths;
    let mut text = format!(
        "{width} x {height} board, network {embedding} -> {common}, \
         {episodes} episodes a collection\n\n{:<50} {:>12} {:>12} {:>12}\n",
        "", "median", "lowest", "highest"
    );
    for Figure { name, unit, median, low, high } in figures {
        let [median, low, high] = [median, low, high].map(|&value| match *unit {
            "ns" => format!("{value:.2}"),
            _ => grouped(value),
        });
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:<50} {median:>12} {low:>12} {high:>12}  {unit}");
    }
    text
}

/// A whole number with a comma every three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
