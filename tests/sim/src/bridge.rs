//! The shipped planner for simulators in other languages: one JSON object a line in, one a line out.
//!
//! `{"op":"reset",…}` begins a session and answers `{}`; `{"op":"step",…}` is an observation and answers with an action,
//! `{"video":id,"rendition":r}` or `{"sleep_ms":n}`. A line that is out of form or bounds answers `{"error":"…"}` and changes
//! nothing; a new `reset` may come at any time. Lines are bounded by [`MAX_LINE`]; everything else by the bounds of
//! [`crate::session`].

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use unspool_engine::planner::Policy as PlannerPolicy;

use crate::policy::{Action, Observation, Policy};
use crate::session::{Session, Video};
use crate::shipped::Shipped;

/// Longest line, bytes.
pub const MAX_LINE: u64 = 16 << 20;
/// Longest delay of one step, milliseconds: a day.
const MAX_DELAY_MS: f64 = 86_400_000.0;

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Reset(Reset),
    Step(Observation),
}

#[derive(Debug, Deserialize)]
struct Reset {
    videos: Vec<WireVideo>,
    #[serde(default)]
    rtt_ms: f64,
    queue: usize,
}

/// A video as other languages write it: every number may have a fraction of zero.
#[derive(Debug, Deserialize)]
struct WireVideo {
    id: u32,
    duration_ms: f64,
    chunk_ms: f64,
    kbps: Vec<f64>,
    sizes: Vec<Vec<f64>>,
    #[serde(default)]
    retention: Vec<(f64, f64)>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Done {},
    Download { video: u32, rendition: u8 },
    Sleep { sleep_ms: u32 },
    Error { error: String },
}

/// Serves until the input ends.
///
/// # Errors
/// Where the input cannot be read or the output cannot be written; a closed output ends it without an error.
pub fn serve(mut input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let mut bridge = Bridge { planner: Shipped::new(PlannerPolicy::default()), session: None };
    let mut line = Vec::new();
    while let Some(read) = read_line(&mut input, &mut line)? {
        let answer = match read {
            Line::Blank => continue,
            Line::TooLong => Answer::Error { error: format!("a line of more than {MAX_LINE} bytes") },
            Line::Text => bridge.answer(&line).unwrap_or_else(|error| Answer::Error { error }),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        match output.write_all(&text).and_then(|()| output.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

struct Bridge {
    planner: Shipped,
    session: Option<Session>,
}

impl Bridge {
    fn answer(&mut self, line: &[u8]) -> Result<Answer, String> {
        match serde_json::from_slice(line).map_err(|e| e.to_string())? {
            Request::Reset(reset) => {
                let session = session(reset)?;
                self.planner.reset(&session);
                self.session = Some(session);
                Ok(Answer::Done {})
            }
            Request::Step(observation) => {
                let session = self.session.as_ref().ok_or("a step before any reset")?;
                check(session, &observation)?;
                Ok(match self.planner.decide(&observation) {
                    Action::Download { video, rendition } => Answer::Download { video, rendition },
                    Action::Sleep { ms } => Answer::Sleep { sleep_ms: ms },
                })
            }
        }
    }
}

fn session(reset: Reset) -> Result<Session, String> {
    let videos = reset.videos.into_iter().map(video).collect::<Result<_, _>>()?;
    let session = Session { videos, rtt_ms: reset.rtt_ms, queue: reset.queue };
    session.check().map_err(|e| e.to_string())?;
    Ok(session)
}

fn video(wire: WireVideo) -> Result<Video, String> {
    let whole = |name: &str, value: f64| match value.round() {
        v if (0.0..=f64::from(u32::MAX)).contains(&v) => Ok(v as u32),
        _ => Err(format!("video {} has {name} {value}", wire.id)),
    };
    let all = |name: &str, values: &[f64]| values.iter().map(|&v| whole(name, v)).collect::<Result<_, _>>();
    Ok(Video {
        id: wire.id,
        duration_ms: whole("duration_ms", wire.duration_ms)?,
        chunk_ms: whole("chunk_ms", wire.chunk_ms)?,
        kbps: all("kbps", &wire.kbps)?,
        sizes: wire.sizes.iter().map(|s| all("a chunk of", s)).collect::<Result<_, _>>()?,
        retention: wire
            .retention
            .iter()
            .map(|&(t, p)| Ok((whole("retention at", t)?, p)))
            .collect::<Result<_, String>>()?,
    })
}

/// Refuses observations that no session could bring about.
fn check(session: &Session, observation: &Observation) -> Result<(), String> {
    let (delay, rebuffer) = (observation.delay_ms, observation.rebuffer_ms);
    if !(0.0..=MAX_DELAY_MS).contains(&delay) || !(0.0..=MAX_DELAY_MS).contains(&rebuffer) {
        return Err("delay_ms and rebuffer_ms must lie within 0..=86400000".into());
    }
    if observation.bytes > u64::from(crate::session::MAX_CHUNK_BYTES) {
        return Err("more bytes than a chunk has".into());
    }
    if observation.queue.is_empty() || observation.queue.len() > session.queue {
        return Err(format!("a queue of {}, not of 1 to {}", observation.queue.len(), session.queue));
    }
    if observation.queue[0].video != observation.playing {
        return Err("the queue does not begin with the playing video".into());
    }
    let first = session.index_of(observation.playing).ok_or("a playing video that was not announced")?;
    for (place, q) in observation.queue.iter().enumerate() {
        if session.videos.get(first + place).is_none_or(|v| v.id != q.video) {
            return Err(format!("video {} is out of the order of the feed", q.video));
        }
        let v = &session.videos[first + place];
        if q.chunks.len() > v.chunks() || q.chunks.iter().any(|&r| usize::from(r) >= v.kbps.len()) {
            return Err(format!("video {} has no such chunks", q.video));
        }
        let length = f64::from(v.duration_ms) + 1.0;
        if !(0.0..=length).contains(&q.played_ms) || !(0.0..=length).contains(&q.buffer_ms) {
            return Err(format!("video {} has played_ms or buffer_ms beyond its length", q.video));
        }
    }
    Ok(())
}

enum Line {
    Text,
    Blank,
    TooLong,
}

/// Reads a line; one that is too long is read to its end and forgotten. `None` at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<Line>> {
    line.clear();
    if input.by_ref().take(MAX_LINE + 1).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 > MAX_LINE {
        loop {
            line.clear();
            let more = input.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
            if more == 0 || line.last() == Some(&b'\n') {
                line.clear();
                return Ok(Some(Line::TooLong));
            }
        }
    }
    let blank = line.iter().all(u8::is_ascii_whitespace);
    Ok(Some(if blank { Line::Blank } else { Line::Text }))
}
