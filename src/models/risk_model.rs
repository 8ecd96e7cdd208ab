//! What a bundle predicts with: an additive term and deep terms, each over some loci.
//!
//! `logit = additive + sum over deep terms of weight * deep term`. A model without an additive term
//! is one deep term over all loci with weight 1. A deep term with weight 0 is not kept, so that a
//! model without any gain is the additive model, exactly.

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

/// Encodes haplotypes and classifies samples: a single network, or a [`RiskModel`].
pub trait Predictor {
    /// Architecture and shapes.
    fn config(&self) -> &Config;

    /// Values per encoded haplotype of a locus.
    fn width(&self, locus: usize) -> usize;

    /// (haplotypes, width) for at least one haplotype of `locus`, with nothing kept for gradients.
    /// Each row depends on its own tokens only.
    ///
    /// # Errors
    /// Shapes that do not fit the configuration.
    fn encode_only(&self, locus: usize, tokens: &Tensor, mask: &Arc<Vec<u8>>) -> Result<Tensor>;

    /// Logits, (people), from the encoded haplotypes of each locus and each person's pairs of them.
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

/// Which loci a deep term sees, and how much it counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermShape {
    /// Numbers of its loci, ascending.
    pub loci: Vec<usize>,
    /// Factor of its logit, above 0.
    pub weight: f64,
    /// Epoch whose weights these are.
    #[serde(default)]
    pub best_epoch: usize,
    /// Tokens that have an embedding, ascending, the special ones first: token `i` of the term is
    /// this one of the tokenizer. All others are read as `[UNK]`. Empty for a pure sequence
    /// model, which has the whole vocabulary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u32>,
    /// Slots that the term adds to its loci, numbered after `tokens`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pair_slots: Vec<PairSlot>,
    /// Networks whose mean logit is the term's.
    #[serde(default = "one")]
    pub networks: usize,
}

fn one() -> usize {
    1
}

