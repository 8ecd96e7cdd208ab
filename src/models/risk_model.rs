//! The model of a bundle: an additive term and deep terms, each over some loci.
//!
//! `logit = additive + sum over deep terms of weight * deep term`, where a deep term is the mean
//! logit of its networks. A model without an additive term is one deep term over all loci with
//! weight 1. A deep term with weight 0 is not stored, so that a model without any gain is exactly
//! the additive model.

use std::{collections::BTreeMap, sync::Arc};

use candle_core::{D, DType, Device, Result, Tensor, bail};
use gf_tokenizer::MASK;
use serde::{Deserialize, Serialize};

use super::{
    Config, Model,
    additive::{ALONE, Additive, LocusWeights},
    pair_slots::{PairSlot, TokenNumbers},
};
use gf_cohort_schema::counted;
use gf_nn::Parameters;

/// A model that encodes haplotypes and classifies samples: a single network or a [`RiskModel`].
pub trait Predictor {
    /// Architecture and shapes.
    fn config(&self) -> &Config;

    /// Values per encoded haplotype of a locus.
    fn width(&self, locus: usize) -> usize;

    /// Encodes at least one haplotype of `locus`, (haplotypes, width), without graphs for
    /// gradients.
    ///
    /// Each row depends only on its own tokens.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    fn encode_only(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor>;

    /// Logits, (samples), from the encoded haplotypes of each locus and each sample's pair of them.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    fn classify(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Tensor>;
}

impl Predictor for Model {
    fn config(&self) -> &Config {
        Self::config(self)
    }

    fn width(&self, _locus: usize) -> usize {
        Self::config(self).architecture.hidden
    }

    fn encode_only(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        Self::encode_only(self, locus, tokens, mask)
    }

    fn classify(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Tensor> {
        Self::classify(self, encoded, pairs, covariates)
    }
}

/// The loci of a deep term, its weight and the shapes of its networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermShape {
    /// Numbers of its loci, ascending.
    pub loci: Vec<usize>,
    /// Factor of its logit, above 0.
    pub weight: f64,
    /// The epoch that the weights are from.
    #[serde(default)]
    pub best_epoch: usize,
    /// Tokens with an embedding, ascending, with the special tokens first.
    ///
    /// Token `i` of the term is entry `i`, a token of the tokenizer. Other tokens are read as
    /// `[UNK]`. Empty for a pure sequence model, which has the whole vocabulary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u32>,
    /// Slots that the term adds to its loci, numbered after `tokens`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pair_slots: Vec<PairSlot>,
    /// Number of networks; their mean logit is the logit of the term.
    #[serde(default = "one")]
    pub networks: usize,
}

fn one() -> usize {
    1
}

impl TermShape {
    /// Architecture and shapes of the term's network.
    #[must_use]
    pub fn config(&self, model: &Config) -> Config {
        let n_versions: usize = self.pair_slots.iter().map(|pair| pair.versions.len()).sum();
        let mut config = Config {
            vocab_size: self.tokens.len() + n_versions,
            ..model.of_loci(&self.loci)
        };
        for pair in &self.pair_slots {
            if let Some(locus) = config.loci.get_mut(pair.locus) {
                locus.n_slots += 1;
            }
        }
        config
    }
}

#[derive(Debug)]
struct Term {
    shape: TermShape,
    /// `None` where the term uses the token numbers of the tokenizer.
    numbers: Option<TokenNumbers>,
    networks: Vec<Model>,
}

/// Maximum number of networks of a deep term, so that a damaged file does not cause an endless
/// loop.
const MAX_NETWORKS: usize = 1_000;

