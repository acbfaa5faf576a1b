//! Drives the real binary: what it prints, what it refuses and what it leaves on disk.

mod bad_input;
mod check_dola;
mod check_function_vector;
mod check_real;
mod check_tiny;
mod check_vector;
mod common;
mod damaged;
mod help;
mod large_store;
mod lens;
mod models;
mod planted;
mod published;
mod store_tables;
mod studies;
mod study;
mod vector;
mod verify;
