//! Convolution over one or two axes of an image `[channels, height, width]`, a series being of height
//! 1: every patch under the kernel is a row `p` of numbers, and `y = p W + b` at its place.
//!
//! ```text
//! dp = dy W^T, added up where patches overlap        dW = p^T dy        db = sum of dy
//! ```

use serde::{Deserialize, Serialize};

use super::linear::Weights;
use super::{columns, named, Describe, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Kernels, Overlaid, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::MOST_NUMBERS;
use crate::nn::shapes::{mismatch, Parameter};

/// Patches that are multiplied together, so that they stay in the cache: those of one image or of more.
const PATCHES: usize = 96;

/// `weight [out, channels, ..kernel]`, and `bias [out]` unless `bias` is false. `kernel`, `stride` and
/// `padding` (by 0, at both ends) have a number for each axis, one or two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    pub name: String,
    pub channels: usize,
    pub out: usize,
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub padding: Vec<usize>,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub bias: bool,
}

/// A kernel that moves over an image: height and width of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) channels: usize,
    pub(super) input: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) output: [usize; 2],
}

impl Window {
    /// The window over `input`, whose first axis is the channels.
    ///
    /// # Errors
    /// If there are not as many axes, or the kernel does not fit.
    pub(super) fn new(input: &[usize], [kernel, stride, padding]: [&[usize]; 3]) -> Result<Self> {
        let axes = kernel.len();
        for (name, sizes) in [("kernel", kernel), ("stride", stride), ("padding", padding)] {
            let least = usize::from(name != "padding");
            let fits = sizes.iter().all(|size| (least..=MOST_NUMBERS).contains(size));
            if !(1..=2).contains(&axes) || sizes.len() != axes || !fits {
                let expected = format!("one or two numbers of at least {least}");
                return Err(Error::invalid(name, expected, format!("{sizes:?}")));
            }
        }
        if input.len() != axes + 1 {
            return Err(mismatch(format!("[channels and {axes} more]"), input));
        }
        let two = |sizes: &[usize], first| match sizes {
            [height, width] => [*height, *width],
            _ => [first, sizes[0]],
        };
        let (size, kernel, stride, padding) =
            (two(&input[1..], 1), two(kernel, 1), two(stride, 1), two(padding, 0));
        let mut output = [0; 2];
        for axis in 0..2 {
            let Some(room) = (size[axis] + 2 * padding[axis]).checked_sub(kernel[axis]) else {
                return Err(mismatch(format!("at least the kernel {kernel:?}"), input));
            };
            output[axis] = room / stride[axis] + 1;
        }
        Ok(Self { channels: input[0], input: size, kernel, stride, padding, output })
    }

    /// Places of the kernel.
    pub(super) fn places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Numbers of a channel.
    pub(super) fn area(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Height and width of the input with its padding around it.
    pub(super) fn padded(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.input[axis] + 2 * self.padding[axis])
    }

    /// The part of axis `axis` under the kernel at `place`: from where in the kernel, where in the
    /// image, and how long.
    #[inline(always)]
    pub(super) fn under(&self, axis: usize, place: usize) -> (usize, usize, usize) {
        let start = place * self.stride[axis];
        let skipped = self.padding[axis].saturating_sub(start).min(self.kernel[axis]);
        let from = (start + skipped).saturating_sub(self.padding[axis]);
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]);
        (skipped, from, end.min(self.input[axis]).saturating_sub(from))
    }

    /// Calls `each(place, number of the patch, number of the image, length)` for every run of numbers
    /// that are one after another in both.
    #[inline(always)]
    fn runs(&self, mut each: impl FnMut(usize, usize, usize, usize)) {
        let [kernel_height, kernel_width] = self.kernel;
        for y in 0..self.output[0] {
            let (skipped_y, from_y, rows) = self.under(0, y);
            for x in 0..self.output[1] {
                let (skipped_x, from_x, length) = self.under(1, x);
                if length == 0 {
                    continue;
                }
                for channel in 0..self.channels {
                    for row in 0..rows {
                        let line = channel * kernel_height + skipped_y + row;
                        let image = channel * self.area() + (from_y + row) * self.input[1];
                        each(
                            y * self.output[1] + x,
                            line * kernel_width + skipped_x,
                            image + from_x,
                            length,
                        );
                    }
                }
            }
        }
    }
}

