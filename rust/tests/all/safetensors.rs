//! Model files: what is read of them, what is refused, and that ours are those of the library.

use std::path::Path;

use crate::common::{bytes_of, items, spec};
use crate::counting::most_held;
use proptest::prelude::*;
use serde_json::Value;
use twisterl::nn::safetensors::{Tensors, DIGEST, TIED};
use twisterl::nn::{Network, Policy, Scratch};
use twisterl::rl::env::Twists;
use twisterl::spaces::Rows;

fn with_header(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn the_files_of_the_corpus() {
    for case in items(&spec("models.json")) {
        let read = Tensors::parse(&bytes_of(case));
        assert_eq!(Value::from(read.is_ok()), case["accepted"], "{}: {read:?}", case["name"]);
    }
}

#[test]
fn what_python_wrote_is_written_again() {
    let corpus = spec("models.json");
    let sealed = items(&corpus).iter().find(|case| case["name"] == "sealed").unwrap();
    let model = Tensors::parse(&bytes_of(sealed)).unwrap();
    assert_eq!(model.to_bytes(), bytes_of(sealed));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/golden/puzzle8.safetensors");
    let model = Tensors::read(&path).unwrap();
    let (shape, values) = model.get("embeddings.weight").unwrap();
    assert_eq!((shape, values.len()), (&[32, 81][..], 32 * 81));
    assert_eq!(Tensors::parse(&model.to_bytes()).unwrap(), model);
}

#[test]
fn every_flipped_bit_is_told() {
    let corpus = spec("models.json");
    let sealed = items(&corpus).iter().find(|case| case["name"] == "sealed").unwrap();
    let bytes = bytes_of(sealed);
    let model = Tensors::parse(&bytes).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Only the name of the digest can be lost, and then the rest is as it was.
        if let Ok(read) = Tensors::parse(&flipped) {
            assert_eq!((read.values(), read.metadata.len()), (model.values(), 4), "{bit}");
        }
    }
}

#[test]
fn tied_tensors_are_one() {
    let mut model = Tensors::default();
    model.metadata.insert("note".to_owned(), "é\"".to_owned());
    model.push("w", vec![2], &[1.0, 2.0]).unwrap();
    model.tie("v", "w").unwrap();
    model.tie("u", "v").unwrap();
    for name in ["u", "v", "w"] {
        assert!(model.push(name, vec![], &[0.0]).is_err());
        assert!(model.tie(name, "w").is_err());
    }
    assert!(model.tie("t", "s").is_err());
    let read = Tensors::parse(&model.to_bytes()).unwrap();
    assert_eq!(read.values(), [1.0, 2.0]);
    for name in ["u", "v", "w"] {
        assert_eq!(read.get(name), model.get(name));
    }
    assert_eq!(read.metadata["note"], "é\"");
    assert!(read.metadata.contains_key(TIED));
    assert_eq!(Tensors::parse(&read.to_bytes()).unwrap(), read);
}

#[test]
fn errors_name_the_file_and_the_tensor() {
    let folder = std::env::temp_dir().join(format!("twisterl-safetensors-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("model.safetensors");
    let said = |path: &Path| Tensors::read(path).unwrap_err().to_string();
    assert!(said(&path).contains("model.safetensors: expected a model"), "{}", said(&path));
    assert!(said(&folder).contains("no regular file"), "{}", said(&folder));
    let mut model = Tensors::default();
    model.push("w", vec![1], &[f32::NAN]).unwrap();
    std::fs::write(&path, model.to_bytes()).unwrap();
    assert!(said(&path).contains("model.safetensors: tensor w: expected finite values, got NaN"));
    std::fs::remove_dir_all(folder).unwrap();
    assert!(model.push("v", vec![2], &[0.0]).is_err());
    assert!(model.push("v", vec![usize::MAX, usize::MAX], &[]).is_err());
}

#[test]
fn a_state_dict_is_a_policy() {
    let [a, b] = [&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0][..], &[0.5, -1.0]];
    let given: [(&str, &[usize], &[f32]); 6] = [
        ("embeddings.weight", &[2, 3], a),
        ("embeddings.bias", &[2], b),
        ("action.0.weight", &[2, 2], &a[..4]),
        ("action.0.bias", &[2], b),
        ("value.0.weight", &[1, 2], &a[..2]),
        ("value.0.bias", &[1], &b[..1]),
    ];
    let model = |skipped: &str, foreign: &str| {
        let mut model = Tensors::default();
        for (name, shape, values) in given.iter().filter(|(name, ..)| *name != skipped) {
            model.push(name, shape.to_vec(), values).unwrap();
        }
        if !foreign.is_empty() {
            model.push(foreign, vec![2], b).unwrap();
        }
        Network::from_state_dict(&model, Twists::default())
    };
    let policy = model("", "").unwrap();
    let mut rows = Rows::default();
    rows.push(&[0, 2]);
    let (mut logits, mut values) = ([0.0; 2], [0.0; 1]);
    policy.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values).unwrap();
    // The hidden layer is (1 + 3 + 0.5, 4 + 6 - 1).
    assert_eq!((logits, values), ([4.5 + 18.0 + 0.5, 13.5 + 36.0 - 1.0], [4.5 + 18.0 + 0.5]));
    for (name, ..) in given {
        assert!(model(name, "").is_err(), "{name}");
        assert!(model(name, "other").is_err(), "{name}");
    }
    let error = model("value.0.bias", "value.0.bias").err().map(|error| error.to_string());
    assert_eq!(error.unwrap(), "value.0.bias: expected a tensor [1], got [2]");
    let error = model("", "more").err().map(|error| error.to_string()).unwrap();
    assert_eq!(error, "state dict: expected the 6 tensors of a BasicPolicy, got 7 tensors");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        tensors in prop::collection::btree_map(
            any::<String>().prop_filter("reserved", |name| name != "__metadata__"),
            prop::collection::vec(0_usize..4, 0..4),
            0..6,
        ),
        metadata in prop::collection::btree_map(any::<String>(), any::<String>(), 0..4),
    ) {
        let mut model = Tensors::default();
        model.metadata = metadata;
        model.metadata.retain(|key, _| key != TIED && key != DIGEST);
        for (name, shape) in tensors {
            let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32 - 1.5).collect();
            model.push(&name, shape, &values).unwrap();
        }
        let read = Tensors::parse(&model.to_bytes()).unwrap();
        prop_assert_eq!(&read.metadata, &model.metadata);
        prop_assert_eq!(read.iter().len(), model.iter().len());
        for tensor in model.iter() {
            prop_assert_eq!(read.get(&tensor.name), model.get(&tensor.name));
        }
    }

    #[test]
    fn no_bytes_do_more_than_fail(bytes in prop::collection::vec(any::<u8>(), 0..200), json in ".{0,80}") {
        let _ = Tensors::parse(&bytes);
        let _ = Tensors::parse(&with_header(&format!("{{{json}")));
    }
}

