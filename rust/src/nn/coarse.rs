//! Layers in short numbers, made of those that were trained (Jacob et al. 2018, "Quantization and
//! Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 2).

use super::buffer::Matrix;
use super::kernels::{Bags, Dots, Kernels, PackedLinear, Words, Work};

/// Activations behind a ReLU are 0 to this,
const MOST_ACTIVATION: f32 = 127.0;
/// weights, and sums of the vectors of features, as far from 0 as these.
const MOST_WEIGHT: f32 = 127.0;
const MOST_SUM: f32 = 32767.0;
/// Columns whose sums stay in registers.
const BLOCK: usize = 128;
/// Added to a number, it leaves the nearest whole one, the even one of two, in the lowest bits.
const ROUNDING: f32 = 12_582_912.0;

/// Where short activations live.
#[derive(Default)]
pub(super) struct Coarsened {
    /// `[N, depth]`, four to a word.
    words: Vec<[u8; 4]>,
    /// What a step of each row's activations is worth, `[N]`.
    steps: Vec<f32>,
}

/// A fully connected layer whose products are of short numbers.
#[derive(Clone)]
pub(super) struct CoarseLinear {
    dots: Dots,
    weights: Words,
    /// What a step of each output's weights is worth, `[columns]`.
    steps: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
}

/// A layer of a stack.
#[derive(Clone)]
pub(super) enum AnyLinear {
    Exact(PackedLinear),
    Coarse(CoarseLinear),
}

impl AnyLinear {
    /// `output = input x weights + bias` for all rows of `input`; reshapes `output`.
    pub(super) fn multiply(
        &self,
        kernels: Kernels,
        input: &Matrix,
        spare: &mut Coarsened,
        output: &mut Matrix,
    ) {
        match self {
            Self::Exact(layer) => kernels.multiply(layer, input, output),
            Self::Coarse(layer) => layer.multiply(input, spare, output),
        }
    }

    /// The layer in bytes, if its inputs are a ReLU's.
    pub(super) fn coarse(&self, kernels: Kernels, behind_relu: bool) -> Self {
        match self {
            Self::Exact(layer) if behind_relu => Self::Coarse(CoarseLinear::new(kernels, layer)),
            _ => self.clone(),
        }
    }

    pub(super) fn applies_relu(&self) -> bool {
        match self {
            Self::Exact(layer) => layer.relu,
            Self::Coarse(layer) => layer.relu,
        }
    }
}

impl CoarseLinear {
    fn new(kernels: Kernels, layer: &PackedLinear) -> Self {
        let (inputs, columns) = (layer.weights.num_rows, layer.weights.padded_columns);
        let weights = kernels.unpack(&layer.weights, columns);
        let weight = |input: usize, column: usize| match input < inputs {
            true => weights[input * columns + column],
            false => 0.0,
        };
        let widest = |column| (0..inputs).map(|k| weight(k, column).abs()).fold(0.0, f32::max);
        let steps: Vec<f32> = (0..columns).map(|i| widest(i) / MOST_WEIGHT).collect();
        let byte = |input: usize, column: usize| match steps[column] {
            0.0 => 0,
            step => (weight(input, column) / step).round_ties_even() as i8 as u8,
        };
        let word = |k: usize, column: usize| {
            u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(4 * k + i, column)))
        };
        let weights = Words::new([inputs.div_ceil(4), columns], word);
        let dots = Dots::of(kernels.level());
        Self { dots, weights, steps, bias: layer.bias.to_vec(), relu: layer.relu }
    }

    fn multiply(&self, input: &Matrix, spare: &mut Coarsened, output: &mut Matrix) {
        let Self { dots, weights, .. } = self;
        spare.words.resize(input.num_rows() * weights.depth, [0; 4]);
        spare.steps.clear();
        dots.run(Shorten { input, depth: weights.depth, to: spare });
        dots.multiply(weights, &spare.words, output);
        dots.run(Finish { layer: self, steps: &spare.steps, output });
    }
}

/// Writes the activations of a layer's input as it reads them.
struct Shorten<'a> {
    input: &'a Matrix,
    /// Words of a row.
    depth: usize,
    to: &'a mut Coarsened,
}

impl Work for Shorten<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { input, depth, to } = self;
        for (row, words) in to.words.chunks_exact_mut(depth).enumerate() {
            to.steps.push(shorten(input.row(row), words.as_flattened_mut()));
        }
    }
}

/// Makes outputs of sums.
struct Finish<'a> {
    layer: &'a CoarseLinear,
    /// Of the rows, [`Coarsened::steps`].
    steps: &'a [f32],
    output: &'a mut Matrix,
}

impl Work for Finish<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { layer: CoarseLinear { steps, bias, relu, .. }, steps: of_rows, output } = self;
        let floor = if *relu { 0.0 } else { f32::NEG_INFINITY };
        for (row, of_row) in of_rows.iter().enumerate() {
            let numbers = output.row_mut(row).iter_mut().zip(bias);
            for ((to, bias), step) in numbers.zip(steps) {
                let sum = to.to_bits() as i32 as f32;
                *to = above(sum * (of_row * step) + bias, floor);
            }
        }
    }
}

/// The larger, 0 and not -0; what is no number stays none.
#[inline(always)]
fn above(value: f32, floor: f32) -> f32 {
    if value <= floor {
        floor
    } else {
        value
    }
}

