//! Which deep terms count next to the additive term.
//!
//! Input -> output: logits of the validation samples (of the additive term as an offset, and what
//! every deep term says beyond it) -> the terms that help, each with its gain. Terms enter one by
//! one, the one with the largest gain in likelihood first, while twice that gain is above the
//! threshold of the risk inflation criterion, `2 + 2 ln(terms)` (Foster and George 1994, Ann. Stat.
//! 22:1947). A term with a negative coefficient never enters.

use gf_stats::regression::{Likelihood, logistic};

/// For each of `terms`, twice its gain in log-likelihood given the other terms that help; `None`
/// for a term that does not help.
#[must_use]
pub fn gains(offset: &[f64], terms: &[Vec<f64>], is_case: &[bool]) -> Vec<Option<f64>> {
    let threshold = 2.0 + 2.0 * (terms.len().max(1) as f64).ln();
    let mut chosen: Vec<usize> = Vec::new();
    let mut gains = vec![None; terms.len()];
    let Some(mut current) = fit(offset, terms, &chosen, is_case) else {
        return gains;
    };
    loop {
        let candidates = (0..terms.len())
            .filter(|term| !chosen.contains(term))
            .filter_map(|term| {
                let found = fit(
                    offset,
                    terms,
                    &[chosen.as_slice(), &[term]].concat(),
                    is_case,
                )?;
                found
                    .coefficients
                    .iter()
                    .all(|coefficient| *coefficient > 0.0)
                    .then_some((term, found))
            });
        let best = candidates
            .max_by(|(_, one), (_, other)| one.log_likelihood.total_cmp(&other.log_likelihood));
        let Some((term, found)) = best else { break };
        if 2.0 * (found.log_likelihood - current.log_likelihood) <= threshold {
            break;
        }
        chosen.push(term);
        current = found;
    }
    for &term in &chosen {
        let others: Vec<usize> = chosen
            .iter()
            .copied()
            .filter(|&other| other != term)
            .collect();
        let without = fit(offset, terms, &others, is_case)
            .map_or(f64::NEG_INFINITY, |found| found.log_likelihood);
        gains[term] = Some(2.0 * (current.log_likelihood - without));
    }
    gains
}

struct Found {
    coefficients: Vec<f64>,
    log_likelihood: f64,
}

/// Logistic regression on some terms with the additive logit as offset; `None` where it has no
/// finite maximum.
fn fit(offset: &[f64], terms: &[Vec<f64>], chosen: &[usize], is_case: &[bool]) -> Option<Found> {
    let columns: Vec<&[f64]> = chosen.iter().map(|&term| terms[term].as_slice()).collect();
    let found = logistic(&columns, is_case, Some(offset), Likelihood::Plain).ok()?;
    Some(Found {
        coefficients: found.coefficients[1..].to_vec(),
        log_likelihood: found.log_likelihood,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// 600 samples whose risk is the offset and `of_term` times a first term; four more terms mean
    /// nothing.
    fn found(of_term: f64) -> Vec<Option<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let offset: Vec<f64> = (0..600).map(|_| normal()).collect();
        let terms: Vec<Vec<f64>> = (0..5)
            .map(|_| (0..600).map(|_| normal()).collect())
            .collect();
        let mut draw = ChaCha8Rng::seed_from_u64(6);
        let is_case = |(offset, term): (&f64, &f64)| {
            draw.random::<f64>() < 1.0 / (1.0 + (-offset - of_term * term).exp())
        };
        let is_case: Vec<bool> = offset.iter().zip(&terms[0]).map(is_case).collect();
        gains(&offset, &terms, &is_case)
    }

    #[test]
    fn a_term_that_helps_counts_and_the_others_do_not() {
        let found = found(0.8);
        assert!(found[0].is_some_and(|gain| gain > 20.0), "{found:?}");
        assert!(found[1..].iter().all(Option::is_none), "{found:?}");
    }

    #[test]
    fn terms_that_do_not_help_or_are_reversed_do_not_count() {
        for of_term in [0.0, -0.8] {
            assert!(found(of_term).iter().all(Option::is_none), "{of_term}");
        }
        assert!(
            gains(&[0.0; 4], &[vec![1.0; 4]], &[true, false, true, false])
                .iter()
                .all(Option::is_none)
        );
        assert!(gains(&[0.0; 4], &[], &[true; 4]).is_empty());
    }
}
