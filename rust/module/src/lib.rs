//! The compiled Python module `twisterl.twisterl`, linked: rust/extension holds all that is in it.

use twisterl_extension as _;
