//! Vectors of clips, as a server would make them: alternating least squares over what many people watched.
//!
//! Each residual (how a viewing went less the clip's prior) is explained by the product of a vector of the person and one of
//! the clip, both held towards zero. The server then scales its vectors so that the tastes of its people along them spread
//! by a quarter, as the learner's contract asks; a noisy fit thereby counts for little.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Components.
pub const DIMENSIONS: usize = 8;
/// Standard deviation of people's tastes along a component.
const SPREAD: f64 = 0.25;

/// How to fit.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Rounds over people and clips.
    pub rounds: usize,
    /// How strongly the vectors of people are held.
    pub people: f64,
    /// How strongly those of clips are held.
    pub clips: f64,
}

/// One residual of one person and one clip, by their numbers.
#[derive(Debug, Clone, Copy)]
pub struct Residual {
    /// Person.
    pub person: usize,
    /// Clip.
    pub clip: usize,
    /// How much better than the prior it went.
    pub value: f64,
}

type Row = [f64; DIMENSIONS];

/// Vectors of all clips; zero for one that nobody watched.
#[must_use]
pub fn fit(residuals: &[Residual], people: usize, clips: usize, fit: Fit, seed: u64) -> Vec<Row> {
    let by_person = grouped(residuals, people, |r| r.person);
    let by_clip = grouped(residuals, clips, |r| r.clip);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut of_clips: Vec<Row> =
        (0..clips).map(|_| std::array::from_fn(|_| rng.random_range(-0.5..0.5))).collect();
    let mut of_people = vec![[0.0; DIMENSIONS]; people];
    for _ in 0..fit.rounds {
        for (row, group) in of_people.iter_mut().zip(&by_person) {
            *row =
                ridge(group.iter().map(|&i| (&of_clips[residuals[i].clip], residuals[i].value)), fit.people);
        }
        for (row, group) in of_clips.iter_mut().zip(&by_clip) {
            *row = ridge(
                group.iter().map(|&i| (&of_people[residuals[i].person], residuals[i].value)),
                fit.clips,
            );
        }
    }
    let squares: f64 = of_people.iter().flatten().map(|v| v * v).sum();
    let spread = (squares / (people.max(1) * DIMENSIONS) as f64).sqrt();
    let scale = spread / SPREAD;
    for value in of_clips.iter_mut().flatten() {
        *value *= scale;
    }
    of_clips
}

fn grouped(residuals: &[Residual], groups: usize, key: impl Fn(&Residual) -> usize) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); groups];
    for (i, residual) in residuals.iter().enumerate() {
        out[key(residual)].push(i);
    }
    out
}

/// The weights that explain values by rows best, held towards zero: Gauss elimination of the normal equations, whose matrix
/// is positive.
fn ridge<'a>(rows: impl Iterator<Item = (&'a Row, f64)>, strength: f64) -> Row {
    let mut matrix = [[0.0; DIMENSIONS]; DIMENSIONS];
    let mut right = [0.0; DIMENSIONS];
    let mut any = false;
    for (row, value) in rows {
        any = true;
        for i in 0..DIMENSIONS {
            right[i] += row[i] * value;
            for j in 0..DIMENSIONS {
                matrix[i][j] += row[i] * row[j];
            }
        }
    }
    if !any {
        return [0.0; DIMENSIONS];
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += strength;
    }
    for i in 0..DIMENSIONS {
        let pivot = matrix[i];
        for j in i + 1..DIMENSIONS {
            let factor = matrix[j][i] / pivot[i];
            for (cell, above) in matrix[j].iter_mut().zip(&pivot).skip(i) {
                *cell -= factor * above;
            }
            right[j] -= factor * right[i];
        }
    }
    for i in (0..DIMENSIONS).rev() {
        let known: f64 = (i + 1..DIMENSIONS).map(|j| matrix[i][j] * right[j]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_camps_are_told_apart() {
        let mut residuals = Vec::new();
        for person in 0..40 {
            for clip in 0..20 {
                let value = if (person + clip) % 2 == 0 { 0.5 } else { -0.5 };
                residuals.push(Residual { person, clip, value });
            }
        }
        let vectors = fit(&residuals, 40, 21, Fit { rounds: 10, people: 1.0, clips: 1.0 }, 1);
        let dot = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum::<f64>();
        assert!(dot(0, 2) > 0.0 && dot(0, 1) < 0.0, "{} {}", dot(0, 2), dot(0, 1));
        assert_eq!(vectors[20], [0.0; DIMENSIONS]);
    }
}
