//! Fully connected layers: `y = x W + b`, then `max(y, 0)` where asked.

use super::kernels::{pad, Kernels, PackedLinear};
use crate::error::{Error, Result};

/// A fully connected layer `[in] -> [out]`.
#[derive(Clone)]
pub struct Linear {
    weights: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
}

impl Linear {
    /// A layer from `weights [in, out]` (row-major by input: torch's `weight.T`) and `bias [out]`.
    ///
    /// Errors: no inputs or outputs, lengths that do not fit, a value that is not finite.
    pub fn new(weights: Vec<f32>, bias: Vec<f32>, apply_relu: bool) -> Result<Self> {
        if bias.is_empty() {
            return Err(Error::invalid("Linear: bias", "at least one value", "none"));
        }
        if weights.is_empty() || !weights.len().is_multiple_of(bias.len()) {
            let expected = format!("inputs x {} values, one output per bias", bias.len());
            return Err(Error::invalid("Linear: weights", expected, weights.len()));
        }
        check_finite("Linear: weights", &weights)?;
        check_finite("Linear: bias", &bias)?;
        Ok(Self { weights, bias, relu: apply_relu })
    }

    pub fn num_inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    pub fn num_outputs(&self) -> usize {
        self.bias.len()
    }

    /// `[in, out]`, row-major by input.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    pub fn applies_relu(&self) -> bool {
        self.relu
    }

    /// The layer that computes the outputs of both, if they differ in nothing else.
    pub(super) fn beside(&self, other: &Linear) -> Option<Linear> {
        if self.relu != other.relu || self.num_inputs() != other.num_inputs() {
            return None;
        }
        let mut weights = Vec::with_capacity(self.weights.len() + other.weights.len());
        for input in 0..self.num_inputs() {
            for layer in [self, other] {
                let outputs = layer.num_outputs();
                weights.extend_from_slice(&layer.weights[input * outputs..][..outputs]);
            }
        }
        let bias = [self.bias.as_slice(), &other.bias].concat();
        Some(Linear { weights, bias, relu: self.relu })
    }

    pub(super) fn pack(&self, kernels: Kernels) -> PackedLinear {
        PackedLinear {
            weights: kernels.pack(&self.weights, self.num_outputs()),
            bias: pad(&self.bias),
            relu: self.relu,
        }
    }
}

/// Layers that follow each other; without any, the output is the input.
#[derive(Clone)]
pub struct Sequential {
    pub(super) layers: Vec<Linear>,
}

impl Sequential {
    /// Errors: a layer whose inputs are not as many as the outputs of the one before.
    pub fn new(layers: Vec<Linear>) -> Result<Self> {
        for (i, pair) in layers.windows(2).enumerate() {
            let (outputs, inputs) = (pair[0].num_outputs(), pair[1].num_inputs());
            if outputs != inputs {
                let name = format!("Sequential: inputs of layer {}", i + 1);
                return Err(Error::invalid(
                    name,
                    format!("{outputs}, the outputs of layer {i}"),
                    inputs,
                ));
            }
        }
        Ok(Self { layers })
    }

    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// Number of outputs for `num_inputs` inputs.
    ///
    /// Errors: the first layer expects another number; `name` says whose.
    pub(super) fn num_outputs(&self, name: &str, num_inputs: usize) -> Result<usize> {
        let Some((first, last)) = self.layers.first().zip(self.layers.last()) else {
            return Ok(num_inputs);
        };
        if first.num_inputs() != num_inputs {
            let name = format!("Policy: inputs of {name}");
            return Err(Error::invalid(name, num_inputs.to_string(), first.num_inputs()));
        }
        Ok(last.num_outputs())
    }
}

/// Refuses NaN and infinities, naming the first.
pub(super) fn check_finite(name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::invalid(
            format!("{name}[{i}]"),
            "a finite value (did training diverge?)",
            values[i],
        )),
    }
}
