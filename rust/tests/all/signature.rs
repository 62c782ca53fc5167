//! specs/signature.txt is what this crate does; `benchmark --signature` prints the new one.

use std::path::Path;

use twisterl::testing::signature::text;

#[test]
fn behaviour_has_the_committed_signature() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/signature.txt");
    let committed = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    assert_eq!(committed, text().unwrap(), "commit the new signature");
}
