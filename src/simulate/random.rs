//! Streams of random numbers, one for each purpose.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Distance between the random-number streams of one locus and those of the next locus.
const STREAMS_PER_LOCUS: u64 = 64;

/// Purpose of a stream of random numbers.
///
/// The numbers are part of the output format: another number gives other bytes for the same seed.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Reference = 1,
    Genealogy,
    Alleles,
    Mosaics,
    CausalSites,
    Phenotypes,
    Split,
    Covariates,
    Thinning,
    LeadVariants,
    Sampling,
}

/// Random numbers of the whole cohort for one purpose.
pub(super) fn stream(seed: u64, purpose: Stream) -> ChaCha8Rng {
    stream_of_locus(seed, purpose, 0)
}

/// Random numbers of one locus for one purpose.
///
/// Locus 0 has the stream of a simulation with one locus.
pub(super) fn stream_of_locus(seed: u64, purpose: Stream, locus_index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64 + STREAMS_PER_LOCUS * locus_index);
    rng
}

/// Draws from the exponential distribution of mean `1 / rate`; infinite for a rate of 0.
pub(super) fn exponential(rate: f64, rng: &mut impl Rng) -> f64 {
    // 1 - u is in (0, 1], so the logarithm is finite.
    let waiting = -(1.0 - rng.random::<f64>()).ln();
    if rate > 0.0 {
        waiting / rate
    } else {
        f64::INFINITY
    }
}
