//! One step of a recurrent layer and its way back, for one row; `gates` are those of torch, in its
//! order, each of `H` numbers, and `h`, `c` what is remembered:
//!
//! ```text
//! e = x W_ih + b_ih        u = h W_hh + b_hh
//! rnn     h' = f(e + u), f = tanh or max(x, 0)
//! gru     r, z = sigmoid(e + u)        n = tanh(e_n + r u_n)        h' = (1 - z) n + z h
//! lstm    i, f, o = sigmoid(e + u)     g = tanh(e_g + u_g)          c' = f c + i g    h' = o tanh(c')
//! ```

use serde::{Deserialize, Serialize};

use crate::nn::functions::{sigmoid, tanh};

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    RnnTanh,
    RnnRelu,
    Gru,
    Lstm,
}

/// The numbers of one row that a step reads and makes.
pub(super) struct Step<'a> {
    /// `e`, of which the gates are made: `[G * H]`.
    pub(super) gates: &'a mut [f32],
    /// `u [G * H]`
    pub(super) recalled: &'a [f32],
    pub(super) h: &'a mut [f32],
    /// Of an LSTM.
    pub(super) c: &'a mut [f32],
    /// `u_n` of a GRU, `c` before the step of an LSTM.
    pub(super) kept: &'a mut [f32],
    /// `tanh(c')` of an LSTM.
    pub(super) shown: &'a mut [f32],
}

/// The numbers of one row on the way back.
pub(super) struct Back<'a> {
    pub(super) gates: &'a [f32],
    /// `h` before the step.
    pub(super) before: &'a [f32],
    pub(super) kept: &'a [f32],
    pub(super) shown: &'a [f32],
    /// The gradient by `h'`.
    pub(super) dh: &'a [f32],
    /// What goes back beside `u`: the gradient by `c'`, then by `c`, of an LSTM; that by `h` of a GRU.
    pub(super) beside: &'a mut [f32],
    /// The gradient by `e`.
    pub(super) entered: &'a mut [f32],
    /// The gradient by `u`, where it is another.
    pub(super) recalled: &'a mut [f32],
}

impl Cell {
    /// Numbers of a row's gates, in `H`.
    pub(super) fn num_gates(self) -> usize {
        match self {
            Self::RnnTanh | Self::RnnRelu => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// What it remembers, in `H`.
    pub(in crate::nn) fn num_parts(self) -> usize {
        if self == Self::Lstm {
            2
        } else {
            1
        }
    }

    /// Whether a gradient goes to `h` beside that through `u`; those by `e` and by `u` differ then.
    pub(super) fn adds_beside(self) -> bool {
        self == Self::Gru
    }

    #[inline(always)]
    pub(super) fn step(self, size: usize, step: Step<'_>) {
        let Step { gates, recalled, h, c, kept, shown } = step;
        let (h, c) = (&mut h[..size], c.get_mut(..size).unwrap_or_default());
        match self {
            Self::RnnTanh => {
                gate(gates, recalled, size, 0, tanh);
                h.copy_from_slice(&gates[..size]);
            }
            Self::RnnRelu => {
                gate(gates, recalled, size, 0, |x| if x < 0.0 { 0.0 } else { x });
                h.copy_from_slice(&gates[..size]);
            }
            Self::Gru => {
                (0..2).for_each(|which| gate(gates, recalled, size, which, sigmoid));
                let kept = &mut kept[..size];
                kept.copy_from_slice(&recalled[2 * size..3 * size]);
                let [r, z, n] = parts_mut(gates, size);
                for k in 0..size {
                    n[k] = tanh(n[k] + r[k] * kept[k]);
                    h[k] = (1.0 - z[k]) * n[k] + z[k] * h[k];
                }
            }
            Self::Lstm => {
                [0, 1, 3].iter().for_each(|&which| gate(gates, recalled, size, which, sigmoid));
                gate(gates, recalled, size, 2, tanh);
                kept[..size].copy_from_slice(c);
                let shown = &mut shown[..size];
                let [i, f, g, o] = parts_mut(gates, size);
                for k in 0..size {
                    c[k] = f[k] * c[k] + i[k] * g[k];
                    shown[k] = tanh(c[k]);
                    h[k] = o[k] * shown[k];
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn back(self, size: usize, back: Back<'_>) {
        let Back { gates, before, kept, shown, dh, beside, entered, recalled } = back;
        let (before, dh) = (&before[..size], &dh[..size]);
        match self {
            Self::RnnTanh | Self::RnnRelu => {
                let (h, entered) = (&gates[..size], &mut entered[..size]);
                for k in 0..size {
                    entered[k] = match self {
                        Self::RnnTanh => dh[k] * (1.0 - h[k] * h[k]),
                        _ if h[k] > 0.0 => dh[k],
                        _ => 0.0,
                    };
                }
            }
            Self::Gru => {
                let ([r, z, n], [dr, dz, dn]) = (parts(gates, size), parts_mut(entered, size));
                let (kept, beside) = (&kept[..size], &mut beside[..size]);
                for k in 0..size {
                    dn[k] = dh[k] * (1.0 - z[k]) * (1.0 - n[k] * n[k]);
                    dr[k] = dn[k] * kept[k] * r[k] * (1.0 - r[k]);
                    dz[k] = dh[k] * (before[k] - n[k]) * z[k] * (1.0 - z[k]);
                    beside[k] = dh[k] * z[k];
                }
                recalled[..2 * size].copy_from_slice(&entered[..2 * size]);
                for k in 0..size {
                    recalled[2 * size + k] = entered[2 * size + k] * gates[k];
                }
            }
            Self::Lstm => {
                let ([i, f, g, o], [di, df, dg, d_o]) =
                    (parts(gates, size), parts_mut(entered, size));
                let (kept, shown, dc) = (&kept[..size], &shown[..size], &mut beside[..size]);
                for k in 0..size {
                    let by_c = dc[k] + dh[k] * o[k] * (1.0 - shown[k] * shown[k]);
                    di[k] = by_c * g[k] * i[k] * (1.0 - i[k]);
                    df[k] = by_c * kept[k] * f[k] * (1.0 - f[k]);
                    dg[k] = by_c * i[k] * (1.0 - g[k] * g[k]);
                    d_o[k] = dh[k] * shown[k] * o[k] * (1.0 - o[k]);
                    dc[k] = by_c * f[k];
                }
            }
        }
    }
}

/// `gate = f(gate + recalled)` for gate `which`.
#[inline(always)]
fn gate(gates: &mut [f32], recalled: &[f32], size: usize, which: usize, f: impl Fn(f32) -> f32) {
    let range = which * size..(which + 1) * size;
    let pairs = gates[range.clone()].iter_mut().zip(&recalled[range]);
    pairs.for_each(|(gate, recalled)| *gate = f(*gate + recalled));
}

/// The first `N` parts of `size` numbers.
#[inline(always)]
fn parts<const N: usize>(row: &[f32], size: usize) -> [&[f32]; N] {
    std::array::from_fn(|i| &row[i * size..(i + 1) * size])
}

#[inline(always)]
fn parts_mut<const N: usize>(row: &mut [f32], size: usize) -> [&mut [f32]; N] {
    let mut parts = row.chunks_exact_mut(size);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
