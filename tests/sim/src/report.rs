//! What a run says: a row per policy and class, the mean over the classes, and how far each is from the limit.

use serde::Serialize;

use crate::roster::{Entry, Kind, LIMIT};
use crate::run::{Played, Results};
use crate::world::World;

/// Figures of one policy on one class: means over its sessions unless a unit says otherwise.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Policy.
    pub policy: String,
    /// Class of networks; `mean` for the mean over classes.
    pub class: String,
    /// Whether the policy is ours, published, or an oracle.
    pub kind: Option<Kind>,
    /// Score.
    pub s: f64,
    /// Quality of experience.
    pub qoe: f64,
    /// Seconds without pictures.
    pub stall_s: f64,
    /// Stall seconds over stall and watched seconds, of all sessions together.
    pub stall_ratio: f64,
    /// Steps between unequal renditions.
    pub switches: f64,
    /// Sum of the steps, Mbit/s.
    pub switch_mbps: f64,
    /// Megabytes fetched.
    pub mb: f64,
    /// Per cent of all bytes that were never shown.
    pub waste_pct: f64,
    /// Milliseconds to the first picture of the session.
    pub start_up_ms: f64,
    /// Milliseconds to the first picture of a video, over all videos.
    pub first_frame_ms: f64,
    /// Mean Mbit/s of what was shown.
    pub shown_mbps: f64,
    /// Decisions of a session.
    pub decisions: f64,
    /// Microseconds of a decision on this machine: the median over sessions, so that what else runs does not count.
    pub us_per_decision: f64,
    /// Actions refused, all sessions together.
    pub refused: u64,
    /// The first refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_refusal: Option<String>,
    /// Per cent of the gap between the best published policy and the limit that this one closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_closed_pct: Option<f64>,
}

/// A class of networks as it was run.
#[derive(Debug, Clone, Serialize)]
pub struct ClassInfo {
    /// Name.
    pub name: String,
    /// Number of traces.
    pub traces: usize,
    /// Mean rate over the traces, Mbit/s.
    pub mean_mbps: f64,
    /// Sessions played by each policy.
    pub sessions: usize,
    /// The published policy with the highest score.
    pub best_baseline: Option<String>,
}

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What this is.
    pub command: &'static str,
    /// Seed.
    pub seed: u64,
    /// People.
    pub users: usize,
    /// Traces per person and class.
    pub traces_per_user: usize,
    /// What was absent or replaced.
    pub notes: Vec<String>,
    /// Classes.
    pub classes: Vec<ClassInfo>,
    /// A row per policy and class.
    pub rows: Vec<Row>,
    /// A row per policy: the mean over the classes.
    pub mean: Vec<Row>,
    /// The published policy with the highest mean score.
    pub best_baseline: Option<String>,
    /// Seconds the run took.
    pub took_s: f64,
}

impl Report {
    /// Draws up the report.
    #[must_use]
    pub fn new(
        world: &World,
        policies: &[Entry],
        results: &Results,
        seed: u64,
        users: usize,
        traces: usize,
    ) -> Self {
        let mut classes = Vec::new();
        let mut rows = Vec::new();
        for (c, class) in world.classes.iter().enumerate() {
            let mut of_class: Vec<Row> =
                policies.iter().zip(results).map(|(p, r)| row(p, &class.name, &r[c])).collect();
            let best_baseline = gaps(&mut of_class);
            let mean_mbps =
                class.traces.iter().map(|t| t.mean_mbps()).sum::<f64>() / class.traces.len() as f64;
            classes.push(ClassInfo {
                name: class.name.clone(),
                traces: class.traces.len(),
                mean_mbps,
                sessions: class.cases.len(),
                best_baseline,
            });
            rows.extend(of_class);
        }
        let mut mean: Vec<Row> = policies.iter().map(|p| mean_row(p, &rows)).collect();
        let best_baseline = gaps(&mut mean);
        Report {
            command: "prefetch",
            seed,
            users,
            traces_per_user: traces,
            notes: world.notes.clone(),
            classes,
            rows,
            mean,
            best_baseline,
            took_s: 0.0,
        }
    }

    /// The row of a policy's mean over the classes.
    #[must_use]
    pub fn mean_of(&self, policy: &str) -> Option<&Row> {
        self.mean.iter().find(|r| r.policy == policy)
    }

