"""A trained policy for programs that have no twisterl: one file with all that it takes.

`policy_file` writes what the Rust crate and the pages of `twisterl web` read, `onnx` the rest.
"""
