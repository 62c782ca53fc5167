//! specs/signature.txt is what this crate does; `benchmark --signature` prints the new one.

use std::path::Path;

use twisterl::testing::signature::{parts, total};

#[test]
fn behaviour_has_the_committed_signature() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/signature.txt");
    let committed = std::fs::read_to_string(path).unwrap();
    let parts = parts().unwrap();
    let mut lines = vec![format!("{:016x}", total(&parts))];
    lines.extend(parts.iter().map(|part| format!("{:016x}  {}", part.digest, part.name)));
    assert_eq!(committed.lines().collect::<Vec<_>>(), lines, "commit the new signature");
}