    /// The report as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for note in &self.notes {
            out += &format!("note: {note}\n");
        }
        let mut names: Vec<&str> = self.classes.iter().map(|c| c.name.as_str()).collect();
        names.push("mean");
        for name in names {
            let info = self.classes.iter().find(|c| c.name == name);
            out += &info.map_or_else(
                || "\nmean over the classes\n".to_owned(),
                |c| {
                    let (sessions, traces, mbps) = (c.sessions, c.traces, c.mean_mbps);
                    format!("\n{name}: {sessions} sessions, {traces} traces, mean {mbps:.2} Mbit/s\n")
                },
            );
            out += "  policy                   S     QoE  stall s  stall %  switches      MB  waste %  start ms  frame ms   Mbit/s  decisions     us   gap %\n";
            for r in self.rows.iter().chain(&self.mean).filter(|r| r.class == name) {
                out += &format!(
                    "  {:<19}{:>7.2} {:>7.2} {:>8.2} {:>8.2} {:>9.1} {:>7.2} {:>8.1} {:>9.0} {:>9.0} {:>8.2} {:>10.0} {:>6.2} {:>7}{}\n",
                    r.policy,
                    r.s,
                    r.qoe,
                    r.stall_s,
                    r.stall_ratio * 100.0,
                    r.switches,
                    r.mb,
                    r.waste_pct,
                    r.start_up_ms,
                    r.first_frame_ms,
                    r.shown_mbps,
                    r.decisions,
                    r.us_per_decision,
                    r.gap_closed_pct.map_or_else(String::new, |g| format!("{g:.1}")),
                    r.first_refusal
                        .as_ref()
                        .map_or_else(String::new, |f| format!("  {} refused: {f}", r.refused)),
                );
            }
        }
        out += &format!("\n{:.1} s\n", self.took_s);
        out
    }
}

fn row(policy: &Entry, class: &str, played: &[Played]) -> Row {
    let n = played.len().max(1) as f64;
    let sum = |f: fn(&Played) -> f64| played.iter().map(f).sum::<f64>();
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    let stall = sum(|p| p.score.stall_s);
    let watched = sum(|p| p.score.watched_s);
    Row {
        policy: policy.name.into(),
        class: class.into(),
        kind: Some(policy.kind),
        s: sum(|p| p.score.s) / n,
        qoe: sum(|p| p.score.qoe) / n,
        stall_s: stall / n,
        stall_ratio: ratio(stall, stall + watched),
        switches: sum(|p| f64::from(p.score.switches)) / n,
        switch_mbps: sum(|p| p.score.switch_mbps) / n,
        mb: sum(|p| p.score.bytes as f64) / n / 1e6,
        waste_pct: 100.0 * ratio(sum(|p| p.score.wasted as f64), sum(|p| p.score.bytes as f64)),
        start_up_ms: sum(|p| p.score.start_up_ms) / n,
        first_frame_ms: ratio(sum(|p| p.score.first_frames_ms), sum(|p| f64::from(p.score.videos))),
        shown_mbps: ratio(sum(|p| p.score.bitrate), sum(|p| p.score.shown_s)),
        decisions: sum(|p| p.decisions as f64) / n,
        us_per_decision: median(played.iter().map(|p| ratio(p.thinking_us, p.decisions as f64)).collect()),
        refused: played.iter().map(|p| p.refused).sum(),
        first_refusal: played.iter().find_map(|p| p.first_refusal).map(|e| e.to_string()),
        gap_closed_pct: None,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn mean_row(policy: &Entry, rows: &[Row]) -> Row {
    let of: Vec<&Row> = rows.iter().filter(|r| r.policy == policy.name).collect();
    let mean = |f: fn(&Row) -> f64| of.iter().map(|r| f(r)).sum::<f64>() / of.len().max(1) as f64;
    Row {
        policy: policy.name.into(),
        class: "mean".into(),
        kind: Some(policy.kind),
        s: mean(|r| r.s),
        qoe: mean(|r| r.qoe),
        stall_s: mean(|r| r.stall_s),
        stall_ratio: mean(|r| r.stall_ratio),
        switches: mean(|r| r.switches),
        switch_mbps: mean(|r| r.switch_mbps),
        mb: mean(|r| r.mb),
        waste_pct: mean(|r| r.waste_pct),
        start_up_ms: mean(|r| r.start_up_ms),
        first_frame_ms: mean(|r| r.first_frame_ms),
        shown_mbps: mean(|r| r.shown_mbps),
        decisions: mean(|r| r.decisions),
        us_per_decision: mean(|r| r.us_per_decision),
        refused: of.iter().map(|r| r.refused).sum(),
        first_refusal: of.iter().find_map(|r| r.first_refusal.clone()),
        gap_closed_pct: None,
    }
}

/// Fills in what part of the gap each row closes, and names the best published policy.
fn gaps(rows: &mut [Row]) -> Option<String> {
    let best = rows.iter().filter(|r| r.kind == Some(Kind::Baseline)).max_by(|a, b| a.s.total_cmp(&b.s))?;
    let (name, from) = (best.policy.clone(), best.s);
    if let Some(to) = rows.iter().find(|r| r.policy == LIMIT).map(|r| r.s).filter(|&to| to > from) {
        for row in rows.iter_mut() {
            row.gap_closed_pct = Some(100.0 * (row.s - from) / (to - from));
        }
    }
    Some(name)
}
