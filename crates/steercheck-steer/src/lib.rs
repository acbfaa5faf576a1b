//! Steering methods: pure method logic over a model's traces, prefixes and replays. What is measured with them is the
//! business of `steercheck-eval`.

pub mod dola;
pub mod function_vector;
pub mod given_vector;
pub mod placebo;
pub mod reading;
pub mod task_vector;
