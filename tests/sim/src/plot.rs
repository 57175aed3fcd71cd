//! The report as a page that needs nothing else: bars by class, distance to the limit, and one session second by second.

use std::fmt::Display;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::SimError;
use crate::network::Trace;
use crate::report::{ClassInfo, Report, Row};
use crate::roster::{self, Entry, Kind, LIMIT};
use crate::session::Session;
use crate::sim::{Event, play};
use crate::world::{Case, Class, World};

const WIDTH: u32 = 1_080;
const OURS: RGBColor = RGBColor(0x0b, 0x6e, 0x4f);
const BASELINE: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const ORACLE: RGBColor = RGBColor(0xd9, 0xa4, 0x41);
const STALL: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const INK: RGBColor = RGBColor(0x22, 0x2b, 0x36);
/// From the lowest rendition to the highest.
const RENDITIONS: [RGBColor; 4] = [
    RGBColor(0x9e, 0xc9, 0xe2),
    RGBColor(0x4f, 0x9b, 0xc7),
    RGBColor(0x1f, 0x64, 0x9c),
    RGBColor(0x0a, 0x2f, 0x5c),
];
/// Two greens in turn, so that neighbouring videos can be told apart.
const VIDEOS: [RGBColor; 2] = [RGBColor(0x7f, 0xc8, 0xa9), RGBColor(0x3d, 0x8b, 0x6b)];

/// Writes the page.
///
/// # Errors
/// Where the file cannot be written or a chart cannot be drawn.
pub fn write(file: &Path, report: &Report, world: &World, policies: &[Entry]) -> Result<(), SimError> {
    std::fs::write(file, page(report, world, policies)?).map_err(|e| SimError::io(file, e))
}

fn page(report: &Report, world: &World, policies: &[Entry]) -> Result<String, SimError> {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Unspool: prefetching, simulated</title>\
         <style>body{font:15px/1.5 system-ui,sans-serif;color:#222b36;max-width:1100px;margin:2em auto;padding:0 1em}\
         h1{font-size:1.5em}h2{font-size:1.15em;margin:2em 0 .3em}svg{width:100%;height:auto}\
         p{margin:.3em 0}.key span{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}</style>\
         <h1>Prefetching, simulated</h1>",
    );
    out += &format!(
        "<p>{} people, {} traces each in every class, seed {}. S is quality minus half a point per megabit fetched; higher is better.</p>",
        report.users, report.traces_per_user, report.seed
    );
    for note in &report.notes {
        out += &format!("<p>Note: {}</p>", escape(note));
    }
    out += &format!(
        "<p class=\"key\">{}{}{}</p><h2>Score S by class of networks</h2>",
        key(OURS, "the planner that ships"),
        key(BASELINE, "published policies"),
        key(ORACLE, "oracles")
    );
    out += &chart(height_of(&report.classes), |area| bars(area, report, &|row, _| row.s, 1))?;
    if report.rows.iter().any(|r| r.policy == LIMIT) {
        out += "<h2>Distance to the limit: points of S that hindsight would have added</h2>";
        out += &chart(height_of(&report.classes), |area| bars(area, report, &|row, limit| limit - row.s, 1))?;
    }
    if let Some((class, case)) = specimen(world) {
        out += &format!(
            "<h2>One session, second by second</h2><p>Person {} on {} ({}), from {:.0} s into the trace.</p><p class=\"key\">{}{}{} downloads:{}{}{}</p>",
            case.user,
            escape(&class.name),
            escape(&class.traces[case.trace].name),
            case.start_ms / 1_000.0,
            key(VIDEOS[0], "playing,"),
            key(VIDEOS[1], "the video after it,"),
            key(STALL, "no picture;"),
            key(RENDITIONS[0], "lowest rendition"),
            key(RENDITIONS[3], "highest"),
            key(WHITE, "outlined in red: never shown")
        );
        for entry in timeline_policies(report, policies) {
            out += &chart(250, |area| timeline(area, class, case, &entry))?;
        }
    }
    Ok(out + "</html>\n")
}