impl Window {
    /// Where the patches are in an image that has its padding around it.
    fn places_of_patches(&self) -> Overlaid {
        let ([height, width], [stride_y, stride_x]) = (self.padded(), self.stride);
        let at = |channel: usize, y: usize, x: usize| ((channel * height + y) * width + x) as u32;
        let [rows, columns] = self.output;
        let starts = (0..rows * columns)
            .map(|place| at(0, place / columns * stride_y, place % columns * stride_x));
        let [kernel_y, kernel_x] = self.kernel;
        let offsets = (0..self.channels * kernel_y * kernel_x)
            .map(|i| at(i / (kernel_y * kernel_x), i / kernel_x % kernel_y, i % kernel_x));
        Overlaid::new(starts.collect(), offsets.collect())
    }
}

impl Describe for Conv {
    fn parameters(&self) -> Vec<Parameter> {
        let shape = [&[self.out, self.channels][..], &self.kernel].concat();
        let mut parameters = vec![named(&self.name, "weight", shape)];
        if self.bias {
            parameters.push(named(&self.name, "bias", vec![self.out]));
        }
        parameters
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if input.first() != Some(&self.channels) {
            return Err(mismatch(format!("{} channels first", self.channels), input));
        }
        let window = self.window(input)?;
        // The patches of one image at a time.
        let depth = self.kernel.iter().product::<usize>().saturating_mul(self.channels);
        let outputs = columns(self.out);
        let wide = depth.max(outputs).saturating_mul(window.places());
        let [height, width] = window.padded();
        let padded = height.saturating_mul(width).saturating_mul(window.channels);
        if window.places().max(wide).max(padded) > MOST_NUMBERS || self.out == 0 {
            let expected = format!("1 to {MOST_NUMBERS} numbers in all patches");
            return Err(Error::invalid("kernel", expected, format!("{:?}", self.kernel)));
        }
        let places = if self.kernel.len() == 1 { &window.output[1..] } else { &window.output[..] };
        Ok([&[self.out], places].concat())
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        self.layer_with(false, input, layout)
    }
}

impl Conv {
    /// Its layer, one with the ReLU behind it if `relu`.
    pub(in crate::nn) fn layer_with(
        &self,
        relu: bool,
        input: &[usize],
        layout: &mut Layout,
    ) -> Box<dyn Layer> {
        let window = self.window(input).expect("its output was asked for");
        let depth = self.channels * window.kernel[0] * window.kernel[1];
        let weights = Weights::new(depth, vec![(self.out, self.parameters())], relu, layout);
        Box::new(Patches { places: window.places_of_patches(), window, weights, relu })
    }

    fn window(&self, input: &[usize]) -> Result<Window> {
        Window::new(input, [&self.kernel, &self.stride, &self.padding])
    }
}

struct Patches {
    window: Window,
    places: Overlaid,
    weights: Weights,
    relu: bool,
}

impl Patches {
    /// Images whose patches are made together.
    fn together(&self) -> usize {
        (PATCHES / self.window.places()).max(1)
    }

    /// The patches of some rows of `input`, one after another.
    fn cut(&self, input: &Matrix, rows: std::ops::Range<usize>, patches: &mut Matrix) {
        let places = self.window.places();
        patches.reshape(rows.len() * places, columns(self.weights.inputs));
        patches.clear_from(0);
        for (i, row) in rows.enumerate() {
            let image = input.row(row);
            self.window.runs(|place, to, from, length| {
                let patch = patches.row_mut(i * places + place);
                patch[to..][..length].copy_from_slice(&image[from..][..length]);
            });
        }
    }

