//! The promises of the feed, replayed: what the learner, the loop breaker and the filter that ship do on recorded and
//! simulated people, as figures with bounds.
//!
//! Every part drives the machines of `unspool-engine` themselves. Data are read at run time from a folder given by the
//! caller; what is absent makes rows that say NO DATA and fail nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use unspool_engine::ranking::RankingPolicy;

use crate::error::SimError;

pub mod gate;
pub mod kuairand;
pub mod loops;
mod report;
mod row;
pub mod safe1;
pub mod safe2;
pub mod safe3;
pub mod sl1;
pub mod sl2;
pub mod sl3;
pub mod stats;
pub mod table;
pub mod vectors;

pub use report::Report;
pub use row::Row;

use kuairand::Data;

/// What a replay is made of.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Folder of shared data, with `kuairand/` and `protocols/` in it; parts may be absent.
    pub data: Option<PathBuf>,
    /// Folder with `ml-100k.inter`, MovieLens-100k as RecBole packs it.
    pub movielens: Option<PathBuf>,
    /// The ranking policy that is judged.
    pub policy: RankingPolicy,
    /// Most people of each simulation; fewer make a run quick and its figures rough.
    pub people: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    recorded: Arc<OnceLock<Arc<Data>>>,
}

impl Inputs {
    /// Inputs of a whole run.
    #[must_use]
    pub fn new(policy: RankingPolicy, seed: u64) -> Self {
        Inputs { data: None, movielens: None, policy, people: usize::MAX, seed, recorded: Arc::default() }
    }

    /// The recorded behaviour, read once; the inner error says why there is none.
    ///
    /// # Errors
    /// Where a file is there and not in its format.
    pub fn kuairand(&self) -> Result<Result<Arc<Data>, String>, SimError> {
        let Some(data) = &self.data else { return Ok(Err("no folder of data was given".to_owned())) };
        // The folder itself may be the one with the tables.
        let folder = [data.join("kuairand"), data.clone()].into_iter().find(|f| Data::is_there(f));
        let Some(folder) = folder else {
            return Ok(Err("no items, histories and interactions in kuairand".to_owned()));
        };
        if let Some(read) = self.recorded.get() {
            return Ok(Ok(Arc::clone(read)));
        }
        let read = Arc::new(Data::read(&folder, self.seed)?);
        Ok(Ok(Arc::clone(self.recorded.get_or_init(|| read))))
    }
}

/// Where MovieLens-100k lies: `UNSPOOL_ML100K`, else `ml-100k` in the folder of data, else the tools cache of this user.
#[must_use]
pub fn movielens_folder(data: Option<&Path>) -> Option<PathBuf> {
    let cache = || {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        base.map(|b| b.join("unspool/tools/ml-100k"))
    };
    let places =
        [std::env::var_os("UNSPOOL_ML100K").map(PathBuf::from), data.map(|d| d.join("ml-100k")), cache()];
    places.into_iter().flatten().find(|p| p.is_dir())
}

/// One promise and how it is judged.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name.
    pub name: &'static str,
    /// Judges it: at least one row, whatever is absent.
    pub rows: fn(&Inputs) -> Result<Vec<Row>, SimError>,
}

/// Every promise, in the order of the report.
pub const ROSTER: &[Promise] = &[
    Promise { name: "SL-1", rows: sl1::rows },
    Promise { name: "SL-2", rows: sl2::rows },
    Promise { name: "SL-3", rows: sl3::rows },
    Promise { name: "SAFE-1", rows: safe1::rows },
    Promise { name: "SAFE-2", rows: safe2::rows },
    Promise { name: "SAFE-3", rows: safe3::rows },
];