fn key(color: RGBColor, text: &str) -> String {
    let RGBColor(r, g, b) = color;
    let edge = if color == WHITE { ";border:1px solid #c0392b" } else { "" };
    format!("<span style=\"background:rgb({r},{g},{b}){edge}\"></span>{text}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn chart(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), SimError>) -> Result<String, SimError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    // The page scales it.
    Ok(svg.replacen(&format!("width=\"{WIDTH}\" height=\"{height}\" "), "", 1))
}

fn failed(error: impl Display) -> SimError {
    SimError::Usage(format!("a chart cannot be drawn: {error}"))
}

const COLUMNS: usize = 2;

fn height_of(classes: &[ClassInfo]) -> u32 {
    classes.len().div_ceil(COLUMNS) as u32 * 260
}

/// A panel per class, a bar per policy.
fn bars(
    area: &Area<'_>,
    report: &Report,
    value: &dyn Fn(&Row, f64) -> f64,
    decimals: usize,
) -> Result<(), SimError> {
    let panels = area.split_evenly((report.classes.len().div_ceil(COLUMNS), COLUMNS));
    for (class, panel) in report.classes.iter().zip(&panels) {
        let rows: Vec<&Row> = report.rows.iter().filter(|r| r.class == class.name).collect();
        let limit = rows.iter().find(|r| r.policy == LIMIT).map_or(0.0, |r| r.s);
        let values: Vec<f64> = rows.iter().map(|r| value(r, limit)).collect();
        let low = values.iter().copied().fold(0.0, f64::min);
        let high = values.iter().copied().fold(1.0, f64::max);
        let room = (high - low) * 0.16;
        let x = (if low < 0.0 { low - room } else { 0.0 })..(high + room);
        let title = format!("{} ({:.1} Mbit/s)", class.name, class.mean_mbps);
        let mut chart = ChartBuilder::on(panel)
            .caption(title, ("sans-serif", 15).into_font().color(&INK))
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(118)
            .build_cartesian_2d(x, 0.0..rows.len() as f64)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.08))
            .y_labels(0)
            .x_labels(6)
            .label_style(("sans-serif", 11).into_font().color(&INK))
            .draw()
            .map_err(failed)?;
        for (i, (row, &v)) in rows.iter().zip(&values).enumerate() {
            let y = (rows.len() - 1 - i) as f64;
            let color = match row.kind {
                Some(Kind::Ours) => OURS,
                Some(Kind::Oracle) => ORACLE,
                _ => BASELINE,
            };
            let bar = Rectangle::new([(0.0, y + 0.15), (v, y + 0.85)], color.filled());
            chart.draw_series(std::iter::once(bar)).map_err(failed)?;
            let (px, py) = chart.backend_coord(&(v, y + 0.5));
            let font = ("sans-serif", 11).into_font().color(&INK);
            let side = if v < 0.0 { (px - 40, py - 6) } else { (px + 4, py - 6) };
            let at = |(x, y): (i32, i32)| {
                let (range_x, range_y) = area.get_pixel_range();
                (x - range_x.start, y - range_y.start)
            };
            area.draw(&Text::new(format!("{v:.decimals$}"), at(side), font.clone())).map_err(failed)?;
            let (panel_x, _) = panel.get_pixel_range();
            area.draw(&Text::new(row.policy.clone(), at((panel_x.start + 10, py - 6)), font))
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// A session that shows something: the one whose person sees the most videos of middling length, on a class in which
/// the network is scarce but not hopeless.
fn specimen(world: &World) -> Option<(&Class, &Case)> {
    let mean = |c: &Class| c.traces.iter().map(Trace::mean_mbps).sum::<f64>() / c.traces.len() as f64;
    let class =
        world.classes.iter().min_by(|a, b| (mean(a) - 2.0).abs().total_cmp(&(mean(b) - 2.0).abs()))?;
    let total = |c: &Case| (c.watch_ms.iter().sum::<f64>() - 75_000.0).abs();
    let case = class.cases.iter().min_by(|a, b| total(a).total_cmp(&total(b)))?;
    Some((class, case))
}

/// Ours, the best published one and the limit, as far as they were run.
fn timeline_policies(report: &Report, policies: &[Entry]) -> Vec<Entry> {
    let mut wanted: Vec<&str> = policies.iter().filter(|p| p.kind == Kind::Ours).map(|p| p.name).collect();
    wanted.extend(report.best_baseline.as_deref());
    wanted.extend(policies.iter().filter(|p| p.name == LIMIT).map(|p| p.name));
    wanted.into_iter().filter_map(|n| roster::find(n).copied()).collect()
}

fn timeline(area: &Area<'_>, class: &Class, case: &Case, entry: &Entry) -> Result<(), SimError> {
    let session: &Session = &case.session;
    let truth = class.truth(case);
    let mut policy = (entry.build)(session, truth);
    let outcome = play(session, truth, policy.as_mut(), true);
    let end_s = outcome.score.session_s.max(1.0);
    let rate = |s: f64| class.traces[case.trace].bytes_within(case.start_ms + s * 1_000.0, 1_000.0) * 8e-6;
    let rates: Vec<(f64, f64)> =
        (0..end_s.ceil() as u32).map(|s| (f64::from(s), rate(f64::from(s)))).collect();
    let top = rates.iter().map(|r| r.1).fold(0.1, f64::max);
    let title = format!(
        "{}: S {:.1}, {:.1} s without pictures, {:.1} MB, {:.0} % never shown",
        entry.name,
        outcome.score.s,
        outcome.score.stall_s,
        outcome.score.bytes as f64 / 1e6,
        100.0 * outcome.score.wasted as f64 / (outcome.score.bytes as f64).max(1.0)
    );
    let videos = session.videos.len();
    let lanes = 2.0 + videos as f64 * 0.5;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15).into_font().color(&INK))
        .margin(6)
        .x_label_area_size(22)
        .y_label_area_size(78)
        .build_cartesian_2d(0.0..end_s, 0.0..lanes)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .y_labels(0)
        .x_labels(12)
        .x_label_formatter(&|s| format!("{s:.0} s"))
        .label_style(("sans-serif", 11).into_font().color(&INK))
        .draw()
        .map_err(failed)?;
    // Top lane: what is seen. Below it a thin lane per video with its downloads. At the bottom the network.
    let lane = |video: usize| 1.0 + (videos - 1 - video) as f64 * 0.5;
    for event in &outcome.events {
        match *event {
            Event::Played { from_ms, to_ms, video } => {
                let at = [(from_ms / 1e3, lanes - 0.9), (to_ms / 1e3, lanes - 0.1)];
                chart.draw_series([Rectangle::new(at, VIDEOS[video % 2].filled())]).map_err(failed)?;
            }
            Event::Stalled { from_ms, to_ms, .. } => {
                let at = [(from_ms / 1e3, lanes - 0.9), (to_ms / 1e3, lanes - 0.1)];
                chart.draw_series([Rectangle::new(at, STALL.filled())]).map_err(failed)?;
            }
            Event::Fetched { from_ms, to_ms, video, chunk, rendition, .. } => {
                let v = &session.videos[video];
                let shade = usize::from(rendition) * 3 / (v.kbps.len() - 1).max(1);
                let at =
                    [(from_ms / 1e3, lane(video) + 0.08), ((to_ms / 1e3).min(end_s), lane(video) + 0.42)];
                chart.draw_series([Rectangle::new(at, RENDITIONS[shade.min(3)].filled())]).map_err(failed)?;
                if v.media_ms(chunk) >= case.watch_ms[video] {
                    chart.draw_series([Rectangle::new(at, STALL.stroke_width(1))]).map_err(failed)?;
                }
            }
        }
    }
    let line = rates.iter().map(|&(s, mbps)| (s, mbps / top * 0.9));
    chart.draw_series(LineSeries::new(line, INK.mix(0.5))).map_err(failed)?;
    let labels = [
        (lanes - 0.5, "on screen".to_owned()),
        (lanes / 2.0, "downloads".to_owned()),
        (0.5, format!("{top:.1} Mbit/s")),
    ];
    for (y, text) in labels {
        let (_, py) = chart.backend_coord(&(0.0, y));
        let (_, range_y) = area.get_pixel_range();
        let font = ("sans-serif", 11).into_font().color(&INK);
        area.draw(&Text::new(text, (8, py - range_y.start - 6), font)).map_err(failed)?;
    }
    Ok(())
}
