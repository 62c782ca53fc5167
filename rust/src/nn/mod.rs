//! Inference: the policy network over batches of sparse observations.
use crate::error::{Error, Result};
use crate::obs::SparseRows;

#[derive(Clone)]
pub struct Linear {
    w: Vec<f32>,
    b: Vec<f32>,
    relu: bool,
}
impl Linear {
    pub fn new(w: Vec<f32>, b: Vec<f32>, relu: bool) -> Result<Self> {
        Ok(Self { w, b, relu })
    }
    fn run(&self, x: &[f32]) -> Vec<f32> {
        let n = self.b.len();
        let mut out = self.b.clone();
        for (i, x) in x.iter().enumerate() {
            for j in 0..n {
                out[j] += x * self.w[i * n + j];
            }
        }
        if self.relu {
            out.iter_mut().for_each(|v| *v = v.max(0.0));
        }
        out
    }
}
#[derive(Clone)]
pub struct Sequential(Vec<Linear>);
impl Sequential {
    pub fn new(l: Vec<Linear>) -> Result<Self> {
        Ok(Self(l))
    }
    fn run(&self, x: Vec<f32>) -> Vec<f32> {
        self.0.iter().fold(x, |x, l| l.run(&x))
    }
}
#[derive(Clone)]
pub struct EmbeddingBag {
    v: Vec<f32>,
    dim: usize,
    b: Vec<f32>,
    relu: bool,
    shape: Vec<usize>,
    conv: usize,
}
impl EmbeddingBag {
    pub fn new(
        v: Vec<f32>,
        dim: usize,
        b: Vec<f32>,
        relu: bool,
        shape: Vec<usize>,
        conv: usize,
    ) -> Result<Self> {
        Ok(Self { v, dim, b, relu, shape, conv })
    }
    fn run(&self, row: impl Iterator<Item = usize>) -> Vec<f32> {
        let mut out = self.b.clone();
        for i in row {
            let (r, c) = if self.shape.len() == 1 {
                (i, 0)
            } else {
                let (r, c) = (i / self.shape[1], i % self.shape[1]);
                if self.conv == 1 {
                    (c, r)
                } else {
                    (r, c)
                }
            };
            for j in 0..self.dim {
                out[c * self.dim + j] += self.v[r * self.dim + j];
            }
        }
        if self.relu {
            out.iter_mut().for_each(|v| *v = v.max(0.0));
        }
        out
    }
}
#[derive(Clone)]
pub struct Policy {
    e: EmbeddingBag,
    c: Sequential,
    a: Sequential,
    v: Sequential,
    op: Vec<Vec<usize>>,
    ap: Vec<Vec<usize>>,
}
#[derive(Default)]
pub struct Scratch;
impl Policy {
    pub fn new(
        e: EmbeddingBag,
        c: Sequential,
        a: Sequential,
        v: Sequential,
        op: Vec<Vec<usize>>,
        ap: Vec<Vec<usize>>,
    ) -> Result<Self> {
        Ok(Self { e, c, a, v, op, ap })
    }
    pub fn num_actions(&self) -> usize {
        self.a.0.last().unwrap().b.len()
    }
    pub fn num_features(&self) -> usize {
        self.e.shape.iter().product()
    }
    pub fn num_twists(&self) -> usize {
        self.op.len()
    }
    pub fn forward_batch(
        &self,
        rows: &SparseRows,
        t: Option<&[i32]>,
        _: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let n = self.num_actions();
        for i in 0..rows.len() {
            let t = t.map_or(-1, |t| t[i]);
            let row = rows.row(i);
            if row.iter().any(|&k| k < 0 || k as usize >= self.num_features()) {
                return Err(Error::invalid("observation", "index in range", 0));
            }
            let x = self.e.run(row.iter().map(|&k| {
                if t >= 0 {
                    self.op[t as usize][k as usize]
                } else {
                    k as usize
                }
            }));
            let x = self.c.run(x);
            values[i] = self.v.run(x.clone())[0];
            let l = self.a.run(x);
            for a in 0..n {
                logits[i * n + a] = if t >= 0 { l[self.ap[t as usize][a]] } else { l[a] };
            }
        }
        Ok(())
    }
}
pub fn masked_softmax(logits: &[f32], mask: &[bool], probs: &mut [f32]) -> Result<()> {
    let max = logits
        .iter()
        .zip(mask)
        .filter(|(_, &m)| m)
        .map(|(&l, _)| l)
        .fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for ((p, &l), &m) in probs.iter_mut().zip(logits).zip(mask) {
        *p = if m { (l - max).exp() } else { 0.0 };
        sum += *p;
    }
    if !(sum > 0.0) {
        return Err(Error::Policy("no legal action".into()));
    }
    probs.iter_mut().for_each(|p| *p /= sum);
    Ok(())
}
