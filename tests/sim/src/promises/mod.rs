//! The promises of the feed, replayed: what the learner, the loop breaker and the filter that ship do on recorded and
//! simulated people, as figures with bounds.
//!
//! Every part drives the machines of `unspool-engine` themselves. Data are read at run time from a folder given by the
//! caller; what is absent makes rows that say NO DATA and fail nothing.

use std::path::PathBuf;

use crate::error::SimError;

mod row;
pub mod safe2;

pub use row::Row;

/// What a replay is made of.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Folder of shared data, with `kuairand/` and `protocols/` in it; parts may be absent.
    pub data: Option<PathBuf>,
    /// Folder with `ml-100k.inter`, MovieLens-100k as RecBole packs it.
    pub movielens: Option<PathBuf>,
    /// Seed of everything that is drawn.
    pub seed: u64,
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
pub const ROSTER: &[Promise] = &[Promise { name: "SAFE-2", rows: safe2::rows }];
