//! The session report: one page that holds everything it needs, with the inspector's figures and plots over the whole session.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};
use unspool::inspector::FILES;

use super::phone::Phone;

/// Moments that are kept. Past it every second one goes, and the next ones are taken half as often.
const KEPT: usize = 4_096;

/// What was the case, over the session.
#[derive(Debug)]
pub struct History(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    began: Instant,
    moments: Vec<Moment>,
    /// One of so many moments is kept.
    every: u64,
    seen: u64,
}

/// What was the case at one moment.
#[derive(Debug, Clone, Serialize)]
struct Moment {
    /// Seconds since the beginning.
    t: f64,
    /// Bits a second that got through; none without a limit.
    truth: Option<f64>,
    /// Bits a second the core reckoned with.
    estimate: u64,
    network: u64,
    wasted: u64,
    /// Milliseconds held of the card on the screen and of the next.
    ahead: [u64; 2],
}

impl Default for History {
    fn default() -> Self {
        History(Mutex::new(Kept { began: Instant::now(), moments: Vec::new(), every: 1, seen: 0 }))
    }
}

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is the case now.
    pub fn take(&self, phone: &Phone) {
        let Ok(feed) = phone.feed() else { return };
        let (now, bytes) = (feed.snapshot(), phone.bytes());
        let truth = phone.network()["truth"]["bps"].as_f64();
        let ahead = [0, 1].map(|n| now.window.get(n).map_or(0, |card| card.ahead_ms));
        let mut kept = self.kept();
        kept.seen += 1;
        if !kept.seen.is_multiple_of(kept.every) {
            return;
        }
        let t = kept.began.elapsed().as_secs_f64();
        let (network, wasted) = (bytes.network, bytes.wasted);
        kept.moments.push(Moment { t, truth, estimate: now.throughput_bps, network, wasted, ahead });
        if kept.moments.len() >= KEPT {
            let mut n = 0_usize;
            kept.moments.retain(|_| {
                n += 1;
                n.is_multiple_of(2)
            });
            kept.every *= 2;
        }
    }

    /// All of it, beside the figures at the end.
    pub fn told(&self, figures: &Value) -> Value {
        let kept = self.kept();
        json!({ "version": 1, "seconds": kept.began.elapsed().as_secs_f64(), "figures": figures, "moments": kept.moments })
    }
}

/// A file of the inspector.
fn file(name: &str) -> &'static str {
    FILES.iter().find(|file| file.name == name).map_or("", |file| file.text)
}

/// The page.
#[must_use]
pub fn page(told: &Value) -> String {
    // Nothing that a creator wrote may end the element that holds it.
    let data = told.to_string().replace('<', "\\u003c");
    let parts = [
        ("<!-- styles -->", format!("<style>{}{}</style>", file("uPlot.css"), file("inspector.css"))),
        ("<!-- uPlot -->", format!("<script>{}</script>", file("uPlot.js"))),
        ("<!-- script -->", format!("<script>{}</script>", include_str!("../../web/report.js"))),
        ("<!-- data -->", format!("<script type=\"application/json\" id=\"data\">{data}</script>")),
    ];
    let page = include_str!("../../web/report.html").to_owned();
    parts.iter().fold(page, |page, (place, part)| page.replacen(place, part, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_everything_and_what_people_wrote_stays_text() {
        let told = json!({ "figures": { "client": "</script><script>alert(1)</script>" } });
        let page = page(&told);
        for place in ["<!-- styles -->", "<!-- uPlot -->", "<!-- script -->", "<!-- data -->"] {
            assert!(!page.contains(place), "{place}");
        }
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("src=") && !page.contains("href="), "it asks nobody for anything");
        let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), told);
    }
}
