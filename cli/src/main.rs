//! Differencing disks between two images, in the hypervisor's own format.
fn main() {}
