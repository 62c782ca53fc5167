//! Pooling over one or two axes of `[channels, height, width]`: the largest number under a kernel, or
//! the mean, zeros that pad included. The gradient goes to the first largest, or in equal shares.

use serde::{Deserialize, Serialize};

use super::conv::Window;
use super::{columns, Describe, Kept, Layer};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::kernels::Kernels;
use crate::nn::layout::Layout;

/// `kernel`, `stride` and `padding` (at both ends) have a number for each axis, one or two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub of: Pooling,
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub padding: Vec<usize>,
}

/// What becomes of the numbers under a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    Max,
    Mean,
}

impl Pool {
    fn window(&self, input: &[usize]) -> Result<Window> {
        Window::new(input, [&self.kernel, &self.stride, &self.padding])
    }
}

impl Describe for Pool {
    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let window = self.window(input)?;
        if self.kernel.iter().zip(&self.padding).any(|(kernel, padding)| 2 * padding > *kernel) {
            let got = format!("{:?}", self.padding);
            return Err(Error::invalid("padding", "at most half of the kernel", got));
        }
        let places = if self.kernel.len() == 1 { &window.output[1..] } else { &window.output[..] };
        Ok([&input[..1], places].concat())
    }

    fn layer(&self, input: &[usize], _: &mut Layout) -> Box<dyn Layer> {
        let window = self.window(input).expect("its output was asked for");
        Box::new(Pooled { window, of: self.of })
    }
}

struct Pooled {
    window: Window,
    of: Pooling,
}

impl Pooled {
    /// Calls `each` with the number of every output and what of the input is under the kernel there.
    #[inline(always)]
    fn each(&self, mut each: impl FnMut(usize, Under)) {
        let window = &self.window;
        for channel in 0..window.channels {
            for y in 0..window.output[0] {
                let (_, from_y, rows) = window.under(0, y);
                for x in 0..window.output[1] {
                    let (_, from_x, length) = window.under(1, x);
                    let output = (channel * window.output[0] + y) * window.output[1] + x;
                    let first = channel * window.area() + from_y * window.input[1] + from_x;
                    each(output, Under { first, rows, length, stride: window.input[1] });
                }
            }
        }
    }

    fn share(&self) -> f32 {
        1.0 / (self.window.kernel[0] * self.window.kernel[1]) as f32
    }
}

/// Rows of numbers, each `stride` behind the one before.
#[derive(Clone, Copy)]
struct Under {
    first: usize,
    rows: usize,
    length: usize,
    stride: usize,
}

impl Under {
    /// The numbers' places, in order.
    #[inline(always)]
    fn places(self) -> impl Iterator<Item = usize> {
        (0..self.rows).flat_map(move |row| {
            let first = self.first + row * self.stride;
            first..first + self.length
        })
    }

    /// The first place of the largest number; NaN is larger than all.
    #[inline(always)]
    fn largest(self, image: &[f32]) -> usize {
        let mut best = self.first;
        for place in self.places() {
            let (value, most) = (image[place], image[best]);
            if value > most || (value.is_nan() && !most.is_nan()) {
                best = place;
            }
        }
        best
    }
}

impl Layer for Pooled {
    fn forward(&self, _: Kernels, input: &Matrix, kept: &mut Kept) {
        let width = self.window.channels * self.window.places();
        kept.output.reshape(input.num_rows(), columns(width));
        for row in 0..input.num_rows() {
            let (image, output) = (input.row(row), kept.output.row_mut(row));
            self.each(|place, under| {
                output[place] = match self.of {
                    Pooling::Max => image[under.largest(image)],
                    Pooling::Mean => {
                        under.places().fold(0.0, |sum, i| sum + image[i]) * self.share()
                    }
                };
            });
        }
    }

    fn backward(&self, _: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        below.clear_from(0);
        for row in 0..input.num_rows() {
            let (image, delta, below) = (input.row(row), kept.delta.row(row), below.row_mut(row));
            self.each(|place, under| match self.of {
                Pooling::Max => below[under.largest(image)] += delta[place],
                Pooling::Mean => {
                    under.places().for_each(|i| below[i] += delta[place] * self.share());
                }
            });
        }
    }
}
