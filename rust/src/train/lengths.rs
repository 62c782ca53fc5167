//! Arrays of as many entries as others.

use crate::error::{Error, Result};

pub(super) fn check_len(name: &str, got: usize, expected: usize) -> Result<()> {
    match got == expected {
        true => Ok(()),
        false => Err(Error::invalid(name, format!("{expected} entries"), got)),
    }
}
