//! Recorded behaviour in the shape of KuaiRand (Gao et al., CIKM 2022), and what a server would make of it.
//!
//! A folder holds `items.csv`, `histories.csv` and `interactions.csv`, plain or gzip, and perhaps `vectors.csv` (a column
//! `video_id`, every other column a component) instead of the vectors that are fitted here. Columns are found by their names.
//! The prior of each clip and the vectors are learnt from the histories alone; the interactions are what is judged.

use std::collections::BTreeMap;
use std::path::Path;

use unspool_engine::learner::{Clip, MAX_DIMENSIONS, Vector};

use super::table::{self, Table};
use super::vectors::{self, Fit, Residual};
use crate::error::SimError;

/// Pretended views in a clip's prior (the protocol of the data's SOURCES.md).
const PRETENDED: f64 = 20.0;
/// Seconds of one view that count, so that a forgotten phone is no fan.
const MOST_WATCH_S: f64 = 120.0;
const FIT: Fit = Fit { rounds: 6, people: 12.0, clips: 12.0 };

/// A clip of the catalogue.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Topics.
    pub topics: Vec<String>,
    /// Who made it.
    pub creator: String,
    /// The sound it uses.
    pub sound: Option<String>,
    /// Length.
    pub duration_ms: u64,
    /// Share of long views, smoothed.
    pub prior: f64,
    /// Where the server places it.
    pub vector: Vec<f64>,
    /// Whether it is one of the catalogue, and not only seen in a log.
    pub listed: bool,
}

impl Facts {
    /// As the learner sees it.
    #[must_use]
    pub fn clip(&self) -> Clip<'_> {
        Clip {
            prior: Some(self.prior),
            topics: &self.topics,
            creator: &self.creator,
            duration_ms: self.duration_ms,
            vector: Some(Vector { space: 1, values: &self.vector }),
            lift: 0.0,
        }
    }
}

/// One row that is judged.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The clip's number.
    pub clip: usize,
    /// Whether it was a long view.
    pub long: bool,
    /// Seconds watched.
    pub watch_s: f64,
}

/// One person.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The views before, oldest first: clip and whether it was long.
    pub history: Vec<(usize, bool)>,
    /// The views that are judged, in the order of time.
    pub views: Vec<View>,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Data {
    /// Clips by number.
    pub clips: Vec<Facts>,
    /// People in the order of their identifiers.
    pub people: Vec<Person>,
    /// Share of long views over all histories.
    pub base: f64,
}

impl Data {
    /// Whether the folder holds the three tables.
    #[must_use]
    pub fn is_there(folder: &Path) -> bool {
        ["items.csv", "histories.csv", "interactions.csv"]
            .iter()
            .all(|name| table::find(folder, name).is_some())
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// Where a table is missing, lacks a column, or holds a row that is not in its format.
    pub fn read(folder: &Path, seed: u64) -> Result<Self, SimError> {
        let mut catalogue = Catalogue::default();
        catalogue.items(folder)?;
        let mut people: BTreeMap<u64, Person> = BTreeMap::new();
        histories(folder, &mut catalogue, &mut people)?;
        interactions(folder, &mut catalogue, &mut people)?;
        let mut data = Data { clips: catalogue.clips, people: people.into_values().collect(), base: 0.0 };
        data.learn_prior();
        match table::find(folder, "vectors.csv") {
            Some(path) => given_vectors(&path, &catalogue.numbers, &mut data.clips)?,
            None => data.fit_vectors(seed),
        }
        Ok(data)
    }

    fn learn_prior(&mut self) {
        let mut counts = vec![(0.0, 0.0); self.clips.len()];
        let (mut long, mut all) = (0.0, 0.0);
        for &(clip, was_long) in self.people.iter().flat_map(|p| &p.history) {
            let one = f64::from(u8::from(was_long));
            counts[clip].0 += one;
            counts[clip].1 += 1.0;
            long += one;
            all += 1.0;
        }
        self.base = long / f64::max(all, 1.0);
        for (facts, (long, all)) in self.clips.iter_mut().zip(counts) {
            facts.prior = (long + PRETENDED * self.base) / (all + PRETENDED);
        }
    }

    fn fit_vectors(&mut self, seed: u64) {
        let mut residuals = Vec::new();
        for (number, person) in self.people.iter().enumerate() {
            let each =
                person.history.iter().map(|&(c, long)| (c, f64::from(u8::from(long)) - self.clips[c].prior));
            let level = each.clone().map(|(_, r)| r).sum::<f64>() / (person.history.len() as f64 + 5.0);
            residuals.extend(each.map(|(clip, r)| Residual { person: number, clip, value: r - level }));
        }
        let fitted = vectors::fit(&residuals, self.people.len(), self.clips.len(), FIT, seed);
        for (facts, vector) in self.clips.iter_mut().zip(fitted) {
            facts.vector = vector.to_vec();
        }
    }
}

#[derive(Default)]
struct Catalogue {
    numbers: BTreeMap<u64, usize>,
    clips: Vec<Facts>,
}

impl Catalogue {
    fn number(&mut self, id: u64) -> usize {
        *self.numbers.entry(id).or_insert_with(|| {
            self.clips.push(Facts {
                topics: Vec::new(),
                creator: String::new(),
                sound: None,
                duration_ms: 0,
                prior: 0.0,
                vector: Vec::new(),
                listed: false,
            });
            self.clips.len() - 1
        })
    }

