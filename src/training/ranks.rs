//! Ranks: processes, perhaps on several machines, that train one model together.
//!
//! Each has the whole model and all tokens. Of the people of a step, which are as many times more
//! as there are ranks, each computes the gradients of its part; these are summed over all
//! (`MPI_Allreduce`), so that everyone takes the same step. The first rank alone writes files and
//! speaks. Which ranks there are is told by `mpirun` or `srun`; a build without the feature `mpi`
//! is alone. A rank that is lost ends the others: MPI does that.

use super::Error;

/// This process among those that train together.
pub struct Ranks {
    /// None of one process for itself.
    world: Option<World>,
    number: usize,
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
    /// One process for itself.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            world: None,
            number: 0,
            n: 1,
        }
    }

    /// The ranks that `mpirun` or `srun --mpi=pmix` has started; alone without them.
    ///
    /// # Errors
    /// Started as one of several by a build without MPI; MPI that is there already.
    pub fn join() -> Result<Self, Error> {
        if is_one_of_several() {
            World::ranks().map_err(|reason| Error::Options(reason.into()))
        } else {
            Ok(Self::alone())
        }
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// This one writes files and speaks.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.number == 0
    }

    /// This rank's share of some people.
    pub(super) fn part<'p>(&self, people: &'p [usize]) -> &'p [usize] {
        let end = |number: usize| people.len() * number / self.n;
        &people[end(self.number)..end(self.number + 1)]
    }

    /// A value of each of some people, of which each rank works out those of its part.
    pub(super) fn of_all<E>(
        &self,
        people: &[usize],
        work: impl FnOnce(&[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f32>, E> {
        let part = self.part(people);
        let own = work(part)?;
        let before = people.len() * self.number / self.n;
        let mut values = vec![0.0; people.len()];
        values[before..before + own.len()].copy_from_slice(&own);
        Ok(self.sum_f32(values))
    }

    /// Values summed over all ranks.
    pub(super) fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        self.world
            .as_ref()
            .map(|world| world.sum(&values))
            .unwrap_or(values)
    }

    /// The same in single precision.
    pub(super) fn sum_f32(&self, values: Vec<f32>) -> Vec<f32> {
        self.world
            .as_ref()
            .map(|world| world.sum(&values))
            .unwrap_or(values)
    }

    /// Whether any rank says so.
    pub(super) fn any(&self, says_so: bool) -> bool {
        self.sum(vec![f64::from(u8::from(says_so))])[0] > 0.0
    }

    /// To be called where this rank ends with an error: MPI is not told that all is well, and so
    /// ends the others, who would wait for this one.
    pub fn desert(self) {
        Box::leak(Box::new(self));
    }
}

/// The connection to the others.
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

/// There are no others in a build without MPI.
#[cfg(not(feature = "mpi"))]
enum World {}

#[cfg(not(feature = "mpi"))]
impl World {
    fn ranks() -> Result<Ranks, &'static str> {
        Err(
            "this process is one of several (mpirun, srun --mpi), and this build has no MPI: \
             build with --features mpi",
        )
    }

    fn sum<T>(&self, _: &[T]) -> Vec<T> {
        match *self {}
    }
}

/// What Open MPI, and MPICH, tell the processes that they start.
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
            let part = |number| {
                Ranks {
                    world: None,
                    number,
                    n,
                }
                .part(&people)
                .to_vec()
            };
            let parts: Vec<Vec<usize>> = (0..n).map(part).collect();
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
