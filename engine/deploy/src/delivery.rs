//! What travels: packed at headquarters, installed at the site.
