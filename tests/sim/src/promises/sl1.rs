//! SL-1, it learns: MovieLens-100k (Harper and Konstan, 2015), read at run time from the place where `scripts/movielens.sh`
//! puts it.
//!
//! In five folds everybody is held out once. The server knows the other four fifths: a prior for each film (share of likes,
//! smoothed by five) and vectors. The held-out person's ratings are taken in the order of time; the shipped learner is told
//! the first of them as viewings and then scores everything after the fiftieth. A like is four stars or five. The figure is
//! the mean over people of the area under the curve less that of the prior alone; its interval resamples people.

use std::collections::BTreeMap;
use std::path::Path;

use unspool_engine::learner::{Clip, Learner, Vector, Viewing};
use unspool_engine::ranking::LearnerWeights;

use super::table::{self, Table};
use super::vectors::{self, Fit, Residual};
use super::{Inputs, Row, stats};
use crate::error::SimError;

const FOLDS: usize = 5;
/// Ratings behind which everything is evaluated.
const AFTER: usize = 50;
/// Fewest ratings of a person who is evaluated.
const FEWEST: usize = 70;
/// Pretended ratings in a film's prior.
const PRETENDED: f64 = 5.0;
/// Interactions after which the promise is judged, and the lift it asks for. The others are told.
const CURVE: [(usize, Option<f64>); 4] = [(5, Some(0.002)), (10, None), (20, None), (50, Some(0.010))];

const FIT: Fit = Fit { rounds: 12, people: 4.0, clips: 4.0 };

struct Film {
    topics: Vec<String>,
}

struct Ratings {
    /// Of each person in the order of time: film and stars.
    people: Vec<Vec<(usize, u8)>>,
    films: Vec<Film>,
}

/// Judges how much is learnt.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    let what = |n: usize| format!("AUC lift over the item prior after {n} interactions, MovieLens-100k");
    let Some(folder) = inputs.movielens.as_deref().filter(|f| table::find(f, "ml-100k.inter").is_some())
    else {
        let absent = |&(n, _): &(usize, Option<f64>)| {
            Row::no_data("SL-1", what(n), "no ml-100k.inter: run scripts/movielens.sh")
        };
        return Ok(CURVE.iter().filter(|c| c.1.is_some()).map(absent).collect());
    };
    let ratings = read(folder)?;
    let (prior, lifts) = evaluate(&ratings, &inputs.policy.learner, inputs.seed);
    let mut rows = Vec::new();
    for (at, (n, bound)) in CURVE.into_iter().enumerate() {
        let each: Vec<(f64, f64)> = lifts.iter().map(|l| (l[at], 1.0)).collect();
        let row = Row::told("SL-1", what(n), stats::mean(&each))
            .between(stats::interval(&each, inputs.seed))
            .note(format!("{} people, {FOLDS} folds, prior alone {prior:.4}", lifts.len()));
        rows.push(match bound {
            Some(bound) => row.at_least(bound).surely_positive(),
            None => row,
        });
    }
    Ok(rows)
}

fn read(folder: &Path) -> Result<Ratings, SimError> {
    let inter =
        table::find(folder, "ml-100k.inter").ok_or_else(|| SimError::format(folder, "no ml-100k.inter"))?;
    let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
    let mut films = Vec::new();
    let mut by: BTreeMap<u64, Vec<(u64, u64, u8)>> = BTreeMap::new();
    let mut rows = Table::open(&inter, b'\t')?;
    let [user, item, rating, time] = columns(&rows, ["user_id", "item_id", "rating", "timestamp"])?;
    while rows.advance()? {
        let stars = rows.number(rating)?;
        if !(0.5..=5.0).contains(&stars) {
            return Err(SimError::format(&inter, format!("{stars} stars")));
        }
        by.entry(rows.whole(user)?).or_default().push((
            rows.whole(time)?,
            rows.whole(item)?,
            stars.round().max(1.0) as u8,
        ));
    }
    let mut people = Vec::with_capacity(by.len());
    for mut list in by.into_values() {
        list.sort_unstable();
        let numbered = list.into_iter().map(|(_, film, stars)| {
            let number = *numbers.entry(film).or_insert_with(|| {
                films.push(Film { topics: Vec::new() });
                films.len() - 1
            });
            (number, stars)
        });
        people.push(numbered.collect());
    }
    if let Some(path) = table::find(folder, "ml-100k.item") {
        let mut rows = Table::open(&path, b'\t')?;
        let [item, class] = columns(&rows, ["item_id", "class"])?;
        while rows.advance()? {
            if let Some(film) = numbers.get(&rows.whole(item)?).and_then(|&n| films.get_mut(n)) {
                film.topics = rows.text(class).split_whitespace().map(str::to_owned).collect();
            }
        }
    }
    Ok(Ratings { people, films })
}

