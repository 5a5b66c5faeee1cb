//! Deployment: the base that both sides have, the difference sent, the image proven and entered.
//!
//! | room | holds |
//! |---|---|
//! | [`delivery`] | what travels: packed at headquarters, installed at the site, by path or on a medium |
//! | [`wire`] | the conversation of two managers over a pipe: frames, both ends, resuming |

pub mod delivery;
pub mod wire;
