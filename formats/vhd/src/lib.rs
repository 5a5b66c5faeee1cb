//! VHD images: fixed, dynamic, differencing.
