//! Where tensors live: `cpu`, or `cuda:N` in a build with the feature `cuda`; and who has the
//! cores.

use std::{env, fmt, process::Command, str::FromStr};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::Error;

/// What the user chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by number.
    Cuda(usize),
}

impl DeviceChoice {
    /// Opens the device. Another is never taken instead.
    ///
    /// # Errors
    /// A build without CUDA, or a GPU that is not there.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::Options(format!(
                "device {self}: this build has no CUDA: build with --features cuda, or use \
                 --device cpu"
            ))),
            Self::Cuda(number) => Device::new_cuda(number).map_err(|error| {
                Error::Options(format!(
                    "device {self} cannot be used: {error}; `nvidia-smi` lists those there are"
                ))
            }),
        }
    }
}

/// How candle is told how many threads it has, when it first computes something large.
const CANDLE_NUM_THREADS: &str = "CANDLE_NUM_THREADS";
/// How candle and rayon are told how many threads there are.
const RAYON_NUM_THREADS: &str = "RAYON_NUM_THREADS";
/// How the allocator is told when to give memory back that is not used.
const MIMALLOC_PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Leaves all cores to the threads that our operations are dealt to, to be called before any tensor
/// is computed. candle has threads of its own for what is between them, which go on spinning and
/// take a core from ours: a step of training takes a fifth longer. Only the environment
/// tells candle, and safe code cannot change its own: the program starts anew in this process,
/// unless the environment says a number already. By the way candle is told the number of threads
/// for its matrix products, for which it reads `/proc/cpuinfo` each time, and the allocator to keep
/// what one step leaves for the next one, instead of asking the system for it again (a fifteenth of
/// a step).
pub fn leave_cores_to_ours() {
    #[cfg(unix)]
    if env::var_os(CANDLE_NUM_THREADS).is_none()
        && let Ok(program) = env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let mut arguments = env::args_os();
        let mut anew = Command::new(program);
        if let Some(name) = arguments.next() {
            anew.arg0(name);
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
                anew.env(name, value);
            }
        }
        // It comes back only where that is not possible; then candle has its threads.
        let _ = anew.args(arguments).exec();
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = || text.strip_prefix("cuda:")?.parse().ok();
        match text {
            "cpu" => Ok(Self::Cpu),
            _ => number().map(Self::Cuda).ok_or_else(|| {
                format!("`{text}` is no device; write cpu, or cuda:0 for the first GPU")
            }),
        }
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
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
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
