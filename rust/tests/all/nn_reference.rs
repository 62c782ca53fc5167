//! A policy network as plain data, evaluated by plain loops in f64.

use twisterl::nn::{CpuLevel, EmbeddingBag, Head, Linear, Network, NetworkParts, Sequential};
use twisterl::rng::Rng;
use twisterl::spaces::Rows;

#[derive(Clone)]
pub struct Layer {
    /// `[in, out]`
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub relu: bool,
}

impl Layer {
    fn random(rng: &mut Rng, inputs: usize, outputs: usize, relu: bool) -> Self {
        let scale = (3.0 / inputs as f32).sqrt();
        let mut draw = |n| (0..n).map(|_| (2.0 * rng.unit() - 1.0) * scale).collect();
        Self { weights: draw(inputs * outputs), bias: draw(outputs), relu }
    }

    fn chain(rng: &mut Rng, sizes: &[usize], final_relu: bool) -> Vec<Self> {
        let last = sizes.len().saturating_sub(2);
        let layer =
            |(i, s): (usize, &[usize])| Self::random(rng, s[0], s[1], i < last || final_relu);
        sizes.windows(2).enumerate().map(layer).collect()
    }

    fn apply(&self, input: &[f64]) -> Vec<f64> {
        let mut sums: Vec<f64> = self.bias.iter().map(|bias| f64::from(*bias)).collect();
        for (x, weights) in input.iter().zip(self.weights.chunks(self.bias.len())) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += x * f64::from(*weight);
            }
        }
        if self.relu {
            sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
        }
        sums
    }
}

#[derive(Clone)]
pub struct Reference {
    pub vectors: Vec<f32>,
    pub dim: usize,
    pub bias: Vec<f32>,
    pub obs_shape: Vec<usize>,
    pub conv_dim: usize,
    pub common: Vec<Layer>,
    pub action: Vec<Layer>,
    pub value: Vec<Layer>,
    pub obs_perms: Vec<Vec<usize>>,
    pub act_perms: Vec<Vec<usize>>,
}

impl Reference {
    /// `common` are the widths after the embedding, `heads` those between it and the outputs.
    pub fn new(
        seed: u64,
        num_features: usize,
        dim: usize,
        common: &[usize],
        heads: &[usize],
        num_actions: usize,
    ) -> Self {
        let mut rng = Rng::new(seed);
        let embedding = Layer::random(&mut rng, num_features, dim, true);
        let common = [&[dim], common].concat();
        let width = [common[common.len() - 1]];
        Self {
            vectors: embedding.weights,
            dim,
            bias: embedding.bias,
            obs_shape: vec![num_features],
            conv_dim: 0,
            common: Layer::chain(&mut rng, &common, true),
            action: Layer::chain(&mut rng, &[&width, heads, &[num_actions]].concat(), false),
            value: Layer::chain(&mut rng, &[&width, heads, &[1]].concat(), false),
            obs_perms: Vec::new(),
            act_perms: Vec::new(),
        }
    }

    /// The same network behind a convolution of equally many outputs.
    pub fn conv(mut self, obs_shape: [usize; 2], conv_dim: usize) -> Self {
        self.dim = self.bias.len() / obs_shape[1 - conv_dim];
        assert_eq!(self.dim * obs_shape[1 - conv_dim], self.bias.len());
        self.vectors.truncate(obs_shape[conv_dim] * self.dim);
        self.obs_shape = obs_shape.to_vec();
        self.conv_dim = conv_dim;
        self
    }

    pub fn num_features(&self) -> usize {
        self.obs_shape.iter().product()
    }

    pub fn policy(&self, level: CpuLevel) -> Network {
        let linear = |l: &Layer| Linear::new(l.weights.clone(), l.bias.clone(), l.relu).unwrap();
        let net = |layers: &[Layer]| Sequential::new(layers.iter().map(linear).collect()).unwrap();
        let (vectors, bias) = (self.vectors.clone(), self.bias.clone());
        let obs_shape = self.obs_shape.clone();
        let parts = NetworkParts {
            first: EmbeddingBag::new(vectors, self.dim, bias, true, obs_shape, self.conv_dim)
                .unwrap()
                .into(),
            common: net(&self.common),
            action_net: net(&self.action),
            value_net: net(&self.value),
            head: Head::Categorical,
            obs_perms: self.obs_perms.clone(),
            act_perms: self.act_perms.clone(),
        };
        Network::for_cpu(&parts, level).unwrap()
    }

    /// Logits `[A]` and value of one observation.
    pub fn evaluate(&self, features: &[i32], twist: i32) -> (Vec<f64>, f64) {
        let mut x: Vec<f64> = self.bias.iter().map(|b| f64::from(*b)).collect();
        for &feature in features {
            let mut feature = feature as usize;
            if twist >= 0 {
                feature = self.obs_perms[twist as usize][feature];
            }
            let (vector, place) = match self.obs_shape[..] {
                [_, columns] if self.conv_dim == 0 => (feature / columns, feature % columns),
                [_, columns] => (feature % columns, feature / columns),
                _ => (feature, 0),
            };
            for j in 0..self.dim {
                x[place * self.dim + j] += f64::from(self.vectors[vector * self.dim + j]);
            }
        }
        x.iter_mut().for_each(|x| *x = x.max(0.0));
        let run = |layers: &[Layer], x: &[f64]| {
            layers.iter().fold(x.to_vec(), |x, layer| layer.apply(&x))
        };
        let x = run(&self.common, &x);
        let mut logits = run(&self.action, &x);
        if twist >= 0 {
            logits = self.act_perms[twist as usize].iter().map(|a| logits[*a]).collect();
        }
        (logits, run(&self.value, &x)[0])
    }
}

pub fn random_rows(rng: &mut Rng, num_rows: usize, num_features: usize, num_active: usize) -> Rows {
    let mut rows = Rows::default();
    for _ in 0..num_rows {
        let features = (0..num_active).map(|_| rng.below(num_features as u32) as i32);
        rows.push_with(|indices| indices.extend(features));
    }
    rows
}
