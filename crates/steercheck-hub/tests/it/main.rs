//! Drives the public interface against a hub on this machine's loopback and a pip that is a shell script.

mod bench;
mod catalogue;
mod fake_hub;
mod hub;
mod hub_trouble;
#[cfg(unix)]
mod pip;
#[cfg(unix)]
mod pip_trouble;
mod study;
mod typed;
