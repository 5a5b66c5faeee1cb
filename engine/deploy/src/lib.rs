//! Deployment: the base that both sides have, the difference sent, the image proven and entered.
//!
//! | module | holds |
//! |---|---|
//! | [`calls`] | what is done with sites: plan, deploy, receive, serve, each a builder with one `run` |
//! | [`deployment`] | images on their way to sites, in one way or another, whatever leads there |
//! | [`bundle`] | what travels: packed at headquarters, received at the site |
//! | [`wire`] | the conversation of two managers over a pipe: frames, both ends, resuming |

pub mod bundle;
pub mod calls;
pub mod deployment;
mod space;
pub mod wire;
