//! Data-parallel training by several processes (ranks), on one or more machines.
//!
//! Each rank has the whole model and all tokens. A step has `batch * ranks` samples. Each rank
//! computes the gradients of its part, and the gradients are summed over all ranks
//! (`MPI_Allreduce`), so that all ranks take the same step.
//!
//! Only the first rank writes files and messages. `mpirun` or `srun` starts the ranks. A build
//! without the feature `mpi` has one rank. If a rank is lost, MPI ends all others.

use super::Error;

/// The rank of this process among all ranks.
pub struct Ranks {
    /// `None` for a single process.
    world: Option<World>,
    /// From 0.
    number: usize,
    /// Number of ranks.
    n: usize,
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranks")
            .field("number", &self.number)
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl Ranks {
    /// A single process.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            world: None,
            number: 0,
            n: 1,
        }
    }

    /// Joins the ranks that `mpirun` or `srun --mpi=pmix` started; a single process otherwise.
    ///
    /// # Errors
    /// A build without MPI that is started as one of several ranks, or MPI that is already
    /// initialised.
    pub fn join() -> Result<Self, Error> {
        if is_one_of_several() {
            World::ranks().map_err(|reason| Error::Options(reason.into()))
        } else {
            Ok(Self::alone())
        }
    }

    /// Number of ranks.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Whether this rank writes files and messages.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.number == 0
    }

    /// This rank's part of some samples.
    pub(super) fn part<'p>(&self, people: &'p [usize]) -> &'p [usize] {
        let start = people.len() * self.number / self.n;
        let end = people.len() * (self.number + 1) / self.n;
        &people[start..end]
    }

    /// A value for each sample; each rank computes the values of its part.
    pub(super) fn of_all<E>(
        &self,
        people: &[usize],
        work: impl FnOnce(&[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f32>, E> {
        let part = self.part(people);
        let part_values = work(part)?;
        let start = people.len() * self.number / self.n;
        // Zeros outside of the part: the sum over ranks has each value once.
        let mut values = vec![0.0; people.len()];
        values[start..start + part_values.len()].copy_from_slice(&part_values);
        Ok(self.sum_f32(values))
    }

    /// Values summed over all ranks.
    pub(super) fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        self.world
            .as_ref()
            .map(|world| world.sum(&values))
            .unwrap_or(values)
    }

    /// Values summed over all ranks, in single precision.
    pub(super) fn sum_f32(&self, values: Vec<f32>) -> Vec<f32> {
        self.world
            .as_ref()
            .map(|world| world.sum(&values))
            .unwrap_or(values)
    }

    /// Whether the flag is set on any rank.
    pub(super) fn any(&self, flag: bool) -> bool {
        self.sum(vec![f64::from(u8::from(flag))])[0] > 0.0
    }

    /// Leaves MPI without finalising it, when this rank ends with an error.
    ///
    /// MPI then ends all other ranks, which would wait for this one forever.
    pub fn desert(self) {
        Box::leak(Box::new(self));
    }
}

/// The connection to all other ranks.
#[cfg(feature = "mpi")]
struct World {
    communicator: mpi::topology::SimpleCommunicator,
    /// Ends MPI when it is dropped.
    _universe: mpi::environment::Universe,
}

#[cfg(feature = "mpi")]
impl World {
    fn ranks() -> Result<Ranks, &'static str> {
        use mpi::{Threading, traits::Communicator};

        // All calls are made by one thread.
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or("MPI cannot be started twice in one process")?;
        let communicator = universe.world();
        let number = communicator.rank() as usize;
        let n = communicator.size() as usize;
        Ok(Ranks {
            world: Some(Self {
                communicator,
                _universe: universe,
            }),
            number,
            n,
        })
    }

    fn sum<T: mpi::traits::Equivalence + Clone + Default>(&self, values: &[T]) -> Vec<T> {
        use mpi::{collective::SystemOperation, traits::CommunicatorCollectives};

        let mut sums = vec![T::default(); values.len()];
        self.communicator
            .all_reduce_into(values, &mut sums[..], SystemOperation::sum());
        sums
    }
}

/// A build without MPI has one rank.
#[cfg(not(feature = "mpi"))]
enum World {}

#[cfg(not(feature = "mpi"))]
impl World {
    fn ranks() -> Result<Ranks, &'static str> {
        Err(
            "this process is one of several (mpirun, srun --mpi), but this build has no MPI; \
             build with --features mpi",
        )
    }

    fn sum<T>(&self, _: &[T]) -> Vec<T> {
        match *self {}
    }
}

/// Whether `mpirun` or `srun` started this process as one of several.
fn is_one_of_several() -> bool {
    let more_than_one =
        |name: &str| std::env::var(name).is_ok_and(|n| n.parse().is_ok_and(|n: usize| n > 1));
    let has_pmix =
        || std::env::var_os("PMIX_RANK").is_some() && more_than_one("SLURM_STEP_NUM_TASKS");
    ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
        .into_iter()
        .any(more_than_one)
        || has_pmix()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_person_is_in_the_part_of_one_rank() {
        let people: Vec<usize> = (0..23).collect();
        for n in [1, 2, 5, 30] {
            let parts: Vec<Vec<usize>> = (0..n)
                .map(|number| {
                    let ranks = Ranks {
                        world: None,
                        number,
                        n,
                    };
                    ranks.part(&people).to_vec()
                })
                .collect();
            assert_eq!(parts.concat(), people);
            assert!(
                parts
                    .iter()
                    .all(|part| part.len().abs_diff(people.len() / n) <= 1)
            );
        }
    }

    #[test]
    fn alone_sums_are_what_they_were() {
        let ranks = Ranks::alone();
        assert_eq!(
            (ranks.sum(vec![1.0, 2.0]), ranks.any(true), ranks.any(false)),
            (vec![1.0, 2.0], true, false)
        );
    }
}
