//! A repository on disk, from the outside: what each operation does, what a killed process leaves, and what hostile files are answered.

mod adds;
mod place;
