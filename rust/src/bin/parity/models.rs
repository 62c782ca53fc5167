//! What is read of model files, as one digest each.

use std::path::Path;

use serde_json::{json, Value};
use twisterl::nn::safetensors::{Tensor, Tensors};
use twisterl::testing::trace::join;
use twisterl::Result;

use crate::{hex, invalid};

/// A verdict on each of the files in `pack`, which lie behind their lengths (4 bytes): a digest of
/// what was read, or nothing for a refused file.
pub fn verdicts(pack: &Path) -> Result<Value> {
    let bytes = std::fs::read(pack).map_err(|error| invalid("pack", "a file", error))?;
    let mut rest = bytes.as_slice();
    let mut verdicts = Vec::new();
    while let Some((length, files)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (file, others) =
            files.split_at_checked(length).ok_or_else(|| invalid("pack", "whole files", length))?;
        verdicts.push(Tensors::parse(file).ok().map(|model| hex(digest(&model))));
        rest = others;
    }
    Ok(json!({ "verdicts": verdicts }))
}

/// Joins the words of the tensors by name, then of the metadata.
fn digest(model: &Tensors) -> u64 {
    let mut tensors: Vec<&Tensor> = model.iter().collect();
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let mut text = Vec::new();
    for tensor in tensors {
        let Tensor { name, shape, start } = tensor;
        text.extend(name.bytes().chain([0]));
        let sizes = [shape.len()].into_iter().chain(shape.iter().copied());
        text.extend(sizes.flat_map(|size| (size as u64).to_le_bytes()));
        let values = &model.values()[*start..start + tensor.len()];
        text.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    for (key, note) in &model.metadata {
        text.extend(key.bytes().chain([0]).chain(note.bytes()).chain([0]));
    }
    text.resize(text.len().next_multiple_of(8), 0);
    text.as_chunks().0.iter().fold(0, |digest, word| join(digest, u64::from_le_bytes(*word)))
}
