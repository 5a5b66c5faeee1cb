//! VDI images: dynamic, fixed, differencing, undo.
