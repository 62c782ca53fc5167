//! The loops over products of words, of four bytes or of two bf16. All of it is inlined into functions
//! that enable the processor's features.

/// Columns of a panel of weights.
pub(super) const PANEL: usize = 16;

/// Sums of `PANEL` columns, of which a word of weights each is multiplied with one of the row.
///
/// # Safety
/// The methods are called only on processors that have the instructions, and inlined into a
/// function that enables them; pointers are good for `PANEL` words.
pub(super) trait Dot {
    type Sums: Copy;
    type Weights: Copy;
    /// What sums start with, of which `at` may have something to say.
    unsafe fn start(at: *const u32) -> Self::Sums;
    unsafe fn load(from: *const u32) -> Self::Weights;
    unsafe fn add(sums: Self::Sums, word: [u8; 4], weights: Self::Weights) -> Self::Sums;
    unsafe fn store(to: *mut u32, sums: Self::Sums);
}

/// A row of a panel, in one line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::nn) struct Line([u32; PANEL]);

/// Weights `[depth, columns]` of words: panels of `PANEL` columns, each row-major.
#[derive(Clone)]
pub(in crate::nn) struct Words {
    pub(super) data: Vec<Line>,
    pub(in crate::nn) depth: usize,
    pub(in crate::nn) columns: usize,
}

impl Words {
    /// `word(row, column)` is the weight.
    pub(in crate::nn) fn new(
        [depth, columns]: [usize; 2],
        word: impl Fn(usize, usize) -> u32,
    ) -> Self {
        let columns = columns.next_multiple_of(PANEL);
        let line = |i: usize| {
            let (panel, row) = (i / depth, i % depth);
            Line(std::array::from_fn(|k| word(row, panel * PANEL + k)))
        };
        Self { data: (0..depth * columns / PANEL).map(line).collect(), depth, columns }
    }
}

/// What is not of products, in plain arithmetic.
pub(in crate::nn) trait Work {
    /// To be inlined always, into a function that enables the processor's features.
    fn run(self);
}

/// A product whose pointers are good for its sizes.
pub(super) struct Product {
    /// `[num_rows, depth]`
    pub(super) rows: *const [u8; 4],
    pub(super) num_rows: usize,
    pub(super) weights: *const u32,
    pub(super) depth: usize,
    pub(super) num_panels: usize,
    /// What sums start with, as the output has them; rows may all be one.
    pub(super) start: *const u32,
    pub(super) start_stride: usize,
    pub(super) output: *mut u32,
    /// From one row of the output to the next.
    pub(super) stride: usize,
}

impl Product {
    /// `R` rows times `P` panels at once, while there are so many.
    ///
    /// # Safety
    /// That of [`Dot`].
    #[inline(always)]
    pub(super) unsafe fn run<D: Dot, const R: usize, const P: usize>(&self) {
        let mut panel = 0;
        while panel + P <= self.num_panels {
            self.panels::<D, R, P>(panel);
            panel += P;
        }
        while panel < self.num_panels {
            self.panels::<D, R, 1>(panel);
            panel += 1;
        }
    }

    #[inline(always)]
    unsafe fn panels<D: Dot, const R: usize, const P: usize>(&self, panel: usize) {
        let mut row = 0;
        while row + R <= self.num_rows {
            self.tile::<D, R, P>(row, panel);
            row += R;
        }
        while row < self.num_rows {
            self.tile::<D, 1, P>(row, panel);
            row += 1;
        }
    }

    #[inline(always)]
    unsafe fn tile<D: Dot, const R: usize, const P: usize>(&self, row: usize, panel: usize) {
        let rows = self.rows.add(row * self.depth);
        let weights = self.weights.add(panel * PANEL * self.depth);
        let start = self.start.add(row * self.start_stride + panel * PANEL);
        let mut sums = [[D::start(start); P]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (p, sum) in sums.iter_mut().enumerate() {
                *sum = D::start(start.add(r * self.start_stride + p * PANEL));
            }
        }
        for k in 0..self.depth {
            let mut columns = [D::load(weights.add(k * PANEL)); P];
            for (p, columns) in columns.iter_mut().enumerate().skip(1) {
                *columns = D::load(weights.add((p * self.depth + k) * PANEL));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let word = rows.add(r * self.depth + k).read();
                for (sum, &weights) in sums.iter_mut().zip(&columns) {
                    *sum = D::add(*sum, word, weights);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                D::store(self.output.add((row + r) * self.stride + (panel + p) * PANEL), sum);
            }
        }
    }
}

pub(super) struct PlainBytes;

impl Dot for PlainBytes {
    type Sums = [i32; PANEL];
    type Weights = [u32; PANEL];

    #[inline(always)]
    unsafe fn start(_: *const u32) -> [i32; PANEL] {
        [0; PANEL]
    }
    #[inline(always)]
    unsafe fn load(from: *const u32) -> [u32; PANEL] {
        from.cast::<[u32; PANEL]>().read()
    }
    #[inline(always)]
    unsafe fn add(mut sums: [i32; PANEL], word: [u8; 4], weights: [u32; PANEL]) -> [i32; PANEL] {
        for (sum, weights) in sums.iter_mut().zip(weights) {
            let pairs = word.into_iter().zip(weights.to_le_bytes());
            *sum += pairs.map(|(x, weight)| i32::from(x) * i32::from(weight as i8)).sum::<i32>();
        }
        sums
    }
    #[inline(always)]
    unsafe fn store(to: *mut u32, sums: [i32; PANEL]) {
        to.cast::<[i32; PANEL]>().write(sums);
    }
}
