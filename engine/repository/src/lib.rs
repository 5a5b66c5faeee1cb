//! Repositories of disk images: plain files under `.imgdelta/`, what two sites have in common, and which base to choose.
//!
//! | module | what it does |
//! |---|---|
//! | [`calls`] | what is done with a repository, each call with one `run` |
//! | [`catalogue`] | a repository on disk: records, leaf digests, lock |
//! | [`planning`] | how much two images have in common, which base is best, in which order a batch travels; no file is opened here |

pub mod calls;
pub mod catalogue;
pub mod planning;
