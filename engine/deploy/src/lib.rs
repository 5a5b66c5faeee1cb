//! Deployment: the base that both sides have, the difference sent, the image proven and entered.
//!
//! | module | holds |
//! |---|---|
//! | [`calls`] | what is done with sites: plan, deploy, receive, serve, each a builder with one `run` |
//! | [`deployment`] | the plan carried out: images transferred to sites in folders, over ssh, or by a medium |
//! | [`bundle`] | what travels: a folder of differences with a list, packed at headquarters, received at the site |
//! | [`parity`] | files from which damaged parts of others are worked out again |
//! | [`wire`] | the protocol between two programs over a pipe: frames, both ends, resuming |

pub mod bundle;
pub mod calls;
pub mod deployment;
pub mod parity;
mod space;
pub mod wire;
