//! Numbers that are none, and where they are.

use crate::error::Error;

/// An error that names the first of `bits`, an array of `shape`, that is no finite number.
pub fn not_finite(
    source: &dyn Fn() -> String,
    bits: impl Iterator<Item = u32>,
    shape: &[usize],
) -> Error {
    let mut others = bits.map(f32::from_bits).enumerate().filter(|(_, number)| !number.is_finite());
    let (mut rest, number) = others.next().unwrap_or_default();
    let mut place = vec![0; shape.len()];
    for (index, side) in place.iter_mut().zip(shape).rev() {
        (*index, rest) = (rest % side, rest / side);
    }
    Error::invalid(source(), "finite numbers", format!("{number} at {place:?}"))
}

/// Whether no number is infinite or none; all are looked at, many at a time.
pub fn all_finite(numbers: &[f32]) -> bool {
    const INFINITE: i32 = f32::INFINITY.to_bits() as i32;
    let magnitude = |number: &f32| (number.to_bits() & !(1 << 31)) as i32;
    numbers.iter().map(magnitude).fold(0, i32::max) < INFINITE
}
