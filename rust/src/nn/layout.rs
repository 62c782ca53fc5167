//! Where the parameters of a network are in one flat vector.

use std::collections::HashMap;
use std::ops::Range;

use super::buffer::Aligned;
use super::shapes::Parameter;
use crate::error::{Error, Result};

/// Numbers that belong to the parameters of a network one by one: weights, a gradient, moments.
///
/// Matrices are `[inputs, outputs]` there, with rows of whole vectors that zeros fill up.
#[derive(Clone)]
pub(crate) struct Flat(pub(super) Aligned);

impl Flat {
    pub(crate) fn numbers(&self) -> &[f32] {
        &self.0
    }

    pub(crate) fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// The place of a parameter, whose torch form is `[outputs, inputs]`: one input for a bias.
#[derive(Clone)]
struct Place {
    parameter: Parameter,
    start: usize,
    /// From one input to the next.
    stride: usize,
    inputs: usize,
    outputs: usize,
}

/// The places of all parameters.
#[derive(Clone, Default)]
pub(crate) struct Layout {
    places: Vec<Place>,
    /// Further places of parameters that several blocks have, and which those are.
    copies: Vec<(usize, Place)>,
    known: HashMap<String, usize>,
    len: usize,
}

/// Numbers of a parameter that are moved together: what is written fills whole lines of the cache.
const TOGETHER: usize = 16;

impl Layout {
    /// A vector of zeros.
    pub(crate) fn zeros(&self) -> Flat {
        Flat(Aligned::zeros(self.len))
    }

    /// The parameters in the order of [`NetSpec::parameters`](super::NetSpec::parameters).
    pub(crate) fn parameters(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.places.iter().map(|place| &place.parameter)
    }

    /// Room for `count` numbers; where it starts.
    pub(super) fn reserve(&mut self, count: usize) -> usize {
        let start = self.len;
        self.len += count.next_multiple_of(TOGETHER);
        start
    }

    /// Puts a parameter of `inputs x outputs` numbers at `start`, its inputs `stride` apart; one that has
    /// a place gets another one.
    pub(super) fn place(
        &mut self,
        parameter: Parameter,
        start: usize,
        stride: usize,
        [inputs, outputs]: [usize; 2],
    ) {
        let known = self.known.get(&parameter.name).copied();
        let known = known.filter(|&index| self.places[index].parameter == parameter);
        let place = Place { parameter, start, stride, inputs, outputs };
        match known {
            Some(index) => self.copies.push((index, place)),
            None => {
                self.known.insert(place.parameter.name.clone(), self.places.len());
                self.places.push(place);
            }
        }
    }

    /// Puts a vector behind all else, if there is one; where it is.
    pub(super) fn append(&mut self, parameter: Option<Parameter>) -> Range<usize> {
        let Some(parameter) = parameter else { return self.len..self.len };
        let count = parameter.shape.iter().product();
        let start = self.reserve(count);
        self.place(parameter, start, count, [1, count]);
        start..start + count
    }

    /// Places of one and the same number: the first, and another one.
    pub(super) fn tied(&self) -> Vec<(usize, usize)> {
        let mut tied = Vec::new();
        for (index, copy) in &self.copies {
            let mut firsts = Vec::new();
            self.places[*index].each(|at, _| firsts.push(at));
            let mut firsts = firsts.into_iter();
            // Both go through their numbers in one order.
            copy.each(|at, _| tied.extend(firsts.next().map(|first| (first, at))));
        }
        tied
    }

    /// Takes the numbers of parameter `index` as torch has them, row-major `[outputs, inputs]`.
    ///
    /// # Errors
    /// If they are not as many.
    pub(crate) fn write(&self, index: usize, values: &[f32], to: &mut Flat) -> Result<()> {
        self.places[index].check(values.len())?;
        let copies = self.copies.iter().filter(|(of, _)| *of == index).map(|(_, place)| place);
        for place in std::iter::once(&self.places[index]).chain(copies) {
            place.each(|at, from| to.0[at] = values[from]);
        }
        Ok(())
    }

    /// Gives the numbers of parameter `index` as torch has them.
    ///
    /// # Errors
    /// As [`Layout::write`].
    pub(crate) fn read(&self, index: usize, from: &Flat, values: &mut [f32]) -> Result<()> {
        let place = &self.places[index];
        place.check(values.len())?;
        place.each(|at, to| values[to] = from.0[at]);
        Ok(())
    }
}

impl Place {
    fn check(&self, got: usize) -> Result<()> {
        let expected = self.inputs * self.outputs;
        match got == expected {
            true => Ok(()),
            false => {
                let name = format!("numbers of {}", self.parameter.name);
                Err(Error::invalid(name, expected.to_string(), got))
            }
        }
    }

    /// Calls `each(place in the flat vector, place in torch's order)` for every number.
    #[inline]
    fn each(&self, mut each: impl FnMut(usize, usize)) {
        for first in (0..self.outputs).step_by(TOGETHER) {
            let outputs = first..self.outputs.min(first + TOGETHER);
            for input in 0..self.inputs {
                for output in outputs.clone() {
                    each(self.start + input * self.stride + output, output * self.inputs + input);
                }
            }
        }
    }
}
