//! A report as text.

use crate::report::{Report, Row, figure};

const HEAD: [&str; 8] = ["", "unit", "ours", "peer", "", "ratio", "n", "aim"];

/// A heading, the machine, and a line per row.
pub(crate) fn render(report: &Report) -> String {
    let lines: Vec<[String; 8]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(report.rows.iter().map(cells)).collect();
    let mut widths = [0; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = format!("{}\n{}\n", report.bench, report.machine.line());
    for line in &lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            // Figures stand under each other at their right edge.
            text += &if matches!(column, 2 | 3 | 5 | 6) {
                format!("{pad}{cell}  ")
            } else {
                format!("{cell}{pad}  ")
            };
        }
        out += text.trim_end();
        out.push('\n');
    }
    out.push('\n');
    out
}

fn cells(row: &Row) -> [String; 8] {
    let aim = match (row.aim, row.pass) {
        (Some(aim), Some(pass)) => format!("{aim} {}", if pass { "met" } else { "MISSED" }),
        _ => String::new(),
    };
    [
        row.name.clone(),
        row.unit.to_owned(),
        row.ours.map(figure).unwrap_or_default(),
        row.peer.map(figure).unwrap_or_default(),
        row.peer_name.clone().unwrap_or_default(),
        row.ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default(),
        row.n.to_string(),
        aim,
    ]
}
