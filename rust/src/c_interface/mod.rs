//! Environments across separately built libraries, by C alone.
//!
//! Two libraries share no Rust type, vtable or panic in a sound way, only C. So an environment comes as an
//! [`abi::EnvTable`]: [`OwnTable`] is one of ours, [`ForeignEnv`] plays another's as an
//! [`Env`](crate::rl::env::Env) like any other. How a pointer to a table is handed over, and what becomes of
//! exceptions, is the host's ([`Host`]); in Python it is a capsule.

pub mod abi;
mod acts;
mod env;
mod export;
mod foreign;
mod handle;
mod host;
mod import;
mod lanes;

pub use env::ForeignEnv;
pub use export::OwnTable;
pub use foreign::{ForeignError, Table};
pub use host::{set_host, Host, Source};

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::*;
    use crate::envs::puzzle::Puzzle;
    use crate::rl::env::Env;
    use crate::testing::players::{check_players, Beginning};

    #[test]
    fn a_table_plays_as_its_environment_does_and_refuses_in_its_words() {
        let own = OwnTable::new(Box::new(Puzzle::new(2, 2, 8, 2, 16).unwrap()));
        // SAFETY: the table lives until it is dropped below.
        let table = unsafe { Table::at(NonNull::from(own.table()).cast()) }.unwrap();
        let mut env = ForeignEnv::new(&table, "Board".to_owned()).unwrap();
        drop((table, own));
        let states = [[1, 0, 2, 3], [1, 3, 2, 0], [3, 2, 1, 0]].map(Vec::from);
        let shown = |row: &[i32]| row.iter().map(|feature| i64::from(feature % 4)).collect();
        check_players(&env, &states, Beginning::Shown(&shown)).unwrap();
        let said = env.try_set_state(&[0; 4]).unwrap_err().to_string();
        let own = Puzzle::new(2, 2, 8, 2, 16).unwrap().try_set_state(&[0; 4]).unwrap_err();
        assert_eq!(said, format!("environment: {own}"));
    }
}