    fn items(&mut self, folder: &Path) -> Result<(), SimError> {
        let mut rows = open(folder, "items.csv")?;
        let [id, author, tag, duration, music] =
            columns(&rows, ["video_id", "author_id", "tag", "video_duration", "music_id"])?;
        while rows.advance()? {
            let number = self.number(rows.whole(id)?);
            let facts = &mut self.clips[number];
            facts.listed = true;
            facts.creator = rows.text(author).to_owned();
            facts.topics = tags(rows.text(tag));
            facts.sound = Some(rows.text(music).to_owned()).filter(|m| !m.is_empty());
            if !rows.text(duration).is_empty() {
                facts.duration_ms = rows.number(duration)? as u64;
            }
        }
        Ok(())
    }
}

fn histories(
    folder: &Path,
    catalogue: &mut Catalogue,
    people: &mut BTreeMap<u64, Person>,
) -> Result<(), SimError> {
    let mut rows = open(folder, "histories.csv")?;
    let [user, watched, long] = columns(&rows, ["user_id", "watch_seq", "long_watch_seq"])?;
    while rows.advance()? {
        let mut times: BTreeMap<u64, usize> = BTreeMap::new();
        for clip in rows.list(long)? {
            *times.entry(clip).or_default() += 1;
        }
        // The list of long views may reach further back, so the newest are matched first.
        let mut history = Vec::new();
        for clip in rows.list(watched)?.into_iter().rev() {
            let left = times.get_mut(&clip).filter(|n| **n > 0);
            let was_long = left.is_some();
            if let Some(n) = left {
                *n -= 1;
            }
            history.push((catalogue.number(clip), was_long));
        }
        history.reverse();
        people.entry(rows.whole(user)?).or_default().history = history;
    }
    Ok(())
}

fn interactions(
    folder: &Path,
    catalogue: &mut Catalogue,
    people: &mut BTreeMap<u64, Person>,
) -> Result<(), SimError> {
    let mut rows = open(folder, "interactions.csv")?;
    let [user, video, time, play, duration, long, author, tag] = columns(
        &rows,
        ["user_id", "video_id", "time_ms", "play_time_ms", "duration_ms", "long_view", "author_id", "tag"],
    )?;
    let mut timed: BTreeMap<u64, Vec<(u64, View)>> = BTreeMap::new();
    while rows.advance()? {
        let clip = catalogue.number(rows.whole(video)?);
        let facts = &mut catalogue.clips[clip];
        if !facts.listed && facts.creator.is_empty() {
            facts.creator = rows.text(author).to_owned();
            facts.topics = tags(rows.text(tag));
        }
        if facts.duration_ms == 0 {
            facts.duration_ms = rows.number(duration)? as u64;
        }
        let watch_s = (rows.number(play)? / 1_000.0).min(MOST_WATCH_S);
        let view = View { clip, long: rows.whole(long)? > 0, watch_s };
        timed.entry(rows.whole(user)?).or_default().push((rows.whole(time)?, view));
    }
    for (user, mut views) in timed {
        views.sort_by_key(|v| v.0);
        people.entry(user).or_default().views = views.into_iter().map(|v| v.1).collect();
    }
    Ok(())
}

fn given_vectors(path: &Path, numbers: &BTreeMap<u64, usize>, clips: &mut [Facts]) -> Result<(), SimError> {
    let mut rows = Table::open(path, b',')?;
    let id = rows.column("video_id")?;
    let components: Vec<usize> = (0..rows.width()).filter(|&c| c != id).collect();
    if components.is_empty() || components.len() > MAX_DIMENSIONS {
        return Err(SimError::format(path, format!("{} components", components.len())));
    }
    for facts in clips.iter_mut() {
        facts.vector = vec![0.0; components.len()];
    }
    while rows.advance()? {
        let vector = components.iter().map(|&c| rows.signed(c)).collect::<Result<Vec<f64>, SimError>>()?;
        if let Some(facts) = numbers.get(&rows.whole(id)?).and_then(|&n| clips.get_mut(n)) {
            facts.vector = vector;
        }
    }
    Ok(())
}

fn open(folder: &Path, name: &str) -> Result<Table, SimError> {
    let path = table::find(folder, name).ok_or_else(|| SimError::format(folder, format!("no {name}")))?;
    Table::open(&path, b',')
}

fn columns<const N: usize>(table: &Table, names: [&str; N]) -> Result<[usize; N], SimError> {
    let mut out = [0; N];
    for (slot, name) in out.iter_mut().zip(names) {
        *slot = table.column(name)?;
    }
    Ok(out)
}

fn tags(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}
