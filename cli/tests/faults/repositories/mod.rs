//! Repositories and deployments while the host fails. What one file goes through is the matter of `sweep`.

mod carried;
mod changes;
mod faulted;
mod full;
mod gone;
mod lines;
mod lockless;
mod names;
mod points;
mod reads;
mod tree;
mod world;
