//! Playing episodes to judge a policy or to solve a state.
