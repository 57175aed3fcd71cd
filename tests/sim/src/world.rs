//! What a run is made of: classes of networks, videos, people, and the sessions drawn from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::error::SimError;
use crate::network::Trace;
use crate::people::{People, View};
use crate::session::{Session, Video};
use crate::sim::Truth;
use crate::{catalog, markov};

/// Videos that may be fetched at once, the playing one included (ACM MM 2022 challenge).
pub const QUEUE: usize = 5;
/// Milliseconds of a round trip (the same).
pub const RTT_MS: f64 = 80.0;
/// Videos of a session: enough for a person's pace to show, few enough that a run of thousands takes seconds.
pub const SESSION_VIDEOS: usize = 10;
/// Fewest views a real person must have to be played: ten, so that their pace can be learnt and judged.
pub const FEWEST_VIEWS: usize = 10;
/// Most views of a real person that are played.
const MOST_VIEWS: usize = 40;
/// Drawn traces per class.
const DRAWN_TRACES: u64 = 20;

/// What may be replaced, and how much to draw.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of traces instead of the default classes.
    pub network: Option<PathBuf>,
    /// Folder of chunk sizes instead of the drawn catalogue.
    pub catalog: Option<PathBuf>,
    /// People file instead of the shared one.
    pub people: Option<PathBuf>,
    /// The folder of shared data; parts of it may be absent.
    pub shared: Option<PathBuf>,
    /// Number of people.
    pub users: usize,
    /// Traces per person and class.
    pub traces: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Whether sessions are those of real people in their order, instead of draws from retention curves.
    pub real_people: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            network: None,
            catalog: None,
            people: None,
            shared: shared_folder(),
            users: 50,
            traces: 4,
            seed: 42,
            real_people: false,
        }
    }
}

/// The shared data: `UNSPOOL_SHARED`, else the folder `shared` beside this repository.
#[must_use]
pub fn shared_folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("UNSPOOL_SHARED").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// One session to be played.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the planner may know.
    pub session: Arc<Session>,
    /// What the person does.
    pub watch_ms: Arc<Vec<f64>>,
    /// Place of the network among the traces of its class.
    pub trace: usize,
    /// Where in the trace it begins, milliseconds.
    pub start_ms: f64,
    /// Number of the person.
    pub user: usize,
}

/// A class of networks and its sessions.
#[derive(Debug, Clone)]
pub struct Class {
    /// Name.
    pub name: String,
    /// Its networks.
    pub traces: Vec<Trace>,
    /// Its sessions.
    pub cases: Vec<Case>,
}

impl Class {
    /// What a session's planner may not know.
    #[must_use]
    pub fn truth<'a>(&'a self, case: &'a Case) -> Truth<'a> {
        Truth { watch_ms: &case.watch_ms, trace: &self.traces[case.trace], start_ms: case.start_ms }
    }
}

/// Everything that is played.
#[derive(Debug, Clone)]
pub struct World {
    /// Classes of networks.
    pub classes: Vec<Class>,
    /// What was absent or replaced, for the report.
    pub notes: Vec<String>,
}

impl World {
    /// Draws the sessions. The same settings and files give the same world.
    ///
    /// # Errors
    /// Where a file named in the settings cannot be read or is not in its format.
    pub fn build(settings: &Settings) -> Result<Self, SimError> {
        if !(1..=100_000).contains(&settings.users) || !(1..=1_000).contains(&settings.traces) {
            return Err(SimError::Usage(
                "users must lie within 1..=100000 and traces within 1..=1000".into(),
            ));
        }
        let mut notes = Vec::new();
        let people = people(settings, &mut notes)?;
        let networks = networks(settings, &mut notes)?;
        let mut classes = Vec::with_capacity(networks.len());
        for (name, traces, high_ladder) in networks {
            let videos = match &settings.catalog {
                Some(dir) => catalog::read(dir)?,
                None if high_ladder => catalog::draw(settings.seed, &catalog::HIGH_LADDER),
                None => catalog::draw(settings.seed, &catalog::LADDER),
            };
            let videos = with_retention(videos, &people);
            let cases = cases(settings, &people, &videos, &traces)?;
            classes.push(Class { name, traces, cases });
        }
        Ok(World { classes, notes })
    }
}

fn people(settings: &Settings, notes: &mut Vec<String>) -> Result<People, SimError> {
    let shared = settings.shared.as_ref().map(|s| s.join("data/kuairand/interactions.csv.gz"));
    let people = match (&settings.people, shared) {
        (Some(file), _) => People::read(file)?,
        (None, Some(file)) if file.is_file() => People::read(&file)?,
        _ => {
            notes.push("no people file: retention from the cited aggregates".into());
            People::prior()
        }
    };
    if settings.real_people && !people.measured() {
        return Err(SimError::Usage("sessions of real people need a people file".into()));
    }
    Ok(people)
}