/// Additive and deep terms together.
#[derive(Debug)]
pub struct RiskModel {
    config: Config,
    additive: Option<AdditiveTerm>,
    /// An additive term that was fitted without any deep term.
    alone: Option<AdditiveTerm>,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct AdditiveTerm {
    term: Additive,
    /// The weights, one entry per locus.
    locus_weights: Vec<LocusWeights>,
}

impl Term {
    /// Takes deep term `number` out of the tensors of a model.
    fn take(
        tensors: &mut BTreeMap<String, Tensor>,
        number: usize,
        shape: &TermShape,
        config: &Config,
        device: &Device,
    ) -> Result<Self> {
        require_loci(shape, config)?;
        let networks = term_tensors(tensors, number, shape.networks)
            .into_iter()
            .map(|tensors| {
                let mut parameters = Parameters::saved(tensors).on(device);
                Model::new(&shape.config(config), &mut parameters)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            shape: shape.clone(),
            numbers: Some(TokenNumbers::new(shape)),
            networks,
        })
    }
}

impl AdditiveTerm {
    /// Takes the additive term with this prefix out of the tensors of a model.
    fn take(tensors: &mut BTreeMap<String, Tensor>, prefix: &str, config: &Config) -> Result<Self> {
        match Additive::take(tensors, prefix)? {
            Some(additive) => Self::new(additive, config),
            None => bail!("no tensor `{prefix}additive.intercept` is saved"),
        }
    }

    fn new(term: Additive, config: &Config) -> Result<Self> {
        require_fit(&term, config)?;
        let locus_weights = (0..config.loci.len())
            .map(|locus| term.of_locus(locus))
            .collect();
        Ok(Self {
            term,
            locus_weights,
        })
    }
}

impl RiskModel {
    /// Loads a model from saved tensors.
    ///
    /// `terms` is absent for a model without an additive term, whose tensors have the names of the
    /// network. Otherwise the tensors of deep term i are named `terms.i.NETWORK.NAME`.
    ///
    /// # Errors
    /// Tensors that do not fit the configuration, or are missing or too many.
    pub fn load(
        config: &Config,
        terms: Option<&[TermShape]>,
        mut tensors: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let Some(terms) = terms else {
            return Self::sequence_model(config, tensors, device);
        };
        let additive = AdditiveTerm::take(&mut tensors, "", config)?;
        let alone = AdditiveTerm::take(&mut tensors, ALONE, config)?;
        let terms = terms
            .iter()
            .enumerate()
            .map(|(number, shape)| Term::take(&mut tensors, number, shape, config, device))
            .collect::<Result<_>>()?;
        if let Some(name) = tensors.keys().next() {
            bail!("the saved parameter `{name}` belongs to no part of this model");
        }
        Ok(Self {
            config: config.clone(),
            additive: Some(additive),
            alone: Some(alone),
            terms,
        })
    }

    /// A model without an additive term: one network over all loci.
    fn sequence_model(
        config: &Config,
        tensors: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let network = Model::new(config, &mut Parameters::saved(tensors).on(device))?;
        let shape = TermShape {
            loci: (0..config.loci.len()).collect(),
            weight: 1.0,
            networks: 1,
            ..TermShape::default()
        };
        let term = Term {
            shape,
            numbers: None,
            networks: vec![network],
        };
        Ok(Self {
            config: config.clone(),
            additive: None,
            alone: None,
            terms: vec![term],
        })
    }

    /// The additive model, fitted without any deep term; `None` for a pure sequence model.
    #[must_use]
    pub fn additive_alone(self) -> Option<Self> {
        Some(Self {
            additive: Some(self.alone?),
            alone: None,
            config: self.config,
            terms: Vec::new(),
        })
    }

    /// Whether there is an additive term.
    #[must_use]
    pub fn has_additive(&self) -> bool {
        self.additive.is_some()
    }

