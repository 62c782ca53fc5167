//! The products of a layer by every level that this processor has, beside what it multiplies at most.

use twisterl::nn::{Bf16Level, Bf16Products, CpuLevel, Products};
use twisterl::Result;

use crate::figure::{time, Figure, Unit};
use crate::options::Options;

/// Rows, inputs and outputs: what passes together through the second layer of the example networks.
const SIZES: [usize; 3] = [132, 512, 256];
const LEVELS: [CpuLevel; 3] = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];
/// Of one call.
const ROUNDS: usize = 10_000;
const UNIT: Unit = Unit::GigaflopsPerSecond;

/// What a layer does in training, by name.
type Work<T> = [(&'static str, fn(&mut T)); 3];

const WORK: Work<Products> = [
    ("forward", Products::forward),
    ("backward", Products::backward),
    ("gradient", Products::gradient),
];
const BF16_WORK: Work<Bf16Products> = [
    ("forward", Bf16Products::forward),
    ("backward", Bf16Products::backward),
    ("gradient", Bf16Products::gradient),
];

/// Of each level the limit, then the three products of a layer; then those of bf16.
pub fn products(options: &Options) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for level in LEVELS.into_iter().filter(|level| level.is_available()) {
        let mut layer = Products::new(level, SIZES)?;
        let name = |what: &str| format!("products, {}, {what}", level.name());
        // Each is a product and a sum.
        figures.extend(time(name("limit"), UNIT, options, |repeats| {
            Ok(2 * layer.limit(repeats * ROUNDS))
        })?);
        each(&mut layer, WORK, name, options, &mut figures)?;
    }
    for level in Bf16Level::ALL.into_iter().filter(|level| level.is_available()) {
        let mut layer = Bf16Products::new(level, SIZES)?;
        let name = |what: &str| format!("products, {} bf16, {what}", level.name());
        each(&mut layer, BF16_WORK, name, options, &mut figures)?;
    }
    Ok(figures)
}

fn each<T>(
    layer: &mut T,
    work: Work<T>,
    name: impl Fn(&str) -> String,
    options: &Options,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    for (what, work) in work {
        figures.extend(time(name(what), UNIT, options, |repeats| {
            (0..repeats).for_each(|_| work(layer));
            Ok(2 * repeats * SIZES.iter().product::<usize>())
        })?);
    }
    Ok(())
}
