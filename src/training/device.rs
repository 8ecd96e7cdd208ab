//! Device of the tensors (`cpu`, or `cuda:N` with the feature `cuda`), and threads of the process.

use std::{env, fmt, process::Command, str::FromStr};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::Error;

/// Device that the user chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by number.
    Cuda(usize),
}

impl DeviceChoice {
    /// Opens the device; there is no fallback to another device.
    ///
    /// # Errors
    /// A build without CUDA, or a missing GPU.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::Options(format!(
                "device {self} is not available, because this build has no CUDA; build with \
                 --features cuda, or use --device cpu"
            ))),
            Self::Cuda(number) => Device::new_cuda(number).map_err(|error| {
                Error::Options(format!(
                    "device {self} cannot be used ({error}); run `nvidia-smi` to list the GPUs"
                ))
            }),
        }
    }
}

/// Number of candle's own threads; candle reads it at its first large operation.
const CANDLE_NUM_THREADS: &str = "CANDLE_NUM_THREADS";
/// Number of threads of rayon and of candle's matrix products.
const RAYON_NUM_THREADS: &str = "RAYON_NUM_THREADS";
/// Delay after which the allocator returns unused memory to the system.
const MIMALLOC_PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Sets the thread and allocator variables of the process, by running the program again.
///
/// It must be called before the first tensor operation. It sets variables that are not set yet:
/// - candle gets one thread of its own. More threads would keep spinning between operations and
///   take cores from rayon: a training step takes a fifth longer.
/// - candle's matrix products get the number of threads, which candle otherwise reads from
///   `/proc/cpuinfo` each time.
/// - The allocator keeps freed memory for the next step, which saves a fifteenth of a step.
///
/// Only the environment configures candle, and safe code cannot change the environment of the
/// running process. The program therefore replaces itself (`exec`), unless the number of candle's
/// threads is set already.
pub fn leave_cores_to_ours() {
    #[cfg(unix)]
    if env::var_os(CANDLE_NUM_THREADS).is_none()
        && let Ok(program) = env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let mut arguments = env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        let n_threads = std::thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .to_string();
        for (name, value) in [
            (CANDLE_NUM_THREADS, "1"),
            (RAYON_NUM_THREADS, &n_threads),
            (MIMALLOC_PURGE_DELAY, "-1"),
        ] {
            if env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        // `exec` returns only when it fails. The program then runs with candle's own threads.
        let _ = command.args(arguments).exec();
    }
}

/// A text that is not a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a device; write cpu, or cuda:0 for a GPU")]
pub struct UnknownDevice(String);

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        text.strip_prefix("cuda:")
            .and_then(|number| number.parse().ok())
            .map(Self::Cuda)
            .ok_or_else(|| UnknownDevice(text.to_owned()))
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = UnknownDevice;

    fn try_from(text: String) -> Result<Self, UnknownDevice> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(device: DeviceChoice) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for text in ["cpu", "cuda:0", "cuda:12"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:x"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }
}