type Network = (String, Vec<Trace>, bool);

fn networks(settings: &Settings, notes: &mut Vec<String>) -> Result<Vec<Network>, SimError> {
    if let Some(dir) = &settings.network {
        let name = dir.file_name().map_or_else(|| "network".into(), |n| n.to_string_lossy().into_owned());
        return Ok(vec![(name, Trace::read_dir(dir)?, false)]);
    }
    let mut networks = Vec::new();
    for name in ["fcc", "nyu-lte"] {
        let dir = settings.shared.as_ref().map(|s| s.join("data/network").join(name)).filter(|d| d.is_dir());
        match dir {
            Some(dir) => networks.push((name.to_owned(), Trace::read_dir(&dir)?, false)),
            None => notes.push(format!("no shared traces of {name}: the drawn networks run alone")),
        }
    }
    for class in &markov::CLASSES {
        let traces =
            (0..DRAWN_TRACES).map(|n| markov::draw(class, settings.seed, n)).collect::<Result<_, _>>()?;
        networks.push((class.name.to_owned(), traces, class.high_ladder));
    }
    Ok(networks)
}

fn with_retention(mut videos: Vec<Video>, people: &People) -> Vec<Video> {
    for video in videos.iter_mut().filter(|v| v.retention.is_empty()) {
        video.retention = people.retention(video.duration_ms);
    }
    videos
}

fn cases(
    settings: &Settings,
    people: &People,
    videos: &[Video],
    traces: &[Trace],
) -> Result<Vec<Case>, SimError> {
    let real: Vec<&Vec<View>> = people.users.iter().filter(|u| u.len() >= FEWEST_VIEWS).collect();
    if settings.real_people && real.is_empty() {
        return Err(SimError::Usage(format!("nobody in the people file has {FEWEST_VIEWS} views")));
    }
    let mut picked: Vec<usize> = (0..real.len()).collect();
    picked.shuffle(&mut StdRng::seed_from_u64(settings.seed));
    let users = if settings.real_people { settings.users.min(real.len()) } else { settings.users };
    let mut cases = Vec::with_capacity(users * settings.traces);
    for user in 0..users {
        let mut rng = StdRng::seed_from_u64(settings.seed.wrapping_add(1_000_003 * (user as u64 + 1)));
        let (session, watch_ms) = match settings.real_people {
            true => real_session(real[picked[user]], videos, people, &mut rng),
            false => drawn_session(videos, &mut rng),
        };
        session.check()?;
        let (session, watch_ms) = (Arc::new(session), Arc::new(watch_ms));
        for k in 0..settings.traces {
            let trace = (user * settings.traces + k) % traces.len();
            let start_ms = rng.random::<f64>() * traces[trace].period_ms();
            let (session, watch_ms) = (Arc::clone(&session), Arc::clone(&watch_ms));
            cases.push(Case { session, watch_ms, trace, start_ms, user });
        }
    }
    Ok(cases)
}

fn drawn_session(videos: &[Video], rng: &mut StdRng) -> (Session, Vec<f64>) {
    let mut order: Vec<usize> = (0..videos.len()).collect();
    order.shuffle(rng);
    let mut queue = Vec::new();
    let mut watch_ms = Vec::new();
    for (id, &i) in order.iter().cycle().take(SESSION_VIDEOS).enumerate() {
        watch_ms.push(People::draw(&videos[i], rng));
        queue.push(Video { id: id as u32, ..videos[i].clone() });
    }
    (Session { videos: queue, rtt_ms: RTT_MS, queue: QUEUE }, watch_ms)
}

/// A real person's views in their order: each becomes a video of the same length, with the chunks of a catalogue video
/// repeated or cut to it.
fn real_session(views: &[View], videos: &[Video], people: &People, rng: &mut StdRng) -> (Session, Vec<f64>) {
    let views = &views[..views.len().min(MOST_VIEWS)];
    let mut queue = Vec::with_capacity(views.len());
    for (id, view) in views.iter().enumerate() {
        let model = &videos[rng.random_range(0..videos.len())];
        let longest = model.chunk_ms.saturating_mul(crate::session::MAX_CHUNKS as u32);
        let mut video = Video {
            id: id as u32,
            duration_ms: view.duration_ms.min(longest),
            retention: people.retention(view.duration_ms.min(longest)),
            ..model.clone()
        };
        let chunks = video.chunks();
        for (sizes, from) in video.sizes.iter_mut().zip(&model.sizes) {
            *sizes = from.iter().copied().cycle().take(chunks).collect();
        }
        queue.push(video);
    }
    let watch_ms = views.iter().map(|v| f64::from(v.watch_ms)).collect();
    (Session { videos: queue, rtt_ms: RTT_MS, queue: QUEUE }, watch_ms)
}