/// A reader holds at most the size of the file and 64 MiB: here one file in memory, and that.
#[test]
fn hostile_headers_take_little_memory() {
    let names: Vec<String> = (0..240_000).map(|i| format!("\"{i}\":1")).collect();
    let notes: Vec<String> = (0..240_000).map(|i| format!("\"{i}\":\"\"")).collect();
    let empty = r#""shape":[0],"dtype":"F32","data_offsets":[0,0]"#;
    let most: Vec<String> = (0..10_001).map(|i| format!("\"{i}\":{{{empty}}}")).collect();
    for (header, said) in [
        (format!("{{\"a\":[{}]}}", "[],".repeat(1_000_000)), "brackets and commas"),
        (format!("{{\"a\":[{}1]}}", "[],".repeat(120_000)), "expected an object of dtype"),
        (format!("{{{}}}", names.join(",")), "expected an object of dtype"),
        (format!("{{\"__metadata__\":{{{}}}}}", notes.join(",")), ""),
        (format!("{{{}}}", most.join(",")), "at most 10000 tensors"),
        (format!("{{\"a\":\"{}\"}}", "a".repeat((1 << 22) - 8)), "expected an object of dtype"),
        (format!("{{\"a\":\"{}\"}}", "a".repeat(1 << 22)), "claims"),
        ("[".repeat(240_000), "no JSON object"),
        (format!("{{\"a\":{}", "[".repeat(240_000)), "expected an object of dtype"),
    ] {
        let bytes = with_header(&header);
        let (read, most) = most_held(|| Tensors::parse(&bytes));
        assert!(most <= bytes.len() + (64 << 20), "{said}: {most} bytes");
        match read {
            Ok(_) => assert_eq!(said, ""),
            Err(error) => assert!(error.to_string().contains(said), "{error}"),
        }
    }
    // A length that the file does not have is not believed.
    for length in [u64::MAX, 1 << 40, 1 << 22] {
        assert!(Tensors::parse(&length.to_le_bytes()).is_err());
    }
}

/// A file of a few kilobytes, whose layers would have copies of gigabytes.
#[test]
fn tied_tensors_ask_for_no_more_than_twice_the_file() {
    let width = 64;
    let mut model = Tensors::default();
    let ones = |count: usize| vec![1.0; count];
    model.push("embeddings.weight", vec![width, width], &ones(width * width)).unwrap();
    model.push("embeddings.bias", vec![width], &ones(width)).unwrap();
    model.push("action.0.weight", vec![2, width], &ones(2 * width)).unwrap();
    model.push("action.0.bias", vec![2], &ones(2)).unwrap();
    model.push("value.0.weight", vec![1, width], &ones(width)).unwrap();
    model.push("value.0.bias", vec![1], &ones(1)).unwrap();
    let network = |model: &Tensors| Network::from_state_dict(model, Twists::default());
    for layer in 0..3 {
        model.tie(&format!("common.{}.weight", 2 * layer), "embeddings.weight").unwrap();
        model.tie(&format!("common.{}.bias", 2 * layer), "embeddings.bias").unwrap();
        assert_eq!(network(&model).is_ok(), layer == 0);
    }
    let refused = network(&model).err().unwrap().to_string();
    assert_eq!(
        refused,
        "state dict: expected at most twice the 4355 values of the file, got 16835"
    );
}
