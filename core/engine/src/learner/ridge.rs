//! A ridge regression in closed form: what of a person's viewing the vectors of clips explain.
//!
//! The model is `residual = level + weights · vector`, with each weight held towards zero by a fixed strength and the level
//! by a weaker one. The sums are kept, older viewings fading, and solved anew after each viewing with a Cholesky
//! decomposition: 9 unknowns for 8 dimensions, a few hundred operations.

use serde::{Deserialize, Serialize};

use super::facts::{MAX_COMPONENT, MAX_DIMENSIONS, Vector, sound_number};
use crate::ranking::RidgeWeights;

/// The regression. Row 0 is the level, the others are the components of the vectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ridge {
    /// Set of vectors, and their length.
    pub(super) space: u32,
    /// Components of each vector; zero before the first.
    pub(super) dimensions: usize,
    /// Lower triangle of the sum of products, row by row.
    gram: Vec<f64>,
    /// Sum of residuals times rows.
    moment: Vec<f64>,
    /// The solution.
    solution: Vec<f64>,
}

impl Ridge {
    /// What the vector explains; the level is left out because it is the same for every clip.
    pub(super) fn explain(&self, vector: Option<Vector<'_>>) -> f64 {
        let Some(vector) = vector.filter(|v| v.space == self.space && usable(v)) else { return 0.0 };
        if vector.values.len() != self.dimensions || self.solution.len() != self.dimensions + 1 {
            return 0.0;
        }
        self.solution.iter().skip(1).zip(vector.values).map(|(w, v)| w * bounded(*v)).sum()
    }

    /// By how much the person's viewing lies above what the server expects, whatever the clip.
    pub(super) fn level(&self) -> f64 {
        self.solution.first().copied().unwrap_or(0.0)
    }

    /// Learns one viewing.
    pub(super) fn learn(&mut self, vector: Option<Vector<'_>>, residual: f64, weights: &RidgeWeights) {
        let Some((space, values)) = vector.and_then(|v| Some((v.space, sound(v)?))) else { return };
        if space != self.space || values.len() != self.dimensions {
            *self = Ridge::empty(space, values.len());
        }
        let rows: Vec<f64> = std::iter::once(1.0).chain(values).collect();
        let mut at = 0;
        for (i, a) in rows.iter().enumerate() {
            for b in rows.iter().take(i + 1) {
                if let Some(cell) = self.gram.get_mut(at) {
                    *cell = *cell * weights.keep + a * b;
                }
                at += 1;
            }
        }
        for (cell, a) in self.moment.iter_mut().zip(&rows) {
            *cell = *cell * weights.keep + a * residual;
        }
        if let Some(solution) = solve(&self.gram, &self.moment, weights) {
            self.solution = solution;
        }
    }

    fn empty(space: u32, dimensions: usize) -> Self {
        let n = dimensions + 1;
        Ridge {
            space,
            dimensions,
            gram: vec![0.0; n * (n + 1) / 2],
            moment: vec![0.0; n],
            solution: vec![0.0; n],
        }
    }

    /// Whether the sizes agree and every number is one that can come about.
    pub(super) fn is_sound(&self) -> bool {
        let n = self.dimensions + 1;
        let sizes = match self.dimensions {
            0 => [0, 0, 0],
            _ => [n * (n + 1) / 2, n, n],
        };
        self.dimensions <= MAX_DIMENSIONS
            && [self.gram.len(), self.moment.len(), self.solution.len()] == sizes
            && self.gram.iter().chain(&self.moment).chain(&self.solution).all(|&v| sound_number(v))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        (self.gram.capacity() + self.moment.capacity() + self.solution.capacity()) * size_of::<f64>()
    }
}

/// The components within their bounds; `None` where they cannot be used.
fn sound(vector: Vector<'_>) -> Option<Vec<f64>> {
    usable(&vector).then(|| vector.values.iter().map(|v| bounded(*v)).collect())
}

fn usable(vector: &Vector<'_>) -> bool {
    (1..=MAX_DIMENSIONS).contains(&vector.values.len()) && vector.values.iter().all(|v| v.is_finite())
}

