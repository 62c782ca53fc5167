//! Matrix products of bytes, four of them to a word of 32 bits.
//!
//! Sums are whole numbers, so that every level has the same bits. Activations are of 7 bits:
//! two products of one with a weight of 8 fit 16 bits, which is what AVX2 adds them in.

use super::super::buffer::Matrix;
use super::bytes::{PlainBytes, Product, Words, Work, PANEL};
use super::level::CpuLevel;

/// By what bytes are multiplied and added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) enum Dots {
    /// AVX512-VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    /// AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni256,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Dots {
    /// The best of `level`.
    pub(in crate::nn) fn of(level: CpuLevel) -> Self {
        #[cfg(target_arch = "x86_64")]
        if level == CpuLevel::Avx512
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bw")
        {
            return Self::Vnni512;
        } else if level != CpuLevel::Portable && is_x86_feature_detected!("avx2") {
            return if is_x86_feature_detected!("avxvnni") { Self::Vnni256 } else { Self::Avx2 };
        }
        let _ = level;
        Self::Plain
    }

    /// Does `work`, compiled for the processor that the products are of. Its bits are the same everywhere.
    pub(in crate::nn) fn run(self, work: impl Work) {
        match self {
            // SAFETY: who made `self` has asked the processor.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 => unsafe { super::dots_x86::run512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni256 | Self::Avx2 => unsafe { super::dots_x86::run256(work) },
            Self::Plain => work.run(),
        }
    }

    /// The sums of `rows [N, depth]` times `weights`, as the bits of `output`, which is reshaped.
    pub(in crate::nn) fn multiply(self, weights: &Words, rows: &[[u8; 4]], output: &mut Matrix) {
        let &Words { ref data, depth, columns } = weights;
        assert!(
            depth > 0 && rows.len().is_multiple_of(depth) && data.len() * PANEL == depth * columns
        );
        output.reshape(rows.len() / depth, columns);
        let product = Product {
            rows: rows.as_ptr(),
            num_rows: rows.len() / depth,
            weights: data.as_ptr().cast(),
            depth,
            num_panels: columns / PANEL,
            // Not read.
            start: output.as_ptr().cast(),
            start_stride: 0,
            output: output.as_mut_ptr().cast(),
            stride: output.stride(),
        };
        // SAFETY: all three are in bounds, as asserted; `output` has a row for each of `rows`. Who made
        // `self` has asked the processor.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Vnni512 => super::dots_x86::vnni512(&product),
                #[cfg(target_arch = "x86_64")]
                Self::Vnni256 => super::dots_x86::vnni256(&product),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => super::dots_x86::avx2(&product),
                Self::Plain => product.run::<PlainBytes, 2, 1>(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Extremes too, whose pairs fill 16 bits.
    #[test]
    fn every_way_has_the_sums_of_plain_loops() {
        let mut rng = Rng::new(8);
        // On other processors no more are added.
        #[allow(unused_mut)]
        let mut ways =
            vec![Dots::Plain, Dots::of(CpuLevel::detect()), Dots::of(CpuLevel::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            ways.extend(is_x86_feature_detected!("avx2").then_some(Dots::Avx2));
            ways.extend(is_x86_feature_detected!("avxvnni").then_some(Dots::Vnni256));
        }
        for [rows, depth, columns] in [[1, 1, 1], [7, 3, 16], [13, 9, 100]] {
            let mut byte = |least: i32| match rng.below(4) {
                0 => 127,
                1 => least,
                _ => (least + rng.below((128 - least) as u32) as i32) as i8 as u8 as i32,
            } as u8;
            let inputs: Vec<[u8; 4]> = (0..rows * depth).map(|_| [0; 4].map(|_| byte(0))).collect();
            let matrix: Vec<[u8; 4]> =
                (0..depth * columns).map(|_| [0; 4].map(|_| byte(-127))).collect();
            let weights = Words::new([depth, columns], |row, column| match column < columns {
                true => u32::from_le_bytes(matrix[row * columns + column]),
                false => 0,
            });
            for &way in &ways {
                let mut made = Matrix::default();
                way.multiply(&weights, &inputs, &mut made);
                for (row, inputs) in inputs.chunks(depth).enumerate() {
                    for column in 0..columns {
                        let products = inputs.iter().enumerate().flat_map(|(k, inputs)| {
                            let weights = matrix[k * columns + column];
                            (0..4).map(move |i| i32::from(inputs[i]) * i32::from(weights[i] as i8))
                        });
                        let sum = made.row(row)[column].to_bits() as i32;
                        assert_eq!(sum, products.sum::<i32>(), "{way:?} {row} {column}");
                    }
                }
            }
        }
    }
}
