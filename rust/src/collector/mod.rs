//! Playing episodes for training, in parallel and reproducibly.
