//! First weights of torch's policies: the twin of `python/twisterl/nn/init.py`.
//!
//! Every singular value of a matrix is one number (Saxe et al., "Exact solutions to the nonlinear
//! dynamics of learning in deep linear neural networks"). torch makes the matrix by routines of a library
//! whose last bits differ from machine to machine; here it is of the same distribution, and of numbers
//! of its own.

use crate::nn::standard_normal;
use crate::rng::Rng;

/// Keeps the streams of first weights apart from all others.
const WEIGHTS_TAG: u64 = 0x6F72_7468_6F67_6F6E;

/// Parameter number `index`, called `name`: biases are 0. Those of an attention are uniform, as torch draws them.
pub(super) fn orthogonal(name: &str, shape: &[usize], seed: u64, index: u64) -> Vec<f32> {
    let count = shape.iter().product();
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_weight = last.starts_with("weight") || matches!(last, "in_proj_weight" | "place");
    if !is_weight {
        return vec![0.0; count];
    }
    // Customary: 0.01 for an actor, 1 for a critic or a memory, sqrt(2) where a ReLU follows.
    let scale = match name {
        _ if name.ends_with("actor.weight") => 0.01,
        _ if name.ends_with("critic.weight") || last.starts_with("weight_") => 1.0,
        _ => 2.0_f64.sqrt(),
    };
    let rows = shape[0];
    let columns = count / rows.max(1);
    let mut rng = Rng::stream(seed ^ WEIGHTS_TAG, 0, index);
    // torch's own of an attention: Glorot and Bengio's, and those of a linear layer.
    let bound = match name {
        _ if last == "in_proj_weight" => Some(6.0 / (rows + columns) as f64),
        _ if name.ends_with("out_proj.weight") => Some(1.0 / columns as f64),
        _ => None,
    };
    if let Some(bound) = bound.map(f64::sqrt) {
        let draw = |_| (bound * (2.0 * f64::from(rng.unit()) - 1.0)) as f32;
        return (0..count).map(draw).collect();
    }
    let (few, many) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = (0..few)
        .map(|_| (0..many).map(|_| f64::from(standard_normal(&mut rng))).collect())
        .collect();
    orthonormalize(&mut vectors);
    let at = |row: usize, column: usize| match rows <= columns {
        true => vectors[row][column],
        false => vectors[column][row],
    };
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    places.map(|(row, column)| (scale * at(row, column)) as f32).collect()
}

/// Gram and Schmidt, twice, for what the first time leaves in the last digits.
fn orthonormalize(vectors: &mut [Vec<f64>]) {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in before.iter() {
                let along: f64 = vector.iter().zip(other).map(|(x, y)| x * y).sum();
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
            let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_are_the_scale() {
        for (name, shape, scale) in [
            ("module.encoder.1.weight", [5, 9], 2.0),
            ("module.encoder.place", [9, 5], 2.0),
            ("module.actor.weight", [4, 7], 1e-4),
            ("module.core.net.weight_hh_l0", [12, 3], 1.0),
        ] {
            let matrix = orthogonal(name, &shape, 3, 1);
            let [rows, columns] = shape;
            let at = |i: usize, k: usize| match rows < columns {
                true => matrix[i * columns + k],
                false => matrix[k * columns + i],
            };
            for (i, j) in (0..rows.min(columns)).flat_map(|i| [(i, i), (i, (i + 1) % 3)]) {
                let product: f32 = (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum();
                let expected = if i == j { scale } else { 0.0 };
                assert!((product - expected).abs() < 1e-5 * scale, "{name} {i} {j} {product}");
            }
        }
        assert_eq!(orthogonal("module.core.net.bias_ih_l0", &[6], 0, 0), [0.0; 6]);
        for (kind, shape, bound) in [
            ("in_proj_weight", [24, 8], (6.0 / 32.0_f32).sqrt()),
            ("out_proj.weight", [8, 8], 0.3536),
        ] {
            let drawn = orthogonal(&format!("module.encoder.attention.{kind}"), &shape, 0, 0);
            let largest = drawn.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            assert!(0.9 * bound < largest && largest <= bound, "{kind} {largest}");
        }
    }
}