impl TermShape {
    /// Architecture and shapes of the term's network.
    #[must_use]
    pub fn config(&self, of_model: &Config) -> Config {
        let n_versions: usize = self.pair_slots.iter().map(|pair| pair.versions.len()).sum();
        let mut config = Config {
            vocab_size: self.tokens.len() + n_versions,
            ..of_model.of_loci(&self.loci)
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
    /// `None` where the numbers are those of the tokenizer.
    numbers: Option<TokenNumbers>,
    networks: Vec<Model>,
}

/// Networks of a deep term, at most: a damaged file must not make a loop endless.
const MAX_NETWORKS: usize = 1_000;

/// Additive and deep terms together.
#[derive(Debug)]
pub struct RiskModel {
    config: Config,
    additive: Option<AdditiveTerm>,
    /// The additive term that was fitted without any deep term.
    alone: Option<AdditiveTerm>,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct AdditiveTerm {
    term: Additive,
    of_loci: Vec<LocusWeights>,
}

impl AdditiveTerm {
    fn new(term: Additive, config: &Config) -> Result<Self> {
        require_fit(&term, config)?;
        let of_loci = (0..config.loci.len())
            .map(|locus| term.of_locus(locus))
            .collect();
        Ok(Self { term, of_loci })
    }
}

impl RiskModel {
    /// From saved tensors. `terms` is absent for a model without an additive term, whose tensors
    /// have the plain names; otherwise those of deep term i are `terms.i.NETWORK.NAME`.
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
            let model = Model::new(config, &mut Parameters::saved(tensors).on(device))?;
            let shape = TermShape {
                loci: (0..config.loci.len()).collect(),
                weight: 1.0,
                networks: 1,
                ..TermShape::default()
            };
            let term = Term {
                shape,
                numbers: None,
                networks: vec![model],
            };
            return Ok(Self {
                config: config.clone(),
                additive: None,
                alone: None,
                terms: vec![term],
            });
        };
        let mut additive = |prefix: &str| match Additive::take(&mut tensors, prefix)? {
            Some(additive) => AdditiveTerm::new(additive, config),
            None => bail!("no tensor `{prefix}additive.intercept` is saved"),
        };
        let (additive, alone) = (additive("")?, additive(ALONE)?);
        let load = |(number, shape): (usize, &TermShape)| {
            require_loci(shape, config)?;
            let of_term = term_tensors(&mut tensors, number, shape.networks);
            let networks = of_term.into_iter().map(|tensors| {
                Model::new(
                    &shape.config(config),
                    &mut Parameters::saved(tensors).on(device),
                )
            });
            let numbers = Some(TokenNumbers::new(shape));
            Ok(Term {
                shape: shape.clone(),
                numbers,
                networks: networks.collect::<Result<_>>()?,
            })
        };
        let terms = terms.iter().enumerate().map(load).collect::<Result<_>>()?;
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

    /// Additive logits, (people), from haplotypes encoded by [`Predictor::encode_only`]; `None`
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
            let scores = encoded.narrow(1, 0, 1)?.squeeze(1)?;
            let with_absent = Tensor::cat(
                &[&scores, &Tensor::zeros(1, DType::F32, scores.device())?],
                0,
            )?;
            let both = (with_absent.index_select(&pair[0], 0)?
                + with_absent.index_select(&pair[1], 0)?)?;
            logits = Some(match logits {
                Some(logits) => (logits + both)?,
                None => both,
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
                Ok(Some(
                    (logits + covariates.broadcast_mul(&coefficients)?.sum(D::Minus1)?)?,
                ))
            }
            None if additive.covariates.is_empty() => Ok(Some(logits)),
            _ => bail!(
                "the model was made for {}",
                counted(additive.covariates.len(), "covariate", "covariates")
            ),
        }
    }

    /// First column of each deep term that sees `locus`, among the columns of an encoded haplotype.
    fn columns_of(&self, locus: usize) -> impl Iterator<Item = (&Term, usize)> {
        let first = usize::from(self.has_additive());
        let hidden = self.config.architecture.hidden;
        let seeing = self
            .terms
            .iter()
            .filter(move |term| term.shape.loci.contains(&locus));
        seeing.scan(first, move |next, term| {
            let first = *next;
            *next += term.networks.len() * hidden;
            Some((term, first))
        })
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
        if let Some(AdditiveTerm { of_loci, .. }) = &self.additive {
            let rows: Vec<Vec<u32>> = tokens.to_vec2()?;
            let scores: Vec<f32> = rows.iter().map(|row| of_loci[locus].score(row)).collect();
            columns.push(Tensor::from_vec(scores, (rows.len(), 1), tokens.device())?);
        }
        for (term, _) in self.columns_of(locus) {
            let place = place_of(locus, &term.shape);
            let (tokens, mask) = match &term.numbers {
                None => (tokens.clone(), mask.clone()),
                Some(numbers) => numbered(tokens, mask, numbers, place)?,
            };
            for network in &term.networks {
                columns.push(network.encode_only(place, &tokens, &mask)?);
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
        let hidden = self.config.architecture.hidden;
        let mut logits = self.classify_additive(encoded, pairs, covariates)?;
        for term in &self.terms {
            let pairs: Vec<&[Tensor; 2]> =
                term.shape.loci.iter().map(|&locus| pairs[locus]).collect();
            let covariates = covariates.filter(|_| !self.has_additive());
            for (number, network) in term.networks.iter().enumerate() {
                let mut rows = Vec::with_capacity(term.shape.loci.len());
                for &locus in &term.shape.loci {
                    let first = self
                        .columns_of(locus)
                        .find(|(other, _)| std::ptr::eq(*other, term))
                        .map_or(0, |(_, first)| first);
                    rows.push(
                        encoded[locus]
                            .narrow(1, first + number * hidden, hidden)?
                            .contiguous()?,
                    );
                }
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

/// Takes the tensors of the networks of deep term `number` out of those of a model, under their
/// names within the network.
pub fn term_tensors(
    tensors: &mut BTreeMap<String, Tensor>,
    number: usize,
    n_networks: usize,
) -> Vec<BTreeMap<String, Tensor>> {
    let of_network = |network: usize| {
        let prefix = network_prefix(number, network);
        let names: Vec<String> = tensors
            .keys()
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name[prefix.len()..].to_owned(), tensors.remove(&name)?)))
            .collect()
    };
    (0..n_networks).map(of_network).collect()
}

/// What the names of the tensors of a network of deep term `term` begin with.
#[must_use]
pub fn network_prefix(term: usize, network: usize) -> String {
    format!("terms.{term}.{network}.")
}

/// Token ids of the tokenizer as numbers of a term, and the mask with its pair slots.
fn numbered(
    tokens: &Tensor,
    mask: &Arc<Vec<u8>>,
    numbers: &TokenNumbers,
    place: usize,
) -> Result<(Tensor, Arc<Vec<u8>>)> {
    let (n_haplotypes, n_slots) = tokens.dims2()?;
    let n_pairs = numbers.n_pairs(place);
    let ids: Vec<u32> = tokens.flatten_all()?.to_vec1()?;
    let of_term: Vec<u32> = ids
        .chunks(n_slots)
        .flat_map(|row| numbers.row(place, row))
        .collect();
    let of_term = Tensor::from_vec(of_term, (n_haplotypes, n_slots + n_pairs), tokens.device())?;
    if n_pairs == 0 {
        return Ok((of_term, mask.clone()));
    }
    let with_pairs = mask
        .chunks(n_slots)
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(1, n_pairs)));
    Ok((of_term, Arc::new(with_pairs.collect())))
}

fn place_of(locus: usize, shape: &TermShape) -> usize {
    shape
        .loci
        .iter()
        .position(|&other| other == locus)
        .unwrap_or_default()
}

fn require_loci(shape: &TermShape, config: &Config) -> Result<()> {
    let is_ascending = shape.loci.is_sorted_by(|one, next| one < next)
        && shape.tokens.is_sorted_by(|one, next| one < next);
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