/// Writes numbers that are not negative as bytes; what a step of them is worth.
#[inline(always)]
fn shorten(numbers: &[f32], bytes: &mut [u8]) -> f32 {
    // The bits of numbers that are not negative rise with them, and above all those of what is none.
    let mut widest = [0; BLOCK];
    let mut parts = numbers.chunks_exact(BLOCK);
    for part in &mut parts {
        widest.iter_mut().zip(part).for_each(|(most, number)| *most = number.to_bits().max(*most));
    }
    let rest = parts.remainder().iter().map(|number| number.to_bits());
    let widest = f32::from_bits(rest.chain(widest).fold(0, u32::max));
    let scale = if widest > 0.0 { MOST_ACTIVATION / widest } else { 0.0 };
    for (byte, number) in bytes.iter_mut().zip(numbers) {
        *byte = (number * scale + ROUNDING).to_bits() as u8;
    }
    widest / MOST_ACTIVATION
}

/// A panel's numbers of a vector, in whole lines of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Part([i16; BLOCK]);

/// Sums of the vectors of features in 16 bits.
#[derive(Clone)]
pub(super) struct CoarseBags {
    dots: Dots,
    /// `[panels, F, BLOCK]`
    vectors: Vec<Part>,
    num_features: usize,
    /// What a step is worth, so much that all features together fit, and the bias, `[panels]`.
    scales: Vec<[[f32; BLOCK]; 2]>,
    /// Of the output, not more than `panels * BLOCK`.
    num_columns: usize,
    relu: bool,
}

impl CoarseBags {
    /// Of `vectors [F, columns]`, the padded ones of 0 included; none where rounding alone may leave
    /// 16 bits.
    pub(super) fn new(kernels: Kernels, vectors: &[f32], bias: &[f32], relu: bool) -> Option<Self> {
        let num_columns = bias.len();
        let num_features = vectors.len() / num_columns;
        // Every feature is rounded by half a step at most.
        let most = MOST_SUM - num_features as f32 / 2.0;
        if most < MOST_SUM / 2.0 {
            return None;
        }
        let num_panels = num_columns.div_ceil(BLOCK);
        let mut steps = vec![0.0f32; num_panels * BLOCK];
        for vector in vectors.chunks_exact(num_columns) {
            steps.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value.abs());
        }
        steps.iter_mut().for_each(|sum| *sum /= most);
        let short = |feature: usize, column: usize| match steps[column] {
            0.0 => 0,
            step => (vectors[feature * num_columns + column] / step).round_ties_even() as i16,
        };
        let vectors = (0..num_panels * num_features).map(|i| {
            let (panel, feature) = (i / num_features, i % num_features);
            Part(std::array::from_fn(|k| short(feature, panel * BLOCK + k)))
        });
        let scales = (0..num_panels).map(|panel| {
            let columns = |from: &[f32]| {
                let number = |k| from.get(panel * BLOCK + k).copied().unwrap_or(0.0);
                std::array::from_fn(number)
            };
            [columns(&steps), columns(bias)]
        });
        Some(Self {
            dots: Dots::of(kernels.level()),
            vectors: vectors.collect(),
            num_features,
            scales: scales.collect(),
            num_columns,
            relu,
        })
    }

    pub(super) fn applies_relu(&self) -> bool {
        self.relu
    }

    /// Writes one row of `output` per bag; all features are below F.
    ///
    /// A feature that is told often enough to leave 16 bits counts as often as fits.
    pub(super) fn forward(&self, bags: &Bags, output: &mut Matrix) {
        output.reshape(bags.len(), self.num_columns);
        self.dots.run(Sum { layer: self, bags, output });
    }
}

/// Sums the vectors of bags.
struct Sum<'a> {
    layer: &'a CoarseBags,
    bags: &'a Bags,
    output: &'a mut Matrix,
}

impl Work for Sum<'_> {
    #[inline(always)]
    fn run(self) {
        let CoarseBags { vectors, num_features, scales, num_columns, relu, .. } = self.layer;
        let panels = vectors.chunks_exact(*num_features).zip(scales);
        for (first, (vectors, scales)) in (0..*num_columns).step_by(BLOCK).zip(panels) {
            let last = *num_columns.min(&(first + BLOCK));
            for row in 0..self.bags.len() {
                let mut sums = [0i16; BLOCK];
                for &feature in self.bags.row(row) {
                    for (sum, &value) in sums.iter_mut().zip(&vectors[feature as usize].0) {
                        *sum = sum.saturating_add(value);
                    }
                }
                let to = &mut self.output.row_mut(row)[first..last];
                match <&mut [f32; BLOCK]>::try_from(&mut *to) {
                    Ok(to) => write(&sums, scales, *relu, to),
                    Err(_) => {
                        let mut all = [0.0; BLOCK];
                        write(&sums, scales, *relu, &mut all);
                        to.copy_from_slice(&all[..last - first]);
                    }
                }
            }
        }
    }
}

/// The outputs of a panel.
#[inline(always)]
fn write(sums: &[i16; BLOCK], scales: &[[f32; BLOCK]; 2], relu: bool, to: &mut [f32; BLOCK]) {
    let [steps, bias] = scales;
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    for k in 0..BLOCK {
        to[k] = above(f32::from(sums[k]) * steps[k] + bias[k], floor);
    }
}
