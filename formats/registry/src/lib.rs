//! The one list of drivers: probe, open, find a parent under a policy, create.
