//! One step of a recurrent layer and its way back, for one row; `gates` are those of torch, in its
//! order, each of `H` numbers, and `h`, `c` what is remembered:
//!
//! ```text
//! e = x W_ih + b_ih        u = h W_hh + b_hh
//! rnn     h' = f(e + u), f = tanh or max(x, 0)
//! gru     r, z = sigmoid(e + u)        n = tanh(e_n + r u_n)        h' = (1 - z) n + z h
//! lstm    i, f, o = sigmoid(e + u)     g = tanh(e_g + u_g)          c' = f c + i g    h' = o tanh(c')
//! ```

use std::ops::Range;

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
        let h = &mut h[..size];
        match self {
            Self::RnnTanh => {
                gate(gates, recalled, 0..size, tanh);
                h.copy_from_slice(&gates[..size]);
            }
            Self::RnnRelu => {
                gate(gates, recalled, 0..size, |x| if x < 0.0 { 0.0 } else { x });
                h.copy_from_slice(&gates[..size]);
            }
            Self::Gru => {
                gate(gates, recalled, 0..2 * size, sigmoid);
                kept[..size].copy_from_slice(&recalled[2 * size..3 * size]);
                let [r, z, n] = parts_mut(gates, size);
                make(n, [r, kept, r], |n, r, u, _| tanh(n + r * u));
                make(h, [z, n, n], |h, z, n, _| (1.0 - z) * n + z * h);
            }
            Self::Lstm => {
                gate(gates, recalled, 0..2 * size, sigmoid);
                gate(gates, recalled, 2 * size..3 * size, tanh);
                gate(gates, recalled, 3 * size..4 * size, sigmoid);
                let c = &mut c[..size];
                kept[..size].copy_from_slice(c);
                let [i, f, g, o] = parts(gates, size);
                make(c, [i, f, g], |c, i, f, g| f * c + i * g);
                make(&mut shown[..size], [c, c, c], |_, c, _, _| tanh(c));
                make(h, [o, shown, o], |_, o, shown, _| o * shown);
            }
        }
    }

    #[inline(always)]
    pub(super) fn back(self, size: usize, back: Back<'_>) {
        let Back { gates, before, kept, shown, dh, beside, entered, recalled } = back;
        let beside = &mut beside[..size];
        match self {
            Self::RnnTanh => {
                make(&mut entered[..size], [dh, gates, gates], |_, d, h, _| d * (1.0 - h * h));
            }
            Self::RnnRelu => {
                let slope = |h: f32| if h > 0.0 { 1.0 } else { 0.0 };
                make(&mut entered[..size], [dh, gates, gates], |_, d, h, _| d * slope(h));
            }
            Self::Gru => {
                let ([r, z, n], [dr, dz, dn]) = (parts(gates, size), parts_mut(entered, size));
                make(dn, [dh, z, n], |_, d, z, n| d * (1.0 - z) * (1.0 - n * n));
                make(dr, [dn, kept, r], |_, dn, u, r| dn * u * r * (1.0 - r));
                make(dz, [dh, before, n], |_, d, h, n| d * (h - n));
                make(dz, [z, z, z], |d, z, _, _| d * z * (1.0 - z));
                make(beside, [dh, z, z], |_, d, z, _| d * z);
                recalled[..2 * size].copy_from_slice(&entered[..2 * size]);
                let (by_n, made) = (&entered[2 * size..], &mut recalled[2 * size..3 * size]);
                make(made, [by_n, r, r], |_, d, r, _| d * r);
            }
            Self::Lstm => {
                let ([i, f, g, o], [di, df, dg, d_o]) =
                    (parts(gates, size), parts_mut(entered, size));
                make(beside, [dh, o, shown], |dc, d, o, shown| dc + d * o * (1.0 - shown * shown));
                make(di, [beside, g, i], |_, dc, g, i| dc * g * i * (1.0 - i));
                make(df, [beside, kept, f], |_, dc, c, f| dc * c * f * (1.0 - f));
                make(dg, [beside, i, g], |_, dc, i, g| dc * i * (1.0 - g * g));
                make(d_o, [dh, shown, o], |_, d, shown, o| d * shown * o * (1.0 - o));
                make(beside, [f, f, f], |dc, f, _, _| dc * f);
            }
        }
    }
}

/// `gate = f(gate + recalled)` for the numbers `range`.
#[inline(always)]
fn gate(gates: &mut [f32], recalled: &[f32], range: Range<usize>, f: impl Fn(f32) -> f32) {
    let pairs = gates[range.clone()].iter_mut().zip(&recalled[range]);
    pairs.for_each(|(gate, recalled)| *gate = f(*gate + recalled));
}

/// `to = f(to, a, b, c)` of each number: so few slices at a time that compilers make vectors of them.
#[inline(always)]
fn make(to: &mut [f32], [a, b, c]: [&[f32]; 3], f: impl Fn(f32, f32, f32, f32) -> f32) {
    let rest = a.iter().zip(b).zip(c);
    to.iter_mut().zip(rest).for_each(|(to, ((a, b), c))| *to = f(*to, *a, *b, *c));
}

/// The first `N` parts of `size` numbers.
#[inline(always)]
fn parts<const N: usize>(row: &[f32], size: usize) -> [&[f32]; N] {
    std::array::from_fn(|i| &row[i * size..(i + 1) * size])
}

#[inline(always)]
fn parts_mut<const N: usize>(mut row: &mut [f32], size: usize) -> [&mut [f32]; N] {
    std::array::from_fn(|_| {
        let (part, rest) = std::mem::take(&mut row).split_at_mut(size);
        row = rest;
        part
    })
}