    /// Additive logits, (samples), from haplotypes encoded by [`Predictor::encode_only`]; `None`
    /// without an additive term.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    fn classify_additive(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        let Some(AdditiveTerm { term: additive, .. }) = &self.additive else {
            return Ok(None);
        };
        let mut logits: Option<Tensor> = None;
        for (encoded, pair) in encoded.iter().zip(pairs) {
            // Column 0 of an encoded haplotype is its additive score. An absent haplotype has the
            // index after the last one, and the score 0.
            let scores = encoded.narrow(1, 0, 1)?.squeeze(1)?;
            let zero = Tensor::zeros(1, DType::F32, scores.device())?;
            let with_absent = Tensor::cat(&[&scores, &zero], 0)?;
            let first = with_absent.index_select(&pair[0], 0)?;
            let second = with_absent.index_select(&pair[1], 0)?;
            let locus_score = (first + second)?;
            logits = Some(match logits {
                Some(logits) => (logits + locus_score)?,
                None => locus_score,
            });
        }
        let Some(logits) = logits else {
            bail!("a model needs loci")
        };
        let logits = (logits + f64::from(additive.intercept))?;
        match covariates {
            Some(covariates) if covariates.dim(1)? == additive.covariates.len() => {
                let coefficients =
                    Tensor::new(additive.covariates.as_slice(), covariates.device())?;
                let products = covariates.broadcast_mul(&coefficients)?;
                Ok(Some((logits + products.sum(D::Minus1)?)?))
            }
            None if additive.covariates.is_empty() => Ok(Some(logits)),
            _ => bail!(
                "the model was made for {}",
                counted(additive.covariates.len(), "covariate", "covariates")
            ),
        }
    }

    /// The deep terms over `locus`, with their first column in an encoded haplotype.
    fn columns_of(&self, locus: usize) -> impl Iterator<Item = (&Term, usize)> {
        let first_deep_column = usize::from(self.has_additive());
        let hidden = self.config.architecture.hidden;
        self.terms
            .iter()
            .filter(move |term| term.shape.loci.contains(&locus))
            .scan(first_deep_column, move |next_column, term| {
                let column = *next_column;
                *next_column += term.networks.len() * hidden;
                Some((term, column))
            })
    }

    /// The columns of one network of a term, (haplotypes, hidden), one tensor per locus of the
    /// term.
    fn network_rows(&self, term: &Term, network: usize, encoded: &[Tensor]) -> Result<Vec<Tensor>> {
        let hidden = self.config.architecture.hidden;
        let mut rows = Vec::with_capacity(term.shape.loci.len());
        for &locus in &term.shape.loci {
            let first = self
                .columns_of(locus)
                .find(|(candidate, _)| std::ptr::eq(*candidate, term))
                .map_or(0, |(_, column)| column);
            let columns = encoded[locus].narrow(1, first + network * hidden, hidden)?;
            rows.push(columns.contiguous()?);
        }
        Ok(rows)
    }
}

impl Predictor for RiskModel {
    fn config(&self) -> &Config {
        &self.config
    }

    fn width(&self, locus: usize) -> usize {
        let networks: usize = self
            .columns_of(locus)
            .map(|(term, _)| term.networks.len())
            .sum();
        usize::from(self.has_additive()) + networks * self.config.architecture.hidden
    }

    fn encode_only(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor> {
        let mut columns = Vec::new();
        if let Some(AdditiveTerm { locus_weights, .. }) = &self.additive {
            let rows: Vec<Vec<u32>> = tokens.to_vec2()?;
            let weights = &locus_weights[locus];
            let scores: Vec<f32> = rows.iter().map(|row| weights.score(row)).collect();
            columns.push(Tensor::from_vec(scores, (rows.len(), 1), tokens.device())?);
        }
        for (term, _) in self.columns_of(locus) {
            let term_locus = index_in_term(locus, &term.shape);
            let TermTokens { tokens, mask } = match &term.numbers {
                None => TermTokens {
                    tokens: tokens.clone(),
                    mask: mask.clone(),
                },
                Some(numbers) => TermTokens::new(tokens, mask, numbers, term_locus)?,
            };
            for network in &term.networks {
                columns.push(network.encode_only(term_locus, &tokens, &mask)?);
            }
        }
        Tensor::cat(&columns, 1)
    }

    fn classify(
        &self,
        encoded: &[Tensor],
        pairs: &[&[Tensor; 2]],
        covariates: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut logits = self.classify_additive(encoded, pairs, covariates)?;
        for term in &self.terms {
            let pairs: Vec<&[Tensor; 2]> =
                term.shape.loci.iter().map(|&locus| pairs[locus]).collect();
            // Next to an additive term, the covariates are part of that term only.
            let covariates = covariates.filter(|_| !self.has_additive());
            for (number, network) in term.networks.iter().enumerate() {
                let rows = self.network_rows(term, number, encoded)?;
                let deep = network.classify(&rows, &pairs, covariates)?;
                let weight = term.shape.weight / term.networks.len() as f64;
                logits = Some(match logits {
                    Some(logits) => (logits + (deep * weight)?)?,
                    None => deep,
                });
            }
        }
        logits.ok_or_else(|| candle_core::Error::Msg("a model needs a term".into()))
    }
}

/// Takes the tensors of deep term `number` out of those of a model, one map per network, with the
/// names within the network.
pub fn term_tensors(
    tensors: &mut BTreeMap<String, Tensor>,
    number: usize,
    n_networks: usize,
) -> Vec<BTreeMap<String, Tensor>> {
    (0..n_networks)
        .map(|network| take_prefixed(tensors, &network_prefix(number, network)))
        .collect()
}

/// Takes the tensors whose names begin with `prefix`, and removes it from the names.
fn take_prefixed(tensors: &mut BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| name.starts_with(prefix))
        .cloned()
        .collect();
    names
        .into_iter()
        .filter_map(|name| Some((name[prefix.len()..].to_owned(), tensors.remove(&name)?)))
        .collect()
}

