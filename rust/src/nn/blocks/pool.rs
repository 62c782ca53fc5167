//! Pooling over one or two axes of `[channels, height, width]`: the largest number under a kernel, or
//! the mean, zeros that pad included. The gradient goes to the first largest, or in equal shares.

use serde::{Deserialize, Serialize};

use super::conv::Window;
use super::{columns, Describe, Kept, Layer};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::functions::sum;
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
    fn place_of_largest(self, image: &[f32]) -> usize {
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

impl Pooled {
    /// The largest numbers of an image: of every line of places first over the rows under the
    /// kernel, all columns together, then over the columns. `line` has room for a row and its padding.
    #[inline(always)]
    fn largest(&self, image: &[f32], line: &mut [f32], output: &mut [f32]) {
        // Loops over a known stride are vectors.
        match self.window.stride[1] {
            1 => self.largest_by(1, image, line, output),
            2 => self.largest_by(2, image, line, output),
            stride => self.largest_by(stride, image, line, output),
        }
    }

    #[inline(always)]
    fn largest_by(&self, stride: usize, image: &[f32], line: &mut [f32], output: &mut [f32]) {
        let Window { channels, input: [_, wide], kernel, padding, .. } = self.window;
        let [height, width] = self.window.output;
        line.fill(f32::NEG_INFINITY);
        for channel in 0..channels {
            let image = &image[channel * self.window.area()..][..self.window.area()];
            for y in 0..height {
                let (_, from, rows) = self.window.under(0, y);
                let under = &mut line[padding[1]..][..wide];
                largest_of(rows, 1, |row| &image[(from + row) * wide..], under);
                let output = &mut output[(channel * height + y) * width..][..width];
                largest_of(kernel[1], stride, |column| &line[column..], output);
            }
        }
    }

    #[inline(always)]
    fn mean(&self, image: &[f32], output: &mut [f32]) {
        self.each(|place, Under { first, rows, length, stride }| {
            let lines = (0..rows).map(|row| &image[first + row * stride..][..length]);
            // Whole lines are one.
            let total: f32 = match length == stride {
                true => sum(rows * length, |i| image[first + i]),
                false => lines.map(|line| sum(length, |i| line[i])).sum(),
            };
            output[place] = total * self.share();
        });
    }
}

/// `to[i]` becomes the largest of number `i * stride` of so many lists, of at least one.
#[inline(always)]
fn largest_of<'a>(count: usize, stride: usize, list: impl Fn(usize) -> &'a [f32], to: &mut [f32]) {
    let reach = (to.len() - 1) * stride + 1;
    let list = |i| &list(i)[..reach];
    let first = list(0);
    match count {
        2 => {
            let second = list(1);
            for i in 0..to.len() {
                to[i] = larger(first[i * stride], second[i * stride]);
            }
        }
        3 => {
            let (second, third) = (list(1), list(2));
            for i in 0..to.len() {
                let most = larger(first[i * stride], second[i * stride]);
                to[i] = larger(most, third[i * stride]);
            }
        }
        _ => {
            for i in 0..to.len() {
                to[i] = first[i * stride];
            }
            for other in 1..count {
                let other = list(other);
                for i in 0..to.len() {
                    to[i] = larger(to[i], other[i * stride]);
                }
            }
        }
    }
}

/// The larger of two numbers; NaN is larger than all.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    // The first is one instruction.
    let most = if b > a { b } else { a };
    if b.is_nan() {
        b
    } else {
        most
    }
}

impl Layer for Pooled {
    fn is_by_row(&self) -> bool {
        true
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [line, ..], .. } = kept;
        let width = self.window.channels * self.window.places();
        output.reshape(input.num_rows(), columns(width));
        let [_, room] = self.window.padded();
        line.reshape(1, columns(room));
        kernels.widely(
            #[inline(always)]
            || {
                for row in 0..input.num_rows() {
                    let (image, output) = (input.row(row), output.row_mut(row));
                    match self.of {
                        Pooling::Max => {
                            self.largest(image, &mut line.row_mut(0)[..room], output);
                        }
                        Pooling::Mean => self.mean(image, output),
                    }
                }
            },
        );
    }

    #[cfg(feature = "learning")]
    fn backward(&self, _: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        below.clear_from(0);
        for row in 0..input.num_rows() {
            let (image, delta, below) = (input.row(row), kept.delta.row(row), below.row_mut(row));
            self.each(|place, under| match self.of {
                Pooling::Max => below[under.place_of_largest(image)] += delta[place],
                Pooling::Mean => {
                    under.places().for_each(|i| below[i] += delta[place] * self.share());
                }
            });
        }
    }
}
