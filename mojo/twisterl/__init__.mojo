"""TwisteRL in Mojo: the sliding puzzle, learned by Evolution Strategies.

The modules are named as their Rust twins and replay the same `specs/golden`. Everything is
deterministic: a random draw comes from a stream named by (seed, generation, lane), and every
product that feeds a sum is an explicit `fma`, so that the numbers do not depend on the number of
threads, on the compiler's choice to fuse, or on the language.
"""
