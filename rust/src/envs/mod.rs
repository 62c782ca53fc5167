//! The environments that come with the crate; one file each.

pub mod puzzle;
