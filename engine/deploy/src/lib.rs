//! Deployment: the base that both sides have, the difference sent, the image proven and entered.
//!
//! | module | holds |
//! |---|---|
//! | [`calls`] | what is done with sites: plan, deploy, receive, serve, each a builder with one `run` |
//! | [`delivery`] | what travels: packed at headquarters, installed at the site, by path or on a medium |
//! | [`wire`] | the conversation of two managers over a pipe: frames, both ends, resuming |

pub mod calls;
pub mod delivery;
pub mod wire;
