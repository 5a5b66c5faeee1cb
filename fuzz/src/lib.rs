//! Fuzz targets as plain functions that know the right answer.