fn bounded(component: f64) -> f64 {
    component.clamp(-MAX_COMPONENT, MAX_COMPONENT)
}

/// Solves `(gram + strength) x = moment` by Cholesky. `None` where the matrix is not positive, which sums of squares plus
/// a positive strength cannot be unless numbers overflow.
fn solve(gram: &[f64], moment: &[f64], weights: &RidgeWeights) -> Option<Vec<f64>> {
    let n = moment.len();
    let cell = |i: usize, j: usize| i * (i + 1) / 2 + j;
    let mut root = gram.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let mut sum = *root.get(cell(i, j))?;
            if i == j {
                sum += if i == 0 { weights.level_strength } else { weights.strength };
            }
            for k in 0..j {
                sum -= root.get(cell(i, k))? * root.get(cell(j, k))?;
            }
            *root.get_mut(cell(i, j))? = if i == j {
                if !(sum.is_finite() && sum > 0.0) {
                    return None;
                }
                sum.sqrt()
            } else {
                sum / root.get(cell(j, j)).copied()?
            };
        }
    }
    let mut x = moment.to_vec();
    for i in 0..n {
        let mut sum = *x.get(i)?;
        for k in 0..i {
            sum -= root.get(cell(i, k))? * x.get(k)?;
        }
        *x.get_mut(i)? = sum / root.get(cell(i, i))?;
    }
    for i in (0..n).rev() {
        let mut sum = *x.get(i)?;
        for k in i + 1..n {
            sum -= root.get(cell(k, i))? * x.get(k)?;
        }
        *x.get_mut(i)? = sum / root.get(cell(i, i))?;
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: RidgeWeights = RidgeWeights { weight: 1.0, strength: 1e-9, level_strength: 1e-9, keep: 1.0 };

    #[test]
    fn a_plane_is_found() {
        let mut ridge = Ridge::default();
        for i in 0..40_i32 {
            let (a, b) = (f64::from(i % 7) - 3.0, f64::from(i % 5) - 2.0);
            ridge.learn(Some(Vector { space: 3, values: &[a, b] }), 0.25 + 2.0 * a - 0.5 * b, &PLAIN);
        }
        assert!((ridge.level() - 0.25).abs() < 1e-6, "{ridge:?}");
        let explained = ridge.explain(Some(Vector { space: 3, values: &[1.0, 1.0] }));
        assert!((explained - 1.5).abs() < 1e-6, "{explained}");
        assert_eq!(
            ridge.explain(Some(Vector { space: 4, values: &[1.0, 1.0] })),
            0.0,
            "another set of vectors"
        );
    }

    #[test]
    fn strength_holds_towards_zero() {
        let strong = RidgeWeights { strength: 100.0, ..PLAIN };
        let (mut free, mut held) = (Ridge::default(), Ridge::default());
        for x in [1.0, -1.0, 2.0, -2.0] {
            free.learn(Some(Vector { space: 0, values: &[x] }), x, &PLAIN);
            held.learn(Some(Vector { space: 0, values: &[x] }), x, &strong);
        }
        let at = Some(Vector { space: 0, values: &[1.0] });
        assert!((free.explain(at) - 1.0).abs() < 1e-6);
        assert!((held.explain(at) - 10.0 / 110.0).abs() < 1e-6, "{}", held.explain(at));
    }

    #[test]
    fn what_is_no_vector_teaches_nothing() {
        let mut ridge = Ridge::default();
        let long = [0.0; MAX_DIMENSIONS + 1];
        for values in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY], &long] {
            ridge.learn(Some(Vector { space: 0, values }), 1.0, &PLAIN);
        }
        assert_eq!(ridge, Ridge::default());
        ridge.learn(Some(Vector { space: 0, values: &[1e300, -1e300] }), 1.0, &PLAIN);
        assert!(
            ridge.is_sound() && ridge.explain(Some(Vector { space: 0, values: &[1e300, 0.0] })).is_finite()
        );
    }
}
