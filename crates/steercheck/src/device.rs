//! The device that tensors live on: the accelerator that the program was built for, else the CPU.

use steercheck_model::Device;

/// The device to run on.
pub(crate) fn best() -> Device {
    #[cfg(feature = "cuda")]
    if let Ok(device) = Device::new_cuda(0) {
        return device;
    }
    #[cfg(feature = "metal")]
    if let Ok(device) = Device::new_metal(0) {
        return device;
    }
    Device::Cpu
}