    /// `image` with its padding around it, in `padded` where there is any.
    fn padded<'a>(&self, image: &'a [f32], padded: &'a mut Matrix) -> &'a [f32] {
        let Window { channels, input: [height, width], padding: [above, before], .. } = self.window;
        if above + before == 0 {
            return image;
        }
        let [padded_height, padded_width] = self.window.padded();
        padded.reshape(1, columns(channels * padded_height * padded_width));
        let to = padded.row_mut(0);
        to.fill(0.0);
        for channel in 0..channels {
            for y in 0..height {
                let from = &image[(channel * height + y) * width..][..width];
                let line = channel * padded_height + above + y;
                to[line * padded_width + before..][..width].copy_from_slice(from);
            }
        }
        to
    }

    /// Calls `each` for as many rows as are taken together, and all of them at last.
    fn groups(&self, num_rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let together = self.together();
        (0..num_rows).step_by(together).map(move |first| first..num_rows.min(first + together))
    }

    /// The gradient of some rows, `[places, out]` each from `[out, places]`.
    fn turned(&self, delta: &Matrix, rows: std::ops::Range<usize>, to: &mut Matrix) {
        let (places, outputs) = (self.window.places(), self.weights.outputs);
        to.reshape(rows.len() * places, columns(outputs));
        to.clear_from(outputs);
        for (i, row) in rows.enumerate() {
            for (output, numbers) in delta.row(row).chunks_exact(places).take(outputs).enumerate() {
                for (place, number) in numbers.iter().enumerate() {
                    to.row_mut(i * places + place)[output] = *number;
                }
            }
        }
    }
}

impl Layer for Patches {
    fn pack<'a>(&'a mut self, kernels: Kernels, weights: &'a Flat, rest: &mut Vec<Packing<'a>>) {
        self.weights.pack(kernels, weights, rest);
    }

    fn is_by_row(&self) -> bool {
        true
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [padded, made, ..], .. } = kept;
        let (places, outputs) = (self.window.places(), self.weights.outputs);
        output.reshape(input.num_rows(), columns(outputs * places));
        for row in 0..input.num_rows() {
            let image = self.padded(input.row(row), padded);
            kernels.multiply_placed(&self.weights.forward, image, &self.places, made);
            let to = (output.row_mut(row), places);
            kernels.turn((made.tail(0, 0), made.stride()), to, [places, outputs]);
        }
    }

    fn receive(&self, kernels: Kernels, kept: &mut Kept) {
        if self.relu {
            kernels.keep_where_positive(&mut kept.delta, &kept.output);
        }
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        let Kept { delta, saved: [patches, made, ..], .. } = kept;
        let places = self.window.places();
        below.reshape(input.num_rows(), input.num_columns());
        below.clear_from(0);
        for rows in self.groups(input.num_rows()) {
            self.turned(delta, rows.clone(), made);
            kernels.multiply(&self.weights.backward, made, patches);
            for (i, row) in rows.enumerate() {
                let image = below.row_mut(row);
                self.window.runs(|place, from, to, length| {
                    let patch = &patches.row(i * places + place)[from..][..length];
                    image[to..][..length].iter_mut().zip(patch).for_each(|(sum, dp)| *sum += dp);
                });
            }
        }
    }

    fn spans(&self) -> Vec<Span> {
        self.weights.spans()
    }

    #[cfg(feature = "learning")]
    fn add_gradient(
        &self,
        kernels: Kernels,
        piece: usize,
        input: &Matrix,
        kept: &Kept,
        gradient: &mut [f32],
    ) {
        let (mut patches, mut deltas) = (Matrix::default(), Matrix::default());
        for rows in self.groups(input.num_rows()) {
            self.cut(input, rows.clone(), &mut patches);
            self.turned(&kept.delta, rows, &mut deltas);
            self.weights.add_gradient(kernels, piece, &patches, &deltas, gradient);
        }
    }
}
