//! Captions: `WebVTT` and `SubRip` files as timed cues, which the shell shows as it likes.
//!
//! Files come from strangers, so everything is bounded: the size of a file, the number of cues, the length of a cue. A
//! broken cue is left out and counted; a file of which nothing can be used is an error. Which language to show is the
//! shell's choice; a [`Captions`] is one file.
//!
//! No crate of these formats is both kept and bounded, and the parts that a card needs are small: times, text, and the
//! voice of a speaker. Styles, regions and positions belong to the shell's own look.

mod srt;
mod text;
mod time;
mod vtt;

/// Largest file that is read, in bytes: two hours of dense speech are a quarter of it.
pub const LARGEST_FILE: usize = 1 << 20;
/// Most cues of a file; one every half second for more than an hour.
pub const MOST_CUES: usize = 10_000;
/// Longest text of a cue, in bytes; the rest is cut off. Two full lines are under 200.
pub const LONGEST_CUE: usize = 4_096;

/// One caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// Media time at which it appears, in milliseconds.
    pub start_ms: u64,
    /// Media time at which it goes, in milliseconds; after `start_ms`.
    pub end_ms: u64,
    /// Its text: lines parted by `\n`, without markup.
    pub text: String,
    /// Who speaks, where the file says.
    pub voice: Option<String>,
}

/// How a file of captions is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptionFormat {
    /// `WebVTT`.
    WebVtt,
    /// `SubRip`.
    Srt,
}

/// Why a file gave no captions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptionError {
    /// It is larger than [`LARGEST_FILE`].
    #[error("the file of captions has {bytes} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is neither `WebVTT` nor `SubRip`, or not one cue of it can be read.
    #[error("no captions can be read from the file")]
    NotCaptions,
}

/// The cues of one file, in the order in which they appear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captions {
    cues: Vec<Cue>,
    /// Latest end among the cues up to each one, so that a look back knows when to stop.
    latest: Vec<u64>,
    skipped: usize,
}

impl Captions {
    /// Reads a file; what is not UTF-8 in it is shown as replacement characters.
    ///
    /// # Errors
    /// [`CaptionError::TooLarge`], and [`CaptionError::NotCaptions`] if there is nothing to show. A `WebVTT` file
    /// without cues is no error: it says that nobody speaks.
    pub fn parse(bytes: &[u8]) -> Result<(Self, CaptionFormat), CaptionError> {
        if bytes.len() > LARGEST_FILE {
            return Err(CaptionError::TooLarge { bytes: bytes.len() });
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').replace('\0', "\u{fffd}");
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (found, format) = match vtt::body(&text) {
            Some(body) => (vtt::cues(body), CaptionFormat::WebVtt),
            None => (srt::cues(&text), CaptionFormat::Srt),
        };
        if found.cues.is_empty() && (format == CaptionFormat::Srt || found.skipped > 0) {
            return Err(CaptionError::NotCaptions);
        }
        Ok((Self::sorted(found), format))
    }

    fn sorted(Found { mut cues, skipped }: Found) -> Self {
        cues.sort_by_key(|cue| cue.start_ms);
        let mut latest: Vec<u64> = Vec::with_capacity(cues.len());
        for cue in &cues {
            latest.push(cue.end_ms.max(latest.last().copied().unwrap_or(0)));
        }
        Self { cues, latest, skipped }
    }

    /// All cues, by the time at which they appear.
    #[must_use]
    pub fn cues(&self) -> &[Cue] {
        &self.cues
    }

    /// Cues that could not be read and were left out.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// What is to be shown at a moment of media time, in the order of appearance.
    #[must_use]
    pub fn at(&self, ms: u64) -> Vec<&Cue> {
        let begun = self.cues.partition_point(|cue| cue.start_ms <= ms);
        // Nothing before the last place where every cue so far has ended can still be on show.
        let from = self.latest[..begun].partition_point(|&latest| latest <= ms);
        self.cues[from..begun].iter().filter(|cue| cue.end_ms > ms).collect()
    }

    /// The next moment after `ms` at which something appears or goes; `None` when nothing does any more.
    #[must_use]
    pub fn next_change(&self, ms: u64) -> Option<u64> {
        let begun = self.cues.partition_point(|cue| cue.start_ms <= ms);
        let appears = self.cues.get(begun).map(|cue| cue.start_ms);
        let goes = self.at(ms).iter().map(|cue| cue.end_ms).min();
        appears.into_iter().chain(goes).min()
    }
}

/// What a parser found.
#[derive(Debug, Default)]
struct Found {
    cues: Vec<Cue>,
    skipped: usize,
}

impl Found {
    /// Takes a cue in, or counts one that cannot be used; says whether there is room for more.
    fn take(&mut self, cue: Option<Cue>) -> bool {
        match cue.filter(|cue| cue.end_ms > cue.start_ms && !cue.text.is_empty()) {
            Some(cue) => self.cues.push(cue),
            None => self.skipped += 1,
        }
        self.cues.len() < MOST_CUES
    }
}

/// Blocks of lines between blank lines.
fn blocks(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let first = lines.by_ref().find(|line| !line.trim().is_empty())?;
        let rest = lines.by_ref().take_while(|line| !line.trim().is_empty());
        Some(std::iter::once(first).chain(rest).collect())
    })
}

/// `00:01:02.345 --> 00:01:04.000 settings` as two times.
fn timing(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((time::ms(start.trim())?, time::ms(end)?))
}

#[cfg(test)]
mod tests;
