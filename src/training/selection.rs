//! Forward selection of the deep terms that count next to the additive term.
//!
//! Input: for the validation samples, the additive logit as an offset and the contribution of each
//! deep term. Output: the terms that help, with their gains.
//!
//! Terms enter one by one, the one with the largest gain in log-likelihood first. Selection stops
//! when twice the gain is not above the threshold of the risk inflation criterion,
//! `2 + 2 ln(terms)` (Foster and George 1994, Ann. Stat. 22:1947). A term with a negative
//! coefficient never enters.

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
        let best = (0..terms.len())
            .filter(|term| !chosen.contains(term))
            .filter_map(|term| {
                let candidate_terms = [chosen.as_slice(), &[term]].concat();
                let candidate = fit(offset, terms, &candidate_terms, is_case)?;
                let all_positive = candidate.coefficients.iter().all(|c| *c > 0.0);
                all_positive.then_some((term, candidate))
            })
            .max_by(|(_, a), (_, b)| a.log_likelihood.total_cmp(&b.log_likelihood));
        let Some((term, candidate)) = best else { break };
        if 2.0 * (candidate.log_likelihood - current.log_likelihood) <= threshold {
            break;
        }
        chosen.push(term);
        current = candidate;
    }
    for &term in &chosen {
        let remaining: Vec<usize> = chosen.iter().copied().filter(|&t| t != term).collect();
        let without = fit(offset, terms, &remaining, is_case)
            .map_or(f64::NEG_INFINITY, |fit| fit.log_likelihood);
        gains[term] = Some(2.0 * (current.log_likelihood - without));
    }
    gains
}

/// A logistic regression on some terms.
struct TermFit {
    /// Coefficients of the terms, without the intercept.
    coefficients: Vec<f64>,
    log_likelihood: f64,
}

/// Logistic regression on some terms with the additive logit as offset.
///
/// `None` when the likelihood has no finite maximum.
fn fit(offset: &[f64], terms: &[Vec<f64>], chosen: &[usize], is_case: &[bool]) -> Option<TermFit> {
    let columns: Vec<&[f64]> = chosen.iter().map(|&term| terms[term].as_slice()).collect();
    let regression = logistic(&columns, is_case, Some(offset), Likelihood::Plain).ok()?;
    Some(TermFit {
        coefficients: regression.coefficients[1..].to_vec(),
        log_likelihood: regression.log_likelihood,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Gains in 600 samples whose logit is the offset plus `of_term` times the first term. Four
    /// more terms have no effect.
    fn found(of_term: f64) -> Vec<Option<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let offset = normals(&mut rng);
        let terms: Vec<Vec<f64>> = (0..5).map(|_| normals(&mut rng)).collect();
        let mut phenotype_rng = ChaCha8Rng::seed_from_u64(6);
        let is_case: Vec<bool> = offset
            .iter()
            .zip(&terms[0])
            .map(|(offset, term)| {
                let risk = 1.0 / (1.0 + (-offset - of_term * term).exp());
                phenotype_rng.random::<f64>() < risk
            })
            .collect();
        gains(&offset, &terms, &is_case)
    }

    /// 600 approximately normal values: sums of twelve uniform ones.
    fn normals(rng: &mut ChaCha8Rng) -> Vec<f64> {
        (0..600)
            .map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
            .collect()
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
