//! The page: every row as two bars on one scale, in a file that needs nothing else.
//!
//! Bars begin at zero and share the scale of their row; a mark shows where the aim lies. Verdicts are words as well as
//! colours. Colours follow the reader's choice of light or dark.

use std::fmt::Write;

use crate::aim::Aim;
use crate::report::{Report, Row, figure};

/// A bench on the page: its report, or why there is none.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) outcome: Result<Report, String>,
}

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fbfaf8;--ink:#1d1c1a;--soft:#66625b;--line:#e2ded6;--track:#efece5;
--ours:#1f6f63;--peer:#b3aca0;--good:#1c6b3c;--bad:#a8321f;--mark:#1d1c1a}
@media (prefers-color-scheme:dark){:root{--paper:#161614;--ink:#eceae5;--soft:#a19c92;--line:#33312d;--track:#232220;
--ours:#5bb8a6;--peer:#6d685f;--good:#79c896;--bad:#f0907c;--mark:#eceae5}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:2.75rem 0 .25rem;text-transform:capitalize}
p{margin:.25rem 0;color:var(--soft);max-width:46rem}
.machine{font-size:.85rem;font-variant-numeric:tabular-nums}
.key{display:flex;gap:1.25rem;flex-wrap:wrap;font-size:.85rem;color:var(--soft);margin-top:.75rem}
.key i{display:inline-block;width:.85rem;height:.85rem;border-radius:2px;margin-right:.4rem;vertical-align:-.1rem}
.key .tick{width:2px;border-radius:0;background:var(--mark)}
article{border-top:1px solid var(--line);padding:.8rem 0 .9rem}
article header{display:flex;justify-content:space-between;gap:1rem;flex-wrap:wrap;align-items:baseline}
h3{font-size:.98rem;font-weight:600;margin:0}
.note{font-size:.83rem;color:var(--soft);font-variant-numeric:tabular-nums}
.met,.missed{font-weight:600}.met{color:var(--good)}.missed{color:var(--bad)}
.bar{display:grid;grid-template-columns:13rem 1fr 7.5rem;gap:.75rem;align-items:center;margin-top:.35rem}
.bar .who{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
.bar .value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.track{position:relative;height:.85rem;background:var(--track);border-radius:3px}
.fill{height:100%;border-radius:3px;min-width:2px}
.ours{background:var(--ours)}.peer{background:var(--peer)}
.at{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--mark)}
.failed{color:var(--bad);font-weight:600}
@media (max-width:40rem){.bar{grid-template-columns:1fr auto}.bar .track{grid-column:1/-1;grid-row:2}.blank{display:none}}
";

/// The whole page.
pub(crate) fn render(sections: &[Section]) -> String {
    let aims: Vec<bool> = sections
        .iter()
        .filter_map(|section| section.outcome.as_ref().ok())
        .flat_map(|report| &report.rows)
        .filter_map(|row| row.pass)
        .collect();
    let met = aims.iter().filter(|met| **met).count();
    let mut body = format!(
        "<h1>Unspool, measured</h1>\n<p>{met} of {} aims met. Every figure comes from one run, ours and the peer in turn; \
         figures are medians where nothing else is said.</p>\n\
         <div class=\"key\"><span><i class=\"ours\"></i>ours</span><span><i class=\"peer\"></i>peer</span>\
         <span><i class=\"tick\"></i>aim</span><span>units ending in /s: more is better; others: less is better</span></div>\n",
        aims.len()
    );
    for section in sections {
        body += &one(section);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Unspool, measured</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn one(section: &Section) -> String {
    let mut out = format!("<section>\n<h2>{}</h2>\n<p>{}</p>\n", escape(section.name), escape(section.about));
    match &section.outcome {
        Ok(report) => {
            // Writing into a String cannot fail.
            let _ = writeln!(out, "<p class=\"machine\">{}</p>", escape(&report.machine.line()));
            out.extend(report.rows.iter().map(row));
        }
        Err(reason) => {
            let _ = writeln!(out, "<p class=\"failed\">Not measured: {}</p>", escape(reason));
        }
    }
    out + "</section>\n"
}

fn row(row: &Row) -> String {
    let aim = row.aim.and_then(|text| Aim::parse(text, row.unit).ok()).and_then(|aim| aim.place(row.peer));
    let top = [row.ours, row.peer, aim].into_iter().flatten().fold(0.0, f64::max);
    let share = |value: f64| if top > 0.0 { (value / top * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let mut notes = Vec::new();
    if let Some(ratio) = row.ratio {
        notes.push(format!("{ratio:.2}x"));
    }
    if let (Some(aim), Some(pass)) = (row.aim, row.pass) {
        let (class, verdict) = if pass { ("met", "✓ met") } else { ("missed", "✗ missed") };
        notes.push(format!("aim {} <span class=\"{class}\">{verdict}</span>", escape(aim)));
    }
    notes.push(format!("n = {}", row.n));
    // A figure that nothing stands beside has no scale, and a bar of it would say nothing.
    let compared = row.peer.is_some() || aim.is_some();
    let bar = |who: &str, class: &str, value: Option<f64>, aim: Option<f64>| {
        let fill = value
            .filter(|value| compared && *value > 0.0)
            .map(|value| format!("<div class=\"fill {class}\" style=\"width:{:.2}%\"></div>", share(value)))
            .unwrap_or_default();
        let mark = aim
            .map(|at| format!("<div class=\"at\" style=\"left:{:.2}%\"></div>", share(at)))
            .unwrap_or_default();
        let track = if compared { "track" } else { "blank" };
        let value = value.map_or_else(|| "–".to_owned(), |value| format!("{} {}", figure(value), row.unit));
        format!(
            "<div class=\"bar\"><span class=\"who\">{}</span><div class=\"{track}\">{fill}{mark}</div>\
             <span class=\"value\">{}</span></div>\n",
            escape(who),
            escape(&value)
        )
    };
    let mut bars = bar("ours", "ours", row.ours, aim);
    if let Some(name) = &row.peer_name {
        bars += &bar(name, "peer", row.peer, None);
    }
    format!(
        "<article>\n<header><h3>{}</h3><span class=\"note\">{}</span></header>\n{bars}</article>\n",
        escape(&row.name),
        notes.join(" · ")
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    #[test]
    fn the_page_stands_alone_and_says_what_failed() {
        let rows = vec![
            Row::new("a <start>", "ms", 15, Some(30.0))
                .against("playbin", Some(60.0))
                .aim("<= 0.4x")
                .unwrap(),
            Row::new("nothing", "ms", 0, None),
        ];
        let report = Report { bench: "player", machine: Machine::look(), rows };
        let text = render(&[
            Section { name: "player", about: "pictures", outcome: Ok(report) },
            Section { name: "media", about: "bytes", outcome: Err("ffmpeg is missing".to_owned()) },
        ]);
        assert!(text.contains("0 of 1 aims met"));
        assert!(text.contains("a &lt;start&gt;") && !text.contains("a <start>"));
        assert!(text.contains("✗ missed") && text.contains("width:50.00%") && text.contains("left:40.00%"));
        assert!(text.contains("Not measured: ffmpeg is missing"));
        assert!(!text.contains("http") && !text.contains("<script"), "nothing is fetched");
    }
}