fn columns<const N: usize>(table: &Table, names: [&str; N]) -> Result<[usize; N], SimError> {
    let mut out = [0; N];
    for (slot, name) in out.iter_mut().zip(names) {
        *slot = table.column(name)?;
    }
    Ok(out)
}

fn liked(stars: u8) -> bool {
    stars >= 4
}

/// A rating as a viewing of a clip of a minute: one star is a swipe away, two and three end early, four is a long view, five
/// a like on top.
fn viewing(stars: u8, weights: &LearnerWeights) -> Viewing {
    let long = weights.label.long_view_ms;
    let active_ms = match stars {
        0 | 1 => 0,
        2 => long / 3,
        3 => long * 2 / 3,
        _ => long,
    };
    Viewing { active_ms, liked: stars >= 5, ..Viewing::default() }
}

const DURATION_MS: u64 = 60_000;

/// Mean area of the prior, and of each person the lifts at the points of the curve.
fn evaluate(ratings: &Ratings, weights: &LearnerWeights, seed: u64) -> (f64, Vec<[f64; CURVE.len()]>) {
    let (mut lifts, mut areas) = (Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let server = Server::learn(ratings, fold, weights, seed);
        for person in ratings.people.iter().skip(fold).step_by(FOLDS).filter(|p| p.len() >= FEWEST) {
            let later = &person[AFTER..];
            let area = |score: &dyn Fn(usize) -> f64| {
                stats::auc(
                    &later.iter().map(|&(film, stars)| (score(film), liked(stars))).collect::<Vec<_>>(),
                )
            };
            let Some(prior) = area(&|film| server.prior[film]) else { continue };
            let mut learner = Learner::new(weights.clone());
            let mut lift = [0.0; CURVE.len()];
            for (n, &(film, stars)) in person[..AFTER].iter().enumerate() {
                learner.handle_viewing(&server.clip(ratings, film), &viewing(stars, weights));
                if let Some(at) = CURVE.iter().position(|c| c.0 == n + 1) {
                    let learnt = area(&|film| learner.score(&server.clip(ratings, film)));
                    lift[at] = learnt.unwrap_or(prior) - prior;
                }
            }
            lifts.push(lift);
            areas.push((prior, 1.0));
        }
    }
    (stats::mean(&areas), lifts)
}

/// What the server knows without the people of one fold.
struct Server {
    prior: Vec<f64>,
    vectors: Vec<[f64; vectors::DIMENSIONS]>,
}

impl Server {
    fn learn(ratings: &Ratings, without: usize, weights: &LearnerWeights, seed: u64) -> Self {
        let known = || ratings.people.iter().enumerate().filter(|(i, _)| i % FOLDS != without);
        let mut likes = vec![(0.0, 0.0); ratings.films.len()];
        let (mut all, mut rows) = (0.0, 0.0);
        for &(film, stars) in known().flat_map(|(_, p)| p) {
            let like = f64::from(u8::from(liked(stars)));
            likes[film].0 += like;
            likes[film].1 += 1.0;
            all += like;
            rows += 1.0;
        }
        let mean = all / f64::max(rows, 1.0);
        let prior: Vec<f64> = likes.iter().map(|(l, n)| (l + PRETENDED * mean) / (n + PRETENDED)).collect();
        let mut residuals = Vec::new();
        for (person, list) in known() {
            let quality = |stars| viewing(stars, weights).quality(DURATION_MS, &weights.label);
            let each = list.iter().map(|&(film, stars)| (film, quality(stars) - prior[film]));
            let level = each.clone().map(|(_, r)| r).sum::<f64>() / (list.len() as f64 + PRETENDED);
            residuals.extend(each.map(|(clip, r)| Residual { person, clip, value: r - level }));
        }
        let vectors = vectors::fit(&residuals, ratings.people.len(), ratings.films.len(), FIT, seed);
        Server { prior, vectors }
    }

    fn clip<'a>(&'a self, ratings: &'a Ratings, film: usize) -> Clip<'a> {
        Clip {
            prior: Some(self.prior[film]),
            topics: &ratings.films[film].topics,
            creator: "",
            duration_ms: DURATION_MS,
            vector: Some(Vector { space: 1, values: &self.vectors[film] }),
            lift: 0.0,
        }
    }
}