/// Prefix of the tensor names of a network of deep term `term`.
#[must_use]
pub fn network_prefix(term: usize, network: usize) -> String {
    format!("terms.{term}.{network}.")
}

/// The input of a term's networks at one locus.
struct TermTokens {
    /// Token numbers of the term, (haplotypes, slots and pair slots).
    tokens: Tensor,
    mask: Arc<Vec<u8>>,
}

impl TermTokens {
    /// Converts token ids of the tokenizer to numbers of a term, and appends its pair slots.
    fn new(
        tokens: &Tensor,
        mask: &Arc<Vec<u8>>,
        numbers: &TokenNumbers,
        term_locus: usize,
    ) -> Result<Self> {
        let (n_haplotypes, n_slots) = tokens.dims2()?;
        let n_pairs = numbers.n_pairs(term_locus);
        let ids: Vec<u32> = tokens.flatten_all()?.to_vec1()?;
        let term_ids: Vec<u32> = ids
            .chunks(n_slots)
            .flat_map(|row| numbers.row(term_locus, row))
            .collect();
        let shape = (n_haplotypes, n_slots + n_pairs);
        let tokens = Tensor::from_vec(term_ids, shape, tokens.device())?;
        if n_pairs == 0 {
            return Ok(Self {
                tokens,
                mask: mask.clone(),
            });
        }
        // A pair slot is never padding.
        let mask_with_pairs = mask
            .chunks(n_slots)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(1, n_pairs)))
            .collect();
        Ok(Self {
            tokens,
            mask: Arc::new(mask_with_pairs),
        })
    }
}

/// The index of a locus among the loci of a term.
fn index_in_term(locus: usize, shape: &TermShape) -> usize {
    shape
        .loci
        .iter()
        .position(|&term_locus| term_locus == locus)
        .unwrap_or_default()
}

/// Checks that a deep term fits the model: loci, tokens, pair slots, networks and weight.
fn require_loci(shape: &TermShape, config: &Config) -> Result<()> {
    let is_ascending = shape.loci.is_sorted_by(|locus, next| locus < next)
        && shape.tokens.is_sorted_by(|token, next| token < next);
    let has_networks = (1..=MAX_NETWORKS).contains(&shape.networks);
    let has_special = shape.tokens.get(MASK as usize) == Some(&MASK);
    if shape.loci.is_empty()
        || !is_ascending
        || !has_special
        || !has_networks
        || shape.loci.iter().any(|&locus| locus >= config.loci.len())
        || shape
            .pair_slots
            .iter()
            .any(|pair| !fits(pair, &shape.loci, config))
        || !shape.weight.is_finite()
    {
        bail!(
            "a deep term over the loci {:?} with weight {} and {} tokens does not fit a model of \
             {} loci",
            shape.loci,
            shape.weight,
            shape.tokens.len(),
            config.loci.len()
        );
    }
    Ok(())
}

/// Whether both slots of a pair are slots of its locus.
fn fits(pair: &PairSlot, loci: &[usize], config: &Config) -> bool {
    let n_slots = loci
        .get(pair.locus)
        .map_or(0, |&locus| config.loci[locus].n_slots);
    pair.slots[0] < pair.slots[1] && pair.slots[1] < n_slots
}

fn require_fit(additive: &Additive, config: &Config) -> Result<()> {
    let fits = additive.weights.iter().all(|entry| {
        config
            .loci
            .get(entry.locus)
            .is_some_and(|locus| entry.slot < locus.n_slots)
    });
    if !fits || additive.covariates.len() != config.n_covariates {
        bail!("the additive term does not fit the loci, slots and covariates of this model");
    }
    Ok(())
}
