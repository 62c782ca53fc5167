//! The products of a layer by every level that this processor has, beside what it multiplies at most.

use twisterl::nn::{CpuLevel, Products};
use twisterl::Result;

use crate::figure::{time, Figure, Unit};
use crate::options::Options;

/// Rows, inputs and outputs: what passes together through the second layer of the example networks.
const SIZES: [usize; 3] = [132, 512, 256];
const LEVELS: [CpuLevel; 3] = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];
/// Of one call.
const ROUNDS: usize = 10_000;

type Step = fn(&mut Products);

/// What a layer does in training, by name.
const WORK: [(&str, Step); 3] = [
    ("forward", Products::forward),
    ("backward", Products::backward),
    ("gradient", Products::gradient),
];

/// Of each level the limit, then the three products of a layer.
pub fn products(options: &Options) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for level in LEVELS.into_iter().filter(|level| level.is_available()) {
        let mut layer = Products::new(level, SIZES)?;
        let name = |what: &str| format!("products, {}, {what}", level.name());
        // Each is a product and a sum.
        let unit = Unit::GigaflopsPerSecond;
        figures.extend(time(name("limit"), unit, options, |repeats| {
            Ok(2 * layer.limit(repeats * ROUNDS))
        })?);
        for (what, work) in WORK {
            figures.extend(time(name(what), unit, options, |repeats| {
                (0..repeats).for_each(|_| work(&mut layer));
                Ok(2 * repeats * SIZES.iter().product::<usize>())
            })?);
        }
    }
    Ok(figures)
}
